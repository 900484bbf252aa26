#include "tracer/capture/identity/kept.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/image/reader.h"
#include "tracer/capture/identity/among.h"
#include "tracer/capture/identity/look.h"
#include "tracer/capture/identity/module.h"
#include "tracer/capture/identity/places.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/system_calls.h"

enum { KEPT_MAX = 256, COMMON_BELOW = 4096 };

enum status kept_add(struct kept_ids *kept, struct kept_id id)
{
	struct kept_id *added = array_add(kept->id, kept->count);

	if (!added)
		return fail(STATUS_FAILED, "out of memory");
	*added = id;
	return STATUS_OK;
}

/* A view that shows this place of a memory; NULL: none does. */
static const struct mapping *find_view(const struct mappings *mappings, const struct mapping *memory,
                                       uint64_t *address)
{
	uint64_t offset = *address - memory->record.start;
	uint32_t index = (uint32_t)(memory - mappings->mapping) + 1;

	for (size_t i = 0; i < mappings->count; i++) {
		const struct snapimg_mapping *view = &mappings->mapping[i].record;
		if (view->kind == SNAPIMG_MAPPING_VIEW && view->file == index && offset >= view->offset &&
		    offset - view->offset < view->end - view->start) {
			*address = view->start + (offset - view->offset);
			return &mappings->mapping[i];
		}
	}
	return NULL;
}

static const char *name_of(const struct look *look, const struct mapping *mapping, uint64_t address)
{
	const char *module = module_of_data(look->mappings, look->files, address);

	if (module)
		return module;
	return mapping->vma && *mapping->vma->name ? mapping->vma->name : "memory";
}

static bool is_fixed(const struct fixups *fixups, uint64_t address)
{
	for (size_t i = 0; i < fixups->count; i++)
		if (fixups->record[i].address == address && (fixups->record[i].kind == SNAPIMG_FIXUP_TID ||
		                                             fixups->record[i].kind == SNAPIMG_FIXUP_ROBUST))
			return true;
	return false;
}

/* How many bytes of memory it takes. */
static size_t size_of(const struct id_search *search, const struct id_found *found)
{
	switch (found->kind) {
	case SNAPIMG_KEPT_TAGGED:
	case SNAPIMG_KEPT_PARENT_TAGGED:
		return sizeof(uint64_t);
	case SNAPIMG_KEPT_TEXT:
	case SNAPIMG_KEPT_NAME:
	case SNAPIMG_KEPT_PATH:
		return search->decimal.length;
	case SNAPIMG_KEPT_PARENT_TEXT:
	case SNAPIMG_KEPT_PARENT_NAME:
		return search->parents.length;
	case SNAPIMG_KEPT_HEXADECIMAL:
		return search->hexadecimal.length;
	case SNAPIMG_KEPT_WIDE:
		return 2 * search->decimal.length;
	default:
		return sizeof(uint32_t);
	}
}

static bool is_text(uint32_t kind)
{
	return kind == SNAPIMG_KEPT_TEXT || kind == SNAPIMG_KEPT_PATH || kind == SNAPIMG_KEPT_NAME ||
	       kind == SNAPIMG_KEPT_HEXADECIMAL || kind == SNAPIMG_KEPT_WIDE ||
	       kind == SNAPIMG_KEPT_PARENT_TEXT || kind == SNAPIMG_KEPT_PARENT_NAME;
}

/* A constant of the file in a page that the program has changed elsewhere. */
static bool is_of_file(const struct look *look, const struct mapping *mapping, const struct id_found *found)
{
	const struct snapimg_mapping *record = &mapping->record;
	uint8_t here[2 * sizeof(look->search->decimal.text)], there[sizeof(here)];
	size_t size = size_of(look->search, found);

	if (mapping->of_shim) /* which is in the image by content, and keeps no ID */
		return true;
	if (record->kind != SNAPIMG_MAPPING_FILE || record->file == 0)
		return false;
	const struct file *file = &look->files->file[record->file - 1];
	off_t offset = (off_t)(record->offset + (found->address - record->start));
	return file->fd >= 0 && pread(file->fd, there, size, offset) == (ssize_t)size &&
	       tracee_read(look->threads->stopped->thread[0].tid, found->address, here, size) == 0 &&
	       memcmp(here, there, size) == 0;
}

