/*
 * effects WORD: does one thing that the rule of `effect` is about, then what shows that it went on: a line on
 * stdout, which is an effect in any case. So a freeze at `effect` stands either in front of WORD's own call
 * (a line "after" comes from the image after "before" did not) or at the first line.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static void check(int fine, const char *what)
{
	if (!fine) {
		dprintf(2, "effects: %s: %s\n", what, strerror(errno));
		_exit(99);
	}
}

static char *map(size_t pages, int protection, int flags)
{
	char *memory = mmap(NULL, pages * PAGE, protection, MAP_ANONYMOUS | flags, -1, 0);

	check(memory != MAP_FAILED, "mmap");
	return memory;
}

static char *kept;
enum { RW = PROT_READ | PROT_WRITE };

static void do_munmap(void)
{
	char *memory = map(5, RW, MAP_PRIVATE);

	memset(memory, 1, 5 * PAGE);
	check(munmap(memory + 2 * PAGE, PAGE) == 0, "munmap, splitting");
	kept = memory + 3 * PAGE;
	memory = map(2, RW, MAP_PRIVATE);
	check(munmap(memory, 2 * PAGE) == 0, "munmap, whole");
}

static void do_mprotect(void)
{
	kept = map(3, RW, MAP_PRIVATE);
	memset(kept, 1, 3 * PAGE);
	check(mprotect(kept, PAGE, PROT_READ) == 0 && mprotect(kept + PAGE, PAGE, PROT_NONE) == 0,
	      "mprotect");
}

static void do_fixed(void)
{
	char *memory = map(3, RW, MAP_PRIVATE);

	memset(memory, 2, 3 * PAGE);
	kept = mmap(memory + PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	check(kept == memory + PAGE && kept[0] == 0, "MAP_FIXED");
	memset(kept, 1, PAGE);
}

static void do_reserve(void)
{
	char *memory = map((size_t)1 << 24, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);

	kept = memory + ((size_t)1 << 30);
	check(mprotect(kept, PAGE, RW) == 0, "mprotect in a reservation");
	memset(kept, 1, PAGE);
}

static void do_many(void)
{
	char *memory = map(20000, RW, MAP_PRIVATE);

	for (size_t i = 0; i < 20000; i += 2)
		check(mprotect(memory + i * PAGE, PAGE, PROT_READ) == 0, "10,000 mappings");
	kept = memory + 19999UL * PAGE;
	memset(kept, 1, PAGE);
}

static void do_malloc(void)
{
	kept = malloc(1 << 20);
	memset(kept, 1, 1 << 20);
	for (int i = 1; i < 1000; i++)
		memset(malloc((size_t)i * 100), 3, (size_t)i * 100);
}

static void do_tid(void)
{
	static int cleared = 1;

	check(syscall(SYS_set_tid_address, &cleared) == getpid(), "set_tid_address");
}

static void do_read(void)
{
	char byte;
	int fd = open("/proc/self/exe", O_RDONLY), null = open("/dev/null", O_RDWR);

	check(fd >= 0 && read(fd, &byte, 1) == 1 && byte == 0x7f && null >= 0, "reading");
	check(close(fd) == 0 && close(null) == 0, "close");
}

static void do_shared(void)
{
	kept = map(1, RW, MAP_SHARED);
	memset(kept, 1, PAGE);
}

static void *nothing(void *argument)
{
	return argument;
}

static void *forever(void *argument)
{
	for (;;)
		pause();
	return argument;
}

/* One that has ended, and one that goes on in the image. */
static void do_threads(void)
{
	pthread_t one, other;

	check(pthread_create(&one, NULL, nothing, NULL) == 0 && pthread_join(one, NULL) == 0, "a thread");
	check(pthread_create(&other, NULL, forever, NULL) == 0 && pthread_kill(other, 0) == 0, "another");
}

/* As libraries that know no clone3 do it. */
static void do_old_clone(void)
{
	const unsigned long flags = 0x50f00; /* VM, FS, FILES, SIGHAND, THREAD, SYSVSEM (clone(2)) */

	check(syscall(SYS_clone, flags & ~0x100UL, 0, 0, 0, 0) == -1 && errno == EINVAL,
	      "clone without memory");
}

static void do_pipe(void)
{
	char bytes[4];
	int ends[2];

	check(pipe(ends) == 0 && write(ends[1], "abc", 3) == 3 && read(ends[0], bytes, 4) == 3, "pipe");
	check(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 65536) == 65536,
	      "fcntl");
	check(fcntl(ends[1], F_DUPFD_CLOEXEC, 0) > 2 && write(ends[1], "d", 1) == 1, "what stays in it");
}

