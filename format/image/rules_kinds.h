/* Inside the reader: the rules of each kind of object. */
#ifndef FORMAT_IMAGE_RULES_KINDS_H
#define FORMAT_IMAGE_RULES_KINDS_H

#include "format/image/check.h"

enum { SNAPIMG_MODE_MAX = 07777 }; /* of a file that an object makes */

/* include/uapi/linux/socket.h, net.h */
enum {
	AF_UNIX = 1,
	AF_INET = 2,
	AF_INET6 = 10,
	AF_NETLINK = 16,
	SOCK_STREAM = 1,
	SOCK_DGRAM = 2,
	SOCK_RAW = 3,
	SOCK_SEQPACKET = 5
};

typedef bool object_rule(const struct snapimg_object *object);
typedef bool peer_rule(const struct snapimg_object *object, const struct snapimg_object *peer);
typedef bool content_rule(const struct snapimg_object *object, const struct snapimg_content *content);

/* What is particular to a kind. NULL: any values, no peer, no contents. */
struct snapimg_kind_rule {
	object_rule *values;
	peer_rule *peer; /* of the peer, or of NULL where there is none */
	content_rule *content;
	uint32_t settings; /* bit n: settings of that kind fit */
	bool names_path;   /* `name` is absolute: the directory where a file is made, or the file itself */
};

/* Never NULL: a kind that has nothing to say, or that is unknown, has a rule without values, peer and
 * contents. */
const struct snapimg_kind_rule *snapimg_rule_of_kind(const struct snapimg_object *object);

#endif
