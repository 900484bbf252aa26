/* Open file descriptions of several processes: whether two descriptors are one, and who has which. It serves
 * the capture and the point `effect`. */
#ifndef TRACER_DESCRIPTION_H
#define TRACER_DESCRIPTION_H

#include <stdbool.h>
#include <sys/types.h>

/* kcmp(2): 0: they are one open file description; 1, 2: the left one is before, or after, the right one in an
 * order of all there are; -1: the kernel doesn't tell, as in containers or without CONFIG_KCMP. */
int description_compare(pid_t left_pid, int left, pid_t right_pid, int right);

/* Where kcmp(2) says nothing: a status flag that means nothing to such a file is changed through `copy` for a
 * moment and looked for in /proc/PID/fdinfo/NUMBER. False where the flag can't be changed, too. */
bool description_is_copy_of(int copy, pid_t pid, int number);
/* The flag: O_NONBLOCK of regular files and directories, O_APPEND of all others. */
int description_spare_flag(int copy);

/* A descriptor of a process, and its link in /proc/PID/fd; whether the visit goes on. */
typedef bool description_visitor(void *context, pid_t pid, int number, const char *link);
/* Visits all of one process, as long as the visitor wants; nothing where it may not be looked at, or has
 * ended. False: the visitor has ended it. */
bool description_visit(pid_t pid, description_visitor *visit, void *context);
/* The same of every process but ourselves and `except`. */
bool description_visit_all(pid_t except, description_visitor *visit, void *context);

#endif
