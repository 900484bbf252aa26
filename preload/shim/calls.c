/*
 * Calls that a program makes by number, syscall(2), and those of a descriptor:
 * where they mean memory that is mapped from the image, they do what the
 * functions of mapped.c and move.c do. All others go to the C library, by a
 * jump (shim_x86_64.S), as some of them return twice.
 */
#include <asm/errno.h>
#include <asm/unistd.h>
#include <linux/ioctl.h>
#include <linux/mman.h>
#include <stdarg.h>

#include "preload/shim/mapped.h"
#include "preload/shim/process_maps.h"
#include "preload/shim/shim.h"

SNAP_EXPORT int ioctl(int descriptor, unsigned long request, ...);
SNAP_EXPORT int mprotect(void *address, size_t size, int protection);
SNAP_HIDDEN long snap_watched_syscall(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                                      uint64_t e);

/* UFFDIO_REGISTER, _IOWR(0xAA, 0x00, struct uffdio_register) of linux/userfaultfd.h */
enum { REGISTER = 0xc020aa00u };
struct registration {
	uint64_t start, size, mode, ioctls;
};

SNAP_HIDDEN long snap_give(long result);
long snap_give(long result)
{
	return shim_give(result);
}

/* Only anonymous memory can be watched by userfaultfd(2). UFFDIO_COPY takes one mapping, so it is made one.
 */
static long before_ioctl(unsigned long request, uint64_t argument)
{
	struct registration registration;

	if (request != REGISTER || snap_mapped_table.count == 0 ||
	    !process_read_self(&registration, argument, sizeof(registration)) ||
	    registration.start % SHIM_PAGE != 0)
		return 0;
	return move_make_one(registration.start, registration.start + shim_page_ceil(registration.size));
}

/* Where the image lies on a filesystem that is mounted noexec, the kernel lets no memory of it be executed.
 */
static long after_mprotect(long result, uint64_t start, uint64_t size, uint64_t protection)
{
	uint64_t end = start + shim_page_ceil(size);

	if (result != -EACCES || !(protection & PROT_EXEC) || !mapped_touches(start, end))
		return result;
	if (mapped_make_anonymous(start, end) < 0)
		return result;
	return shim_call(__NR_mprotect, start, size, protection, 0, 0, 0);
}

/* The numbers that shim_x86_64.S lets through to here. */
long snap_watched_syscall(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	long result = 0;

	switch (number) {
	case __NR_madvise:
		return shim_give(mapped_advise(a, b, (int)c));
	case __NR_process_madvise:
		return shim_give(mapped_advise_process((int)a, b, c, (int)d, e));
	case __NR_mremap:
		return shim_give(move_memory(a, b, c, d, e));
	case __NR_mprotect:
		return shim_give(after_mprotect(shim_call(number, a, b, c, d, e, 0), a, b, c));
	default: /* ioctl */
		result = before_ioctl(b, c);
		return shim_give(result < 0 ? result : shim_call(number, a, b, c, d, e, 0));
	}
}

int ioctl(int descriptor, unsigned long request, ...)
{
	int (*real)(int, unsigned long, uint64_t);
	va_list list;

	va_start(list, request);
	uint64_t argument = va_arg(list, uint64_t);
	va_end(list);
	long result = before_ioctl(request, argument);
	if (result < 0)
		return (int)shim_give(result);
	*(void **)(void *)&real = snap_next(&snap_real.ioctl, "ioctl");
	return real ? real(descriptor, request, argument)
	            : (int)shim_give(shim_call(__NR_ioctl, (uint64_t)descriptor, request, argument, 0, 0, 0));
}

int mprotect(void *address, size_t size, int protection)
{
	int (*real)(void *, size_t, int);

	if (snap_mapped_table.count > 0)
		return (int)snap_watched_syscall(__NR_mprotect, (uint64_t)address, size, (uint64_t)protection,
		                                 0, 0);
	*(void **)(void *)&real = snap_next(&snap_real.mprotect, "mprotect");
	return real ? real(address, size, protection)
	            : (int)shim_give(shim_call(__NR_mprotect, (uint64_t)address, size, (uint64_t)protection,
	                                       0, 0, 0));
}
