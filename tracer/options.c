#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVEL_MAX = 19 };

static const char help[] =
        "Usage: snaptrace [-o FILE] [--at POINT] [options] [--] PROG [ARG...]\n"
        "Runs PROG up to POINT, keeps it as one image file, and ends it.\n"
        "`snaprun FILE [ARG...]` starts it from there.\n"
        "\n"
        "  -o, --output FILE        the image (PROG's base name with .snap, in the working directory)\n"
        "      --at POINT           where to freeze (the variable SNAP_AT, or else main):\n"
        "                             main             before main\n"
        "                             entry            at the program's entry, after the dynamic linker\n"
        "                             here             where the program calls snap_here() of snap.h\n"
        "                             [FILE:]SYMBOL[+OFFSET], 0xADDRESS\n"
        "                                              before this instruction\n"
        "                             path:PATH        at the first system call that names PATH\n"
        "                             syscall:NAME[#N] at the Nth system call NAME\n"
        "      --in NAME            only in a process whose executable or script has this base name\n"
        "      --compress zstd|none how pages are stored (zstd; none up to 64 KiB)\n"
        "      --level N            of zstd, 1 to 19 (12 for 1 to 32 MiB of pages, else 3)\n"
        "      --drop-seccomp       leave out the program's own seccomp filters instead of refusing\n"
        "  -q, --quiet              no summary, no progress, no warnings\n"
        "  -v, --verbose            tell what is done\n"
        "      --help, --version\n"
        "\n"
        "Exit status: 0 the image is written; 1 PROG ended before the point; 125 snaptrace failed or "
        "refused;\n"
        "126 PROG cannot be run; 127 PROG was not found.\n";

enum {
	OPTION_AT = 256,
	OPTION_IN,
	OPTION_LEVEL,
	OPTION_COMPRESS,
	OPTION_DROP_SECCOMP,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option long_options[] = {
        {"output", required_argument, NULL, 'o'},
        {"at", required_argument, NULL, OPTION_AT},
        {"in", required_argument, NULL, OPTION_IN},
        {"level", required_argument, NULL, OPTION_LEVEL},
        {"compress", required_argument, NULL, OPTION_COMPRESS},
        {"drop-seccomp", no_argument, NULL, OPTION_DROP_SECCOMP},
        {"quiet", no_argument, NULL, 'q'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
};

const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static enum status read_level(const char *text, int *ret_level)
{
	char *end;
	long level;

	errno = 0;
	level = strtol(text, &end, 10);
	if (errno || end == text || *end || level < 1 || level > LEVEL_MAX)
		return fail(STATUS_FAILED, "--level %s: not a level: give a number from 1 to %d", text,
		            LEVEL_MAX);
	*ret_level = (int)level;
	return STATUS_OK;
}

static enum status read_compress(const char *text, bool *ret_compress)
{
	if (strcmp(text, "zstd") != 0 && strcmp(text, "none") != 0)
		return fail(STATUS_FAILED, "--compress %s: not known: give zstd or none", text);
	*ret_compress = strcmp(text, "zstd") == 0;
	return STATUS_OK;
}

static enum status answer(struct options *options, const char *text)
{
	options->done = true;
	if (fputs(text, stdout) == EOF || fflush(stdout) == EOF)
		return fail(STATUS_FAILED, "standard output: %s", strerror(errno));
	return STATUS_OK;
}

static enum status read_option(int option, struct options *options)
{
	switch (option) {
	case 'o':
		options->output = optarg;
		return STATUS_OK;
	case OPTION_AT:
		options->point = optarg;
		return STATUS_OK;
	case OPTION_IN:
		options->in = optarg;
		return STATUS_OK;
	case OPTION_LEVEL:
		return read_level(optarg, &options->level);
	case OPTION_COMPRESS:
		options->compress_given = true;
		return read_compress(optarg, &options->compress);
	case OPTION_DROP_SECCOMP:
		options->drop_seccomp = true;
		return STATUS_OK;
	case 'q':
		options->verbosity = QUIET;
		return STATUS_OK;
	case 'v':
		options->verbosity = VERBOSE;
		return STATUS_OK;
	case OPTION_HELP:
		return answer(options, help);
	case OPTION_VERSION:
		return answer(options, "snaptrace " SNAP_VERSION "\n");
	default: /* getopt_long has told what is wrong */
		return STATUS_FAILED;
	}
}

static enum status check_options(const struct options *options)
{
	if (options->output && !*options->output)
		return fail(STATUS_FAILED, "-o: the name of the image is empty");
	if (options->in && (!*options->in || strchr(options->in, '/')))
		return fail(STATUS_FAILED,
		            "--in %s: not a base name: give a program's name without directories",
		            options->in);
	if (!options->program[0])
		return fail(STATUS_FAILED, "no PROG to run: see snaptrace --help");
	return STATUS_OK;
}

enum status options_read(int argc, char **argv, struct options *ret_options)
{
	static char name[] = "snaptrace"; /* what getopt_long's own messages begin with */
	struct options options = {.compress = true};
	int option;

	if (argc > 0)
		argv[0] = name;
	while (!options.done && (option = getopt_long(argc, argv, "+o:qv", long_options, NULL)) != -1) {
		enum status status = read_option(option, &options);

		if (status != STATUS_OK)
			return status;
	}
	options.program = argv + optind;
	if (!options.point)
		options.point = getenv("SNAP_AT");
	if (!options.point)
		options.point = "main";
	*ret_options = options;
	return options.done ? STATUS_OK : check_options(&options);
}
