/* Kinds of open descriptions that become objects of the image: a row of kinds.c and a file each. */
#ifndef TRACER_CAPTURE_FDS_KINDS_H
#define TRACER_CAPTURE_FDS_KINDS_H

#include "tracer/capture/fds/objects.h"
#include "tracer/capture/fds/survey.h"
#include "tracer/capture/files.h"
#include "tracer/capture/memory/shared.h"
#include "tracer/overrides.h"

struct sockaddr;

struct taking {
	const struct survey *survey;
	pid_t pid; /* whose descriptor it is, with its remote and noted */
	struct objects *objects;
	struct shared *shared;
	const struct overrides *overrides;
	const struct remote *remote;
	const struct noted *noted;
	bool is_look; /* snapshot_request */
};

/* Fills what is particular to the kind in *object (kind and flags are set), and adds its settings, contents
 * and watches; or refuses by name. it->copy is there. */
typedef enum status take_descriptor(struct taking *taking, struct open_descriptor *it,
                                    struct snapimg_object *object);

struct descriptor_kind {
	const char *link; /* the beginning of its link in /proc/PID/fd; NULL: is_it tells */
	bool (*is_it)(const struct open_descriptor *it); /* NULL: the link is enough */
	enum snapimg_object_kind kind;
	enum holding holding; /* which other process would notice what the program does to it */
	const char *held;     /* what it is called then; it is refused */
	take_descriptor *take;
};

/* NULL: a file with a name, or what can't be carried. */
const struct descriptor_kind *find_kind(const struct open_descriptor *it);
/* Refuses what can be told by its link. */
enum status refuse_by_link(const struct survey *survey, const struct open_descriptor *it)
        __attribute__((warn_unused_result));
/* Refuses what another process holds, too, in the way that it->holding says. */
enum status refuse_held(const struct survey *survey, const struct open_descriptor *it, const char *what)
        __attribute__((warn_unused_result));

take_descriptor take_pipe, take_eventfd, take_timerfd, take_signalfd, take_pidfd, take_epoll, take_memfd,
        take_unlinked, take_socket, take_unix_socket, take_internet_socket, take_netlink_socket, take_fifo,
        take_terminal, take_inotify, take_embedded, take_mqueue, take_uring, take_removed;

/* What an epoll set watches and this process fills in again, of the object that comes next in
 * taking->objects. */
enum status watch_again(struct taking *taking, struct open_descriptor *it, size_t process)
        __attribute__((warn_unused_result));

/* The rest of a memfd or deleted file (fds/nameless.c). */
take_descriptor take_nameless;
/* Its mode, owner and time. */
void note_nameless(const struct stat *file, struct snapimg_object *object);
/* What the file has that no image does: the words for it; NULL: nothing. */
const char *made_file_beside_content(int fd, const char *path);
/* And of any file whose content goes into the image; takes over fd, or -1 where it is empty. */
enum status take_file_content(struct taking *taking, const struct open_descriptor *it, int fd,
                              struct snapimg_object *object) __attribute__((warn_unused_result));
/* Makes it one more description of a file that is an object already. */
bool take_reopened(const struct taking *taking, const struct open_descriptor *it,
                   struct snapimg_object *object);

/* Adds the options of a socket that differ from a new one's. */
enum status take_socket_options(struct taking *taking, const struct open_descriptor *it, int domain, int type,
                                int protocol) __attribute__((warn_unused_result));
/* Adds what is on its way in a Unix socket. sender: the other end, or NULL where that is closed. */
enum status take_unix_queue(struct taking *taking, struct open_descriptor *it, int type,
                            struct open_descriptor *sender) __attribute__((warn_unused_result));
/* What is on its way through a Unix socket (fds/passed.c): whether the description is; refuses what can't be
 * carried there; tells PASSED the objects, when all are taken. */
bool is_passed(const struct survey *survey, const struct open_descriptor *it);
enum status check_passed(const struct survey *survey, const struct open_descriptor *it)
        __attribute__((warn_unused_result));
void resolve_passed(const struct survey *survey, struct objects *objects);
/* Whether it is TCP and not what a socket is before its first connection, or a listening one. */
bool is_connected(int domain, int type, int copy);
/* Who is connected to it, if the program has that one, be it not accepted yet (fds/tcp.c). */
struct open_descriptor *tcp_peer(const struct survey *survey, const struct open_descriptor *it);
/* peer: NULL: nobody has it any more. */
enum status take_tcp_connection(struct taking *taking, struct open_descriptor *it,
                                struct snapimg_object *object, struct open_descriptor *peer)
        __attribute__((warn_unused_result));
/* Whether the other end of a connection without a peer is closed and nobody's; and adds an object in its
 * place: index + 1 (fds/tcp_left.c). */
bool tcp_is_left(const struct taking *taking, const struct open_descriptor *it);
enum status take_left_end(struct taking *taking, const struct sockaddr *address, uint32_t size, bool accepted,
                          int domain, uint32_t *ret_index) __attribute__((warn_unused_result));
/* Adds the options of a connected TCP socket that differ from those of one that was connected just now. */
enum status take_connected_options(struct taking *taking, const struct open_descriptor *it, int domain)
        __attribute__((warn_unused_result));
/* Names it by its address, for people. */
enum status name_inet_object(struct taking *taking, const struct sockaddr *address,
                             struct snapimg_object *object) __attribute__((warn_unused_result));
/* Refuses connections that wait at the listener, where who has made them is elsewhere, or gone. */
enum status check_waiting(struct taking *taking, const struct open_descriptor *listener)
        __attribute__((warn_unused_result));
/* Adds the groups that a socket has joined. */
enum status take_memberships(struct taking *taking, const struct open_descriptor *it, int domain)
        __attribute__((warn_unused_result));
/* Adds what is in a pipe or FIFO, which its size and the number of bytes that wait are known of; `packets`:
 * one of its descriptions writes these. */
enum status take_pipe_waiting(struct taking *taking, const struct open_descriptor *it, bool packets, int size,
                              int waiting) __attribute__((warn_unused_result));
/* Adds whom the description sends signals, unless nobody. */
enum status take_owner(struct taking *taking, struct open_descriptor *it) __attribute__((warn_unused_result));
/* Adds the locks that the description holds. */
enum status take_locks(struct taking *taking, const struct open_descriptor *it)
        __attribute__((warn_unused_result));

/* What looks like a file, named or deleted (fds/mqueue.c). */
bool is_message_queue(const struct open_descriptor *it);
/* Of a terminal that is the caller's descriptor `number`: the modes that the program set, and its size
 * (fds/streams.c). */
enum status take_stream(struct taking *taking, struct open_descriptor *it, int number)
        __attribute__((warn_unused_result));
/* Whether it's a terminal that the program inherited, too: as the caller's descriptor *ret_number. */
bool is_callers_terminal(const struct survey *survey, const struct open_descriptor *it, int *ret_number);

/* A regular file with a name, open for reading and by nobody in the program for writing. */
bool file_can_be_embedded(const struct survey *survey, const struct open_descriptor *it);
/* Who would notice what is done to such a file through its descriptor. */
enum holding file_holding(const struct open_descriptor *it);
/* A file with a name, or a device without a state: how it is opened again; or refuses. */
enum status record_file(const struct survey *survey, const struct open_descriptor *it, struct files *files,
                        struct snapimg_descriptor *record) __attribute__((warn_unused_result));
/* What the caller wants in its place. close: the record says CLOSED, whatever the number. */
enum status record_override(const struct open_descriptor *it, struct files *files,
                            struct snapimg_descriptor *record) __attribute__((warn_unused_result));

#endif
