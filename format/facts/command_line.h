/* What the command lines of the three tools have in common: how an option is described, and what --fd means.
 * Compiled for the loader, too: no libc, no allocation. */
#ifndef FORMAT_FACTS_COMMAND_LINE_H
#define FORMAT_FACTS_COMMAND_LINE_H

#include <stdbool.h>
#include <stdint.h>

/* An option as its user knows it: a row of a tool's table begins with this, and --help is made from it. */
struct option_words {
	char letter;          /* 0: none */
	const char *name;     /* without its dashes */
	const char *argument; /* FILE, or [=FILE] where it may be left out; NULL: takes none */
	const char *help;     /* wrapped where it is printed; NULL: nothing for users, not in --help */
};

/* Takes a line with its newline; returns whether it arrived. */
typedef bool help_line(void *context, const char *line);

struct help {
	unsigned column; /* where the words begin */
	help_line *put;
	void *context;
};

/* What is described, then the words from the column on, over as many lines as they need ('\n' begins
 * another). Returns whether all arrived. */
bool help_put(const struct help *help, const char *described, const char *words);
/* The same for an option. */
bool help_put_option(const struct help *help, const struct option_words *option);

/* --fd: what a descriptor becomes, whatever it is. */
enum { OVERRIDES_MAX = 64 };
enum override_kind { OVERRIDE_CLOSE, OVERRIDE_NULL, OVERRIDE_INHERIT, OVERRIDE_FILE };
struct override {
	int32_t number;
	enum override_kind kind;
	const char *file; /* of OVERRIDE_FILE, else ""; lies in the text that was read */
};

/* Reads N=close|null|inherit|file:PATH. Returns NULL, or what to say of a text that is none. */
const char *override_read(const char *text, struct override *ret_override);

#endif
