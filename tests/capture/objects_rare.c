/* As objects.c: what few programs have. */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>

#include "expect.h"
#include "modes.h"

static void watch(int set, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = {.events = events, .data.u64 = data};
	EXPECT(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
}

/* What a set has to tell: one bit for each data below 64. */
static uint64_t told(int set)
{
	struct epoll_event event[8];
	uint64_t all = 0;
	int count = epoll_wait(set, event, 8, 0);
	EXPECT(count >= 0);
	for (int i = 0; i < count; i++)
		all |= 1ull << event[i].data.u64;
	return all;
}

/* Sets that watch what is at another number now: theirs was closed, or is another's, which is watched, too.
 */
static void epolls_left(void)
{
	const uint64_t one = 1;
	int set = need(epoll_create1(EPOLL_CLOEXEC)), closed = need(eventfd(0, EFD_NONBLOCK)),
	    replaced = need(eventfd(0, EFD_NONBLOCK)), other = need(eventfd(0, EFD_NONBLOCK));
	need(dup2(closed, 60));
	need(dup2(replaced, 61));
	watch(set, 60, EPOLLIN, 1);
	watch(set, 61, EPOLLIN | EPOLLET, 2);
	need(dup3(other, 61, O_CLOEXEC));
	watch(set, 61, EPOLLIN, 3);
	/* Right above all others is what a start might have something of its own at. */
	int last = need(eventfd(0, EFD_NONBLOCK));
	need(dup2(last, 62));
	watch(set, 62, EPOLLIN, 4);
	EXPECT(close(60) == 0 && close(62) == 0);
	marker();
	EXPECT(fcntl(60, F_GETFD) < 0 && fcntl(61, F_GETFD) == FD_CLOEXEC && told(set) == 0);
	EXPECT(write(closed, &one, sizeof(one)) == sizeof(one) && told(set) == 1 << 1);
	EXPECT(write(replaced, &one, sizeof(one)) == sizeof(one) && told(set) == (1 << 1 | 1 << 2));
	EXPECT(write(other, &one, sizeof(one)) == sizeof(one) && told(set) == (1 << 1 | 1 << 3));
	EXPECT(epoll_ctl(set, EPOLL_CTL_DEL, 61, NULL) == 0 && told(set) == 1 << 1);
	EXPECT(epoll_ctl(set, EPOLL_CTL_DEL, 60, NULL) < 0 && errno == EBADF);
	EXPECT(close(closed) == 0 && told(set) == 0);
	EXPECT(write(last, &one, sizeof(one)) == sizeof(one) && told(set) == 1 << 4);
}

/* What the program was told of a set by edges is not told again; what it was not told yet is, beside others
 * that tell at any time, and so is what comes later. */
static void edges(void)
{
	const uint64_t one = 1;
	int quiet = need(epoll_create1(0)), set = need(epoll_create1(0)), ends[2], pair[2];
	int heard = need(eventfd(1, EFD_NONBLOCK)), unheard = need(eventfd(1, EFD_NONBLOCK)),
	    level = need(eventfd(1, EFD_NONBLOCK)), once = need(eventfd(1, EFD_NONBLOCK));
	need(pipe(ends));
	need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	EXPECT(writes(ends[1], "unread") && writes(pair[1], "unread"));
	watch(quiet, ends[0], EPOLLIN | EPOLLET, 1);
	watch(quiet, pair[0], EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, 2);
	watch(quiet, once, EPOLLIN | EPOLLET | EPOLLONESHOT, 3);
	EXPECT(told(quiet) == (1 << 1 | 1 << 2 | 1 << 3) && told(quiet) == 0);
	watch(set, heard, EPOLLIN | EPOLLET, 1);
	watch(set, level, EPOLLIN, 2);
	EXPECT(told(set) == (1 << 1 | 1 << 2));
	watch(set, unheard, EPOLLIN | EPOLLET, 3);
	watch(set, once, EPOLLIN | EPOLLONESHOT, 4);
	marker();
	EXPECT(told(quiet) == 0);
	EXPECT(told(set) == (1 << 2 | 1 << 3 | 1 << 4) && told(set) == 1 << 2);
	EXPECT(writes(ends[1], "more") && told(quiet) == 1 << 1);
	EXPECT(shutdown(pair[1], SHUT_WR) == 0 && told(quiet) == 1 << 2 && told(quiet) == 0);
	EXPECT(write(heard, &one, sizeof(one)) == sizeof(one) && told(set) == (1 << 1 | 1 << 2));
}

/* A filter that lets 2 bytes of each message through, and one that lets none, which came after a message and
 * is locked. */
static void socket_filters(void)
{
	struct sock_filter two[] = {{BPF_RET | BPF_K, 0, 0, 2}},
	                   none[] = {{BPF_LD | BPF_IMM, 0, 0, 5}, {BPF_RET | BPF_K, 0, 0, 0}}, seen[8];
	const struct sock_fprog cut = {1, two}, drop = {2, none};
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int ends[2], udp = need(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)), on = 1;
	socklen_t count = 8, size = sizeof(on), length = sizeof(name);
	need(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends));
	setsockopt(udp, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	EXPECT(bind(udp, (struct sockaddr *)&name, sizeof(name)) == 0 &&
	       getsockname(udp, (struct sockaddr *)&name, &length) == 0);
	EXPECT(setsockopt(udp, SOL_SOCKET, SO_ATTACH_FILTER, &cut, sizeof(cut)) == 0);
	EXPECT(writes(ends[0], "before"));
	EXPECT(setsockopt(ends[1], SOL_SOCKET, SO_ATTACH_FILTER, &drop, sizeof(drop)) == 0);
	EXPECT(setsockopt(ends[1], SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) == 0);
	marker();
	EXPECT(getsockopt(udp, SOL_SOCKET, SO_GET_FILTER, seen, &count) == 0 && count == 1 &&
	       memcmp(seen, two, sizeof(two)) == 0);
	count = 8;
	EXPECT(getsockopt(ends[1], SOL_SOCKET, SO_GET_FILTER, seen, &count) == 0 && count == 2 &&
	       memcmp(seen, none, sizeof(none)) == 0);
	EXPECT(reads(ends[1], "before"));
	EXPECT(send(ends[0], "after", 5, 0) < 0 || would_block(ends[1]));
	EXPECT(setsockopt(ends[1], SOL_SOCKET, SO_DETACH_FILTER, &on, sizeof(on)) < 0 && errno == EPERM);
	on = 0;
	EXPECT(getsockopt(ends[1], SOL_SOCKET, SO_LOCK_FILTER, &on, &size) == 0 && on == 1);
	EXPECT(setsockopt(udp, SOL_SOCKET, SO_DETACH_FILTER, &on, sizeof(on)) == 0);
}

