#include "format/base/own_libraries.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* X(variable of the dynamic linker (ld.so(8)), its name meanwhile) */
#define LOADED(X)                                                                                            \
	X("LD_PRELOAD=", "SNAP_LD_PRELOAD=")                                                                 \
	X("LD_AUDIT=", "SNAP_LD_AUDIT=")

/* In its place, so that the environment keeps its order. False: out of memory. */
static bool rename_variable(char **variable, const char *from, const char *to, bool *ret_found)
{
	size_t length = strlen(from), size = strlen(*variable) - length + strlen(to) + 1;

	if (strncmp(*variable, from, length) != 0)
		return true;
	char *renamed = malloc(size);
	if (!renamed)
		return false;
	(void)snprintf(renamed, size, "%s%s", to, *variable + length);
	*variable = renamed;
	*ret_found = true;
	return true;
}

static bool rename_all(bool hide)
{
	bool found = false;

	for (char **variable = environ; variable && *variable; variable++) {
#define X(name, hidden)                                                                                      \
	if (!rename_variable(variable, hide ? (name) : (hidden), hide ? (hidden) : (name), &found))          \
		return false;
		LOADED(X)
#undef X
	}
	return found;
}

void own_libraries(char **argv)
{
	char self[PATH_MAX];
	ssize_t length;

	if (rename_all(false) || !rename_all(true))
		return;
	if ((length = readlink("/proc/self/exe", self, sizeof(self) - 1)) > 0) {
		self[length] = '\0';
		(void)execv(self, argv);
	}
	(void)rename_all(false);
}
