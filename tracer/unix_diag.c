#include "tracer/unix_diag.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel's macros for these cast const away, so nothing here is. */
static void note(struct unix_state *state, struct rtattr *attribute)
{
	const void *data = RTA_DATA(attribute);
	struct unix_diag_rqlen queue;
	struct unix_diag_vfs file;

	switch (attribute->rta_type) {
	case UNIX_DIAG_PEER:
		memcpy(&state->peer, data, sizeof(state->peer));
		break;
	case UNIX_DIAG_SHUTDOWN:
		memcpy(&state->shutdown, data, sizeof(state->shutdown));
		break;
	case UNIX_DIAG_RQLEN:
		memcpy(&queue, data, sizeof(queue));
		state->waiting = queue.udiag_rqueue;
		state->backlog = queue.udiag_wqueue;
		break;
	case UNIX_DIAG_VFS:
		memcpy(&file, data, sizeof(file));
		state->inode = file.udiag_vfs_ino;
		break;
	default:
		break;
	}
}

static bool read_answer(char *answer, size_t size, struct unix_state *ret_state)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(void *)answer;

	if (!NLMSG_OK(header, size) || header->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return false;
	struct unix_diag_msg *message = NLMSG_DATA(header);
	struct rtattr *attribute = (struct rtattr *)(void *)(message + 1);
	size_t left = header->nlmsg_len - NLMSG_LENGTH(sizeof(*message));

	*ret_state = (struct unix_state){.state = message->udiag_state};
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
		note(ret_state, attribute);
	return true;
}

bool unix_diag_ask(uint32_t inode, struct unix_state *ret_state)
{
	struct {
		struct nlmsghdr header;
		struct unix_diag_req request;
	} question = {
	        .header = {.nlmsg_len = sizeof(question),
	                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
	                   .nlmsg_flags = NLM_F_REQUEST},
	        .request = {.sdiag_family = AF_UNIX,
	                    .udiag_states = UINT32_MAX,
	                    .udiag_ino = inode,
	                    .udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_VFS,
	                    .udiag_cookie = {UINT32_MAX, UINT32_MAX}},
	};
	_Alignas(struct nlmsghdr) char answer[4096];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	bool told = false;

	if (fd < 0)
		return false;
	if (send(fd, &question, sizeof(question), 0) == (ssize_t)sizeof(question)) {
		ssize_t size = recv(fd, answer, sizeof(answer), 0);
		told = size > 0 && read_answer(answer, (size_t)size, ret_state);
	}
	close(fd);
	return told;
}