/* UDP-Lite, with the part of a datagram that its checksum covers. */
static void udp_lite(void)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, bound;
	int fd = need(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE)), send_part = 12, receive_part = 20,
	    on = 1;
	socklen_t length = sizeof(bound), size = sizeof(int);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	EXPECT(setsockopt(fd, IPPROTO_UDPLITE, 10, &send_part, sizeof(int)) == 0 &&
	       setsockopt(fd, IPPROTO_UDPLITE, 11, &receive_part, sizeof(int)) == 0);
	EXPECT(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 &&
	       getsockname(fd, (struct sockaddr *)&bound, &length) == 0);
	marker();
	int protocol = 0;
	send_part = receive_part = 0;
	EXPECT(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == IPPROTO_UDPLITE);
	EXPECT(getsockopt(fd, IPPROTO_UDPLITE, 10, &send_part, &size) == 0 && send_part == 12);
	EXPECT(getsockopt(fd, IPPROTO_UDPLITE, 11, &receive_part, &size) == 0 && receive_part == 20);
	EXPECT(getsockname(fd, (struct sockaddr *)&name, &length) == 0 && name.sin_port == bound.sin_port);
}

/* FIFOs that were removed when they were open: one that everybody reads and writes, and one with two ends. */
static void fifos_gone(void)
{
	EXPECT(mkfifo("both", 0600) == 0 && mkfifo("single", 0600) == 0);
	int both = need(open("both", O_RDWR | O_NONBLOCK | O_CLOEXEC)),
	    reader = need(open("single", O_RDONLY | O_NONBLOCK)), writer = need(open("single", O_WRONLY)),
	    again = need(open("single", O_WRONLY | O_NONBLOCK));
	EXPECT(unlink("both") == 0 && unlink("single") == 0);
	EXPECT(writes(both, "own") && writes(writer, "one") && writes(again, "two") &&
	       fcntl(reader, F_SETPIPE_SZ, 8192) == 8192);
	marker();
	EXPECT(fcntl(both, F_GETFD) == FD_CLOEXEC && (fcntl(both, F_GETFL) & O_ACCMODE) == O_RDWR);
	EXPECT(reads(both, "own") && would_block(both) && writes(both, "x") && reads(both, "x"));
	EXPECT(fcntl(writer, F_GETPIPE_SZ) == 8192 && reads(reader, "onetwo") && would_block(reader));
	EXPECT(close(writer) == 0 && would_block(reader) && writes(again, "end") && close(again) == 0);
	EXPECT(reads(reader, "end") && reads(reader, ""));
}

