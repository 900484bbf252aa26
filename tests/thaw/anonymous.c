/*
 * anonymous ROW: a call that tells anonymous memory from a file's, for memory from before the point: what it
 * gives is what it gives in a direct run, whichever way it is made, and nothing that other threads write
 * meanwhile is lost.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../check.h"

enum { PAGE = 4096, PAGES = 1024, SIZE = PAGES * PAGE, BLOCK = 1 << 20, ADVISE_COLLAPSE = 25, LOCKED = 24 };

static uint8_t *memory, *block, *marked[3];

static void fill(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(1 + i / PAGE % 100 + i % 7);
}

static bool is_filled(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != (uint8_t)(1 + i / PAGE % 100 + i % 7))
			return false;
	return true;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* Between inaccessible pages, so that nothing merges with it; those after it can be freed for it to grow
 * into. */
static uint8_t *filled(void)
{
	uint8_t *place = mmap(NULL, 4 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(place != MAP_FAILED && mprotect(place + PAGE, SIZE, PROT_READ | PROT_WRITE) == 0);
	fill(place + PAGE, SIZE);
	return place + PAGE;
}

static int process_of_self(void)
{
	int descriptor = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (descriptor < 0)
		SKIP("no pidfd_open");
	return descriptor;
}

/* Threads that count in each page, each in words of its own. */
enum { COUNTERS = 2 };
static atomic_bool is_counting, has_to_stop;
static uint64_t counted[COUNTERS];
static pthread_t counter[COUNTERS];

static void *count(void *argument)
{
	size_t index = (size_t)argument;
	uint64_t rounds = 0;

	do {
		for (size_t page = 0; page < PAGES; page++) {
			volatile uint64_t *word = (uint64_t *)(void *)(memory + page * PAGE) + 8 + index;
			*word = *word + 1;
		}
		rounds++;
		atomic_store(&is_counting, true);
	} while (!atomic_load(&has_to_stop));
	counted[index] = rounds;
	return NULL;
}

static void start_counters(void)
{
	for (size_t page = 0; page < PAGES; page++)
		memset(memory + page * PAGE, 0, 128);
	for (size_t i = 0; i < COUNTERS; i++)
		CHECK(pthread_create(&counter[i], NULL, count, (void *)i) == 0);
	while (!atomic_load(&is_counting))
		sched_yield();
}

static void stop_counters(void)
{
	atomic_store(&has_to_stop, true);
	for (size_t i = 0; i < COUNTERS; i++) {
		CHECK(pthread_join(counter[i], NULL) == 0);
		for (size_t page = 0; page < PAGES; page++)
			CHECK(((uint64_t *)(void *)(memory + page * PAGE))[8 + i] == counted[i]);
	}
}

static void by_syscall(void)
{
	CHECK(syscall(SYS_madvise, memory, SIZE / 2, MADV_DONTNEED) == 0 && is_zero(memory, SIZE / 2));
	CHECK(is_filled(memory + SIZE / 2, 1) || memory[SIZE / 2] != 0);
	CHECK(syscall(SYS_madvise, memory + 1, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL);
	fill(memory, SIZE);
	uint8_t *grown = (uint8_t *)syscall(SYS_mremap, memory, SIZE, 2 * SIZE, MREMAP_MAYMOVE, NULL);
	CHECK(grown != MAP_FAILED && is_filled(grown, SIZE) && is_zero(grown + SIZE, SIZE));
	CHECK(syscall(SYS_getppid) == getppid() && syscall(SYS_close, -1) == -1 && errno == EBADF);
}

static long advise_by_number(int process, const struct iovec *ranges, size_t n, int advice)
{
	return syscall(__NR_process_madvise, process, ranges, n, advice, 0);
}

/* glibc 2.36 and later. */
extern ssize_t process_madvise(int process, const struct iovec *ranges, size_t n, int advice, unsigned flags);
#pragma weak process_madvise
static long advise_by_name(int process, const struct iovec *ranges, size_t n, int advice)
{
	return process_madvise ? process_madvise(process, ranges, n, advice, 0)
	                       : advise_by_number(process, ranges, n, advice);
}

/* Before Linux 6.13 it gives nothing back: then nothing must be gone. */
static void by_process(void)
{
	struct iovec ranges[] = {{memory, PAGE}, {memory + 8 * PAGE, 8 * PAGE}};
	int process = process_of_self();
	long (*const ways[])(int, const struct iovec *, size_t, int) = {advise_by_name, advise_by_number};

	for (size_t i = 0; i < 2; i++) {
		ranges[0].iov_base = memory + i * 20 * PAGE;
		ranges[1].iov_base = memory + (8 + i * 20) * PAGE;
		long given = ways[i](process, ranges, 2, MADV_DONTNEED);
		if (given < 0 && errno == EINVAL) {
			CHECK(is_filled(memory, SIZE));
			continue;
		}
		CHECK(given == 9 * PAGE);
		CHECK(is_zero(ranges[0].iov_base, PAGE) && is_zero(ranges[1].iov_base, 8 * PAGE));
		CHECK(memory[(1 + i * 20) * PAGE] != 0 && memory[(16 + i * 20) * PAGE] != 0);
	}
	CHECK(advise_by_name(process, (struct iovec *)8, 1, MADV_COLD) == -1 && errno == EFAULT);
}

/* Marks that need no copy, and are there afterwards, for empty memory too. */
static void marks(void)
{
	int status;

	start_counters();
	CHECK(madvise(memory, SIZE, MADV_DONTDUMP) == 0 && madvise(memory, SIZE, MADV_DODUMP) == 0);
	CHECK(madvise(memory, SIZE, MADV_HUGEPAGE) == 0 || errno == EINVAL);
	CHECK(madvise(memory, SIZE, MADV_MERGEABLE) == 0 || errno == EINVAL);
	CHECK(madvise(memory, SIZE, MADV_SEQUENTIAL) == 0 && madvise(memory, SIZE, MADV_DONTFORK) == 0);
	stop_counters();
	CHECK(madvise(memory, SIZE, MADV_DONTNEED) == 0 && is_zero(memory, SIZE));
	pid_t child = fork();
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(*(volatile uint8_t *)memory + *(volatile uint8_t *)(memory + SIZE - 1));
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
	      WTERMSIG(status) == SIGSEGV);
}

static bool has_mark(const uint8_t *address, const char *mark)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[512];
	unsigned long start, end;
	bool is_there = false, has = false;

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_there = start <= (uintptr_t)address && (uintptr_t)address < end;
		if (is_there && strncmp(line, "VmFlags:", 8) == 0)
			has = strstr(line, mark) != NULL;
	}
	CHECK(fclose(file) == 0);
	return has;
}

