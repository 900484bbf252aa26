#include <inttypes.h>
#include <stdio.h>

#include "format/base/text.h"
#include "format/facts/cpu.h"
#include "format/snapimg/info.h"
#include "format/snapimg/summary.h"

enum { LABEL_WIDTH = 12, LINE_WIDTH = 79, INDENT = 2, THREADS_SHOWN = 8 };

static void print_label(const char *label)
{
	printf("%-*s", LABEL_WIDTH, label);
}

static void print_string(const char *label, const char *text)
{
	print_label(label);
	text_print(stdout, text);
	(void)putchar('\n');
}

static void print_image(const struct snapimg *image, const char *path, const char *sha256)
{
	const struct snapimg_signature *signature = snapimg_get_signature(image);
	char key[2 * SNAPIMG_KEY_SIZE + 1];
	char digest[2 * SNAPIMG_DIGEST_SIZE + 1], size[TEXT_SIZE_MAX];

	print_string("image", path);
	print_label("format");
	printf("version %u.%u, x86-64, %u sections, %s\n", image->header->major, image->header->minor,
	       image->header->section_count, text_size(size, image->size));
	print_label("digest");
	puts(text_hex(digest, image->header->digest, SNAPIMG_DIGEST_SIZE));
	print_string("SHA-256", sha256);
	if (signature != NULL) /* whether it is, verify --key tells */
		print_string("signed with", text_hex(key, signature->public_key, SNAPIMG_KEY_SIZE));
}

static void print_origin(const struct snapimg *image)
{
	const struct snapimg_origin *origin = snapimg_get_origin(image);
	char time[SUMMARY_TIME_MAX];

	print_label("point");
	text_print(stdout, snapimg_string(image, origin->point));
	(void)fputs(" (", stdout);
	text_print(stdout, snapimg_string(image, origin->trigger));
	(void)fputs(")\n", stdout);
	print_label("made");
	printf("%s by ", summary_time(time, origin->created_seconds));
	text_print(stdout, snapimg_string(image, origin->tool));
	(void)putchar('\n');
	print_label("made on");
	(void)fputs("Linux ", stdout);
	text_print(stdout, snapimg_string(image, origin->kernel));
	(void)fputs(", ", stdout);
	text_print(stdout, snapimg_string(image, origin->cpu_model));
	(void)putchar('\n');
}

/* Places of one kind in one file are told once, with their number. */
static uint32_t count_alike(const struct snapimg_kept *kept, uint32_t count, uint32_t index)
{
	uint32_t i, alike = 0;

	for (i = 0; i < count; i++) {
		if (kept[i].kind != kept[index].kind || kept[i].corrected != kept[index].corrected ||
		    kept[i].where != kept[index].where || kept[i].what != kept[index].what)
			continue;
		if (i < index)
			return 0;
		alike++;
	}
	return alike;
}

/* Which places only the recorded IDs are right in, and which are made right. */
static void print_ids(const struct snapimg *image)
{
	const struct snapimg_kept *kept = snapimg_get_kept(image);
	uint32_t count = snapimg_kept_count(image), i, told = 0;

	if (count == 0)
		return;
	print_label("its IDs");
	for (i = 1; i < count; i++) {
		uint32_t alike = count_alike(kept, count, i);

		if (alike == 0 || kept[i].kind == SNAPIMG_KEPT_EXECUTABLE ||
		    kept[i].kind == SNAPIMG_KEPT_PARENT)
			continue;
		printf("%s%s ", told++ == 0 ? "" : ", ", kept[i].corrected ? "known in" : "kept in");
		if (alike > 1)
			printf("%u places of ", alike);
		text_print(stdout, snapimg_string(image, kept[i].where));
		printf(" (");
		text_print(stdout, kept[i].what != 0 ? snapimg_string(image, kept[i].what)
		                                     : snapimg_kept_name(kept[i].kind));
		printf(")");
	}
	puts(told == 0 ? "kept nowhere" : "");
	for (i = 1; i < count; i++)
		if (kept[i].kind == SNAPIMG_KEPT_EXECUTABLE)
			print_string("own file", "it asks for /proc/self/exe");
}

static void print_program(const struct snapimg *image)
{
	const struct snapimg_process *process = snapimg_get_process(image);
	const struct snapimg_view *arguments = &image->section[SNAPIMG_SECTION_ARGUMENTS];
	const struct snapimg_thread *thread = snapimg_get_thread(image);
	const char *string = NULL;
	uint32_t i;

	print_string("program", snapimg_string(image, process->executable));
	print_label("arguments");
	while ((string = summary_next_string(arguments, string)) != NULL) {
		if (string != arguments->bytes)
			(void)putchar(' ');
		text_print_quoted(stdout, string);
	}
	(void)putchar('\n');
	print_string("directory", process->cwd == 0 ? "the caller's" : snapimg_string(image, process->cwd));
	print_label("threads");
	printf("%u (", process->thread_count);
	for (i = 0; i < process->thread_count && i < THREADS_SHOWN; i++) {
		(void)fputs(i == 0 ? "" : ", ", stdout);
		text_print(stdout, thread[i].comm);
	}
	(void)fputs(i < process->thread_count ? ", ...)\n" : ")\n", stdout);
	print_ids(image);
	if (snapimg_pending_count(image) > 0) {
		print_label("pending");
		printf("%u signals\n", snapimg_pending_count(image));
	}
}

