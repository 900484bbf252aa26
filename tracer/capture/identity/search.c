#include "tracer/capture/identity/search.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WORDS_AT_ONCE = 64, /* compared without a branch, for the compiler to do several in one instruction */
	BYTES_AT_ONCE = WORDS_AT_ONCE * sizeof(uint32_t),
	DIGITS_LEAST = 4, /* a shorter number is found everywhere */
};
static_assert(SNAPIMG_PAGE_SIZE % (WORDS_AT_ONCE * sizeof(uint32_t)) == 0, "a page is whole blocks");

enum status id_search_begin(const struct snapimg_thread *thread, size_t count, uint32_t parent,
                            struct id_search *search)
{
	uint32_t highest = thread[0].tid;

	*search = (struct id_search){.thread = thread,
	                             .count = count,
	                             .lowest = thread[0].tid,
	                             .parent = parent,
	                             .lock = PTHREAD_MUTEX_INITIALIZER,
	                             .found = calloc(IDS_FOUND_MAX, sizeof(*search->found))};
	if (!search->found)
		return fail(STATUS_FAILED, "out of memory");
	for (size_t i = 1; i < count; i++) {
		search->lowest = thread[i].tid < search->lowest ? thread[i].tid : search->lowest;
		highest = thread[i].tid > highest ? thread[i].tid : highest;
	}
	search->span = highest - search->lowest;
	for (int form = 0; form < SNAPIMG_FORMS; form++)
		search->form[form] = snapimg_id_form((enum snapimg_id_form)form, thread[0].tid);
	search->length = (size_t)snprintf(search->text, sizeof(search->text), "%u", thread[0].tid);
	return STATUS_OK;
}

void id_search_free(struct id_search *search)
{
	free(search->found);
	search->found = NULL;
}

int id_search_owner(const struct id_search *search, uint32_t id)
{
	if (id - search->lowest > search->span)
		return -1;
	for (size_t i = 0; i < search->count; i++)
		if (search->thread[i].tid == id)
			return (int)i;
	return -1;
}

static void add(struct id_search *search, uint64_t address, uint32_t thread, uint32_t kind)
{
	pthread_mutex_lock(&search->lock);
	if (search->found_count < IDS_FOUND_MAX)
		search->found[search->found_count++] = (struct id_found){address, thread, kind};
	else
		search->has_more = true;
	pthread_mutex_unlock(&search->lock);
}

/* The number of a clock that belongs to an ID: ~ID << 3, and 6 for a thread's, 2 for the process's (glibc's
 * and musl's pthread_getcpuclockid and clock_getcpuclockid). As ~(word >> 3) is the ID, all candidates are in
 * one range. */
enum { CLOCK_BITS = 3, CLOCK_OF_THREAD = 6, CLOCK_OF_PROCESS = 2 };

static uint32_t as_clock(uint32_t word)
{
	return (uint32_t) ~((int32_t)word >> CLOCK_BITS);
}

/* Whether any of them can be a number that is looked for. Of languages' numbers, which have 64 bits, the
 * lower half is compared, wherever it stands: the baseline of x86-64 compares 32 bits in one instruction, 64
 * in several. */
static bool has_any(const struct id_search *search, const uint32_t word[WORDS_AT_ONCE])
{
	const uint32_t lowest = search->lowest, span = search->span, parent = search->parent,
	               odd = (uint32_t)search->form[SNAPIMG_FORM_ODD],
	               quad = (uint32_t)search->form[SNAPIMG_FORM_QUAD],
	               nibble = (uint32_t)search->form[SNAPIMG_FORM_NIBBLE],
	               twice = (uint32_t)(search->form[SNAPIMG_FORM_DOUBLE] >> 32);
	uint32_t any = 0;

	for (size_t i = 0; i < WORDS_AT_ONCE; i++)
		any |= (uint32_t)((word[i] - lowest <= span) | (as_clock(word[i]) - lowest <= span) |
		                  (word[i] == odd) | (word[i] == quad) | (word[i] == nibble) |
		                  (word[i] == twice));
	if (parent != 0)
		for (size_t i = 0; i < WORDS_AT_ONCE; i++)
			any |= (uint32_t)(word[i] == parent);
	return any != 0;
}

