/* As objects.c: what a program had set of descriptors, or of those that it was given. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "expect.h"
#include "modes.h"

/* Timers that are due at nearly every moment, and one that is off but keeps its interval. */
static void due_timers(void)
{
	enum { TIMERS = 5 };
	static const long interval[TIMERS] = {100, 1000, 20000, 100000, 1000000};
	const struct itimerspec off = {.it_interval = {0, 100}};
	int timer[TIMERS], stopped = need(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	uint64_t ticks;
	for (int i = 0; i < TIMERS; i++) {
		const struct itimerspec every = {{0, interval[i]}, {0, 1}};
		timer[i] = need(timerfd_create(i % 2 == 0 ? CLOCK_MONOTONIC : CLOCK_REALTIME, 0));
		EXPECT(timerfd_settime(timer[i], 0, &every, NULL) == 0);
	}
	EXPECT(timerfd_settime(stopped, 0, &off, NULL) == 0);
	marker();
	for (int i = 0; i < TIMERS; i++)
		for (int look = 0; look < 3; look++) {
			struct pollfd due = {.fd = timer[i], .events = POLLIN};
			EXPECT(poll(&due, 1, 60000) == 1 && read(timer[i], &ticks, 8) == 8 && ticks > 0);
		}
	EXPECT(would_block(stopped));
}

static int value_of(int fd, int level, int option)
{
	int value = 0;
	socklen_t size = sizeof(value);
	return getsockopt(fd, level, option, &value, &size) < 0 ? -1 : value; /* not on this machine */
}

/* A value that setsockopt(2) took before the point and that getsockopt(2) shows after it. */
static void socket_options(void)
{
	static const struct {
		int domain, type, level, option, value;
	} row[] = {
	        {AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_DEBUG, 1},
	        {AF_INET, SOCK_DGRAM, SOL_SOCKET, 41, 1},  /* SO_WIFI_STATUS */
	        {AF_INET, SOCK_DGRAM, SOL_SOCKET, 49, 0},  /* SO_INCOMING_CPU */
	        {AF_INET, SOCK_DGRAM, SOL_SOCKET, 62, 1},  /* SO_BINDTOIFINDEX, which a user can set once */
	        {AF_INET, SOCK_STREAM, SOL_SOCKET, 65, 2}, /* SO_TIMESTAMPING_NEW */
	        {AF_INET, SOCK_STREAM, SOL_SOCKET, 72, 3}, /* SO_BUF_LOCK */
	        {AF_UNIX, SOCK_STREAM, SOL_SOCKET, 72, 1},
	        {AF_UNIX, SOCK_STREAM, SOL_SOCKET, SO_SNDBUFFORCE,
	         64 << 20}, /* for root, beyond what all may */
	        {AF_INET, SOCK_STREAM, SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20},
	        {AF_INET, SOCK_STREAM, SOL_SOCKET, SO_RCVLOWAT, 200001}, /* makes the buffer larger */
	        {AF_INET, SOCK_DGRAM, SOL_SOCKET, 82, 1},                /* SO_RCVPRIORITY */
	        {AF_INET, SOCK_DGRAM, IPPROTO_IP, 26, 1},                /* IP_RECVERR_RFC4884 */
	        {AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_FREEBIND, 1},
	        {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_2292PKTINFO, 1},
	        {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_2292HOPOPTS, 1},
	        {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_2292DSTOPTS, 1},
	        {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_2292RTHDR, 1},
	        {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_2292HOPLIMIT, 1},
	        {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, 11, 1}, /* IPV6_FLOWINFO */
	        {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, 30, 1}, /* IPV6_ROUTER_ALERT_ISOLATE */
	        {AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, 31, 1}, /* IPV6_RECVERR_RFC4884 */
	        {AF_INET6, SOCK_STREAM, IPPROTO_IPV6, IPV6_FREEBIND, 1},
	        {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_KEEPCNT, 4},
	        {AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_QUICKACK, 0},
	        {AF_INET, SOCK_STREAM, IPPROTO_TCP, 44, 3000}, /* TCP_RTO_MAX_MS */
	};
	enum { ROWS = sizeof(row) / sizeof(*row), BUFFERS = 3 };
	static const int buffer[BUFFERS] = {SO_SNDBUF, SO_RCVBUF, 72 /* SO_BUF_LOCK */};
	int fd[ROWS], before[ROWS][1 + BUFFERS], set = 0;
	for (int i = 0; i < ROWS; i++) {
		fd[i] = socket(row[i].domain, row[i].type, 0);
		set += setsockopt(fd[i], row[i].level, row[i].option, &row[i].value, sizeof(int)) == 0;
		before[i][BUFFERS] = value_of(fd[i], row[i].level, row[i].option);
		for (int k = 0; k < BUFFERS; k++)
			before[i][k] = value_of(fd[i], SOL_SOCKET, buffer[k]);
	}
	EXPECT(set > 5);
	marker();
	for (int i = 0; i < ROWS; i++) {
		int after = value_of(fd[i], row[i].level, row[i].option);
		if (after != before[i][BUFFERS])
			fprintf(stderr, "level %d option %d: %d, was %d\n", row[i].level, row[i].option,
			        after, before[i][BUFFERS]);
		EXPECT(after == before[i][BUFFERS]);
		for (int k = 0; k < BUFFERS; k++)
			EXPECT(value_of(fd[i], SOL_SOCKET, buffer[k]) == before[i][k]);
	}
}

/* Bound to an address that the machine does not have. */
static void free_bind(void)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(0)}, seen;
	int fd = need(socket(AF_INET, SOCK_DGRAM, 0)), on = 1;
	socklen_t size = sizeof(seen);
	inet_pton(AF_INET, "192.0.2.77", &name.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	EXPECT(setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) == 0);
	need(bind(fd, (struct sockaddr *)&name, sizeof(name)));
	marker();
	EXPECT(getsockname(fd, (struct sockaddr *)&seen, &size) == 0 &&
	       seen.sin_addr.s_addr == name.sin_addr.s_addr);
}

