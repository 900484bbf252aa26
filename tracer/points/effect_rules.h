/* The rules that the table of effect_policy.c is written in: which calls of a number have an effect. */
#ifndef TRACER_POINTS_EFFECT_RULES_H
#define TRACER_POINTS_EFFECT_RULES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tracer/points/call_rules.h"

struct effect_rule {
	/* Adds the calls of this number that have an effect, or may have; NULL: none does. */
	void (*watch)(struct call_rules *rules, uint32_t number, unsigned argument);
	/* One of them: has it one, which the filter can't know? NULL: yes. */
	bool (*is_certain)(pid_t tid, const struct call *call, unsigned argument);
};

/* What a row's `argument` is: the comment after each. */
extern const struct effect_rule effect_never,
        effect_opens,      /* when it may write or make the file; the flags, the path before them */
        effect_maps,       /* when others see what is written there, or of huge pages; the flags */
        effect_takes,      /* when a descriptor is shared that was inherited; the descriptor */
        effect_moves,      /* lseek: likewise, unless it only asks for the position */
        effect_gives,      /* unless the descriptor is the process's own; the descriptor */
        effect_sends,      /* sendto: likewise, or it names an address; the address */
        effect_sends_more, /* sendmsg: likewise, or it carries more than bytes; the message */
        effect_duplicates, /* when an inherited one gets another number, unknown here; the descriptor */
        effect_controls,   /* fcntl: when the open file is changed for all who have it */
        effect_asks,       /* ioctl: unless it only asks, or concerns its own */
        effect_signals,    /* unless to the process itself; the process or thread */
        effect_begins,     /* clone: unless it makes a thread like any other; the flags */
        effect_begins_as,  /* clone3: likewise; where the flags are */
        effect_ends,       /* exit: unless another thread and the first go on */
        effect_sockets,    /* socket: when it is of a kind that no image carries; the domain */
        effect_options,    /* setsockopt: when inherited, or not of the plain levels; the level */
        effect_flagged,    /* with one of the flags that make what no image carries; the flags */
        effect_negative;   /* timer_create: of a clock that belongs to an ID; the clock */

#endif
