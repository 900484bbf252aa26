/* Points in code of libraries, which come later than the program. */
#ifndef TRACER_POINTS_POINT_SYMBOL_H
#define TRACER_POINTS_POINT_SYMBOL_H

#include "tracer/run.h"

/* At a BREAKPOINT_ENTRY or BREAKPOINT_LOADED: looks for the symbols that were not found yet. */
enum status point_symbol_search(struct run *run, struct process *process, struct breakpoint *breakpoint)
        __attribute__((warn_unused_result));
/* The same in a process that was attached to, whose points are armed. */
enum status point_symbol_attach(struct run *run, struct process *process) __attribute__((warn_unused_result));

#endif