/* Part of an address of something that is mapped. */
static bool is_of_pointer(const struct look *look, const struct id_found *found)
{
	enum { WORD = sizeof(uint64_t), LAST = sizeof(uint32_t) - 1 };
	uint64_t first = found->address - found->address % WORD,
	         last = found->address + LAST - (found->address + LAST) % WORD, word;

	if (size_of(look->search, found) != sizeof(uint32_t))
		return false;
	for (uint64_t address = first; address <= last; address += WORD)
		if (tracee_read(look->threads->stopped->thread[0].tid, address, &word, sizeof(word)) == 0 &&
		    word > UINT32_MAX && mapping_at(look->mappings, word) != NULL)
			return true;
	return false;
}

/* A file's data that can't be written were relocated before the program ran, and knew of no ID (RELRO). */
static bool is_relocated(const struct mapping *mapping)
{
	return mapping->record.kind == SNAPIMG_MAPPING_FILE &&
	       (mapping->record.flags & SNAPIMG_MAP_SHARED) == 0 &&
	       (mapping->record.protection & (SNAPIMG_PROT_WRITE | SNAPIMG_PROT_EXEC)) == 0;
}

/* What lies in the program's own memory, which it alone can write: there a fix-up can be. */
static bool is_number_of_its_own(const struct mapping *mapping, uint32_t kind)
{
	return (kind == SNAPIMG_KEPT_WORD || kind == SNAPIMG_KEPT_TAGGED) &&
	       (mapping->record.flags & SNAPIMG_MAP_SHARED) == 0 &&
	       (mapping->record.protection & SNAPIMG_PROT_WRITE) != 0 &&
	       mapping->record.kind != SNAPIMG_MAPPING_VIEW;
}

/* Instructions that were made in memory, of which many words look like an ID: a jump over 83 bytes is one of
 * 21,225. Where stacks can be executed, so can be all else. */
static bool is_of_code(const struct look *look, const struct mapping *mapping, uint32_t kind)
{
	if ((mapping->record.protection & SNAPIMG_PROT_EXEC) == 0 || is_text(kind))
		return false;
	for (size_t i = 0; i < look->mappings->count; i++) {
		const struct snapimg_mapping *record = &look->mappings->mapping[i].record;
		if (record->kind == SNAPIMG_MAPPING_STACK && (record->protection & SNAPIMG_PROT_EXEC) != 0)
			return false;
	}
	return true;
}

/* Of these there is one in code by accident too often. */
static bool is_rare(uint32_t kind)
{
	return kind == SNAPIMG_KEPT_NEGATIVE || kind == SNAPIMG_KEPT_PACKED || kind == SNAPIMG_KEPT_SWAPPED;
}

static bool is_of_parent(uint32_t kind)
{
	return kind == SNAPIMG_KEPT_PARENT_WORD || kind == SNAPIMG_KEPT_PARENT_TEXT ||
	       kind == SNAPIMG_KEPT_PARENT_TAGGED || kind == SNAPIMG_KEPT_PARENT_NAME;
}

/* What changes when the program's parent ends: that is how it sees that. */
static enum status keep_parent(const struct look *look, const struct mapping *mapping, struct kept_id id)
{
	if (is_of_code(look, mapping, id.record.kind) ||
	    number_is_among_others(look->search, &(struct id_found){id.record.address, 0, id.record.kind},
	                           mapping, look->mappings))
		return STATUS_OK;
	id.where = name_of(look, mapping, id.record.address);
	look->kept->uncorrected++;
	explain("kept: ID of the parent as %s at 0x%" PRIx64 " in %s", snapimg_kept_name(id.record.kind),
	        id.record.address, id.where);
	return kept_add(look->kept, id);
}

