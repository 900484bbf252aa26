#include "tracer/capture/identity/among.h"

#include <string.h>

#include "tracer/capture/identity/module.h"
#include "tracer/ptrace/memory.h"

/* Objects that hold a number each take 16 to 64 bytes, mostly. */
enum { REACH = 512 };

/* What is read of the target around the number, which is at `at`. */
struct around {
	const struct id_search *search;
	const struct mappings *mappings; /* NULL: what is near is no address */
	uint64_t from;
	uint8_t bytes[2 * REACH];
	size_t size, at;
	uint32_t id;
};

/* How an ID is written, as words of 4 or 8 bytes: `step`: by how much that of the ID + 1 is more. */
struct writing {
	size_t width;
	uint64_t own, step, least, most; /* `least` and `most`: numbers of about that size */
	bool is_swapped;                 /* the highest byte first */
};

static uint64_t word_at(const struct around *around, size_t at, const struct writing *writing)
{
	uint64_t word = 0;

	memcpy(&word, around->bytes + at, writing->width); /* little-endian */
	return writing->is_swapped ? __builtin_bswap32((uint32_t)word) : word;
}

/* The numbers that come next before or after it are there, too: a map's keys, a list that counts. The IDs of
 * other threads are such numbers themselves. */
static bool is_among_neighbours(const struct around *around, const struct writing *writing)
{
	enum { FAR = 16, ENOUGH = 3 };
	uint64_t seen = 0;

	for (size_t at = around->at % writing->width; at + writing->width <= around->size;
	     at += writing->width) {
		int64_t distance = (int64_t)(word_at(around, at, writing) - writing->own);
		int64_t steps = distance / (int64_t)writing->step;
		if (distance != 0 && distance % (int64_t)writing->step == 0 && steps >= -FAR &&
		    steps <= FAR && id_search_owner(around->search, around->id + (uint32_t)steps) < 0)
			seen |= UINT64_C(1) << (steps + FAR);
	}
	return __builtin_popcountll(seen) >= ENOUGH;
}

/* Programs that are linked to one place lie at addresses of the size of IDs. */
static bool is_address(const struct around *around, size_t at, const struct writing *writing)
{
	uint64_t address;

	if (!around->mappings || writing->is_swapped || (around->from + at) % sizeof(address) != 0 ||
	    sizeof(address) > around->size - at)
		return false;
	memcpy(&address, around->bytes + at, sizeof(address));
	return mapping_at(around->mappings, address) != NULL;
}

/* At equal distances there are others of about its size: a table's column. One of the program's own threads
 * is what it seems. */
static bool is_in_column(const struct around *around, const struct writing *writing, size_t stride)
{
	enum { ROWS = 4, ENOUGH = 6 };
	uint64_t seen[2 * ROWS];
	size_t count = 0;

	for (int row = -ROWS; row <= ROWS; row++) {
		size_t at = around->at + (size_t)row * stride; /* wraps below 0, and is too large then */
		if (row == 0 || at >= around->size || writing->width > around->size - at)
			continue;
		uint64_t word = word_at(around, at, writing);
		bool is_new = word != writing->own && word >= writing->least && word <= writing->most &&
		              id_search_owner(around->search, (uint32_t)word) < 0 &&
		              !is_address(around, at, writing);
		for (size_t i = 0; i < count && is_new; i++)
			is_new = seen[i] != word;
		if (is_new)
			seen[count++] = word;
	}
	return count >= ENOUGH;
}

static bool is_among(const struct around *around, const struct writing *writing)
{
	enum { WIDEST = 128 };

	for (size_t stride = writing->width; stride <= WIDEST; stride += writing->width)
		if (is_in_column(around, writing, stride))
			return true;
	return is_among_neighbours(around, writing);
}

static bool is_among_words(const struct around *around, uint32_t id, bool is_swapped)
{
	return is_among(around,
	                &(struct writing){sizeof(uint32_t), id, 1, id / 2 + 1, 2 * (uint64_t)id, is_swapped});
}

/* -ID, in 32 bits. */
static bool is_among_negatives(const struct around *around, uint32_t id)
{
	return is_among(around,
	                &(struct writing){sizeof(uint32_t), 0 - id, 1, 0 - 2 * id, 0 - (id / 2 + 1), false});
}

