#include "format/facts/inputs.h"

#include <stdbool.h>

#include "format/facts/checksum.h"

static size_t length_of(const char *text)
{
	size_t length = 0;

	while (text[length] != '\0')
		length++;
	return length;
}

static bool begins(const char *text, const char *with)
{
	while (*with != '\0' && *text == *with)
		text++, with++;
	return *with == '\0';
}

/* A shell's name for its last word, and what only snaptrace and its shim look at. */
static bool is_left_out(const char *variable)
{
	return begins(variable, "_=") || begins(variable, "SNAP_") || begins(variable, "LD_PRELOAD=");
}

uint64_t snapimg_hash_variables(char *const *environment, const char *prefix)
{
	uint64_t sum = 0;

	for (; *environment != NULL; environment++)
		if (begins(*environment, prefix) && !is_left_out(*environment))
			sum += snapimg_checksum(*environment, length_of(*environment));
	return sum;
}

uint64_t snapimg_hash_names(char *const *environment)
{
	uint64_t sum = 0;

	for (; *environment != NULL; environment++) {
		size_t length = 0;
		while ((*environment)[length] != '\0' && (*environment)[length] != '=')
			length++;
		if (!is_left_out(*environment))
			sum += snapimg_checksum(*environment, length);
	}
	return sum;
}

/* struct linux_dirent64: d_ino, d_off, d_reclen at 16, d_type, d_name at 19 (getdents(2)): type and name
 * count. */
uint64_t snapimg_hash_entries(const void *entries, size_t size)
{
	enum { LENGTH_AT = 16, TYPE_AT = 18, NAME_AT = 19 };
	const uint8_t *bytes = entries;
	uint64_t sum = 0;
	size_t at = 0;

	while (at + NAME_AT < size) {
		size_t length = bytes[at + LENGTH_AT] | (size_t)bytes[at + LENGTH_AT + 1] << 8;
		const char *name = (const char *)bytes + at + NAME_AT;
		bool is_dots = name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));

		if (length < NAME_AT)
			break;
		if (!is_dots)
			sum += snapimg_checksum(name - 1, length_of(name) + NAME_AT - TYPE_AT);
		at += length;
	}
	return sum;
}

uint32_t snapimg_hash_owner(uint32_t user, uint32_t group)
{
	const uint32_t both[] = {user, group};

	return (uint32_t)snapimg_checksum(both, sizeof(both));
}

uint64_t snapimg_hash_groups(const uint32_t *groups, size_t count)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < count; i++)
		sum += snapimg_checksum(&groups[i], sizeof(groups[i]));
	return sum;
}