/* CPython tags no numbers, and its instructions have words between them that look like tagged ones. It has
 * doubles. */
static bool is_of_other_language(const struct look *look, const struct id_found *found)
{
	const struct mappings *mappings = look->mappings;
	const bool is_parents = found->kind == SNAPIMG_KEPT_PARENT_TAGGED;
	const uint64_t *form = is_parents ? look->search->parents_form : look->search->form;
	uint64_t word;

	if ((found->kind != SNAPIMG_KEPT_TAGGED && !is_parents) ||
	    tracee_read((pid_t)look->search->thread[0].tid, found->address, &word, sizeof(word)) < 0 ||
	    word == form[SNAPIMG_FORM_DOUBLE] || word == form[SNAPIMG_FORM_DOUBLE_NEGATIVE])
		return false;
	return (module_is_mapped(mappings, "python3") || module_is_mapped(mappings, "libpython3")) &&
	       !module_is_mapped(mappings, "libruby") && !module_is_mapped(mappings, "libperl") &&
	       !module_is_mapped(mappings, "liblua");
}

/* V8 has two for people, whether anybody asks for them or not: the name of its inspector's target,
 * node[1234], and that of a log file, isolate-0x55e0-1234-v8.log. */
static bool is_message_of_v8(const struct look *look, const struct id_found *found)
{
	static const char target[] = "n\0o\0d\0e\0[", log[] = "-v8.log";
	char before[sizeof(target)], after[sizeof(log) - 1];
	const pid_t pid = look->threads->stopped->thread[0].tid;

	if (found->kind != SNAPIMG_KEPT_NAME)
		return false;
	return (tracee_read(pid, found->address - sizeof(before), before, sizeof(before)) == 0 &&
	        memcmp(before, target, sizeof(before)) == 0) ||
	       (tracee_read(pid, found->address + look->search->decimal.length, after, sizeof(after)) == 0 &&
	        memcmp(after, log, sizeof(after)) == 0);
}

/* What stands around a number of the program's own. */
static struct place look_at_place(const struct look *look, const struct mapping *mapping,
                                  const struct id_found *found)
{
	const struct snapimg_thread *owner = &look->threads->thread[found->thread];
	struct place place = {
	        .pid = look->threads->stopped->thread[0].tid,
	        .address = found->address,
	        .id = owner->tid,
	        .thread = found->thread,
	        .self = owner->registers.fs_base,
	        .module = module_of_data(look->mappings, look->files, found->address),
	        .mappings = look->mappings,
	};

	place_look(&place, mapping->record.start, mapping->record.end);
	return place;
}

/* It is something else, which equals an ID by accident. `place`: NULL where it isn't known. */
static bool is_none(const struct look *look, const struct mapping *mapping, const struct id_found *found,
                    const struct place *place)
{
	bool is_word = place && found->kind == SNAPIMG_KEPT_WORD;

	if (is_word && place_is_python_int(place))
		return false;
	return is_of_pointer(look, found) || is_relocated(mapping) ||
	       (is_rare(found->kind) && is_of_code(look, mapping, found->kind)) ||
	       is_of_other_language(look, found) || is_message_of_v8(look, found) ||
	       (place && place_is_version_of_dict(place)) ||
	       (is_word && (place_is_state_of_str(place) || place_is_range_of_text(place) ||
	                    place_is_size_of_chunk(place)));
}

static enum status sort_out(const struct look *look, const struct id_found *found)
{
	const struct mapping *mapping = mapping_at(look->mappings, found->address);
	struct kept_id id = {
	        .record = {.address = found->address, .kind = found->kind, .thread = found->thread}};
	struct known known = {0};
	struct place place;
	enum status status = STATUS_OK;

