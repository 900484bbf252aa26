/* Reads and parses the files of /proc/PID (proc(5)). */
#ifndef FORMAT_BASE_PROC_H
#define FORMAT_BASE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "format/base/message.h"

#define CLEANUP(function) __attribute__((cleanup(function)))

/* A whole file; one NUL follows the bytes. Owned; text_free() takes it apart. */
struct text {
	char *bytes;
	size_t size;
};
void text_free(struct text *text);

/* The name of a file in /proc, made in place. */
struct proc_path {
	char text[64];
};
/* proc_path(7, "fd/%d", 3): "/proc/7/fd/3"; of PROC_SELF "/proc/self/fd/3". */
enum { PROC_SELF = 0 };
struct proc_path proc_path(pid_t pid, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A process whose main thread has ended (pthread_exit) shows nothing of what its threads share: from now on
 * it is looked at through this one of them, which lives. False: out of memory. */
bool proc_look_through(pid_t pid, pid_t tid) __attribute__((warn_unused_result));
/* No longer. */
void proc_look_directly(pid_t pid);
/* That thread's ID, else the process's own: for calls that ask the kernel about a process. */
pid_t proc_living(pid_t pid);
/* Whether the process has ended: its main thread and all others. */
bool proc_has_ended(pid_t pid);

/* Returns 0 or -errno; *ret_text is written only on success. */
int proc_try_read(const char *path, struct text *ret_text) __attribute__((warn_unused_result));
/* The same, with a line printed on failure. */
enum status proc_read(struct proc_path path, struct text *ret_text) __attribute__((warn_unused_result));

/* readlink(2) into link, NUL-terminated. */
enum status proc_read_link(struct proc_path path, char *link, size_t size)
        __attribute__((warn_unused_result));

/* The value after "KEY:" and its white space in a file like /proc/PID/status, up to the newline;
 * "" where there is no such key. The value is not terminated there: see proc_value_length(). */
const char *proc_value(const struct text *text, const char *key);
size_t proc_value_length(const char *value);
uint64_t proc_number(const struct text *text, const char *key, int base);

/* Fields of /proc/PID/stat by the numbers of proc(5); only numeric ones, from the fourth on. */
enum proc_stat_field {
	STAT_PPID = 4,
	STAT_PGRP = 5,
	STAT_SESSION = 6,
	STAT_TERMINAL = 7,
	STAT_FOREGROUND = 8,
	STAT_FLAGS = 9,
	STAT_NICE = 19,
	STAT_THREADS = 20,
	STAT_START_TIME = 22,
	STAT_START_CODE = 26,
	STAT_END_CODE = 27,
	STAT_START_STACK = 28,
	STAT_POLICY = 41,
	STAT_START_DATA = 45,
	STAT_END_DATA = 46,
	STAT_START_BRK = 47,
	STAT_EXIT_CODE = 52, /* as wait(2) tells it */
	STAT_FIELDS = 53,
};
struct proc_stat {
	char state;                  /* "R", "S", ... */
	uint64_t field[STAT_FIELDS]; /* negative numbers wrap */
};
/* Returns 0 or -errno. */
int proc_try_read_stat(pid_t pid, struct proc_stat *ret_stat) __attribute__((warn_unused_result));
/* The same, with a line printed on failure. */
enum status proc_read_stat(pid_t pid, struct proc_stat *ret_stat) __attribute__((warn_unused_result));

/* Shows each child, dead ones too; false: that was enough. */
typedef bool proc_visit_child(void *context, pid_t child, const struct proc_stat *stat);
void proc_visit_children(pid_t pid, proc_visit_child *visit, void *context);
/* A child of any of the process's threads, or 0; living: one that has not ended. */
pid_t proc_find_child(pid_t pid, bool living);

/* A worker of the kernel's own, which stands among the program's threads (io_uring's since Linux 5.12,
 * vhost's since 6.4): it never runs the program's code, and nobody can trace it. */
bool proc_is_kernel_worker(pid_t tid);

#endif
