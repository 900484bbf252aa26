/* Whom a descriptor's description sends signals. */
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/objects.h"
#include "restore/fds/overrides.h"

#include <linux/fcntl.h>

static long own(const struct snapimg_owner *owner)
{
	/* struct f_owner_ex: F_OWNER_TID 0, F_OWNER_PID 1 */
	const int32_t whom[2] = {owner->kind == SNAPIMG_OWNER_PROCESS, (int32_t)sys(__NR_getpid)};
	long result = 0;
	if (owner->kind != SNAPIMG_OWNER_NONE)
		result = sys(__NR_fcntl, owner->number, F_SETOWN_EX, whom);
	if (result == 0 && owner->signal != 0)
		result = sys(__NR_fcntl, owner->number, F_SETSIG, owner->signal);
	if (result < 0 || owner->drives == 0)
		return result;
	long flags = sys(__NR_fcntl, owner->number, F_GETFL, 0);
	return flags < 0 ? flags : sys(__NR_fcntl, owner->number, F_SETFL, flags | FASYNC);
}

void owners_restore(void)
{
	const struct snapimg_owner *owner = snapimg_get_owner(&loader.image);
	for (uint32_t i = 0; i < snapimg_owner_count(&loader.image); i++) {
		if (overrides_find(owner[i].number) != NULL)
			continue;
		long result = own(&owner[i]);
		if (result < 0)
			die(EXIT_REFUSED, "descriptor ", dec((uint64_t)owner[i].number),
			    ": cannot set whom it signals: ", error_text(result));
	}
}