	if (mapping && mapping->record.kind == SNAPIMG_MAPPING_MEMORY)
		mapping = find_view(look->mappings, mapping, &id.record.address);
	if (!mapping || kept_is_left_on_stack(look, mapping, found->address) ||
	    is_fixed(look->fixups, found->address) || is_of_file(look, mapping, found))
		return STATUS_OK;
	bool is_own = is_number_of_its_own(mapping, found->kind);
	if (is_own)
		place = look_at_place(look, mapping, found);
	if (is_none(look, mapping, found, is_own ? &place : NULL) ||
	    number_is_in_slots(look->search,
	                       &(struct id_found){id.record.address, found->thread, found->kind},
	                       mapping->record.start, mapping->record.end))
		return STATUS_OK;
	if (is_of_parent(found->kind))
		return keep_parent(look, mapping, id);
	if (is_own && found->kind == SNAPIMG_KEPT_WORD)
		status = place_recognise(&place, look->fixups, &known);
	if (is_own && !known.name && place_is_among_numbers(&place))
		id.record.kind = SNAPIMG_KEPT_UNSURE;
	bool among_others =
	        !known.name &&
	        (is_of_code(look, mapping, found->kind) ||
	         number_is_among_others(look->search,
	                                &(struct id_found){id.record.address, found->thread, found->kind},
	                                mapping, look->mappings));
	/* Of all threads' IDs some number is one by accident; who keeps them has several. */
	if (among_others && found->thread > 0)
		return STATUS_OK;
	if (among_others)
		id.record.kind = SNAPIMG_KEPT_UNSURE;
	id.where = name_of(look, mapping, id.record.address);
	id.what = known.name;
	id.record.corrected = known.name ? 1 : 0;
	if (known.is_seed)
		id.record.kind = SNAPIMG_KEPT_SEED;
	else if (!known.name)
		look->kept->uncorrected++;
	explain("%s ID as %s of thread %u at 0x%" PRIx64 " in %s%s%s",
	        known.name ? "known:" : "kept:", snapimg_kept_name(id.record.kind), found->thread + 1,
	        id.record.address, id.where, id.what ? ", " : "", id.what ? id.what : "");
	return status == STATUS_OK ? kept_add(look->kept, id) : status;
}

/* Whether its file has the name by which a program asks which file it runs. */
static bool has_question(const struct file *file, const struct snapimg_mapping *record, uint64_t *ret_address)
{
	static const char question[] = "/proc/self/exe";
	size_t size = record->end - record->start;
	const char *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file->fd, (off_t)record->offset);

	if (bytes == MAP_FAILED)
		return false;
	size_t inside = file->record.size - record->offset < size ? file->record.size - record->offset : size;
	const char *found = memmem(bytes, inside, question, sizeof(question) - 1);
	if (found)
		*ret_address = record->start + (uint64_t)(found - bytes);
	munmap((void *)(uintptr_t)bytes, size);
	return found != NULL;
}

/* No dynamic linker, so its file has the C library's own question too, which was asked before main. */
static bool is_static(const struct mappings *mappings, const char *executable)
{
	for (size_t i = 0; i < mappings->count; i++) {
		const struct mapping *mapping = &mappings->mapping[i];
		if (mapping->record.kind == SNAPIMG_MAPPING_FILE &&
		    (mapping->record.protection & SNAPIMG_PROT_EXEC) != 0 &&
		    strcmp(mapping->vma->name, executable) != 0)
			return false;
	}
	return true;
}

static enum status look_for_question(const struct look *look, const char *executable)
{
	uint64_t address;

	if (is_static(look->mappings, executable))
		return STATUS_OK;
	for (size_t i = 0; i < look->mappings->count; i++) {
		const struct snapimg_mapping *record = &look->mappings->mapping[i].record;
		if (record->kind != SNAPIMG_MAPPING_FILE || record->file == 0)
			continue;
		const struct file *file = &look->files->file[record->file - 1];
		if (file->fd >= 0 && strcmp(file->path, executable) == 0 &&
		    record->offset < file->record.size && has_question(file, record, &address))
			return kept_add(look->kept,
			                (struct kept_id){.record = {.kind = SNAPIMG_KEPT_EXECUTABLE,
			                                            .address = address},
			                                 .where = file->path});
	}
	return STATUS_OK;
}

