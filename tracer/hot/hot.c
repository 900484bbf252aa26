/*
 * The program runs once from a thawed copy of the image, in memory, where a
 * page that was only read is still the copy's and one that was written is the
 * program's own. Fault-around (mm/memory.c, do_fault_around) makes the read
 * ones some more than were touched, which costs little. What the loader copies
 * anyway is left out.
 */
#include "tracer/hot/hot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

#include "format/base/output_file.h"
#include "format/base/proc.h"
#include "format/convert/image_file.h"
#include "format/convert/rewrite.h"
#include "format/convert/thaw.h"
#include "tracer/hot/hot_run.h"
#include "tracer/hot/sibling.h"

/*
 * A fault maps up to 16 pages of the page cache at once, and populating them costs as much for each page as
 * that fault does for all: of what is only read, only long ranges are worth it (Python, 3,500 pages read:
 * all 0.4 ms slower, from 64 pages on 0.05 ms faster than none).
 */
enum { READ_LEAST = 64 * SNAPIMG_PAGE_SIZE };

static enum status image_failed(const struct image_failure *failure, const char *name)
{
	char text[IMAGE_FAILURE_SIZE];

	return fail(failure->status, "%s", image_failure_text(failure, name, text));
}

static enum status conversion_failed(const struct image_file *image, const char *name,
                                     const struct output_file *output, enum snapimg_error error)
{
	if (error == SNAPIMG_ERR_SINK)
		return fail(STATUS_FAILED, "can't write the image: %s: %s: %s", output->path,
		            output_file_reason(output->error), output_file_advice(output->error));
	struct image_failure failure = image_failure_of(&image->image, error);
	return image_failed(&failure, name);
}

/* A copy in memory that is mapped, not copied, where it's run. */
static enum status thaw(struct image_file *image, const char *name, struct image_file *ret_thawed)
{
	struct image_failure failure;
	struct output_file file;
	enum snapimg_error error = SNAPIMG_ERR_SINK;
	enum status status = STATUS_OK;

	if (output_file_begin_in_memory(&file, "thawed"))
		error = image_thaw(&image->image, output_file_sink, &file);
	if (error != SNAPIMG_OK || !output_file_finish(&file))
		status =
		        conversion_failed(image, name, &file, error == SNAPIMG_OK ? SNAPIMG_ERR_SINK : error);
	else if (!image_file_take(ret_thawed, fcntl(file.descriptor, F_DUPFD_CLOEXEC, 0), IMAGE_RECORDS,
	                          &failure))
		status = image_failed(&failure, name);
	output_file_end(&file);
	return status;
}

/* IMAGE and what follows it, as given, but for the copy's path. Owned. */
static char **make_arguments(char *const *program, char *image)
{
	size_t count = 0;

	while (program[count])
		count++;
	static char name[] = "snaprun", quiet[] = "-q", uncached[] = "--cache=off", ids[] = "--ids=new";
	char **arguments = calloc(count + 5, sizeof(*arguments));
	if (!arguments)
		return NULL;
	arguments[0] = name;
	arguments[1] = quiet;
	arguments[2] = uncached;
	arguments[3] = ids; /* a process of its own would be in between */
	arguments[4] = image;
	memcpy(arguments + 5, program + 1, (count - 1) * sizeof(*arguments));
	return arguments;
}

static enum status run_copy(const struct options *options, const struct image_file *thawed,
                            struct hot_run *run)
{
	char snaprun[2 * PATH_MAX];
	/* By way of our own descriptor, which the program has not. */
	struct proc_path image = proc_path(getpid(), "fd/%d", thawed->descriptor);
	enum status status;

	sibling_path("snaprun", snaprun, sizeof(snaprun));
	run->snaprun = snaprun;
	run->timeout = options->timeout;
	run->arguments = make_arguments(options->program, image.text);
	status = run->arguments ? hot_run(run) : fail(STATUS_FAILED, "out of memory");
	free(run->arguments);
	run->arguments = NULL;
	run->snaprun = NULL;
	return status;
}

