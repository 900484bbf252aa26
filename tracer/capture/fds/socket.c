/* Sockets: what a socket of the same kind, just made, shows otherwise is set again; then its name, its queue.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tracer/capture/fds/kinds.h"
#include "tracer/capture/fds/socket_options.h"

/* Of setsockopt(2), not of its reader: a linked socket filter can't be read by everyone. */
static bool has_filter(int copy)
{
	socklen_t count = 0;

	return getsockopt(copy, SOL_SOCKET, SO_GET_FILTER, NULL, &count) < 0 || count > 0;
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

static enum status take_option(struct taking *taking, int copy, int fresh, int level, int option)
{
	union value its;
	socklen_t size;

	if (!differs(copy, fresh, level, option, &its, &size))
		return STATUS_OK;
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

enum status take_socket_options(struct taking *taking, const struct open_descriptor *it, int domain, int type,
                                int protocol)
{
	static const struct {
		int level, option;
	} options[] = {
#define X(level, option) {level, option},
	        SOCKET_OPTIONS(X)
#undef X
	};
	int fresh = socket(domain, type | SOCK_CLOEXEC, protocol);
	enum status status = STATUS_OK;

	if (fresh < 0 || has_filter(it->copy))
		status = refuse_descriptor(taking->survey, it, "a socket with a filter",
		                           "set the filter after the point");
	else
		status = refuse_options(taking, it, fresh);
	for (size_t i = 0; i < sizeof(options) / sizeof(*options) && status == STATUS_OK; i++)
		status = take_option(taking, it->copy, fresh, options[i].level, options[i].option);
	if (fresh >= 0)
		close(fresh);
	return status;
}

/* Looking for an error with SO_ERROR would take it. An error queue shows as one, too (ip(7), IP_RECVERR). */
static enum status refuse_waiting(const struct survey *survey, const struct open_descriptor *it)
{
	struct pollfd look = {.fd = it->copy, .events = POLLPRI};

	if (poll(&look, 1, 0) > 0 && (look.revents & POLLERR))
		return refuse_descriptor(survey, it, "a socket with an error that waits to be told",
		                         "read SO_ERROR or the error queue before the point");
	if (look.revents & POLLPRI)
		return refuse_descriptor(survey, it, "a socket with urgent data (MSG_OOB)",
		                         "receive it before the point");
	return STATUS_OK;
}

/* What was on its way is lost, and so are the options, which say nothing any more. */
static enum status take_reset(struct snapimg_object *object, int domain)
{
	object->value[SNAPIMG_SOCKET_DOMAIN] = (uint64_t)domain;
	object->value[SNAPIMG_SOCKET_TYPE] = SOCK_STREAM;
	object->value[SNAPIMG_SOCKET_PROTOCOL] = IPPROTO_TCP;
	object->value[SNAPIMG_SOCKET_STATE] = SNAPIMG_SOCKET_RESET;
	return STATUS_OK;
}

enum status take_socket(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	int domain = 0, type = 0, protocol = 0;
	socklen_t size = sizeof(int);
	enum status status;

	if (getsockopt(it->copy, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
	    getsockopt(it->copy, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    getsockopt(it->copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0)
		return refuse_descriptor(taking->survey, it, "a socket", "close it before the point");
	bool connected = is_connected(domain, type, it->copy);
	if (connected && taking->overrides->tcp_reset)
		return take_reset(object, domain);
	if (!connected && (status = refuse_waiting(taking->survey, it)) != STATUS_OK)
		return status;
	object->value[SNAPIMG_SOCKET_DOMAIN] = (uint64_t)domain;
	object->value[SNAPIMG_SOCKET_TYPE] = (uint64_t)type;
	object->value[SNAPIMG_SOCKET_PROTOCOL] = (uint64_t)protocol;
	if (domain == AF_UNIX)
		return take_unix_socket(taking, it, object);
	if (domain == AF_INET || domain == AF_INET6)
		return take_internet_socket(taking, it, object);
	return refuse_descriptor(taking->survey, it, "a socket that is neither Internet's nor Unix's",
	                         "close it before the point");
}
