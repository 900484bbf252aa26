/* odd MODE: trees that no image holds, and some that one does. The first process meets /snap/here when all
 * stands. */
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int to_parent[2];

static void tell(void)
{
	if (write(to_parent[1], "x", 1) != 1)
		err(1, "write");
}

static void hear(void)
{
	char byte;
	if (read(to_parent[0], &byte, 1) != 1)
		err(1, "read");
}

static void wait_for_ever(void)
{
	tell();
	for (;;)
		pause();
}

static pid_t clone_with(unsigned long flags)
{
	pid_t child = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (child < 0)
		err(1, "clone");
	if (child == 0)
		wait_for_ever();
	return child;
}

static void files(void)
{
	(void)clone_with(CLONE_FILES);
	hear();
}

static void directory(void)
{
	(void)clone_with(CLONE_FS);
	hear();
}

/* Of two children, neither of which is the first process. */
static void siblings(void)
{
	if (fork() == 0) {
		(void)clone_with(CLONE_FILES);
		wait_for_ever();
	}
	hear();
	hear();
}

/* Alike as after a fork, but nothing is shared. */
static void alike(void)
{
	(void)clone_with(0);
	(void)clone_with(0);
	hear();
	hear();
}

static void set(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	int one = epoll_create1(0);
	if (epoll_ctl(one, EPOLL_CTL_ADD, to_parent[0], &event) < 0)
		err(1, "epoll_ctl");
	(void)clone_with(0);
	hear();
}

/* An orphan of the first process's, a subreaper, in the session of one that has ended. */
static void session(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t between = fork();
	if (between == 0) {
		setsid();
		(void)clone_with(0);
		_exit(0);
	}
	waitpid(between, NULL, 0);
	hear();
}

/* Bound by a child that is elsewhere. */
static void name(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "name"};
	if (mkdir("elsewhere", 0777) < 0)
		err(1, "mkdir");
	if (fork() == 0) {
		int listener = socket(AF_UNIX, SOCK_STREAM, 0);
		if (chdir("elsewhere") < 0 ||
		    bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		    listen(listener, 5) < 0)
			err(1, "bind");
		wait_for_ever();
	}
	hear();
}

static void namespace(void)
{
	if (fork() == 0) {
		if (unshare(CLONE_NEWUSER) < 0) {
			warn("unshare");
			kill(getppid(), SIGKILL);
		}
		wait_for_ever();
	}
	hear();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*make)(void);
	} modes[] = {
	        {"files", files},     {"directory", directory}, {"siblings", siblings},
	        {"alike", alike},     {"rest", alike},          {"set", set},
	        {"session", session}, {"name", name},           {"namespace", namespace},
	};
	if (pipe(to_parent) < 0)
		err(1, "pipe");
	for (size_t i = 0; argc == 2 && i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(modes[i].name, argv[1]) == 0) {
			modes[i].make();
			(void)!access("/snap/here", F_OK);
			if (strcmp(argv[1], "rest") == 0)
				wait_for_ever();
			return 7;
		}
	errx(2, "no such mode");
}
