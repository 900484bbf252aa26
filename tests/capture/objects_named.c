/* As objects.c: descriptors of what has a name, and what they do beside being read and written. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>

#include "expect.h"
#include "modes.h"

static void fifos(void)
{
	struct pollfd look = {.events = POLLIN};
	EXPECT(mkfifo("both", 0600) == 0 && mkfifo("single", 0600) == 0 && mkfifo("fresh", 0600) == 0 &&
	       mkfifo("left", 0600) == 0 && mkfifo("packets", 0600) == 0);
	int reader = need(open("both", O_RDONLY | O_NONBLOCK)), writer = need(open("both", O_WRONLY));
	int single = need(open("single", O_RDWR | O_CLOEXEC)), again = need(dup(single));
	int fresh = need(open("fresh", O_RDONLY | O_NONBLOCK)),
	    left = need(open("left", O_RDONLY | O_NONBLOCK));
	EXPECT(close(need(open("left", O_WRONLY))) == 0);
	EXPECT(writes(writer, "on its way") && fcntl(single, F_SETPIPE_SZ, 8192) == 8192);
	EXPECT(fcntl(reader, F_SETFL, 0) == 0);
	int packets = need(open("packets", O_RDONLY | O_NONBLOCK)), to = need(open("packets", O_WRONLY));
	EXPECT(fcntl(to, F_SETFL, O_DIRECT) == 0 && writes(to, "packet") && writes(to, "p"));
	marker();
	EXPECT(reads(packets, "packet") && reads(packets, "p") && (fcntl(to, F_GETFL) & O_DIRECT) != 0);
	EXPECT(reads(reader, "on its way") && fcntl(reader, F_GETFL) == (O_RDONLY | 0100000));
	EXPECT(writes(writer, "more") && reads(reader, "more") && read(writer, &look, 1) < 0);
	EXPECT(fcntl(single, F_GETPIPE_SZ) == 8192 && fcntl(single, F_GETFD) == FD_CLOEXEC);
	EXPECT(writes(again, "self") && reads(single, "self"));
	look.fd = fresh;
	EXPECT(poll(&look, 1, 0) == 0);
	look.fd = left;
	EXPECT(poll(&look, 1, 0) == 1 && look.revents == POLLHUP && reads(left, ""));
	EXPECT(close(writer) == 0 && reads(reader, ""));
}

static void paths(void)
{
	struct stat file, link;
	EXPECT(close(need(open("file", O_WRONLY | O_CREAT, 0600))) == 0 && symlink("nowhere", "link") == 0);
	EXPECT(mkdir("directory", 0700) == 0);
	int path = need(open("file", O_PATH | O_CLOEXEC)), at = need(open("link", O_PATH | O_NOFOLLOW));
	int directory = need(open("directory", O_PATH | O_DIRECTORY));
	marker();
	EXPECT(read(path, &file, 1) < 0 && errno == EBADF && fcntl(path, F_GETFD) == FD_CLOEXEC);
	EXPECT(fstat(path, &file) == 0 && S_ISREG(file.st_mode) && fstat(at, &link) == 0 &&
	       S_ISLNK(link.st_mode));
	EXPECT(fcntl(path, F_GETFL) & O_PATH && faccessat(directory, "../file", F_OK, 0) == 0);
}

static void own_files(void)
{
	char line[256] = "", own[64], link[64] = "";
	int status = need(open("/proc/self/status", O_RDONLY)),
	    directory = need(open("/proc/self", O_RDONLY));
	int memory = need(open("/proc/self/mem", O_RDWR)),
	    task = need(open("/proc/thread-self/comm", O_RDONLY));
	static volatile int cell = 5;
	int seen = 7;
	marker();
	FILE *file = fdopen(status, "r");
	while (fgets(line, sizeof(line), file) && strncmp(line, "Pid:", 4) != 0)
		;
	EXPECT(atoi(line + 4) == getpid());
	EXPECT(faccessat(directory, "status", F_OK, 0) == 0);
	EXPECT(pwrite(memory, &seen, sizeof(seen), (off_t)(uintptr_t)&cell) == sizeof(seen) && cell == 7);
	snprintf(own, sizeof(own), "/proc/self/fd/%d", directory);
	EXPECT(readlink(own, link, sizeof(link) - 1) > 0 && atoi(link + strlen("/proc/")) == getpid());
	EXPECT(read(task, line, sizeof(line)) > 0);
}

static bool arrives(int number)
{
	static const struct timespec no_time;
	siginfo_t info;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, number);
	return sigtimedwait(&set, &info, &no_time) == number;
}

static void owners(void)
{
	struct f_owner_ex thread = {.type = F_OWNER_TID, .pid = getpid()}, seen;
	int driven[2], waiting[2];
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	need(pipe(driven));
	need(pipe(waiting));
	EXPECT(fcntl(driven[0], F_SETOWN, getpid()) == 0 &&
	       fcntl(driven[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
	EXPECT(fcntl(waiting[0], F_SETOWN_EX, &thread) == 0 &&
	       fcntl(waiting[0], F_SETSIG, SIGRTMIN + 1) == 0);
	marker();
	EXPECT(fcntl(driven[0], F_GETOWN) == getpid() && fcntl(driven[0], F_GETFL) == (O_ASYNC | O_NONBLOCK));
	EXPECT(!arrives(SIGIO) && writes(driven[1], "x") && arrives(SIGIO));
	EXPECT(fcntl(waiting[0], F_GETOWN_EX, &seen) == 0 && seen.type == F_OWNER_TID &&
	       seen.pid == getpid());
	EXPECT(fcntl(waiting[0], F_GETSIG) == SIGRTMIN + 1 && fcntl(waiting[0], F_GETFL) == O_RDONLY);
	EXPECT(fcntl(waiting[0], F_SETFL, O_ASYNC) == 0 && writes(waiting[1], "x") && arrives(SIGRTMIN + 1));
}

static bool tells(int fd, int watch, uint32_t mask)
{
	_Alignas(struct inotify_event) char room[4096];
	ssize_t got = read(fd, room, sizeof(room));
	const struct inotify_event *event = (const void *)room;
	return got >= (ssize_t)sizeof(*event) && event->wd == watch && event->mask == mask;
}

static void inotify(void)
{
	EXPECT(mkdir("watched", 0700) == 0 && mkdir("gone", 0700) == 0 && mkdir("deep", 0700) == 0 &&
	       mkdir("deep/deeper", 0700) == 0);
	int file = need(open("deep/deeper/file", O_WRONLY | O_CREAT, 0600));
	int fd = need(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), empty = need(inotify_init());
	int first = inotify_add_watch(fd, "gone", IN_ALL_EVENTS);
	EXPECT(inotify_add_watch(fd, "watched", IN_CREATE) == first + 1 && inotify_rm_watch(fd, first) == 0);
	EXPECT(symlink("watched", "link") == 0);
	int before = inotify_add_watch(empty, "deep", IN_CREATE);
	EXPECT(inotify_rm_watch(empty, before) == 0 && tells(empty, before, IN_IGNORED));
	int link = inotify_add_watch(empty, "link", IN_ATTRIB | IN_DONT_FOLLOW);
	int third = inotify_add_watch(fd, "deep/deeper/file", IN_MODIFY | IN_ONESHOT);
	EXPECT(tells(fd, first, IN_IGNORED) && close(file) == 0);
	marker();
	char name[32];
	snprintf(name, sizeof(name), "watched/%d", getpid());
	EXPECT(fcntl(fd, F_GETFD) == FD_CLOEXEC && !(fcntl(empty, F_GETFL) & O_NONBLOCK));
	if (getenv("ALONE")) /* else others' files are told */
		EXPECT(would_block(fd));
	EXPECT(close(need(open(name, O_WRONLY | O_CREAT | O_EXCL, 0600))) == 0);
	EXPECT(tells(fd, first + 1, IN_CREATE) && unlink(name) == 0);
	if (!getenv("ALONE"))
		return;
	EXPECT(lchown("link", getuid(), getgid()) == 0 && tells(empty, link, IN_ATTRIB));
	EXPECT((file = open("deep/deeper/file", O_WRONLY)) >= 0 && writes(file, "x") &&
	       tells(fd, third, IN_MODIFY));
}

