/*
 * File locks, taken where the descriptors wait. Those of flock(2) and
 * F_OFD_SETLK belong to the description and stay with it; a process loses a
 * lock of F_SETLK with any descriptor of that file that it closes
 * (fcntl_locking(2)).
 */
#include <linux/fcntl.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/fds/objects.h"
#include "restore/fds/overrides.h"
#include "restore/fds/table.h"

static long take(const struct snapimg_lock *lock, int descriptor)
{
	struct {
		int16_t type, whence;
		int64_t start, length;
		int32_t pid;
	} record = {.type = lock->exclusive ? F_WRLCK : F_RDLCK,
	            .start = (int64_t)lock->start,
	            .length = (int64_t)lock->length};
	if (lock->kind == SNAPIMG_LOCK_FLOCK)
		return sys(__NR_flock, descriptor, LOCK_NB | (lock->exclusive ? LOCK_EX : LOCK_SH));
	if (lock->kind == SNAPIMG_LOCK_LEASE)
		return sys(__NR_fcntl, descriptor, F_SETLEASE, F_RDLCK);
	return sys(__NR_fcntl, descriptor, lock->kind == SNAPIMG_LOCK_OFD ? F_OFD_SETLK : F_SETLK, &record);
}

static void take_all(bool only_posix)
{
	const struct snapimg_lock *lock = snapimg_get_lock(&loader.image);
	for (uint32_t i = 0; i < snapimg_lock_count(&loader.image); i++) {
		if (overrides_find(lock[i].number) != NULL ||
		    (only_posix && lock[i].kind != SNAPIMG_LOCK_POSIX))
			continue;
		long result = take(&lock[i], descriptor_now(lock[i].number));
		if (result < 0)
			die(EXIT_REFUSED, "descriptor ", dec((uint64_t)lock[i].number),
			    ": cannot take its file lock again: ", error_text(result),
			    ": another process may hold it");
	}
}

void locks_take(void)
{
	take_all(false);
}

void locks_take_again(void)
{
	take_all(true);
}
