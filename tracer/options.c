#include "tracer/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/base/duration.h"
#include "format/facts/cpu.h"
#include "tracer/check/timeline.h"
#include "tracer/embeds.h"
#include "tracer/points/point.h"
#include "tracer/warm/warm.h"

enum { LEVEL_MAX = 19, CHECK_SECONDS = 10 };

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

/* A row of the table: what the option is, and what takes it. `value` is NULL where none was given. */
struct row {
	struct option_words words;
	enum status (*take)(const struct row *row, struct options *options, const char *value);
	size_t place; /* in struct options, of what set_flag or set_text sets */
};

static enum status set_flag(const struct row *row, struct options *options, const char *value)
{
	(void)value;
	*(bool *)((char *)options + row->place) = true;
	return STATUS_OK;
}

static enum status set_text(const struct row *row, struct options *options, const char *value)
{
	*(const char **)((char *)options + row->place) = value;
	return STATUS_OK;
}

/* One of two words: whether it is the second. */
static enum status read_choice(const char *option, const char *text, const char *first, const char *second,
                               bool *ret_second)
{
	if (strcmp(text, first) != 0 && strcmp(text, second) != 0)
		return fail(STATUS_FAILED, "--%s %s: not known: give %s or %s", option, text, first, second);
	*ret_second = strcmp(text, second) == 0;
	return STATUS_OK;
}

static enum status read_number(const char *option, const char *text, unsigned long least, unsigned long most,
                               unsigned long *ret_number)
{
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || number < least || number > most)
		return fail(STATUS_FAILED, "--%s %s: not a number from %lu to %lu", option, text, least,
		            most);
	*ret_number = number;
	return STATUS_OK;
}

static enum status add_point(struct options *options, const char *text)
{
	if (options->point_count == POINTS_MAX)
		return fail(STATUS_FAILED, "--at %s: more than %d points: give fewer", text, POINTS_MAX);
	options->points[options->point_count++] = text;
	return STATUS_OK;
}

static enum status take_at(const struct row *row, struct options *options, const char *value)
{
	(void)row;
	return add_point(options, value);
}

static enum status take_skip(const struct row *row, struct options *options, const char *value)
{
	return read_number(row->words.name, value, 0, ULONG_MAX, &options->skip);
}

static enum status take_timeout(const struct row *row, struct options *options, const char *value)
{
	(void)row;
	if (duration_parse(value, &options->timeout) && options->timeout > 0)
		return STATUS_OK;
	return fail(STATUS_FAILED, "--timeout %s: not a duration: write it like 500ms, 10s or 2m", value);
}

static enum status take_pid(const struct row *row, struct options *options, const char *value)
{
	unsigned long pid = 0;
	enum status status = read_number(row->words.name, value, 1, INT_MAX, &pid);

	options->attach = (int)pid;
	return status;
}

static enum status take_continue(const struct row *row, struct options *options, const char *value)
{
	(void)row, (void)value;
	options->continues = options->others_go_on = true;
	return STATUS_OK;
}

static enum status take_others(const struct row *row, struct options *options, const char *value)
{
	return read_choice(row->words.name, value, "kill", "continue", &options->others_go_on);
}

static enum status take_tree(const struct row *row, struct options *options, const char *value)
{
	(void)row;
	if (strcmp(value, "root") != 0)
		return fail(STATUS_FAILED, "--tree %s: not known: give root", value);
	options->root_only = true;
	return STATUS_OK;
}

static enum status take_log(const struct row *row, struct options *options, const char *value)
{
	(void)row;
	options->log = true;
	options->log_file = value;
	return STATUS_OK;
}

static enum status take_train(const struct row *row, struct options *options, const char *value)
{
	(void)row;
	if (options->train_count == TRAINS_MAX)
		return fail(STATUS_FAILED, "--train: more than %d: give fewer", TRAINS_MAX);
	options->trains[options->train_count++] = value;
	return STATUS_OK;
}

