/* Opens something that is no file with a name, named by its argument, passes the marker, and checks that it
 * is as it was: 0, or 1 with a line for each thing that isn't; 77 where this machine does not let it get
 * there. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"
#include "modes.h"

static void pipes(void)
{
	int plain[2], full[2], ended[2], deaf[2], again;
	static char block[300000], seen[300000];
	need(pipe2(plain, O_NONBLOCK | O_CLOEXEC));
	need(pipe(full));
	need(pipe(ended));
	need(pipe(deaf));
	signal(SIGPIPE, SIG_IGN);
	EXPECT(fcntl(full[0], F_SETPIPE_SZ, 1 << 20) == 1 << 20);
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 31 % 253);
	EXPECT(write(full[1], block, sizeof(block)) == sizeof(block));
	EXPECT(writes(ended[1], "last words") && close(ended[1]) == 0 && close(deaf[0]) == 0);
	EXPECT((again = fcntl(plain[1], F_DUPFD, 40)) == 40);
	marker();
	EXPECT(would_block(plain[0]) && writes(again, "through it") && reads(plain[0], "through it"));
	EXPECT(fcntl(plain[0], F_GETFD) == FD_CLOEXEC && fcntl(again, F_GETFD) == 0);
	EXPECT(fcntl(plain[1], F_GETFL) & O_NONBLOCK && !(fcntl(full[1], F_GETFL) & O_NONBLOCK));
	EXPECT(fcntl(full[1], F_GETPIPE_SZ) == 1 << 20);
	for (size_t got = 0; got < sizeof(seen);) {
		ssize_t part = read(full[0], seen + got, sizeof(seen) - got);
		EXPECT(part > 0);
		if (part <= 0)
			break;
		got += (size_t)part;
	}
	EXPECT(memcmp(seen, block, sizeof(block)) == 0);
	EXPECT(reads(ended[0], "last words") && reads(ended[0], ""));
	EXPECT(write(deaf[1], "x", 1) < 0 && errno == EPIPE);
}

static void events(void)
{
	int count = need(eventfd(5, EFD_NONBLOCK)),
	    semaphore = need(eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK));
	int zero = need(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), large = need(eventfd(0, 0));
	uint64_t value = UINT64_C(1) << 40;
	EXPECT(write(large, &value, 8) == 8);
	value = 3;
	EXPECT(write(semaphore, &value, 8) == 8);
	sigset_t none;
	sigemptyset(&none);
	const int flagged[] = {count, need(epoll_create1(0)),
	                       need(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)),
	                       need(signalfd(-1, &none, SFD_NONBLOCK))};
	for (size_t i = 0; i < sizeof(flagged) / sizeof(*flagged); i++)
		EXPECT(fcntl(flagged[i], F_SETFL, O_APPEND | O_NONBLOCK) == 0);
	marker();
	for (size_t i = 0; i < sizeof(flagged) / sizeof(*flagged); i++)
		EXPECT((fcntl(flagged[i], F_GETFL) & (O_APPEND | O_NONBLOCK)) == (O_APPEND | O_NONBLOCK));
	EXPECT(read(count, &value, 8) == 8 && value == 5 && would_block(count));
	EXPECT(read(semaphore, &value, 8) == 8 && value == 1);
	EXPECT(read(semaphore, &value, 8) == 8 && value == 1);
	EXPECT(read(large, &value, 8) == 8 && value == UINT64_C(1) << 40);
	EXPECT(would_block(zero) && fcntl(zero, F_GETFD) == FD_CLOEXEC);
}

static void timers(void)
{
	int far = need(timerfd_create(CLOCK_MONOTONIC, 0)), off = need(timerfd_create(CLOCK_BOOTTIME, 0));
	int ticked = need(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)),
	    day = need(timerfd_create(CLOCK_REALTIME, 0));
	struct itimerspec in_100 = {{7, 5}, {100, 0}}, soon = {{0, 0}, {0, 1}}, seen, at = {{0, 0}, {0, 0}};
	struct pollfd look = {.fd = ticked, .events = POLLIN};
	struct timespec now;
	uint64_t ticks;
	clock_gettime(CLOCK_REALTIME, &now);
	at.it_value.tv_sec = now.tv_sec + 5000;
	EXPECT(timerfd_settime(far, 0, &in_100, NULL) == 0 && timerfd_settime(ticked, 0, &soon, NULL) == 0);
	EXPECT(timerfd_settime(day, TFD_TIMER_ABSTIME, &at, NULL) == 0);
	EXPECT(poll(&look, 1, -1) == 1);
	marker();
	EXPECT(timerfd_gettime(far, &seen) == 0 && seen.it_interval.tv_sec == 7 &&
	       seen.it_interval.tv_nsec == 5);
	EXPECT(seen.it_value.tv_sec > 0 && seen.it_value.tv_sec <= 100);
	EXPECT(timerfd_gettime(off, &seen) == 0 && seen.it_value.tv_sec == 0 && seen.it_value.tv_nsec == 0);
	EXPECT(read(ticked, &ticks, 8) == 8 && ticks == 1 && would_block(ticked));
	clock_gettime(CLOCK_REALTIME, &now);
	EXPECT(timerfd_gettime(day, &seen) == 0 &&
	       seen.it_value.tv_sec <= at.it_value.tv_sec - now.tv_sec + 1 && seen.it_value.tv_sec > 0);
}

static void signal_descriptors(void)
{
	struct signalfd_siginfo info;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = need(signalfd(-1, &set, SFD_NONBLOCK));
	marker();
	EXPECT(would_block(fd) && raise(SIGUSR2) == 0);
	EXPECT(read(fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR2);
	EXPECT(raise(SIGRTMIN + 3) == 0 && read(fd, &info, sizeof(info)) == sizeof(info));
}

static void pid_descriptor(void)
{
	int fd = need((int)syscall(SYS_pidfd_open, getpid(), 0));
	marker();
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	EXPECT(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0) == 0);
	EXPECT(sigpending(&set) == 0 && sigismember(&set, SIGUSR1) == 1);
}

static void add(int set, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};
	EXPECT(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void epolls(void)
{
	int set = need(epoll_create1(EPOLL_CLOEXEC)), outer = need(epoll_create1(0));
	int one = need(eventfd(0, EFD_NONBLOCK)), two = need(eventfd(0, EFD_NONBLOCK)),
	    three = need(eventfd(1, 0));
	struct epoll_event seen[4];
	uint64_t value = 1;
	add(set, one, EPOLLIN | EPOLLET, UINT64_C(0xfedcba9876543210));
	add(set, three, EPOLLIN | EPOLLONESHOT, 3);
	EXPECT(epoll_wait(set, seen, 4, 0) == 1 && seen[0].data.u64 == 3); /* it is asleep from now on */
	add(set, two, EPOLLIN | EPOLLONESHOT, 2);
	add(outer, set, EPOLLIN, 99);
	marker();
	EXPECT(fcntl(set, F_GETFD) == FD_CLOEXEC);
	EXPECT(epoll_wait(outer, seen, 4, 0) == 0 && epoll_wait(set, seen, 4, 0) == 0);
	EXPECT(write(one, &value, 8) == 8);
	EXPECT(epoll_wait(outer, seen, 4, 0) == 1 && seen[0].data.u64 == 99);
	EXPECT(epoll_wait(set, seen, 4, 0) == 1 && seen[0].data.u64 == UINT64_C(0xfedcba9876543210));
	EXPECT(epoll_wait(set, seen, 4, 0) == 0); /* edge */
	EXPECT(write(two, &value, 8) == 8 && epoll_wait(set, seen, 4, 0) == 1 && seen[0].data.u64 == 2);
	EXPECT(write(two, &value, 8) == 8 && epoll_wait(set, seen, 4, 0) == 0); /* one shot */
	struct epoll_event awake = {.events = EPOLLIN, .data.u64 = 33};
	EXPECT(epoll_ctl(set, EPOLL_CTL_MOD, three, &awake) == 0 && epoll_wait(set, seen, 4, 0) == 1 &&
	       seen[0].data.u64 == 33);
}

