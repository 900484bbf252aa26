/* The restartable-sequence area is registered, at the place the C library remembers: the kernel keeps cpu_id
 * right. */
#include <sched.h>
#include <stdint.h>

#include "../check.h"

#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>

static const volatile struct rseq *area(void)
{
	return (const volatile struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

int main(void)
{
	if (__rseq_size == 0)
		SKIP("the C library did not register rseq");
	cpu_set_t all;
	CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
	snapshot_point();
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
		CHECK(sched_getcpu() == cpu);
		CHECK(area()->cpu_id == (uint32_t)cpu);
		CHECK(area()->cpu_id_start == (uint32_t)cpu);
	}
	return 0;
}
#else
int main(void)
{
	SKIP("the C library does not know rseq (glibc 2.35)");
}
#endif
