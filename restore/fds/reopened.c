/* A MEMFD, UNLINKED, PIPE or MQUEUE that the program opened once more. */
#include <asm/errno.h>
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>

#include "restore/base/syscall_x86_64.h"
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"

static const struct snapimg_object *peer_of(uint32_t index)
{
	const struct snapimg_object *object = snapimg_get_object(&loader.image);
	return &object[object[index].peer - 1];
}

/* Nobody can tell a copy of it from the file itself. */
static bool is_sealed(const struct snapimg_object *object)
{
	const uint32_t all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	return object->kind == SNAPIMG_OBJECT_MEMFD && (object->value[SNAPIMG_FILE_SEALS] & all) == all;
}

long reopened_make(uint32_t index, int32_t *ret_other)
{
	const struct snapimg_object *object = &snapimg_get_object(&loader.image)[index];
	(void)ret_other;
	/* An open(2) of a pipe refuses O_DIRECT. */
	uint32_t flags =
	        object->flags & ~(peer_of(index)->kind == SNAPIMG_OBJECT_PIPE ? (uint32_t)O_DIRECT : 0);
	long again = objects_reopen(objects_descriptor(object->peer - 1), flags);
	if (again == -ENOENT && is_sealed(peer_of(index))) /* without /proc */
		return memfd_make(object->peer - 1, ret_other);
	return again;
}

static bool is_same_file(int one, int other)
{
	struct stat a = {0}, b = {0};
	return sys(__NR_fstat, one, &a) == 0 && sys(__NR_fstat, other, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

long reopened_complete(uint32_t index, int descriptor)
{
	static uint8_t block[65536];
	uint32_t peer = snapimg_get_object(&loader.image)[index].peer - 1;
	long got = 0;
	if (peer_of(index)->kind == SNAPIMG_OBJECT_PIPE || peer_of(index)->kind == SNAPIMG_OBJECT_MQUEUE)
		return object_complete_flags(index, descriptor);
	if (!is_sealed(peer_of(index)) || is_same_file(descriptor, objects_descriptor(peer)))
		return descriptor;
	for (uint64_t at = 0;; at += (uint64_t)got) {
		got = sys(__NR_pread64, objects_descriptor(peer), block, sizeof block, at);
		if (got <= 0)
			break;
		long put = sys(__NR_pwrite64, descriptor, block, got, at);
		if (put != got)
			return put < 0 ? put : -ENOSPC;
	}
	return got < 0 ? got : memfd_complete(peer, descriptor);
}