static void socket_pairs(void)
{
	int stream[2], packets[2], datagrams[2], ended[2], half[2], on = 1;
	static char block[100000], got[100000];
	memset(block, 'b', sizeof(block));
	need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, stream));
	need(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets));
	need(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, datagrams));
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, ended));
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, half));
	EXPECT(writes(stream[0], "one") && writes(stream[0], "two") && writes(stream[1], "back"));
	EXPECT(write(half[0], block, sizeof(block)) == sizeof(block) && shutdown(half[0], SHUT_WR) == 0);
	EXPECT(writes(packets[0], "a packet") && writes(packets[0], "another") &&
	       writes(datagrams[1], "datagram"));
	EXPECT(writes(ended[1], "the end") && close(ended[1]) == 0);
	EXPECT(setsockopt(datagrams[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	marker();
	EXPECT(reads(stream[1], "onetwo") && would_block(stream[1]) && reads(stream[0], "back"));
	EXPECT(reads(packets[1], "a packet") && reads(packets[1], "another"));
	EXPECT(reads(datagrams[0], "datagram") && writes(datagrams[0], "x") && reads(datagrams[1], "x"));
	EXPECT(fcntl(datagrams[1], F_GETFD) == FD_CLOEXEC);
	EXPECT(reads(ended[0], "the end") && reads(ended[0], ""));
	EXPECT(recv(half[1], got, sizeof(got), MSG_WAITALL) == sizeof(got) &&
	       memcmp(got, block, sizeof(got)) == 0);
	EXPECT(reads(half[1], "") && writes(half[1], "still") && reads(half[0], "still"));
	socklen_t size = sizeof(on);
	on = 0;
	EXPECT(getsockopt(datagrams[0], SOL_SOCKET, SO_PASSCRED, &on, &size) == 0 && on == 1);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);
	return getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
}

static void set(int fd, int level, int name, int value)
{
	EXPECT(setsockopt(fd, level, name, &value, sizeof(value)) == 0);
}

static bool answers(int listener)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof(name);
	if (getsockname(listener, (struct sockaddr *)&name, &size) < 0)
		return false;
	int client = socket(name.ss_family, SOCK_STREAM, 0);
	bool connected = client >= 0 && connect(client, (struct sockaddr *)&name, size) == 0;
	if (connected && option(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT) > 0)
		connected = writes(client, "something");
	int end = connected ? accept(listener, NULL, NULL) : -1;
	return end >= 0 && close(end) == 0 && close(client) == 0;
}

