/* How a state that no image can hold is named; and how one freeze names all that stands in its way. */
#ifndef TRACER_REFUSALS_H
#define TRACER_REFUSALS_H

#include "format/base/message.h"

/* Prints "snaptrace: WHAT can't be carried: WHERE: ADVICE" and notes that there will be no image; returns
 * STATUS_REFUSED, which ends the look at this one thing. */
enum status refuse(const char *what, const char *advice, const char *where, ...)
        __attribute__((format(printf, 3, 4), cold));

/* Who walks over many things goes on with the next, so that one dump names all that stands in its way. */
static inline enum status pass_refusal(enum status status)
{
	return status == STATUS_REFUSED ? STATUS_OK : status;
}

/* STATUS_FAILED where anything was refused since the last call, else STATUS_OK. */
enum status refusals_end(void);

#endif
