#include "tracer/capture/fds/passing.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "tracer/ptrace/memory.h"

enum { NOT_OPEN = -1, IMPOSSIBLE = -2 };

/* What the target's sendmsg(2) reads from its scratch page. */
struct letter {
	struct msghdr header;
	struct iovec part;
	struct sockaddr_un to;
	char byte;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
};

static bool open_both(struct passing *passing, struct sockaddr_un *ret_name, socklen_t *ret_size)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	socklen_t size = sizeof(name);

	if (passing->here == NOT_OPEN) {
		passing->here = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		/* The kernel makes up an abstract name (unix(7), autobind). */
		if (passing->here < 0 ||
		    bind(passing->here, (struct sockaddr *)&name, sizeof(sa_family_t)) < 0 ||
		    remote_call(passing->remote, &passing->there, SYS_socket, AF_UNIX,
		                SOCK_DGRAM | SOCK_CLOEXEC, 0, 0) != STATUS_OK ||
		    passing->there < 0) {
			if (passing->here >= 0)
				close(passing->here);
			passing->here = IMPOSSIBLE;
		}
	}
	*ret_name = name;
	*ret_size = size;
	return passing->here >= 0 && getsockname(passing->here, (struct sockaddr *)ret_name, ret_size) == 0;
}

static struct letter write_letter(uint64_t at, int number, const struct sockaddr_un *name, socklen_t size)
{
	struct letter letter = {.to = *name};
	struct cmsghdr control = {
	        .cmsg_len = CMSG_LEN(sizeof(number)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	/* Addresses in the target, not here. */
	const uint64_t to = at + offsetof(struct letter, to), part = at + offsetof(struct letter, part),
	               rights = at + offsetof(struct letter, control),
	               byte = at + offsetof(struct letter, byte);

	memcpy(letter.control, &control, sizeof(control));
	memcpy(letter.control + CMSG_LEN(0), &number, sizeof(number));
	memcpy(&letter.part.iov_base, &byte, sizeof(byte));
	letter.part.iov_len = 1;
	memcpy(&letter.header.msg_name, &to, sizeof(to));
	memcpy(&letter.header.msg_iov, &part, sizeof(part));
	memcpy(&letter.header.msg_control, &rights, sizeof(rights));
	letter.header.msg_namelen = size;
	letter.header.msg_iovlen = 1;
	letter.header.msg_controllen = sizeof(letter.control);
	return letter;
}

static int receive(int socket)
{
	char byte;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr header = {
	        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	int copy = -1;

	if (recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -1;
	const struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
	if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS)
		memcpy(&copy, CMSG_DATA(rights), sizeof(copy));
	else
		errno = EMFILE; /* there was no room for it (unix(7)) */
	return copy;
}

int passing_copy(struct passing *passing, int number)
{
	const struct remote *remote = passing->remote;
	struct sockaddr_un name;
	socklen_t size;
	int64_t result;

	if (!open_both(passing, &name, &size)) {
		errno = EPERM;
		return -1;
	}
	struct letter letter = write_letter(remote->scratch, number, &name, size);
	if (tracee_write(remote->tid, remote->scratch, &letter, sizeof(letter)) < 0 ||
	    remote_call(remote, &result, SYS_sendmsg, (uint64_t)passing->there, remote->scratch,
	                MSG_DONTWAIT | MSG_NOSIGNAL, 0) != STATUS_OK)
		return -1;
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return receive(passing->here);
}

enum status passing_end(struct passing *passing)
{
	int64_t result;

	if (passing->here < 0)
		return STATUS_OK;
	close(passing->here);
	passing->here = NOT_OPEN;
	return remote_call(passing->remote, &result, SYS_close, (uint64_t)passing->there, 0, 0, 0);
}
