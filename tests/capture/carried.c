/* Gets into a state that an image must hold, named by its argument, passes the marker, and checks that all is
 * as it was: 0, or 1 with a line for each thing that isn't; 77 where this machine does not let it get there.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <snap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check.h"
#include "modes.h"

enum { PAGE = 4096 };

static void marker(void)
{
	access("/snap/here", F_OK);
}

static void skip(const char *what)
{
	perror(what);
	_exit(77);
}

static unsigned char *map(size_t size, int protection, int flags, int fd)
{
	void *memory = mmap(NULL, size, protection, flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	if (memory == MAP_FAILED)
		skip("mmap");
	return memory;
}

static unsigned char at(size_t page)
{
	return (unsigned char)(page * 7 % 251 + 1);
}

static int make_file(const char *name, size_t pages, size_t tail)
{
	unsigned char page[PAGE];
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (size_t i = 0; i < pages; i++) {
		memset(page, at(i), PAGE);
		if (write(fd, page, PAGE) != PAGE)
			skip(name);
	}
	if (write(fd, page, tail) != (ssize_t)tail)
		skip(name);
	return fd;
}

static bool all(const unsigned char *bytes, unsigned char value, size_t size)
{
	return bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* A file that is gone: every page of its mapping is in the image, touched or not. */
