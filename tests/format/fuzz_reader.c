/*
 * Fuzzes the reader. Each input is judged as it is, and once more with its
 * checksums and digest made right, so that the rules after them are reached.
 * What is accepted is then used as the tools use it. Seeds: `seeds`.
 */
#include <stdlib.h>
#include <string.h>

#include "format/convert/parts.h"
#include "synthetic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

static uint64_t bytes_of(const void *bytes, uint64_t size)
{
	const uint8_t *byte = bytes;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < size; i++)
		sum += byte[i];
	return sum;
}

static uint64_t strings_of(const struct snapimg *image)
{
	const struct snapimg_origin *origin = snapimg_get_origin(image);
	const struct snapimg_process *process = snapimg_get_process(image);
	const uint32_t single[] = {origin->tool,      origin->point, origin->trigger,     origin->kernel,
	                           origin->cpu_model, origin->codec, process->executable, process->cwd};
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < sizeof(single) / sizeof(*single); i++)
		sum += strlen(snapimg_string(image, single[i]));
	for (i = 0; i < snapimg_file_count(image); i++)
		sum += strlen(snapimg_string(image, snapimg_get_file(image)[i].path));
	for (i = 0; i < snapimg_object_count(image); i++)
		sum += strlen(snapimg_string(image, snapimg_get_object(image)[i].name));
	for (i = 0; i < snapimg_place_count(image); i++)
		sum += strlen(snapimg_string(image, snapimg_get_place(image)[i].call));
	for (i = 0; i < snapimg_inotify_count(image); i++)
		sum += strlen(snapimg_string(image, snapimg_get_inotify(image)[i].path));
	for (i = 0; i < snapimg_kept_count(image); i++)
		sum += strlen(snapimg_string(image, snapimg_get_kept(image)[i].where)) +
		       strlen(snapimg_string(image, snapimg_get_kept(image)[i].what)) +
		       snapimg_get_kept(image)[i].thread;
	return sum;
}

/* What objects, files and streams find in BYTES. */
static uint64_t contents_of(const struct snapimg *image)
{
	const uint8_t *bytes = image->section[SNAPIMG_SECTION_BYTES].bytes;
	const struct snapimg_content *content = snapimg_get_content(image),
	                             *carried = snapimg_get_carried(image);
	const struct snapimg_setting *setting = snapimg_get_setting(image),
	                             *stream = snapimg_get_stream(image);
	uint64_t sum = 0;
	uint32_t i;

#define STORED(record) ((record).stored_size != 0 ? (record).stored_size : (record).size)
	for (i = 0; i < snapimg_content_count(image); i++)
		sum += bytes_of(bytes + content[i].offset, STORED(content[i])) +
		       snapimg_get_object(image)[content[i].object].kind;
	for (i = 0; i < snapimg_carried_count(image); i++)
		sum += bytes_of(bytes + carried[i].offset, STORED(carried[i])) +
		       snapimg_get_file(image)[carried[i].object].size;
#undef STORED
	for (i = 0; i < snapimg_setting_count(image); i++)
		sum += bytes_of(bytes + setting[i].offset, setting[i].size) +
		       snapimg_get_object(image)[setting[i].object].kind;
	for (i = 0; i < snapimg_stream_count(image); i++)
		sum += bytes_of(bytes + stream[i].offset, stream[i].size);
	return sum;
}

/* What an image has for files that the program opens later, of what it had read, and of System V's objects.
 */
static uint64_t later_of(const struct snapimg *image)
{
	const uint8_t *bytes = image->section[SNAPIMG_SECTION_BYTES].bytes;
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < snapimg_root_count(image); i++)
		sum += strlen(snapimg_string(image, snapimg_get_root(image)[i].path)) +
		       strlen(snapimg_string(image, snapimg_get_root(image)[i].target));
	for (i = 0; i < snapimg_rootdata_count(image); i++) {
		const struct snapimg_content *data = &snapimg_get_rootdata(image)[i];
		sum += bytes_of(bytes + data->offset,
		                data->stored_size != 0 ? data->stored_size : data->size) +
		       snapimg_get_root(image)[data->object].size;
	}
	for (i = 0; i < snapimg_input_count(image); i++)
		sum += strlen(snapimg_string(image, snapimg_get_input(image)[i].name));
	for (i = 0; i < snapimg_ipc_count(image); i++) {
		const struct snapimg_ipc *ipc = &snapimg_get_ipc(image)[i];
		if (ipc->stored > 0)
			sum += bytes_of(snapimg_ipc_bytes(image, ipc), ipc->stored);
	}
	return sum;
}

