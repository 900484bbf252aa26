/* What takes the value of an option: it keeps it in struct options, or prints a line and returns
 * STATUS_FAILED for one that can't be. */
#ifndef TRACER_OPTION_VALUES_H
#define TRACER_OPTION_VALUES_H

#include <stddef.h>

#include "format/facts/command_line.h"
#include "tracer/options.h"

struct option_row;

/* `value` is NULL where none was given. */
typedef enum status option_taker(const struct option_row *row, struct options *options, const char *value);

/* A row of the table: what the option is, and what takes it. */
struct option_row {
	struct option_words words;
	option_taker *take;
	size_t place; /* in struct options, of what option_set_flag or option_set_text sets */
};

option_taker option_set_flag;
option_taker option_set_text;
option_taker option_take_at;
option_taker option_take_skip;
option_taker option_take_timeout;
option_taker option_take_pid;
option_taker option_take_continue;
option_taker option_take_others;
option_taker option_take_tree;
option_taker option_take_log;
option_taker option_take_train;
option_taker option_take_compress;
option_taker option_take_level;
option_taker option_take_fd;
option_taker option_take_tcp;
option_taker option_take_carry;
option_taker option_take_embed;
option_taker option_take_cpu;
option_taker option_take_warm;
option_taker option_take_warm_exit;
option_taker option_take_warm_load;
option_taker option_take_quiet;
option_taker option_take_verbose;

/* Refuses more than POINTS_MAX. */
enum status options_add_point(struct options *options, const char *text) __attribute__((warn_unused_result));

/* What can't go together. */
enum status options_check(const struct options *options) __attribute__((warn_unused_result));

#endif