/* Where pages may be populated, and where the loader makes them itself. */
static enum status list_memory(const struct snapimg *image, struct ranges *ret_populated,
                               struct ranges *ret_copied)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	const struct snapimg_run *run = snapimg_get_run(image);
	const struct snapimg_piece *piece = snapimg_get_piece(image);
	enum status status = STATUS_OK;

	for (uint32_t i = 0; i < snapimg_mapping_count(image) && status == STATUS_OK; i++)
		if (!(mapping[i].flags & SNAPIMG_MAP_SHARED) &&
		    (mapping[i].kind == SNAPIMG_MAPPING_ANONYMOUS || mapping[i].kind == SNAPIMG_MAPPING_FILE))
			status = ranges_append(ret_populated, mapping[i].start, mapping[i].end);
	for (uint32_t i = 0, next = 0; i < snapimg_run_count(image) && status == STATUS_OK; i++) {
		while (next < snapimg_piece_count(image) && piece[next].end <= run[i].address)
			next++;
		if (next == snapimg_piece_count(image) || run[i].address < piece[next].start)
			status = ranges_add(ret_copied, run[i].address, snapimg_run_end(&run[i]), 0);
	}
	return status;
}

/* What earlier runs left in the image. */
static enum status read_earlier(const struct snapimg *image, struct ranges *written, struct ranges *present)
{
	const struct snapimg_hot *hot = snapimg_get_hot(image);
	enum status status = STATUS_OK;

	for (uint32_t i = 0; i < snapimg_hot_count(image) && status == STATUS_OK; i++)
		status = ranges_add(hot[i].kind == SNAPIMG_HOT_WRITTEN ? written : present, hot[i].address,
		                    hot[i].address + (uint64_t)hot[i].pages * SNAPIMG_PAGE_SIZE, 0);
	return status;
}

/* The sets on the way from a run to its records; each is made of those before. */
struct hot_sets {
	struct ranges populated, copied;                /* of the image's memory */
	struct ranges earlier_written, earlier_present; /* of earlier runs */
	struct ranges any_written, own_written,
	        written; /* … of any; that may be populated; less what is copied */
	struct ranges any_present, own_present, uncopied, only_read, read; /* read: the long ones */
};

static enum status join_runs(const struct snapimg *image, const struct hot_run *run, struct hot_sets *sets)
{
	enum status status;

	if ((status = list_memory(image, &sets->populated, &sets->copied)) != STATUS_OK ||
	    (status = read_earlier(image, &sets->earlier_written, &sets->earlier_present)) != STATUS_OK ||
	    (status = ranges_unite(&run->written, &sets->earlier_written, 0, &sets->any_written)) ||
	    (status = ranges_intersect(&sets->any_written, &sets->populated, &sets->own_written)) ||
	    (status = ranges_subtract(&sets->own_written, &sets->copied, &sets->written)) ||
	    (status = ranges_unite(&run->present, &sets->earlier_present, 0, &sets->any_present)) ||
	    (status = ranges_intersect(&sets->any_present, &sets->populated, &sets->own_present)) ||
	    (status = ranges_subtract(&sets->own_present, &sets->copied, &sets->uncopied)))
		return status;
	if ((status = ranges_subtract(&sets->uncopied, &sets->written, &sets->only_read)) != STATUS_OK)
		return status;
	for (size_t i = 0; i < sets->only_read.count && status == STATUS_OK; i++) {
		struct range range = sets->only_read.range[i];
		if (range.end - range.start >= READ_LEAST)
			status = ranges_append(&sets->read, range.start, range.end);
	}
	return status;
}

static void sets_free(struct hot_sets *sets)
{
	struct ranges *const all[] = {
	        &sets->populated,   &sets->copied,      &sets->earlier_written, &sets->earlier_present,
	        &sets->any_written, &sets->own_written, &sets->written,         &sets->any_present,
	        &sets->own_present, &sets->uncopied,    &sets->only_read,       &sets->read,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		ranges_free(all[i]);
}

/* The two sets as one sequence of records. Owned, or NULL. */
static struct snapimg_hot *make_records(const struct ranges *written, const struct ranges *read,
                                        size_t *ret_count)
{
	struct snapimg_hot *record = calloc(written->count + read->count + 1, sizeof(*record));
	size_t i = 0, j = 0, count = 0;

	while (record && (i < written->count || j < read->count)) {
		bool writes = j == read->count ||
		              (i < written->count && written->range[i].start < read->range[j].start);
		const struct range *next = writes ? &written->range[i++] : &read->range[j++];
		record[count++] = (struct snapimg_hot){
		        .address = next->start,
		        .pages = (uint32_t)((next->end - next->start) / SNAPIMG_PAGE_SIZE),
		        .kind = writes ? SNAPIMG_HOT_WRITTEN : SNAPIMG_HOT_READ};
	}
	*ret_count = count;
	return record;
}

static uint64_t count_pages(const struct ranges *ranges)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < ranges->count; i++)
		bytes += ranges->range[i].end - ranges->range[i].start;
	return bytes / SNAPIMG_PAGE_SIZE;
}

