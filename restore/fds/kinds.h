/*
 * The kinds of objects, one file each; objects.c has a row of these functions for every one of
 * SNAPIMG_OBJECT_KINDS. What they make closes on exec. They return 0, or a descriptor, or -errno.
 */
#ifndef RESTORE_FDS_KINDS_H
#define RESTORE_FDS_KINDS_H

#include <linux/fcntl.h>
#include <stdbool.h>
#include <stdint.h>

#include "restore/loader.h"

struct object_kind {
	/* A descriptor. *ret_other: one of its other end, where that is made with it; else it is left alone.
	 */
	long (*make)(uint32_t index, int32_t *ret_other);
	/* Puts one content into it. NULL: it has none. */
	long (*fill)(const struct snapimg_content *content, const uint8_t *bytes);
	/* When it has its content and settings; returns the descriptor, which may be another one then. */
	long (*complete)(uint32_t index, int descriptor);
	bool is_paired;      /* its peer made its descriptor */
	bool is_last;        /* what is in it may be other objects, which must be complete */
	bool may_be_missing; /* what it is made from, when no descriptor of the program's is it any more */
};

/* pipe2(2), eventfd2(2) and the others take access modes from nowhere. */
static inline uint64_t object_status_flags(const struct snapimg_object *object)
{
	return object->flags & (uint32_t)(O_NONBLOCK | O_DIRECT);
}

/* objects.c: of those that are made with other flags than the program had: F_SETFL. */
long object_complete_flags(uint32_t index, int descriptor);
/* The same of those that are made without any. */
long object_add_flags(uint32_t index, int descriptor);

/* include/uapi/asm-generic/poll.h: POLLIN, POLLOUT */
enum { READABLE = 1, WRITABLE = 4 };
/* objects.c: waits until the descriptor is one of these, 10 s at most: > 0, or -ETIMEDOUT. */
long object_wait(int descriptor, int16_t events);

long pipe_make(uint32_t index, int32_t *ret_other);
long pipe_fill(const struct snapimg_content *content, const uint8_t *bytes);
long eventfd_make(uint32_t index, int32_t *ret_other);
long epoll_make(uint32_t index, int32_t *ret_other);
long timerfd_make(uint32_t index, int32_t *ret_other);
long signalfd_make(uint32_t index, int32_t *ret_other);
long inotify_make(uint32_t index, int32_t *ret_other);
long memfd_make(uint32_t index, int32_t *ret_other);
long terminal_fill(const struct snapimg_content *content, const uint8_t *bytes);
long terminal_complete(uint32_t index, int descriptor);
long memfd_complete(uint32_t index, int descriptor);
long unlinked_make(uint32_t index, int32_t *ret_other);
long unlinked_fill(const struct snapimg_content *content, const uint8_t *bytes);
long unlinked_complete(uint32_t index, int descriptor);
long removed_make(uint32_t index, int32_t *ret_other);
long removed_complete(uint32_t index, int descriptor);
long reopened_make(uint32_t index, int32_t *ret_other);
long reopened_complete(uint32_t index, int descriptor);
long fifo_make(uint32_t index, int32_t *ret_other);
long socket_make(uint32_t index, int32_t *ret_other);
long socket_fill(const struct snapimg_content *content, const uint8_t *bytes);
long socket_complete(uint32_t index, int descriptor);
long pidfd_make(uint32_t index, int32_t *ret_other);
long pidfd_make_ended(uint32_t index, int32_t *ret_other);
long terminal_make(uint32_t index, int32_t *ret_other);
long callers_make(uint32_t index, int32_t *ret_other);
long tree_make(uint32_t index, int32_t *ret_other);
long opened_make(uint32_t index, int32_t *ret_other);
long mqueue_make(uint32_t index, int32_t *ret_other);
long mqueue_fill(const struct snapimg_content *content, const uint8_t *bytes);
long mqueue_complete(uint32_t index, int descriptor);
long aio_make(uint32_t index, int32_t *ret_other);
long aio_fill(const struct snapimg_content *content, const uint8_t *bytes);
long uring_make(uint32_t index, int32_t *ret_other);
long uring_fill(const struct snapimg_content *content, const uint8_t *bytes);

/* A setting of an object, with the bytes that belong to it: a row of settings.c for each kind of them. */
typedef long object_setter(const struct snapimg_setting *setting, int descriptor, const uint8_t *data);
bool socket_is_settled_last(const struct snapimg_setting *setting);
object_setter socket_option, socket_listen, socket_bind, socket_connect, socket_accepted,
        socket_filtered;                       /* socket.c */
object_setter inet_interface;                  /* inet.c */
object_setter unlinked_setting;                /* unlinked.c */
object_setter terminal_modes, terminal_window; /* terminal.c */

/* unlinked.c: makes a MEMFD or UNLINKED as large as it was, before there is content; nothing for others. */
void unlinked_resize(uint32_t index);

/* inet.c: a TCP socket whose peer has reset the connection. */
long inet_make_reset(const struct snapimg_object *object);

/* tcp.c: both ends of a TCP connection, and what is on its way in it: bytes to one end, sent from the other
 * one; to: -1: that isn't accepted yet. */
long tcp_make(uint32_t index, int32_t *ret_other);
long tcp_fill(int from, int to, const uint8_t *bytes, uint64_t size);
object_setter tcp_option;
/* Likewise of any socket but Unix's: bind(2), also where connections of the image have the port. */
object_setter tcp_bind;
/* When all is bound and connected: SO_REUSEADDR as the program had it. */
void tcp_complete(uint32_t index, int descriptor);

/* unix.c: bind(2) and connect(2) of a name that is a path. It is taken in the program's own directory, where
 * it is relative; a file that bind makes goes again if the start is refused. */
bool unix_is_path(const uint8_t *address, uint32_t size);
long unix_bind(const struct snapimg_setting *setting, int descriptor, const uint8_t *address);
object_setter unix_owner;
long unix_connect(const struct snapimg_setting *setting, int descriptor, const uint8_t *address);
/* An ACCEPTED connection: the end that was accepted, and the one that has connected. 0 or -errno. */
long unix_accept(const struct snapimg_setting *setting, int32_t *ret_accepted, int32_t *ret_connected);

#endif
