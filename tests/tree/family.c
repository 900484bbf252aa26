/* Trees of processes that know who is whose. argv[1] names one: its processes come to rest, the first one
 * passes the marker, and then all find each other as they were. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "line.h"

/* --- process groups, with their leader and without; a session with its own child */
static void groups(void)
{
	struct line ready = line(), go = line();
	pid_t leader = child_of(fork());
	if (leader == 0) {
		CHECK(setpgid(0, 0) == 0);
		tell(&ready, 'l');
		pause();
	}
	hear(&ready);
	pid_t follower = child_of(fork());
	if (follower == 0) {
		CHECK(setpgid(0, leader) == 0);
		tell(&ready, 'f');
		pause();
	}
	hear(&ready);
	pid_t gone = child_of(fork());
	if (gone == 0) {
		CHECK(setpgid(0, 0) == 0);
		pause();
	}
	while (getpgid(gone) != gone)
		;
	pid_t left = child_of(fork());
	if (left == 0) {
		CHECK(setpgid(0, gone) == 0);
		tell(&ready, 'g');
		pause();
	}
	hear(&ready);
	kill(gone, SIGKILL);
	wait_for(gone);
	pid_t session = child_of(fork());
	if (session == 0) {
		struct line inner = line();
		CHECK(setsid() == getpid());
		pid_t grandchild = child_of(fork());
		if (grandchild == 0) {
			tell(&inner, 'i');
			hear(&go);
			_exit(getsid(0) == getppid() && getpgrp() == getppid() ? 0 : 1);
		}
		hear(&inner);
		tell(&ready, 's');
		_exit(getsid(0) == getpid() ? WEXITSTATUS(wait_for(grandchild)) : 1);
	}
	hear(&ready);
	marker();
	EXPECT(getpgid(leader) == leader && getpgid(follower) == leader && getpgid(left) == gone);
	EXPECT(getsid(session) == session && getsid(leader) == getsid(0));
	EXPECT(kill(-leader, SIGTERM) == 0);
	EXPECT(wait_for(leader) == SIGTERM && wait_for(follower) == SIGTERM);
	EXPECT(kill(-gone, SIGTERM) == 0 && wait_for(left) == SIGTERM);
	tell(&go, 'g');
	EXPECT(wait_for(session) == 0);
}

/* --- a daemon's second child: its session's leader has ended, its parent is init; and one that a subreaper
 * has taken */
static void orphans(void)
{
	struct line ready = line(), go = line(), back = line();
	pid_t between = child_of(fork());
	if (between == 0) {
		setsid();
		if (fork() == 0) {
			pid_t session = getsid(0);
			while (getppid() == session)
				usleep(1000);
			tell(&ready, 'd');
			hear(&go);
			tell(&back,
			     getsid(0) == session && getpgrp() == session && getpid() != session ? 'd' : '!');
			_exit(0);
		}
		_exit(0);
	}
	wait_for(between);
	hear(&ready);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	pid_t other = child_of(fork()), adopted;
	if (other == 0) {
		pid_t child = child_of(fork());
		if (child == 0) {
			tell(&ready, 'a');
			hear(&go);
			_exit(9);
		}
		hear(&ready);
		CHECK(write(back.ends[1], &child, sizeof(child)) == sizeof(child));
		_exit(0);
	}
	wait_for(other);
	CHECK(read(back.ends[0], &adopted, sizeof(adopted)) == sizeof(adopted));
	marker();
	tell(&go, 'g');
	tell(&go, 'g');
	EXPECT(hear(&back) == 'd');
	EXPECT(WEXITSTATUS(wait_for(adopted)) == 9);
}

/* --- stopped children: one whose stop was told, one whose was not */
static volatile sig_atomic_t heard;

static void hear_child(int number)
{
	(void)number;
	heard++;
}

