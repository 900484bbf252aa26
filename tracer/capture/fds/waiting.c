/* Connections that wait at listening sockets. Nothing shows what has come through them, so they are accepted
 * here: where the program is ended in any case, for they can't be given back. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tracer/capture/fds/kinds.h"
#include "tracer/unix_diag.h"

static bool listens(const struct survey *survey, struct open_descriptor *it)
{
	int listening = 0;
	socklen_t size = sizeof(listening);

	return strncmp(it->link, "socket:[", 8) == 0 && it->inherited < 0 && !it->override && it->known &&
	       survey_try_copy(survey, it) &&
	       getsockopt(it->copy, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

static enum status add_accepted(struct survey *survey, size_t listener, int fd)
{
	enum status status = survey_look_at(survey, getpid(), survey->process_count, fd);

	if (status != STATUS_OK) {
		close(fd);
		return status;
	}
	survey->open[survey->count - 1].copy = fd;
	survey->open[survey->count - 1].carrier = (int)listener;
	survey->open[survey->count - 1].waits = true;
	return STATUS_OK;
}

/* Somebody else who has the listener, too, may be faster. */
static enum status accept_all(struct survey *survey, size_t index)
{
	int listener = survey->open[index].copy, flags = fcntl(listener, F_GETFL), fd;
	enum status status = STATUS_OK;

	(void)fcntl(listener, F_SETFL, flags | O_NONBLOCK);
	while (status == STATUS_OK && (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		status = add_accepted(survey, index, fd);
	(void)fcntl(listener, F_SETFL, flags);
	return status;
}

enum status survey_accept(struct survey *survey)
{
	enum status status = STATUS_OK;

	for (size_t i = 0, end = survey->count; i < end && status == STATUS_OK; i++)
		if (survey->may_take && listens(survey, &survey->open[i]))
			status = accept_all(survey, i);
	return status;
}

static bool is_socket(const struct survey *survey, const struct open_descriptor *it, uint32_t inode)
{
	return is_representative(survey, it) && !it->waits && it->inherited < 0 && !it->override &&
	       it->known && S_ISSOCK(it->identity.st_mode) && it->identity.st_ino == inode;
}

static bool has_unix_client(const struct survey *survey, const struct open_descriptor *it)
{
	struct unix_state state;

	if (!unix_diag_ask((uint32_t)it->identity.st_ino, &state) || state.peer == 0)
		return false;
	for (size_t i = 0; i < survey->count; i++)
		if (is_socket(survey, &survey->open[i], state.peer))
			return true;
	return false;
}

enum status check_waiting(struct taking *taking, const struct open_descriptor *listener)
{
	const struct survey *survey = taking->survey;

	for (size_t i = 0; i < survey->count; i++) {
		const struct open_descriptor *it = &survey->open[i];
		int domain = 0;
		socklen_t size = sizeof(domain);
		if (!it->waits || survey->open[it->carrier].first != listener->first)
			continue;
		(void)getsockopt(it->copy, SOL_SOCKET, SO_DOMAIN, &domain, &size);
		if (domain == AF_UNIX && !has_unix_client(survey, it))
			return refuse_descriptor(survey, listener,
			                         "a connection that waits at a Unix socket, from elsewhere",
			                         "choose a point where none does");
		if (domain != AF_UNIX && !taking->overrides->tcp_reset && !tcp_peer(survey, it))
			return refuse_descriptor(survey, listener,
			                         "a connection that waits to be accepted, from elsewhere",
			                         "choose a point where none does, or give --tcp=reset");
	}
	return STATUS_OK;
}