/* Marks that memory had before the point, each its own, and has when it is empty; but for what is taken away
 * after it. */
static void marked_before(void)
{
	uint8_t *forked = marked[0], *random_one = marked[1], *taken = marked[2];

	CHECK(madvise(forked, SIZE, MADV_DONTNEED) == 0 && is_zero(forked, SIZE));
	CHECK(has_mark(forked, " dc") && !has_mark(forked, " rr"));
	CHECK(madvise(random_one + PAGE, PAGE, MADV_DONTNEED) == 0 && is_zero(random_one + PAGE, PAGE));
	CHECK(has_mark(random_one + PAGE, " rr") && has_mark(random_one + PAGE, " dd") &&
	      !has_mark(random_one + PAGE, " dc"));
	CHECK(madvise(memory, SIZE, MADV_DONTNEED) == 0 && is_zero(memory, SIZE));
	CHECK(!has_mark(memory, " dc") && !has_mark(memory, " rr"));
	CHECK(madvise(taken, SIZE, MADV_DOFORK) == 0 && madvise(taken, PAGE, MADV_DONTNEED) == 0);
	CHECK(!has_mark(taken, " dc"));
	CHECK(madvise(random_one, PAGE, MADV_DONTNEED) == 0 && has_mark(random_one, " rr"));
}

static void nothing_behind_it(void)
{
	CHECK(madvise(memory, SIZE, MADV_REMOVE) == -1 && errno == EINVAL && is_filled(memory, SIZE));
	if (mlock(memory, SIZE) == 0 && madvise(memory, SIZE, LOCKED) == 0)
		CHECK(is_zero(memory, SIZE));
}

