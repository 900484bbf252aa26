/*
 * Of a program that is run for --warm: which variables of the environment are
 * asked for in C, by a library or an extension, which no language's helper
 * hears of. The tracer is told as by a helper (tracer/points/point_warm.c).
 */
#include <asm/unistd.h>
#include <linux/fcntl.h>

#include "preload/shim/mapped.h"
#include "preload/shim/process_maps.h"
#include "preload/shim/shim.h"

SNAP_EXPORT char *secure_getenv(const char *name);
#pragma weak environ
extern char **environ;

enum { PATH_ROOM = 256 };
static const char mark[] = "/snap/warm/variable/";
static bool is_told;

static bool begins(const char *text, const char *prefix)
{
	while (*prefix)
		if (*text++ != *prefix++)
			return false;
	return true;
}

void snap_watch_variables(char *const *envp)
{
	for (; envp && *envp; envp++)
		is_told = is_told || begins(*envp, "SNAP_WARM=");
}

/* Ours are none of the program's, and a longer name than there is room for is nobody's. */
void snap_note_variable(const char *name)
{
	char path[PATH_ROOM]; /* not cleared as a whole: that takes a memset */
	unsigned at = 0;

	if (!is_told || snap_restored() > 0 || name[0] == '\0' || begins(name, "SNAP_"))
		return;
	for (; mark[at]; at++)
		path[at] = mark[at];
	for (; *name && *name != '/' && at < PATH_ROOM - 1; name++)
		path[at++] = *name;
	path[at] = '\0';
	if (*name == '\0')
		shim_call(__NR_faccessat, (uint64_t)AT_FDCWD, (uint64_t)path, 0, 0, 0, 0);
}

/* As getenv(3) has it, for who asks before the next one has been found: jemalloc does while it begins, and
 * dlsym(3) of glibc before 2.34 would wait for memory from it. */
static char *look_up(const char *name)
{
	size_t length = 0;

	while (name[length] != '\0')
		length++;
	for (char **at = &environ ? environ : NULL; at && *at; at++)
		if (begins(*at, name) && (*at)[length] == '=')
			return *at + length + 1;
	return NULL;
}

/* Nobody is asked with more rights than its caller's, for then there is no shim. */
char *snap_variable(void *const *next, const char *name)
{
	char *(*real)(const char *);

	*(void **)(void *)&real = *next;
	snap_note_variable(name);
	return real ? real(name) : look_up(name);
}

char *secure_getenv(const char *name)
{
	return snap_variable(&snap_real.secure_getenv, name);
}
