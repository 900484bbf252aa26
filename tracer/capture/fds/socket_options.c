/* The options of a socket: what one of the same kind that was just made shows otherwise is set again. */
#include "tracer/capture/fds/socket_options.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tracer/capture/fds/kinds.h"

/* How many instructions its filter has; -1: it can't be read, as of BPF programs that are linked to it. */
static int filter_length(int copy)
{
	socklen_t count = 0;

	return getsockopt(copy, SOL_SOCKET, SO_GET_FILTER, NULL, &count) < 0 ? -1 : (int)count;
}

/* It is set when all is in the socket; and what is locked can't be set any more. */
static enum status take_filter(struct taking *taking, int copy, int length)
{
	static struct sock_filter filter[SNAPIMG_FILTER_MAX];
	socklen_t count = SNAPIMG_FILTER_MAX, size = sizeof(int);
	int locked = 0;

	if (length == 0)
		return STATUS_OK;
	if (getsockopt(copy, SOL_SOCKET, SO_GET_FILTER, filter, &count) < 0 || (int)count != length)
		return fail(STATUS_FAILED, "can't read a socket's filter: %s", strerror(errno));
	(void)getsockopt(copy, SOL_SOCKET, SO_LOCK_FILTER, &locked, &size);
	return objects_set(taking->objects,
	                   (struct snapimg_setting){.kind = SNAPIMG_SETTING_FILTER,
	                                            .option = locked != 0,
	                                            .size = count * sizeof(*filter)},
	                   filter);
}

union value {
	char bytes[64];
	int number;
};

/* Whether the socket has another value than a new one. */
static bool differs(int copy, int fresh, int level, int option, union value *ret_value, socklen_t *ret_size)
{
	union value usual = {{0}};
	socklen_t usual_size = sizeof(usual);

	*ret_value = (union value){{0}};
	*ret_size = sizeof(*ret_value);
	return getsockopt(copy, level, option, ret_value, ret_size) == 0 && *ret_size != 0 &&
	       !(getsockopt(fresh, level, option, &usual, &usual_size) == 0 && usual_size == *ret_size &&
	         memcmp(ret_value, &usual, usual_size) == 0);
}

enum {
	LEAST_SEGMENT = 88,  /* that can be set: TCP_MIN_MSS of include/net/tcp.h */
	BUFFERS_LOCKED = 72, /* SO_BUF_LOCK, Linux 5.14 */
	LOCKED_SEND = 1,
	LOCKED_RECEIVE = 2,
};

static enum status take_option(struct taking *taking, int copy, int fresh, int level, int option)
{
	union value its;
	socklen_t size;

	if (!differs(copy, fresh, level, option, &its, &size))
		return STATUS_OK;
	if (level == IPPROTO_TCP && option == TCP_MAXSEG && its.number < LEAST_SEGMENT)
		return STATUS_OK; /* it comes of IP_OPTIONS */
	if (level == SOL_SOCKET && (option == SO_SNDBUF || option == SO_RCVBUF))
		its.number /= 2; /* the kernel doubles what it is given (socket(7)) */
	const struct snapimg_setting setting = {
	        .kind = SNAPIMG_SETTING_OPTION, .level = level, .option = option, .size = size};
	return objects_set(taking->objects, setting, &its);
}

static enum status refuse_options(struct taking *taking, const struct open_descriptor *it, int fresh)
{
	static const struct {
		int level, option;
		const char *text;
	} options[] = {
#define X(level, option, text) {level, option, "a socket with " text},
	        REFUSED_OPTIONS(X)
#undef X
	};
	union value its;
	socklen_t size;

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (differs(it->copy, fresh, options[i].level, options[i].option, &its, &size))
			return refuse_descriptor(taking->survey, it, options[i].text,
			                         "set it after the point");
	return STATUS_OK;
}

struct making {
	int domain, type, protocol;
	bool connected; /* TCP, as the one that it is held against */
};

/* Whether the kernel chooses the value with the connection, and goes on doing so. */
static bool tells_of_connection(int copy, int level, int option)
{
	int locked = LOCKED_SEND | LOCKED_RECEIVE;
	socklen_t size = sizeof(locked);

	if (level == IPPROTO_IP || level == IPPROTO_IPV6) /* who has accepted has what came to it */
		return level == IPPROTO_IP ? option == IP_MULTICAST_TTL
		                           : option == IPV6_MULTICAST_HOPS || option == IPV6_ADDRFORM;
	if (level == IPPROTO_TCP)
		return option == TCP_MAXSEG || option == TCP_WINDOW_CLAMP || option == TCP_FASTOPEN ||
		       option == TCP_QUICKACK; /* see take_states() */
	if (level != SOL_SOCKET || (option != SO_SNDBUF && option != SO_RCVBUF))
		return level == SOL_SOCKET && option == SO_INCOMING_CPU;
	(void)getsockopt(copy, SOL_SOCKET, BUFFERS_LOCKED, &locked, &size);
	return (locked & (option == SO_SNDBUF ? LOCKED_SEND : LOCKED_RECEIVE)) == 0;
}