static void grows_in_place(void)
{
	start_counters();
	CHECK(mremap(memory, SIZE, 2 * SIZE, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(munmap(memory + SIZE, 2 * SIZE) == 0);
	CHECK(mremap(memory, SIZE, 2 * SIZE, 0) == memory);
	CHECK(is_zero(memory + SIZE, SIZE));
	fill(memory + SIZE, SIZE);
	CHECK(mremap(memory, 2 * SIZE, 3 * SIZE, 0) == memory && is_filled(memory + SIZE, SIZE));
	stop_counters();
	uint8_t *away = mremap(memory, 3 * SIZE, 3 * SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, memory + 64 * SIZE);
	CHECK(away == memory + 64 * SIZE && is_filled(away + SIZE, SIZE) && is_zero(away + 2 * SIZE, SIZE));
	CHECK(mremap(away, 3 * SIZE, 4 * SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, away + PAGE) == MAP_FAILED &&
	      errno == EINVAL);
}

static void wiped_on_fork(void)
{
	int status;

	start_counters();
	CHECK(madvise(memory, SIZE, MADV_WIPEONFORK) == 0);
	stop_counters();
	pid_t child = fork();
	if (child == 0)
		_exit(is_zero(memory, SIZE) ? 0 : 1);
	CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0 && !is_zero(memory, SIZE));
	CHECK(mremap(memory, SIZE, 2 * SIZE, MREMAP_MAYMOVE) != MAP_FAILED);
}

static void collapsed(void)
{
	uint8_t *other = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(other != MAP_FAILED);
	fill(other, SIZE);
	if (madvise(other, SIZE, ADVISE_COLLAPSE) < 0 && errno == EINVAL)
		SKIP("no MADV_COLLAPSE");
	start_counters();
	/* Others are in the way, or there is no memory: but never that it is not of the right kind. */
	CHECK(madvise(memory, SIZE, ADVISE_COLLAPSE) == 0 || errno == EAGAIN || errno == EBUSY ||
	      errno == ENOMEM);
	stop_counters();
}

static int watcher;

static void *serve(void *argument)
{
	struct uffd_msg message;

	(void)argument;
	while (read(watcher, &message, sizeof(message)) == sizeof(message)) {
		static uint8_t pages[SIZE];
		memset(pages, 'u', sizeof(pages));
		struct uffdio_copy copy = {.dst = (uint64_t)memory, .src = (uint64_t)pages, .len = SIZE};
		CHECK(ioctl(watcher, UFFDIO_COPY, &copy) == 0);
	}
	return NULL;
}

static void watched(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	pthread_t thread;

	watcher = (int)syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */);
	if (watcher < 0)
		SKIP("no userfaultfd");
	CHECK(ioctl(watcher, UFFDIO_API, &api) == 0);
	struct uffdio_register wanted = {.range = {(uint64_t)memory, SIZE},
	                                 .mode = UFFDIO_REGISTER_MODE_MISSING};
	start_counters();
	CHECK(ioctl(watcher, UFFDIO_REGISTER, &wanted) == 0);
	stop_counters();
	CHECK(madvise(memory, SIZE, MADV_DONTNEED) == 0);
	CHECK(pthread_create(&thread, NULL, serve, NULL) == 0);
	CHECK(memory[0] == 'u' && memory[SIZE - 1] == 'u');
}

/* By mremap(2) inside the C library, and of functions that call it there. */
static void reallocated(void)
{
	char *text = NULL;
	size_t size = 0;

	for (size_t wanted = BLOCK + PAGE; wanted < 8 * BLOCK; wanted += BLOCK + 12345) {
		size_t before = malloc_usable_size(block);
		CHECK((block = realloc(block, wanted)) != NULL &&
		      is_filled(block, before < wanted ? BLOCK : wanted));
		fill(block, wanted);
	}
	CHECK((block = realloc(block, PAGE)) != NULL && is_filled(block, PAGE));
	FILE *stream = open_memstream(&text, &size);
	CHECK(stream != NULL);
	for (int i = 0; i < BLOCK / 8; i++)
		fprintf(stream, "%07d\n", i);
	CHECK(fclose(stream) == 0 && size == BLOCK / 8 * 8 && strcmp(text + size - 8, "0131071\n") == 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} rows[] = {
        {"syscall", by_syscall},          {"process-madvise", by_process}, {"marks", marks},
        {"no-file", nothing_behind_it},   {"in-place", grows_in_place},    {"wipe-on-fork", wiped_on_fork},
        {"collapse", collapsed},          {"userfaultfd", watched},        {"realloc", reallocated},
        {"marked-before", marked_before},
};

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	memory = filled();
	CHECK((block = malloc(BLOCK)) != NULL);
	fill(block, BLOCK);
	for (int i = 0; i < 3; i++) {
		marked[i] = filled();
		CHECK(madvise(marked[i], SIZE, i == 1 ? MADV_RANDOM : MADV_DONTFORK) == 0);
	}
	CHECK(madvise(marked[1], SIZE, MADV_DONTDUMP) == 0);
	snapshot_point();
	CHECK(is_filled(memory, SIZE) && is_filled(block, BLOCK));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(rows[i].name, argv[1]) == 0) {
			rows[i].run();
			puts("as in a direct run");
			return 0;
		}
	return 2;
}
