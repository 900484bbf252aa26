#include "tracer/capture/store/inherit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/proc.h"
#include "tracer/capture/identity/module.h"

/* A start puts few pages of its own faster over many inherited ones than it maps what is before and after
 * them: 1.7 us a page, 1.3 a call (format/convert/thaw_plan.c). */
enum { BRIDGED_MAX = 8 };

static uint64_t end_of(const struct held *held)
{
	return held->address + (uint64_t)held->pages * SNAPIMG_PAGE_SIZE;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool may_inherit(const struct mappings *mappings, uint64_t address)
{
	const struct mapping *mapping = mapping_at(mappings, address);

	return mapping &&
	       (mapping->record.kind == SNAPIMG_MAPPING_ANONYMOUS ||
	        mapping->record.kind == SNAPIMG_MAPPING_STACK ||
	        mapping->record.kind == SNAPIMG_MAPPING_FILE) &&
	       !(mapping->record.flags &
	         (SNAPIMG_MAP_SHARED | SNAPIMG_MAP_EMBEDDED | SNAPIMG_MAP_DROPPABLE)) &&
	       !(mapping->record.advice & SNAPIMG_ADVICE_WIPEONFORK);
}

/* The first that ends past the address. */
static size_t held_after(const struct holdings *holdings, uint64_t address)
{
	size_t low = 0, high = holdings->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (end_of(&holdings->held[middle]) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What a job's pages become. */
struct sorting {
	struct job_pages *pages;
	struct snapimg_run run[JOB_PAGES_MAX];
	uint32_t run_count, stored;
	uint32_t first_run, first_inherited; /* of the run under way: no run is in two mappings */
};

static void keep(struct sorting *sorting, uint64_t address, const uint8_t *page)
{
	struct snapimg_run *last =
	        sorting->run_count > sorting->first_run ? &sorting->run[sorting->run_count - 1] : NULL;
	uint8_t *to = sorting->pages->bytes + (size_t)sorting->stored++ * SNAPIMG_PAGE_SIZE;

	if (to != page)
		memmove(to, page, SNAPIMG_PAGE_SIZE);
	if (last && snapimg_run_end(last) == address)
		last->pages++;
	else
		sorting->run[sorting->run_count++] =
		        (struct snapimg_run){.address = address, .pages = 1, .kind = SNAPIMG_RUN_DATA};
}

static void inherit(struct sorting *sorting, uint64_t address, uint32_t member)
{
	struct job_pages *pages = sorting->pages;
	struct held *last = pages->inherited_count > sorting->first_inherited
	                            ? &pages->inherited[pages->inherited_count - 1]
	                            : NULL;

	if (last && end_of(last) == address && last->member == member)
		last->pages++;
	else
		pages->inherited[pages->inherited_count++] = (struct held){address, 1, member};
}

static void sort_run(const struct inheriting *inheriting, struct sorting *sorting,
                     const struct snapimg_run *run, const uint8_t *from)
{
	const struct holdings *parents = inheriting->parents;
	uint8_t *theirs = sorting->pages->file_bytes;
	uint64_t at = run->address, end = snapimg_run_end(run);

	sorting->first_run = sorting->run_count;
	sorting->first_inherited = sorting->pages->inherited_count;
	for (size_t i = held_after(parents, at); at < end; i++) {
		bool is_last = i >= parents->count || parents->held[i].address >= end;
		const struct held *held = is_last ? NULL : &parents->held[i];
		uint64_t until = is_last ? end : held->address;

		for (; at < until; at += SNAPIMG_PAGE_SIZE, from += SNAPIMG_PAGE_SIZE)
			keep(sorting, at, from);
		if (is_last)
			return;
		until = lower(end_of(held), end);
		uint32_t known = read_shared_pages(inheriting->memory, at,
		                                   (uint32_t)((until - at) / SNAPIMG_PAGE_SIZE), theirs);
		for (uint32_t page = 0; at < until;
		     page++, at += SNAPIMG_PAGE_SIZE, from += SNAPIMG_PAGE_SIZE)
			if (page < known &&
			    memcmp(from, theirs + (size_t)page * SNAPIMG_PAGE_SIZE, SNAPIMG_PAGE_SIZE) == 0)
				inherit(sorting, at, held->member);
			else
				keep(sorting, at, from);
	}
}

/* Nothing is equal to what can't be read. */
void inherit_begin(struct inheriting *inheriting)
{
	inheriting->memory = inheriting->parents
	                             ? open(proc_path(inheriting->parent, "mem").text, O_RDONLY | O_CLOEXEC)
	                             : -1;
}

void inherit_end(struct inheriting *inheriting)
{
	if (inheriting->memory >= 0)
		close(inheriting->memory);
	inheriting->memory = -1;
}

void inherit_sort_out(const struct inheriting *inheriting, struct job_pages *pages)
{
	struct sorting sorting = {.pages = pages};
	const uint8_t *from = pages->bytes;

	pages->inherited_count = 0;
	if (!inheriting->parents || pages->error)
		return;
	for (uint32_t i = 0; i < pages->run_count; i++) {
		const struct snapimg_run *run = &pages->run[i];

		if (run->kind != SNAPIMG_RUN_DATA) {
			sorting.run[sorting.run_count++] = *run;
			continue;
		}
		if (may_inherit(inheriting->mappings, run->address)) {
			sort_run(inheriting, &sorting, run, from);
		} else {
			sorting.first_run = sorting.run_count;
			for (uint32_t page = 0; page < run->pages; page++)
				keep(&sorting, run->address + (uint64_t)page * SNAPIMG_PAGE_SIZE,
				     from + (size_t)page * SNAPIMG_PAGE_SIZE);
		}
		from += (size_t)run->pages * SNAPIMG_PAGE_SIZE;
	}
	memcpy(pages->run, sorting.run, sorting.run_count * sizeof(*pages->run));
	pages->run_count = sorting.run_count;
	pages->stored_pages = sorting.stored;
}

static void hold(struct inheriting *inheriting, struct held held)
{
	struct holdings *own = &inheriting->own;
	struct held *last = own->count ? &own->held[own->count - 1] : NULL;

	if (last && last->member == held.member && end_of(last) == held.address &&
	    held.pages <= UINT32_MAX - last->pages) {
		last->pages += held.pages;
		return;
	}
	struct held *added = array_add(own->held, own->count);
	if (added)
		*added = held;
	else
		inheriting->failed = true;
}

void inherit_note(struct inheriting *inheriting, const struct job_pages *pages)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < pages->run_count; i++) {
		const struct snapimg_run *run = &pages->run[i];

		for (; next < pages->inherited_count && pages->inherited[next].address < run->address; next++)
			hold(inheriting, pages->inherited[next]);
		if (run->kind == SNAPIMG_RUN_DATA)
			hold(inheriting, (struct held){run->address, run->pages, inheriting->member});
	}
	while (next < pages->inherited_count)
		hold(inheriting, pages->inherited[next++]);
}

/* Own pages between inherited ones, which the holder of these has, too. */
static bool is_bridged(const struct inheriting *inheriting, const struct held *own, const struct held *before)
{
	const struct holdings *parents = inheriting->parents;
	size_t i = held_after(parents, own->address);

	return own->member == inheriting->member && own->pages <= BRIDGED_MAX &&
	       end_of(before) == own->address && end_of(own) == own[1].address &&
	       own[1].member == before->member && i < parents->count &&
	       parents->held[i].address <= own->address && end_of(&parents->held[i]) >= end_of(own) &&
	       parents->held[i].member == before->member;
}

static bool is_one_mapping(const struct inheriting *inheriting, uint64_t a, uint64_t b)
{
	return mapping_at(inheriting->mappings, a) == mapping_at(inheriting->mappings, b);
}

/* Up to the mapping's end. */
static enum snapimg_error write_one(const struct inheriting *inheriting, struct held held,
                                    struct snapimg_writer *writer)
{
	enum snapimg_error error = SNAPIMG_OK;

	while (held.pages > 0 && error == SNAPIMG_OK) {
		const struct mapping *mapping = mapping_at(inheriting->mappings, held.address);
		uint64_t end = lower(end_of(&held), mapping->record.end);
		const struct snapimg_inherited record = {
		        .address = held.address,
		        .pages = (uint32_t)((end - held.address) / SNAPIMG_PAGE_SIZE),
		        .member = held.member};

		error = snapimg_writer_add(writer, SNAPIMG_SECTION_INHERITED, &record, sizeof(record));
		held.address = end;
		held.pages -= record.pages;
	}
	return error;
}

enum snapimg_error inherit_write(const struct inheriting *inheriting, struct snapimg_writer *writer)
{
	const struct holdings *own = &inheriting->own;
	enum snapimg_error error = inheriting->failed ? SNAPIMG_ERR_MEMORY : SNAPIMG_OK;

	for (size_t i = 0; i < own->count && error == SNAPIMG_OK; i++) {
		struct held held = own->held[i];

		if (held.member == inheriting->member)
			continue;
		while (i + 2 < own->count && is_bridged(inheriting, &own->held[i + 1], &held) &&
		       is_one_mapping(inheriting, held.address, own->held[i + 2].address)) {
			held.pages += own->held[i + 1].pages + own->held[i + 2].pages;
			i += 2;
		}
		error = write_one(inheriting, held, writer);
	}
	return error;
}

void inherit_free(struct inheriting *inheriting)
{
	free(inheriting->own.held);
	inheriting->own = (struct holdings){0};
}
