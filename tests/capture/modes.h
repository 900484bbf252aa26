/* Programs that get into one of many states, which argv[1] names. */
#ifndef TESTS_CAPTURE_MODES_H
#define TESTS_CAPTURE_MODES_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A row of the table of either kind. */
/* clang-format off */
#define MODE(name) {#name, name}
/* clang-format on */

struct carried_mode {
	const char *name;
	void (*run)(void); /* comes to the marker by itself, and counts in *found what is not as it was */
};

static inline int run_carried(int argc, char **argv, const struct carried_mode *mode, size_t count,
                              const int *found)
{
	for (size_t i = 0; argc == 2 && i < count; i++)
		if (strcmp(argv[1], mode[i].name) == 0) {
			mode[i].run();
			return *found != 0;
		}
	return 2;
}

struct refused_mode {
	const char *name;
	bool (*enter)(void); /* false, with errno: the machine can't get there */
};

static inline int run_refused(int argc, char **argv, const struct refused_mode *mode, size_t count)
{
	for (size_t i = 0; argc == 2 && i < count; i++) {
		if (strcmp(argv[1], mode[i].name) != 0)
			continue;
		if (!mode[i].enter()) {
			perror(argv[1]);
			_exit(77);
		}
		syscall(SYS_access, "/snap/here", 0);
		_exit(0);
	}
	return 2;
}

/* A grandchild that nobody waits for keeps what it inherited, and is there. */
static inline bool with_heir(void)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		if (fork() == 0)
			for (;;)
				pause();
		_exit(0);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* Every call is allowed. */
static inline bool with_filter(void)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {.len = 1, .filter = code};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#endif