static void do_pair(void)
{
	char bytes[4];
	int ends[2], on = 1;
	struct iovec part = {.iov_base = bytes, .iov_len = 3};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && ioctl(ends[0], FIONBIO, &on) == 0,
	      "socketpair");
	check(write(ends[1], "abc", 3) == 3 && recv(ends[0], bytes, 4, 0) == 3, "recv");
	check(send(ends[0], "abc", 3, 0) == 3 && recvmsg(ends[1], &message, 0) == 3, "recvmsg");
	check(sendmsg(ends[0], &message, 0) == 3, "sendmsg");
}

static void do_events(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct itimerspec when = {.it_value = {.tv_sec = 3600}};
	sigset_t set;
	int epoll = epoll_create1(0), counter = eventfd(0, EFD_NONBLOCK),
	    timer = timerfd_create(CLOCK_MONOTONIC, 0);

	check(epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &event) == 0 && eventfd_write(counter, 1) == 0 &&
	              epoll_wait(epoll, &event, 1, -1) == 1,
	      "epoll");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	check(signalfd(-1, &set, 0) > 2 && timerfd_settime(timer, 0, &when, NULL) == 0, "signalfd, timerfd");
}

static void do_timers(void)
{
	struct itimerval soon = {.it_value = {.tv_sec = 3600}};
	struct itimerspec when = {.it_value = {.tv_sec = 3600}};
	struct sigevent silent = {.sigev_notify = SIGEV_NONE};
	timer_t timer;

	check(setitimer(ITIMER_REAL, &soon, NULL) == 0 && alarm(3600) == 3600, "setitimer");
	check(timer_create(CLOCK_MONOTONIC, &silent, &timer) == 0 &&
	              timer_settime(timer, 0, &when, NULL) == 0,
	      "timer_create");
}

static void do_memfd(void)
{
	int fd = memfd_create("own", MFD_ALLOW_SEALING);

	check(fd > 2 && ftruncate(fd, PAGE) == 0 && pwrite(fd, "abc", 3, 0) == 3, "memfd");
	check(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0, "seals");
}

static void do_null(void)
{
	int fd = open("/dev/null", O_RDWR);

	check(fd > 2 && write(fd, "abc", 3) == 3, "/dev/null");
}

static int make_socket(int domain)
{
	int fd = socket(domain, SOCK_STREAM, 0), on = 1;

	check(fd > 2 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0, "socket");
	return fd;
}

static void do_socket(void)
{
	int fd = make_socket(AF_INET), on = 1;

	check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0, "TCP_NODELAY");
	make_socket(AF_UNIX);
}

static void do_bind(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};

	check(bind(make_socket(AF_INET), (struct sockaddr *)&any, sizeof(any)) == 0, "bind");
}

static void do_connect(void)
{
	struct sockaddr_in nobody = {
	        .sin_family = AF_INET, .sin_port = htons(1), .sin_addr = {htonl(INADDR_LOOPBACK)}};

	check(connect(make_socket(AF_INET), (struct sockaddr *)&nobody, sizeof(nobody)) == -1, "connect");
}

