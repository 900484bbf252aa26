/*
 * The log of a tree: a line for each exec that was tried, with the whole
 * argument vector, and a line for how each process ended. A line is written by
 * one write(2) and is never cut, however long the arguments are.
 *
 *     2026-11-24T16:51:50.123456Z 4711 4700 exec /usr/bin/ls ls -l 'a b' $'new\nline'
 *     2026-11-24T16:51:50.123456Z 4711 4700 failed ENOENT /opt/ls ls -l
 *     2026-11-24T16:51:50.123456Z 4711 4700 exited 0
 *     2026-11-24T16:51:50.123456Z 4711 4700 killed SIGSEGV core
 *
 * Time (UTC), pid, parent, what; then the path as it was given to execve(2) and the arguments, each quoted so
 * that a shell takes it back. As JSON: one object a line, bytes that are no UTF-8 as the lone surrogates
 * U+DC80 to U+DCFF (what Python calls surrogateescape).
 */
#ifndef TRACER_FOLLOW_EXEC_LOG_H
#define TRACER_FOLLOW_EXEC_LOG_H

#include <stdbool.h>
#include <sys/types.h>

#include "format/base/message.h"
#include "tracer/points/call_rules.h"

/* An exec that is under way. */
struct exec_record;

/* Opens the log: path NULL is stderr. Called once. */
enum status exec_log_open(const char *path, bool json) __attribute__((warn_unused_result));
bool exec_log_wanted(void);

/* The calls that the log must see: execve and execveat. */
void exec_log_watch(struct call_rules *rules);

/* At the entry of one of them: takes down what it was given. NULL when it is another call, or when it can't
 * be read (the call's own EFAULT is to come). For exec_record_free(), which takes NULL too. */
struct exec_record *exec_record_read(pid_t tid, const struct call *call);
void exec_record_free(struct exec_record *record);

/* The exec was done. record NULL: it wasn't seen to begin; the line is then made from /proc/PID/cmdline.
 * Returns the process's parent. */
pid_t exec_log_done(pid_t pid, const struct exec_record *record);
/* It failed with an errno. */
void exec_log_failed(pid_t pid, const struct exec_record *record, int error);
/* A process ended; parent: as it was known last. */
void exec_log_end(pid_t pid, pid_t parent, int wait_status);

#endif
