/* Opens descriptors, passes the marker, and tells what they are: a line each. Or, with "reset": is connected,
 * and checks after the marker that the other side has reset the connection. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "expect.h"

enum {
	FIRST = 20,
	FILE_READ = FIRST,
	FILE_AGAIN,
	EVENTS,
	LISTENER,
	PIPE_READ,
	PIPE_WRITE,
	FIFO,
	UNIX,
	UNIX_OTHER,
	LAST = UNIX_OTHER
};

static void put(int fd, int number)
{
	need(dup2(fd, number));
	close(fd);
}

static int listener(int family, struct sockaddr_storage *name, socklen_t *size)
{
	int fd = need(socket(family, SOCK_STREAM, 0));
	*name = (struct sockaddr_storage){0};
	if (family == AF_INET)
		*(struct sockaddr_in *)name = (struct sockaddr_in){.sin_family = AF_INET,
		                                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	else
		*(struct sockaddr_in6 *)name =
		        (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	*size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	if (bind(fd, (struct sockaddr *)name, *size) < 0 || listen(fd, 5) < 0 ||
	    getsockname(fd, (struct sockaddr *)name, size) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int report(void)
{
	struct sockaddr_storage name;
	socklen_t size;
	int ends[2], set = need(epoll_create1(0));
	struct epoll_event event = {.events = EPOLLIN};
	put(need(open("data", O_RDONLY)), FILE_READ);
	need(dup2(FILE_READ, FILE_AGAIN));
	put(need(eventfd(0, 0)), EVENTS);
	put(need(listener(AF_INET, &name, &size)), LISTENER);
	need(pipe(ends));
	put(ends[0], PIPE_READ);
	put(ends[1], PIPE_WRITE);
	put(need(open("fifo", O_RDWR)), FIFO);
	EXPECT(writes(FIFO, "something"));
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	put(ends[0], UNIX);
	put(ends[1], UNIX_OTHER);
	EXPECT(epoll_ctl(set, EPOLL_CTL_ADD, EVENTS, &event) == 0);
	lseek(FILE_READ, 3, SEEK_SET);
	marker();
	for (int fd = FIRST; fd <= LAST; fd++) {
		char path[64], link[4096];
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t length = readlink(path, link, sizeof(link));
		printf("%d %.*s %ld\n", fd, length < 0 ? 6 : (int)length, length < 0 ? "closed" : link,
		       (long)lseek(fd, 0, SEEK_CUR));
	}
	return failures;
}

/* To who says something at once, at the port of the variable; -1: there is none. */
static int connection(int family, const char *variable)
{
	const char *port = getenv(variable);
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct pollfd look = {.events = POLLIN};
	if (!port)
		return -1;
	v4.sin_port = v6.sin6_port = htons((uint16_t)atoi(port));
	look.fd = need(socket(family, SOCK_STREAM, 0));
	EXPECT(connect(look.fd, family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
	               family == AF_INET ? sizeof(v4) : sizeof(v6)) == 0);
	EXPECT(poll(&look, 1, -1) == 1);
	return look.fd;
}

static void check_reset(int fd, int family)
{
	struct sockaddr_storage name;
	struct pollfd look = {.fd = fd, .events = POLLIN | POLLOUT};
	socklen_t size = sizeof(name);
	char byte;
	EXPECT(getsockname(fd, (struct sockaddr *)&name, &size) == 0 && name.ss_family == family);
	EXPECT(poll(&look, 1, 0) == 1 && (look.revents & (POLLHUP | POLLERR)) == (POLLHUP | POLLERR));
	EXPECT(read(fd, &byte, 1) < 0 && errno == ECONNRESET);
	EXPECT(read(fd, &byte, 1) == 0 && write(fd, "x", 1) < 0 && errno == EPIPE);
}

static int reset(void)
{
	int other = connection(AF_INET, "PORT"), fd = connection(AF_INET, "PORT"),
	    fd6 = connection(AF_INET6, "PORT6");
	int set = need(epoll_create1(0)), copy = need(dup(fd));
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 77}, seen;
	signal(SIGPIPE, SIG_IGN);
	EXPECT(fcntl(other, F_SETFL, O_NONBLOCK) == 0);
	EXPECT(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0 && epoll_wait(set, &seen, 1, -1) == 1);
	marker();
	EXPECT(epoll_wait(set, &seen, 1, 0) == 1 && seen.data.u64 == 77 && (seen.events & EPOLLHUP));
	EXPECT(fcntl(other, F_GETFL) & O_NONBLOCK && !(fcntl(copy, F_GETFL) & O_NONBLOCK));
	check_reset(copy, AF_INET);
	check_reset(other, AF_INET);
	if (fd6 >= 0)
		check_reset(fd6, AF_INET6);
	return failures != 0;
}

int main(int argc, char **argv)
{
	return argc == 2 && strcmp(argv[1], "reset") == 0 ? reset() : report();
}