static void do_sendto(void)
{
	struct sockaddr_in nobody = {
	        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	check(sendto(fd, "", 0, 0, (struct sockaddr *)&nobody, sizeof(nobody)) == 0, "sendto");
}

static void do_netlink(void)
{
	check(close(socket(AF_NETLINK, SOCK_RAW, 0)) == 0, "netlink");
}

/* A descriptor on its way through a pair of sockets. */
static void do_rights(void)
{
	int ends[2], *sent;
	char byte = 1;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
	        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
	*header = (struct cmsghdr){
	        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
	sent = (int *)CMSG_DATA(header);
	*sent = ends[0];
	check(sendmsg(ends[0], &message, 0) == 1, "sendmsg");
}

/* Its link is as the own one's, but it is the caller's. */
static void do_inherited_eventfd(void)
{
	check(eventfd(0, 0) > 2 && eventfd_write(100, 1) == 0, "eventfd");
}

/* By a number that the caller has as well, and that became another. */
static void do_turned(void)
{
	check(dup2(1, 0) == 0 && write(0, "turned\n", 7) == 7, "write");
}

/* dup(2) itself reaches nowhere, and what becomes of the number is its own again. */
static void do_copied(void)
{
	int copy = dup(0), other = fcntl(1, F_DUPFD_CLOEXEC, 20);
	char byte;

	check(copy > 2 && other >= 20 && dup3(copy, 30, O_CLOEXEC) == 30, "dup");
	check(close(copy) == 0 && close(other) == 0 && close(30) == 0, "close");
	check(open("/dev/zero", O_RDONLY) == copy && read(copy, &byte, 1) == 1, "/dev/zero");
}

static void do_copy_read(void)
{
	int closed = dup(0), copy = fcntl(dup2(0, 20), F_DUPFD, 30), own[2];
	char line[100];

	check(close(closed) == 0 && close(20) == 0 && pipe(own) == 0 && own[0] == closed, "pipe");
	check(write(own[1], "own", 3) == 3 && read(own[0], line, 3) == 3, "own");
	ssize_t got = read(copy, line, sizeof(line));
	check(copy == 30 && got >= 0 && write(1, line, (size_t)got) == got, "stdin");
}

static void do_copy_moved(void)
{
	check(dup2(0, 2) == 2 && lseek(2, 1, SEEK_SET) == 1, "lseek");
}

static void do_map_file(void)
{
	int fd = memfd_create("mapped", 0);

	check(ftruncate(fd, PAGE) == 0 && mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0) != MAP_FAILED, "memfd");
}

static void do_set_pipe(void)
{
	check(fcntl(1, F_SETPIPE_SZ, 65536) == 65536, "F_SETPIPE_SZ");
}

static void do_write(void)
{
	int fd = open("made", O_WRONLY | O_CREAT, 0600);

	check(fd >= 0 && close(fd) == 0, "open for writing");
}

static void do_mknod(void)
{
	check(mknod("made", S_IFIFO | 0600, 0) == 0, "mknod");
}

static void do_mkdir(void)
{
	check(mkdir("made", 0700) == 0, "mkdir");
}

static void do_unlink(void)
{
	check(unlink("not-there") == -1, "unlink");
}

static void do_fork(void)
{
	if (fork() == 0)
		_exit(0);
}

static void do_read_stdin(void)
{
	char line[100];
	ssize_t got = read(0, line, sizeof(line));

	check(got >= 0 && write(1, line, (size_t)got) == got, "stdin");
}

/* After the start from the image: memory, break, clocks and the allocator are as ever. */
static void check_after(int restored)
{
	struct timespec one, other;
	time_t now;

	if (kept)
		check(kept[0] == 1 && kept[PAGE - 1] == 1, "memory");
	check(clock_gettime(CLOCK_MONOTONIC, &one) == 0 && clock_gettime(CLOCK_REALTIME, &other) == 0 &&
	              time(&now) > 1600000000 && labs((long)(now - other.tv_sec)) <= 1,
	      "clocks");
	free(malloc(12345));
	if (restored) {
		char *end = sbrk(0);

		check(sbrk(PAGE) == end && (memset(end, 1, PAGE), end[0] == 1) && sbrk(-PAGE) != (void *)-1,
		      "brk");
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		void (*act)(void);
	} words[] = {
	        {"munmap", do_munmap},
	        {"mprotect", do_mprotect},
	        {"fixed", do_fixed},
	        {"reserve", do_reserve},
	        {"many", do_many},
	        {"malloc", do_malloc},
	        {"tid", do_tid},
	        {"read", do_read},
	        {"shared", do_shared},
	        {"write", do_write},
	        {"mknod", do_mknod},
	        {"mkdir", do_mkdir},
	        {"unlink", do_unlink},
	        {"fork", do_fork},
	        {"stdin", do_read_stdin},
	        {"threads", do_threads},
	        {"old-clone", do_old_clone},
	        {"pipe", do_pipe},
	        {"pair", do_pair},
	        {"events", do_events},
	        {"timers", do_timers},
	        {"memfd", do_memfd},
	        {"null", do_null},
	        {"socket", do_socket},
	        {"bind", do_bind},
	        {"connect", do_connect},
	        {"sendto", do_sendto},
	        {"netlink", do_netlink},
	        {"rights", do_rights},
	        {"eventfd", do_inherited_eventfd},
	        {"turned", do_turned},
	        {"copied", do_copied},
	        {"copy-read", do_copy_read},
	        {"copy-moved", do_copy_moved},
	        {"map-file", do_map_file},
	        {"set-pipe", do_set_pipe},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(words[i].word, argv[1]) != 0)
			continue;
		if (argc > 2) /* it is traced until the point */
			check(sbrk(PAGE) == (void *)-1 && errno == ENOMEM, "brk before");
		words[i].act();
		check(write(1, "", 0) == 0, "write"); /* the point, if it wasn't met before */
		check_after(argc > 2);
		dprintf(1, "after %s\n", argv[1]);
		return 0;
	}
	return 98;
}
