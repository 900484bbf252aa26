/* What the parts of the look at an image's IDs hand on: identity/'s own. */
#ifndef TRACER_CAPTURE_IDENTITY_LOOK_H
#define TRACER_CAPTURE_IDENTITY_LOOK_H

#include "tracer/capture/identity/kept.h"
#include "tracer/capture/identity/outside.h"

struct look {
	const struct id_search *search;
	const struct threads *threads;
	const struct mappings *mappings;
	const struct plan *plan;
	const struct files *files;
	struct fixups *fixups;
	struct kept_ids *kept;
};

enum status kept_add(struct kept_ids *kept, struct kept_id id) __attribute__((warn_unused_result));

/* registers_x86_64.c */
/* Whether the code that a thread stands in is a C library's, by which nearly all calls are made. */
bool is_in_c_library(const struct look *look, size_t thread);
/* Those that hold an ID and nothing more. */
enum status kept_look_at_registers(const struct look *look) __attribute__((warn_unused_result));

/* stacks.c */
/* Whether this is below a thread's stack pointer, where there is nothing that the program can still know of.
 */
bool kept_is_left_on_stack(const struct look *look, const struct mapping *mapping, uint64_t address);

/* outside.c */
enum status kept_look_outside(const struct look *look, const struct kept_outside *outside)
        __attribute__((warn_unused_result));
enum status kept_outside_keep(const struct look *look, enum snapimg_kept_kind kind, const char *where)
        __attribute__((warn_unused_result));
/* own_names.c */
enum status kept_look_at_own_names(const struct look *look, const struct proc_stat *process)
        __attribute__((warn_unused_result));
/* parents_variable.c: when all are found. */
void kept_know_parents_variable(const struct look *look);

#endif
