/* Netlink sockets on which nothing waits: their port, groups and options. */
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include "tracer/capture/fds/kinds.h"

enum { GROUPS_MAX = 1024 /* of a protocol; there are some dozens */, WORD = 32 };

/* Each by its number, after the bind that gives the port. */
static enum status take_groups(struct taking *taking, const struct open_descriptor *it)
{
	uint32_t groups[GROUPS_MAX / WORD] = {0};
	socklen_t size = sizeof(groups);
	enum status status = STATUS_OK;

	if (getsockopt(it->copy, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &size) < 0 ||
	    size > sizeof(groups))
		return refuse_descriptor(taking->survey, it, "a netlink socket whose groups can't be read",
		                         "close it before the point");
	for (uint32_t i = 0; i < GROUPS_MAX && status == STATUS_OK; i++) {
		const uint32_t group = i + 1;
		const struct snapimg_setting setting = {.kind = SNAPIMG_SETTING_OPTION,
		                                        .level = SOL_NETLINK,
		                                        .option = NETLINK_ADD_MEMBERSHIP,
		                                        .size = sizeof(group)};
		if (groups[i / WORD] >> i % WORD & 1)
			status = objects_set(taking->objects, setting, &group);
	}
	return status;
}

enum status take_netlink_socket(struct taking *taking, struct open_descriptor *it,
                                struct snapimg_object *object)
{
	struct pollfd look = {.fd = it->copy, .events = POLLIN};
	struct sockaddr_nl name = {0}, peer = {0};
	socklen_t size = sizeof(name), peer_size = sizeof(peer);
	enum status status;

	if (poll(&look, 1, 0) < 0 || look.revents != 0)
		return refuse_descriptor(taking->survey, it, "a netlink socket with messages that wait",
		                         "choose a point where none does");
	if (getsockname(it->copy, (struct sockaddr *)&name, &size) < 0 ||
	    getpeername(it->copy, (struct sockaddr *)&peer, &peer_size) < 0)
		return refuse_descriptor(taking->survey, it, "a netlink socket", "close it before the point");
	if (peer.nl_pid != 0 || peer.nl_groups != 0)
		return refuse_descriptor(taking->survey, it,
		                         "a netlink socket that is connected to a process or group",
		                         "close it before the point");
	if ((status = take_socket_options(taking, it, AF_NETLINK, (int)object->value[SNAPIMG_SOCKET_TYPE],
	                                  (int)object->value[SNAPIMG_SOCKET_PROTOCOL])) != STATUS_OK)
		return status;
	name.nl_groups = 0; /* the first 32 of them */
	if (name.nl_pid != 0)
		status = objects_set(taking->objects,
		                     (struct snapimg_setting){.kind = SNAPIMG_SETTING_BIND, .size = size},
		                     &name);
	return status == STATUS_OK ? take_groups(taking, it) : status;
}
