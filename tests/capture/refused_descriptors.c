/* Has descriptors of a kind, or in a state, that no image can hold, named by its argument, and then comes to
 * the marker. Ends with 77 where this machine does not let it get there. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "modes.h"

static bool fifo(void)
{
	return mkfifo("fifo", 0600) == 0 && open("fifo", O_RDONLY | O_NONBLOCK) >= 0 && unlink("fifo") == 0;
}

static int tcp_listener(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(fd, (struct sockaddr *)address, sizeof(*address)) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)address, &length) < 0)
		return -1;
	return fd;
}

static bool connected_elsewhere(void)
{
	struct sockaddr_in address;
	int server = tcp_listener(&address);
	if (server < 0 || !with_heir())
		return false;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && close(server) == 0;
}

static bool inotify(void)
{
	int fd = inotify_init1(0);
	return fd >= 0 && inotify_add_watch(fd, ".", IN_CREATE) >= 0 && mkdir("made", 0700) == 0;
}

static bool pipe_elsewhere(void)
{
	int fds[2];
	return pipe(fds) == 0 && with_heir();
}

static bool socket_elsewhere(void)
{
	int fds[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 && with_heir();
}

static bool memfd_elsewhere(void)
{
	return memfd_create("heirloom", 0) >= 0 && with_heir();
}

static bool pipe_packets(void)
{
	int fds[2];
	return pipe(fds) == 0 && write(fds[1], "xy", 2) == 2 && fcntl(fds[1], F_SETFL, O_DIRECT) == 0;
}

static bool waiting_connection(void)
{
	struct sockaddr_in address;
	int server = tcp_listener(&address), fd = socket(AF_INET, SOCK_STREAM, 0);
	return server >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	       close(fd) == 0;
}

static bool waiting_datagram(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	       getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
	       sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) == 1;
}

/* What goes through a socket is open nowhere else. */
static bool passes(int passed)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	char byte = 'x';
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
	        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int fds[2];
	*head = (struct cmsghdr){
	        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(head), &passed, sizeof(passed));
	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 && sendmsg(fds[0], &message, 0) == 1 &&
	       close(passed) == 0;
}

static bool passed_set(void)
{
	return passes(epoll_create1(0));
}

static bool passed_lock(void)
{
	int fd = open("locked", O_RDWR | O_CREAT, 0600);
	return flock(fd, LOCK_EX) == 0 && passes(fd);
}

static bool passed_stream(void)
{
	return passes(dup(2));
}

static bool unix_connection(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "name"};
	int server = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return bind(server, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(server, 1) == 0 &&
	       connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && accept(server, NULL, NULL) >= 0 &&
	       close(server) == 0; /* and its file stays */
}

static bool unix_datagrams(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "name"};
	int server = socket(AF_UNIX, SOCK_DGRAM, 0), fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	return bind(server, (struct sockaddr *)&name, sizeof(name)) == 0 &&
	       connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && unlink("name") == 0;
}

static bool unix_both_named(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "name"},
	                   own = {.sun_family = AF_UNIX, .sun_path = "own"};
	int server = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return bind(server, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(server, 1) == 0 &&
	       bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0 &&
	       connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && accept(server, NULL, NULL) >= 0 &&
	       close(server) == 0 && unlink("name") == 0; /* who was accepted where? */
}

static bool unix_replaced(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "name"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && unlink("name") == 0 &&
	       open("name", O_RDONLY | O_CREAT, 0600) >= 0;
}

static bool unix_moved(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "name"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return mkdir("below", 0700) == 0 && chdir("below") == 0 &&
	       bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && chdir("..") == 0;
}

static bool netlink(void)
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg body;
	} ask = {{.nlmsg_len = sizeof(ask),
	          .nlmsg_type = RTM_GETLINK,
	          .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	         {0}};
	struct pollfd look = {.fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), .events = POLLIN};
	return send(look.fd, &ask, sizeof(ask), 0) == sizeof(ask) && poll(&look, 1, -1) == 1;
}

static bool epoll_closed(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	int set = epoll_create1(0), fd = eventfd(0, 0);
	return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0 && passes(fd);
}

static bool signal_driven(void)
{
	int fds[2];
	return pipe(fds) == 0 && fcntl(fds[0], F_SETOWN, getppid()) == 0;
}

static bool other_pidfd(void)
{
	return syscall(SYS_pidfd_open, getppid(), 0) >= 0;
}

