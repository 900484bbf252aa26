/* As refused.c: descriptors in a state that no image can hold, mostly for what waits in them. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "expect.h"
#include "modes.h"

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons((uint16_t)port),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static bool waits(int fd, short events)
{
	struct pollfd look = {.fd = fd, .events = events};
	return poll(&look, 1, 10000) == 1;
}

/* What was not read when the other side was closed is a reset. */
static bool unix_error(void)
{
	int ends[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && writes(ends[0], "x") && close(ends[1]) == 0;
}

/* One that was looked at is not shown to who looks at all. */
static bool empty_message(void)
{
	int ends[2];
	char byte;
	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0 && send(ends[0], "", 0, 0) == 0 &&
	       recv(ends[1], &byte, 1, MSG_PEEK) == 0 && writes(ends[0], "x");
}

/* A socket that nobody listens at, found on the way: the error waits. */
static bool udp_error(void)
{
	struct sockaddr_in name = loopback(0);
	socklen_t size = sizeof(name);
	int gone = socket(AF_INET, SOCK_DGRAM, 0), fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(gone, (struct sockaddr *)&name, size) < 0 ||
	    getsockname(gone, (struct sockaddr *)&name, &size) < 0 || close(gone) < 0)
		return false;
	return connect(fd, (struct sockaddr *)&name, size) == 0 && writes(fd, "x") && waits(fd, 0);
}

static bool error_queue(void)
{
	struct sockaddr_in name = loopback(0);
	socklen_t size = sizeof(name);
	int gone = socket(AF_INET, SOCK_DGRAM, 0), fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1, error;
	if (bind(gone, (struct sockaddr *)&name, size) < 0 ||
	    getsockname(gone, (struct sockaddr *)&name, &size) < 0 || close(gone) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) < 0)
		return false;
	if (connect(fd, (struct sockaddr *)&name, size) < 0 || !writes(fd, "x") || !waits(fd, 0))
		return false;
	size = sizeof(error);
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0; /* the queue is left */
}

static bool connect_error(void)
{
	struct sockaddr_in name = loopback(0);
	socklen_t size = sizeof(name);
	int gone = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(gone, (struct sockaddr *)&name, size) < 0 ||
	    getsockname(gone, (struct sockaddr *)&name, &size) < 0 || close(gone) < 0)
		return false;
	return connect(fd, (struct sockaddr *)&name, size) < 0 && waits(fd, POLLOUT);
}

/* Returns the other end of what `fd` becomes, accepted at `server`; -1, with errno. */
static int connect_within(int server, int fd)
{
	struct sockaddr_in name = loopback(0);
	socklen_t size = sizeof(name);
	if (bind(server, (struct sockaddr *)&name, size) < 0 || listen(server, 1) < 0 ||
	    getsockname(server, (struct sockaddr *)&name, &size) < 0 ||
	    connect(fd, (struct sockaddr *)&name, size) < 0)
		return -1;
	return accept(server, NULL, NULL);
}

/* Both sides have said all and closed; what is left is the end of the stream. */
static bool ended_connection(void)
{
	char byte;
	int server = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	int other = connect_within(server, fd);
	if (other < 0)
		return false;
	return shutdown(other, SHUT_WR) == 0 && recv(fd, &byte, 1, 0) == 0 && shutdown(fd, SHUT_WR) == 0 &&
	       recv(other, &byte, 1, 0) == 0 && close(other) == 0 && close(server) == 0;
}

static bool urgent(void)
{
	int ends[2];
	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && send(ends[0], "x", 1, MSG_OOB) == 1;
}

/* Received, but reading is to stop where it was: a reader would go past it, and lose what follows. */
static bool urgent_mark(void)
{
	char byte;
	int server = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	int other = connect_within(server, fd);
	if (other < 0)
		return false;
	return send(other, "ab", 2, 0) == 2 && send(other, "c", 1, MSG_OOB) == 1 && waits(fd, POLLPRI) &&
	       recv(fd, &byte, 1, MSG_OOB) == 1 && byte == 'c' && close(server) == 0;
}

static bool corked(void)
{
	struct sockaddr_in name = loopback(9);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	return connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && send(fd, "x", 1, MSG_MORE) == 1;
}

static bool unicast_interface(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint32_t number = htonl(if_nametoindex("lo"));
	return setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &number, sizeof(number)) == 0;
}

static bool own_fdinfo(void)
{
	return open("/proc/self/fdinfo/0", O_RDONLY) >= 0;
}

static bool lost_watch(void)
{
	int fd = inotify_init(), file = open("file", O_RDWR | O_CREAT, 0600);
	return file >= 0 && inotify_add_watch(fd, "file", IN_MODIFY) >= 0 && unlink("file") == 0;
}

static bool unread_fifo(void)
{
	int reader = -1;
	if (mkfifo("fifo", 0600) < 0 || (reader = open("fifo", O_RDONLY | O_NONBLOCK)) < 0)
		return false;
	int writer = open("fifo", O_WRONLY);
	return writer >= 0 && writes(writer, "x") && close(reader) == 0;
}

static bool pair(int *ret_master, int *ret_slave)
{
	*ret_master = posix_openpt(O_RDWR | O_NOCTTY);
	if (*ret_master < 0 || unlockpt(*ret_master) < 0)
		return false;
	*ret_slave = open(ptsname(*ret_master), O_RDWR | O_NOCTTY);
	return *ret_slave >= 0;
}

static bool terminal_output(void)
{
	int master, slave;
	return pair(&master, &slave) && writes(slave, "x");
}

static bool terminal_line(void)
{
	struct termios state;
	int master, slave;
	if (!pair(&master, &slave) || tcgetattr(slave, &state) < 0)
		return false;
	state.c_lflag &= ~(tcflag_t)ECHO;
	return tcsetattr(slave, TCSANOW, &state) == 0 && writes(master, "no end");
}

static bool terminal_stopped(void)
{
	int master, slave;
	if (!pair(&master, &slave) || !writes(master, "\23")) /* Ctrl-S */
		return false;
	while (poll(&(struct pollfd){.fd = slave, .events = POLLOUT}, 1, 0) == 1)
		sched_yield();
	return true;
}

static bool terminal_alone(void)
{
	int master, slave;
	return pair(&master, &slave) && close(master) == 0;
}

int main(int argc, char **argv)
{
	static const struct refused_mode modes[] = {
	        MODE(own_fdinfo),        MODE(empty_message), MODE(unix_error),
	        MODE(udp_error),         MODE(error_queue),   MODE(connect_error),
	        MODE(ended_connection),  MODE(urgent),        MODE(corked),
	        MODE(unicast_interface), MODE(lost_watch),    MODE(unread_fifo),
	        MODE(terminal_output),   MODE(terminal_line), MODE(terminal_alone),
	        MODE(terminal_stopped),  MODE(urgent_mark),
	};

	return run_refused(argc, argv, modes, sizeof(modes) / sizeof(*modes));
}
