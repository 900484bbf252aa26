/* FS and GS bases and thread-local variables are as they were. */
#include <stdint.h>
#include <sys/syscall.h>

#include "../check.h"

/* asm/prctl.h, which musl-gcc does not find */
enum { ARCH_SET_GS = 0x1001, ARCH_GET_FS = 0x1003, ARCH_GET_GS = 0x1004 };

static _Thread_local int initialised = 41;
static _Thread_local uint64_t zeroed[512];

static uint64_t base(int which)
{
	uint64_t value = 0;
	CHECK(syscall(SYS_arch_prctl, which, &value) == 0);
	return value;
}

int main(void)
{
	static uint64_t gs_area[4] = {7, 8, 9, 10};
	CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_area) == 0);
	uint64_t fs = base(ARCH_GET_FS);
	initialised = 42;
	zeroed[511] = 43;
	snapshot_point();
	CHECK(base(ARCH_GET_FS) == fs);
	CHECK(base(ARCH_GET_GS) == (uint64_t)gs_area);
	uint64_t second;
	__asm__ volatile("mov %%gs:8, %0" : "=r"(second));
	CHECK(second == 8);
	CHECK(initialised == 42 && zeroed[511] == 43 && zeroed[0] == 0);
	return 0;
}
