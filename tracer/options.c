#include "tracer/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/check/timeline.h"
#include "tracer/embeds.h"
#include "tracer/option_values.h"
#include "tracer/points/point.h"

enum { CHECK_SECONDS = 10 };

static const char usage[] = "Usage: snaptrace [-o FILE] [--at POINT]... [options] [--] PROG [ARG...]\n"
                            "       snaptrace [-o FILE] [--at POINT]... [options] -p PID\n"
                            "       snaptrace --log-exec[=FILE] [--json] [--] PROG [ARG...]\n"
                            "       snaptrace --check [--at POINT]... [--json] [PROG [ARG...] | -p PID]\n"
                            "       snaptrace --record-hot [--timeout DURATION] [--] IMAGE [ARG...]\n"
                            "Runs PROG up to POINT, keeps it as one image file, and ends it.\n"
                            "`snaprun FILE [ARG...]` starts it from there.\n"
                            "\n";
static const char endings[] =
        "\n"
        "Exit status: 0 the image is written; 1 PROG ended before the point; 124 --timeout\n"
        "is over; 125 snaptrace failed or refused; with --continue, or with --log-exec\n"
        "alone, that of PROG; 126 PROG cannot be run; 127 PROG was not found.\n";

const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static option_taker take_help, take_version;

#define FLAG(member) option_set_flag, offsetof(struct options, member)
#define TEXT(member) option_set_text, offsetof(struct options, member)

