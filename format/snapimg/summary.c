#include "format/snapimg/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "format/facts/cpu.h"

void summary_of(const struct snapimg *image, struct summary *ret_summary)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	const struct snapimg_run *run = snapimg_get_run(image);
	const struct snapimg_hot *hot = snapimg_get_hot(image);
	const uint32_t *words = snapimg_get_machine(image)->cpu_features;
	struct summary summary = {0};
	uint32_t i;

	for (i = 0; i < snapimg_mapping_count(image); i++)
		summary.mapped += mapping[i].end - mapping[i].start;
	for (i = 0; i < snapimg_extent_count(image); i++) {
		summary.pages += extent[i].raw_size;
		summary.stored += extent[i].stored_size;
	}
	for (i = 0; i < snapimg_run_count(image); i++)
		if (run[i].kind == SNAPIMG_RUN_ZERO)
			summary.zeroed += (uint64_t)run[i].pages * SNAPIMG_PAGE_SIZE;
	for (i = 0; i < snapimg_hot_count(image); i++)
		*(hot[i].kind == SNAPIMG_HOT_WRITTEN ? &summary.hot_written : &summary.hot_read) +=
		        hot[i].pages;
	for (i = 0; i < SNAPIMG_CPU_WORDS; i++)
		summary.cpu_features += (uint64_t)__builtin_popcount(words[i]);
	summary.ratio = summary.stored == 0 ? 1.0 : (double)summary.pages / (double)summary.stored;
	*ret_summary = summary;
}

const char *summary_access(uint32_t flags)
{
	static const char *const modes[] = {"read-only", "write-only", "read-write", "ioctl-only"};

	return modes[flags & 3];
}

const char *summary_level(uint32_t level)
{
	return snapimg_level_names[level];
}

const char *summary_time(char buffer[SUMMARY_TIME_MAX], int64_t seconds)
{
	const int64_t year_9999 = INT64_C(253402300799);
	time_t time = (time_t)seconds;
	struct tm parts;

	if (seconds < 0 || seconds > year_9999 || gmtime_r(&time, &parts) == NULL ||
	    strftime(buffer, SUMMARY_TIME_MAX, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
		(void)snprintf(buffer, SUMMARY_TIME_MAX, "%" PRId64, seconds);
	return buffer;
}

const char *summary_next_string(const struct snapimg_view *view, const char *string)
{
	const char *next = string == NULL ? view->bytes : string + strlen(string) + 1;
	uint64_t position = next == NULL ? 0 : (uint64_t)(next - (const char *)view->bytes);

	return position < view->size ? next : NULL;
}

bool summary_is_self_contained(const struct snapimg *image)
{
	return (image->header->required_features & SNAPIMG_FEATURE_SELF_CONTAINED) != 0;
}

enum summary_need summary_need_of(const struct snapimg *image, uint32_t file)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	const struct snapimg_descriptor *descriptor = snapimg_get_descriptor(image);
	const struct snapimg_object *object = snapimg_get_object(image);
	bool has_content = false;
	uint32_t i;

	for (i = 0; i < snapimg_mapping_count(image); i++) {
		if (mapping[i].kind != SNAPIMG_MAPPING_FILE || mapping[i].file != file + 1)
			continue;
		if (!(mapping[i].flags & SNAPIMG_MAP_EMBEDDED))
			return NEEDS_FILE;
		has_content = true;
	}
	for (i = 0; i < snapimg_descriptor_count(image); i++)
		if (descriptor[i].kind == SNAPIMG_DESCRIPTOR_FILE && descriptor[i].file == file + 1)
			return NEEDS_FILE;
	for (i = 0; i < snapimg_object_count(image) && !has_content; i++)
		if (object[i].kind == SNAPIMG_OBJECT_FILE && object[i].value[SNAPIMG_OPENED_FILE] == file)
			return NEEDS_FILE;
	/* Mapped and open, it is a MEMORY with its VIEWs: no record leads to the file. */
	return has_content || summary_is_self_contained(image) ? NEEDS_CONTENT : NEEDS_FILE;
}