static int on_loopback(int type)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = need(socket(AF_INET, type, 0));
	set(fd, SOL_SOCKET, SO_REUSEPORT, 1); /* so that two can be started at once */
	EXPECT(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	return fd;
}

static void tcp_listeners(void)
{
	int fd = on_loopback(SOCK_STREAM), unbound = need(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in before, after;
	struct tcp_info info;
	const char *fast = "a key of sixteen";
	char kept[16];
	socklen_t size = sizeof(before);
	int v6 = need(socket(AF_INET6, SOCK_STREAM, 0));
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, SOL_SOCKET, SO_RCVBUF, 30000);
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	EXPECT(setsockopt(fd, IPPROTO_TCP, 33 /* TCP_FASTOPEN_KEY */, fast, sizeof(kept)) == 0);
	EXPECT(listen(fd, 37) == 0 && getsockname(fd, (struct sockaddr *)&before, &size) == 0);
	set(v6, SOL_SOCKET, SO_REUSEPORT, 1);
	set(v6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	bool has_v6 = bind(v6, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(v6, 5) == 0;
	marker();
	size = sizeof(after);
	EXPECT(getsockname(fd, (struct sockaddr *)&after, &size) == 0 && after.sin_port == before.sin_port);
	EXPECT(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 1 && option(fd, SOL_SOCKET, SO_RCVBUF) == 60000);
	EXPECT(option(fd, IPPROTO_TCP, TCP_NODELAY) == 1 && option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) == 3);
	EXPECT(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 77 && option(v6, IPPROTO_IPV6, IPV6_V6ONLY) == 1);
	EXPECT(option(fd, SOL_SOCKET, SO_REUSEPORT) == 1 && option(unbound, SOL_SOCKET, SO_REUSEPORT) == 0);
	size = sizeof(info);
	EXPECT(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_sacked == 37);
	size = sizeof(kept);
	EXPECT(getsockopt(fd, IPPROTO_TCP, 33, kept, &size) == 0 && size == sizeof(kept) &&
	       memcmp(kept, fast, size) == 0);
	EXPECT(option(unbound, SOL_SOCKET, SO_DOMAIN) == AF_INET6 && fcntl(unbound, F_GETFL) & O_NONBLOCK);
	if (getenv("ALONE")) /* with SO_REUSEPORT another start may be given the connection */
		EXPECT(answers(fd) && (!has_v6 || answers(v6)));
}

static void udp_sockets(void)
{
	int fd = on_loopback(SOCK_DGRAM), connected = on_loopback(SOCK_DGRAM),
	    v6 = need(socket(AF_INET6, SOCK_DGRAM, 0));
	struct sockaddr_in name, peer;
	socklen_t size = sizeof(name);
	set(fd, SOL_SOCKET, SO_BROADCAST, 1);
	EXPECT(getsockname(fd, (struct sockaddr *)&name, &size) == 0);
	EXPECT(connect(connected, (struct sockaddr *)&name, sizeof(name)) == 0);
	marker();
	EXPECT(getpeername(connected, (struct sockaddr *)&peer, &size) == 0 &&
	       peer.sin_port == name.sin_port);
	EXPECT(option(fd, SOL_SOCKET, SO_BROADCAST) == 1 && option(v6, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM);
	if (getenv("ALONE"))
		EXPECT(writes(connected, "datagram") && reads(fd, "datagram"));
}

static int named(int type, const char *path, socklen_t extra)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = need(socket(AF_UNIX, type, 0));
	memcpy(name.sun_path, path, strlen(path + (*path == '\0')) + (*path == '\0'));
	EXPECT(bind(fd, (struct sockaddr *)&name, (socklen_t)(sizeof(sa_family_t) + extra)) == 0);
	return fd;
}

static void unix_listeners(void)
{
	int fd = named(SOCK_STREAM, "listener", 9), datagrams = named(SOCK_DGRAM, "datagrams", 10), client;
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "datagrams"};
	struct stat file;
	char abstract[64] = "";
	EXPECT(stat(".", &file) == 0); /* no other test has this directory, nor this name */
	int length = snprintf(abstract + 1, sizeof(abstract) - 1, "snaptrace-test-%lu",
	                      (unsigned long)file.st_ino);
	int packets = named(SOCK_SEQPACKET, abstract, 1 + (socklen_t)length);
	chmod("listener", 0640);
	EXPECT(listen(fd, 11) == 0 && listen(packets, 1) == 0);
	marker();
	EXPECT(stat("listener", &file) == 0 && (file.st_mode & 07777) == 0640);
	EXPECT(answers(fd) && option(packets, SOL_SOCKET, SO_ACCEPTCONN) == 1);
	client = socket(AF_UNIX, SOCK_DGRAM, 0);
	EXPECT(sendto(client, "word", 4, 0, (struct sockaddr *)&name, sizeof(name)) == 4 &&
	       reads(datagrams, "word"));
}