/* All options, in the order of --help. The manual has the same (install.options checks that). */
static const struct option_row rows[] = {
        {{'o', "output", "FILE",
          "the image (PROG's base name with .snap, in the working directory); -: standard output"},
         TEXT(output)},
        {{0, "runnable", NULL,
          "the output is a program: the loader and the image in one executable file (PROG's base name with "
          ".run)"},
         FLAG(runnable)},
        {{0, "at", "POINT",
          "where to freeze (the variable SNAP_AT, or else main), see below; of several the one that comes "
          "first"},
         option_take_at,
         0},
        {{0, "skip", "N", "pass over the first N points met"}, option_take_skip, 0},
        {{0, "timeout", "DURATION", "give up when no point was met in time (exit status 124)"},
         option_take_timeout,
         0},
        {{'p', "pid", "PID", "attach to a running process instead of starting PROG"}, option_take_pid, 0},
        {{0, "in", "NAME", "only in a process whose executable or script has this base name"}, TEXT(in)},
        {{0, "warm", "[=LANGUAGE]",
          "the point is where an unchanged program of python, node, ruby or perl first looks at its "
          "arguments "
          "(auto: the "
          "interpreter tells)"},
         option_take_warm,
         0},
        {{0, "warm-exit", "quick|full",
          "how such a program ends: its own exit handlers, and not the interpreter's teardown (quick), or "
          "with it"},
         option_take_warm_exit,
         0},
        {{0, "warm-load", "yes|no",
          "whether the modules that such a program loads after the point, up to its first effect outside, "
          "are "
          "loaded before it"},
         option_take_warm_load,
         0},
        {{0, "launcher", "FILE",
          "make FILE a command that starts PROG from an image (--warm) where all that it had read is as it "
          "was, and else cold, and has the image made again then"},
         TEXT(launcher)},
        {{0, "refresh", "FILE|IMAGE", "make a launcher's image again"}, TEXT(refresh)},
        {{0, "if-needed", NULL, "of --refresh: only if a start would be cold"}, FLAG(if_needed)},
        {{0, "list", NULL, "list the launchers, and whether their images are right here and now"},
         FLAG(lists)},
        {{0, "remove", "FILE|IMAGE", "take a launcher and its image away"}, TEXT(remove)},
        {{0, "whole", NULL,
          "the image holds all processes from PROG on (the one that meets the point, and its descendants)"},
         FLAG(whole)},
        {{0, "tree", "root",
          "the image holds the one process that meets the point, which must have no child"},
         option_take_tree,
         0},
        {{0, "continue", NULL, "let the program go on after the dump, untraced; ends as PROG does"},
         option_take_continue,
         0},
        {{0, "others", "kill|continue", "what becomes of the other processes at the point (kill)"},
         option_take_others,
         0},
        {{0, "log-exec", "[=FILE]",
          "a line for each exec and each end of a process (standard error); without a point PROG is only "
          "followed"},
         option_take_log,
         0},
        {{0, "json", NULL, "the log as one JSON object a line; the report of --check as one document"},
         FLAG(json)},
        {{0, "train", "ARGS",
          "start the new image once with these arguments (words as the shell splits them), its output "
          "thrown away, to note which pages it uses"},
         option_take_train,
         0},
        {{0, "no-cache", NULL, "put no thawed copy of the image into the cache of snaprun"}, FLAG(no_cache)},
        {{0, "record-hot", NULL,
          "start IMAGE once and note in it which pages it uses up to its end, or for the time of "
          "--timeout: later starts make them in batches"},
         FLAG(record_hot)},
        {{0, "check", NULL,
          "write nothing: tell what this machine can, and what a dump at each point that PROG comes to "
          "would refuse or tell, and a start save; PROG runs to its end, or for the time of --timeout (10 "
          "s); without PROG only the machine"},
         FLAG(check)},
        {{0, "compress", "zstd|lz4|none", "how pages are stored (zstd; none up to 64 KiB)"},
         option_take_compress,
         0},
        {{0, "level", "N", "of compression, 1 to 19 (3)"}, option_take_level, 0},
        {{0, "io-uring", NULL, "let the program have io_uring, which is carried while nothing is under way"},
         FLAG(io_uring)},
        {{0, "drop-seccomp", NULL, "leave out the program's own seccomp filters instead of refusing"},
         FLAG(drop_seccomp)},
        {{0, "fd", "N=close|null|inherit|file:PATH",
          "what descriptor N becomes in the image, whatever it is"},
         option_take_fd,
         0},
        {{0, "tcp", "refuse|reset",
          "connected TCP sockets: refuse them (the default), or let the program find that the other side "
          "has reset the connection"},
         option_take_tcp,
         0},
        {{0, "cpu", "native|x86-64|x86-64-v2|x86-64-v3",
          "the processor that PROG is shown, and the image needs (native: this machine's)"},
         option_take_cpu,
         0},
        {{0, "carry", "made|none|FILE",
          "files whose content goes into the image, for a start that doesn't find them: those that PROG "
          "made itself (the default), none, or FILE as well"},
         option_take_carry,
         0},
        {{0, "self-contained", NULL,
          "the files that PROG has mapped or open for reading go into the image, which then needs none of "
          "them"},
         FLAG(self_contained)},
        {{0, "embed", "FILE|DIR",
          "a file, or all that is in a directory, goes into the image, for PROG to open later under snaprun "
          "--root=image"},
         option_take_embed,
         0},
        {{0, "portable", NULL,
          "an image for other machines: --self-contained, --cpu=x86-64-v2, functions bound at once, a clock "
          "near zero"},
         FLAG(portable)},
        {{0, "reproducible", NULL,
          "two images of the same program are alike: addresses, AT_RANDOM and hash seeds are fixed (see the "
          "manual: it costs security)"},
         FLAG(reproducible)},
        {{'q', "quiet", NULL, "no summary, no progress, no warnings"}, option_take_quiet, 0},
        {{'v', "verbose", NULL, "tell what is done"}, option_take_verbose, 0},
        {{0, "help", NULL, "this text"}, take_help, 0},
        {{0, "version", NULL, "the version"}, take_version, 0},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(*rows), FIRST_LONG = 256, HELP_COLUMN = 27 };

static bool put_line(void *context, const char *line)
{
	return fputs(line, context) != EOF;
}

static enum status take_help(const struct option_row *row, struct options *options, const char *value)
{
	const struct help help = {HELP_COLUMN, put_line, stdout};

	(void)row, (void)value;
	options->done = true;
	(void)put_line(stdout, usage); /* what does not arrive shows below */
	for (size_t i = 0; i < ROW_COUNT; i++)
		(void)help_put_option(&help, &rows[i].words);
	(void)put_line(stdout, "\nPOINT:\n");
	points_describe(&help);
	(void)put_line(stdout, endings);
	if (fflush(stdout) == EOF || ferror(stdout))
		return fail(STATUS_FAILED, "standard output: %s", strerror(errno));
	return STATUS_OK;
}

