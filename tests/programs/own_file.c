/*
 * own_file [WHO]: comes to /snap/here, then says what the C library calls its own file, by each name and
 * function that there is for that, and executes it by each way; WHO is said by whom that started.
 */
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"

extern char **environ;

static char own[PATH_MAX], by_id[64];
static const char *const names[] = {"/proc/self/exe", "/proc/thread-self/exe", by_id};

static void check_links(void)
{
	static const char *const others[] = {"/proc/self/exe/", "/proc/self/cwd", "/proc/1x/exe",
	                                     "/dev/null"};
	char link[PATH_MAX];

	for (size_t i = 0; i < 3; i++) {
		memset(link, 0, sizeof(link));
		CHECK(readlink(names[i], link, sizeof(link)) == (ssize_t)strlen(own) && !strcmp(link, own));
		memset(link, 0, sizeof(link));
		CHECK(readlinkat(AT_FDCWD, names[i], link, 4) == 4 && !strncmp(link, own, 4) && link[4] == 0);
		printf("without room: %zd\n", readlink(names[i], link, 0));
		CHECK(realpath(names[i], link) && !strcmp(link, own));
	}
	for (size_t i = 0; i < 4; i++) /* these are the kernel's to answer */
		CHECK(readlink(others[i], link, sizeof(link)) ==
		      (i == 1 ? (ssize_t)strlen(getcwd(own, sizeof(own))) : -1));
}

static void execute(int way, const char *name)
{
	char *const argv[] = {(char *)"own_file", (char *)"child", NULL};

	switch (way) {
	case 0:
		execv(name, argv);
		break;
	case 1:
		execve(name, argv, environ);
		break;
	case 2:
		execvp(name, argv);
		break;
	case 3:
		execvpe(name, argv, environ);
		break;
	case 4:
		execl(name, "own_file", "child", (char *)NULL);
		break;
	case 5:
		execlp(name, "own_file", "child", (char *)NULL);
		break;
	default:
		execle(name, "own_file", "child", (char *)NULL, environ);
	}
	_exit(9);
}

int main(int argc, char **argv)
{
	struct stat identity;

	if (argc > 1) {
		printf("%s started\n", argv[1]);
		return 0;
	}
	CHECK(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
	CHECK(access("/snap/here", F_OK) < 0);
	CHECK(snprintf(by_id, sizeof(by_id), "/proc/%d/exe", getpid()) > 0);
	CHECK(stat(own, &identity) == 0);
	printf("%s\n", own);
	check_links();
	for (int way = 0; way < 7; way++) {
		int status;
		pid_t child = vfork();
		if (child == 0)
			execute(way, names[way % 2]);
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	for (int way = 0; way < 2; way++) {
		char *const words[] = {(char *)"own_file", (char *)"spawned", NULL};
		int status;
		pid_t child;
		CHECK((way ? posix_spawn : posix_spawnp)(&child, by_id, NULL, NULL, words, environ) == 0);
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	CHECK(execvp("no-such-program", argv) == -1);
	return 0;
}