static int by_address(const void *a, const void *b)
{
	uint64_t first = ((const struct id_found *)a)->address,
	         second = ((const struct id_found *)b)->address;

	return first < second ? -1 : first > second;
}

/* A small number, or one that is found all over the memory, is mostly something else. */
static bool is_common(const struct id_search *search, const struct kept_ids *kept)
{
	return search->has_more || kept->uncorrected > KEPT_MAX ||
	       (kept->uncorrected > 0 && search->sieve.lowest < COMMON_BELOW);
}

static enum status forget_common(struct kept_ids *kept)
{
	size_t count = 0;

	for (size_t i = 0; i < kept->count; i++)
		if (kept->id[i].record.corrected || kept->id[i].record.kind == SNAPIMG_KEPT_SEARCHED ||
		    kept->id[i].record.kind == SNAPIMG_KEPT_PARENT)
			kept->id[count++] = kept->id[i];
	kept->count = count;
	return kept_add(kept, (struct kept_id){.record.kind = SNAPIMG_KEPT_COMMON});
}

enum status kept_find(const struct id_search *search, const struct threads *threads,
                      const struct mappings *mappings, const struct plan *plan, const struct files *files,
                      const char *executable, const struct kept_outside *outside, struct fixups *fixups,
                      struct kept_ids *kept)
{
	const struct look look = {search, threads, mappings, plan, files, fixups, kept};
	enum status status;

	long parent = process_status_number(threads->stopped->thread[0].tid, "PPid");
	if ((status = kept_add(kept, (struct kept_id){.record.kind = SNAPIMG_KEPT_SEARCHED})) != STATUS_OK)
		return status;
	if (parent > 0 &&
	    (status = kept_add(kept, (struct kept_id){.record = {.kind = SNAPIMG_KEPT_PARENT,
	                                                         .address = (uint64_t)parent}})) != STATUS_OK)
		return status;
	/* The workers found them in any order. */
	qsort(search->found, search->found_count, sizeof(*search->found), by_address);
	for (size_t i = 0; i < search->found_count && status == STATUS_OK; i++)
		status = sort_out(&look, &search->found[i]);
	if (status != STATUS_OK || (status = kept_look_at_registers(&look)) != STATUS_OK)
		return status;
	kept_know_parents_variable(&look);
	if (outside && (status = kept_look_outside(&look, outside)) != STATUS_OK)
		return status;
	if (executable && (status = look_for_question(&look, executable)) != STATUS_OK)
		return status;
	return is_common(search, kept) ? forget_common(kept) : STATUS_OK;
}

enum snapimg_error kept_write(const struct kept_ids *kept, struct snapimg_writer *writer)
{
	enum snapimg_error error = SNAPIMG_OK;

	for (size_t i = 0; i < kept->count && error == SNAPIMG_OK; i++) {
		const struct kept_id *id = &kept->id[i];
		struct snapimg_kept record = id->record;
		if ((error = snapimg_writer_string(writer, id->where ? id->where : "", &record.where)) ==
		            SNAPIMG_OK &&
		    (error = snapimg_writer_string(writer, id->what ? id->what : "", &record.what)) ==
		            SNAPIMG_OK)
			error = snapimg_writer_add(writer, SNAPIMG_SECTION_KEPT, &record, sizeof(record));
	}
	return error;
}

void kept_free(struct kept_ids *kept)
{
	for (size_t i = 0; i < kept->name_count; i++)
		free(kept->name[i]);
	free(kept->name);
	free(kept->id);
	*kept = (struct kept_ids){0};
}
