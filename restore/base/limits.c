#include "restore/base/limits.h"

#include <asm/resource.h>
#include <stdbool.h>

#include "restore/base/syscall_x86_64.h"
#include "restore/base/undo.h"

static struct {
	bool any;
	struct {
		bool raised;
		uint64_t soft, hard;
	} of[RLIM_NLIMITS];
} limits;

void limits_put_back(void)
{
	for (unsigned i = 0; i < RLIM_NLIMITS && limits.any; i++)
		if (limits.of[i].raised)
			sys(__NR_prlimit64, 0, i, &limits.of[i].soft, 0);
	limits.any = false;
}

uint64_t limit_raise(unsigned resource)
{
	if (limits.of[resource].raised)
		return limits.of[resource].hard;
	sys(__NR_prlimit64, 0, resource, 0, &limits.of[resource].soft);
	const uint64_t most[2] = {limits.of[resource].hard, limits.of[resource].hard};
	if (limits.of[resource].soft == most[0] || sys(__NR_prlimit64, 0, resource, most, 0) < 0)
		return most[0];
	if (!limits.any)
		undo_add(limits_put_back);
	limits.any = limits.of[resource].raised = true;
	return most[0];
}
