#include "tracer/capture/identity/search.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(SNAPIMG_PAGE_SIZE % SIEVE_BYTES == 0, "a page is whole blocks");

enum { DIGITS_LEAST = 4 /* a shorter number is found everywhere */ };

struct id_text id_text_of(uint32_t id, bool is_hexadecimal)
{
	struct id_text text = {0};
	int length = is_hexadecimal ? snprintf(text.text, sizeof(text.text), "%x", id)
	                            : snprintf(text.text, sizeof(text.text), "%u", id);

	text.length = length < DIGITS_LEAST ? 0 : (size_t)length;
	return text;
}

/* As the first of wide characters in a word, which are two bytes each. */
static uint32_t pair_of(const char *digits)
{
	return (uint32_t)(uint8_t)digits[0] | (uint32_t)(uint8_t)digits[1] << 16;
}

/* What isn't looked for repeats what is. */
static void begin_sieve(struct id_search *search)
{
	struct sieve *sieve = &search->sieve;
	const uint32_t id = search->thread[0].tid;
	const uint64_t *form = search->form, *parents = search->parents_form;
	const char *digits = search->decimal.text;
	const uint32_t equal[SIEVE_EQUALS] = {
	        (uint32_t)form[SNAPIMG_FORM_ODD],
	        (uint32_t)form[SNAPIMG_FORM_QUAD],
	        (uint32_t)form[search->untagged],
	        (uint32_t)form[SNAPIMG_FORM_ODD_NEGATIVE],
	        0 - id,
	        search->decimal.length ? pair_of(digits) : id,
	        search->decimal.length ? pair_of(digits + 1) : id,
	};
	const uint32_t parents_equal[SIEVE_PARENTS] = {
	        search->parent,
	        (uint32_t)parents[SNAPIMG_FORM_ODD],
	        (uint32_t)parents[SNAPIMG_FORM_QUAD],
	        (uint32_t)parents[search->untagged],
	        (uint32_t)(parents[SNAPIMG_FORM_DOUBLE] >> 32),
	};

	memcpy(sieve->equal, equal, sizeof(equal));
	memcpy(sieve->parents, parents_equal, sizeof(parents_equal));
	sieve->unsigned_half = (uint32_t)(form[SNAPIMG_FORM_DOUBLE] >> 32);
	sieve->has_parent = search->parent != 0;
	memcpy(sieve->digits, search->decimal.text, SIEVE_START);
	memcpy(sieve->parents_digits, search->parents.text, SIEVE_START);
	memcpy(sieve->hexadecimal, search->hexadecimal.text, SIEVE_START);
	for (int i = 0; i < SIEVE_START; i++)
		sieve->number[i] = (uint8_t)(id >> 8 * i);
	sieve_begin(sieve);
}

static void fill_forms(uint64_t form[SNAPIMG_FORMS], uint32_t id)
{
	for (int i = 0; i < SNAPIMG_FORMS; i++)
		form[i] = snapimg_id_form((enum snapimg_id_form)i, id);
}

enum status id_search_begin(const struct snapimg_thread *thread, size_t count, uint32_t parent,
                            enum snapimg_id_form untagged, uint64_t pages, struct id_search *search)
{
	uint32_t lowest = thread[0].tid, highest = lowest;

	*search = (struct id_search){.thread = thread,
	                             .count = count,
	                             .untagged = untagged,
	                             .parent = parent,
	                             .is_small = pages < IDS_SMALL_PAGES,
	                             .lock = PTHREAD_MUTEX_INITIALIZER,
	                             .found = calloc(IDS_FOUND_MAX, sizeof(*search->found))};
	if (!search->found)
		return fail(STATUS_FAILED, "out of memory");
	for (size_t i = 1; i < count; i++) {
		lowest = thread[i].tid < lowest ? thread[i].tid : lowest;
		highest = thread[i].tid > highest ? thread[i].tid : highest;
	}
	search->sieve.lowest = lowest;
	search->sieve.span = highest - lowest;
	search->decimal = id_text_of(thread[0].tid, false);
	search->hexadecimal = id_text_of(thread[0].tid, true);
	fill_forms(search->form, thread[0].tid);
	if (parent != 0) {
		search->parents = id_text_of(parent, false);
		fill_forms(search->parents_form, parent);
	}
	begin_sieve(search);
	return STATUS_OK;
}

