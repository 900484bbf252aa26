/* odd MODE: trees that no image holds, and some that one does. The first process meets /snap/here when all
 * stands. */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

/* Two that share it, of which none made the other. */
static void share_with_sibling(unsigned long what)
{
	if (fork() == 0) {
		(void)clone_with(what | CLONE_PARENT);
		wait_for_ever();
	}
	hear();
	hear();
}

static void directory(void)
{
	share_with_sibling(CLONE_FS);
}

static void siblings(void)
{
	share_with_sibling(CLONE_FILES);
}

/* What vfork(2) makes is with its parent's memory, too, and on its stack; here each goes on by itself. */
static int go_on_elsewhere(void *unused)
{
	(void)unused;
	wait_for_ever();
	return 0;
}

static void clone_memory(int flags)
{
	enum { STACK = 65536 };
	static char stack[STACK];
	if (clone(go_on_elsewhere, stack + STACK, flags | SIGCHLD, NULL) < 0)
		err(1, "clone");
	hear();
}

static void memory(void)
{
	clone_memory(CLONE_VM);
}

static void handlers(void)
{
	clone_memory(CLONE_VM | CLONE_SIGHAND);
}

/* A thread that shares less than threads do. */
static void thread_apart(int shared)
{
	enum { STACK = 65536 };
	static char stack[STACK];
	if (clone(go_on_elsewhere, stack + STACK,
	          CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | shared, NULL) < 0)
		err(1, "clone");
	hear();
}

static void thread_files(void)
{
	thread_apart(CLONE_FS);
}

static void thread_directory(void)
{
	thread_apart(CLONE_FILES);
}

/* A child whose own child has not become another program yet. */
static void before_exec(void)
{
	if (fork() == 0) {
		if (vfork() == 0)
			wait_for_ever();
		_exit(1);
	}
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

/* Each makes the next and ends, as fast as can be, until the first process has gone on. */
static atomic_int *is_enough;

static void relay(void)
{
	is_enough = mmap(NULL, sizeof(*is_enough), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (is_enough == MAP_FAILED)
		err(1, "mmap");
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			tell();
			while (!*is_enough)
				if (fork() > 0)
					_exit(0);
			_exit(0);
		}
	for (int i = 0; i < 4; i++)
		hear();
}

/* Children that end while they are stopped: each is waited for afterwards, with the status that it had. */
enum { ENDING = 40 };
static pid_t ending[ENDING];

static void ends(void)
{
	for (int i = 0; i < ENDING; i++)
		if ((ending[i] = fork()) == 0) {
			if (i % 8 == 0)
				tell();
			usleep((unsigned)(i * 37 % 1000));
			_exit(i);
		}
	for (int i = 0; i < ENDING; i += 8)
		hear();
}

static void await_ending(void)
{
	for (int i = 0, status; i < ENDING; i++)
		if (waitpid(ending[i], &status, 0) != ending[i] || status != i << 8)
			errx(1, "child %d ended with %d", i, status);
}

/* Children that become other programs as fast as can be, until a byte that none of them takes is in the pipe:
 * each makes a child by vfork that does, or does it itself. */
static int to_children[2];
static pid_t busy[4];
static bool is_busy;

static bool is_told(void)
{
	return poll(&(struct pollfd){.fd = to_children[0], .events = POLLIN}, 1, 0) == 1;
}

static void spawn(void)
{
	char *const words[] = {"/bin/true", NULL};
	pid_t child = vfork();
	if (child == 0) {
		execv(*words, words);
		_exit(9);
	}
	int status = -1;
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		errx(1, "a child that ended with %d", status);
}

static void become_again(void)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", to_children[0]);
	execl("/proc/self/exe", "odd", "again", number, NULL);
	err(1, "exec");
}

static void *spawn_for_ever(void *unused)
{
	while (!is_told())
		spawn();
	return unused;
}

static void change(bool by_vfork)
{
	if (pipe(to_children) < 0)
		err(1, "pipe");
	is_busy = true;
	for (size_t i = 0; i < sizeof(busy) / sizeof(*busy); i++)
		if ((busy[i] = fork()) == 0) {
			pthread_t thread;
			tell();
			if (!by_vfork)
				become_again();
			pthread_create(&thread, NULL, spawn_for_ever, NULL);
			spawn_for_ever(NULL);
			pthread_join(thread, NULL);
			_exit(3);
		}
	for (size_t i = 0; i < sizeof(busy) / sizeof(*busy); i++)
		hear();
}

static void spawns(void)
{
	change(true);
}

static void execs(void)
{
	change(false);
}

static void await_busy(void)
{
	int status;
	if (write(to_children[1], "e", 1) != 1)
		err(1, "write");
	for (size_t i = 0; i < sizeof(busy) / sizeof(*busy); i++)
		if (waitpid(busy[i], &status, 0) != busy[i] || status != 3 << 8)
			errx(1, "child %zu ended with %d", i, status);
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

static void *say_when_alone(void *unused)
{
	char path[64], text[512];
	(void)unused;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	do {
		int file = open(path, O_RDONLY);
		ssize_t size = read(file, text, sizeof(text) - 1);
		if (size <= 0)
			err(1, "%s", path);
		close(file);
		text[size] = '\0';
	} while (strrchr(text, ')')[2] != 'Z');
	(void)!write(STDOUT_FILENO, "alone\n", 6);
	for (;;)
		pause();
}

static void main_ended(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, say_when_alone, NULL);
	pthread_exit(NULL);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*make)(void);
	} modes[] = {
	        {"directory", directory},
	        {"siblings", siblings},
	        {"alike", alike},
	        {"rest", alike},
	        {"session", session},
	        {"name", name},
	        {"relay", relay},
	        {"ends", ends},
	        {"namespace", namespace},
	        {"main", main_ended},
	        {"memory", memory},
	        {"handlers", handlers},
	        {"vfork", before_exec},
	        {"spawns", spawns},
	        {"execs", execs},
	        {"thread-files", thread_files},
	        {"thread-directory", thread_directory},
	};
	if (argc == 3) {
		to_children[0] = atoi(argv[2]);
		if (is_told())
			return 3;
		become_again();
	}
	if (pipe(to_parent) < 0)
		err(1, "pipe");
	for (size_t i = 0; argc == 2 && i < sizeof(modes) / sizeof(*modes); i++)
		if (strcmp(modes[i].name, argv[1]) == 0) {
			modes[i].make();
			(void)!access("/snap/here", F_OK);
			if (is_enough)
				*is_enough = 1;
			if (ending[0])
				await_ending();
			if (is_busy)
				await_busy();
			if (strcmp(argv[1], "rest") == 0)
				wait_for_ever();
			return 7;
		}
	errx(2, "no such mode");
}
