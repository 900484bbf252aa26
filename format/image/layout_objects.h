/* Records of layout.h: descriptors, what they lead to, and what is in it. */
#ifndef FORMAT_IMAGE_LAYOUT_OBJECTS_H
#define FORMAT_IMAGE_LAYOUT_OBJECTS_H

#include <assert.h>
#include <stdint.h>

/* X(NAME, number, text) */
#define SNAPIMG_DESCRIPTOR_KINDS(X)                                                                          \
	X(INHERIT, 1, "inherit") /* the caller's descriptor number `source` */                               \
	X(FILE, 2, "file")       /* open `file` with `flags`, seek to `position` */                          \
	/* the same open file description as descriptor `source`, an earlier record that is not CLOSED */    \
	X(DUPLICATE, 3, "duplicate")                                                                         \
	X(CLOSED, 4, "closed") /* one of 0, 1, 2 that the program closed */                                  \
	X(OBJECT, 5, "object") /* record `source` of OBJECTS; `position` where that is a file */
enum snapimg_descriptor_kind {
#define X(name, number, text) SNAPIMG_DESCRIPTOR_##name = (number),
	SNAPIMG_DESCRIPTOR_KINDS(X)
#undef X
};
/* Access mode, NOCTTY, APPEND, NONBLOCK, DSYNC, ASYNC, DIRECT, LARGEFILE, DIRECTORY, NOFOLLOW, NOATIME, SYNC
 * and PATH (include/uapi/asm-generic/fcntl.h): nothing that creates, truncates, or closes on exec. */
enum { SNAPIMG_OPEN_FLAGS = 015776403 };
/* What fcntl(2), F_SETFL, changes: APPEND, NONBLOCK, DIRECT, NOATIME. */
enum { SNAPIMG_STATUS_FLAGS = 01046000 };
struct snapimg_descriptor {
	uint64_t position; /* INHERIT: which of SNAPIMG_STATUS_FLAGS are to be as `flags` say */
	int32_t number;
	uint32_t kind;
	uint32_t flags; /* open(2) flags, Linux x86-64 numbers, among SNAPIMG_OPEN_FLAGS */
	uint32_t close_on_exec;
	uint32_t file; /* index + 1 in FILES */
	int32_t source;
};
static_assert(sizeof(struct snapimg_descriptor) == 32, "descriptor layout");

/* An open file description that is neither a file with a name nor inherited. What `value` holds: FORMAT.md.
 * X(NAME, number, what it is) */
#define SNAPIMG_OBJECT_KINDS(X)                                                                              \
	X(PIPE, 1, "pipe")                                                                                   \
	X(EVENTFD, 2, "eventfd")                                                                             \
	X(EPOLL, 3, "epoll set")                                                                             \
	X(TIMERFD, 4, "timerfd")                                                                             \
	X(SIGNALFD, 5, "signalfd")                                                                           \
	X(INOTIFY, 6, "inotify instance")                                                                    \
	X(MEMFD, 7, "memfd")                                                                                 \
	X(UNLINKED, 8, "deleted file")                                                                       \
	X(REOPENED, 9, "opened once more")                                                                   \
	X(FIFO, 10, "FIFO")                                                                                  \
	X(SOCKET, 11, "socket")                                                                              \
	X(PIDFD, 12, "pidfd of itself or of its tree")                                                       \
	X(TERMINAL, 13, "pseudoterminal")                                                                    \
	X(CALLERS, 14, "caller's terminal, opened once more")                                                \
	X(ENDED, 15, "pidfd of a process that has ended")                                                    \
	X(TREE, 16, "object of the tree")                                                                    \
	X(FILE, 17, "file that several have")                                                                \
	X(MQUEUE, 18, "message queue")                                                                       \
	X(AIO, 19, "asynchronous I/O context")                                                               \
	X(URING, 20, "io_uring")                                                                             \
	X(REMOVED, 21, "removed directory")
enum snapimg_object_kind {
#define X(name, number, text) SNAPIMG_OBJECT_##name = (number),
	SNAPIMG_OBJECT_KINDS(X)
#undef X
};
enum { SNAPIMG_OBJECT_VALUES = 5 };