static enum status take_version(const struct option_row *row, struct options *options, const char *value)
{
	(void)row, (void)value;
	options->done = true;
	if (fputs("snaptrace " SNAP_VERSION "\n", stdout) == EOF || fflush(stdout) == EOF)
		return fail(STATUS_FAILED, "standard output: %s", strerror(errno));
	return STATUS_OK;
}

/* What getopt_long needs of the table. */
struct getopt_tables {
	struct option names[ROW_COUNT + 1];
	char letters[2 * ROW_COUNT + 2];
};

static struct getopt_tables make_tables(void)
{
	struct getopt_tables tables = {.letters = "+"};
	size_t end = 1;

	for (size_t i = 0; i < ROW_COUNT; i++) {
		const struct option_words *words = &rows[i].words;
		int takes = !words->argument            ? no_argument
		            : words->argument[0] == '[' ? optional_argument
		                                        : required_argument;

		tables.names[i] = (struct option){words->name, takes, NULL, FIRST_LONG + (int)i};
		if (words->letter)
			tables.letters[end++] = words->letter;
		if (words->letter && takes == required_argument)
			tables.letters[end++] = ':';
	}
	return tables;
}

static const struct option_row *find_row(int option)
{
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (option == FIRST_LONG + (int)i || option == rows[i].words.letter)
			return &rows[i];
	return NULL; /* '?': getopt_long has told what is wrong */
}

/* Beside the points that were asked for those of a timeline; of a process that runs already: now. */
static enum status add_timeline(struct options *options)
{
	enum status status = STATUS_OK;

	options->asked = options->point_count;
	if (options->timeout == 0)
		options->timeout = CHECK_SECONDS;
	for (const char *const *name = timeline_points; *name && !options->attach && status == STATUS_OK;
	     name++) {
		bool given = false;

		for (unsigned i = 0; i < options->asked; i++)
			given = given || strcmp(options->points[i], *name) == 0;
		if (!given)
			status = options_add_point(options, *name);
	}
	return status;
}

/* SNAP_AT, or main; of a process that runs already: at once. The log alone has none. */
static enum status add_default_point(struct options *options)
{
	static const char warm_point[] = "warm";
	static const char main_point[] = "main", at_once[] = "after:0";
	const char *given = getenv("SNAP_AT");

	if (options->refresh || options->lists || options->remove)
		return STATUS_OK;
	if (options->launcher && !options->warm)
		options->warm = "auto";
	if (options->warm)
		return options_add_point(options, warm_point);
	if (given && !options->record_hot)
		return options_add_point(options, given);
	if (((options->log || options->check) && !options->attach) || options->record_hot)
		return STATUS_OK;
	return options_add_point(options, options->attach ? at_once : main_point);
}

void options_free(struct options *options)
{
	while (options->carry.count > 0)
		free(options->carry.file[--options->carry.count]);
	embeds_free(&options->embeds);
}

enum status options_read(int argc, char **argv, struct options *ret_options)
{
	static char name[] = "snaptrace"; /* what getopt_long's own messages begin with */
	struct getopt_tables tables = make_tables();
	struct options options = {.compress = true};
	enum status status = STATUS_OK;
	int option;

	if (argc > 0)
		argv[0] = name;
	while (status == STATUS_OK && !options.done &&
	       (option = getopt_long(argc, argv, tables.letters, tables.names, NULL)) != -1) {
		const struct option_row *row = find_row(option);

		status = row ? row->take(row, &options, optarg) : STATUS_FAILED;
	}
	options.program = argv + optind;
	options.self_contained |= options.portable;
	if (options.portable && !options.cpu_given)
		options.cpu_level = SNAPIMG_LEVEL_X86_64_V2;
	if (status == STATUS_OK && !options.done && !options.point_count)
		status = add_default_point(&options);
	if (status == STATUS_OK && options.check && !options.done && (options.program[0] || options.attach))
		status = add_timeline(&options);
	if (status == STATUS_OK && !options.done)
		status = options_check(&options);
	*ret_options = options;
	return status;
}
