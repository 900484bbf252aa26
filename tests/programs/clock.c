/* The vdso's functions work after the restore, and time goes on. */
#include <elf.h>
#include <sched.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "../check.h"

static long long nanoseconds(clockid_t clock)
{
	struct timespec now;
	CHECK(clock_gettime(clock, &now) == 0);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static long long by_system_call(clockid_t clock)
{
	struct timespec now;
	CHECK(syscall(SYS_clock_gettime, clock, &now) == 0);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

int main(void)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_REALTIME_COARSE,
	                                   CLOCK_BOOTTIME};
	enum { COUNT = sizeof(clocks) / sizeof(clocks[0]) };
	long long before[COUNT];
	for (int i = 0; i < COUNT; i++)
		before[i] = nanoseconds(clocks[i]);
	snapshot_point();
	for (int i = 0; i < COUNT; i++) {
		long long low = by_system_call(clocks[i]), now = nanoseconds(clocks[i]),
		          high = by_system_call(clocks[i]);
		CHECK(now >= before[i] && now >= low && now <= high);
	}
	struct timeval day;
	CHECK(gettimeofday(&day, NULL) == 0 && day.tv_sec >= before[0] / 1000000000ll);
	CHECK(time(NULL) + 1 >= before[0] / 1000000000ll); /* coarse: a tick late */
	CHECK(sched_getcpu() >= 0);
	const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);
	CHECK(!vdso || memcmp(vdso, ELFMAG, SELFMAG) == 0);
	return 0;
}
