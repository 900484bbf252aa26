#include "tracer/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/base/duration.h"

enum { LEVEL_MAX = 19 };

static const char help[] =
        "Usage: snaptrace [-o FILE] [--at POINT]... [options] [--] PROG [ARG...]\n"
        "       snaptrace [-o FILE] [--at POINT]... [options] -p PID\n"
        "       snaptrace --log-exec[=FILE] [--json] [--] PROG [ARG...]\n"
        "       snaptrace --record-hot [--timeout DURATION] [--] IMAGE [ARG...]\n"
        "Runs PROG up to POINT, keeps it as one image file, and ends it.\n"
        "`snaprun FILE [ARG...]` starts it from there.\n"
        "\n"
        "  -o, --output FILE        the image (PROG's base name with .snap, in the working directory)\n"
        "      --at POINT           where to freeze (the variable SNAP_AT, or else main); of several the\n"
        "                           one that comes first:\n"
        "                             main             before main\n"
        "                             entry            at the program's entry, after the dynamic linker\n"
        "                             here             where the program calls snap_here() of snap.h\n"
        "                             [FILE:]SYMBOL[+OFFSET], 0xADDRESS\n"
        "                                              before this instruction\n"
        "                             path:PATH        at the first system call that names PATH\n"
        "                             syscall:NAME[#N] at the Nth system call NAME\n"
        "                             effect           at the first call that reaches outside the process\n"
        "                             read:FD, output  at the first read of FD, write to stdout or stderr\n"
        "                             listen, accept   at the first such call\n"
        "                             idle             when it waits and has used no processor for a while\n"
        "                             signal:NAME      when it gets this signal, which is taken from it\n"
        "                             after:DURATION   when it has run so long (ms, s, m, h)\n"
        "      --skip N             pass over the first N points met\n"
        "      --timeout DURATION   give up when no point was met in time (exit status 124)\n"
        "  -p, --pid PID            attach to a running process instead of starting PROG\n"
        "      --continue           let the program go on after the dump, untraced; ends as PROG does\n"
        "      --others kill|continue\n"
        "                           what becomes of the other processes at the point (kill)\n"
        "      --log-exec[=FILE]    a line for each exec and each end of a process (standard error);\n"
        "                           without a point PROG is only followed\n"
        "      --train ARGS         start the new image once with these arguments (words as the shell "
        "splits\n"
        "                           them), its output thrown away, to note which pages it uses\n"
        "      --no-cache           put no thawed copy of the image into the cache of snaprun\n"
        "      --record-hot         start IMAGE once and note in it which pages it uses up to its end, or\n"
        "                           for the time of --timeout: later starts make them in batches\n"
        "      --json               the log as one JSON object a line\n"
        "      --in NAME            only in a process whose executable or script has this base name\n"
        "      --compress zstd|none how pages are stored (zstd; none up to 64 KiB)\n"
        "      --level N            of zstd, 1 to 19 (3)\n"
        "      --drop-seccomp       leave out the program's own seccomp filters instead of refusing\n"
        "      --fd N=close|null|inherit|file:PATH\n"
        "                           what descriptor N becomes in the image, whatever it is\n"
        "      --tcp refuse|reset   connected TCP sockets: refuse them (the default), or let the program "
        "find\n"
        "                           that the other side has reset the connection\n"
        "      --carry made|none|FILE\n"
        "                           files whose content goes into the image, for a start that doesn't find\n"
        "                           them: those that PROG made itself (the default), none, or FILE as well\n"
        "  -q, --quiet              no summary, no progress, no warnings\n"
        "  -v, --verbose            tell what is done\n"
        "      --help, --version\n"
        "\n"
        "Exit status: 0 the image is written; 1 PROG ended before the point; 124 --timeout is over;\n"
        "125 snaptrace failed or refused; with --continue, or with --log-exec alone, that of PROG;\n"
        "126 PROG cannot be run; 127 PROG was not found.\n";

