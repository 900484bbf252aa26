/* Kinds of open descriptions that become objects of the image: a table of the beginning of their link and who
 * takes them, one small file a kind. */
#ifndef TRACER_CAPTURE_FDS_KINDS_H
#define TRACER_CAPTURE_FDS_KINDS_H

#include "tracer/capture/fds/objects.h"
#include "tracer/capture/fds/survey.h"
#include "tracer/capture/files.h"
#include "tracer/overrides.h"

struct taking {
	const struct survey *survey;
	struct objects *objects;
	struct memories *memories;
	const struct policies *policies;
};

/* Fills what is particular to the kind in *object (flags are set), and adds its settings, contents and
 * watches; or refuses by name. it->copy is there. */
typedef enum status take_descriptor(struct taking *taking, struct open_descriptor *it,
                                    struct snapimg_object *object);

take_descriptor take_pipe, take_eventfd, take_timerfd, take_signalfd, take_pidfd, take_epoll, take_memfd,
        take_unlinked, take_socket, take_unix_socket, take_internet_socket, take_fifo, take_terminal,
        take_inotify;

/* X(beginning of the link, who takes it) */
#define TAKEN_LINKS(X)                                                                                       \
	X("pipe:[", take_pipe)                                                                               \
	X("socket:[", take_socket)                                                                           \
	X("anon_inode:[eventfd", take_eventfd)                                                               \
	X("anon_inode:[timerfd]", take_timerfd)                                                              \
	X("anon_inode:[signalfd]", take_signalfd)                                                            \
	X("anon_inode:[pidfd]", take_pidfd)                                                                  \
	X("anon_inode:[eventpoll]", take_epoll)                                                              \
	X("anon_inode:inotify", take_inotify)                                                                \
	X("/memfd:", take_memfd)                                                                             \
	X("/dev/ptmx", take_terminal)                                                                        \
	X("/dev/pts/", take_terminal)

/* Adds the options of a socket that differ from a new one's. */
enum status take_socket_options(struct taking *taking, const struct open_descriptor *it, int domain, int type,
                                int protocol) __attribute__((warn_unused_result));
/* Whether it is TCP and not what a socket is before its first connection, or a listening one. */
bool is_connected(int domain, int type, int copy);
/* Adds the groups that a socket has joined. */
enum status take_memberships(struct taking *taking, const struct open_descriptor *it, int domain)
        __attribute__((warn_unused_result));
/* Adds what is in a pipe or FIFO, which its size and the number of bytes that wait are known of. */
enum status take_pipe_content(struct taking *taking, int from, int size, int waiting)
        __attribute__((warn_unused_result));
/* Adds whom the description sends signals, unless nobody. */
enum status take_owner(struct taking *taking, struct open_descriptor *it) __attribute__((warn_unused_result));
/* Adds the locks that the description holds. */
enum status take_locks(struct taking *taking, const struct open_descriptor *it)
        __attribute__((warn_unused_result));

/* fds/table.c: refuses what can be told by its link. */
enum status refuse_by_link(const struct survey *survey, const struct open_descriptor *it)
        __attribute__((warn_unused_result));
/* A file with a name, or a device without a state: how it is opened again; or refuses. */
enum status record_file(const struct survey *survey, const struct open_descriptor *it, struct files *files,
                        struct snapimg_descriptor *record) __attribute__((warn_unused_result));
/* What the caller wants in its place. close: the record says CLOSED, whatever the number. */
enum status record_policy(const struct open_descriptor *it, struct files *files,
                          struct snapimg_descriptor *record) __attribute__((warn_unused_result));

#endif