static bool is_listed(int level, int option)
{
	static const struct {
		int level, option;
	} listed[] = {
#define X(level, option, ...) {level, option},
	        SOCKET_OPTIONS(X) REFUSED_OPTIONS(X) PASSED_OPTIONS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(listed) / sizeof(*listed); i++)
		if (listed[i].level == level && listed[i].option == option)
			return true;
	return false;
}

enum trial { TRIAL_IS_NO_SETTING, TRIAL_WORKS, TRIAL_FAILS };

/* Whether a new socket gets the value by setsockopt(2). What needs a privilege is left to the start. */
static enum trial try_option(struct making making, int level, int option, const union value *its,
                             socklen_t size)
{
	int trial = socket(making.domain, making.type | SOCK_CLOEXEC, making.protocol);
	enum trial result = TRIAL_FAILS;
	union value again = {{0}};
	socklen_t again_size = sizeof(again);

	if (trial < 0)
		return TRIAL_FAILS;
	if (setsockopt(trial, level, option, its, size) == 0) {
		if (getsockopt(trial, level, option, &again, &again_size) == 0 && again_size == size &&
		    memcmp(&again, its, size) == 0)
			result = TRIAL_WORKS;
	} else if (errno == ENOPROTOOPT || errno == EOPNOTSUPP) {
		result = TRIAL_IS_NO_SETTING; /* it is only shown */
	} else if (errno == EPERM || errno == EACCES) {
		result = TRIAL_WORKS;
	}
	close(trial);
	return result;
}

/* What no table names, as it is new in the kernel: set again where a new socket shows that this does it. */
static enum status take_unlisted(struct taking *taking, const struct open_descriptor *it, int fresh,
                                 struct making making)
{
	static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6};
	enum status status = STATUS_OK;
	char text[64];
	union value its;
	socklen_t size;

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		for (int option = 1; option < OPTIONS_END && status == STATUS_OK; option++) {
			if (is_listed(levels[i], option) ||
			    (making.connected && tells_of_connection(it->copy, levels[i], option)) ||
			    !differs(it->copy, fresh, levels[i], option, &its, &size))
				continue;
			enum trial trial = try_option(making, levels[i], option, &its, size);
			if (levels[i] == IPPROTO_IP && option == IP_OPTIONS)
				snprintf(text, sizeof(text), "a socket with IP_OPTIONS");
			else
				snprintf(text, sizeof(text), "a socket with option %d of level %d", option,
				         levels[i]);
			if (trial == TRIAL_WORKS)
				status = take_option(taking, it->copy, fresh, levels[i], option);
			else if (trial == TRIAL_FAILS)
				status =
				        refuse_descriptor(taking->survey, it, text, "set it after the point");
		}
	}
	return status;
}

static enum status take_number(struct taking *taking, int level, int option, int value)
{
	const struct snapimg_setting setting = {
	        .kind = SNAPIMG_SETTING_OPTION, .level = level, .option = option, .size = sizeof(value)};

	return objects_set(taking->objects, setting, &value);
}

/* Setting a buffer's size locks it; where that is not as it is, it is set after the sizes. */
static enum status take_buffer_locks(struct taking *taking, int copy, int fresh, struct making making)
{
	static const struct {
		int option, lock;
	} buffers[] = {{SO_SNDBUF, LOCKED_SEND}, {SO_RCVBUF, LOCKED_RECEIVE}};
	int locked = 0, follows = 0;
	socklen_t size = sizeof(locked);
	union value its;

	if (getsockopt(copy, SOL_SOCKET, BUFFERS_LOCKED, &locked, &size) < 0)
		return STATUS_OK;
	for (size_t i = 0; i < sizeof(buffers) / sizeof(*buffers); i++) {
		if (!(making.connected && tells_of_connection(copy, SOL_SOCKET, buffers[i].option)) &&
		    differs(copy, fresh, SOL_SOCKET, buffers[i].option, &its, &size))
			follows |= buffers[i].lock;
	}
	return locked == follows ? STATUS_OK : take_number(taking, SOL_SOCKET, BUFFERS_LOCKED, locked);
}

/* What the kernel goes on choosing as a connection goes on: it goes on from there. A wider window than a new
 * connection's is no limit, but what the kernel made of much traffic. */
