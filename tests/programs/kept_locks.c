/* Locks that are held at the point: they can be unlocked by those who hold them, and by nobody else. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "kept.h"

static atomic_int held, go;

static void lock_held(int type, int protocol, int robust)
{
	pthread_mutex_t mutex[2];
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	CHECK(pthread_mutexattr_settype(&attributes, type) == 0);
	CHECK(pthread_mutexattr_setrobust(&attributes, robust) == 0);
	if (pthread_mutexattr_setprotocol(&attributes, protocol) != 0)
		SKIP("no such protocol in this C library");
	for (int i = 0; i < 2; i++) {
		int error = pthread_mutex_init(&mutex[i], &attributes);
		if (error == ENOTSUP)
			SKIP("no such mutex in this C library");
		CHECK(error == 0 && pthread_mutex_lock(&mutex[i]) == 0);
	}
	if (type == PTHREAD_MUTEX_RECURSIVE)
		CHECK(pthread_mutex_lock(&mutex[1]) == 0 && pthread_mutex_unlock(&mutex[1]) == 0);
	point();
	if (type == PTHREAD_MUTEX_RECURSIVE)
		CHECK(pthread_mutex_lock(&mutex[0]) == 0 && pthread_mutex_unlock(&mutex[0]) == 0);
	if (type == PTHREAD_MUTEX_ERRORCHECK)
		CHECK(pthread_mutex_lock(&mutex[0]) == EDEADLK);
	for (int i = 0; i < 2; i++) {
		CHECK(pthread_mutex_unlock(&mutex[i]) == 0);
		CHECK(pthread_mutex_lock(&mutex[i]) == 0 && pthread_mutex_unlock(&mutex[i]) == 0);
		CHECK(pthread_mutex_destroy(&mutex[i]) == 0);
	}
}

void keep_plain(void)
{
	lock_held(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
}

void keep_errorcheck(void)
{
	lock_held(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
}

void keep_recursive(void)
{
	lock_held(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
}

void keep_inheriting(void)
{
	lock_held(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED);
}

void keep_inheriting_recursive(void)
{
	lock_held(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED);
}

void keep_robust(void)
{
	lock_held(PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
}

void keep_robust_recursive(void)
{
	lock_held(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
}

void keep_robust_inheriting(void)
{
	lock_held(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_ROBUST);
}

void keep_rwlock(void)
{
	static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

	CHECK(pthread_rwlock_wrlock(&lock) == 0);
	point();
	CHECK(pthread_rwlock_tryrdlock(&lock) != 0);
	CHECK(pthread_rwlock_unlock(&lock) == 0);
	CHECK(pthread_rwlock_tryrdlock(&lock) == 0 && pthread_rwlock_unlock(&lock) == 0);
}

static pthread_mutex_t others;
static pid_t others_id;
static volatile pid_t *code; /* made in memory, where a jump over so many bytes is no ID */

static void *hold(void *unused)
{
	others_id = gettid_now();
	if (code != MAP_FAILED) {
		code[0] = others_id;
		code[1] = ~code[0];
	}
	CHECK(pthread_mutex_lock(&others) == 0);
	atomic_store(&held, 1);
	while (!atomic_load(&go))
		sched_yield();
	CHECK(others_id == gettid_now());
	CHECK(pthread_mutex_unlock(&others) == 0);
	return unused;
}

static void *want(void *unused)
{
	CHECK(pthread_mutex_lock(&others) == 0);
	CHECK(pthread_mutex_unlock(&others) == 0);
	return unused;
}

/* Another thread holds it, a third one waits for it in the kernel, by the holder's ID. */
void keep_thread(void)
{
	pthread_mutexattr_t attributes;
	pthread_t holder, waiter;

	code = mmap(NULL, 1, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	CHECK(pthread_mutex_init(&others, &attributes) == 0);
	CHECK(pthread_create(&holder, NULL, hold, NULL) == 0);
	while (!atomic_load(&held))
		sched_yield();
	CHECK(pthread_create(&waiter, NULL, want, NULL) == 0);
	point();
	CHECK(pthread_mutex_unlock(&others) == EPERM);
	CHECK(syscall(SYS_tgkill, getpid(), others_id, 0) == 0);
	CHECK(code == MAP_FAILED || code[0] == ~code[1]);
	atomic_store(&go, 1);
	CHECK(pthread_join(holder, NULL) == 0 && pthread_join(waiter, NULL) == 0);
}
