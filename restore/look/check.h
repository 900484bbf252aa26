/* --check: the checks of a start, each for itself. */
#ifndef RESTORE_LOOK_CHECK_H
#define RESTORE_LOOK_CHECK_H

#include "format/facts/cpu.h"
#include "format/image/layout.h"

/* What is asked of the machine, machine.c; the last has no function. */
struct machine_check {
	const char *code; /* of its reason */
	void (*run)(const struct snapimg_machine *needed, const uint32_t have[SNAPIMG_CPU_WORDS]);
	bool asks_processor; /* needs no look where the processor is the one that it was */
};
extern const struct machine_check machine_checks[];

/* Says whether the image will start here, and why not, and ends. */
_Noreturn void check_answer(void);

#endif