static void terminals(void)
{
	struct termios state, seen;
	struct winsize window = {.ws_row = 33, .ws_col = 111}, its;
	struct pollfd look = {.events = POLLIN};
	int master = need(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)),
	    locked = need(posix_openpt(O_RDWR | O_NOCTTY));
	int left = need(posix_openpt(O_RDWR | O_NOCTTY)), lock = 0;
	EXPECT(unlockpt(master) == 0 && unlockpt(left) == 0);
	int slave = need(open(ptsname(master), O_RDWR | O_NOCTTY));
	EXPECT(close(need(open(ptsname(left), O_RDWR | O_NOCTTY))) == 0);
	int later = need(posix_openpt(O_RDWR | O_NOCTTY)), high = need(fcntl(later, F_DUPFD, 50));
	EXPECT(close(later) == 0 && unlockpt(high) == 0);
	int low = need(open(ptsname(high), O_RDONLY | O_NOCTTY)),
	    again = need(open(ptsname(high), O_WRONLY | O_NOCTTY));
	EXPECT(tcgetattr(slave, &state) == 0);
	state.c_lflag &= ~(tcflag_t)ECHO;
	state.c_cc[VINTR] = 7;
	EXPECT(tcsetattr(slave, TCSANOW, &state) == 0 && ioctl(master, TIOCSWINSZ, &window) == 0);
	marker();
	EXPECT(tcgetattr(slave, &seen) == 0 && seen.c_lflag == state.c_lflag && seen.c_cc[VINTR] == 7 &&
	       seen.c_iflag == state.c_iflag && seen.c_oflag == state.c_oflag &&
	       seen.c_cflag == state.c_cflag);
	EXPECT(ioctl(slave, TIOCGWINSZ, &its) == 0 && its.ws_row == 33 && its.ws_col == 111);
	EXPECT(isatty(slave) && fcntl(master, F_GETFD) == FD_CLOEXEC);
	EXPECT(writes(master, "a line\n") && reads(slave, "a line\n"));
	EXPECT(writes(slave, "an answer") && reads(master, "an answer"));
	EXPECT(low < high && writes(high, "down\n") && reads(low, "down\n") && write(low, "x", 1) < 0);
	EXPECT(reads(high, "down\r\n") && writes(again, "up") && reads(high, "up"));
	look.fd = left;
	EXPECT(poll(&look, 1, 0) == 1 && (look.revents & POLLHUP));
	look.fd = locked;
	EXPECT(poll(&look, 1, 0) == 0 && ioctl(locked, TIOCGPTLCK, &lock) == 0 && lock == 1);
}

