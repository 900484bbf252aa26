/*
 * Until the commit point a start may be refused. What an exec, or the end of
 * the process, would not undo by itself is undone by functions that are noted
 * here when it is done.
 */
#ifndef RESTORE_BASE_UNDO_H
#define RESTORE_BASE_UNDO_H

enum { UNDO_MAX = 8 };

/* The function is called, by whichever thread refuses, the last one noted first. At most UNDO_MAX. */
void undo_add(void (*function)(void));
/* Calls all, once. */
void undo_all(void);
/* The commit point: nothing is undone any more. */
void undo_forget(void);

#endif
