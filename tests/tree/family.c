/* Trees of processes that know their own answer. argv[1] names one: its processes come to rest, the first one
 * passes the marker, and then all find each other as they were. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "line.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1; not in older headers */
#endif

/* --- zombies keep their statuses, a place in a file is one for all that inherited it, a child blocks in a
 * read */
static void inherited(void)
{
	struct line ready = line(), down = line(), up = line();
	char word[8] = "";
	int file = open("numbers", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(file >= 0 && write(file, "0123456789", 10) == 10 && lseek(file, 2, SEEK_SET) == 2);
	pid_t ended = child_of(fork());
	if (ended == 0)
		_exit(7);
	pid_t killed = child_of(fork());
	if (killed == 0)
		raise(SIGKILL);
	siginfo_t info;
	CHECK(waitid(P_PID, (id_t)ended, &info, WEXITED | WNOWAIT) == 0);
	CHECK(waitid(P_PID, (id_t)killed, &info, WEXITED | WNOWAIT) == 0);
	pid_t parent = getpid(), child = child_of(fork());
	if (child == 0) {
		close(down.ends[1]);
		tell(&ready, 'r');
		CHECK(hear(&down) == 'd' && getppid() == parent && read(file, word, 3) == 3);
		CHECK(strcmp(word, "234") == 0);
		tell(&up, 'u');
		_exit(5);
	}
	close(up.ends[1]);
	hear(&ready);
	marker();
	EXPECT(getpid() == parent);
	tell(&down, 'd');
	EXPECT(hear(&up) == 'u');
	EXPECT(lseek(file, 0, SEEK_CUR) == 5);
	EXPECT(WEXITSTATUS(wait_for(child)) == 5);
	EXPECT(wait_for(ended) == 7 << 8);
	EXPECT(wait_for(killed) == SIGKILL);
	EXPECT(read(up.ends[0], word, 1) == 0); /* nobody has the other end any more */
	EXPECT(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
}

/* --- what is in pipes and sockets between others; both ends are children's */
static void between(void)
{
	struct line ready = line(), go = line(), own = line();
	int pair[2];
	char bytes[16] = "";
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	pid_t writer = child_of(fork());
	if (writer == 0) {
		CHECK(write(own.ends[1], "in the pipe", 12) == 12 && write(pair[0], "in a socket", 12) == 12);
		tell(&ready, 'w');
		hear(&go);
		CHECK(read(pair[0], bytes, 1) == 1 && *bytes == 'b');
		_exit(0);
	}
	pid_t reader = child_of(fork());
	if (reader == 0) {
		tell(&ready, 'r');
		hear(&go);
		CHECK(read(own.ends[0], bytes, 12) == 12 && strcmp(bytes, "in the pipe") == 0);
		CHECK(read(pair[1], bytes, 12) == 12 && strcmp(bytes, "in a socket") == 0);
		CHECK(write(pair[1], "b", 1) == 1);
		_exit(0);
	}
	close(pair[0]);
	close(pair[1]);
	close(own.ends[0]);
	close(own.ends[1]);
	hear(&ready);
	hear(&ready);
	marker();
	tell(&go, 'g');
	tell(&go, 'g');
	EXPECT(wait_for(writer) == 0 && wait_for(reader) == 0);
}

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

/* --- memory that several share, with futexes in it; one has it at another address, the first not at all */
struct shared {
	pthread_mutex_t mutex;
	sem_t semaphore;
	atomic_int count;
	char text[4096];
};

static void shared(void)
{
	struct line ready = line();
	struct shared *memory =
	        mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *theirs = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;
	CHECK(memory != MAP_FAILED && theirs != MAP_FAILED);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&memory->mutex, &attributes);
	CHECK(sem_init(&memory->semaphore, 1, 0) == 0);
	strcpy(memory->text, "before");
	pthread_mutex_lock(&memory->mutex);
	pid_t child[2];
	for (int i = 0; i < 2; i++)
		if ((child[i] = child_of(fork())) == 0) {
			theirs[i] = (char)('a' + i);
			if (i == 1) {
				struct shared *moved = mremap(memory, 0, sizeof(*memory), MREMAP_MAYMOVE);
				CHECK(moved != MAP_FAILED && munmap(memory, sizeof(*memory)) == 0);
				memory = moved;
			}
			tell(&ready, 'r');
			pthread_mutex_lock(&memory->mutex);
			CHECK(strcmp(memory->text, "after") == 0);
			memory->count++;
			pthread_mutex_unlock(&memory->mutex);
			sem_wait(&memory->semaphore);
			_exit(theirs[0] == 'a' && theirs[1] == 'b' ? 0 : 1);
		}
	hear(&ready);
	hear(&ready);
	munmap(theirs, 8192);
	marker();
	EXPECT(strcmp(memory->text, "before") == 0 && memory->count == 0);
	strcpy(memory->text, "after");
	pthread_mutex_unlock(&memory->mutex);
	sem_post(&memory->semaphore);
	sem_post(&memory->semaphore);
	EXPECT(wait_for(child[0]) == 0 && wait_for(child[1]) == 0);
	EXPECT(memory->count == 2);
}

/* --- memory that both have mapped for writing, and a descriptor of it that only reads; or its seals forbid
 * what the mappings may still do */
static void kept_views(void)
{
	struct line ready = line(), go = line();
	char *view[2];
	int file[2];
	for (int i = 0; i < 2; i++) {
		int made = memfd_create("views", MFD_ALLOW_SEALING);
		char again[64];
		snprintf(again, sizeof(again), "/proc/self/fd/%d", made);
		CHECK(made >= 0 && ftruncate(made, 4096) == 0);
		view[i] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, made, 0);
		file[i] = i == 0 ? open(again, O_RDONLY | O_CLOEXEC) : made;
		CHECK(view[i] != MAP_FAILED && file[i] >= 0);
		if (i == 0)
			CHECK(close(made) == 0);
		else if (fcntl(made, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK) < 0)
			exit(77); /* not before Linux 5.1 */
		view[i][0] = 'x';
	}
	pid_t child = child_of(fork());
	if (child == 0) {
		tell(&ready, 'r');
		hear(&go);
		for (int i = 0; i < 2; i++)
			view[i][1] = view[i][0] == 'x' ? 'y' : 'n';
		_exit(0);
	}
	hear(&ready);
	marker();
	tell(&go, 'g');
	EXPECT(wait_for(child) == 0);
	for (int i = 0; i < 2; i++) {
		char bytes[2] = {0};
		EXPECT(pread(file[i], bytes, 2, 0) == 2 && bytes[0] == 'x' && bytes[1] == 'y');
		EXPECT(pwrite(file[i], "z", 1, 0) < 0);
		view[i][0] = 'z';
		EXPECT(pread(file[i], bytes, 1, 0) == 1 && bytes[0] == 'z');
	}
}