/* Made in order; `peer` is an earlier one. */
struct snapimg_object {
	uint32_t kind;
	uint32_t flags; /* open(2) flags, among SNAPIMG_OPEN_FLAGS */
	uint32_t peer;  /* index + 1 in OBJECTS: the other end; REOPENED: the same file */
	uint32_t name;  /* string */
	uint64_t value[SNAPIMG_OBJECT_VALUES];
};
static_assert(sizeof(struct snapimg_object) == 56, "object layout");

/* Of `value` of the kinds: */
enum snapimg_value {
	SNAPIMG_PIPE_SIZE = 0,
	SNAPIMG_EVENTFD_COUNT = 0,
	SNAPIMG_EVENTFD_SEMAPHORE = 1,
	SNAPIMG_TIMERFD_CLOCK = 0,
	SNAPIMG_TIMERFD_VALUE = 1, /* nanoseconds */
	SNAPIMG_TIMERFD_INTERVAL = 2,
	SNAPIMG_TIMERFD_TICKS = 3,
	SNAPIMG_TIMERFD_FLAGS = 4,
	SNAPIMG_SIGNALFD_MASK = 0,
	SNAPIMG_FILE_SIZE = 0, /* MEMFD, UNLINKED */
	SNAPIMG_FILE_MODE = 1, /* and REMOVED, as MTIME and OWNER */
	SNAPIMG_FILE_SEALS = 2,
	SNAPIMG_FILE_MTIME = 3, /* i64: nanoseconds of the Epoch */
	SNAPIMG_FILE_OWNER = 4, /* (group + 1) << 32 | user + 1; 0: as of a new file */
	SNAPIMG_FIFO_SIZE = 0,
	SNAPIMG_FIFO_FRESH = 1, /* 1: no writer was there since it was opened */
	SNAPIMG_FIFO_MADE = 2,  /* its st_mode, if the program made it: a start does where it is not there */
	SNAPIMG_TERMINAL_END = 0,   /* 0: the master, 1: the slave */
	SNAPIMG_TERMINAL_STATE = 1, /* of this end: bits of enum snapimg_terminal_state */
	SNAPIMG_TERMINAL_USED = 2,  /* of the master: 1: its slave was opened, be it closed again */
	SNAPIMG_TERMINAL_EVENTS =
	        3,                  /* of the master: bits of SNAPIMG_TERMINAL_ALL_EVENTS, to be read there */
	SNAPIMG_CALLERS_NUMBER = 0, /* the caller's descriptor that leads to it */
	SNAPIMG_PIDFD_PID = 0,      /* 0: of itself, else of this process of the tree */
	SNAPIMG_TREE_OBJECT = 0,    /* index in OBJECTS of the tree's first process */
	SNAPIMG_OPENED_FILE = 0,    /* FILE: index in FILES */
	SNAPIMG_OPENED_POSITION = 1,
	SNAPIMG_MQUEUE_MODE = 0,
	SNAPIMG_MQUEUE_MESSAGES = 1, /* that it can hold */
	SNAPIMG_MQUEUE_SIZE = 2,     /* of each, at most */
	SNAPIMG_MQUEUE_GONE = 3,     /* 1: mq_unlink(3) */
	SNAPIMG_AIO_EVENTS = 0,      /* that its ring has room for */
	SNAPIMG_AIO_HEAD = 1,        /* where the first is that waits */
	SNAPIMG_AIO_TAIL = 2,        /* where the next one comes */
	SNAPIMG_URING_FLAGS = 0,     /* of io_uring_setup(2); << 32: sq_thread_idle */
	SNAPIMG_URING_ENTRIES = 1,   /* of the submission queue; << 32: of the completion queue */
	SNAPIMG_URING_COUNTS = 2,    /* submission queue's head; << 32: completion queue's tail */
	SNAPIMG_URING_LAYOUT = 3,    /* checksum of sq_off and cq_off without user_addr */
	SNAPIMG_URING_WAITING = 4,   /* completions */
	SNAPIMG_SOCKET_DOMAIN = 0,
	SNAPIMG_SOCKET_TYPE = 1,
	SNAPIMG_SOCKET_PROTOCOL = 2,
	SNAPIMG_SOCKET_STATE = 3,    /* enum snapimg_socket_state */
	SNAPIMG_SOCKET_SHUTDOWN = 4, /* 1: for receiving, 2: for sending */
};
/* `position` of a PIPE's content: 1: one packet, O_DIRECT. */
enum { SNAPIMG_PIPE_PACKET = 1, SNAPIMG_PIPE_PACKET_MAX = 4096 };
enum snapimg_terminal_state {
	SNAPIMG_TERMINAL_LOCKED = 1,    /* of the master: its slave can't be opened yet */
	SNAPIMG_TERMINAL_PACKETS = 2,   /* of the master: packet mode, TIOCPKT */
	SNAPIMG_TERMINAL_STOPPED = 4,   /* by tcflow(3) */
	SNAPIMG_TERMINAL_EXCLUSIVE = 8, /* TIOCEXCL */
};
/* TIOCPKT_FLUSHREAD, FLUSHWRITE, START, NOSTOP, DOSTOP (ioctl_tty(2)) */
enum { SNAPIMG_TERMINAL_ALL_EVENTS = 1 | 2 | 8 | 16 | 32 };
/* What the contents of a master are, in `position`. */
enum snapimg_terminal_content {
	SNAPIMG_TERMINAL_OUTPUT = 0, /* what it has to read */
	SNAPIMG_TERMINAL_INPUT = 1,  /* what its slave has to read: with line editing one line */
	SNAPIMG_TERMINAL_BEGUN = 2,  /* a line that has no end yet */
};
enum snapimg_socket_state {
	SNAPIMG_SOCKET_SINGLE = 0,
	SNAPIMG_SOCKET_PAIR = 1,  /* made by socketpair(2) */
	SNAPIMG_SOCKET_RESET = 2, /* TCP, connected once to one who has reset the connection */
	SNAPIMG_SOCKET_TCP = 3,   /* an end of a TCP connection whose other end is an object, too */
	SNAPIMG_SOCKET_WAITS = 4, /* connected to a listener of the image, which has not accepted it yet */
};