static void memory_files(void)
{
	static char block[3000000], seen[sizeof(block)];
	struct stat file;
	int fd = need(memfd_create("a thing", MFD_ALLOW_SEALING | MFD_CLOEXEC)),
	    plain = need(memfd_create("plain", 0));
	char link[64], path[64], bytes[16] = "";
	EXPECT(ftruncate(fd, 1 << 20) == 0 && pwrite(fd, "in the middle", 13, 500000) == 13);
	EXPECT(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0 &&
	       lseek(fd, 500003, SEEK_SET) == 500003);
	int large = need(memfd_create("large", 0));
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i < sizeof(block) / 2 ? i / 1000 : (i * 2654435761u) >> 13);
	EXPECT(pwrite(large, block, sizeof(block), 70000) == sizeof(block));
	EXPECT(pwrite(large, block, sizeof(block), 9000000) == sizeof(block));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int reader = need(open(path, O_RDONLY));
	marker();
	EXPECT(pread(large, seen, sizeof(seen), 70000) == sizeof(seen) &&
	       memcmp(seen, block, sizeof(seen)) == 0);
	EXPECT(pread(large, seen, sizeof(seen), 9000000) == sizeof(seen) &&
	       memcmp(seen, block, sizeof(seen)) == 0);
	EXPECT(fstat(large, &file) == 0 && file.st_blocks * 512 < 6500000); /* holes stay holes */
	EXPECT(fcntl(fd, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_GROW) &&
	       fcntl(plain, F_GET_SEALS) & F_SEAL_SEAL);
	EXPECT(read(fd, bytes, 10) == 10 && memcmp(bytes, "the middle", 10) == 0);
	EXPECT(pread(fd, bytes, 4, 0) == 4 && memcmp(bytes, "\0\0\0\0", 4) == 0 &&
	       lseek(fd, 0, SEEK_END) == 1 << 20);
	EXPECT(ftruncate(fd, 5) < 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	EXPECT(pwrite(fd, "new", 3, 0) == 3 && pread(reader, bytes, 3, 0) == 3 &&
	       memcmp(bytes, "new", 3) == 0);
	EXPECT(write(reader, "x", 1) < 0 && readlink(path, link, sizeof(link)) > 13 &&
	       memcmp(link, "/memfd:a thing", 14) == 0);
}