/* --- a deleted file that several have mapped or open; one has a part of it */
static void deleted(void)
{
	struct line ready = line(), go = line();
	int file = open("deleted", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(file >= 0 && ftruncate(file, 3 * 4096) == 0 && unlink("deleted") == 0);
	char *all = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	CHECK(all != MAP_FAILED);
	all[4096] = 'x';
	pid_t child = child_of(fork());
	if (child == 0) {
		char *part = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 4096);
		CHECK(part != MAP_FAILED && munmap(all, 3 * 4096) == 0 && close(file) == 0);
		tell(&ready, 'r');
		hear(&go);
		CHECK(*part == 'y');
		*part = 'z';
		_exit(0);
	}
	hear(&ready);
	marker();
	EXPECT(all[4096] == 'x' && all[0] == 0);
	char byte = 'y';
	EXPECT(pwrite(file, &byte, 1, 4096) == 1 && all[4096] == 'y');
	tell(&go, 'g');
	EXPECT(wait_for(child) == 0 && all[4096] == 'z');
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
	marker();
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

/* --- files that two have open, each by its own opening, and that the first of them made before the other was
 * born: one is mapped, one is locked */
static int64_t file_clock(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void files(void)
{
	/* A busy machine's ticks are late, and files are stamped by them: none may seem older than the
	 * program. */
	for (int64_t begun = file_clock(); file_clock() < begun + 100;)
		poll(NULL, 0, 1);
	struct line ready = line(), go = line();
	const char *const name[] = {"mapped", "locked"};
	char bytes[7] = "", *view = NULL;
	for (int i = 0; i < 2; i++) {
		int file = open(name[i], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		CHECK(file >= 0 && write(file, "before", 6) == 6);
		if (i == 0) {
			view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
			CHECK(view != MAP_FAILED && close(file) == 0);
		} else {
			CHECK(flock(file, LOCK_SH) == 0);
		}
	}
	pid_t child = child_of(fork());
	if (child == 0) {
		int mapped = open(name[0], O_RDWR | O_CLOEXEC), locked = open(name[1], O_RDWR | O_CLOEXEC);
		CHECK(mapped >= 0 && locked >= 0 && flock(locked, LOCK_SH) == 0 && munmap(view, 4096) == 0);
		tell(&ready, 'r');
		hear(&go);
		CHECK(pread(locked, bytes, 6, 0) == 6 && strcmp(bytes, "before") == 0);
		CHECK(pread(mapped, bytes, 6, 0) == 6 && strcmp(bytes, "Before") == 0);
		_exit(0);
	}
	hear(&ready);
	marker();
	view[0] = 'B';
	tell(&go, 'g');
	EXPECT(wait_for(child) == 0);
	for (int i = 0; i < 2; i++) /* the next start makes them */
		EXPECT(unlink(name[i]) == 0);
}

/* --- an epoll set that two have, with what both, either, or only one of them still has open */
static void watch(int set, const struct line *line, uint64_t data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};
	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, line->ends[0], &event) == 0);
}

