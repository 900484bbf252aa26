/* Prints what a process inherits from its caller, and what it must not find: the traces of who started it. */
#include <dirent.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../check.h"

static void print_status(void)
{
	static const char *const wanted[] = {
	        "Name:",    "Umask:",        "State:",       "TracerPid:",  "SigPnd:",     "ShdPnd:",
	        "SigBlk:",  "SigIgn:",       "SigCgt:",      "CapEff:",     "NoNewPrivs:", "Seccomp:",
	        "Threads:", "Cpus_allowed:", "THP_enabled:", "CoreDumping:"};
	char line[512];
	FILE *file = fopen("/proc/self/status", "r");
	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			if (strncmp(line, wanted[i], strlen(wanted[i])) == 0)
				fputs(line, stdout);
		}
	}
	CHECK(fclose(file) == 0);
}

static void print_file(const char *path)
{
	char line[512];
	FILE *file = fopen(path, "r");
	CHECK(file);
	while (fgets(line, sizeof(line), file))
		printf("%s: %s", path, line);
	CHECK(fclose(file) == 0);
}

static void print_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	CHECK(directory);
	for (struct dirent *entry; (entry = readdir(directory));) {
		char link[512] = "", path[300];
		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(directory))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		CHECK(readlink(path, link, sizeof(link) - 1) > 0);
		printf("descriptor %s: %.5s\n", entry->d_name, link);
	}
	CHECK(closedir(directory) == 0);
}

int main(void)
{
	char directory[4096];
	snapshot_point();
	print_status();
	print_file("/proc/self/limits");
	print_file("/proc/self/timerslack_ns");
	print_file("/proc/self/oom_score_adj");
	print_file("/proc/self/cgroup");
	print_descriptors();
	CHECK(getcwd(directory, sizeof(directory)));
	int death = 0;
	CHECK(prctl(PR_GET_PDEATHSIG, &death) == 0);
	mode_t mask = umask(0);
	printf("cwd %s, umask %o, nice %d, parent-death signal %d, dumpable %d\n", directory, (unsigned)mask,
	       getpriority(PRIO_PROCESS, 0), death, prctl(PR_GET_DUMPABLE));
	printf("leader of a session %d, of a group %d\n", getsid(0) == getpid(), getpgrp() == getpid());
	return 0;
}