void id_search_free(struct id_search *search)
{
	free(search->found);
	search->found = NULL;
}

int id_search_owner(const struct id_search *search, uint32_t id)
{
	if (id - search->sieve.lowest > search->sieve.span)
		return -1;
	for (size_t i = 0; i < search->count; i++)
		if (search->thread[i].tid == id)
			return (int)i;
	return -1;
}

void id_search_add(struct id_search *search, uint64_t address, uint32_t thread, enum snapimg_kept_kind kind)
{
	pthread_mutex_lock(&search->lock);
	if (search->found_count < IDS_FOUND_MAX)
		search->found[search->found_count++] = (struct id_found){address, thread, kind};
	else
		search->has_more = true;
	pthread_mutex_unlock(&search->lock);
}

static void look_for_numbers(struct id_search *search, const uint32_t word[SIEVE_WORDS], uint64_t address)
{
	const uint32_t negative = 0 - search->thread[0].tid;

	for (size_t i = 0; i < SIEVE_WORDS; i++) {
		uint64_t at = address + i * sizeof(*word);
		uint32_t bits = word[i] % (1u << CLOCK_BITS);
		int owner = id_search_owner(search, word[i]),
		    of_clock = id_search_owner(search, sieve_as_clock(word[i]));
		if (owner >= 0)
			id_search_add(search, at, (uint32_t)owner, SNAPIMG_KEPT_WORD);
		if (of_clock >= 0 && (bits == CLOCK_OF_THREAD || (bits == CLOCK_OF_PROCESS && of_clock == 0)))
			id_search_add(search, at, (uint32_t)of_clock, SNAPIMG_KEPT_CLOCK);
		if (word[i] == negative)
			id_search_add(search, at, 0, SNAPIMG_KEPT_NEGATIVE);
		if (search->parent != 0 && word[i] == search->parent)
			id_search_add(search, at, 0, SNAPIMG_KEPT_PARENT_WORD);
	}
}

static bool is_looked_for(const struct id_search *search, int form)
{
	return form == (int)search->untagged || (form != SNAPIMG_FORM_EVEN && form != SNAPIMG_FORM_EIGHTFOLD);
}

static void look_for_forms(struct id_search *search, const uint32_t word[SIEVE_WORDS], uint64_t address)
{
	for (size_t i = 0; i < SIEVE_WORDS; i += 2) {
		uint64_t whole = (uint64_t)word[i + 1] << 32 | word[i]; /* little-endian */
		for (int form = 0; form < SNAPIMG_FORMS; form++) {
			if (!is_looked_for(search, form))
				continue;
			if (whole == search->form[form])
				id_search_add(search, address + i * sizeof(*word), 0, SNAPIMG_KEPT_TAGGED);
			if (search->parent != 0 && whole == search->parents_form[form])
				id_search_add(search, address + i * sizeof(*word), 0,
				              SNAPIMG_KEPT_PARENT_TAGGED);
		}
	}
}

static void look_for_words(struct id_search *search, const uint8_t *bytes, size_t size, uint64_t address)
{
	uint32_t word[SIEVE_WORDS];

	for (size_t at = 0; at < size; at += sizeof(word)) {
		memcpy(word, bytes + at, sizeof(word));
		if (!sieve_words(&search->sieve, word))
			continue;
		look_for_numbers(search, word, address + at);
		look_for_forms(search, word, address + at);
		id_search_wide(search, bytes, size, at, address);
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
		id_search_bytes(search, bytes, size, run->address);
		bytes += size;
	}
}