static void set(int fd, int level, int name, int value)
{
	EXPECT(setsockopt(fd, level, name, &value, sizeof(value)) == 0);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);
	return getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
}

static struct group_req group_of(const char *address)
{
	struct group_req group = {.gr_interface = if_nametoindex("lo")};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&group.gr_group;
	v4->sin_family = AF_INET;
	inet_pton(AF_INET, address, &v4->sin_addr);
	return group;
}

/* Joining once more fails where it is joined. */
static bool is_member(int fd, const char *address)
{
	struct group_req group = group_of(address);
	return setsockopt(fd, IPPROTO_IP, MCAST_JOIN_GROUP, &group, sizeof(group)) < 0 && errno == EADDRINUSE;
}

static void memberships(void)
{
	struct group_req plain = group_of("239.1.2.3"), other = group_of("239.1.2.4");
	struct group_source_req chosen = {.gsr_interface = plain.gr_interface};
	struct group_filter filter = {.gf_interface = plain.gr_interface, .gf_numsrc = 1};
	struct group_req v6 = {.gr_interface = plain.gr_interface};
	struct sockaddr_in6 *group = (struct sockaddr_in6 *)&v6.gr_group;
	socklen_t size = sizeof(filter);
	int fd = need(socket(AF_INET, SOCK_DGRAM, 0)), none = need(socket(AF_INET, SOCK_DGRAM, 0)),
	    fd6 = need(socket(AF_INET6, SOCK_DGRAM, 0));
	EXPECT(setsockopt(fd, IPPROTO_IP, MCAST_JOIN_GROUP, &plain, sizeof(plain)) == 0);
	memcpy(&chosen.gsr_group, &other.gr_group, sizeof(other.gr_group));
	memcpy(&filter.gf_group, &other.gr_group, sizeof(other.gr_group));
	*(struct sockaddr_in *)&chosen.gsr_source =
	        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	EXPECT(setsockopt(fd, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &chosen, sizeof(chosen)) == 0);
	group->sin6_family = AF_INET6;
	inet_pton(AF_INET6, "ff02::1:77", &group->sin6_addr);
	bool has_v6 = setsockopt(fd6, IPPROTO_IPV6, MCAST_JOIN_GROUP, &v6, sizeof(v6)) == 0;
	set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	set(fd, IPPROTO_IP, IP_RECVTTL, 1);
	set(fd6, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)plain.gr_interface);
	marker();
	EXPECT(is_member(fd, "239.1.2.3") && is_member(fd, "239.1.2.4") && !is_member(none, "239.1.2.3"));
	EXPECT(getsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, &filter, &size) == 0 &&
	       filter.gf_fmode == MCAST_INCLUDE && filter.gf_numsrc == 1);
	EXPECT(((struct sockaddr_in *)filter.gf_slist)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	EXPECT(!has_v6 ||
	       (setsockopt(fd6, IPPROTO_IPV6, MCAST_JOIN_GROUP, &v6, sizeof(v6)) < 0 && errno == EADDRINUSE));
	EXPECT(option(fd, IPPROTO_IP, IP_MULTICAST_ALL) == 0 && option(fd, IPPROTO_IP, IP_RECVTTL) == 1);
	EXPECT(option(fd6, IPPROTO_IPV6, IPV6_MULTICAST_IF) == (int)plain.gr_interface);
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {
	        MODE(fifos),   MODE(paths),     MODE(own_files),   MODE(owners),
	        MODE(inotify), MODE(terminals), MODE(memberships),
	};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
