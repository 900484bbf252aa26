/*
 * The parts of a core file, in order: ELF header, segments, the section header that counts them where they
 * are very many, notes, and from the next page on the pages. A segment without bytes in the file stands for
 * memory that is a file's, or that has only zeros and is large.
 */
#include "format/convert/core.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/convert/core_notes.h"
#include "format/convert/page_data.h"
#include "format/facts/buildid.h"

/* A core file is sparse, but its size is limited by the filesystem: larger zeros get no place in it. */
#define GAP_MAX (UINT64_C(16) << 20)

/* Of a file, or the vdso. */
struct other_page {
	size_t segment;
	uint8_t bytes[SNAPIMG_PAGE_SIZE];
};

struct core {
	struct snapimg *image;
	snapimg_sink *sink;
	void *context;
	Elf64_Phdr *segments; /* owned; the first is the notes' */
	size_t count;
	uint64_t *memories; /* owned: by mapping, where the pages of a MEMORY begin */
	uint64_t *places;   /* owned: by run, where its pages are in the file */
	uint64_t end;       /* of the file; until the header's size is known, of the pages */
	struct notes notes;
	struct other_page *others; /* owned */
	size_t other_count;
	size_t visited; /* runs */
};

static uint32_t flags_of(uint32_t protection)
{
	return (protection & SNAPIMG_PROT_READ ? (uint32_t)PF_R : 0) |
	       (protection & SNAPIMG_PROT_WRITE ? (uint32_t)PF_W : 0) |
	       (protection & SNAPIMG_PROT_EXEC ? (uint32_t)PF_X : 0);
}

/* Memory with `held` of its bytes at `offset` of the pages. */
static enum snapimg_error add(struct core *core, uint32_t protection, uint64_t start, uint64_t size,
                              uint64_t offset, uint64_t held)
{
	Elf64_Phdr *segment = array_add(core->segments, core->count);

	if (segment == NULL)
		return SNAPIMG_ERR_MEMORY;
	*segment = (Elf64_Phdr){.p_type = PT_LOAD,
	                        .p_flags = flags_of(protection),
	                        .p_offset = offset,
	                        .p_vaddr = start,
	                        .p_filesz = held,
	                        .p_memsz = size,
	                        .p_align = SNAPIMG_PAGE_SIZE};
	return SNAPIMG_OK;
}

/* Pages of its own. */
static enum snapimg_error add_own(struct core *core, const struct snapimg_mapping *mapping, uint64_t start,
                                  uint64_t end)
{
	uint64_t offset = core->end;

	core->end += end - start;
	return add(core, mapping->protection, start, end - start, offset, end - start);
}

/* Pages that no run names: of a view the memory's, of a small gap zeros, else they have no bytes here. */
static enum snapimg_error add_gap(struct core *core, const struct snapimg_mapping *mapping, uint64_t start,
                                  uint64_t end)
{
	const struct snapimg_mapping *all = snapimg_get_mapping(core->image);
	uint64_t size = end - start, from = mapping->offset + (start - mapping->start);

	if (start == end)
		return SNAPIMG_OK;
	if (mapping->kind == SNAPIMG_MAPPING_VIEW) {
		const struct snapimg_mapping *memory = &all[mapping->file - 1];
		uint64_t there = memory->end - memory->start;
		uint64_t held = from >= there ? 0 : size < there - from ? size : there - from;

		return add(core, mapping->protection, start, size, core->memories[mapping->file - 1] + from,
		           held);
	}
	bool is_zero = mapping->kind == SNAPIMG_MAPPING_ANONYMOUS || mapping->kind == SNAPIMG_MAPPING_STACK ||
	               mapping->flags & SNAPIMG_MAP_EMBEDDED;
	if (is_zero && mapping->protection != 0 && size <= GAP_MAX)
		return add_own(core, mapping, start, end);
	return add(core, mapping->protection, start, size, 0, 0);
}

static enum snapimg_error add_runs(struct core *core, const struct snapimg_mapping *mapping, uint64_t start)
{
	const struct snapimg_run *run = snapimg_get_run(core->image);
	enum snapimg_error error = SNAPIMG_OK;
	uint64_t at = start;
	uint32_t i, end = mapping->run_first + mapping->run_count;

