/*
 * edit_image IN OUT EDIT: writes a copy of an image with one thing changed and
 * all checksums right again, so that the loader's own checks of the machine
 * are what refuses it. See edits[] for the names.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/facts/checksum.h"
#include "format/facts/cpu.h"
#include "format/image/layout.h"

static uint8_t *image;
static struct snapimg_header *header;
static struct snapimg_section *table;

static void *section(uint32_t type)
{
	for (uint32_t i = 0; i < header->section_count; i++)
		if (table[i].type == type)
			return image + table[i].offset;
	fprintf(stderr, "edit_image: no section %u\n", type);
	exit(2);
}

static struct snapimg_machine *machine(void)
{
	struct snapimg_machine *machine =
	        section(SNAPIMG_SECTION_MACHINE); /* with the boot id of this boot */
	/* As if from another kind of processor, or the loader would not look at the rest. */
	machine->cpu_features[SNAPIMG_CPU_7_EBX] &= machine->cpu_features[SNAPIMG_CPU_7_EBX] - 1;
	return machine;
}

/* Asks for the first features of the table that this machine lacks, and prints their names. */
static void edit_cpu(void)
{
	uint32_t have[SNAPIMG_CPU_WORDS], asked = 0;
	snapimg_cpu_read(have);
	for (uint32_t i = 0; i < snapimg_cpu_feature_count; i++) {
		const struct snapimg_cpu_feature *feature = &snapimg_cpu_features[i];
		if ((have[feature->word] & 1u << feature->bit) != 0 || feature->level == SNAPIMG_CPU_HINT)
			continue;
		machine()->cpu_features[feature->word] |= 1u << feature->bit;
		puts(feature->name);
		if (++asked == 3)
			return;
	}
}

/* As snaptrace 0.2 made them: with what only says how to copy fast, as if all processors had it. */
static void edit_hints(void)
{
	for (uint32_t i = 0; i < snapimg_cpu_feature_count; i++)
		if (snapimg_cpu_features[i].level == SNAPIMG_CPU_HINT)
			machine()->cpu_features[snapimg_cpu_features[i].word] |=
			        1u << snapimg_cpu_features[i].bit;
}

/* As if it had been made where there was neither AVX nor more. */
static void edit_less_state(void)
{
	machine()->cpu_features[SNAPIMG_CPU_XCR0_LOW] &= 3;
}

/* As snaptrace 0.2 made them: without the vdso's bytes. */
static void edit_vdso(void)
{
	machine()->vdso_checksum ^= 1;
	for (uint32_t i = 0; i < header->section_count; i++)
		if (table[i].type == SNAPIMG_SECTION_VDSO)
			table[i].type = 99;
}

/* Its last byte is another, as the build note is after a kernel's update. */
static void edit_other_vdso(void)
{
	struct snapimg_machine *edited = machine();
	uint8_t *bytes = section(SNAPIMG_SECTION_VDSO);
	bytes[edited->vdso_size - 1] ^= 1;
	edited->vdso_checksum = snapimg_checksum(bytes, edited->vdso_size);
}

/* As if it had been written before the last start of the machine. */
static void edit_boot(void)
{
	struct snapimg_unsynced *unsynced = section(SNAPIMG_SECTION_UNSYNCED);
	unsynced->boot_id[0] ^= 1;
}

static void edit_xfeatures(void)
{
	machine()->xfeatures |= (uint64_t)1 << 62;
}

/* Says that the least area holds AVX, which has its place after it on every processor: another layout, yet
 * no size that the reader refuses, whatever the program had in its registers. */
static void edit_xstate_size(void)
{
	enum { XFEATURE_AVX = 1 << 2 };
	struct snapimg_machine *edited = machine();
	edited->xfeatures |= XFEATURE_AVX;
	edited->xstate_size = SNAPIMG_XSTATE_MIN;
}

static void edit_zone(void)
{
	struct snapimg_mapping *mapping = section(SNAPIMG_SECTION_MAPPINGS);
	while (mapping->end < 0x400000000000ull)
		mapping++;
	mapping->start = 0x400000000000ull;
}

static void edit_fixup(void)
{
	/* A fix-up into memory that the program cannot write. */
	struct snapimg_fixup *fixup = section(SNAPIMG_SECTION_FIXUPS);
	struct snapimg_mapping *mapping = section(SNAPIMG_SECTION_MAPPINGS);
	while ((mapping->protection & SNAPIMG_PROT_WRITE) != 0)
		mapping++;
	fixup->address = mapping->start;
}

static void edit_tid(void)
{
	struct snapimg_thread *thread = section(SNAPIMG_SECTION_THREADS);
	thread->tid = 1;
}

static void edit_tid_huge(void)
{
	struct snapimg_thread *thread = section(SNAPIMG_SECTION_THREADS);
	thread->tid = UINT32_MAX;
}

/* Lets all signals through to the second thread. */
static void edit_unmask(void)
{
	struct snapimg_thread *thread = section(SNAPIMG_SECTION_THREADS);
	thread[1].signal_mask = 0;
}

/* The vdso where the loader lies, in its place among the records, which are sorted; what lay before it is
 * ordinary memory. */
static void edit_vdso_zone(void)
{
	struct snapimg_mapping *first = section(SNAPIMG_SECTION_MAPPINGS), *place = first, *vdso = first;
	while (place->start < SNAPIMG_LOADER_START)
		place++;
	for (; vdso->kind != SNAPIMG_MAPPING_VDSO; vdso++)
		if (vdso->kind == SNAPIMG_MAPPING_VVAR)
			vdso->kind = SNAPIMG_MAPPING_ANONYMOUS;
	(void)machine(); /* as if from another boot */
	struct snapimg_mapping moved = *vdso;
	moved.end = moved.end - moved.start + SNAPIMG_LOADER_START;
	moved.start = SNAPIMG_LOADER_START;
	moved.run_first = place->run_first;
	memmove(place + 1, place, (size_t)((char *)vdso - (char *)place));
	*place = moved;
}

