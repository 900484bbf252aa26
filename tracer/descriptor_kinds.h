/* Kinds of open descriptions that become objects of the image: a table of the beginning of their link and who
 * takes them, one small file a kind. */
#ifndef TRACER_DESCRIPTOR_KINDS_H
#define TRACER_DESCRIPTOR_KINDS_H

#include "objects.h"
#include "survey.h"

struct taking {
	const struct survey *survey;
	struct objects *objects;
	struct memories *memories;
};

/* Fills what is particular to the kind in *object (flags are set), and adds its settings, contents and
 * watches; or refuses by name. it->copy is there. */
typedef enum status take_descriptor(struct taking *taking, struct open_descriptor *it,
                                    struct snapimg_object *object);

take_descriptor take_pipe, take_eventfd, take_timerfd, take_signalfd, take_pidfd, take_epoll, take_memfd,
        take_unlinked, take_socket, take_unix_socket, take_internet_socket;

/* X(beginning of the link, who takes it) */
#define TAKEN_LINKS(X)                                                                                       \
	X("pipe:[", take_pipe)                                                                               \
	X("socket:[", take_socket)                                                                           \
	X("anon_inode:[eventfd", take_eventfd)                                                               \
	X("anon_inode:[timerfd]", take_timerfd)                                                              \
	X("anon_inode:[signalfd]", take_signalfd)                                                            \
	X("anon_inode:[pidfd]", take_pidfd)                                                                  \
	X("anon_inode:[eventpoll]", take_epoll)                                                              \
	X("/memfd:", take_memfd)

/* Adds the options of a socket that differ from a new one's. */
enum status take_socket_options(struct taking *taking, const struct open_descriptor *it, int domain, int type,
                                int protocol) __attribute__((warn_unused_result));
/* Adds the locks that the description holds. */
enum status take_locks(struct taking *taking, const struct open_descriptor *it)
        __attribute__((warn_unused_result));

#endif
