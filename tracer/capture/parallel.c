#include "tracer/capture/parallel.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

enum { HELPERS_MAX = 7 }; /* what is shared out takes some milliseconds */

int parallel_start(pthread_t *ret_thread, void *(*run)(void *), void *argument)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(ret_thread, NULL, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

size_t parallel_processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0 ? (size_t)CPU_COUNT(&set)
	                                                                           : 1;
}

struct items {
	size_t count;
	atomic_size_t next;
	void (*work)(void *context, size_t item);
	void *context;
};

static void *take_items(void *argument)
{
	struct items *items = argument;
	size_t item;

	while ((item = atomic_fetch_add(&items->next, 1)) < items->count)
		items->work(items->context, item);
	return NULL;
}

void parallel_for(size_t count, void (*work)(void *context, size_t item), void *context)
{
	struct items items = {.count = count, .work = work, .context = context};
	size_t processors = parallel_processors(), started = 0;
	pthread_t helper[HELPERS_MAX];

	while (started < HELPERS_MAX && started + 1 < processors && started + 1 < count &&
	       parallel_start(&helper[started], take_items, &items) == 0)
		started++;
	take_items(&items);
	while (started > 0)
		pthread_join(helper[--started], NULL);
}