	for (i = mapping->run_first; i < end && error == SNAPIMG_OK; i++) {
		error = add_gap(core, mapping, at, run[i].address);
		core->places[i] = core->end;
		at = snapimg_run_end(&run[i]);
		if (error == SNAPIMG_OK)
			error = add_own(core, mapping, run[i].address, at);
	}
	return error == SNAPIMG_OK ? add_gap(core, mapping, at, mapping->end) : error;
}

/* A MEMORY is nowhere in the program: only its pages are in the file. */
static void place_memory(struct core *core, uint32_t index)
{
	const struct snapimg_mapping *memory = &snapimg_get_mapping(core->image)[index];
	const struct snapimg_run *run = snapimg_get_run(core->image);
	uint32_t i;

	core->memories[index] = core->end;
	for (i = memory->run_first; i < memory->run_first + memory->run_count; i++)
		core->places[i] = core->end + (run[i].address - memory->start);
	core->end += memory->end - memory->start;
}

/* The first page of the file that is mapped here, if it is the recorded one's; debuggers know it by the
 * build-id in there. */
static bool read_first_page(const struct core *core, const struct snapimg_mapping *mapping,
                            uint8_t page[SNAPIMG_PAGE_SIZE])
{
	const struct snapimg_run *run = snapimg_get_run(core->image) + mapping->run_first;
	uint8_t build_id[SNAPIMG_BUILD_ID_MAX];
	const struct snapimg_file *file;

	if (mapping->kind != SNAPIMG_MAPPING_FILE || mapping->offset != 0 ||
	    (mapping->run_count > 0 && run->address == mapping->start))
		return false;
	file = &snapimg_get_file(core->image)[mapping->file - 1];
	if (file->build_id_size == 0)
		return false;
	int descriptor = open(snapimg_string(core->image, file->path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool done = descriptor >= 0 && pread(descriptor, page, SNAPIMG_PAGE_SIZE, 0) == SNAPIMG_PAGE_SIZE &&
	            snapimg_build_id(page, SNAPIMG_PAGE_SIZE, build_id) == file->build_id_size &&
	            memcmp(build_id, file->build_id, file->build_id_size) == 0;
	if (descriptor >= 0)
		(void)close(descriptor);
	return done;
}

static enum snapimg_error add_other(struct core *core, const struct snapimg_mapping *mapping, uint64_t start,
                                    const uint8_t *page)
{
	struct other_page *other = array_add(core->others, core->other_count);

	if (other == NULL)
		return SNAPIMG_ERR_MEMORY;
	other->segment = core->count;
	memcpy(other->bytes, page, SNAPIMG_PAGE_SIZE);
	return add_own(core, mapping, start, start + SNAPIMG_PAGE_SIZE);
}

static enum snapimg_error add_mapping(struct core *core, const struct snapimg_mapping *mapping)
{
	const struct snapimg_view *vdso = &core->image->section[SNAPIMG_SECTION_VDSO];
	uint8_t page[SNAPIMG_PAGE_SIZE];
	uint64_t at = mapping->start;
	enum snapimg_error error = SNAPIMG_OK;

	if (mapping->kind == SNAPIMG_MAPPING_VDSO && vdso->size == mapping->end - mapping->start) {
		for (; at < mapping->end && error == SNAPIMG_OK; at += SNAPIMG_PAGE_SIZE)
			error = add_other(core, mapping, at,
			                  (const uint8_t *)vdso->bytes + (at - mapping->start));
		return error;
	}
	if (read_first_page(core, mapping, page)) {
		error = add_other(core, mapping, at, page);
		at += SNAPIMG_PAGE_SIZE;
	}
	return error == SNAPIMG_OK ? add_runs(core, mapping, at) : error;
}

/* The segments, with offsets that count from where the pages begin. */
static enum snapimg_error make_segments(struct core *core)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(core->image);
	uint32_t i, count = snapimg_mapping_count(core->image);
	enum snapimg_error error = SNAPIMG_OK;
	Elf64_Phdr *notes = array_add(core->segments, core->count);

	core->memories = calloc(count, sizeof(*core->memories));
	core->places = calloc((size_t)snapimg_run_count(core->image) + 1, sizeof(*core->places));
	if (notes == NULL || core->memories == NULL || core->places == NULL)
		return SNAPIMG_ERR_MEMORY;
	*notes = (Elf64_Phdr){.p_type = PT_NOTE, .p_align = 4, .p_filesz = core->notes.size};
	for (i = 0; i < count; i++)
		if (mapping[i].kind == SNAPIMG_MAPPING_MEMORY)
			place_memory(core, i);
	for (i = 0; i < count && error == SNAPIMG_OK; i++)
		if (mapping[i].kind != SNAPIMG_MAPPING_MEMORY)
			error = add_mapping(core, &mapping[i]);
	return error;
}

static bool write_at(const struct core *core, uint64_t offset, const void *bytes, size_t size)
{
	return size == 0 || core->sink(core->context, offset, bytes, size) == 0;
}

/* Of 65535 segments and more the number stands in the first section header (elf(5), PN_XNUM). */
static bool write_head(struct core *core)
{
	bool many = core->count >= PN_XNUM;
	size_t table = core->count * sizeof(Elf64_Phdr), section = many ? sizeof(Elf64_Shdr) : 0;
	uint64_t notes = sizeof(Elf64_Ehdr) + table + section;
	uint64_t pages = snapimg_align(notes + core->notes.size, SNAPIMG_PAGE_SIZE);
	const Elf64_Ehdr header = {
	        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	        .e_type = ET_CORE,
	        .e_machine = core->image->header->architecture,
	        .e_version = EV_CURRENT,
	        .e_phoff = sizeof(header),
	        .e_shoff = many ? sizeof(header) + table : 0,
	        .e_ehsize = sizeof(header),
	        .e_phentsize = sizeof(Elf64_Phdr),
	        .e_phnum = (Elf64_Half)(many ? PN_XNUM : core->count),
	        .e_shentsize = many ? sizeof(Elf64_Shdr) : 0,
	        .e_shnum = many,
	};
	const Elf64_Shdr counter = {.sh_info = (Elf64_Word)core->count};
	uint32_t i;

	core->segments[0].p_offset = notes;
	for (size_t k = 1; k < core->count; k++)
		core->segments[k].p_offset += pages;
	for (i = 0; i < snapimg_run_count(core->image); i++)
		core->places[i] += pages;
	core->end += pages;
	return write_at(core, 0, &header, sizeof(header)) &&
	       write_at(core, sizeof(header), core->segments, table) &&
	       write_at(core, sizeof(header) + table, &counter, section) &&
	       write_at(core, notes, core->notes.bytes, core->notes.size);
}

static bool write_others(const struct core *core)
{
	for (size_t i = 0; i < core->other_count; i++)
		if (!write_at(core, core->segments[core->others[i].segment].p_offset, core->others[i].bytes,
		              SNAPIMG_PAGE_SIZE))
			return false;
	return true;
}

static enum snapimg_error write_run(void *context, const struct snapimg_run *run, const uint8_t *pages)
{
	struct core *core = context;
	uint64_t place = core->places[core->visited++];

	if (pages == NULL || write_at(core, place, pages, (size_t)run->pages * SNAPIMG_PAGE_SIZE))
		return SNAPIMG_OK;
	return SNAPIMG_ERR_SINK;
}

/* The file is as long as its segments say, whatever is in their last pages: one page more ends it. */
static bool write_end(const struct core *core)
{
	static const uint8_t zeros[SNAPIMG_PAGE_SIZE];

	return write_at(core, core->end, zeros, sizeof(zeros));
}

enum snapimg_error image_core(struct snapimg *image, snapimg_sink *sink, void *context)
{
	struct core core = {.image = image, .sink = sink, .context = context};
	struct page_data data = {0};
	enum snapimg_error error;

	if ((error = notes_write(image, &core.notes)) == SNAPIMG_OK &&
	    (error = make_segments(&core)) == SNAPIMG_OK && (!write_head(&core) || !write_others(&core)))
		error = SNAPIMG_ERR_SINK;
	if (error == SNAPIMG_OK && (error = page_data_open(&data, image)) == SNAPIMG_OK) {
		error = page_data_visit(&data, write_run, &core);
		page_data_close(&data);
	}
	if (error == SNAPIMG_OK && !write_end(&core))
		error = SNAPIMG_ERR_SINK;
	free(core.notes.bytes);
	free(core.segments);
	free(core.others);
	free(core.memories);
	free(core.places);
	return error;
}
