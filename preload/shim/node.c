/*
 * node keeps random bytes that it drew ahead in JavaScript, where nothing outside of it can reach. So it
 * loads node.cjs, which lies beside the shim, before the program: as node asks for NODE_OPTIONS, once, when
 * it starts. What the program and its children find in the environment stays as it was.
 */

#include "preload/shim/mapped.h"
#include "preload/shim/shim.h"

SNAP_EXPORT char *getenv(const char *name);

/* Exported by each node, for modules written in C. */
#pragma weak napi_module_register
#pragma weak uv_os_getenv
extern const char napi_module_register[], uv_os_getenv[];

enum { OPTIONS_MAX = 8192, DIGITS = 12 };

static const char script[] = "node.cjs";
static char options[OPTIONS_MAX], starts[DIGITS];
static bool was_asked;

static bool equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* Appends at `at`, with a backslash where node's quotes need one; past the end nothing is written. */
static unsigned append(unsigned at, const char *text, unsigned length, bool is_quoted)
{
	for (unsigned i = 0; i < length && at < OPTIONS_MAX - 2; i++) {
		if (is_quoted && (text[i] == '"' || text[i] == '\\'))
			options[at++] = '\\';
		options[at++] = text[i];
	}
	return at;
}

static unsigned length_of(const char *text)
{
	unsigned length = 0;

	while (text && text[length])
		length++;
	return length;
}

static char *node_options(char *given)
{
	static const char option[] = "--require=\"";
	unsigned directory = snap_shim_path.length, at;

	while (directory > 0 && snap_shim_path.text[directory - 1] != '/')
		directory--;
	if (directory == 0)
		return given;
	at = append(0, given, length_of(given), false);
	if (at > 0)
		at = append(at, " ", 1, false);
	at = append(at, option, sizeof(option) - 1, false);
	at = append(at, snap_shim_path.text, directory, true);
	at = append(at, script, sizeof(script) - 1, true);
	at = append(at, "\"", 1, false);
	options[at] = '\0';
	return at < OPTIONS_MAX - 2 ? options : given;
}

static char *count_starts(void)
{
	char *at = starts + sizeof(starts) - 1;
	unsigned number = (unsigned)snap_restored();

	do
		*--at = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	return at;
}

const char *snap_read_starts_link(const char *path)
{
	bool is_it = napi_module_register && uv_os_getenv && path && equal(path, SNAP_STARTS_LINK);

	return is_it ? count_starts() : NULL;
}

char *getenv(const char *name)
{
	char *given = snap_variable(&snap_real.getenv, name);

	if (!napi_module_register || !uv_os_getenv || name[0] == '\0')
		return given;
	if (!was_asked && equal(name, "NODE_OPTIONS")) {
		was_asked = true;
		return node_options(given);
	}
	return equal(name, SNAP_STARTS_VARIABLE) ? count_starts() : given;
}