enum {
	OPTION_AT = 256,
	OPTION_IN,
	OPTION_LEVEL,
	OPTION_COMPRESS,
	OPTION_SKIP,
	OPTION_TIMEOUT,
	OPTION_CONTINUE,
	OPTION_OTHERS,
	OPTION_LOG,
	OPTION_JSON,
	OPTION_RECORD_HOT,
	OPTION_TRAIN,
	OPTION_NO_CACHE,
	OPTION_DROP_SECCOMP,
	OPTION_FD,
	OPTION_TCP,
	OPTION_CARRY,
	OPTION_HELP,
	OPTION_VERSION
};

static const struct option long_options[] = {
        {"output", required_argument, NULL, 'o'},
        {"at", required_argument, NULL, OPTION_AT},
        {"in", required_argument, NULL, OPTION_IN},
        {"level", required_argument, NULL, OPTION_LEVEL},
        {"compress", required_argument, NULL, OPTION_COMPRESS},
        {"skip", required_argument, NULL, OPTION_SKIP},
        {"timeout", required_argument, NULL, OPTION_TIMEOUT},
        {"pid", required_argument, NULL, 'p'},
        {"continue", no_argument, NULL, OPTION_CONTINUE},
        {"others", required_argument, NULL, OPTION_OTHERS},
        {"log-exec", optional_argument, NULL, OPTION_LOG},
        {"json", no_argument, NULL, OPTION_JSON},
        {"record-hot", no_argument, NULL, OPTION_RECORD_HOT},
        {"train", required_argument, NULL, OPTION_TRAIN},
        {"no-cache", no_argument, NULL, OPTION_NO_CACHE},
        {"drop-seccomp", no_argument, NULL, OPTION_DROP_SECCOMP},
        {"fd", required_argument, NULL, OPTION_FD},
        {"tcp", required_argument, NULL, OPTION_TCP},
        {"carry", required_argument, NULL, OPTION_CARRY},
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

static enum status read_number(const char *option, const char *text, unsigned long least, unsigned long most,
                               unsigned long *ret_number)
{
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end || number < least || number > most)
		return fail(STATUS_FAILED, "%s %s: not a number from %lu to %lu", option, text, least, most);
	*ret_number = number;
	return STATUS_OK;
}

static enum status read_process(const char *text, int *ret_pid)
{
	unsigned long pid = 0;
	enum status status = read_number("-p", text, 1, INT_MAX, &pid);

	if (status == STATUS_OK)
		*ret_pid = (int)pid;
	return status;
}

static enum status read_timeout(const char *text, double *ret_seconds)
{
	if (duration_parse(text, ret_seconds) && *ret_seconds > 0)
		return STATUS_OK;
	return fail(STATUS_FAILED, "--timeout %s: not a duration: write it like 500ms, 10s or 2m", text);
}

static enum status read_others(const char *text, bool *ret_go_on)
{
	if (strcmp(text, "kill") != 0 && strcmp(text, "continue") != 0)
		return fail(STATUS_FAILED, "--others %s: not known: give kill or continue", text);
	*ret_go_on = strcmp(text, "continue") == 0;
	return STATUS_OK;
}

static enum status read_carry(const char *text, struct carry *carry)
{
	if (strcmp(text, "made") == 0 || strcmp(text, "none") == 0) {
		carry->none = *text == 'n';
		return STATUS_OK;
	}
	if (carry->count == CARRY_MAX)
		return fail(STATUS_FAILED, "--carry %s: more than %d files", text, CARRY_MAX);
	if (!(carry->file[carry->count] = realpath(text, NULL)))
		return fail(STATUS_FAILED, "--carry %s: %s: give made, none, or a file that is there", text,
		            strerror(errno));
	carry->count++;
	return STATUS_OK;
}

