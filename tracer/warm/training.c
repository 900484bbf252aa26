#include "tracer/warm/training.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/array.h"
#include "tracer/ptrace/tracee.h"
#include "tracer/warm/passing.h"

enum { SECONDS_MOST = 60, TRIES_MOST = 6 };

/* Where the helper finds the list, also after snaptrace has begun again; and how often it has. */
static const char name_of_list[] = "SNAP_WARM_LOAD", name_of_tries[] = "SNAP_WARM_TRIES";

static bool take_list(struct warm_run *warm)
{
	const char *given = getenv(name_of_list);
	char own[64];
	int length = snprintf(own, sizeof(own), "/proc/%d/fd/", getpid());

	if (!given || strncmp(given, own, (size_t)length) != 0)
		return false;
	warm->list = atoi(given + length);
	return true;
}

static bool make_list(struct warm_run *warm)
{
	char path[64];

	warm->list = memfd_create("modules", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), warm->list);
	return warm->list >= 0 && setenv(name_of_list, path, 1) == 0;
}

bool training_begin(struct warm_run *warm)
{
	pid_t child;

	if (take_list(warm) || !make_list(warm))
		return false;
	if ((child = fork()) == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < 3; i++)
			dup2(null, i);
		(void)setenv("SNAP_WARM", "train", 1);
		(void)unsetenv(name_of_list);
		alarm(SECONDS_MOST);
		warm->trains = true;
		return true;
	}
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	return false;
}

void training_end(const struct warm_run *warm)
{
	passing_take_away(&warm->inputs);
	_exit(0); /* and the program with it: PTRACE_O_EXITKILL */
}

void training_add(const struct warm_run *warm, const char *module)
{
	if (!strchr(module, '\n'))
		dprintf(warm->list, "%s\n", module);
}

void training_leave_out(struct warm_run *warm, const char *module)
{
	char **added = array_add(warm->left_out, warm->left_out_count);

	if (added)
		*added = strdup(module);
}

static bool is_left_out(const struct warm_run *warm, const char *line)
{
	for (size_t i = 0; i < warm->left_out_count; i++)
		if (warm->left_out[i] && strcmp(warm->left_out[i], line) == 0)
			return true;
	return false;
}

/* After TRIES_MOST nothing is loaded early: it ends. */
static bool write_again(const struct warm_run *warm, bool is_last)
{
	int old = dup(warm->list), new = memfd_create("modules", MFD_CLOEXEC);
	FILE *list = old < 0 ? NULL : fdopen(old, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	bool ok = list && new >= 0 && lseek(old, 0, SEEK_SET) == 0;

	while (ok && !is_last && (length = getline(&line, &room, list)) > 0) {
		line[length - 1] = '\0';
		if (!is_left_out(warm, line))
			dprintf(new, "%s\n", line);
	}
	free(line);
	if (list)
		(void)fclose(list);
	ok = ok && dup2(new, warm->list) >= 0; /* kept over the exec */
	if (new >= 0)
		close(new);
	return ok;
}

enum status training_again(struct warm_run *warm, char *const *arguments)
{
	const char *tried = getenv(name_of_tries);
	int tries = tried ? atoi(tried) + 1 : 1;
	char text[16];

	snprintf(text, sizeof(text), "%d", tries);
	passing_take_away(&warm->inputs);
	tracees_end_all();
	if (write_again(warm, tries >= TRIES_MOST) && setenv(name_of_tries, text, 1) == 0)
		execv("/proc/self/exe", arguments);
	return fail(STATUS_FAILED, "--warm: can't begin again: %s", strerror(errno));
}
