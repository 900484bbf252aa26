/* What programs of trees tell each other by, and snaptrace. */
#ifndef TESTS_TREE_LINE_H
#define TESTS_TREE_LINE_H

#include <fcntl.h>
#include <sys/wait.h>

#include "../check.h"

static void marker(void)
{
	access("/snap/here", F_OK);
	errno = 0;
}

/* A pipe by which one process tells another that it has come so far. */
struct line {
	int ends[2];
};

static struct line line(void)
{
	struct line made;
	CHECK(pipe(made.ends) == 0);
	return made;
}

static void tell(const struct line *line, char byte)
{
	CHECK(write(line->ends[1], &byte, 1) == 1);
}

static char hear(const struct line *line)
{
	char byte = 0;
	CHECK(read(line->ends[0], &byte, 1) == 1);
	return byte;
}

static pid_t child_of(pid_t child)
{
	CHECK(child >= 0);
	return child;
}

static int wait_for(pid_t child)
{
	int status = -1;
	CHECK(waitpid(child, &status, 0) == child);
	return status;
}

/* What argv[1] can name. */
struct mode {
	const char *name;
	void (*run)(void);
};

static inline int run_mode(const struct mode *mode, size_t count, int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < count; i++)
		if (strcmp(argv[1], mode[i].name) == 0) {
			mode[i].run();
			return check_result();
		}
	return 2;
}

#endif
