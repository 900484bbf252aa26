/* Many threads that hold, wait for and pass on a lock: each goes on once, with its own variables, and ends.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "../check.h"

enum { DEFAULT = 24, MOST = 4096 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER, released = PTHREAD_COND_INITIALIZER;
static int waiting, go;
static volatile int done;
static _Thread_local long number;
static _Thread_local pid_t id_before;

static void *work(void *argument)
{
	number = (long)argument;
	id_before = (pid_t)syscall(SYS_gettid);
	CHECK(pthread_mutex_lock(&mutex) == 0);
	waiting++;
	CHECK(pthread_cond_signal(&arrived) == 0);
	while (!go)
		CHECK(pthread_cond_wait(&released, &mutex) == 0);
	CHECK(number == (long)argument && id_before != 0);
	done++;
	CHECK(pthread_mutex_unlock(&mutex) == 0);
	CHECK(pthread_kill(pthread_self(), 0) == 0);
	return argument;
}

int main(int argc, char **argv)
{
	static pthread_t thread[MOST];
	long count = argc > 1 ? atol(argv[1]) : DEFAULT;
	pthread_attr_t attributes;
	void *result;

	CHECK(count > 0 && count <= MOST);
	CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 64 << 10) == 0);
	for (long i = 0; i < count; i++)
		CHECK(pthread_create(&thread[i], &attributes, work, (void *)i) == 0);
	CHECK(pthread_mutex_lock(&mutex) == 0);
	while (waiting < count)
		CHECK(pthread_cond_wait(&arrived, &mutex) == 0);
	snapshot_point();
	go = 1;
	CHECK(pthread_cond_broadcast(&released) == 0 && pthread_mutex_unlock(&mutex) == 0);
	for (long i = 0; i < count; i++)
		CHECK(pthread_join(thread[i], &result) == 0 && result == (void *)i);
	CHECK(done == count);
	return 0;
}