static void print_memory(const struct snapimg *image)
{
	const struct snapimg_origin *origin = snapimg_get_origin(image);
	char pages[TEXT_SIZE_MAX], stored[TEXT_SIZE_MAX];
	struct summary summary;

	summary_of(image, &summary);
	print_label("mappings");
	printf("%u, %s\n", snapimg_mapping_count(image), text_size(pages, summary.mapped));
	print_label("present");
	printf("%s when it was frozen\n", text_size(pages, origin->raw_bytes));
	print_label("stored");
	printf("%s as %s in %u %s (ratio %.2f, ", text_size(pages, summary.pages),
	       text_size(stored, summary.stored), snapimg_extent_count(image),
	       snapimg_extent_count(image) == 1 ? "extent" : "extents", summary.ratio);
	text_print(stdout, snapimg_string(image, origin->codec));
	(void)fputs(")\n", stdout);
	print_label("zero");
	printf("%s not stored\n", text_size(pages, origin->zero_bytes));
	print_label("file-backed");
	printf("%s left to files\n", text_size(pages, origin->file_bytes));
	if (snapimg_hot_count(image) == 0)
		return;
	print_label("hot");
	printf("%llu pages written and %llu read soon after the start, in %u ranges\n",
	       (unsigned long long)summary.hot_written, (unsigned long long)summary.hot_read,
	       snapimg_hot_count(image));
}

static void print_features(const struct snapimg *image)
{
	const struct snapimg_header *header = image->header;
	uint32_t bit;

	print_label("features");
	(void)fputs("required:", stdout);
	for (bit = 0; bit < 64; bit++)
		if (header->required_features >> bit & 1)
			printf(" %s", snapimg_feature_name(bit));
	(void)fputs(header->required_features == 0 ? " none; optional:" : "; optional:", stdout);
	if (header->optional_features == 0)
		puts(" none");
	else
		printf(" 0x%" PRIx64 "\n", header->optional_features);
}

static void print_cpu(const struct snapimg *image)
{
	const uint32_t *words = snapimg_get_machine(image)->cpu_features;
	const struct snapimg_cpu_feature *feature;
	int column = LINE_WIDTH;
	uint32_t row = 0;

	if (snapimg_processor_count(image) > 0 && snapimg_get_processor(image)->level != SNAPIMG_LEVEL_NATIVE)
		printf("\nthe program was shown a processor of level %s",
		       summary_level(snapimg_get_processor(image)->level));
	(void)fputs("\nneeds these processor features:", stdout);
	while ((feature = snapimg_cpu_next(words, row)) != NULL) {
		int width = snprintf(NULL, 0, " %s", feature->name);

		if (column + width > LINE_WIDTH) {
			printf("\n%*s", INDENT - 1, "");
			column = INDENT - 1;
		}
		printf(" %s", feature->name);
		column += width;
		row = (uint32_t)(feature - snapimg_cpu_features) + 1;
	}
	(void)putchar('\n');
}

/* Where each of several threads stands. */
static void print_thread(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_thread *thread = snapimg_get_thread(image) + index;
	const struct snapimg_place *place = snapimg_get_place(image) + index;

	printf("%*s%u ", INDENT, "", thread->tid);
	text_print(stdout, thread->comm);
	if (place->call != 0) {
		(void)fputs(", in ", stdout);
		text_print(stdout, snapimg_string(image, place->call));
	}
	if (place->flags & SNAPIMG_PLACE_POINT)
		(void)fputs(", at the point", stdout);
	printf(", at 0x%" PRIx64 "\n", thread->registers.rip);
}

static bool is_made_again(const struct snapimg *image, const struct snapimg_file *file)
{
	const struct snapimg_identity *identity = snapimg_get_identity(image);

	for (uint32_t i = 0; i < snapimg_identity_count(image); i++)
		if (snapimg_get_file(image) + identity[i].file - 1 == file)
			return (identity[i].flags & SNAPIMG_IDENTITY_MADE) != 0;
	return false;
}

