#include "tracer/hot/cache_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/message.h"
#include "tracer/hot/sibling.h"

enum { SMALL_IMAGE = 128 << 10 /* snaprun needs no copy of these (restore/look/cache.c) */, LEAST_NICE = 19 };

static bool is_wanted(const char *image)
{
	const char *cache = getenv("SNAP_CACHE");
	struct stat file;

	return !(cache && strcmp(cache, "off") == 0) && stat(image, &file) == 0 && file.st_size > SMALL_IMAGE;
}

/* In the child. Whatever it has to say is for -v: where there is no cache, all works without. */
static _Noreturn void become_snapimg(const char *image, bool verbose)
{
	char path[PATH_MAX + 16];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, LEAST_NICE);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (!verbose)
		dup2(null, STDERR_FILENO);
	sibling_path("snapimg", path, sizeof(path));
	execl(path, "snapimg", "cache", "add", image, (char *)NULL);
	_exit(STATUS_NOT_FOUND);
}

void cache_copy_make(const char *image, bool verbose)
{
	int status = 0;

	if (!is_wanted(image))
		return;
	pid_t pid = fork();
	if (pid == 0)
		become_snapimg(image, verbose);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		explain("a thawed copy is in the cache");
}