static bool lease(void)
{
	int fd = open("file", O_RDONLY | O_CREAT, 0600);
	return fd >= 0 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0;
}

static bool fanotify(void)
{
	return syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID, what everyone may have since Linux 5.13 */,
	               0) >= 0;
}

static bool perf(void)
{
	struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE,
	                                .size = sizeof(event),
	                                .config = PERF_COUNT_SW_TASK_CLOCK,
	                                .exclude_kernel = 1};
	return syscall(SYS_perf_event_open, &event, 0, -1, -1, 0) >= 0;
}

static bool bpf(void)
{
	struct {
		unsigned int type, key_size, value_size, entries, rest[16];
	} map = {.type = 2 /* BPF_MAP_TYPE_ARRAY */, .key_size = 4, .value_size = 4, .entries = 1};
	return syscall(SYS_bpf, 0 /* BPF_MAP_CREATE */, &map, sizeof(map)) >= 0;
}

static bool path_only(void)
{
	return open("file", O_RDONLY | O_CREAT, 0600) >= 0 && open("file", O_PATH) >= 0 &&
	       unlink("file") == 0;
}

static int status_opened;

static void *open_status(void *unused)
{
	__atomic_store_n(&status_opened, open("/proc/thread-self/status", O_RDONLY), __ATOMIC_SEQ_CST);
	pause();
	return unused;
}

static bool own_proc(void)
{
	pthread_t id;
	int opened;
	if (pthread_create(&id, NULL, open_status, NULL) != 0)
		return false;
	while ((opened = __atomic_load_n(&status_opened, __ATOMIC_SEQ_CST)) == 0)
		sched_yield();
	return opened > 0;
}

/* Of a child that had another one. */
static bool namespace_descriptor(void)
{
	char path[64], byte = 0;
	int ends[2], status;
	if (pipe(ends) < 0)
		return false;
	pid_t child = fork();
	if (child == 0) {
		byte = unshare(CLONE_NEWUSER) == 0;
		(void)!write(ends[1], &byte, 1);
		for (;;)
			pause();
	}
	bool is_made = read(ends[0], &byte, 1) == 1 && byte;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", child);
	is_made = is_made && open(path, O_RDONLY) >= 0;
	return kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && close(ends[0]) == 0 &&
	       close(ends[1]) == 0 && is_made;
}

/* Three that no image holds: one line each. */
static int deleted(void)
{
	int fd = open("deleted", O_RDWR | O_CREAT, 0600);
	return unlink("deleted") == 0 ? fd : -1;
}

static bool attributed(void)
{
	return fsetxattr(deleted(), "user.kept", "1", 1, 0) == 0;
}

static bool hinted(void)
{
	uint64_t hint = RWH_WRITE_LIFE_SHORT;
	return fcntl(deleted(), F_SET_RW_HINT, &hint) == 0;
}

static bool epoll_busy(void)
{
	struct {
		uint32_t microseconds;
		uint16_t packets;
		uint8_t prefers, zero;
	} busy = {.microseconds = 10};
	return ioctl(epoll_create1(0), _IOW(0x8a, 0x01, busy), &busy) == 0; /* EPIOCSPARAMS, Linux 6.9 */
}

static bool together(void)
{
	return netlink() && path_only() && with_filter();
}

int main(int argc, char **argv)
{
	static const struct refused_mode modes[] = {
	        MODE(fifo),
	        MODE(connected_elsewhere),
	        MODE(inotify),
	        MODE(memfd_elsewhere),
	        MODE(pipe_elsewhere),
	        MODE(socket_elsewhere),
	        MODE(pipe_packets),
	        MODE(waiting_connection),
	        MODE(waiting_datagram),
	        MODE(passed_set),
	        MODE(passed_lock),
	        MODE(passed_stream),
	        MODE(unix_connection),
	        MODE(unix_datagrams),
	        MODE(unix_both_named),
	        MODE(unix_replaced),
	        MODE(unix_moved),
	        MODE(netlink),
	        MODE(epoll_closed),
	        MODE(signal_driven),
	        MODE(other_pidfd),
	        MODE(lease),
	        MODE(fanotify),
	        MODE(perf),
	        MODE(bpf),
	        MODE(path_only),
	        MODE(own_proc),
	        MODE(namespace_descriptor),
	        MODE(attributed),
	        MODE(hinted),
	        MODE(epoll_busy),
	        MODE(together),
	};

	return run_refused(argc, argv, modes, sizeof(modes) / sizeof(*modes));
}
