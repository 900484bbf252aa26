/* The C library's idea of the thread id is the new one, and what depends on it works: raise, checking
 * mutexes, fork, new threads; the robust list and the tid address are those of before. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../check.h"

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif

static volatile sig_atomic_t raised;

static void on_signal(int signal)
{
	raised = signal;
}

struct kernel_view {
	int *tid_address;
	void *robust_list;
	size_t robust_size;
};

static struct kernel_view look(void)
{
	struct kernel_view view = {0};
	(void)prctl(PR_GET_TID_ADDRESS,
	            &view.tid_address); /* absent where the kernel has no checkpoint support */
	CHECK(syscall(SYS_get_robust_list, 0, &view.robust_list, &view.robust_size) == 0);
	return view;
}

static void check_mutex(int type, int second_lock)
{
	pthread_mutexattr_t attributes;
	pthread_mutex_t mutex;
	CHECK(pthread_mutexattr_init(&attributes) == 0 && pthread_mutexattr_settype(&attributes, type) == 0);
	CHECK(pthread_mutex_init(&mutex, &attributes) == 0);
	CHECK(pthread_mutex_lock(&mutex) == 0);
	CHECK(pthread_mutex_lock(&mutex) == second_lock);
	CHECK(pthread_mutex_unlock(&mutex) == 0);
}

static void *thread_main(void *argument)
{
	*(pid_t *)argument = (pid_t)syscall(SYS_gettid);
	CHECK(raise(SIGUSR1) == 0);
	return argument;
}

static void check_thread(void)
{
	pthread_t thread;
	pid_t tid = 0;
	void *result;
	CHECK(pthread_create(&thread, NULL, thread_main, &tid) == 0);
	CHECK(pthread_join(thread, &result) == 0);
	CHECK(result == &tid && tid != 0 && tid != getpid());
}

static void check_fork(void)
{
	pid_t parent = getpid(), child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(getppid() == parent && getpid() == (pid_t)syscall(SYS_gettid) && raise(SIGUSR1) == 0
		              ? 5
		              : 6);
	int status;
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 5);
}

int main(void)
{
	CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
	struct kernel_view before = look();
	snapshot_point();
	struct kernel_view after = look();
	CHECK(after.tid_address == before.tid_address);
	CHECK(after.robust_list == before.robust_list && after.robust_size == before.robust_size);
	CHECK((pid_t)syscall(SYS_gettid) == getpid());
	CHECK(raise(SIGUSR1) == 0 && raised == SIGUSR1);
	CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
	check_mutex(PTHREAD_MUTEX_ERRORCHECK, EDEADLK);
	check_mutex(PTHREAD_MUTEX_RECURSIVE, 0);
	check_thread();
	check_fork();
	return 0;
}