static enum status take_compress(const struct row *row, struct options *options, const char *value)
{
	options->compress_given = true;
	options->compress = strcmp(value, "none") != 0;
	for (int codec = 0; codec < CODECS && options->compress; codec++)
		if (strcmp(value, codec_name((enum codec)codec)) == 0) {
			options->codec = (enum codec)codec;
			return STATUS_OK;
		}
	return options->compress ? fail(STATUS_FAILED, "--%s %s: not known: give zstd, lz4 or none",
	                                row->words.name, value)
	                         : STATUS_OK;
}

static enum status take_level(const struct row *row, struct options *options, const char *value)
{
	unsigned long level = 0;
	enum status status = read_number(row->words.name, value, 1, LEVEL_MAX, &level);

	options->level = (int)level;
	return status;
}

static enum status take_fd(const struct row *row, struct options *options, const char *value)
{
	(void)row;
	return overrides_add(&options->overrides, value);
}

static enum status take_tcp(const struct row *row, struct options *options, const char *value)
{
	return read_choice(row->words.name, value, "refuse", "reset", &options->overrides.tcp_reset);
}

static enum status take_carry(const struct row *row, struct options *options, const char *value)
{
	struct carry *carry = &options->carry;

	(void)row;
	if (strcmp(value, "made") == 0 || strcmp(value, "none") == 0) {
		carry->none = *value == 'n';
		return STATUS_OK;
	}
	if (carry->count == CARRY_MAX)
		return fail(STATUS_FAILED, "--carry %s: more than %d files: give fewer", value, CARRY_MAX);
	if (!(carry->file[carry->count] = realpath(value, NULL)))
		return fail(STATUS_FAILED, "--carry %s: %s: give made, none, or a file that is there", value,
		            strerror(errno));
	carry->count++;
	return STATUS_OK;
}

static enum status take_embed(const struct row *row, struct options *options, const char *value)
{
	(void)row;
	return embeds_add(&options->embeds, value);
}

static enum status take_cpu(const struct row *row, struct options *options, const char *value)
{
	(void)row;
	for (uint32_t level = 0; level < SNAPIMG_LEVELS; level++)
		if (strcmp(value, snapimg_level_names[level]) == 0) {
			options->cpu_level = level;
			options->cpu_given = true;
			return STATUS_OK;
		}
	return fail(STATUS_FAILED, "--cpu %s: not known: give native, x86-64, x86-64-v2 or x86-64-v3", value);
}

static enum status take_warm(const struct row *row, struct options *options, const char *value)
{
	(void)row;
	options->warm = value ? value : "auto";
	return warm_check_language(options->warm);
}

static enum status take_warm_exit(const struct row *row, struct options *options, const char *value)
{
	return read_choice(row->words.name, value, "quick", "full", &options->warm_exits_fully);
}

static enum status take_quiet(const struct row *row, struct options *options, const char *value)
{
	(void)row, (void)value;
	options->verbosity = QUIET;
	return STATUS_OK;
}

static enum status take_verbose(const struct row *row, struct options *options, const char *value)
{
	(void)row, (void)value;
	options->verbosity = VERBOSE;
	return STATUS_OK;
}

static enum status take_help(const struct row *row, struct options *options, const char *value);
static enum status take_version(const struct row *row, struct options *options, const char *value);

#define FLAG(member) set_flag, offsetof(struct options, member)
#define TEXT(member) set_text, offsetof(struct options, member)