/* Records by which others are found. */
static uint64_t indexes_of(const struct snapimg *image)
{
	const struct snapimg_object *object = snapimg_get_object(image);
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < snapimg_passed_count(image); i++)
		sum += snapimg_get_content(image)[snapimg_get_passed(image)[i].content].size +
		       object[snapimg_get_passed(image)[i].object].kind;
	for (i = 0; i < snapimg_watch_count(image); i++)
		sum += object[snapimg_get_watch(image)[i].object].kind;
	for (i = 0; i < snapimg_edge_count(image); i++)
		sum += snapimg_get_watch(image)[snapimg_get_edge(image)[i].watch].data;
	for (i = 0; i < snapimg_inotify_count(image); i++)
		sum += object[snapimg_get_inotify(image)[i].object].kind;
	for (i = 0; i < snapimg_timer_count(image); i++)
		sum += snapimg_get_thread(image)[snapimg_get_timer(image)[i].thread].tid;
	for (i = 0; i < snapimg_hot_count(image); i++)
		if (snapimg_mapping_after(image, snapimg_get_hot(image)[i].address) ==
		    snapimg_mapping_count(image))
			abort();
	for (i = 0; i < snapimg_member_count(image); i++)
		if (snapimg_get_member(image)[i].offset > image->size ||
		    snapimg_get_member(image)[i].size > image->size - snapimg_get_member(image)[i].offset)
			abort();
	return sum;
}

/* Sections of which there is one, or none. */
static uint64_t singles_of(const struct snapimg *image)
{
	const struct snapimg_view *vdso = &image->section[SNAPIMG_SECTION_VDSO];
	uint64_t sum = bytes_of(vdso->bytes, vdso->size);

	if (vdso->size != 0 && vdso->size != snapimg_get_machine(image)->vdso_size)
		abort();
	if (snapimg_clocks_count(image) > 0)
		sum += snapimg_get_clocks(image)->monotonic;
	if (snapimg_processor_count(image) > 0)
		sum += snapimg_get_processor(image)->level <= SNAPIMG_LEVEL_X86_64_V3 ? 1 : (abort(), 0);
	if (snapimg_signature_count(image) > 0)
		sum += bytes_of(snapimg_get_signature(image), sizeof(struct snapimg_signature));
	if (snapimg_shim_count(image) > 0)
		sum += snapimg_get_mapping(
		               image)[snapimg_mapping_after(image, snapimg_get_shim(image)->address)]
		               .start;
	return sum;
}

/* In a row the parts for a registry are the image. */
static void cut(const struct snapimg *image)
{
	struct parts parts;
	uint64_t end = 0;

	if (!parts_find(image, &parts))
		return;
	for (size_t i = 0; i < parts.count; i++) {
		if (parts.end[i] <= end)
			abort();
		end = parts.end[i];
	}
	if (end != image->size)
		abort();
	parts_free(&parts);
}

static void use(const struct snapimg *image)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	const struct snapimg_run *run = snapimg_get_run(image);
	const struct snapimg_extent *extent = snapimg_get_extent(image);
	uint64_t sum = strings_of(image) + contents_of(image) + singles_of(image) + later_of(image) +
	               indexes_of(image);
	uint32_t i, k;

	for (i = 0; i < snapimg_mapping_count(image); i++) {
		sum += strlen(snapimg_string(image, mapping[i].name));
		for (k = 0; k < mapping[i].run_count; k++)
			sum += run[mapping[i].run_first + k].pages;
	}
	for (i = 0; i < snapimg_extent_count(image); i++)
		sum += (uint64_t)snapimg_check_extent(image, &extent[i]);
	for (i = 0; i < snapimg_thread_count(image); i++)
		sum += *((const uint8_t *)image->section[SNAPIMG_SECTION_XSTATE].bytes +
		         snapimg_get_thread(image)[i].xstate_offset +
		         snapimg_get_machine(image)->xstate_size - 1);
	for (i = 0; i < snapimg_identity_count(image); i++)
		sum += snapimg_get_file(image)[snapimg_get_identity(image)[i].file - 1].size;
	for (i = 0; i < snapimg_inherited_count(image); i++) {
		const struct snapimg_inherited *it = snapimg_get_inherited(image) + i;
		const struct snapimg_mapping *its = mapping + snapimg_mapping_after(image, it->address);

		if (it->address < its->start || snapimg_inherited_end(it) > its->end ||
		    snapimg_inherited_after(image, it->address) != i)
			abort();
	}
	cut(image);
	sink = sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A block of its own, as long as the input, so that the sanitizer sees a read past the end. */
	uint8_t *bytes = NULL;
	struct snapimg image;

	if (posix_memalign((void **)&bytes, SNAPIMG_ALIGNMENT, size == 0 ? 1 : size) != 0)
		return 0;
	if (size > 0)
		memcpy(bytes, data, size);
	if (snapimg_open(bytes, size, &image) == SNAPIMG_OK)
		use(&image);
	repair(bytes, size);
	if (snapimg_open(bytes, size, &image) == SNAPIMG_OK)
		use(&image);
	free(bytes);
	return 0;
}
