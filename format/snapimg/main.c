/* snapimg: looks at an image. One row a command. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/base/output_file.h"
#include "format/base/own_libraries.h"
#include "format/base/progress.h"
#include "format/base/text.h"
#include "format/facts/command_line.h"
#include "format/snapimg/commands.h"

static const struct {
	const char *name;
	command *run;
	bool makes_file; /* takes -o, and must have it; others must not */
	int operands;
	const char *summary;
} commands[] = {
        {"info", command_info, false, 1, "what the image holds, where it comes from and what it needs"},
        {"maps", command_maps, false, 1, "the mappings, as /proc/PID/maps showed them"},
        {"verify", command_verify, false, 1, "check every byte of the image"},
        {"thaw", command_thaw, true, 1, "make an image that starts faster, as its memory is mapped from it"},
        {"freeze", command_freeze, true, 1, "make a thawed image small again"},
        {"runnable", command_runnable, true, 1, "make an executable file of the loader and the image"},
        {"core", command_core, true, 1,
         "make a core file for a debugger, as if the program had died at the point"},
        {"oci", command_oci, true, 1, "put the image into an OCI image layout, for registries"},
        {"unpack", command_unpack, true, 1, "make the image again of what is in an OCI image layout"},
        {"sign", command_sign, true, 1, "make the same image with a signature by the private key of --key"},
        {"diff", command_diff, true, 2, "make a delta: what makes the image NEW of the image BASE"},
        {"patch", command_patch, true, 2, "make NEW again, of BASE and the delta"},
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(*commands) };

static bool quiet;

void be_quiet(void)
{
	quiet = true;
}

enum exit_status complain(enum exit_status status, const char *format, ...)
{
	char line[8192];
	va_list arguments;

	va_start(arguments, format);
	/* clang-tidy 14 forgets va_start when it was given several files. */
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
	(void)vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (quiet)
		return status;
	(void)fflush(stdout);
	(void)fputs("snapimg: ", stderr);
	text_print(stderr, line);
	(void)fputc('\n', stderr);
	return status;
}

enum exit_status complain_of_image(const char *path, const struct image_failure *failure)
{
	char text[IMAGE_FAILURE_SIZE];

	return complain((enum exit_status)failure->status, "%s", image_failure_text(failure, path, text));
}

enum exit_status complain_of_data(const char *path, const struct image_file *file, enum snapimg_error error)
{
	struct image_failure failure = image_failure_of(&file->image, error);

	return complain_of_image(path, &failure);
}

enum exit_status open_image(struct image_file *file, const char *path, enum image_part part,
                            struct image_failure *ret_failure)
{
	struct image_failure failure = {0};

	if (image_file_open(file, path, part, &failure))
		return EXIT_FINE;
	if (ret_failure != NULL)
		*ret_failure = failure;
	return complain_of_image(path, &failure);
}

/* Output that did not arrive is a failure. */
static enum exit_status finish(enum exit_status status)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return complain(EXIT_REFUSED, "cannot write: standard output: %s", strerror(errno));
	return status;
}

/* To who waits at a terminal. What -o - wrote has no size any more. */
static void tell_made(const char *name, const char *output, double start)
{
	struct stat status;
	char size[TEXT_SIZE_MAX], line[128];

	if (!progress_is_shown() || !progress_was_long(start))
		return;
	(void)fprintf(stderr, "snapimg: %s: ", name);
	text_print(stderr, output);
	bool has_size = stat(output, &status) == 0 && S_ISREG(status.st_mode);
	(void)snprintf(line, sizeof(line), "%s%s in %.2f s", has_size ? ": " : ":",
	               has_size ? text_size(size, (uint64_t)status.st_size) : "",
	               monotonic_seconds() - start);
	(void)fprintf(stderr, "%s\n", line);
}

static enum exit_status run(const char *name, int count, char **operands, struct command_options *options)
{
	enum exit_status status;
	double start;
	size_t i;

	for (i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			break;
	if (i == COMMAND_COUNT)
		return complain(EXIT_REFUSED, "unknown command: %s: see snapimg --help", name);
	if (count != commands[i].operands)
		return complain(EXIT_REFUSED, "%s: %s: see snapimg --help",
		                count == 0                     ? "no image given"
		                : count < commands[i].operands ? "a second file is missing"
		                                               : "too many arguments",
		                name);
	if (commands[i].makes_file != (options->output != NULL))
		return complain(EXIT_REFUSED, "%s: %s: see snapimg --help",
		                options->output == NULL ? "no output given (-o)" : "makes no image (-o)",
		                name);
	if (options->runnable && commands[i].run != command_oci)
		return complain(EXIT_REFUSED, "--runnable: only oci takes it: %s: see snapimg --help", name);
	options->path = operands[0];
	options->second = count > 1 ? operands[1] : NULL;
	start = monotonic_seconds();
	status = finish(commands[i].run(options));
	if (status == EXIT_FINE && options->output != NULL)
		tell_made(name, options->output, start);
	return status;
}

static enum exit_status take_json(struct command_options *options, const char *value)
{
	(void)value;
	options->json = true;
	return EXIT_FINE;
}

static enum exit_status take_runnable(struct command_options *options, const char *value)
{
	(void)value;
	options->runnable = true;
	return EXIT_FINE;
}

static enum exit_status take_output(struct command_options *options, const char *value)
{
	options->output = value;
	return EXIT_FINE;
}

static enum exit_status take_key(struct command_options *options, const char *value)
{
	options->key = value;
	return EXIT_FINE;
}

static enum exit_status take_dir(struct command_options *options, const char *value)
{
	(void)options;
	return complain(EXIT_REFUSED, "--dir %s: only cache has a directory: see snapimg --help", value);
}

static enum exit_status take_help(struct command_options *options, const char *value);
static enum exit_status take_version(struct command_options *options, const char *value);

/* All options, in the order of --help. The manual has the same (install.options checks that). */
static const struct row {
	struct option_words words;
	enum exit_status (*take)(struct command_options *options, const char *value);
} rows[] = {
        {{'o', "output", "OUTPUT", "the file to make; -: standard output"}, take_output},
        {{0, "dir", "DIR", "of cache: its directory, instead of that of the environment"}, take_dir},
        {{0, "key", "FILE",
          "an Ed25519 key in PEM: of sign the private one; of verify the public one that must have signed"},
         take_key},
        {{0, "runnable", NULL, "of oci: a container image, whose program is the runnable file"},
         take_runnable},
        {{0, "json", NULL,
          "one JSON document instead of text; a byte that is not UTF-8 is written as the lone surrogate "
          "\\udcXX (Python: surrogateescape)"},
         take_json},
        {{'h', "help", NULL, "this text"}, take_help},
        {{'V', "version", NULL, "the version"}, take_version},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(*rows), FIRST_LONG = 256, HELP_COLUMN = 23 };

static bool put_line(void *context, const char *line)
{
	return fputs(line, context) != EOF;
}

/* What does not arrive, finish() tells. */
static enum exit_status take_help(struct command_options *options, const char *value)
{
	const struct help help = {HELP_COLUMN, put_line, stdout};
	size_t i;