/* All options, in the order of --help. The manual has the same (install.options checks that). */
static const struct row rows[] = {
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
         take_at,
         0},
        {{0, "skip", "N", "pass over the first N points met"}, take_skip, 0},
        {{0, "timeout", "DURATION", "give up when no point was met in time (exit status 124)"},
         take_timeout,
         0},
        {{'p', "pid", "PID", "attach to a running process instead of starting PROG"}, take_pid, 0},
        {{0, "in", "NAME", "only in a process whose executable or script has this base name"}, TEXT(in)},
        {{0, "warm", "[=LANGUAGE]",
          "the point is where an unchanged program of python, node or ruby first looks at its arguments "
          "(auto: the "
          "interpreter tells)"},
         take_warm,
         0},
        {{0, "warm-exit", "quick|full",
          "how such a program ends: its own exit handlers, and not the interpreter's teardown (quick), or "
          "with it"},
         take_warm_exit,
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
         take_tree,
         0},
        {{0, "continue", NULL, "let the program go on after the dump, untraced; ends as PROG does"},
         take_continue,
         0},
        {{0, "others", "kill|continue", "what becomes of the other processes at the point (kill)"},
         take_others,
         0},
        {{0, "log-exec", "[=FILE]",
          "a line for each exec and each end of a process (standard error); without a point PROG is only "
          "followed"},
         take_log,
         0},
        {{0, "json", NULL, "the log as one JSON object a line; the report of --check as one document"},
         FLAG(json)},
        {{0, "train", "ARGS",
          "start the new image once with these arguments (words as the shell splits them), its output "
          "thrown away, to note which pages it uses"},
         take_train,
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
         take_compress,
         0},
        {{0, "level", "N", "of compression, 1 to 19 (3)"}, take_level, 0},
        {{0, "drop-seccomp", NULL, "leave out the program's own seccomp filters instead of refusing"},
         FLAG(drop_seccomp)},
        {{0, "fd", "N=close|null|inherit|file:PATH",
          "what descriptor N becomes in the image, whatever it is"},
         take_fd,
         0},
        {{0, "tcp", "refuse|reset",
          "connected TCP sockets: refuse them (the default), or let the program find that the other side "
          "has reset the connection"},
         take_tcp,
         0},
        {{0, "cpu", "native|x86-64|x86-64-v2|x86-64-v3",
          "the processor that PROG is shown, and the image needs (native: this machine's)"},
         take_cpu,
         0},
        {{0, "carry", "made|none|FILE",
          "files whose content goes into the image, for a start that doesn't find them: those that PROG "
          "made itself (the default), none, or FILE as well"},
         take_carry,
         0},
        {{0, "self-contained", NULL,
          "the files that PROG has mapped or open for reading go into the image, which then needs none of "
          "them"},
         FLAG(self_contained)},
        {{0, "embed", "FILE|DIR",
          "a file, or all that is in a directory, goes into the image, for PROG to open later under snaprun "
          "--root=image"},
         take_embed,
         0},
        {{0, "portable", NULL,
          "an image for other machines: --self-contained, --cpu=x86-64-v2, functions bound at once, a clock "
          "near zero"},
         FLAG(portable)},
        {{0, "reproducible", NULL,
          "two images of the same program are alike: addresses, AT_RANDOM and hash seeds are fixed (see the "
          "manual: it costs security)"},
         FLAG(reproducible)},
        {{'q', "quiet", NULL, "no summary, no progress, no warnings"}, take_quiet, 0},
        {{'v', "verbose", NULL, "tell what is done"}, take_verbose, 0},
        {{0, "help", NULL, "this text"}, take_help, 0},
        {{0, "version", NULL, "the version"}, take_version, 0},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(*rows), FIRST_LONG = 256, HELP_COLUMN = 27 };

static bool put_line(void *context, const char *line)
{
	return fputs(line, context) != EOF;
}

static enum status take_help(const struct row *row, struct options *options, const char *value)
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

static enum status take_version(const struct row *row, struct options *options, const char *value)
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

static const struct row *find_row(int option)
{
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (option == FIRST_LONG + (int)i || option == rows[i].words.letter)
			return &rows[i];
	return NULL; /* '?': getopt_long has told what is wrong */
}

