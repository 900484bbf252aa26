/*
 * Will it start here, and if not, why? The checks are those of a start. Where
 * one of them would end the loader, its reason is noted, and the next is made.
 * Nothing is changed but in this process, which ends.
 */
#include "restore/look/check.h"

#include <asm/errno.h>
#include <linux/mman.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/directory.h"
#include "restore/fds/overrides.h"
#include "restore/loader.h"
#include "restore/zone.h"

enum { FILES_MAX = 65536 };

static struct {
	void *after[5]; /* of __builtin_setjmp */
	const char *code;
	uint32_t reasons;
	int status; /* of the first one */
} check;

/* As text within quotes: what JSON demands, and bytes that are not UTF-8 as they are. */
static void put_quoted(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	for (; *text != '\0'; text++) {
		const uint8_t byte = (uint8_t)*text;
		const char escape[] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15], '\0'};
		const char plain[] = {*text, '\0'}, backslash[] = {'\\', *text, '\0'};
		bool is_special = *text == '"' || *text == '\\';
		print(1, byte < ' ' ? escape : is_special ? backslash : plain);
	}
}

static void note(int status, const char *const *parts)
{
	if (check.reasons++ == 0)
		check.status = status;
	if (loader.options.json) {
		print(1, check.reasons == 1 ? "" : ", ", "{\"code\": \"", check.code, "\", \"text\": \"");
		for (; *parts != NULL; parts++)
			put_quoted(*parts);
		print(1, "\"}");
	} else {
		print(1, check.code, ": ");
		print_parts(1, parts);
		print(1, "\n");
	}
	__builtin_longjmp(check.after, 1);
}

/* False: it gave a reason. */
static __attribute__((noinline)) bool passes(const char *code, void (*run)(uint32_t), uint32_t which)
{
	check.code = code;
	if (__builtin_setjmp(check.after) != 0)
		return false;
	run(which);
	return true;
}

static void look_at_image(uint32_t unused)
{
	(void)unused;
	image_open();
}

static void look_at_machine(uint32_t which)
{
	uint32_t have[SNAPIMG_CPU_WORDS];
	snapimg_cpu_read(have);
	machine_checks[which].run(snapimg_get_machine(&loader.image), have);
}

/* What this process has there goes before a start; what the kernel allows nobody, or the limits, shows. */
static void look_at_address(uint32_t which)
{
	const struct snapimg_mapping *mapping = &snapimg_get_mapping(&loader.image)[which];
	mapping_check(mapping);
	if (mapping->kind == SNAPIMG_MAPPING_MEMORY ||
	    (mapping->start < ZONE_END && mapping->end > ZONE_START))
		return;
	long result = sys(__NR_mmap, mapping->start, mapping->end - mapping->start, PROT_NONE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (result < 0 && result != -EEXIST)
		mapping_die(mapping, "map", result);
}

static void look_at_mapped_file(uint32_t which)
{
	const struct snapimg_mapping *mapping = &snapimg_get_mapping(&loader.image)[which];
	file_check(mapping->file - 1, mapping_file_flags(mapping));
}

static void look_at_open_file(uint32_t which)
{
	const struct snapimg_descriptor *record = &snapimg_get_descriptor(&loader.image)[which];
	file_check(record->file - 1, record->flags);
}

static void look_at_inputs(uint32_t unused)
{
	(void)unused;
	inputs_check();
}

static void look_at_directory(uint32_t unused)
{
	(void)unused;
	directory_prepare();
}

static void look_at_attributes(uint32_t unused)
{
	(void)unused;
	attributes_check();
}

/* Once, however many mappings and descriptors it has, but once more where it is written to. */
static bool is_new(uint32_t file, bool is_written)
{
	static uint8_t seen[2][FILES_MAX / 8];
	if (file >= FILES_MAX)
		return true;
	uint8_t *byte = &seen[is_written][file / 8], bit = (uint8_t)(1u << file % 8);
	bool was_seen = (*byte & bit) != 0;
	*byte |= bit;
	return !was_seen;
}

/* The image has all of it. */
static bool is_in_pieces(uint32_t which)
{
	const struct snapimg_piece *piece = snapimg_get_piece(&loader.image);
	const struct snapimg_mapping *mapping = &snapimg_get_mapping(&loader.image)[which];
	uint64_t left = mapping->end - mapping->start;
	for (uint32_t i = 0; i < snapimg_piece_count(&loader.image); i++)
		if (piece[i].mapping == which)
			left -= piece[i].end - piece[i].start;
	return left == 0;
}

static void check_mappings(void)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++) {
		bool is_kernels =
		        mapping[i].kind == SNAPIMG_MAPPING_VVAR || mapping[i].kind == SNAPIMG_MAPPING_VDSO;
		if (!is_kernels)
			passes("address", look_at_address, i);
		if (mapping[i].kind == SNAPIMG_MAPPING_FILE &&
		    (mapping[i].flags & SNAPIMG_MAP_EMBEDDED) == 0 && !is_in_pieces(i) &&
		    is_new(mapping[i].file - 1, mapping_file_flags(&mapping[i]) != 0))
			passes("file", look_at_mapped_file, i);
	}
}

static void check_descriptors(void)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	for (uint32_t i = 0; i < snapimg_descriptor_count(&loader.image); i++)
		if (record[i].kind == SNAPIMG_DESCRIPTOR_FILE && overrides_leave_need(i) &&
		    is_new(record[i].file - 1, (record[i].flags & 3) != 0))
			passes("file", look_at_open_file, i);
}

static void check_all(void)
{
	if (!passes("image", look_at_image, 0))
		return;
	for (uint32_t i = 0; machine_checks[i].run != NULL; i++)
		passes(machine_checks[i].code, look_at_machine, i);
	if (loader.options.inputs)
		passes("input", look_at_inputs, 0);
	check_mappings();
	check_descriptors();
	passes("directory", look_at_directory, 0);
	passes("attribute", look_at_attributes, 0);
}

void check_answer(void)
{
	if (loader.options.json) {
		print(1, "{\"image\": \"");
		put_quoted(loader.options.image);
		print(1, "\", \"reasons\": [");
	}
	die_noted = note;
	check_all();
	die_noted = NULL;
	bool told = true;
	if (loader.options.json)
		told = print(1, "], \"starts\": ", check.reasons == 0 ? "true" : "false", "}\n");
	else if (check.reasons == 0)
		told = print(1, loader.options.image, ": will start here\n");
	sys(__NR_exit_group, told ? check.status : EXIT_REFUSED);
	__builtin_unreachable();
}
