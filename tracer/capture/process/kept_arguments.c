#include "tracer/capture/process/kept_arguments.h"

#include <stdlib.h>
#include <string.h>
#include <sys/user.h>

#include "tracer/ptrace/memory.h"

enum { CHUNK = 1 << 16 };

struct search {
	pid_t pid;
	uint64_t count, vector;
	struct fixups *fixups;
	const char *library; /* its path */
};

/* The C library's own are for its messages, and what they show is the name, which stays. */
static bool is_of_c_library(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	return strncmp(name, "libc.", 5) == 0 || strncmp(name, "libc-", 5) == 0 ||
	       strncmp(name, "ld-", 3) == 0;
}

/* Beside the pointer, before it or after it, as 8 bytes or as 4: whoever keeps both declares them together.
 * Who keeps the pointer alone goes by the NULL at its end. */
static enum status add_number(const struct search *search, uint64_t address)
{
	static const struct {
		int distance;
		uint32_t size;
	} places[] = {{-8, 8}, {8, 8}, {8, 4}, {-4, 4}, {-8, 4}};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		uint64_t at = address + (uint64_t)(int64_t)places[i].distance, value = 0;

		if (tracee_read(search->pid, at, &value, places[i].size) == 0 && value == search->count)
			return fixups_add(search->fixups, (struct snapimg_fixup){.address = at,
			                                                         .kind = SNAPIMG_FIXUP_ARGC,
			                                                         .argument = places[i].size});
	}
	if (!is_of_c_library(search->library))
		tell("%s keeps main's arguments, but not beside their number: if it keeps that, it will see "
		     "as many as now (%llu), whatever is given at a start",
		     search->library, (unsigned long long)search->count);
	return STATUS_OK;
}

static enum status add_vector(const struct search *search, uint64_t address)
{
	enum status status = fixups_add(
	        search->fixups, (struct snapimg_fixup){.address = address, .kind = SNAPIMG_FIXUP_ARGV});

	return status == STATUS_OK ? add_number(search, address) : status;
}

static enum status search_range(const struct search *search, uint64_t start, uint64_t end)
{
	static uint64_t words[CHUNK / sizeof(uint64_t)];
	enum status status = STATUS_OK;

	for (uint64_t at = start; at < end && status == STATUS_OK; at += CHUNK) {
		size_t size = end - at < CHUNK ? end - at : CHUNK;

		if (tracee_read(search->pid, at, words, size) < 0)
			return STATUS_OK;
		for (size_t i = 0; i < size / sizeof(*words) && status == STATUS_OK; i++)
			if (words[i] == search->vector)
				status = add_vector(search, at + i * sizeof(*words));
	}
	return status;
}

/* Data of a file that is mapped, and the zeros after it. */
enum status fixups_add_kept_arguments(struct fixups *fixups, pid_t pid, const struct mappings *mappings,
                                      const struct user_regs_struct *registers)
{
	struct search search = {
	        .pid = pid, .count = registers->rdi, .vector = registers->rsi, .fixups = fixups};
	uint64_t data_end = 0;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < mappings->count && status == STATUS_OK; i++) {
		const struct mapping *mapping = &mappings->mapping[i];
		const struct snapimg_mapping *record = &mapping->record;
		bool is_file = record->kind == SNAPIMG_MAPPING_FILE;
		bool is_zeros = record->kind == SNAPIMG_MAPPING_ANONYMOUS && record->start == data_end;

		if (mapping->of_shim || (!is_file && !is_zeros))
			continue;
		if (is_file)
			search.library = mapping->vma->name;
		data_end = record->end;
		if (record->protection & SNAPIMG_PROT_WRITE && !(record->flags & SNAPIMG_MAP_SHARED))
			status = search_range(&search, record->start, record->end);
	}
	return status;
}