static void look_for_numbers(struct id_search *search, const uint32_t word[WORDS_AT_ONCE], uint64_t address)
{
	for (size_t i = 0; i < WORDS_AT_ONCE; i++) {
		uint64_t at = address + i * sizeof(*word);
		uint32_t bits = word[i] % (1u << CLOCK_BITS);
		int owner = id_search_owner(search, word[i]),
		    of_clock = id_search_owner(search, as_clock(word[i]));
		if (owner >= 0)
			add(search, at, (uint32_t)owner, SNAPIMG_KEPT_WORD);
		if (of_clock >= 0 && (bits == CLOCK_OF_THREAD || (bits == CLOCK_OF_PROCESS && of_clock == 0)))
			add(search, at, (uint32_t)of_clock, SNAPIMG_KEPT_CLOCK);
		if (search->parent != 0 && word[i] == search->parent)
			add(search, at, 0, SNAPIMG_KEPT_PARENT_WORD);
	}
}

static void look_for_forms(struct id_search *search, const uint32_t word[WORDS_AT_ONCE], uint64_t address)
{
	for (size_t i = 0; i < WORDS_AT_ONCE; i += 2)
		for (int form = 0; form < SNAPIMG_FORMS; form++)
			if (((uint64_t)word[i + 1] << 32 | word[i]) == search->form[form]) /* little-endian */
				add(search, address + i * sizeof(*word), 0, SNAPIMG_KEPT_TAGGED);
}

static void look_for_words(struct id_search *search, const uint8_t *bytes, size_t size, uint64_t address)
{
	uint32_t word[WORDS_AT_ONCE];

	for (size_t at = 0; at < size; at += sizeof(word)) {
		memcpy(word, bytes + at, sizeof(word));
		if (!has_any(search, word))
			continue;
		look_for_numbers(search, word, address + at);
		look_for_forms(search, word, address + at);
	}
}

static bool is_text(uint8_t byte)
{
	return byte >= ' ' && byte <= '~';
}

/* By "/proc/1234" and by "1234" alone a process is found; in a message or a file's name it is only told. */
static enum snapimg_kept_kind kind_of(const uint8_t *bytes, const uint8_t *at, const uint8_t *after,
                                      const uint8_t *end)
{
	static const char proc[] = "/proc/";
	const ptrdiff_t length = sizeof(proc) - 1;

	if (at - bytes >= length && memcmp(at - length, proc, (size_t)length) == 0)
		return SNAPIMG_KEPT_PATH;
	if ((at == bytes || !is_text(at[-1])) && (after == end || *after == '\0' || *after == '\n'))
		return SNAPIMG_KEPT_TEXT;
	return SNAPIMG_KEPT_NAME;
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

/* Its first two digits follow each other somewhere: some times as fast as memmem(3). One byte more is there.
 */
static bool has_digits(const uint8_t bytes[BYTES_AT_ONCE + 1], uint8_t first, uint8_t second)
{
	uint8_t any = 0;

	for (size_t i = 0; i < BYTES_AT_ONCE; i++)
		any = (uint8_t)(any | ((bytes[i] == first) & (bytes[i + 1] == second)));
	return any != 0;
}

/* As a number of its own: "/proc/1234/fd", "pid-1234", not in the midst of a longer one. */
static void look_for_text(struct id_search *search, const uint8_t *bytes, size_t size, uint64_t address)
{
	const uint8_t *end = bytes + size, *text = (const uint8_t *)search->text;

	if (search->length < DIGITS_LEAST)
		return;
	for (const uint8_t *block = bytes; block < end; block += BYTES_AT_ONCE) {
		const uint8_t *at = block, *block_end = block + BYTES_AT_ONCE + search->length - 1;
		bool is_last = block_end > end;
		if (!is_last && !has_digits(block, text[0], text[1]))
			continue;
		block_end = is_last ? end : block_end;
		while ((at = memmem(at, (size_t)(block_end - at), text, search->length)) != NULL) {
			const uint8_t *after = at + search->length;
			if ((at == bytes || !is_digit(at[-1])) && (after == end || !is_digit(*after)))
				add(search, address + (uint64_t)(at - bytes), 0,
				    kind_of(bytes, at, after, end));
			at = after;
		}
	}
}

void id_search_look(struct id_search *search, const struct job_pages *pages)
{
	const uint8_t *bytes = pages->bytes;

	for (uint32_t i = 0; i < pages->run_count; i++) {
		const struct snapimg_run *run = &pages->run[i];
		size_t size = (size_t)run->pages * SNAPIMG_PAGE_SIZE;
		if (run->kind != SNAPIMG_RUN_DATA)
			continue;
		look_for_words(search, bytes, size, run->address);
		look_for_text(search, bytes, size, run->address);
		bytes += size;
	}
}
