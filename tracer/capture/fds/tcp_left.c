/* TCP connections whose other end nobody has any more: closed, after all was sent, by a process of this
 * machine. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "format/base/proc.h"
#include "tracer/capture/fds/kinds.h"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool is_mapped(const union address *address)
{
	return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr);
}

/* Who is on this machine and nowhere in its tables has gone for more than a minute. */
static bool is_loopback(const union address *address)
{
	const uint8_t *bytes = (const uint8_t *)&address->v4.sin_addr;

	if (is_mapped(address))
		bytes = address->v6.sin6_addr.s6_addr + 12;
	else if (address->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
	return *bytes == 127;
}

/* As /proc/net/tcp and tcp6 have it: words of the processor's order, and the port (net/ipv4/tcp_ipv4.c). */
static void print_address(const union address *address, char text[64])
{
	uint32_t word[4] = {address->v4.sin_addr.s_addr};
	unsigned port = ntohs(address->v4.sin_port); /* at the same place in both */

	if (address->any.sa_family == AF_INET6)
		memcpy(word, &address->v6.sin6_addr, sizeof(word));
	if (is_mapped(address))
		word[0] = word[3];
	if (address->any.sa_family == AF_INET6 && !is_mapped(address))
		snprintf(text, 64, "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 ":%04X", word[0],
		         word[1], word[2], word[3], port);
	else
		snprintf(text, 64, "%08" PRIX32 ":%04X", word[0], port);
}

/* Whether the table says that the end is there, and somebody's; *ret_listed: it is there. */
static bool is_held(const struct text *table, const char *ends, bool *ret_listed)
{
	const char *line = strstr(table->bytes, ends);
	unsigned state = 0;
	unsigned long inode = 1;

	*ret_listed = line != NULL;
	/* st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode */
	return line && (sscanf(line + strlen(ends), " %x %*s %*s %*s %*s %*s %lu", &state, &inode) != 2 ||
	                inode != 0 || state == TCP_ESTABLISHED || state == TCP_SYN_RECV);
}

bool tcp_is_left(const struct taking *taking, const struct open_descriptor *it)
{
	union address own = {{0}}, peer = {{0}};
	socklen_t own_size = sizeof(own), peer_size = sizeof(peer), size = sizeof(struct tcp_info);
	struct text table CLEANUP(text_free) = {0};
	struct tcp_info info = {0};
	char of_own[64], of_peer[64], ends[160];
	bool is_listed;
	int unsent = 0;

	if (getsockopt(it->copy, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ||
	    info.tcpi_state != TCP_CLOSE_WAIT || ioctl(it->copy, SIOCOUTQ, &unsent) < 0 || unsent != 0 ||
	    getsockname(it->copy, &own.any, &own_size) < 0 ||
	    getpeername(it->copy, &peer.any, &peer_size) < 0)
		return false;
	bool is_v6 = peer.any.sa_family == AF_INET6 && !is_mapped(&peer);
	if (proc_try_read(proc_path(taking->pid, is_v6 ? "net/tcp6" : "net/tcp").text, &table) < 0)
		return false;
	print_address(&own, of_own);
	print_address(&peer, of_peer);
	snprintf(ends, sizeof(ends), " %s %s ", of_peer, of_own);
	return !is_held(&table, ends, &is_listed) && (is_listed || is_loopback(&peer));
}

/* Made again with its address, and closed as no descriptor leads to it. It has no name: where that address
 * can't be had, nobody minds. */
enum status take_left_end(struct taking *taking, const struct sockaddr *address, uint32_t size, bool accepted,
                          int domain, uint32_t *ret_index)
{
	const struct snapimg_setting bind = {.kind = SNAPIMG_SETTING_BIND, .option = accepted, .size = size};
	struct snapimg_object object = {.kind = SNAPIMG_OBJECT_SOCKET};
	enum status status;

	object.value[SNAPIMG_SOCKET_DOMAIN] = (uint64_t)domain;
	object.value[SNAPIMG_SOCKET_TYPE] = SOCK_STREAM;
	object.value[SNAPIMG_SOCKET_PROTOCOL] = IPPROTO_TCP;
	object.value[SNAPIMG_SOCKET_STATE] = SNAPIMG_SOCKET_TCP;
	if ((status = objects_set(taking->objects, bind, address)) != STATUS_OK ||
	    (status = objects_add(taking->objects, &object)) != STATUS_OK)
		return status;
	*ret_index = (uint32_t)taking->objects->object.count;
	return STATUS_OK;
}
