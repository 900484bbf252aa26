/* Multicast groups that a socket has joined. The kernel lists the groups of an interface, not of a socket;
 * but a socket asked for the sources it admits in a group tells whether it is in it (ip(7), MCAST_MSFILTER).
 */
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tracer/capture/fds/kinds.h"

enum { SOURCES_MAX = 128 };

struct membership {
	char interface[SNAPIMG_INTERFACE_NAME];
	union {
		struct group_req join;
		struct group_filter filter;
		char room[GROUP_FILTER_SIZE(SOURCES_MAX)];
	} value;
};

static enum status add(struct taking *taking, int level, int option, const struct membership *membership,
                       size_t size)
{
	const struct snapimg_setting setting = {.kind = SNAPIMG_SETTING_INTERFACE,
	                                        .level = level,
	                                        .option = option,
	                                        .size = (uint32_t)(SNAPIMG_INTERFACE_NAME + size)};

	return objects_set(taking->objects, setting, membership);
}

/* Joins admit all sources; the filter follows where that was changed. */
static enum status add_both(struct taking *taking, const struct open_descriptor *it, int level,
                            struct membership *membership)
{
	struct group_filter *filter = &membership->value.filter;
	struct membership join = {
	        .value.join = {.gr_interface = filter->gf_interface, .gr_group = filter->gf_group}};
	uint32_t sources = filter->gf_numsrc;
	enum status status;

	if (sources > SOURCES_MAX || !if_indextoname(filter->gf_interface, membership->interface))
		return refuse_descriptor(taking->survey, it,
		                         "a socket in a multicast group with many sources",
		                         "join it after the point");
	memcpy(join.interface, membership->interface, sizeof(join.interface));
	if ((status = add(taking, level, MCAST_JOIN_GROUP, &join, sizeof(join.value.join))) != STATUS_OK ||
	    (sources == 0 && filter->gf_fmode == MCAST_EXCLUDE))
		return status;
	return add(taking, level, MCAST_MSFILTER, membership, GROUP_FILTER_SIZE(sources));
}

static enum status ask(struct taking *taking, const struct open_descriptor *it, int level, uint32_t interface,
                       const void *group, socklen_t size)
{
	struct membership membership = {0};
	struct group_filter *filter = &membership.value.filter;
	socklen_t room = sizeof(membership.value);

	filter->gf_interface = interface;
	filter->gf_numsrc = SOURCES_MAX;
	memcpy(&filter->gf_group, group, size);
	if (getsockopt(it->copy, level, MCAST_MSFILTER, filter, &room) < 0)
		return STATUS_OK;
	return add_both(taking, it, level, &membership);
}

/* "1<tab>lo  : 1 V3", and under it "<tabs>010000E0 1 0:00000000 0" for each group, in the byte order of the
 * network (net/ipv4/igmp.c, igmp_mc_seq_show). */
static enum status take_v4(struct taking *taking, const struct open_descriptor *it)
{
	struct text text CLEANUP(text_free) = {0};
	unsigned int interface = 0;
	enum status status;

	if ((status = proc_read(proc_path(taking->pid, "net/igmp"), &text)) != STATUS_OK)
		return status;
	for (char *rest = text.bytes, *line; status == STATUS_OK && (line = strsep(&rest, "\n"));) {
		struct sockaddr_in group = {.sin_family = AF_INET};
		if (*line >= '0' && *line <= '9')
			interface = (unsigned int)strtoul(line, NULL, 10);
		else if (*line == '\t' && sscanf(line, " %8x", &group.sin_addr.s_addr) == 1)
			status = ask(taking, it, IPPROTO_IP, interface, &group, sizeof(group));
	}
	return status;
}

/* "1 lo ff020000000000000000000000000001 1 0000000C 0" (net/ipv6/mcast.c, igmp6_mc_seq_show) */
static enum status take_v6(struct taking *taking, const struct open_descriptor *it)
{
	struct text text CLEANUP(text_free) = {0};
	struct proc_path path = proc_path(taking->pid, "net/igmp6");
	enum status status = STATUS_OK;

	if (proc_try_read(path.text, &text) != 0) /* no IPv6 here */
		return STATUS_OK;
	for (char *rest = text.bytes, *line; status == STATUS_OK && (line = strsep(&rest, "\n"));) {
		struct sockaddr_in6 group = {.sin6_family = AF_INET6};
		unsigned int interface;
		char digits[33];
		if (sscanf(line, "%u %*s %32[0-9a-f]", &interface, digits) != 2 || strlen(digits) != 32)
			continue;
		for (int i = 0; i < 16; i++)
			if (sscanf(digits + 2 * i, "%2hhx", &group.sin6_addr.s6_addr[i]) != 1)
				return fail(STATUS_FAILED, "can't read %s", path.text);
		status = ask(taking, it, IPPROTO_IPV6, interface, &group, sizeof(group));
	}
	return status;
}

/* The interface that multicast goes out by, which IPv6 knows by its number. */
static enum status take_v6_interface(struct taking *taking, const struct open_descriptor *it)
{
	struct {
		char interface[SNAPIMG_INTERFACE_NAME];
		unsigned int number;
	} value = {{0}, 0};
	socklen_t size = sizeof(value.number);
	const struct snapimg_setting setting = {.kind = SNAPIMG_SETTING_INTERFACE,
	                                        .level = IPPROTO_IPV6,
	                                        .option = IPV6_MULTICAST_IF,
	                                        .size = sizeof(value)};

	if (getsockopt(it->copy, IPPROTO_IPV6, IPV6_MULTICAST_IF, &value.number, &size) < 0 ||
	    value.number == 0 || !if_indextoname(value.number, value.interface))
		return STATUS_OK;
	return objects_set(taking->objects, setting, &value);
}

enum status take_memberships(struct taking *taking, const struct open_descriptor *it, int domain)
{
	enum status status = take_v4(taking, it);

	if (status != STATUS_OK || domain != AF_INET6 || (status = take_v6(taking, it)) != STATUS_OK)
		return status;
	return take_v6_interface(taking, it);
}