static enum status check_options(const struct options *options)
{
	if (options->output && !*options->output)
		return fail(STATUS_FAILED, "-o: the name of the image is empty");
	if (options->train_count > 0 &&
	    (options->runnable || (options->output && strcmp(options->output, "-") == 0)))
		return fail(
		        STATUS_FAILED,
		        "--train: only an image in a file can be trained: give -o FILE without --runnable, "
		        "then use snapimg runnable");
	if (options->in && (!*options->in || strchr(options->in, '/')))
		return fail(STATUS_FAILED,
		            "--in %s: not a base name: give a program's name without directories",
		            options->in);
	if (options->warm && (options->attach || options->record_hot || options->point_count > 1 ||
	                      strcmp(options->points[0], "warm") != 0))
		return fail(STATUS_FAILED, "--warm: is a point of its own, of a program that begins: give no "
		                           "--at, -p or --record-hot with it");
	if (options->launcher && (options->output || options->runnable || options->continues))
		return fail(STATUS_FAILED,
		            "--launcher: its image has a place of its own: leave out -o, --runnable and "
		            "--continue");
	if (options->warm_exits_fully && !options->warm)
		return fail(STATUS_FAILED, "--warm-exit: is about --warm: give that, too");
	if (options->whole && options->root_only)
		return fail(STATUS_FAILED, "--whole and --tree=root contradict each other");
	if (options->json && !options->log && !options->check)
		return fail(STATUS_FAILED,
		            "--json: it is the form of the log, or of --check: give --log-exec too");
	if (options->check &&
	    (options->output || options->runnable || options->record_hot || options->log ||
	     options->continues || options->skip || options->warm || options->train_count > 0))
		return fail(STATUS_FAILED,
		            "--check: writes nothing, and passes all points: leave out what is "
		            "about the image or the end");
	if (options->record_hot && (options->attach || options->log || options->continues || options->skip ||
	                            options->in || options->point_count > 0 || options->embeds.count > 0))
		return fail(STATUS_FAILED, "--record-hot: goes with -o, --timeout, -q and -v only");
	if ((options->portable || options->reproducible) && (options->attach || options->record_hot))
		return fail(STATUS_FAILED,
		            "--%s: the program has begun already: start it with snaptrace, without %s",
		            options->portable ? "portable" : "reproducible",
		            options->attach ? "-p" : "--record-hot");
	if (options->record_hot && options->self_contained)
		return fail(STATUS_FAILED, "--self-contained: an image is made so when PROG is frozen, not "
		                           "later: leave out --record-hot");
	if (options->continues && !options->others_go_on)
		return fail(STATUS_FAILED, "--continue and --others=kill contradict each other");
	if (options->log_file && !*options->log_file)
		return fail(STATUS_FAILED, "--log-exec: the name of the log is empty");
	if (options->attach && options->program[0])
		return fail(STATUS_FAILED, "-p %d and %s: either attach or start a program", options->attach,
		            options->program[0]);
	if (options->cpu_level && (options->attach || options->record_hot))
		return fail(
		        STATUS_FAILED,
		        "--cpu: the program has asked its processor already: start it with snaptrace --cpu");
	if (options->refresh || options->remove || options->lists)
		return options->program[0] || options->launcher
		               ? fail(STATUS_FAILED,
		                      "--refresh, --remove and --list: go with nothing else: leave "
		                      "out %s",
		                      options->program[0] ? options->program[0] : "--launcher")
		               : STATUS_OK;
	if (!options->program[0] && !options->attach && !options->check)
		return fail(STATUS_FAILED, "no PROG to run: see snaptrace --help");
	return STATUS_OK;
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
			status = add_point(options, *name);
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
		return add_point(options, warm_point);
	if (given && !options->record_hot)
		return add_point(options, given);
	if (((options->log || options->check) && !options->attach) || options->record_hot)
		return STATUS_OK;
	return add_point(options, options->attach ? at_once : main_point);
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
		const struct row *row = find_row(option);

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
		status = check_options(&options);
	*ret_options = options;
	return status;
}
