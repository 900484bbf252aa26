#include "tracer/option_values.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "format/base/duration.h"
#include "format/facts/cpu.h"
#include "tracer/embeds.h"
#include "tracer/warm/warm.h"

enum { LEVEL_MAX = 19 };

enum status option_set_flag(const struct option_row *row, struct options *options, const char *value)
{
	(void)value;
	*(bool *)((char *)options + row->place) = true;
	return STATUS_OK;
}

enum status option_set_text(const struct option_row *row, struct options *options, const char *value)
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

enum status options_add_point(struct options *options, const char *text)
{
	if (options->point_count == POINTS_MAX)
		return fail(STATUS_FAILED, "--at %s: more than %d points: give fewer", text, POINTS_MAX);
	options->points[options->point_count++] = text;
	return STATUS_OK;
}

enum status option_take_at(const struct option_row *row, struct options *options, const char *value)
{
	(void)row;
	return options_add_point(options, value);
}

enum status option_take_skip(const struct option_row *row, struct options *options, const char *value)
{
	return read_number(row->words.name, value, 0, ULONG_MAX, &options->skip);
}

enum status option_take_timeout(const struct option_row *row, struct options *options, const char *value)
{
	(void)row;
	if (duration_parse(value, &options->timeout) && options->timeout > 0)
		return STATUS_OK;
	return fail(STATUS_FAILED, "--timeout %s: not a duration: write it like 500ms, 10s or 2m", value);
}

enum status option_take_pid(const struct option_row *row, struct options *options, const char *value)
{
	unsigned long pid = 0;
	enum status status = read_number(row->words.name, value, 1, INT_MAX, &pid);

	options->attach = (int)pid;
	return status;
}

enum status option_take_continue(const struct option_row *row, struct options *options, const char *value)
{
	(void)row, (void)value;
	options->continues = options->others_go_on = true;
	return STATUS_OK;
}

enum status option_take_others(const struct option_row *row, struct options *options, const char *value)
{
	return read_choice(row->words.name, value, "kill", "continue", &options->others_go_on);
}

enum status option_take_tree(const struct option_row *row, struct options *options, const char *value)
{
	(void)row;
	if (strcmp(value, "root") != 0)
		return fail(STATUS_FAILED, "--tree %s: not known: give root", value);
	options->root_only = true;
	return STATUS_OK;
}

enum status option_take_log(const struct option_row *row, struct options *options, const char *value)
{
	(void)row;
	options->log = true;
	options->log_file = value;
	return STATUS_OK;
}

enum status option_take_train(const struct option_row *row, struct options *options, const char *value)
{
	(void)row;
	if (options->train_count == TRAINS_MAX)
		return fail(STATUS_FAILED, "--train: more than %d: give fewer", TRAINS_MAX);
	options->trains[options->train_count++] = value;
	return STATUS_OK;
}

enum status option_take_compress(const struct option_row *row, struct options *options, const char *value)
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

enum status option_take_level(const struct option_row *row, struct options *options, const char *value)
{
	unsigned long level = 0;
	enum status status = read_number(row->words.name, value, 1, LEVEL_MAX, &level);

	options->level = (int)level;
	return status;
}

enum status option_take_fd(const struct option_row *row, struct options *options, const char *value)
{
	(void)row;
	return overrides_add(&options->overrides, value);
}

enum status option_take_tcp(const struct option_row *row, struct options *options, const char *value)
{
	return read_choice(row->words.name, value, "refuse", "reset", &options->overrides.tcp_reset);
}

enum status option_take_carry(const struct option_row *row, struct options *options, const char *value)
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

enum status option_take_embed(const struct option_row *row, struct options *options, const char *value)
{
	(void)row;
	return embeds_add(&options->embeds, value);
}

enum status option_take_cpu(const struct option_row *row, struct options *options, const char *value)
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

enum status option_take_warm(const struct option_row *row, struct options *options, const char *value)
{
	(void)row;
	options->warm = value ? value : "auto";
	return warm_check_language(options->warm);
}

enum status option_take_warm_exit(const struct option_row *row, struct options *options, const char *value)
{
	return read_choice(row->words.name, value, "quick", "full", &options->warm_exits_fully);
}

enum status option_take_warm_load(const struct option_row *row, struct options *options, const char *value)
{
	return read_choice(row->words.name, value, "yes", "no", &options->warm_loads_nothing);
}

enum status option_take_quiet(const struct option_row *row, struct options *options, const char *value)
{
	(void)row, (void)value;
	options->verbosity = QUIET;
	return STATUS_OK;
}

enum status option_take_verbose(const struct option_row *row, struct options *options, const char *value)
{
	(void)row, (void)value;
	options->verbosity = VERBOSE;
	return STATUS_OK;
}
