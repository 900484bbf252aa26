/* A thread that is not the first meets the point: its functions of snap_on_restore() run there, in their
 * order, once, before any thread goes on. Of its handlers of fork(3) only the one that does nothing but count
 * is called there, by which random generators seed themselves again (Rust's rand); it prints how often. */
#include <pthread.h>
#include <sched.h>
#include <snap.h>
#include <stdatomic.h>

#include "../check.h"

static int forks;

static void count_fork(void)
{
	forks++;
}

static void end_in_child(void)
{
	CHECK(forks < 0);
}

static atomic_int order, go_on_seen;
static _Thread_local int is_meeting;
static int came[3];

static void note(void *argument)
{
	CHECK(is_meeting == 1 && atomic_load(&go_on_seen) == 0);
	*(int *)argument = atomic_fetch_add(&order, 1) + 1;
}

static atomic_int met;

static void *meet(void *unused)
{
	is_meeting = 1;
	CHECK(snap_here() == 1);
	CHECK(came[2] == 1 && came[1] == 2 && came[0] == 3);
	atomic_store(&met, 1);
	return unused;
}

/* Others notice the start by the counter that the loader changes. */
static void *watch(void *unused)
{
	while (snap_restored() == 0)
		sched_yield();
	atomic_store(&go_on_seen, 1);
	CHECK(atomic_load(&order) == 3);
	return unused;
}

int main(void)
{
	pthread_t meeting, watching;

	CHECK(pthread_atfork(NULL, NULL, count_fork) == 0);
	CHECK(pthread_atfork(NULL, NULL, end_in_child) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(snap_on_restore(note, &came[i]) == 0);
	CHECK(pthread_create(&watching, NULL, watch, NULL) == 0);
	CHECK(pthread_create(&meeting, NULL, meet, NULL) == 0);
	CHECK(pthread_join(meeting, NULL) == 0 && pthread_join(watching, NULL) == 0);
	CHECK(atomic_load(&met) == 1 && atomic_load(&order) == 3);
	printf("called in order, %d forks\n", forks);
	return 0;
}
