#include "tracer/overrides.h"

#include <string.h>

enum status overrides_add(struct overrides *overrides, const char *text)
{
	struct override override;
	const char *wrong = override_read(text, &override);

	if (wrong)
		return fail(STATUS_FAILED, "--fd %s: %s", text, wrong);
	size_t place = 0;
	while (place < overrides->count && overrides->fd[place].number != override.number)
		place++;
	if (place == OVERRIDES_MAX)
		return fail(STATUS_FAILED, "--fd %s: more than %d descriptors: give fewer", text,
		            OVERRIDES_MAX);
	overrides->fd[place] = override;
	overrides->count += place == overrides->count;
	return STATUS_OK;
}

const struct override *overrides_find(const struct overrides *overrides, int number)
{
	for (size_t i = 0; i < overrides->count; i++)
		if (overrides->fd[i].number == number)
			return &overrides->fd[i];
	return NULL;
}