static void print_file(const struct snapimg *image, const struct snapimg_file *file)
{
	char id[2 * SNAPIMG_BUILD_ID_MAX + 1], size[TEXT_SIZE_MAX], time[SUMMARY_TIME_MAX];

	printf("%*s", INDENT, "");
	text_print(stdout, snapimg_string(image, file->path));
	if (file->check == SNAPIMG_CHECK_EXISTS) {
		puts(is_made_again(image, file) ? ": made again where it is gone" : ": must exist");
		return;
	}
	printf(": %s, of %s", text_size(size, file->size), summary_time(time, file->mtime_seconds));
	if (file->build_id_size > 0)
		printf(", or build-id %s", text_hex(id, file->build_id, file->build_id_size));
	(void)putchar('\n');
}

static void print_files(const struct snapimg *image, enum summary_need need, const char *title)
{
	uint32_t i, printed = 0;

	for (i = 0; i < snapimg_file_count(image); i++) {
		if (summary_need_of(image, i) != need)
			continue;
		if (printed++ == 0)
			puts(title);
		print_file(image, snapimg_get_file(image) + i);
	}
}

static void print_object(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_object *object = snapimg_get_object(image) + index;
	const struct snapimg_content *content = snapimg_get_content(image);
	char size[TEXT_SIZE_MAX];
	const struct snapimg_inotify *watched = snapimg_get_inotify(image);
	bool is_socket = object->kind == SNAPIMG_OBJECT_SOCKET;
	uint64_t bytes = 0;
	uint32_t i;

	(void)fputs(snapimg_object_name(object->kind), stdout);
	if (is_socket && object->value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_RESET)
		(void)fputs(" that the other side has reset", stdout);
	if (object->name != 0) {
		(void)putchar(' ');
		text_print(stdout, snapimg_string(image, object->name));
	}
	for (i = 0; i < snapimg_content_count(image); i++)
		bytes += content[i].object == index ? content[i].size : 0;
	if (bytes > 0)
		printf(", with %s", text_size(size, bytes));
	for (i = 0; i < snapimg_inotify_count(image); i++) {
		if (watched[i].object != index)
			continue;
		(void)fputs(", watches ", stdout);
		text_print(stdout, snapimg_string(image, watched[i].path));
	}
}

static void print_descriptor(const struct snapimg *image, const struct snapimg_descriptor *descriptor)
{
	printf("%*s%d ", INDENT, "", descriptor->number);
	switch (descriptor->kind) {
	case SNAPIMG_DESCRIPTOR_INHERIT:
		printf("the caller's %d", descriptor->source);
		break;
	case SNAPIMG_DESCRIPTOR_FILE:
		text_print(stdout, snapimg_string(image, snapimg_get_file(image)[descriptor->file - 1].path));
		printf(", %s, at %" PRIu64, summary_access(descriptor->flags), descriptor->position);
		break;
	case SNAPIMG_DESCRIPTOR_DUPLICATE:
		printf("shares %d", descriptor->source);
		break;
	case SNAPIMG_DESCRIPTOR_OBJECT:
		print_object(image, (uint32_t)descriptor->source);
		break;
	default:
		(void)fputs("closed", stdout);
	}
	puts(descriptor->close_on_exec ? ", closed by exec" : "");
}

static void print_root(const struct snapimg *image)
{
	const struct snapimg_root *root = snapimg_get_root(image);
	char size[TEXT_SIZE_MAX];

	if (snapimg_root_count(image) > 0)
		puts("\nhas these embedded files, for snaprun --root=image:");
	for (uint32_t i = 0; i < snapimg_root_count(image); i++) {
		printf("%*s", INDENT, "");
		text_print(stdout, snapimg_string(image, root[i].path));
		if (root[i].kind == SNAPIMG_ROOT_FILE) {
			printf(": %s", text_size(size, root[i].size));
		} else if (root[i].kind == SNAPIMG_ROOT_LINK) {
			(void)fputs(", a link to ", stdout);
			text_print(stdout, snapimg_string(image, root[i].target));
		} else {
			putchar('/');
		}
		putchar('\n');
	}
}

void info_print_text(const struct snapimg *image, const char *path, const char *sha256)
{
	uint32_t i;

	print_image(image, path, sha256);
	print_origin(image);
	print_program(image);
	print_memory(image);
	print_features(image);
	print_cpu(image);
	info_print_tree(image);
	if (snapimg_place_count(image) > 0)
		puts("\nthreads:");
	for (i = 0; i < snapimg_place_count(image); i++)
		print_thread(image, i);
	print_files(image, NEEDS_CONTENT, "\nhas these files (self-contained):");
	print_files(image, NEEDS_FILE, "\nneeds these files:");
	print_root(image);
	if (snapimg_descriptor_count(image) > 0)
		puts("\ndescriptors:");
	for (i = 0; i < snapimg_descriptor_count(image); i++)
		print_descriptor(image, snapimg_get_descriptor(image) + i);
	info_print_ipc(image);
	info_print_inputs(image);
}
