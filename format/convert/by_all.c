#include "format/convert/by_all.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>

uint32_t by_all_helpers(uint64_t amount, uint64_t each)
{
	cpu_set_t processors;
	int count = sched_getaffinity(0, sizeof(processors), &processors) == 0 ? CPU_COUNT(&processors) : 1;
	uint64_t wanted = amount / each, others = (uint64_t)(count > 1 ? count - 1 : 0);

	wanted = wanted < others ? wanted : others;
	return wanted < BY_ALL_HELPERS_MAX ? (uint32_t)wanted : BY_ALL_HELPERS_MAX;
}

/* They take no signals, which are for the thread that knows what to clean up. */
void by_all(void *(*work)(void *argument), void *argument, uint32_t helpers)
{
	pthread_t helper[BY_ALL_HELPERS_MAX];
	uint32_t count = 0;
	sigset_t all, before;

	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &before) == 0) {
		while (count < helpers && pthread_create(&helper[count], NULL, work, argument) == 0)
			count++;
		(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	(void)work(argument);
	for (uint32_t i = 0; i < count; i++)
		(void)pthread_join(helper[i], NULL);
}