static bool is_among_forms(const struct around *around, uint32_t id)
{
	const uint64_t word = word_at(around, around->at, &(struct writing){.width = sizeof(word)});

	for (int i = 0; i < SNAPIMG_FORMS; i++) {
		enum snapimg_id_form form = (enum snapimg_id_form)i;
		struct writing writing = {sizeof(word),
		                          word,
		                          snapimg_id_form(form, id + 1) - word,
		                          snapimg_id_form(form, id / 2 + 1),
		                          snapimg_id_form(form, 2 * id),
		                          false};
		if (form == SNAPIMG_FORM_ODD_NEGATIVE) {
			writing.least = snapimg_id_form(form, 2 * id);
			writing.most = snapimg_id_form(form, id / 2 + 1);
		}
		if (word == snapimg_id_form(form, id))
			return is_among(around, &writing);
	}
	return false;
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

/* Eight others of about its size, in any order. */
static bool is_among_texts(const struct around *around, uint32_t id)
{
	enum { LONGEST = 9, ENOUGH = 8 };
	uint64_t seen[ENOUGH];
	size_t count = 0, digits;

	for (size_t at = 0; at < around->size && count < ENOUGH; at += digits + 1) {
		uint64_t number = 0;
		for (digits = 0; at + digits < around->size && digits < LONGEST; digits++) {
			if (!is_digit(around->bytes[at + digits]))
				break;
			number = number * 10 + (uint64_t)(around->bytes[at + digits] - '0');
		}
		bool is_new = number != id && number > id / 2 && number / 2 < id;
		for (size_t i = 0; i < count && is_new; i++)
			is_new = seen[i] != number;
		if (is_new)
			seen[count++] = number;
	}
	return count == ENOUGH;
}

/* Its hexadecimal digits as decimal ones; 0: not all of them are. */
static uint32_t as_decimal(const struct id_text *text)
{
	uint32_t number = 0;

	for (size_t i = 0; i < text->length; i++) {
		if (!is_digit((uint8_t)text->text[i]))
			return 0;
		number = number * 10 + (uint32_t)(text->text[i] - '0');
	}
	return number;
}

/* The bytes that are near it in [start, end); false if they can't be read. */
static bool read_around(struct around *around, const struct id_found *found, uint64_t start, uint64_t end)
{
	uint64_t from = found->address - start < REACH ? start : found->address - REACH;
	uint64_t to = end - found->address < REACH ? end : found->address + REACH;

	around->size = to - from;
	around->from = from;
	around->at = found->address - from;
	return tracee_read((pid_t)around->search->thread[0].tid, from, around->bytes, to - from) == 0;
}

/* One 16-bit slot of two is empty, and what both are together is no number that is near 0. */
static bool is_half_empty(uint32_t slots)
{
	const uint16_t low = (uint16_t)slots, high = (uint16_t)(slots >> 16);

	return low == UINT16_MAX ? high != UINT16_MAX && high != 0 : high == UINT16_MAX && low <= INT16_MAX;
}

bool number_is_in_slots(const struct id_search *search, const struct id_found *found, uint64_t start,
                        uint64_t end)
{
	enum { NEAR = 128, ENOUGH = 6 };
	struct around around = {.search = search};
	size_t count = 0;

	if ((found->kind != SNAPIMG_KEPT_NEGATIVE && found->kind != SNAPIMG_KEPT_TAGGED &&
	     found->kind != SNAPIMG_KEPT_PARENT_TAGGED) ||
	    !read_around(&around, found, start, end))
		return false;
	for (size_t at = 0; at + sizeof(uint32_t) <= around.size; at += sizeof(uint32_t)) {
		uint32_t slots;
		memcpy(&slots, around.bytes + at, sizeof(slots));
		if (at + NEAR >= around.at && at <= around.at + NEAR && is_half_empty(slots))
			count++;
	}
	return count >= ENOUGH;
}

bool number_is_among_others(const struct id_search *search, const struct id_found *found,
                            const struct mapping *mapping, const struct mappings *mappings)
{
	const struct snapimg_thread *thread = search->thread;
	bool is_parents =
	        found->kind == SNAPIMG_KEPT_PARENT_WORD || found->kind == SNAPIMG_KEPT_PARENT_TEXT ||
	        found->kind == SNAPIMG_KEPT_PARENT_NAME || found->kind == SNAPIMG_KEPT_PARENT_TAGGED;
	uint32_t id = is_parents ? search->parent : thread[found->thread].tid;
	struct around around = {.search = search, .mappings = mappings, .id = id};

	if (!read_around(&around, found, mapping->record.start, mapping->record.end))
		return false;
	switch (found->kind) {
	case SNAPIMG_KEPT_WORD:
	case SNAPIMG_KEPT_PARENT_WORD:
	case SNAPIMG_KEPT_PACKED:
		return is_among_words(&around, id, false);
	case SNAPIMG_KEPT_SWAPPED:
		return is_among_words(&around, id, true);
	case SNAPIMG_KEPT_NEGATIVE:
		return is_among_negatives(&around, id);
	case SNAPIMG_KEPT_TAGGED:
	case SNAPIMG_KEPT_PARENT_TAGGED:
		return is_among_forms(&around, id);
	case SNAPIMG_KEPT_TEXT:
	case SNAPIMG_KEPT_PARENT_TEXT:
		return is_among_texts(&around, id);
	case SNAPIMG_KEPT_HEXADECIMAL:
		return is_among_texts(&around, as_decimal(&search->hexadecimal));
	default: /* a path, a name, a clock: no plain number */
		return false;
	}
}