	(void)value;
	options->answered = true;
	(void)put_line(stdout, "Usage: snapimg COMMAND [--json] IMAGE\n"
	                       "       snapimg thaw|freeze|runnable|core IMAGE -o OUTPUT\n"
	                       "       snapimg sign --key PRIVATE IMAGE -o OUTPUT\n"
	                       "       snapimg oci [--runnable] IMAGE -o DIR[:TAG]\n"
	                       "       snapimg unpack DIR[:TAG] -o IMAGE\n"
	                       "       snapimg diff BASE NEW -o DELTA\n"
	                       "       snapimg patch BASE DELTA -o NEW\n"
	                       "       snapimg cache add IMAGE|list|clear\n"
	                       "\nCommands:\n");
	for (i = 0; i < COMMAND_COUNT; i++) {
		char described[40];

		(void)snprintf(described, sizeof(described), "  %s", commands[i].name);
		(void)help_put(&help, described, commands[i].summary);
	}
	(void)help_put(&help, "  cache", "add IMAGE, list, clear: thawed copies that snaprun uses by itself");
	(void)put_line(stdout, "\nOptions:\n");
	for (i = 0; i < ROW_COUNT; i++)
		(void)help_put_option(&help, &rows[i].words);
	(void)put_line(stdout, "\n"
	                       "Exit status: 0 fine; 125 the image is damaged or refused, or wrong usage;\n"
	                       "126 the image cannot be read; 127 there is no such image.\n");
	return EXIT_FINE;
}

static enum exit_status take_version(struct command_options *options, const char *value)
{
	(void)value;
	options->answered = true;
	puts("snapimg " SNAP_VERSION);
	return EXIT_FINE;
}

/* What getopt_long needs of the table. */
static void make_tables(struct option names[ROW_COUNT + 1], char letters[2 * ROW_COUNT + 2])
{
	size_t i, end = 0;

	letters[end++] = ':';
	for (i = 0; i < ROW_COUNT; i++) {
		const struct option_words *words = &rows[i].words;

		names[i] = (struct option){words->name, words->argument ? required_argument : no_argument,
		                           NULL, FIRST_LONG + (int)i};
		if (words->letter)
			letters[end++] = words->letter;
		if (words->letter && words->argument)
			letters[end++] = ':';
	}
	names[ROW_COUNT] = (struct option){0};
	letters[end] = '\0';
}

static enum exit_status obey(int argc, char **argv)
{
	struct option names[ROW_COUNT + 1];
	char letters[2 * ROW_COUNT + 2];
	struct command_options options = {0};
	int option;

	make_tables(names, letters);
	opterr = 0;
	while ((option = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		enum exit_status status;
		size_t i = 0;

		if (option == ':')
			return complain(EXIT_REFUSED, "needs a value: %s: see snapimg --help",
			                argv[optind - 1]);
		while (i < ROW_COUNT && option != FIRST_LONG + (int)i && option != rows[i].words.letter)
			i++;
		if (i == ROW_COUNT)
			return complain(EXIT_REFUSED, "unknown option: %s: see snapimg --help",
			                argv[optind - 1]);
		status = rows[i].take(&options, optarg);
		if (options.answered || status != EXIT_FINE)
			return finish(status);
	}
	if (optind == argc)
		return complain(EXIT_REFUSED, "no command: command line: see snapimg --help");
	return run(argv[optind], argc - optind - 1, argv + optind + 1, &options);
}

int main(int argc, char **argv)
{
	own_libraries(argv);
	output_file_abandon_on_signals();
	if (isatty(STDERR_FILENO))
		progress_show_as("snapimg");
	/* Its words include a whole command line, options and all. */
	if (argc > 1 && strcmp(argv[1], "cache") == 0)
		return (int)finish(command_cache(argc - 2, argv + 2));
	if (argc > 1 && strcmp(argv[1], "start") == 0)
		return (int)command_start(argc - 2, argv + 2);
	return (int)obey(argc, argv);
}