static enum status add_point(struct options *options, char *text)
{
	if (options->point_count == POINTS_MAX)
		return fail(STATUS_FAILED, "--at %s: more than %d points: give fewer", text, POINTS_MAX);
	options->points[options->point_count++] = text;
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
		return add_point(options, optarg);
	case OPTION_IN:
		options->in = optarg;
		return STATUS_OK;
	case OPTION_LEVEL:
		return read_level(optarg, &options->level);
	case OPTION_COMPRESS:
		options->compress_given = true;
		return read_compress(optarg, &options->compress);
	case OPTION_SKIP:
		return read_number("--skip", optarg, 0, ULONG_MAX, &options->skip);
	case OPTION_TIMEOUT:
		return read_timeout(optarg, &options->timeout);
	case 'p':
		return read_process(optarg, &options->attach);
	case OPTION_CONTINUE:
		options->continues = options->others_go_on = true;
		return STATUS_OK;
	case OPTION_OTHERS:
		return read_others(optarg, &options->others_go_on);
	case OPTION_LOG:
		options->log = true;
		options->log_file = optarg;
		return STATUS_OK;
	case OPTION_JSON:
		options->json = true;
		return STATUS_OK;
	case OPTION_TRAIN:
		if (options->train_count == TRAINS_MAX)
			return fail(STATUS_FAILED, "--train: more than %d", TRAINS_MAX);
		options->trains[options->train_count++] = optarg;
		return STATUS_OK;
	case OPTION_NO_CACHE:
		options->no_cache = true;
		return STATUS_OK;
	case OPTION_RECORD_HOT:
		options->record_hot = true;
		return STATUS_OK;
	case OPTION_DROP_SECCOMP:
		options->drop_seccomp = true;
		return STATUS_OK;
	case OPTION_FD:
		return overrides_add(&options->overrides, optarg);
	case OPTION_TCP:
		return overrides_read_tcp(optarg, &options->overrides.tcp_reset);
	case OPTION_CARRY:
		return read_carry(optarg, &options->carry);
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
	if (options->json && !options->log)
		return fail(STATUS_FAILED, "--json: it is the form of the log: give --log-exec too");
	if (options->record_hot && (options->attach || options->log || options->continues || options->skip ||
	                            options->in || options->point_count > 0))
		return fail(STATUS_FAILED, "--record-hot: goes with -o, --timeout, -q and -v only");
	if (options->continues && !options->others_go_on)
		return fail(STATUS_FAILED, "--continue and --others=kill contradict each other");
	if (options->log_file && !*options->log_file)
		return fail(STATUS_FAILED, "--log-exec: the name of the log is empty");
	if (options->attach && options->program[0])
		return fail(STATUS_FAILED, "-p %d and %s: either attach or start a program", options->attach,
		            options->program[0]);
	if (!options->program[0] && !options->attach)
		return fail(STATUS_FAILED, "no PROG to run: see snaptrace --help");
	return STATUS_OK;
}

/* SNAP_AT, or main; of a process that runs already: at once. The log alone has none. */
static enum status add_default_point(struct options *options)
{
	static char main_point[] = "main", at_once[] = "after:0";
	char *given = getenv("SNAP_AT");

	if (given && !options->record_hot)
		return add_point(options, given);
	if ((options->log && !options->attach) || options->record_hot)
		return STATUS_OK;
	return add_point(options, options->attach ? at_once : main_point);
}

enum status options_read(int argc, char **argv, struct options *ret_options)
{
	static char name[] = "snaptrace"; /* what getopt_long's own messages begin with */
	struct options options = {.compress = true};
	enum status status = STATUS_OK;
	int option;

	if (argc > 0)
		argv[0] = name;
	while (status == STATUS_OK && !options.done &&
	       (option = getopt_long(argc, argv, "+o:p:qv", long_options, NULL)) != -1)
		status = read_option(option, &options);
	options.program = argv + optind;
	if (status == STATUS_OK && !options.done && !options.point_count)
		status = add_default_point(&options);
	if (status == STATUS_OK && !options.done)
		status = check_options(&options);
	*ret_options = options;
	return status;
}