static void stopped(void)
{
	struct line go = line();
	pid_t told = child_of(fork());
	if (told == 0) {
		raise(SIGSTOP);
		_exit(hear(&go) == 'g' ? 3 : 1);
	}
	int status = 0;
	CHECK(waitpid(told, &status, WUNTRACED) == told && WSTOPSIG(status) == SIGSTOP);
	pid_t untold = child_of(fork());
	if (untold == 0) {
		setpgid(0, 0); /* a group that its parent minds, whatever the caller's is */
		raise(SIGTSTP);
		_exit(4);
	}
	siginfo_t info;
	CHECK(waitid(P_PID, (id_t)untold, &info, WSTOPPED | WNOWAIT) == 0);
	signal(SIGCHLD, hear_child);
	marker();
	EXPECT(heard == 0);
	EXPECT(waitpid(told, &status, WUNTRACED | WNOHANG) == 0);
	EXPECT(waitpid(untold, &status, WUNTRACED | WNOHANG) == untold && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == SIGTSTP);
	kill(untold, SIGCONT);
	EXPECT(WEXITSTATUS(wait_for(untold)) == 4);
	tell(&go, 'g');
	EXPECT(waitpid(told, &status, WNOHANG) == 0);
	kill(told, SIGCONT);
	EXPECT(WEXITSTATUS(wait_for(told)) == 3);
}

/* --- threads in several processes, which wait for each other by an eventfd */
static void *count_to(void *argument)
{
	uint64_t value;
	CHECK(read(*(int *)argument, &value, sizeof(value)) == sizeof(value));
	return (void *)(uintptr_t)value;
}

static void threads(void)
{
	struct line ready = line();
	int event = eventfd(0, EFD_SEMAPHORE), done = eventfd(0, 0);
	CHECK(event >= 0 && done >= 0);
	pid_t child[2];
	for (int i = 0; i < 2; i++)
		if ((child[i] = child_of(fork())) == 0) {
			pthread_t thread[3];
			void *value;
			uint64_t sum = 0;
			for (int k = 0; k < 3; k++)
				CHECK(pthread_create(&thread[k], NULL, count_to, &event) == 0);
			tell(&ready, 'r');
			for (int k = 0; k < 3; k++) {
				CHECK(pthread_join(thread[k], &value) == 0);
				sum += (uintptr_t)value;
			}
			CHECK(write(done, &sum, sizeof(sum)) == sizeof(sum));
			_exit(0);
		}
	hear(&ready);
	hear(&ready);
	marker();
	uint64_t six = 6, sum = 0;
	EXPECT(write(event, &six, sizeof(six)) == sizeof(six));
	EXPECT(wait_for(child[0]) == 0 && wait_for(child[1]) == 0);
	EXPECT(read(done, &sum, sizeof(sum)) == sizeof(sum) && sum == 6);
}

/* --- pidfds of others of the tree: of one that lives, which two have, and of a zombie; an epoll set watches
 * one */
static int pidfd_of(pid_t pid)
{
	int made = (int)syscall(SYS_pidfd_open, pid, 0);
	if (made < 0) {
		puts("no pidfd_open(2) here");
		exit(77);
	}
	return made;
}

static bool has_ended(int pidfd, int timeout)
{
	struct pollfd look = {.fd = pidfd, .events = POLLIN};
	return poll(&look, 1, timeout) == 1;
}

/* One that has nothing else of the tree's: it stops itself, and goes on after the point. */
static pid_t start_lone(void)
{
	siginfo_t info;
	pid_t parent = getpid(), lone = child_of(fork());
	if (lone == 0) {
		int first = pidfd_of(parent);
		if (dup2(first, 3) != 3 || syscall(__NR_close_range, 4, ~0U, 0) < 0 || raise(SIGSTOP) != 0)
			_exit(1);
		_exit(syscall(SYS_pidfd_send_signal, 3, 0, NULL, 0) == 0 && getppid() == parent ? 5 : 2);
	}
	CHECK(waitid(P_PID, (id_t)lone, &info, WSTOPPED) == 0);
	return lone;
}