/* What is done with an object once it is made, in this order. */
enum snapimg_setting_kind {
	SNAPIMG_SETTING_OPTION = 1, /* setsockopt(2): level, option, the bytes */
	/* bind(2): the bytes; option: the mode of the file it makes, or 0; of an end of a TCP connection 1:
	 * it was accepted there */
	SNAPIMG_SETTING_BIND = 2,
	SNAPIMG_SETTING_LISTEN = 3,  /* listen(2): option */
	SNAPIMG_SETTING_CONNECT = 4, /* connect(2): the bytes */
	/* setsockopt(2): the bytes after the name of a network interface, whose number they begin with */
	SNAPIMG_SETTING_INTERFACE = 5,
	SNAPIMG_SETTING_TERMIOS = 6,   /* TCSETS2: struct termios2 */
	SNAPIMG_SETTING_WINDOW = 7,    /* TIOCSWINSZ: struct winsize */
	SNAPIMG_SETTING_BIND_GONE = 8, /* BIND, then unlink(2) of the file */
	SNAPIMG_SETTING_ACCEPTED = 9,  /* how a PAIR is made: accept(2) at the bytes */
	SNAPIMG_SETTING_FILTER = 10,   /* SO_ATTACH_FILTER, after all contents: struct sock_filter each */
	SNAPIMG_SETTING_OWNER = 11,    /* of the file that the BIND right before it has made: user, group */
	/* Of a MEMFD or UNLINKED: when it was read last (i64: nanoseconds of the Epoch), and how many bytes
	 * from its beginning it has room for on its filesystem, or 0 */
	SNAPIMG_SETTING_FILE = 12,
};
enum {
	SNAPIMG_INTERFACE_NAME = 16, /* IFNAMSIZ */
	SNAPIMG_FILTER_SIZE = 8,     /* of an instruction */
	SNAPIMG_FILTER_MAX = 4096,   /* of them (include/linux/filter.h, BPF_MAXINSNS) */
	SNAPIMG_TERMIOS_SIZE = 44,
	SNAPIMG_WINDOW_SIZE = 8,
	SNAPIMG_OWNER_SIZE = 8,
	SNAPIMG_FILE_SETTING_SIZE = 16,
};
struct snapimg_setting {
	uint32_t object;
	uint32_t kind;
	int32_t level;
	int32_t option;
	uint64_t offset; /* in BYTES */
	uint32_t size;
	uint32_t reserved_zero;
};
static_assert(sizeof(struct snapimg_setting) == 32, "setting layout");