static enum status take_states(struct taking *taking, int copy, int fresh)
{
	int quick = 1, its = 0, usual = 0;
	socklen_t size = sizeof(int);
	enum status status = STATUS_OK;

	if (getsockopt(copy, IPPROTO_TCP, TCP_WINDOW_CLAMP, &its, &size) == 0 &&
	    getsockopt(fresh, IPPROTO_TCP, TCP_WINDOW_CLAMP, &usual, &size) == 0 && its > 0 && its < usual)
		status = take_number(taking, IPPROTO_TCP, TCP_WINDOW_CLAMP, its);
	if (status != STATUS_OK || getsockopt(copy, IPPROTO_TCP, TCP_QUICKACK, &quick, &size) < 0)
		return status;
	return take_number(taking, IPPROTO_TCP, TCP_QUICKACK, quick);
}

/* fresh: closed here. */
static enum status take_options(struct taking *taking, const struct open_descriptor *it, int fresh,
                                struct making making)
{
	static const struct {
		int level, option;
	} options[] = {
#define X(level, option) {level, option},
	        SOCKET_OPTIONS(X)
#undef X
	};
	enum status status = STATUS_OK;

	int filter = filter_length(it->copy);
	if (fresh < 0 || filter < 0)
		status =
		        refuse_descriptor(taking->survey, it, "a socket with a filter of BPF (SO_ATTACH_BPF)",
		                          "set the filter after the point");
	else
		status = refuse_options(taking, it, fresh);
	for (size_t i = 0; i < sizeof(options) / sizeof(*options) && status == STATUS_OK; i++) {
		int level = options[i].level, option = options[i].option;
		if ((filter > 0 && option == SO_LOCK_FILTER && level == SOL_SOCKET) ||
		    (making.connected && tells_of_connection(it->copy, level, option)))
			continue;
		status = take_option(taking, it->copy, fresh, level, option);
	}
	if (status == STATUS_OK)
		status = take_buffer_locks(taking, it->copy, fresh, making);
	if (status == STATUS_OK && making.connected)
		status = take_states(taking, it->copy, fresh);
	if (status == STATUS_OK)
		status = take_unlisted(taking, it, fresh, making);
	if (status == STATUS_OK)
		status = take_filter(taking, it->copy, filter);
	if (fresh >= 0)
		close(fresh);
	return status;
}

enum status take_socket_options(struct taking *taking, const struct open_descriptor *it, int domain, int type,
                                int protocol)
{
	int fresh = socket(domain, type | SOCK_CLOEXEC, protocol);

	return take_options(taking, it, fresh, (struct making){domain, type, protocol, false});
}

/* One that was connected just now; its other end is closed, which no option tells. -1: there is no loopback.
 */
static int connect_fresh(int domain)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
	                          .sin6_addr.s6_addr = {[10] = 0xff, 0xff, 127, [15] = 1}};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr *name = domain == AF_INET6 ? (void *)&v6 : (void *)&v4;
	socklen_t size = domain == AF_INET6 ? sizeof(v6) : sizeof(v4);
	int listener = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    fresh = socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0 || bind(listener, name, size) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, name, &size) < 0 || connect(fresh, name, size) < 0) {
		if (fresh >= 0)
			close(fresh);
		fresh = -1;
	}
	if (listener >= 0)
		close(listener);
	return fresh;
}

/* The longest segment that it takes, which only TCP_MAXSEG makes so much shorter than another's. */
static bool has_short_segments(int copy, int fresh)
{
	enum { BETWEEN_FAMILIES = 20 };
	struct tcp_info its = {0}, usual = {0};
	socklen_t size = sizeof(its), usual_size = sizeof(usual);

	return getsockopt(copy, IPPROTO_TCP, TCP_INFO, &its, &size) == 0 &&
	       getsockopt(fresh, IPPROTO_TCP, TCP_INFO, &usual, &usual_size) == 0 &&
	       its.tcpi_advmss + BETWEEN_FAMILIES < usual.tcpi_advmss;
}

enum status take_connected_options(struct taking *taking, const struct open_descriptor *it, int domain)
{
	int fresh = connect_fresh(domain);

	if (fresh < 0)
		return fail(STATUS_FAILED, "can't connect a socket over the loopback: %s", strerror(errno));
	if (has_short_segments(it->copy, fresh)) {
		close(fresh);
		return refuse_descriptor(taking->survey, it, "a connected TCP socket with TCP_MAXSEG",
		                         "set it after the point");
	}
	return take_options(taking, it, fresh, (struct making){domain, SOCK_STREAM, IPPROTO_TCP, true});
}