static uint64_t next_of(int set)
{
	struct epoll_event event = {0};
	CHECK(epoll_wait(set, &event, 1, -1) == 1);
	return event.data.u64;
}

static void sets(void)
{
	struct line ready = line(), go = line(), both = line(), left = line(), own;
	int set = epoll_create1(0);
	watch(set, &both, 1);
	watch(set, &left, 2);
	pid_t child = child_of(fork());
	if (child == 0) {
		own = line(); /* of the same numbers as the parent's */
		watch(set, &own, 3);
		tell(&ready, 'r');
		hear(&go);
		tell(&own, 'o');
		hear(&go);
		CHECK(hear(&own) == 'o' && epoll_ctl(set, EPOLL_CTL_DEL, own.ends[0], NULL) == 0);
		tell(&left, 'l');
		_exit(next_of(set) == 2 && hear(&left) == 'l' ? 4 : 1);
	}
	close(left.ends[0]);
	close(left.ends[1]);
	own = line();
	watch(set, &own, 4);
	hear(&ready);
	marker();
	tell(&both, 'b');
	EXPECT(next_of(set) == 1 && hear(&both) == 'b');
	tell(&own, 'o');
	EXPECT(next_of(set) == 4 && hear(&own) == 'o');
	tell(&go, 'g');
	EXPECT(next_of(set) == 3); /* which is open in the child alone */
	tell(&go, 'g');
	EXPECT(wait_for(child) == 4 << 8);
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

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {{"inherited", inherited}, {"between", between}, {"groups", groups},    {"orphans", orphans},
             {"stopped", stopped},     {"shared", shared},   {"views", kept_views}, {"files", files},
             {"deleted", deleted},     {"threads", threads}, {"chain", chain},      {"pidfds", pidfds},
             {"mains", mains},         {"sets", sets}};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(argv[1], modes[i].name) == 0) {
			modes[i].run();
			return check_result();
		}
	return 2;
}