/* Pipes of which openings for both ends are left, before and after one that reads, or alone. */
static void pipes_for_both(void)
{
	char path[64];
	int ends[2], alone[2];
	need(pipe(ends));
	need(pipe(alone));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", alone[1]);
	int both = need(open(path, O_RDWR | O_NONBLOCK));
	EXPECT(close(alone[0]) == 0 && close(alone[1]) == 0 && writes(both, "left"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	int first = need(open(path, O_RDWR | O_NONBLOCK)), reader = need(open(path, O_RDONLY)),
	    second = need(open(path, O_RDWR)), copy = need(dup(first));
	EXPECT(close(ends[0]) == 0 && close(ends[1]) == 0 && writes(second, "in it"));
	need(pipe2(ends, O_DIRECT | O_NONBLOCK));
	EXPECT(writes(ends[1], "packet") && writes(ends[1], "p"));
	need(pipe2(alone, O_DIRECT | O_NONBLOCK)); /* whose writer does so no more */
	EXPECT(writes(alone[1], "packet") && writes(alone[1], "p") && fcntl(alone[1], F_SETFL, 0) == 0);
	marker();
	EXPECT(reads(ends[0], "packet") && reads(ends[0], "p") && would_block(ends[0]));
	EXPECT(reads(alone[0], "packet") && reads(alone[0], "p") && would_block(alone[0]));
	EXPECT(reads(both, "left") && would_block(both) && writes(both, "x") && reads(both, "x"));
	EXPECT(would_block(both) && reads(reader, "in it") && writes(copy, "more") && reads(second, "more"));
	EXPECT(would_block(first) && close(first) == 0 && close(copy) == 0 && writes(second, "last"));
	EXPECT(close(second) == 0 && reads(reader, "last") && reads(reader, ""));
}

/* Datagrams of senders without names, which have gone, at a path and at an abstract name; with a descriptor.
 */
static int bound(const char *path, const char *message, int passed)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = need(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)),
	    from = need(socket(AF_UNIX, SOCK_DGRAM, 0));
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = strlen(message)};
	struct msghdr letter = {.msg_name = &name,
	                        .msg_namelen = sizeof(name),
	                        .msg_iov = &part,
	                        .msg_iovlen = 1,
	                        .msg_control = &control,
	                        .msg_controllen = sizeof(control)};
	snprintf(name.sun_path + (*path == '@'), sizeof(name.sun_path) - 1, "%s", path);
	memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
	EXPECT(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	EXPECT(sendmsg(from, &letter, 0) == (ssize_t)part.iov_len);
	letter.msg_controllen = 0;
	EXPECT(sendmsg(from, &letter, 0) == (ssize_t)part.iov_len && close(from) == 0);
	return fd;
}

static void datagrams(void)
{
	char abstract[32];
	int ends[2];
	need(pipe(ends));
	snprintf(abstract, sizeof(abstract), "@rare-%d", (int)getpid());
	int named = bound("datagrams", "at a path", ends[1]), other = bound(abstract, "abstract", ends[1]);
	EXPECT(close(ends[1]) == 0);
	marker();
	EXPECT(reads(named, "at a path") && reads(named, "at a path") && would_block(named));
	EXPECT(reads(other, "abstract") && reads(other, "abstract") && would_block(other));
	EXPECT(reads(ends[0], "")); /* its other ends came and went */
	EXPECT(unlink("datagrams") == 0);
}

/* In packet mode each read begins with a byte that says what it is; nothing that a start did is told by one.
 */
static void terminals_packets(void)
{
	int master = need(posix_openpt(O_RDWR | O_NOCTTY)), on = 1;
	char bytes[8];
	EXPECT(unlockpt(master) == 0 && ioctl(master, TIOCPKT, &on) == 0);
	int slave = need(open(ptsname(master), O_RDWR | O_NOCTTY));
	struct pollfd look = {.fd = master, .events = POLLIN | POLLPRI};
	marker();
	on = 0;
	EXPECT(ioctl(master, TIOCGPKT, &on) == 0 && on == 1 && poll(&look, 1, 0) == 0);
	EXPECT(writes(slave, "up") && read(master, bytes, sizeof(bytes)) == 3 &&
	       memcmp(bytes, "\0up", 3) == 0);
	EXPECT(tcflush(slave, TCIFLUSH) == 0 && read(master, bytes, sizeof(bytes)) == 1 &&
	       bytes[0] == TIOCPKT_FLUSHREAD);
}

static int slave_of(int master)
{
	EXPECT(unlockpt(master) == 0);
	return need(open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK));
}

static void set_local(int slave, tcflag_t local)
{
	struct termios modes;
	EXPECT(tcgetattr(slave, &modes) == 0);
	modes.c_lflag = local;
	EXPECT(tcsetattr(slave, TCSANOW, &modes) == 0);
}

static bool comes(int fd, const char *text)
{
	char bytes[256];
	size_t used = 0, wanted = strlen(text);
	while (used < wanted && poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000) == 1) {
		ssize_t got = read(fd, bytes + used, wanted - used);
		if (got <= 0)
			return false;
		used += (size_t)got;
	}
	return used == wanted && memcmp(bytes, text, wanted) == 0;
}

