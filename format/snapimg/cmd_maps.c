#include <inttypes.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "format/base/json.h"
#include "format/snapimg/commands.h"

enum { NAME_COLUMN = 73 }; /* fs/proc/task_mmu.c pads to 25 + 6 * sizeof(void *) - 1, then a blank */

static const char *permissions(const struct snapimg_mapping *mapping, char text[5])
{
	text[0] = mapping->protection & SNAPIMG_PROT_READ ? 'r' : '-';
	text[1] = mapping->protection & SNAPIMG_PROT_WRITE ? 'w' : '-';
	text[2] = mapping->protection & SNAPIMG_PROT_EXEC ? 'x' : '-';
	text[3] = mapping->flags & SNAPIMG_MAP_SHARED ? 's' : 'p';
	text[4] = '\0';
	return text;
}

static const struct snapimg_file *file_of(const struct snapimg *image, const struct snapimg_mapping *mapping)
{
	static const struct snapimg_file none;

	return mapping->kind != SNAPIMG_MAPPING_FILE ? &none : snapimg_get_file(image) + mapping->file - 1;
}

/* The name is as the kernel gave it, which escaped line ends; what only views of it are mapped of has none.
 */
static void print_mapping(const struct snapimg *image, const struct snapimg_mapping *mapping)
{
	const struct snapimg_file *file = file_of(image, mapping);
	const char *name =
	        mapping->kind == SNAPIMG_MAPPING_MEMORY ? "[memory]" : snapimg_string(image, mapping->name);
	char text[5];
	int width = printf("%08" PRIx64 "-%08" PRIx64 " %s %08" PRIx64 " %02x:%02x %" PRIu64 " ",
	                   mapping->start, mapping->end, permissions(mapping, text), mapping->offset,
	                   major(file->device), minor(file->device), file->inode);

	if (*name != '\0')
		printf("%*s%s", width < NAME_COLUMN ? NAME_COLUMN - width : 0, "", name);
	(void)putchar('\n');
}

static uint64_t count_pages(const struct snapimg *image, const struct snapimg_mapping *mapping, uint32_t kind)
{
	const struct snapimg_run *run = snapimg_get_run(image);
	uint64_t pages = 0;
	uint32_t i;

	for (i = mapping->run_first; i < mapping->run_first + mapping->run_count; i++)
		pages += run[i].kind == kind ? run[i].pages : 0;
	return pages;
}

static void put_mapping(struct json *json, const struct snapimg *image, const struct snapimg_mapping *mapping)
{
	static const char *const kinds[] = {
	        [SNAPIMG_MAPPING_ANONYMOUS] = "anonymous", [SNAPIMG_MAPPING_FILE] = "file",
	        [SNAPIMG_MAPPING_STACK] = "stack",         [SNAPIMG_MAPPING_VVAR] = "vvar",
	        [SNAPIMG_MAPPING_VDSO] = "vdso",           [SNAPIMG_MAPPING_MEMORY] = "memory",
	        [SNAPIMG_MAPPING_VIEW] = "view",           [SNAPIMG_MAPPING_RING] = "ring",
	};
	const struct snapimg_file *file = file_of(image, mapping);
	char text[32];

	json_open(json, NULL, '{');
	json_address(json, "start", mapping->start);
	json_address(json, "end", mapping->end);
	json_string(json, "permissions", permissions(mapping, text));
	json_number(json, "offset", mapping->offset);
	(void)snprintf(text, sizeof(text), "%02x:%02x", major(file->device), minor(file->device));
	json_string(json, "device", text);
	json_number(json, "inode", file->inode);
	json_string(json, "name", snapimg_string(image, mapping->name));
	json_string(json, "kind", kinds[mapping->kind]);
	json_open(json, "advice", '[');
#define X(name, bit, letters, number)                                                                        \
	if (mapping->advice & SNAPIMG_ADVICE_##name)                                                         \
		json_string(json, NULL, letters);
	SNAPIMG_ADVICE(X)
#undef X
	json_close(json, ']');
	json_number(json, "stored_pages", count_pages(image, mapping, SNAPIMG_RUN_DATA));
	json_number(json, "zeroed_pages", count_pages(image, mapping, SNAPIMG_RUN_ZERO));
	json_close(json, '}');
}

enum exit_status command_maps(const struct command_options *options)
{
	struct json json = {.out = stdout};
	const struct snapimg_mapping *mapping;
	struct image_file file;
	enum exit_status status = open_image(&file, options->path, IMAGE_RECORDS, NULL);
	uint32_t i;

	if (status != EXIT_FINE)
		return status;
	mapping = snapimg_get_mapping(&file.image);
	if (options->json)
		json_open(&json, NULL, '[');
	for (i = 0; i < snapimg_mapping_count(&file.image); i++) {
		if (options->json)
			put_mapping(&json, &file.image, &mapping[i]);
		else
			print_mapping(&file.image, &mapping[i]);
	}
	if (options->json)
		json_close(&json, ']');
	image_file_close(&file);
	return EXIT_FINE;
}
