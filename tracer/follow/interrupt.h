/* Signals to snaptrace itself, from outside. */
#ifndef TRACER_FOLLOW_INTERRUPT_H
#define TRACER_FOLLOW_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* What becomes of SIGINT, SIGTERM, SIGHUP and SIGQUIT. Those of a terminal's keys (SI_KERNEL) reach the
 * program as well, whose matter they are then; so they only count where it can't act on them. */
enum interrupt_mode {
	INTERRUPT_END, /* they end all traced processes, print a line, and end snaptrace as they would have */
	INTERRUPT_END_ALWAYS, /* the same, and the terminal's too: the program is stopped for the dump */
	INTERRUPT_PASS_ON,    /* they are passed on to the program, which is only followed */
	INTERRUPT_LET_GO, /* interrupt_asked() tells of them: a process that was attached to must not be ended
	                   */
};

/* Catches those that weren't ignored, in INTERRUPT_END; and SIGTSTP, which is the program's to answer.
 * SIGCHLD gets its default action. */
void interrupt_catch(void);
/* root: to whom they are passed on. */
void interrupt_set_mode(enum interrupt_mode wanted, pid_t root);
/* The signal that came in INTERRUPT_LET_GO, or 0. */
int interrupt_asked(void);
/* The image is in place: the line says so. */
void interrupt_image_written(void);
/* In the child, before exec: what interrupt_catch changed is as it was. */
void interrupt_forget(void);

#endif