static bool is_silent(int fd)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLIN | POLLPRI}, 1, 0) == 0;
}

/* Lines that wait, with and without ends, and what a program has written; the echo, which was read, does not
 * come again. */
static void terminals_bytes(void)
{
	int by_line = need(posix_openpt(O_RDWR | O_NOCTTY)), line = slave_of(by_line);
	int raw = need(posix_openpt(O_RDWR | O_NOCTTY)), key = slave_of(raw);
	int left = need(posix_openpt(O_RDWR | O_NOCTTY)), gone = slave_of(left);
	set_local(line, ICANON | ECHO | IEXTEN);
	set_local(key, 0);
	EXPECT(writes(by_line, "one\ntwo\4\4\26\4\26\177z\nthr") &&
	       comes(by_line, "one\r\ntwo\4\177z\r\nthr"));
	EXPECT(writes(raw, "k\3\r\4\377\26") && writes(key, "text\n") && comes(key, "k"));
	EXPECT(writes(gone, "bye") && close(gone) == 0);
	marker();
	EXPECT(is_silent(by_line) && reads(line, "one\n") && reads(line, "two") && reads(line, ""));
	EXPECT(reads(line, "\4\177z\n") && would_block(line) && writes(by_line, "ee\n"));
	EXPECT(comes(by_line, "ee\r\n") && is_silent(by_line) && reads(line, "three\n"));
	EXPECT(comes(key, "\3\n\4\377\26") && would_block(key) && comes(raw, "text\r\n") && is_silent(raw));
	EXPECT(writes(raw, "x") && comes(key, "x") && comes(left, "bye"));
	EXPECT(read(left, &(char){0}, 1) < 0 && errno == EIO);
}

/* What waits in packet mode, and what each end has for itself. */
static void terminals_states(void)
{
	int master = need(posix_openpt(O_RDWR | O_NOCTTY)), slave = slave_of(master), on = 1;
	int stopped = need(posix_openpt(O_RDWR | O_NOCTTY)), silent = slave_of(stopped);
	struct pollfd look = {.fd = silent, .events = POLLOUT};
	struct termios modes;
	char bytes[8];
	EXPECT(ioctl(master, TIOCPKT, &on) == 0 && tcflush(slave, TCIFLUSH) == 0 &&
	       tcgetattr(slave, &modes) == 0);
	modes.c_iflag &= ~(tcflag_t)IXON;
	EXPECT(tcsetattr(slave, TCSANOW, &modes) == 0 && writes(slave, "up"));
	EXPECT(tcflow(silent, TCOOFF) == 0 && ioctl(silent, TIOCEXCL) == 0);
	marker();
	EXPECT(read(master, bytes, sizeof(bytes)) == 1 && bytes[0] == (TIOCPKT_FLUSHREAD | TIOCPKT_NOSTOP));
	EXPECT(read(master, bytes, sizeof(bytes)) == 3 && memcmp(bytes, "\0up", 3) == 0 && is_silent(master));
	EXPECT(poll(&look, 1, 0) == 0 && tcflow(silent, TCOON) == 0 && poll(&look, 1, 0) == 1);
	on = 0;
	EXPECT(ioctl(silent, TIOCGEXCL, &on) == 0 && on == 1 && writes(silent, "x") && comes(stopped, "x"));
}

/* In a directory that was removed nothing can be made, whatever is at its name now. */
static void removed_directories(void)
{
	struct stat one, other;
	EXPECT(mkdir("removed", 0700) == 0 && chmod("removed", 0751) == 0);
	int first = need(open("removed", O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
	    second = need(open("removed", O_RDONLY));
	EXPECT(rmdir("removed") == 0 && mkdir("removed", 0700) == 0);
	marker();
	EXPECT(fcntl(first, F_GETFD) == FD_CLOEXEC && (fcntl(first, F_GETFL) & O_DIRECTORY) != 0);
	EXPECT(fstat(first, &one) == 0 && fstat(second, &other) == 0 && one.st_ino == other.st_ino);
	EXPECT(one.st_nlink == 0 && one.st_mode == (S_IFDIR | 0751));
	EXPECT(openat(first, "file", O_CREAT | O_RDWR, 0600) < 0 && errno == ENOENT);
	EXPECT(openat(second, "file", O_CREAT | O_RDWR, 0600) < 0 && errno == ENOENT);
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {MODE(epolls_left),        MODE(edges),
	                                            MODE(socket_filters),     MODE(udp_lite),
	                                            MODE(fifos_gone),         MODE(pipes_for_both),
	                                            MODE(datagrams),          MODE(terminals_packets),
	                                            MODE(terminals_bytes),    MODE(terminals_states),
	                                            MODE(removed_directories)};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