enum {
	SNAPIMG_AIO_EVENT_SIZE = 32,       /* struct io_event */
	SNAPIMG_AIO_HEADER_SIZE = 32,      /* what stands before them in the ring */
	SNAPIMG_URING_CQ_MAX = 1 << 16,    /* entries (io_uring/io_uring.h, IORING_MAX_CQ_ENTRIES) */
	SNAPIMG_URING_SQES = 1 << 28,      /* IORING_OFF_SQES */
	SNAPIMG_URING_PART_MAX = 1 << 24,  /* bytes of what is mapped from 0, or from there */
	SNAPIMG_URING_STEPS_MAX = 1 << 24, /* of its counts: each is a request at a start */
};

/* Bytes in an object: of a file at `position`, of a pipe all, of a socket one message that it has to receive,
 * or of one that WAITS one that it has sent; of a pseudoterminal what its ends have to read. */
struct snapimg_content {
	uint32_t object;
	uint32_t stored_size; /* of one zstd frame in BYTES; 0: the bytes themselves */
	uint64_t position;    /* files; TERMINAL: enum snapimg_terminal_content; 0 for most others */
	uint64_t offset;      /* in BYTES */
	uint64_t size;
};
static_assert(sizeof(struct snapimg_content) == 32, "content layout");

/* A descriptor that comes with a message: what it leads to. */
struct snapimg_passed {
	uint32_t content;
	uint32_t object;
	uint64_t position; /* MEMFD, UNLINKED and what is REOPENED of them */
};
static_assert(sizeof(struct snapimg_passed) == 16, "passed descriptor layout");
enum { SNAPIMG_PASSED_MAX = 253 }; /* with one message (include/net/scm.h, SCM_MAX_FD) */

/* What an EPOLL object looks at. */
struct snapimg_watch {
	uint32_t object;
	uint32_t events;
	int32_t number;  /* the descriptor */
	uint32_t source; /* 0, or number + 1 of the one that stands there while it is watched */
	uint64_t data;
};
static_assert(sizeof(struct snapimg_watch) == 24, "watch layout");

/* That the program has heard of what a set watches with EPOLLET, and is not told of it again. */
struct snapimg_edge {
	uint32_t watch;  /* index in WATCHES */
	uint32_t events; /* that were ready */
};
static_assert(sizeof(struct snapimg_edge) == 8, "edge layout");

enum snapimg_lock_kind {
	SNAPIMG_LOCK_FLOCK = 1, /* flock(2) */
	SNAPIMG_LOCK_POSIX = 2, /* fcntl(2), F_SETLK */
	SNAPIMG_LOCK_OFD = 3,   /* fcntl(2), F_OFD_SETLK */
	SNAPIMG_LOCK_LEASE = 4, /* fcntl(2), F_SETLEASE: F_RDLCK */
};
struct snapimg_lock {
	int32_t number;
	uint32_t kind;
	uint32_t exclusive; /* 0 or 1 */
	uint32_t reserved_zero;
	uint64_t start;
	uint64_t length; /* 0: to the end, however long the file gets */
};
static_assert(sizeof(struct snapimg_lock) == 32, "lock layout");

/* A watch of an INOTIFY object, inotify_add_watch(2). */
struct snapimg_inotify {
	uint32_t object;
	uint32_t path; /* string: absolute */
	uint32_t mask;
	int32_t watch; /* its number */
};
static_assert(sizeof(struct snapimg_inotify) == 16, "inotify layout");
enum { SNAPIMG_INOTIFY_MAX = 65536 };

/* Whom a descriptor's description sends signals, fcntl(2), F_SETOWN_EX: the process or its main thread. */
enum snapimg_owner_kind { SNAPIMG_OWNER_NONE = 0, SNAPIMG_OWNER_PROCESS = 1, SNAPIMG_OWNER_THREAD = 2 };
struct snapimg_owner {
	int32_t number;
	uint32_t kind;
	uint32_t signal; /* F_SETSIG; 0: SIGIO without more */
	uint32_t drives; /* 1: O_ASYNC */
};
static_assert(sizeof(struct snapimg_owner) == 16, "owner layout");

#endif
