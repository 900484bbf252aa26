/*
 * effects WORD: does one thing that the rule of `effect` is about, then what shows that it went on: a line on
 * stdout, which is an effect in any case. So a freeze at `effect` stands either in front of WORD's own call
 * (a line "after" comes from the image after "before" did not) or at the first line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static void check(int fine, const char *what)
{
	if (!fine) {
		dprintf(2, "effects: %s: %s\n", what, strerror(errno));
		_exit(99);
	}
}

static char *map(size_t pages, int protection, int flags)
{
	char *memory = mmap(NULL, pages * PAGE, protection, MAP_ANONYMOUS | flags, -1, 0);

	check(memory != MAP_FAILED, "mmap");
	return memory;
}

static char *kept;
enum { RW = PROT_READ | PROT_WRITE };

static void do_munmap(void)
{
	char *memory = map(5, RW, MAP_PRIVATE);

	memset(memory, 1, 5 * PAGE);
	check(munmap(memory + 2 * PAGE, PAGE) == 0, "munmap, splitting");
	kept = memory + 3 * PAGE;
	memory = map(2, RW, MAP_PRIVATE);
	check(munmap(memory, 2 * PAGE) == 0, "munmap, whole");
}

static void do_mprotect(void)
{
	kept = map(3, RW, MAP_PRIVATE);
	memset(kept, 1, 3 * PAGE);
	check(mprotect(kept, PAGE, PROT_READ) == 0 && mprotect(kept + PAGE, PAGE, PROT_NONE) == 0,
	      "mprotect");
}

static void do_fixed(void)
{
	char *memory = map(3, RW, MAP_PRIVATE);

	memset(memory, 2, 3 * PAGE);
	kept = mmap(memory + PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	check(kept == memory + PAGE && kept[0] == 0, "MAP_FIXED");
	memset(kept, 1, PAGE);
}

static void do_reserve(void)
{
	char *memory = map((size_t)1 << 24, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);

	kept = memory + ((size_t)1 << 30);
	check(mprotect(kept, PAGE, RW) == 0, "mprotect in a reservation");
	memset(kept, 1, PAGE);
}

static void do_many(void)
{
	char *memory = map(20000, RW, MAP_PRIVATE);

	for (size_t i = 0; i < 20000; i += 2)
		check(mprotect(memory + i * PAGE, PAGE, PROT_READ) == 0, "10,000 mappings");
	kept = memory + 19999UL * PAGE;
	memset(kept, 1, PAGE);
}

static void do_malloc(void)
{
	kept = malloc(1 << 20);
	memset(kept, 1, 1 << 20);
	for (int i = 1; i < 1000; i++)
		memset(malloc((size_t)i * 100), 3, (size_t)i * 100);
}

static void do_tid(void)
{
	static int cleared = 1;

	check(syscall(SYS_set_tid_address, &cleared) == getpid(), "set_tid_address");
}

static void do_read(void)
{
	char byte;
	int fd = open("/proc/self/exe", O_RDONLY), null = open("/dev/null", O_RDWR);

	check(fd >= 0 && read(fd, &byte, 1) == 1 && byte == 0x7f && null >= 0, "reading");
	check(close(fd) == 0 && close(null) == 0, "close");
}

static void do_shared(void)
{
	map(1, RW, MAP_SHARED);
}

static void do_write(void)
{
	int fd = open("made", O_WRONLY | O_CREAT, 0600);

	check(fd >= 0 && close(fd) == 0, "open for writing");
}

static void do_mknod(void)
{
	check(mknod("made", S_IFIFO | 0600, 0) == 0, "mknod");
}

static void do_mkdir(void)
{
	check(mkdir("made", 0700) == 0, "mkdir");
}

static void do_unlink(void)
{
	check(unlink("not-there") == -1, "unlink");
}

static void do_fork(void)
{
	if (fork() == 0)
		_exit(0);
}

static void do_read_stdin(void)
{
	char line[100];
	ssize_t got = read(0, line, sizeof(line));

	check(got >= 0 && write(1, line, (size_t)got) == got, "stdin");
}

/* After the start from the image: memory, break, clocks and the allocator are as ever. */
static void check_after(int restored)
{
	struct timespec one, other;
	time_t now;

	if (kept)
		check(kept[0] == 1 && kept[PAGE - 1] == 1, "memory");
	check(clock_gettime(CLOCK_MONOTONIC, &one) == 0 && clock_gettime(CLOCK_REALTIME, &other) == 0 &&
	              time(&now) > 1600000000 && labs((long)(now - other.tv_sec)) <= 1,
	      "clocks");
	free(malloc(12345));
	if (restored) {
		char *end = sbrk(0);

		check(sbrk(PAGE) == end && (memset(end, 1, PAGE), end[0] == 1) && sbrk(-PAGE) != (void *)-1,
		      "brk");
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		void (*act)(void);
	} words[] = {
	        {"munmap", do_munmap},   {"mprotect", do_mprotect}, {"fixed", do_fixed},
	        {"reserve", do_reserve}, {"many", do_many},         {"malloc", do_malloc},
	        {"tid", do_tid},         {"read", do_read},         {"shared", do_shared},
	        {"write", do_write},     {"mknod", do_mknod},       {"mkdir", do_mkdir},
	        {"unlink", do_unlink},   {"fork", do_fork},         {"stdin", do_read_stdin},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(words[i].word, argv[1]) != 0)
			continue;
		if (argc > 2) /* it is traced until the point */
			check(sbrk(PAGE) == (void *)-1 && errno == ENOMEM, "brk before");
		words[i].act();
		check(write(1, "", 0) == 0, "write"); /* the point, if it wasn't met before */
		check_after(argc > 2);
		dprintf(1, "after %s\n", argv[1]);
		return 0;
	}
	return 98;
}
