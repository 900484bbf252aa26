/* What lies anywhere: the process's ID as text, and as a number that is no aligned word. */
#include "tracer/capture/identity/search.h"

#include <stddef.h>
#include <string.h>

enum { WIDE_BYTES = 2 /* of a character of UTF-16 */ };

struct bytes {
	const uint8_t *begin, *end;
	uint64_t address; /* of the first */
};

static bool is_text(uint8_t byte)
{
	return byte >= ' ' && byte <= '~';
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_digit_at(const struct bytes *in, const uint8_t *at)
{
	return at >= in->begin && at < in->end && is_digit(*at);
}

static bool is_word_at(const struct bytes *in, const uint8_t *at)
{
	return is_digit_at(in, at) || (at >= in->begin && at < in->end && is_letter(*at));
}

/* By "/proc/1234" and by "1234" alone, be it the value of a variable, a process is found; in a message or a
 * file's name it is only told. */
static enum snapimg_kept_kind kind_of(const struct bytes *in, const uint8_t *at, const uint8_t *after)
{
	static const char proc[] = "/proc/";
	const ptrdiff_t length = sizeof(proc) - 1;

	if (at - in->begin >= length && memcmp(at - length, proc, (size_t)length) == 0)
		return SNAPIMG_KEPT_PATH;
	if ((at == in->begin || !is_text(at[-1]) || at[-1] == '=') &&
	    (after == in->end || *after == '\0' || *after == '\n'))
		return SNAPIMG_KEPT_TEXT;
	return SNAPIMG_KEPT_NAME;
}

/* As a number of its own: "/proc/1234/fd", "pid-1234", not in the midst of a longer one. */
static bool is_decimal(const struct bytes *in, const struct id_text *text, const uint8_t *at)
{
	return text->length > 0 && text->length <= (size_t)(in->end - at) &&
	       memcmp(at, text->text, text->length) == 0 && !is_digit_at(in, at - 1) &&
	       !is_digit_at(in, at + text->length);
}

/* Of a UUID or the like. */
static bool is_between_dashes(const struct bytes *in, const uint8_t *at, const uint8_t *after)
{
	return (at > in->begin && at[-1] == '-') || (after < in->end && *after == '-');
}

/* After "0x", zeros, or nothing. *ret_begin: where these begin. */
static bool is_hexadecimal(const struct bytes *in, const struct id_text *text, const uint8_t *at,
                           const uint8_t **ret_begin)
{
	enum { LOWER = 'a' - 'A' };
	const uint8_t *after = at + text->length;

	if (text->length == 0 || text->length > (size_t)(in->end - at))
		return false;
	for (size_t i = 0; i < text->length; i++)
		if ((at[i] | LOWER) != text->text[i])
			return false;
	if (is_word_at(in, after) || is_between_dashes(in, at, after))
		return false;
	while (at > in->begin && at[-1] == '0')
		at--;
	*ret_begin = at;
	if (at - in->begin >= 2 && (at[-1] | LOWER) == 'x' && at[-2] == '0')
		*ret_begin = at - 2;
	return *ret_begin != at || !is_word_at(in, at - 1);
}

/* Something that isn't 0 comes right after it: so it is no upper part of a larger number. */
static bool is_followed(const struct bytes *in, const uint8_t *after, uint64_t address)
{
	for (; address % sizeof(uint32_t) != 0 && after < in->end; address++, after++)
		if (*after != 0)
			return true;
	return false;
}

/* Numbers of two bytes are found everywhere, where the words aren't known: of eight large programs, one in
 * five had one by accident, of 3 bytes one in 30, of more one in 300. */
static bool is_packed(const struct id_search *search, const struct bytes *in, const uint8_t *at,
                      uint64_t address)
{
	enum { BYTES_SURE = 20 };
	uint32_t id = search->thread[0].tid, word;

	if (address % sizeof(word) == 0 || (size_t)(in->end - at) < sizeof(word))
		return false;
	memcpy(&word, at, sizeof(word));
	return word == id && (search->is_small || id >> BYTES_SURE != 0 ||
	                      is_followed(in, at + sizeof(word), address + sizeof(word)));
}

static bool is_swapped(const struct id_search *search, const struct bytes *in, const uint8_t *at,
                       uint64_t address)
{
	enum { BITS_SURE = 16, POINTERS_ZEROS = 5 };
	uint32_t id = search->thread[0].tid, word;

	if ((size_t)(in->end - at) < sizeof(word))
		return false;
	memcpy(&word, at, sizeof(word));
	if (__builtin_bswap32(word) != id)
		return false;
	if (id >> BITS_SURE == 0) /* two bytes, and two of 0, as each pointer has at its end */
		return search->is_small && address % sizeof(uint64_t) < POINTERS_ZEROS;
	return search->is_small || address % sizeof(word) == 0;
}

static void look_at(struct id_search *search, const struct bytes *in, const uint8_t *at)
{
	const uint64_t address = in->address + (uint64_t)(at - in->begin);
	const uint8_t *begin;

	if (is_decimal(in, &search->decimal, at))
		id_search_add(search, address, 0, kind_of(in, at, at + search->decimal.length));
	else if (is_hexadecimal(in, &search->hexadecimal, at, &begin))
		id_search_add(search, address, 0,
		              kind_of(in, begin, at + search->hexadecimal.length) == SNAPIMG_KEPT_NAME
		                      ? SNAPIMG_KEPT_NAME
		                      : SNAPIMG_KEPT_HEXADECIMAL);
	if (is_decimal(in, &search->parents, at))
		id_search_add(search, address, 0,
		              kind_of(in, at, at + search->parents.length) == SNAPIMG_KEPT_NAME
		                      ? SNAPIMG_KEPT_PARENT_NAME
		                      : SNAPIMG_KEPT_PARENT_TEXT);
	if (is_packed(search, in, at, address))
		id_search_add(search, address, 0, SNAPIMG_KEPT_PACKED);
	if (at > in->begin && is_swapped(search, in, at - 1, address - 1)) /* its highest byte is 0 */
		id_search_add(search, address - 1, 0, SNAPIMG_KEPT_SWAPPED);
}

void id_search_bytes(struct id_search *search, const uint8_t *bytes, size_t size, uint64_t address)
{
	const struct bytes in = {bytes, bytes + size, address};

	for (size_t block = 0; block < size; block += SIEVE_BYTES) {
		bool is_last = size - block < SIEVE_BYTES + SIEVE_START - 1;
		if (!is_last && !sieve_bytes(&search->sieve, bytes + block))
			continue;
		for (size_t i = block; i < size && i < block + SIEVE_BYTES; i++)
			look_at(search, &in, bytes + i);
	}
}

void id_content_begin(uint32_t id, struct id_content *content)
{
	struct sieve *sieve = &content->sieve;

	*content = (struct id_content){.id = id, .decimal = id_text_of(id, false)};
	memcpy(sieve->digits, content->decimal.text, SIEVE_START);
	memcpy(sieve->hexadecimal, content->decimal.text, SIEVE_START);
	for (int i = 0; i < SIEVE_START; i++)
		sieve->number[i] = (uint8_t)(id >> 8 * i);
	sieve_begin(sieve);
}

/* In a large content, numbers of two bytes that lie anywhere are found by accident. */
static bool is_number(const struct id_content *content, const struct bytes *in, const uint8_t *at)
{
	enum { BITS_SURE = 16, SMALL = 1 << 16 };
	const bool is_anywhere = content->id >> BITS_SURE != 0 || in->end - in->begin <= SMALL;
	uint32_t word;

	if (at < in->begin || (size_t)(in->end - at) < sizeof(word) ||
	    (!is_anywhere && (size_t)(at - in->begin) % sizeof(word) != 0))
		return false;
	memcpy(&word, at, sizeof(word));
	return word == content->id || __builtin_bswap32(word) == content->id;
}

static enum snapimg_kept_kind kind_in_content(const struct id_content *content, const struct bytes *in,
                                              const uint8_t *at)
{
	if (is_decimal(in, &content->decimal, at))
		return kind_of(in, at, at + content->decimal.length) == SNAPIMG_KEPT_NAME
		               ? SNAPIMG_KEPT_NAMED
		               : SNAPIMG_KEPT_CONTENT;
	return is_number(content, in, at) || is_number(content, in, at - 1) ? SNAPIMG_KEPT_CONTENT
	                                                                    : SNAPIMG_KEPT_SEARCHED;
}

bool id_content_has_text(const struct id_content *content, const void *bytes, size_t size)
{
	const struct bytes in = {bytes, (const uint8_t *)bytes + size, 0};

	for (size_t i = 0; i < size; i++)
		if (is_decimal(&in, &content->decimal, in.begin + i))
			return true;
	return false;
}

enum snapimg_kept_kind id_content_look(const struct id_content *content, const void *bytes, size_t size)
{
	const struct bytes in = {bytes, (const uint8_t *)bytes + size, 0};
	enum snapimg_kept_kind result = SNAPIMG_KEPT_SEARCHED;

	for (size_t block = 0; block < size; block += SIEVE_BYTES) {
		bool is_last = size - block < SIEVE_BYTES + SIEVE_START - 1;
		if (!is_last && !sieve_bytes(&content->sieve, in.begin + block))
			continue;
		for (size_t i = block; i < size && i < block + SIEVE_BYTES; i++) {
			enum snapimg_kept_kind kind = kind_in_content(content, &in, in.begin + i);
			if (kind == SNAPIMG_KEPT_CONTENT)
				return kind;
			result = kind == SNAPIMG_KEPT_SEARCHED ? result : kind;
		}
	}
	return result;
}

static bool is_wide_digit(const uint8_t *bytes, size_t size, size_t at)
{
	return at < size && size - at >= WIDE_BYTES && is_digit(bytes[at]) && bytes[at + 1] == 0;
}

static bool is_wide_text(const struct id_text *text, const uint8_t *bytes, size_t size, size_t at)
{
	for (size_t i = 0; i < text->length; i++)
		if (!is_wide_digit(bytes, size, at + i * WIDE_BYTES) ||
		    bytes[at + i * WIDE_BYTES] != (uint8_t)text->text[i])
			return false;
	return text->length > 0 && !is_wide_digit(bytes, size, at + text->length * WIDE_BYTES) &&
	       (at < WIDE_BYTES || !is_wide_digit(bytes, size, at - WIDE_BYTES));
}

/* As kind_of(): V8 calls itself "node[1234]" in its inspector, which is no more than a message. */
static enum snapimg_kept_kind kind_of_wide(const struct bytes *in, const uint8_t *at, const uint8_t *after)
{
	static const char proc[] = "/\0p\0r\0o\0c\0/"; /* ends with a zero byte of its own */
	const ptrdiff_t length = sizeof(proc);
	const bool is_first = at - in->begin < WIDE_BYTES, is_last = in->end - after < WIDE_BYTES;

	if (at - in->begin >= length && memcmp(at - length, proc, (size_t)length) == 0)
		return SNAPIMG_KEPT_WIDE;
	if ((is_first || at[-1] != 0 || !is_text(at[-WIDE_BYTES]) || at[-WIDE_BYTES] == '=') &&
	    (is_last || ((*after == '\0' || *after == '\n') && after[1] == 0)))
		return SNAPIMG_KEPT_WIDE;
	return SNAPIMG_KEPT_NAME;
}

void id_search_wide(struct id_search *search, const uint8_t *bytes, size_t size, size_t block,
                    uint64_t address)
{
	/* One that begins just before a block is known by its second and third digit. */
	size_t before = block > 0 ? WIDE_BYTES : 0;
	const struct bytes in = {bytes, bytes + size, address};

	for (size_t at = block - before; at < block + SIEVE_BYTES - WIDE_BYTES; at += WIDE_BYTES)
		if (is_wide_text(&search->decimal, bytes, size, at))
			id_search_add(search, address + at, 0,
			              kind_of_wide(&in, bytes + at,
			                           bytes + at + search->decimal.length * WIDE_BYTES));
}