/* In the image's place, or as -o. */
static enum status write_image(const struct image_file *image, const char *name, const char *output,
                               const struct snapimg_hot *record, size_t count)
{
	struct output_file file;
	enum snapimg_error error = SNAPIMG_ERR_SINK;
	enum status status = STATUS_OK;

	if (output_file_begin(&file, output, 0) && output_file_set_mode(&file, image->mode))
		error = snapimg_rewrite(&image->image, SNAPIMG_SECTION_HOT, record, count * sizeof(*record),
		                        output_file_sink, &file);
	if (error != SNAPIMG_OK || !output_file_finish(&file))
		status =
		        conversion_failed(image, name, &file, error == SNAPIMG_OK ? SNAPIMG_ERR_SINK : error);
	output_file_end(&file);
	return status;
}

static enum status store(const struct image_file *image, const char *name, const char *output,
                         const struct image_file *thawed, const struct hot_run *run)
{
	struct hot_sets sets = {0};
	size_t count = 0;
	enum status status = join_runs(&thawed->image, run, &sets);
	struct snapimg_hot *record =
	        status == STATUS_OK ? make_records(&sets.written, &sets.read, &count) : NULL;

	if (status == STATUS_OK && !record)
		status = fail(STATUS_FAILED, "out of memory");
	if (status == STATUS_OK && (status = write_image(image, name, output, record, count)) == STATUS_OK)
		tell("%s: %llu pages are written soon after the start, and %llu read in a row: %zu ranges",
		     output, (unsigned long long)count_pages(&sets.written),
		     (unsigned long long)count_pages(&sets.read), count);
	free(record);
	sets_free(&sets);
	return status;
}

static enum status record(const struct options *options, bool silent, int *ret_wait_status)
{
	const char *name = options->program[0];
	struct image_file image CLEANUP(image_file_close) = {.descriptor = -1, .memory = MAP_FAILED};
	struct image_file copy CLEANUP(image_file_close) = {.descriptor = -1, .memory = MAP_FAILED};
	struct image_failure failure;
	struct hot_run run = {.silent = silent};
	enum status status;

	*ret_wait_status = 0;
	if (!image_file_open(&image, name, IMAGE_WHOLE, &failure))
		return image_failed(&failure, name);
	if (snapimg_member_count(&image.image))
		return fail(STATUS_FAILED,
		            "%s: a tree of processes: which pages it uses can't be recorded: leave it out",
		            name);
	if (image.offset != 0)
		return fail(
		        STATUS_FAILED,
		        "%s: a runnable file: record its image, then make the file again (snapimg runnable)",
		        name);
	if ((status = thaw(&image, name, &copy)) != STATUS_OK)
		return status;
	if ((status = run_copy(options, &copy, &run)) == STATUS_OK) {
		*ret_wait_status = run.wait_status;
		if (run.looked)
			status = store(&image, name, options->output ? options->output : name, &copy, &run);
		else
			tell("%s: nothing was recorded: it became another program, or did not start", name);
	}
	ranges_free(&run.written);
	ranges_free(&run.present);
	return status;
}

enum status hot_record(const struct options *options, int *ret_wait_status)
{
	return record(options, false, ret_wait_status);
}

/* IMAGE, "--" and the words. Owned, but for what they point to. */
static char **train_program(char *path, const wordexp_t *words)
{
	static char exactly[] = "--";
	char **program = calloc(words->we_wordc + 3, sizeof(*program));

	if (!program)
		return NULL;
	program[0] = path;
	program[1] = exactly;
	memcpy(program + 2, words->we_wordv, words->we_wordc * sizeof(*program));
	return program;
}

static enum status train(const struct options *options, char *path, const char *arguments)
{
	struct options own = {.timeout = options->timeout};
	wordexp_t words;
	enum status status;
	int ended;

	if (wordexp(arguments, &words, WRDE_NOCMD) != 0)
		return fail(STATUS_FAILED, "--train %s: can't be split into words: quote it", arguments);
	own.program = train_program(path, &words);
	status = own.program ? record(&own, true, &ended) : fail(STATUS_FAILED, "out of memory");
	free(own.program);
	wordfree(&words);
	return status;
}

enum status hot_train(const struct options *options, const char *path)
{
	char *own = strdup(path);
	enum status status = own ? STATUS_OK : fail(STATUS_FAILED, "out of memory");

	for (unsigned i = 0; i < options->train_count && status == STATUS_OK; i++)
		status = train(options, own, options->trains[i]);
	free(own);
	return status;
}