static void shut_datagrams(void)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1, shut = need(socket(AF_INET, SOCK_DGRAM, 0)),
	    open_one = need(socket(AF_INET, SOCK_DGRAM, 0)), alone = need(socket(AF_INET, SOCK_DGRAM, 0));
	socklen_t size = sizeof(name);
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? shut : i == 1 ? open_one : alone;
		struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = name.sin_addr};
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
		EXPECT(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0);
	}
	EXPECT(getsockname(open_one, (struct sockaddr *)&name, &size) == 0);
	EXPECT(connect(shut, (struct sockaddr *)&name, sizeof(name)) == 0 && shutdown(shut, SHUT_WR) == 0);
	EXPECT(connect(open_one, (struct sockaddr *)&name, sizeof(name)) == 0);
	EXPECT(shutdown(alone, SHUT_WR) < 0); /* ENOTCONN, and it is shut all the same */
	marker();
	EXPECT(send(shut, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
	EXPECT(send(open_one, "", 0, MSG_NOSIGNAL) == 0);
	EXPECT(sendto(alone, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&name, sizeof(name)) < 0 &&
	       errno == EPIPE);
}

/* Two sockets at one port, which they may have no more; of an address that nobody else takes ports of. */
static void cleared_ports(void)
{
	struct sockaddr_in name = {.sin_family = AF_INET,
	                           .sin_addr.s_addr = htonl(0x7f400000u | ((uint32_t)getpid() & 0x3fffff))},
	                   seen;
	const int on = 1, off = 0;
	int fd[4], flag;
	for (int i = 0; i < 4; i++) {
		socklen_t size = sizeof(name);
		fd[i] = need(socket(AF_INET, i < 2 ? SOCK_STREAM : SOCK_DGRAM, 0));
		if (i % 2 == 0)
			name.sin_port = 0;
		EXPECT(setsockopt(fd[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
		       bind(fd[i], (struct sockaddr *)&name, sizeof(name)) == 0 &&
		       getsockname(fd[i], (struct sockaddr *)&name, &size) == 0);
	}
	EXPECT(listen(fd[0], 1) == 0 && listen(fd[1], 1) == 0);
	for (int i = 0; i < 3; i++)
		EXPECT(setsockopt(fd[i], SOL_SOCKET, SO_REUSEPORT, &off, sizeof(off)) == 0);
	marker();
	for (int i = 0; i < 4; i++) {
		socklen_t size = sizeof(seen), length = sizeof(flag);
		EXPECT(getsockname(fd[i], (struct sockaddr *)&seen, &size) == 0 &&
		       (i < 2 || seen.sin_port == name.sin_port));
		EXPECT(getsockopt(fd[i], SOL_SOCKET, SO_REUSEPORT, &flag, &length) == 0 && flag == (i == 3));
	}
}

static bool can_be_named(int fd)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0 || errno != ENOENT;
}

/* Mode, times, owner, reserved room and flags of files that have no name any more, or never had one; and
 * flags of one that has.
 */
static void deleted_files_set(void)
{
	enum { FILES = 6 };
	const struct timespec times[2] = {{900000007, 987654321}, {1000000007, 123456789}},
	                      old[2] = {{-9, 350}, {-5, 250}};
	struct stat before[FILES], after;
	int fd[FILES], flags[FILES];
	fd[0] = need(open("set", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
	fd[1] = need(open("read", O_RDONLY | O_CREAT, 0400));
	fd[2] = need(open(".", O_TMPFILE | O_RDWR, 0600));
	fd[3] = need(open(".", O_TMPFILE | O_WRONLY, 0600));
	fd[4] = need(memfd_create("set", 0));
	fd[5] = need(open("kept", O_RDONLY | O_CREAT | O_NOFOLLOW, 0400));
	for (int i = 0; i < FILES; i++)
		EXPECT(i == 1 || i == 5 || writes(fd[i], "content"));
	for (int i = 0; i < FILES; i += 4) /* where the filesystem can */
		(void)fallocate(fd[i], FALLOC_FL_KEEP_SIZE, 0, 256 << 10);
	EXPECT(unlink("set") == 0 && unlink("read") == 0 && fchmod(fd[0], 06711) == 0 &&
	       fchmod(fd[2], 0) == 0);
	/* Who may has files of another owner, too. */
	bool gives = fchown(fd[3], 12345, 54321) == 0;
	EXPECT(gives || errno == EPERM);
	for (int i = 0; i < FILES; i++) {
		EXPECT(futimens(fd[i], i == 2 ? old : times) == 0 || (i == 3 && gives));
		EXPECT(fstat(fd[i], &before[i]) == 0 && (flags[i] = fcntl(fd[i], F_GETFL)) >= 0);
	}
	marker();
	for (int i = 0; i < FILES; i++) {
		EXPECT(fcntl(fd[i], F_GETFL) == flags[i] && fstat(fd[i], &after) == 0);
		EXPECT(after.st_mode == before[i].st_mode && after.st_uid == before[i].st_uid &&
		       after.st_gid == before[i].st_gid && after.st_size == before[i].st_size);
		EXPECT(after.st_mtim.tv_sec == before[i].st_mtim.tv_sec &&
		       after.st_mtim.tv_nsec == before[i].st_mtim.tv_nsec);
		EXPECT(i == 5 || (after.st_atim.tv_sec == before[i].st_atim.tv_sec &&
		                  after.st_atim.tv_nsec == before[i].st_atim.tv_nsec));
	}
	/* At least: the directory of a start may lie on another filesystem. */
	EXPECT(fstat(fd[4], &after) == 0 && after.st_blocks >= before[4].st_blocks);
	EXPECT(fstat(fd[0], &after) == 0 && after.st_blocks >= before[0].st_blocks);
	EXPECT(!can_be_named(fd[0]));
}

/* A file that was made under one name, linked to another, and removed from the first. */
static void other_names(void)
{
	int near = need(open("temporary", O_RDWR | O_CREAT | O_TRUNC, 0600)), far, again;
	char bytes[16];
	struct stat its, named;
	EXPECT(writes(near, "content") && link("temporary", "final") == 0 && unlink("temporary") == 0);
	need(mkdir("directory", 0700));
	far = need(open("temporary", O_RDONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	again = need(open("temporary", O_WRONLY | O_APPEND));
	EXPECT(link("temporary", "directory/final") == 0 && unlink("temporary") == 0);
	EXPECT(lseek(near, 3, SEEK_SET) == 3);
	marker();
	EXPECT(read(near, bytes, sizeof(bytes)) == 4 && memcmp(bytes, "tent", 4) == 0);
	EXPECT(fstat(near, &its) == 0 && stat("final", &named) == 0 && its.st_ino == named.st_ino);
	EXPECT(fstat(far, &its) == 0 && stat("directory/final", &named) == 0 && its.st_ino == named.st_ino);
	EXPECT(fcntl(far, F_GETFD) == FD_CLOEXEC && (fcntl(again, F_GETFL) & O_APPEND) != 0);
	EXPECT(fstat(again, &its) == 0 && its.st_ino == named.st_ino);
}

/* Descriptor 0 is a stream that the caller gave: here it is made non-blocking and appending. */
static void given_flags(void)
{
	int flags = need(fcntl(0, F_GETFL));
	EXPECT((flags & O_NONBLOCK) == 0 && fcntl(0, F_SETFL, flags | O_NONBLOCK | O_APPEND) == 0);
	flags = need(fcntl(9, F_GETFL));
	EXPECT((flags & O_APPEND) != 0 && fcntl(9, F_SETFL, flags & ~O_APPEND) == 0);
	marker();
	EXPECT((fcntl(0, F_GETFL) & (O_NONBLOCK | O_APPEND)) == (O_NONBLOCK | O_APPEND));
	EXPECT((fcntl(9, F_GETFL) & (O_NONBLOCK | O_APPEND)) == 0);
}

/* Descriptor 8 is a file that the caller gave. */
static void given_locks(void)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5},
	             seen = range;
	const char *path = getenv("LOCKED");
	int other;
	EXPECT(fcntl(8, F_SETLK, &range) == 0 && flock(8, LOCK_EX) == 0);
	marker();
	other = need(open(path, O_RDWR));
	EXPECT(flock(other, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	EXPECT(fcntl(other, F_OFD_GETLK, &seen) == 0 && seen.l_type == F_WRLCK && seen.l_start == 10 &&
	       seen.l_len == 5);
}

/* Of a child that has ended and was waited for. */
static void ended_pid_descriptor(void)
{
	int status;
	siginfo_t info;
	pid_t child = fork();
	if (child == 0)
		_exit(3);
	int fd = need((int)syscall(SYS_pidfd_open, child, 0));
	EXPECT(waitpid(child, &status, 0) == child);
	marker();
	struct pollfd ended = {.fd = fd, .events = POLLIN};
	EXPECT(poll(&ended, 1, 0) == 1 && (ended.revents & POLLIN) != 0);
	EXPECT(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0 && errno == ESRCH);
	EXPECT(waitid(3 /* P_PIDFD */, (id_t)fd, &info, WEXITED) < 0 && errno == ECHILD);
	EXPECT(fcntl(fd, F_GETFD) == FD_CLOEXEC);
}

/* A listener whose file somebody has removed is still who was connected to it. */
static void unix_gone(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "gone"}, seen = {0};
	int server = need(socket(AF_UNIX, SOCK_STREAM, 0)), bound = need(socket(AF_UNIX, SOCK_DGRAM, 0));
	int value = 0;
	socklen_t size = sizeof(seen);
	EXPECT(bind(server, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(server, 3) == 0);
	EXPECT(unlink("gone") == 0);
	EXPECT(bind(bound, (struct sockaddr *)&name, sizeof(name)) == 0 && unlink("gone") == 0);
	marker();
	EXPECT(getsockname(server, (struct sockaddr *)&seen, &size) == 0 &&
	       strcmp(seen.sun_path, "gone") == 0);
	size = sizeof(value);
	EXPECT(getsockopt(server, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value == 1);
	if (getenv("ALONE")) /* else another start may have it for a moment */
		EXPECT(access("gone", F_OK) < 0 && errno == ENOENT);
	size = sizeof(seen);
	EXPECT(getsockname(bound, (struct sockaddr *)&seen, &size) == 0 &&
	       strcmp(seen.sun_path, "gone") == 0);
}

/* Messages without bytes, and the end of a connection after them. */
static void unix_empty_messages(void)
{
	int packets[2], ended[2], datagrams[2], on = 1;
	char byte;
	need(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets));
	need(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ended));
	need(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams));
	EXPECT(writes(ended[0], "last") && close(ended[0]) == 0);
	for (int i = 0; i < 2; i++) {
		int *pair = i == 0 ? packets : datagrams;
		EXPECT(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
		EXPECT(send(pair[0], "", 0, 0) == 0 && writes(pair[0], "first") &&
		       send(pair[0], "", 0, 0) == 0 && send(pair[0], "", 0, 0) == 0 &&
		       writes(pair[0], "second") && send(pair[0], "", 0, 0) == 0);
	}
	EXPECT(send(packets[1], "", 0, 0) == 0 && shutdown(packets[0], SHUT_WR) == 0);
	marker();
	for (int i = 0; i < 2; i++) {
		int fd = i == 0 ? packets[1] : datagrams[1];
		EXPECT(reads(fd, "") && reads(fd, "first") && reads(fd, "") && reads(fd, ""));
		EXPECT(reads(fd, "second") && recv(fd, &byte, 1, MSG_DONTWAIT) == 0);
	}
	EXPECT(recv(packets[1], &byte, 1, MSG_DONTWAIT) == 0 && send(packets[0], "x", 1, MSG_NOSIGNAL) < 0);
	EXPECT(recv(datagrams[1], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	EXPECT(recv(packets[0], &byte, 1, MSG_DONTWAIT) == 0 && recv(packets[0], &byte, 1, MSG_DONTWAIT) < 0);
	EXPECT(reads(ended[1], "last") && recv(ended[1], &byte, 1, MSG_DONTWAIT) == 0);
	EXPECT(writes(datagrams[0], "x") && reads(datagrams[1], "x"));
}

/* Sockets of datagrams that are connected to a name, from before it and after it, and one that is answered.
 */
static void unix_datagrams(void)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "server"},
	                   client = {.sun_family = AF_UNIX, .sun_path = "client"}, seen;
	socklen_t size = sizeof(seen);
	int early = need(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	int server = need(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	int late = need(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	EXPECT(bind(server, (struct sockaddr *)&path, sizeof(path)) == 0);
	EXPECT(bind(late, (struct sockaddr *)&client, sizeof(client)) == 0);
	EXPECT(connect(early, (struct sockaddr *)&path, sizeof(path)) == 0 &&
	       connect(late, (struct sockaddr *)&path, sizeof(path)) == 0);
	EXPECT(shutdown(early, SHUT_RD) == 0);
	struct pollfd hung = {.fd = early, .events = POLLRDHUP};
	marker();
	EXPECT(getpeername(early, (struct sockaddr *)&seen, &size) == 0 &&
	       strcmp(seen.sun_path, "server") == 0);
	EXPECT(writes(early, "one") && writes(late, "two") && reads(server, "one") && reads(server, "two"));
	EXPECT(sendto(server, "answer", 6, 0, (struct sockaddr *)&client, sizeof(client)) == 6 &&
	       reads(late, "answer"));
	EXPECT(poll(&hung, 1, 0) == 1 && (hung.revents & POLLRDHUP) != 0);
}

/* Ends of a pipe that were opened again, and one that was opened for both. */
static void pipes_again(void)
{
	char path[64];
	int ends[2], reader, writer, both, alone[2], direct;
	need(pipe(ends));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	reader = need(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	writer = need(open(path, O_WRONLY));
	both = need(open(path, O_RDWR | O_NONBLOCK));
	need(pipe(alone));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", alone[1]);
	direct = need(open(path, O_WRONLY));
	EXPECT(close(alone[1]) == 0 && writes(direct, "left"));
	EXPECT(writes(ends[1], "one") && writes(writer, "two") && writes(both, "three"));
	marker();
	EXPECT(fcntl(reader, F_GETFD) == FD_CLOEXEC && fcntl(reader, F_GETFL) & O_NONBLOCK);
	EXPECT((fcntl(ends[0], F_GETFL) & O_NONBLOCK) == 0 && (fcntl(both, F_GETFL) & O_ACCMODE) == O_RDWR);
	EXPECT(reads(reader, "onetwothree") && would_block(reader) && would_block(both));
	EXPECT(close(ends[1]) == 0 && close(writer) == 0 && would_block(reader)); /* `both` writes, too */
	EXPECT(writes(both, "x") && reads(ends[0], "x") && close(both) == 0 && reads(reader, ""));
	EXPECT(reads(alone[0], "left") && close(direct) == 0 && reads(alone[0], ""));
}

/* Who opens the file to write breaks it, which the program is told by a signal. */
static void leases(void)
{
	int fd = need(open("leased", O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
	need(fcntl(fd, F_SETLEASE, F_RDLCK));
	marker();
	sigset_t io;
	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	EXPECT(fcntl(fd, F_GETLEASE) == F_RDLCK);
	if (!getenv("ALONE")) /* another start has one, too */
		return;
	EXPECT(sigprocmask(SIG_BLOCK, &io, NULL) == 0);
	EXPECT(open("leased", O_WRONLY | O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
	EXPECT(sigwaitinfo(&io, NULL) == SIGIO && fcntl(fd, F_SETLEASE, F_UNLCK) == 0);
	EXPECT(open("leased", O_WRONLY | O_NONBLOCK) >= 0);
}

static int unix_named(int type, const struct sockaddr_un *name, socklen_t size, int ends[2])
{
	int server = need(socket(AF_UNIX, type, 0));
	EXPECT(bind(server, (const struct sockaddr *)name, size) == 0 && listen(server, 3) == 0);
	ends[0] = need(socket(AF_UNIX, type, 0));
	EXPECT(connect(ends[0], (const struct sockaddr *)name, size) == 0);
	ends[1] = need(accept(server, NULL, NULL));
	return server;
}

static bool unix_is_called(int accepted, int connected, const struct sockaddr_un *name, socklen_t size)
{
	struct sockaddr_un own = {0}, peer = {0};
	socklen_t own_size = sizeof(own), peer_size = sizeof(peer);
	return getsockname(accepted, (struct sockaddr *)&own, &own_size) == 0 &&
	       getpeername(connected, (struct sockaddr *)&peer, &peer_size) == 0 && own_size == peer_size &&
	       own_size == size && memcmp(&own, name, size) == 0 && memcmp(&peer, name, size) == 0;
}

/* Both ends of connections through a name: with their listener, after it was closed, in both orders. */
static void unix_connections(void)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "gone"},
	                   abstract = {.sun_family = AF_UNIX},
	                   here = {.sun_family = AF_UNIX, .sun_path = "here"};
	const socklen_t size = offsetof(struct sockaddr_un, sun_path) + sizeof("gone"),
	                long_size = offsetof(struct sockaddr_un, sun_path) + 60;
	int gone[2], packets[2], both[2], again[2], server = -1;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now); /* a name that no other test has */
	snprintf(abstract.sun_path + 1, 59, "snap %d %ld %ld", getpid(), (long)now.tv_sec, now.tv_nsec);
	EXPECT(close(unix_named(SOCK_STREAM, &path, size, gone)) == 0 && unlink("gone") == 0);
	EXPECT(close(unix_named(SOCK_SEQPACKET, &abstract, long_size, packets)) == 0);
	if (getenv("ALONE")) { /* a listener is there but once */
		server = unix_named(SOCK_STREAM, &here, size, both);
		int spare = dup2(both[0], 200), first = both[1];
		EXPECT(spare == 200 && close(both[0]) == 0); /* the accepted end comes first */
		both[0] = 200;
		again[0] = need(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
		EXPECT(connect(again[0], (struct sockaddr *)&here, size) == 0);
		again[1] = need(accept4(server, NULL, NULL, SOCK_CLOEXEC));
		EXPECT(first == both[1] && writes(both[0], "to the server") && writes(again[1], "bye") &&
		       close(again[1]) == 0);
	}
	EXPECT(writes(gone[0], "ask") && shutdown(gone[0], SHUT_WR) == 0 && writes(gone[1], "answer"));
	EXPECT(writes(packets[1], "a packet") && writes(packets[1], "another"));
	marker();
	EXPECT(unix_is_called(gone[1], gone[0], &path, size));
	EXPECT(unix_is_called(packets[1], packets[0], &abstract, long_size));
	EXPECT(reads(gone[1], "ask") && reads(gone[1], "") && reads(gone[0], "answer"));
	EXPECT(send(gone[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE && writes(gone[1], "more") &&
	       reads(gone[0], "more"));
	EXPECT(reads(packets[0], "a packet") && reads(packets[0], "another"));
	EXPECT(recv(packets[0], abstract.sun_path, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	if (server < 0)
		return;
	EXPECT(unix_is_called(both[1], both[0], &here, size) && reads(both[1], "to the server"));
	EXPECT(writes(both[1], "x") && reads(both[0], "x") && reads(again[0], "bye") && reads(again[0], ""));
	EXPECT(fcntl(again[0], F_GETFL) & O_NONBLOCK);
	again[0] = need(socket(AF_UNIX, SOCK_STREAM, 0)); /* and it listens */
	EXPECT(connect(again[0], (struct sockaddr *)&here, size) == 0 && accept(server, NULL, NULL) >= 0);
	EXPECT(access("gone", F_OK) < 0 && errno == ENOENT);
}

/* Descriptors of the namespaces that the process is in. */
static void own_namespaces(void)
{
	static const char *const names[] = {"net", "uts", "pid", "user", "mnt", "ipc"};
	enum { NAMES = sizeof(names) / sizeof(*names) };
	int fd[NAMES];
	for (size_t i = 0; i < NAMES; i++) {
		char path[64];
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		fd[i] = need(open(path, O_RDONLY | (i == 0 ? O_CLOEXEC : 0)));
	}
	marker();
	EXPECT(fcntl(fd[0], F_GETFD) == FD_CLOEXEC && fcntl(fd[1], F_GETFD) == 0);
	for (size_t i = 0; i < NAMES; i++) {
		char path[64];
		struct stat its, own;
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		EXPECT(fstat(fd[i], &its) == 0 && stat(path, &own) == 0 && its.st_ino == own.st_ino &&
		       its.st_dev == own.st_dev);
	}
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {
	        MODE(ended_pid_descriptor), MODE(unix_gone),         MODE(leases),
	        MODE(pipes_again),          MODE(unix_datagrams),    MODE(other_names),
	        MODE(unix_empty_messages),  MODE(unix_connections),  MODE(own_namespaces),
	        MODE(due_timers),           MODE(socket_options),    MODE(free_bind),
	        MODE(shut_datagrams),       MODE(deleted_files_set), MODE(given_flags),
	        MODE(given_locks),          MODE(cleared_ports),
	};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