static void deleted_file(void)
{
	int fd = make_file("gone", 8, 100);
	unsigned char *memory = map(9 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	close(fd);
	memory[3 * PAGE] = 9;
	unlink("gone");
	marker();
	for (size_t i = 0; i < 8; i++)
		if (i != 3)
			EXPECT(all(memory + i * PAGE, at(i), PAGE));
	EXPECT(memory[3 * PAGE] == 9 && memory[3 * PAGE + 1] == at(3));
	EXPECT(memory[8 * PAGE + 99] == at(7) && memory[8 * PAGE + 100] == 0);
}

/* A file of that name, but another one. */
static void replaced_file(void)
{
	int fd = make_file("file", 2, 0);
	unsigned char *memory = map(2 * PAGE, PROT_READ, MAP_PRIVATE, fd);
	close(fd);
	close(make_file("other", 1, 0));
	rename("other", "file");
	marker();
	EXPECT(all(memory, at(0), PAGE) && all(memory + PAGE, at(1), PAGE));
}

static void file_pages(void)
{
	int fd = make_file("file", 6, 50);
	unsigned char *memory = map(7 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	close(fd);
	memset(memory + PAGE, 0, PAGE);      /* cleared */
	memset(memory + 2 * PAGE, 77, PAGE); /* changed */
	memory[3 * PAGE] = 1;                /* changed and changed back */
	memory[3 * PAGE] = at(3);
	memory[6 * PAGE + 3000] = 5; /* past the end of the file, in its last page */
	marker();
	EXPECT(all(memory, at(0), PAGE));
	EXPECT(all(memory + PAGE, 0, PAGE));
	EXPECT(all(memory + 2 * PAGE, 77, PAGE));
	EXPECT(all(memory + 3 * PAGE, at(3), PAGE));
	EXPECT(all(memory + 6 * PAGE, at(5), 50));
	EXPECT(memory[6 * PAGE + 50] == 0 && memory[6 * PAGE + 3000] == 5);
}

static void file_read_only_again(void)
{
	int fd = make_file("file", 2, 0);
	unsigned char *memory = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	close(fd);
	memory[PAGE + 5] = 200;
	mprotect(memory, 2 * PAGE, PROT_READ);
	marker();
	EXPECT(memory[PAGE + 5] == 200 && memory[PAGE + 6] == at(1));
}

static void name_with_newline(void)
{
	int fd = make_file("two\nlines", 1, 0);
	unsigned char *memory = map(PAGE, PROT_READ, MAP_PRIVATE, fd);
	close(fd);
	marker();
	EXPECT(all(memory, at(0), PAGE));
}

static void shared_file(void)
{
	int fd = make_file("file", 2, 0);
	unsigned char *memory = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	char byte = 0;
	memory[10] = 42;
	marker();
	EXPECT(memory[10] == 42 && memory[12] == at(0));
	memory[11] = 43;
	EXPECT(pread(fd, &byte, 1, 11) == 1 && byte == 43);
}

static void no_access(void)
{
	unsigned char *memory = map(3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	memset(memory, 1, PAGE);
	memset(memory + 2 * PAGE, 3, PAGE);
	mprotect(memory, 2 * PAGE, PROT_NONE);
	marker();
	mprotect(memory, 2 * PAGE, PROT_READ);
	EXPECT(all(memory, 1, PAGE) && all(memory + PAGE, 0, PAGE) && all(memory + 2 * PAGE, 3, PAGE));
}

/* Every kind of neighbour: zero pages written and only read, absent pages, single ones and runs. */
static void patchwork(void)
{
	enum { PAGES = 4000 };
	unsigned char *memory = map(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	volatile unsigned char read_only = 0;
	for (size_t i = 0; i < PAGES; i++) {
		if (i % 5 == 1 || i % 97 < 30)
			memset(memory + i * PAGE, at(i), PAGE);
		else if (i % 5 == 2)
			memset(memory + i * PAGE, 0, PAGE);
		else if (i % 5 == 3)
			read_only = memory[i * PAGE];
	}
	EXPECT(read_only == 0);
	marker();
	for (size_t i = 0; i < PAGES; i++)
		EXPECT(all(memory + i * PAGE, i % 5 == 1 || i % 97 < 30 ? at(i) : 0, PAGE));
}

/* What reserves much and uses little (sanitizers, Go, Java) costs neither time nor space. */
static void reservation(void)
{
	size_t size = (size_t)16 << 40;
	unsigned char *memory =
	        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned char *none =
	        mmap(NULL, size / 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED || none == MAP_FAILED)
		skip("reservation");
	memory[size / 2] = 1;
	memory[size - 1] = 2;
	marker();
	EXPECT(memory[0] == 0 && memory[size / 2] == 1 && memory[size - 1] == 2);
	EXPECT(mprotect(none, PAGE, PROT_READ) == 0 && none[0] == 0);
}

/* Secrets that must not be the same in two processes come back as zero. */
static void wiped(void)
{
	unsigned char *memory = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, -1);
	if (madvise(memory, PAGE, MADV_WIPEONFORK) < 0)
		skip("MADV_WIPEONFORK");
	memory[0] = 1;
	memory[PAGE] = 2;
	marker();
	EXPECT(memory[0] == (snap_restored() ? 0 : 1) && memory[PAGE] == 2);
}

static off_t place(int fd)
{
	return lseek(fd, 0, SEEK_CUR);
}

static void descriptors(void)
{
	int file = make_file("file", 2, 0);
	int reader = open("file", O_RDONLY | O_CLOEXEC), again = dup(reader), other = open("file", O_RDONLY);
	int appender = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600), null = open("/dev/null", O_RDWR);
	int directory = open(".", O_RDONLY | O_DIRECTORY), out = fcntl(1, F_DUPFD, 50);
	struct stat one, two;
	close(0);
	lseek(reader, 123, SEEK_SET);
	lseek(other, 123, SEEK_SET);
	marker();
	EXPECT(place(file) == 2 * PAGE && place(reader) == 123 && place(again) == 123 && place(other) == 123);
	lseek(reader, 5, SEEK_SET);
	EXPECT(place(again) == 5 && place(other) == 123);
	EXPECT(fcntl(reader, F_GETFD) == FD_CLOEXEC && fcntl(again, F_GETFD) == 0);
	EXPECT((fcntl(appender, F_GETFL) & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND));
	EXPECT(write(null, "x", 1) == 1 && fchdir(directory) == 0 && out == 50);
	EXPECT(fstat(1, &one) == 0 && fstat(out, &two) == 0 && one.st_ino == two.st_ino &&
	       one.st_dev == two.st_dev);
	EXPECT(fcntl(0, F_GETFD) == -1 && errno == EBADF);
}

static void handler(int signal)
{
	(void)signal;
}

static void signals(void)
{
	struct sigaction given = {.sa_handler = handler, .sa_flags = SA_RESTART}, seen;
	sigaddset(&given.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &given, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGQUIT, SIG_DFL); /* the caller of this test ignores it */
	marker();
	EXPECT(sigaction(SIGUSR1, NULL, &seen) == 0 && seen.sa_handler == handler &&
	       seen.sa_flags & SA_RESTART && sigismember(&seen.sa_mask, SIGUSR2) == 1 &&
	       sigismember(&seen.sa_mask, SIGHUP) == 0);
	EXPECT(sigaction(SIGHUP, NULL, &seen) == 0 && seen.sa_handler == SIG_IGN);
	EXPECT(sigaction(SIGQUIT, NULL, &seen) == 0 && seen.sa_handler == SIG_DFL);
	EXPECT(sigaction(SIGTERM, NULL, &seen) == 0 && seen.sa_handler == SIG_DFL);
}

static void attributes(void)
{
	int death = 0, reaper = 0;
	EXPECT(prctl(PR_SET_PDEATHSIG, SIGUSR2) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	EXPECT(prctl(PR_SET_TIMERSLACK, 12345) == 0 && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0);
	EXPECT(prctl(PR_SET_NAME, "a (name) )") == 0);
	umask(0137);
	marker();
	char name[16] = "";
	EXPECT(prctl(PR_GET_PDEATHSIG, &death) == 0 && death == SIGUSR2);
	EXPECT(prctl(PR_GET_CHILD_SUBREAPER, &reaper) == 0 && reaper == 1);
	EXPECT(prctl(PR_GET_TIMERSLACK) == 12345 && prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1);
	EXPECT(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "a (name) )") == 0);
	EXPECT(umask(0) == 0137);
}

/* Its /proc files are root's then, and its memory is closed to a tracer that isn't: so another marker. */
static void undumpable(void)
{
	EXPECT(prctl(PR_SET_DUMPABLE, 0) == 0);
	getppid();
	EXPECT(prctl(PR_GET_DUMPABLE) == 0);
}

static void directory(void)
{
	char name[4096];
	EXPECT(mkdir("below", 0700) == 0 && chdir("below") == 0);
	marker();
	EXPECT(getcwd(name, sizeof(name)) && strcmp(strrchr(name, '/'), "/below") == 0);
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {
	        MODE(deleted_file),      MODE(replaced_file), MODE(file_pages),  MODE(file_read_only_again),
	        MODE(name_with_newline), MODE(shared_file),   MODE(no_access),   MODE(patchwork),
	        MODE(reservation),       MODE(wiped),         MODE(descriptors), MODE(signals),
	        MODE(attributes),        MODE(undumpable),    MODE(directory),
	};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
