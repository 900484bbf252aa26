/*
 * Which modules a warm program loads after it has looked at its arguments: a
 * run of its own finds them, up to its first effect outside, with /dev/null as
 * its streams. The helper loads them before the point. One that isn't to be
 * loaded so early, since it looks at the arguments itself or has an effect, is
 * left out, and all begins again, for it may have left traces.
 */
#ifndef TRACER_WARM_TRAINING_H
#define TRACER_WARM_TRAINING_H

#include <stdbool.h>

#include "format/base/message.h"
#include "tracer/warm/warm.h"

/* True: there is no list yet, and this is the child that makes it: it runs the program, and ends by
 * training_end(). Its parent waits for it. */
bool training_begin(struct warm_run *warm);
_Noreturn void training_end(const struct warm_run *warm);
/* In the child: a module was loaded. */
void training_add(const struct warm_run *warm, const char *module);

/* While the list is loaded: this module is to be left out. */
void training_leave_out(struct warm_run *warm, const char *module);
/* Ends the program, and begins again without what is to be left out. */
enum status training_again(struct warm_run *warm, char *const *arguments) __attribute__((warn_unused_result));

#endif
