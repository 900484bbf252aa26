/* The end of snaptrace by a signal from outside: nothing of it stays. */
#ifndef TRACER_INTERRUPT_H
#define TRACER_INTERRUPT_H

#include <signal.h>

/* From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT (those that weren't ignored) end all traced processes,
 * print a line, and then end snaptrace as they would have. SIGCHLD gets its default action. */
void interrupt_catch(void);
/* The image is in place: the line says so. */
void interrupt_image_written(void);
/* In the child, before exec: what interrupt_catch changed is as it was. */
void interrupt_forget(void);

#endif