static void pidfds(void)
{
	enum { P_PIDFD_ID = 3 };
	struct line ready = line(), go = line();
	pid_t parent = getpid(), dead = child_of(fork());
	if (dead == 0)
		_exit(3);
	siginfo_t info;
	CHECK(waitid(P_PID, (id_t)dead, &info, WEXITED | WNOWAIT) == 0);
	pid_t child = child_of(fork());
	if (child == 0)
		pause();
	int of_dead = pidfd_of(dead), of_child = pidfd_of(child);
	pid_t other = child_of(fork());
	if (other == 0) {
		int of_parent = pidfd_of(parent);
		tell(&ready, 'r');
		hear(&go);
		bool knows_parent = syscall(SYS_pidfd_send_signal, of_parent, 0, NULL, 0) == 0;
		_exit(has_ended(of_child, -1) && knows_parent && !has_ended(of_parent, 0) ? 4 : 1);
	}
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};
	int set = epoll_create1(EPOLL_CLOEXEC);
	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, of_child, &event) == 0);
	hear(&ready);
	pid_t lone = start_lone();
	marker();
	EXPECT(kill(lone, SIGCONT) == 0 && WEXITSTATUS(wait_for(lone)) == 5);
	EXPECT(!has_ended(of_child, 0) && has_ended(of_dead, 0));
	tell(&go, 'g');
	EXPECT(syscall(SYS_pidfd_send_signal, of_child, SIGTERM, NULL, 0) == 0);
	memset(&event, 0, sizeof(event));
	EXPECT(epoll_wait(set, &event, 1, -1) == 1 && event.data.u64 == 7);
	EXPECT(WEXITSTATUS(wait_for(other)) == 4);
	EXPECT(waitid((idtype_t)P_PIDFD_ID, (id_t)of_child, &info, WEXITED) == 0 && info.si_pid == child &&
	       info.si_status == SIGTERM);
	EXPECT(waitid((idtype_t)P_PIDFD_ID, (id_t)of_dead, &info, WEXITED) == 0 && info.si_pid == dead &&
	       info.si_status == 3);
}

/* --- children whose main threads have ended: one goes on, of the other the last thread's end is the
 * process's, with the main thread's status */
static void *go_on(void *argument)
{
	CHECK(hear(argument) == 'g');
	_exit(3);
}

static void *end_last(void *argument)
{
	CHECK(hear(argument) == 'g');
	syscall(SYS_exit, 7); /* which of the two codes it is goes by the kernel (5.17) */
	return NULL;
}

static void await_zombie(pid_t pid)
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	do {
		int file = open(path, O_RDONLY);
		ssize_t size = read(file, text, sizeof(text) - 1);
		CHECK(size > 0 && close(file) == 0);
		text[size] = '\0';
	} while (strrchr(text, ')')[2] != 'Z');
}

static void mains(void)
{
	struct line go = line();
	void *(*const runs[])(void *) = {go_on, end_last};
	pid_t child[2];
	for (int i = 0; i < 2; i++) {
		if ((child[i] = child_of(fork())) == 0) {
			pthread_t thread;
			CHECK(pthread_create(&thread, NULL, runs[i], &go) == 0);
			syscall(SYS_exit, 7);
		}
		await_zombie(child[i]);
	}
	marker();
	tell(&go, 'g');
	tell(&go, 'g');
	EXPECT(wait_for(child[0]) == 3 << 8 && wait_for(child[1]) == 7 << 8);
}

/* --- a chain of processes, each the child of the one before */
static void chain(void)
{
	enum { DEPTH = 30 };
	struct line ready = line(), go = line();
	pid_t first = getpid();
	for (int depth = 1; depth <= DEPTH; depth++) {
		pid_t child = child_of(fork());
		if (child != 0) {
			if (getpid() == first) {
				hear(&ready);
				marker();
				tell(&go, 'g');
			}
			int status = wait_for(child);
			if (getpid() != first)
				_exit(WEXITSTATUS(status) + 1);
			EXPECT(WEXITSTATUS(status) == DEPTH - 1);
			return;
		}
	}
	tell(&ready, 'r');
	hear(&go);
	_exit(0);
}

static const struct mode modes[] = {{"groups", groups},   {"orphans", orphans}, {"stopped", stopped},
                                    {"threads", threads}, {"pidfds", pidfds},   {"mains", mains},
                                    {"chain", chain}};

int main(int argc, char **argv)
{
	return run_mode(modes, sizeof(modes) / sizeof(*modes), argc, argv);
}
