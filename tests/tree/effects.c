/*
 * effects WORD: does one thing that the rule of `effect` is about, then what shows that it went on: a line on
 * stdout, which is an effect in any case. So a freeze at `effect` stands either in front of WORD's own call
 * (a line "after" comes from the image after "before" did not) or at the first line.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
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
	map(1, RW, MAP_SHARED);
}

static void do_write(void)
{
	int fd = open("made", O_WRONLY | O_CREAT, 0600);

	check(fd >= 0 && close(fd) == 0, "open for writing");
}

static void *nothing(void *unused)
{
	return unused;
}

static void do_threads(void)
{
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		check(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0,
		      "thread");
}

/* It writes and reads what nobody else has; the image carries all of it. */
static void to_and_fro(int in, int out)
{
	char byte[8] = "1234567";

	check(write(in, byte, 8) == 8 && memset(byte, 0, 8) && read(out, byte, 8) == 8 && byte[0] == '1',
	      "to and fro");
}

static void do_pipes(void)
{
	int ends[2], pair[2], event = eventfd(0, EFD_NONBLOCK);

	check(pipe2(ends, O_CLOEXEC) == 0 && event >= 0, "pipe and eventfd");
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
	check(fcntl(ends[0], F_SETPIPE_SZ, 2 * PAGE) > 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0,
	      "fcntl");
	to_and_fro(ends[1], ends[0]);
	to_and_fro(event, event);
	to_and_fro(pair[0], pair[1]);
}

static void do_memfd(void)
{
	int memory = memfd_create("of its own", MFD_ALLOW_SEALING);

	check(memory >= 0 && ftruncate(memory, PAGE) == 0 && pwrite(memory, "x", 1, 0) == 1, "memfd");
	check(fcntl(memory, F_ADD_SEALS, F_SEAL_GROW) == 0, "seals");
}

static void do_waits(void)
{
	struct itimerspec hour = {.it_value.tv_sec = 3600};
	struct epoll_event event = {.events = EPOLLIN};
	int set = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0), signals;
	timer_t other;
	sigset_t usr1;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	check(inotify_add_watch(inotify_init1(IN_NONBLOCK), "/", IN_DELETE_SELF) == 1, "inotify");
	signals = signalfd(-1, &usr1, SFD_NONBLOCK);
	check(set >= 0 && signals >= 0 && timerfd_settime(timer, 0, &hour, NULL) == 0, "timers");
	check(epoll_ctl(set, EPOLL_CTL_ADD, timer, &event) == 0 && epoll_wait(set, &event, 1, 0) == 0,
	      "epoll");
	check(timer_create(CLOCK_REALTIME, NULL, &other) == 0 && timer_settime(other, 0, &hour, NULL) == 0,
	      "timer_create");
}

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	check(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0, "socket");
	return fd;
}

static void do_socket(void)
{
	tcp_socket();
}

static void do_bind(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	check(bind(tcp_socket(), (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
}

static void do_listen(void)
{
	check(listen(tcp_socket(), 1) == 0, "listen");
}

static void do_group(void)
{
	struct ip_mreq group = {.imr_multiaddr.s_addr = htonl(0xe0000001),
	                        .imr_interface.s_addr = htonl(INADDR_LOOPBACK)};

	/* Whether there is such a group and a route to it does not matter. */
	(void)!setsockopt(socket(AF_INET, SOCK_DGRAM, 0), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
	                  sizeof(group));
}

/* The other end of the inherited pipe by another inherited number. */
static void do_again(void)
{
	check(dup2(1, 2) == 2 && write(2, "again\n", 6) == 6, "2>&1");
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
	        {"munmap", do_munmap},   {"mprotect", do_mprotect}, {"fixed", do_fixed},
	        {"reserve", do_reserve}, {"many", do_many},         {"malloc", do_malloc},
	        {"tid", do_tid},         {"read", do_read},         {"shared", do_shared},
	        {"write", do_write},     {"mknod", do_mknod},       {"mkdir", do_mkdir},
	        {"unlink", do_unlink},   {"fork", do_fork},         {"stdin", do_read_stdin},
	        {"threads", do_threads}, {"pipes", do_pipes},       {"memfd", do_memfd},
	        {"waits", do_waits},     {"socket", do_socket},     {"bind", do_bind},
	        {"listen", do_listen},   {"group", do_group},       {"again", do_again},
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
