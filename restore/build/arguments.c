/*
 * The resume area: what stays of a restore. Its first page is the code that
 * takes the loader away; after it lie the threads' register frames, which a
 * handler of a signal may keep from being used for long, and the arguments
 * and environment as execve(2) would lay them out. It is built before the
 * kernel's first stack, which holds the caller's strings, goes; at an address
 * that the image leaves free.
 */
#include <linux/mman.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/resume_x86_64.h"
#include "restore/become/threads_x86_64.h"
#include "restore/become/tree.h"
#include "restore/loader.h"
#include "restore/look/words.h"
#include "restore/zone.h"

/* A list of strings: NUL-terminated vector, or NUL-separated bytes of the image. */
struct strings {
	char **vector;
	const char *bytes;
	uint64_t count;
	uint64_t size; /* of all, with their NULs */
};

static struct strings from_vector(char **vector)
{
	struct strings strings = {.vector = vector};
	for (; vector[strings.count] != NULL; strings.count++)
		strings.size += strlen(vector[strings.count]) + 1;
	return strings;
}

static struct strings from_section(enum snapimg_section_type type)
{
	const struct snapimg_view *view = &loader.image.section[type];
	struct strings strings = {.bytes = view->bytes, .size = view->size};
	for (uint64_t at = 0; at < view->size; at += strlen(strings.bytes + at) + 1)
		strings.count++;
	return strings;
}

/* Copies the strings to *at and their addresses to *slot, and moves both past them. */
static void lay_out(const struct strings *strings, char ***slot, char **at)
{
	const char *from = strings->bytes;
	for (uint64_t i = 0; i < strings->count; i++) {
		if (strings->vector != NULL)
			from = strings->vector[i];
		uint64_t size = strlen(from) + 1;
		memcpy(*at, from, size);
		*(*slot)++ = *at;
		*at += size;
		from += size;
	}
}

/* argv[0] (and a script's name after its interpreter) are always the recorded ones: the program looks
 * for its files by them. */
static struct strings fixed_arguments(const struct strings *recorded)
{
	struct strings fixed = {.bytes = recorded->bytes};
	while (fixed.count < snapimg_get_process(&loader.image)->fixed_arguments &&
	       fixed.count < recorded->count) {
		fixed.size += strlen(fixed.bytes + fixed.size) + 1;
		fixed.count++;
	}
	return fixed;
}

/* The first free place above the program's stack: page tables that the stack has anyway, so nothing more to
 * touch. 0: none. */
static uint64_t place_above_stack(uint64_t size)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	uint64_t place = 0;
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++) {
		bool in_the_way = place != 0 && mapping[i].start < place + size;
		if (in_the_way || mapping[i].kind == SNAPIMG_MAPPING_STACK)
			place = mapping[i].end;
	}
	return place != 0 && place + size <= USER_END ? place : 0;
}

/* Where nothing lies above the zone: for images without a stack there, and when this process's own stack,
 * which is still needed, lies in the first place. */
static uint64_t place_above_zone(uint64_t size)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	uint64_t place = ZONE_END;
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		if (mapping[i].start < place + size && mapping[i].end > place)
			place = mapping[i].end;
	return place;
}

static long map_area(uint64_t place, uint64_t size)
{
	return sys(__NR_mmap, place, size, PROT_READ | PROT_WRITE,
	           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
}

void arguments_keep(void)
{
	struct strings recorded = from_section(SNAPIMG_SECTION_ARGUMENTS);
	struct strings fixed = loader.options.arguments_given ? fixed_arguments(&recorded) : recorded;
	struct strings given = {0};
	if (loader.options.arguments_given)
		given = from_vector(loader.options.arguments);
	words_hide();
	struct strings environment =
	        tree_is_member() ? from_section(SNAPIMG_SECTION_ENVIRONMENT) : from_vector(loader.stack.envp);

	struct resume_area *area = &loader.area;
	area->argc = fixed.count + given.count;
	area->envc = environment.count;
	area->departures = ((uint64_t)(resume_tail_end - resume_tail) + 63) & ~(uint64_t)63;
	area->frame = page_ceil(area->departures + threads_departure_size());
	area->crew = area->frame + snapimg_thread_count(&loader.image) * thread_frame_size();
	area->marks = (area->crew + sizeof(struct crew) + 7) & ~(uint64_t)7;
	area->argv = area->marks + sizeof(struct memory_marks);
	area->envp = area->argv + (area->argc + 1) * sizeof(char *);
	area->argument_strings = area->envp + (area->envc + 1) * sizeof(char *);
	area->environment_strings = area->argument_strings + fixed.size + given.size;
	area->strings_end = area->environment_strings + environment.size;
	const char *executable =
	        snapimg_string(&loader.image, snapimg_get_process(&loader.image)->executable);
	uint64_t image_name_size = strlen(loader.options.image) + 1;
	area->gone = area->strings_end + image_name_size;
	area->executable = area->gone + threads_gone_size();
	uint64_t executable_size = tree_has_sharers() ? strlen(executable) + 1 : 0;
	area->mapped = (area->executable + executable_size + 7) & ~(uint64_t)7;
	area->size = page_ceil(area->mapped + pieces_table_size());
	area->start = place_above_stack(area->size);
	if (area->start == 0 || map_area(area->start, area->size) != (long)area->start) {
		area->start = place_above_zone(area->size);
		long result = map_area(area->start, area->size);
		if (result != (long)area->start)
			die(EXIT_REFUSED, "no memory for the arguments: ", error_text(result));
	}

	char *at = (char *)area->start + area->argument_strings;
	char **slot = (char **)(area->start + area->argv);
	lay_out(&fixed, &slot, &at);
	lay_out(&given, &slot, &at);
	slot = (char **)(area->start + area->envp);
	lay_out(&environment, &slot, &at);

	if (executable_size > 0)
		memcpy((char *)area->start + area->executable, executable, executable_size);
	/* What later messages need of the kernel's stack. */
	memcpy(at, loader.options.image, image_name_size);
	loader.options.image = at;
}