/* A size that the pipe's content, which is larger, does not fit into. */
static void edit_pipe(void)
{
	struct snapimg_object *object = section(SNAPIMG_SECTION_OBJECTS);
	while (object->kind != SNAPIMG_OBJECT_PIPE)
		object++;
	object->value[SNAPIMG_PIPE_SIZE] = 4096;
}

/* The last frame without its content's checksum: the flag that says so (RFC 8878, 3.1.1.1.1), and 4 bytes
 * less. */
static void edit_frame(void)
{
	enum { DESCRIPTOR = 4, HAS_CHECKSUM = 1 << 2, CHECKSUM_SIZE = 4 };
	struct snapimg_extent *extent = section(SNAPIMG_SECTION_EXTENTS);
	uint64_t *data_size = NULL;
	for (uint32_t i = 0; i < header->section_count; i++) {
		if (table[i].type == SNAPIMG_SECTION_EXTENTS)
			extent += table[i].size / sizeof *extent - 1;
		if (table[i].type == SNAPIMG_SECTION_DATA)
			data_size = &table[i].size;
	}
	/* The zeros up to the records must stay fewer than an alignment: else the frame has bytes after it.
	 */
	bool fits = (extent->offset + extent->stored_size - 1) % SNAPIMG_ALIGNMENT >= CHECKSUM_SIZE;
	if (extent->kind != SNAPIMG_EXTENT_ZSTD)
		exit(2);
	image[extent->offset + DESCRIPTOR] &= (uint8_t)~HAS_CHECKSUM;
	if (fits && data_size != NULL) {
		*data_size -= CHECKSUM_SIZE;
		extent->stored_size -= CHECKSUM_SIZE;
		memset(image + extent->offset + extent->stored_size, 0, CHECKSUM_SIZE);
	}
	extent->checksum = snapimg_checksum(image + extent->offset, extent->stored_size);
}

static void edit_cwd(void)
{
	struct snapimg_process *process = section(SNAPIMG_SECTION_PROCESS);
	process->cwd = process->executable; /* not a directory */
}

static void edit_architecture(void)
{
	header->architecture = 183; /* EM_AARCH64 */
}

static void edit_page_size(void)
{
	header->page_size = 16384;
}

static void edit_major(void)
{
	header->major++;
}

static void edit_feature(void)
{
	header->required_features |= (uint64_t)1 << 63;
}

static const struct {
	const char *name;
	void (*apply)(void);
} edits[] = {
        {"cpu", edit_cpu},
        {"hints", edit_hints},
        {"less_state", edit_less_state},
        {"vdso", edit_vdso},
        {"other_vdso", edit_other_vdso},
        {"boot", edit_boot},
        {"xfeatures", edit_xfeatures},
        {"xstate_size", edit_xstate_size},
        {"zone", edit_zone},
        {"fixup", edit_fixup},
        {"tid", edit_tid},
        {"tid_huge", edit_tid_huge},
        {"unmask", edit_unmask},
        {"vdso_zone", edit_vdso_zone},
        {"pipe", edit_pipe},
        {"frame", edit_frame},
        {"cwd", edit_cwd},
        {"architecture", edit_architecture},
        {"page_size", edit_page_size},
        {"major", edit_major},
        {"feature", edit_feature},
};

/* The sections' checksums and the digest, as FORMAT.md says. */
static void repair(void)
{
	for (uint32_t i = 0; i < header->section_count; i++) {
		if (table[i].type == SNAPIMG_SECTION_DATA)
			continue;
		uint64_t padded =
		        (table[i].size + SNAPIMG_ALIGNMENT - 1) & ~(uint64_t)(SNAPIMG_ALIGNMENT - 1);
		table[i].checksum = snapimg_checksum(image + table[i].offset, padded);
	}
	size_t table_size = header->section_count * sizeof *table;
	uint8_t *digested = malloc(SNAPIMG_HEADER_AREA + table_size);
	if (digested == NULL)
		exit(2);
	memset(header->digest, 0, sizeof header->digest);
	memcpy(digested, image, SNAPIMG_HEADER_AREA);
	memcpy(digested + SNAPIMG_HEADER_AREA, table, table_size);
	XXH128_canonicalFromHash((XXH128_canonical_t *)header->digest,
	                         XXH3_128bits(digested, SNAPIMG_HEADER_AREA + table_size));
	free(digested);
}

static size_t load(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL || fseek(file, 0, SEEK_END) != 0)
		exit(2);
	long size = ftell(file);
	rewind(file);
	image = malloc((size_t)size);
	if (image == NULL || fread(image, 1, (size_t)size, file) != (size_t)size)
		exit(2);
	fclose(file);
	header = (struct snapimg_header *)image;
	table = (struct snapimg_section *)(image + header->section_table_offset);
	return (size_t)size;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	size_t size = load(argv[1]);
	for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
		if (strcmp(edits[i].name, argv[3]) != 0)
			continue;
		edits[i].apply();
		repair();
		FILE *file = fopen(argv[2], "wb");
		return file != NULL && fwrite(image, 1, size, file) == size && fclose(file) == 0 ? 0 : 2;
	}
	fprintf(stderr, "edit_image: %s: no such edit\n", argv[3]);
	return 2;
}
