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

struct making {
	int domain, type, protocol;
};

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
			    !differs(it->copy, fresh, levels[i], option, &its, &size))
				continue;
			enum trial trial = try_option(making, levels[i], option, &its, size);
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

	int filter = filter_length(it->copy);
	if (fresh < 0 || filter < 0)
		status =
		        refuse_descriptor(taking->survey, it, "a socket with a filter of BPF (SO_ATTACH_BPF)",
		                          "set the filter after the point");
	else
		status = refuse_options(taking, it, fresh);
	for (size_t i = 0; i < sizeof(options) / sizeof(*options) && status == STATUS_OK; i++)
		if (filter <= 0 || options[i].option != SO_LOCK_FILTER || options[i].level != SOL_SOCKET)
			status = take_option(taking, it->copy, fresh, options[i].level, options[i].option);
	if (status == STATUS_OK)
		status = take_unlisted(taking, it, fresh, (struct making){domain, type, protocol});
	if (status == STATUS_OK)
		status = take_filter(taking, it->copy, filter);
	if (fresh >= 0)
		close(fresh);
	return status;
}