static void deleted_files(void)
{
	int fd = need(open("gone", O_RDWR | O_CREAT, 0640)), reader = need(open("gone", O_RDONLY)), appender;
	struct stat file;
	char bytes[8];
	need(appender = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600));
	EXPECT(writes(fd, "0123456789") && writes(appender, "abc") && unlink("gone") == 0 &&
	       unlink("log") == 0);
	int unnamed = open(".", O_TMPFILE | O_RDWR, 0600);
	EXPECT(unnamed < 0 || writes(unnamed, "nameless"));
	lseek(reader, 4, SEEK_SET);
	marker();
	EXPECT(lseek(fd, 0, SEEK_CUR) == 10 && reads(reader, "456789") && write(reader, "x", 1) < 0);
	EXPECT(writes(fd, "!") && pread(reader, bytes, 1, 10) == 1 && bytes[0] == '!');
	EXPECT(fstat(fd, &file) == 0 && file.st_nlink == 0 && (file.st_mode & 07777) == 0640);
	EXPECT(fcntl(appender, F_GETFL) & O_APPEND && lseek(appender, 0, SEEK_SET) == 0 &&
	       writes(appender, "d"));
	EXPECT(lseek(appender, 0, SEEK_END) == 4);
	EXPECT(unnamed < 0 || (pread(unnamed, bytes, 8, 0) == 8 && memcmp(bytes, "nameless", 8) == 0));
}

static void locks(void)
{
	int whole = need(open("whole", O_RDWR | O_CREAT, 0600)), again = need(open("whole", O_RDWR));
	int ranges = need(open("ranges", O_RDWR | O_CREAT, 0600)),
	    own = need(open("own", O_RDWR | O_CREAT, 0600));
	int other = need(open("own", O_RDWR));
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
	struct flock rest = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 100}, seen = range;
	EXPECT(flock(whole, LOCK_EX) == 0 && fcntl(ranges, F_SETLK, &range) == 0 &&
	       fcntl(ranges, F_SETLK, &rest) == 0);
	EXPECT(fcntl(own, F_OFD_SETLK, &range) == 0);
	marker();
	EXPECT(flock(again, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	EXPECT(fcntl(other, F_OFD_GETLK, &seen) == 0 && seen.l_type == F_WRLCK && seen.l_start == 10 &&
	       seen.l_len == 5);
	pid_t holder = getpid();
	int status = 1;
	pid_t child = fork();
	if (child == 0) {
		struct flock first = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 50};
		struct flock second = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 60};
		EXPECT(fcntl(ranges, F_GETLK, &first) == 0 && first.l_pid == holder && first.l_start == 10 &&
		       first.l_len == 5);
		EXPECT(fcntl(ranges, F_GETLK, &second) == 0 && second.l_pid == holder &&
		       second.l_type == F_RDLCK && second.l_start == 100 && second.l_len == 0);
		_exit(failures != 0);
	}
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {
	        MODE(pipes),        MODE(events),        MODE(timers),         MODE(signal_descriptors),
	        MODE(epolls),       MODE(socket_pairs),  MODE(tcp_listeners),  MODE(udp_sockets),
	        MODE(memory_files), MODE(deleted_files), MODE(unix_listeners), MODE(pid_descriptor),
	        MODE(locks),
	};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
