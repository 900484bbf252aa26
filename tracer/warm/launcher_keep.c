/* What is done with launchers that are there: --refresh, --list, --remove. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tracer/options.h"
#include "tracer/warm/launcher.h"
#include "tracer/warm/launcher_place.h"

enum { MINUTES_LESS = 50 };

static enum status no_launcher(const char *name)
{
	return fail(STATUS_NOT_FOUND,
	            "%s: is no launcher, nor the image of one: snaptrace --list tells which there are", name);
}

/* Whether a start by the launcher would be from its image, here and now. */
static bool is_right(const struct launcher *launcher)
{
	char tool[4200];
	int status = 0;
	pid_t pid;

	launcher_tool("snaprun", tool, sizeof(tool));
	if ((pid = fork()) == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execl(tool, "snaprun", "-q", "--check", "--inputs=check", launcher->image, (char *)NULL);
		_exit(STATUS_NOT_FOUND);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* One at a time for a user: held until snaptrace ends. False: another one is at it. */
static bool lock(void)
{
	char *path = launcher_directory();
	int directory = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	free(path);
	return directory >= 0 && flock(directory, LOCK_EX | LOCK_NB) == 0;
}

enum status launcher_refresh(struct options *options, struct launcher *loaded, bool *ret_nothing)
{
	static char warm_point[] = "warm";
	char **program;

	if (!launcher_load(options->refresh, loaded))
		return no_launcher(options->refresh);
	*ret_nothing = options->if_needed && (!lock() || is_right(loaded));
	if (*ret_nothing)
		return STATUS_OK;
	if (!(program = calloc(loaded->word_count + loaded->argument_count + 1, sizeof(*program))))
		return fail(STATUS_FAILED, "out of memory");
	memcpy(program, loaded->word, loaded->word_count * sizeof(*program));
	if (loaded->argument_count)
		memcpy(program + loaded->word_count, loaded->argument,
		       loaded->argument_count * sizeof(*program));
	options->program = program; /* to the end */
	options->launcher = loaded->file;
	options->warm = loaded->warm;
	options->points[0] = warm_point;
	options->point_count = 1;
	options->warm_exits_fully = strcmp(loaded->warm_exit, "full") == 0;
	return STATUS_OK;
}

/* Starts heed the mark for an hour (restore/look/launcher.c): less `age`, in seconds. */
static void mark(const struct launcher *launcher, time_t age)
{
	const struct timespec times[2] = {{time(NULL) - age, 0}, {time(NULL) - age, 0}};
	char *path = launcher_beside(launcher->image, ".refused");
	int file = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if (file >= 0) {
		(void)futimens(file, times);
		close(file);
	}
	free(path);
}

void launcher_refused(const struct launcher *launcher)
{
	mark(launcher, 0);
}

/* It may be that just now something was changed once more. */
void launcher_made_again(const struct launcher *launcher)
{
	if (!is_right(launcher))
		mark(launcher, MINUTES_LESS * 60);
}

enum status launcher_remove(const char *name)
{
	static const char *const beside[] = {"", ".launcher", ".refused"};
	struct launcher launcher;
	enum status status = STATUS_OK;

	if (!launcher_load(name, &launcher)) {
		char *file = launcher_of_image(name); /* the launcher itself may be gone */
		if (!file)
			return no_launcher(name);
		free(file);
		launcher = (struct launcher){.image = strdup(name)};
	}
	if (launcher.file && unlink(launcher.file) < 0)
		status = fail(STATUS_FAILED, "--remove: %s: %s", launcher.file, strerror(errno));
	for (size_t i = 0; i < sizeof(beside) / sizeof(*beside) && status == STATUS_OK && launcher.image;
	     i++) {
		char *path = launcher_beside(launcher.image, beside[i]);
		if (path && unlink(path) < 0 && errno != ENOENT)
			status = fail(STATUS_FAILED, "--remove: %s: %s", path, strerror(errno));
		free(path);
	}
	launcher_free(&launcher);
	return status;
}

static void list_one(const char *directory, const char *name)
{
	char path[8400];
	struct launcher launcher;
	struct stat status;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	char *file = launcher_of_image(path);
	if (!file)
		return;
	if (!launcher_load(file, &launcher)) {
		printf("%s: its launcher %s is gone: snaptrace --remove %s\n", path, file, path);
		free(file);
		return;
	}
	long long size = stat(path, &status) == 0 ? (long long)status.st_size : 0;
	printf("%s: %s, %.1f MiB in %s, %s\n", launcher.file, launcher.program, (double)size / (1 << 20),
	       path, is_right(&launcher) ? "right here and now" : "cold here and now");
	launcher_free(&launcher);
	free(file);
}

enum status launcher_list(void)
{
	char *path = launcher_directory();
	DIR *directory = path ? opendir(path) : NULL;
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		list_one(path, entry->d_name);
	if (directory)
		closedir(directory);
	free(path);
	if (fflush(stdout) == EOF)
		return fail(STATUS_FAILED, "standard output: %s", strerror(errno));
	return STATUS_OK;
}
