/* A session or process group of the program's own (SESSION among ATTRIBUTES). */
#ifndef RESTORE_BECOME_SESSION_H
#define RESTORE_BECOME_SESSION_H

#include <stdbool.h>
#include <stdint.h>

struct snapimg_attribute;

/* NULL: it is in its caller's. */
const struct snapimg_attribute *session_wanted(void);
/* It can't get there from the process that was started: another one must become the program. */
bool session_needs_process(void);
/* Whether its session is one that another process has to make, which goes then. */
bool session_is_anothers(const struct snapimg_attribute *record);

/* Rows of attributes.c. */
long session_check(const struct snapimg_attribute *record, uint32_t tid);
long session_enter(const struct snapimg_attribute *record, uint32_t tid);
long session_take_terminal(const struct snapimg_attribute *record, uint32_t tid);

/* Of a tree's first process: before it makes a group of its own; when all others are there; and when nothing
 * is refused any more: the caller's terminal has the foreground that the tree had. */
void session_note_caller(void);
void session_ask_foreground(void);
void session_take_foreground(void);

/* In the keeper, when the program has ended: a terminal's foreground in which nobody is is the caller's
 * again. */
void session_leave(void);

#endif
