/* Threads that wait in calls that need something of the process's own to end: each goes on in its call after
 * the start, and its call ends when what it waits for comes. With "alone": also for a file lock and in
 * accept, whose lock and address can be had only once. With "same-ids": also for a lock that glibc knows the
 * holder of by its thread ID (pthread_rwlock_t). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "../check.h"

enum { LIMIT_MS = 300 };

static int event, pair[2], ends[2], counter, holder, listener;
static pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;
static struct sockaddr_in address;

static void wait_epoll(void)
{
	struct epoll_event wanted = {.events = EPOLLIN, .data.u64 = 77}, got;
	int epoll = epoll_create1(0);

	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted) == 0);
	CHECK(epoll_wait(epoll, &got, 1, -1) == 1 && got.data.u64 == 77 && got.events == EPOLLIN);
}

static void give_event(void)
{
	CHECK(eventfd_write(event, 1) == 0);
}

static void wait_epoll_limit(void)
{
	struct epoll_event got;

	CHECK(epoll_wait(epoll_create1(0), &got, 1, LIMIT_MS) == 0);
}

static void wait_epoll_signal(void)
{
	struct epoll_event got;
	sigset_t none;

	CHECK(sigemptyset(&none) == 0);
	CHECK(epoll_pwait(epoll_create1(0), &got, 1, LIMIT_MS, &none) == 0);
}

static void wait_receive(void)
{
	char bytes[8];

	CHECK(recv(pair[0], bytes, sizeof bytes, MSG_WAITALL) == 8 && memcmp(bytes, "89abcdef", 8) == 0);
}

static void give_bytes(void)
{
	CHECK(send(pair[1], "89abcdef", 8, 0) == 8);
}

static void wait_pipe(void)
{
	char byte;

	CHECK(read(ends[0], &byte, 1) == 1 && byte == 'p');
}

static void give_byte(void)
{
	CHECK(write(ends[1], "p", 1) == 1);
}

static void wait_counter(void)
{
	eventfd_t value;

	CHECK(eventfd_read(counter, &value) == 0 && value == 5);
}

static void give_count(void)
{
	CHECK(eventfd_write(counter, 5) == 0);
}

/* Another open description of the same file is in the way of the lock. */
static void wait_lock(void)
{
	int fd = open("lock", O_RDWR);

	CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0 && flock(holder, LOCK_EX | LOCK_NB) == -1 &&
	      errno == EWOULDBLOCK);
}

static void give_lock(void)
{
	CHECK(flock(holder, LOCK_UN) == 0);
}

static void wait_reader(void)
{
	CHECK(pthread_rwlock_rdlock(&shared) == 0 && pthread_rwlock_unlock(&shared) == 0);
}

static void give_reader(void)
{
	CHECK(pthread_rwlock_unlock(&shared) == 0);
}

static void wait_accept(void)
{
	CHECK(accept(listener, NULL, NULL) >= 0);
}

static void give_connection(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && close(fd) == 0);
}

static const struct kind {
	const char *name;
	void (*wait)(void);
	void (*give)(void);
} kinds[] = {
        {"epoll", wait_epoll, give_event},
        {"epoll-limit", wait_epoll_limit, NULL},
        {"epoll-signal", wait_epoll_signal, NULL},
        {"receive", wait_receive, give_bytes},
        {"pipe", wait_pipe, give_byte},
        {"counter", wait_counter, give_count},
        {"lock", wait_lock, give_lock},
        {"accept", wait_accept, give_connection},
        {"reader", wait_reader, give_reader},
};
enum { KINDS = sizeof(kinds) / sizeof(*kinds), SHARED = KINDS - 3, ALONE = KINDS - 1 };

static atomic_int tids[KINDS];

static void *work(void *argument)
{
	const struct kind *kind = argument;

	atomic_store(&tids[kind - kinds], (int)syscall(SYS_gettid));
	kind->wait();
	return argument;
}

static void make_alone(void)
{
	socklen_t length = sizeof address;

	holder = open("lock", O_RDWR | O_CREAT, 0600);
	CHECK(holder >= 0 && flock(holder, LOCK_EX) == 0);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
}

static void make_things(void)
{
	event = eventfd(0, 0);
	counter = eventfd(0, 0);
	CHECK(event >= 0 && counter >= 0);
	CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK(pthread_rwlock_wrlock(&shared) == 0);
}

/* Until the kernel says that it sleeps, in its call: the C library's locks have nothing to wait for here. */
static void await_sleep(const atomic_int *tid)
{
	char path[64], line[256];
	const char *state = NULL;

	while (atomic_load(tid) == 0)
		sched_yield();
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", atomic_load(tid));
	do {
		FILE *file = fopen(path, "r");
		CHECK(file && fgets(line, sizeof line, file));
		fclose(file);
		state = strrchr(line, ')');
	} while (!state || state[2] != 'S');
}

int main(int argc, char **argv)
{
	int count = argc == 1 ? SHARED : strcmp(argv[1], "alone") == 0 ? ALONE : KINDS;
	pthread_t thread[KINDS];
	void *result;

	make_things();
	if (count > SHARED)
		make_alone();
	for (int i = 0; i < count; i++)
		CHECK(pthread_create(&thread[i], NULL, work, (void *)&kinds[i]) == 0);
	for (int i = 0; i < count; i++)
		await_sleep(&tids[i]);
	snapshot_point();
	for (int i = 0; i < count; i++)
		if (kinds[i].give)
			kinds[i].give();
	for (int i = 0; i < count; i++)
		CHECK(pthread_join(thread[i], &result) == 0 && result == &kinds[i]);
	puts("all waits ended");
	return 0;
}
