/* As carried.c, for memory that is seen in several places, in parts, or by a descriptor too: after the point
 * a change through one of them is seen through all others. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE, FUTURE_WRITE = 0x10 /* F_SEAL_FUTURE_WRITE, Linux 5.1 */ };

static int failures;

#define EXPECT(condition)                                                                                    \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "memory.c:%d: not so: %s\n", __LINE__, #condition);                  \
			failures++;                                                                          \
		}                                                                                            \
	} while (0)

static void marker(void)
{
	access("/snap/here", F_OK);
}

static void skip(const char *what)
{
	perror(what);
	_exit(77);
}

static char *checked(void *memory)
{
	if (memory == MAP_FAILED)
		skip("mmap");
	return memory;
}

static char *anonymous(size_t size, int flags)
{
	return checked(mmap(NULL, size, RW, MAP_SHARED | MAP_ANONYMOUS | flags, -1, 0));
}

static char *map(int fd, size_t size, int protection, off_t offset)
{
	return checked(mmap(NULL, size, protection, MAP_SHARED, fd, offset));
}

/* The same memory once more. */
static char *again(char *memory, size_t size)
{
	return checked(mremap(memory, 0, size, MREMAP_MAYMOVE));
}

static int memfd(const char *name, off_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, size) < 0)
		skip("memfd_create");
	return fd;
}

static sigjmp_buf caught;
static void catch (int number)
{
	siglongjmp(caught, number);
}

/* The signal that reading there raises, or 0. */
static int reading(const volatile char *at)
{
	signal(SIGBUS, catch);
	signal(SIGSEGV, catch);
	int number = sigsetjmp(caught, 1);
	return number ? number : (void)*at, number;
}

static bool same_memory(volatile char *one, volatile char *two)
{
	char before = *one;
	*one = (char)(before + 1);
	bool same = *two == (char)(before + 1);
	*two = before;
	return same && *one == before;
}

static void twice(void)
{
	char *memory = anonymous(8 * PAGE, 0), *other = again(memory, 8 * PAGE);
	strcpy(memory + 5 * PAGE, "once");
	marker();
	EXPECT(strcmp(other + 5 * PAGE, "once") == 0 && strcmp(memory + 5 * PAGE, "once") == 0);
	EXPECT(memory[PAGE] == 0 && same_memory(memory, other) &&
	       same_memory(memory + 5 * PAGE, other + 5 * PAGE));
	if (fork() == 0) {
		memory[7 * PAGE] = 1;
		_exit(0);
	}
	wait(NULL);
	EXPECT(other[7 * PAGE] == 1);
}

/* What no mapping shows any more comes back with mremap, as before. */
static void parts(void)
{
	char *memory = anonymous(4 * PAGE, 0);
	for (int i = 0; i < 4; i++)
		memory[i * PAGE] = (char)(i + 1);
	EXPECT(munmap(memory + PAGE, PAGE) == 0 && munmap(memory + 3 * PAGE, PAGE) == 0);
	marker();
	EXPECT(memory[0] == 1 && memory[2 * PAGE] == 3 && reading(memory + PAGE) == SIGSEGV);
	char *whole = again(memory, 5 * PAGE);
	EXPECT(whole[PAGE] == 2 && whole[2 * PAGE] == 3 && whole[3 * PAGE] == 4);
	EXPECT(reading(whole + 4 * PAGE) == SIGBUS && same_memory(whole + 2 * PAGE, memory + 2 * PAGE));
}

static void only_the_end(void)
{
	char *memory = anonymous(4 * PAGE, MAP_NORESERVE);
	memory[3 * PAGE] = 4;
	EXPECT(munmap(memory, 2 * PAGE) == 0);
	marker();
	EXPECT(memory[3 * PAGE] == 4 && memory[2 * PAGE] == 0);
	EXPECT(reading(again(memory + 2 * PAGE, 3 * PAGE) + 2 * PAGE) == SIGBUS);
}

/* Pieces of different protection are mappings of one memory. */
static void protections(void)
{
	char *memory = anonymous(6 * PAGE, 0);
	memset(memory, 'm', 6 * PAGE);
	EXPECT(mprotect(memory + PAGE, PAGE, PROT_READ) == 0 &&
	       mprotect(memory + 3 * PAGE, PAGE, PROT_NONE) == 0);
	marker();
	EXPECT(memory[0] == 'm' && memory[PAGE] == 'm' && reading(memory + 3 * PAGE) == SIGSEGV);
	EXPECT(mprotect(memory + 3 * PAGE, PAGE, RW) == 0 && memory[3 * PAGE + 9] == 'm');
	char *whole = again(memory, 6 * PAGE);
	EXPECT(mprotect(whole, 6 * PAGE, RW) == 0);
	for (int i = 0; i < 6; i++) {
		whole[i * PAGE] = 'n';
		EXPECT(memory[i * PAGE] == 'n');
	}
}

static void named(void)
{
	char *memory = anonymous(4 * PAGE, 0);
	if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, memory, 4 * PAGE, "the name") < 0)
		skip("PR_SET_VMA_ANON_NAME");
	memory[3 * PAGE] = 3;
	EXPECT(munmap(memory + PAGE, PAGE) == 0);
	marker();
	char *whole = again(memory, 4 * PAGE);
	EXPECT(whole[3 * PAGE] == 3 && same_memory(whole, memory));
}

static void dev_zero(void)
{
	int fd = open("/dev/zero", O_RDWR);
	char *memory = map(fd, 3 * PAGE, RW, 0), *other = again(memory, 3 * PAGE);
	close(fd);
	memory[PAGE] = 6;
	marker();
	EXPECT(other[PAGE] == 6 && same_memory(memory, other));
}

/* One view to write code through, one to run it. */
static void code(void)
{
	static const unsigned char before[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
	int fd = memfd("code", 2 * PAGE);
	char *writes = map(fd, 2 * PAGE, RW, 0);
	int (*function)(void) = (int (*)(void))(uintptr_t)map(fd, PAGE, PROT_READ | PROT_EXEC, PAGE);
	memcpy(writes + PAGE, before, sizeof(before));
	EXPECT(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	marker();
	char link[64] = "";
	EXPECT(function() == 42);
	writes[PAGE + 1] = 43;
	EXPECT(function() == 43);
	EXPECT(pwrite(fd, "\x2c", 1, PAGE + 1) == 1 && function() == 44);
	EXPECT(fcntl(fd, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_GROW) && ftruncate(fd, PAGE) < 0);
	EXPECT(readlink("/proc/self/fd/3", link, sizeof(link) - 1) > 0 &&
	       strcmp(link, "/memfd:code (deleted)") == 0);
}

static void write_sealed(void)
{
	int fd = memfd("sealed", PAGE);
	EXPECT(pwrite(fd, "forever", 7, 0) == 7);
	EXPECT(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
	int reads = open("/proc/self/fd/3", O_RDONLY | O_CLOEXEC);
	char *memory = map(reads, PAGE, PROT_READ, 0);
	marker();
	EXPECT(memcmp(memory, "forever", 8) == 0 && mprotect(memory, PAGE, RW) < 0 && errno == EACCES);
	EXPECT(pwrite(fd, "no", 2, 0) < 0 && errno == EPERM);
	EXPECT((fcntl(fd, F_GET_SEALS) & F_SEAL_SEAL) != 0);
}

/* The writable mapping of before stays one, others can't be made. */
static void future_write_sealed(void)
{
	int fd = memfd("buffer", 2 * PAGE);
	char *memory = map(fd, 2 * PAGE, RW, 0);
	if (fcntl(fd, F_ADD_SEALS, FUTURE_WRITE) < 0)
		skip("F_SEAL_FUTURE_WRITE");
	char *reads = map(fd, 2 * PAGE, PROT_READ, 0);
	memory[PAGE] = 1;
	marker();
	EXPECT(reads[PAGE] == 1 && pwrite(fd, "no", 2, 0) < 0);
	memory[PAGE] = 2;
	EXPECT(reads[PAGE] == 2 && mprotect(reads, PAGE, RW) < 0);
	EXPECT(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0) == MAP_FAILED);
}

/* Mapped by a descriptor that only reads, which is closed: it can never be written. */
static void read_only_closed(void)
{
	int fd = memfd("readers", PAGE);
	EXPECT(pwrite(fd, "text", 4, 0) == 4);
	int reads = open("/proc/self/fd/3", O_RDONLY | O_CLOEXEC);
	char *memory = map(reads, PAGE, PROT_READ, 0);
	close(fd);
	close(reads);
	marker();
	EXPECT(memcmp(memory, "text", 5) == 0 && mprotect(memory, PAGE, RW) < 0 && errno == EACCES);
}

static void deleted(void)
{
	int fd = open("gone", O_RDWR | O_CREAT | O_TRUNC, 0640);
	if (fd < 0 || ftruncate(fd, 3 * PAGE + 100) < 0)
		skip("gone");
	char *memory = map(fd, 4 * PAGE, RW, 0);
	unlink("gone");
	memcpy(memory + 3 * PAGE + 96, "tail", 4);
	lseek(fd, 3 * PAGE + 98, SEEK_SET);
	marker();
	char two[4] = "";
	struct stat found;
	EXPECT(memcmp(memory + 3 * PAGE + 96, "tail", 5) == 0);
	EXPECT(read(fd, two, 4) == 2 && memcmp(two, "il", 3) == 0);
	EXPECT(fstat(fd, &found) == 0 && found.st_size == 3 * PAGE + 100 && (found.st_mode & 0777) == 0640);
	memory[0] = 'm';
	EXPECT(pread(fd, two, 1, 0) == 1 && two[0] == 'm');
	EXPECT(ftruncate(fd, PAGE) == 0 && reading(memory + PAGE) == SIGBUS);
}

static void unnamed(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	if (fd < 0 || ftruncate(fd, 2 * PAGE) < 0)
		skip("O_TMPFILE");
	char *memory = map(fd, 2 * PAGE, RW, 0);
	int copy = dup(fd), other = open("/proc/self/fd/3", O_RDONLY);
	memory[PAGE] = 9;
	marker();
	char byte = 0;
	EXPECT(pread(other, &byte, 1, PAGE) == 1 && byte == 9);
	EXPECT(pwrite(copy, "x", 1, PAGE) == 1 && memory[PAGE] == 'x' && lseek(fd, 0, SEEK_CUR) == 0);
}

static void deleted_closed(void)
{
	int fd = open("gone", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, 3 * PAGE) < 0)
		skip("gone");
	char *memory = map(fd, 3 * PAGE, RW, 0), *other = map(fd, PAGE, RW, 2 * PAGE);
	memory[2 * PAGE] = 1;
	EXPECT(msync(memory, 3 * PAGE, MS_SYNC) == 0);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	unlink("gone");
	close(fd);
	marker();
	EXPECT(other[0] == 1 && same_memory(memory + 2 * PAGE, other));
}

/* Behind the end there is nothing, until a descriptor makes it longer. */
static void behind_the_end(void)
{
	int fd = memfd("short", PAGE), empty = memfd("empty", 0), lost = memfd("lost", PAGE);
	char *memory = map(fd, 3 * PAGE, RW, 0), *nothing = map(empty, PAGE, RW, 0);
	char *closed = map(lost, 2 * PAGE, RW, 0), *far = map(lost, PAGE, RW, 5 * PAGE);
	memory[0] = closed[0] = 1;
	close(lost);
	marker();
	EXPECT(memory[0] == 1 && reading(memory + PAGE) == SIGBUS);
	EXPECT(ftruncate(fd, 2 * PAGE) == 0 && memory[PAGE] == 0 && same_memory(memory, memory));
	EXPECT(reading(nothing) == SIGBUS && pwrite(empty, "a", 1, 0) == 1 && nothing[0] == 'a');
	EXPECT(closed[0] == 1 && reading(closed + PAGE) == SIGBUS && reading(far) == SIGBUS);
}

/* Its own pages stay its own, a zero one too; the others follow the memory. */
static void private_view(void)
{
	int fd = memfd("both", 4 * PAGE);
	char *shared = map(fd, 4 * PAGE, RW, 0);
	memset(shared, 's', 4 * PAGE);
	char *own = checked(mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0));
	char *by_descriptor = checked(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, memfd("file", PAGE), 0));
	own[0] = 'o';
	memset(own + PAGE, 0, PAGE);
	EXPECT(mprotect(own, PAGE, PROT_READ) == 0);
	marker();
	EXPECT(own[0] == 'o' && own[1] == 's' && own[PAGE] == 0 && own[2 * PAGE] == 's');
	shared[1] = shared[PAGE] = shared[2 * PAGE] = 't';
	EXPECT(own[1] == 's' && own[PAGE] == 0 && own[2 * PAGE] == 't' && reading(own) == 0);
	EXPECT(mprotect(own, PAGE, RW) == 0);
	own[2] = 'p';
	EXPECT(shared[2] == 's' && pwrite(4, "f", 1, 0) == 1 && by_descriptor[0] == 'f');
}

/* Not a page of it is read or stored that isn't there. */
static void sparse(void)
{
	enum { GIGABYTE = 1 << 30 };
	int fd = memfd("sparse", 64l * GIGABYTE);
	char *memory = map(fd, 64l * GIGABYTE, RW, 0);
	char *reserved = anonymous(64l * GIGABYTE, MAP_NORESERVE), *other = again(reserved, GIGABYTE);
	memory[63l * GIGABYTE] = reserved[62l * GIGABYTE] = other[0] = 1;
	marker();
	struct stat found;
	EXPECT(memory[63l * GIGABYTE] == 1 && reserved[62l * GIGABYTE] == 1 && reserved[0] == 1);
	EXPECT(fstat(fd, &found) == 0 && found.st_blocks * 512 <= 1 << 20);
}

/* Much content, seen from the middle on first and then as a whole; lies in the image once. */
static void much(void)
{
	enum { SIZE = 8 << 20, HALF = SIZE / 2 };
	int fd = memfd("much", SIZE);
	uint32_t *high = (uint32_t *)(void *)map(fd, HALF, RW, HALF);
	uint32_t *whole = (uint32_t *)(void *)map(fd, SIZE, RW, 0), state = 1;
	for (size_t i = 0; i < SIZE / sizeof(*whole); i++)
		whole[i] = state = state * 1664525 + 1013904223;
	marker();
	size_t wrong = 0;
	state = 1;
	for (size_t i = 0; i < SIZE / sizeof(*whole); i++) {
		state = state * 1664525 + 1013904223;
		wrong += whole[i] != state ||
		         (i >= HALF / sizeof(*whole) && high[i - HALF / sizeof(*whole)] != state);
	}
	EXPECT(wrong == 0);
}

/* By a descriptor only; sealed, and not of whole pages. */
static void much_unmapped(void)
{
	enum { SIZE = 3 << 20 };
	static uint32_t words[SIZE / sizeof(uint32_t)], found[SIZE / sizeof(uint32_t)];
	int fd = memfd("unmapped", SIZE + 5);
	for (size_t i = 0, state = 1; i < SIZE / sizeof(*words); i++)
		words[i] = (uint32_t)(state = state * 1664525 + 1013904223);
	EXPECT(pwrite(fd, words, SIZE, 0) == SIZE && pwrite(fd, "tail", 5, SIZE) == 5);
	EXPECT(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	marker();
	char tail[6] = "";
	struct stat now;
	EXPECT(pread(fd, found, SIZE, 0) == SIZE && memcmp(found, words, SIZE) == 0);
	EXPECT(pread(fd, tail, 6, SIZE) == 5 && strcmp(tail, "tail") == 0);
	EXPECT(fcntl(fd, F_GET_SEALS) == F_SEAL_WRITE && fstat(fd, &now) == 0 && now.st_size == SIZE + 5);
}

/* As many views as a process may have mappings. */
static void many_views(void)
{
	enum { COUNT = 50000 };
	int fd = memfd("pieces", (off_t)COUNT * PAGE);
	char *memory = map(fd, (size_t)COUNT * PAGE, RW, 0);
	for (size_t i = 0; i < COUNT; i += 2) {
		memory[i * PAGE] = (char)(i % 100);
		if (mprotect(memory + i * PAGE, PAGE, PROT_READ) < 0)
			skip("mprotect");
	}
	marker();
	size_t wrong = 0;
	for (size_t i = 0; i < COUNT; i++)
		wrong += memory[i * PAGE] != (i % 2 ? 0 : (char)(i % 100));
	EXPECT(wrong == 0 && reading(memory) == 0 && pwrite(fd, "w", 1, 0) == 1 && memory[0] == 'w');
}

/* The line of /proc/self/maps, without the line's end, that has the address. */
static void read_line(uint64_t address, char line[256])
{
	FILE *file = fopen("/proc/self/maps", "re");
	uint64_t start = 0, end = 0;
	while (fgets(line, 256, file) && !(start <= address && address < end))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= address && address < end)
			break;
	fclose(file);
}

static void *wait_for_the_end(void *mutex)
{
	pthread_mutex_lock(mutex);
	return mutex;
}

/* All the addresses where the loader lies, as sanitizers do it; with memory of several views, and a thread.
 */
static void reservation(void)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	const uint64_t start = 0x340000000000, size = 0x200000000000;
	char line[256], now[256];
	char *memory = anonymous(2 * PAGE, 0), *other = again(memory, 2 * PAGE);
	pthread_t thread;
	checked(mmap((void *)start, size, PROT_NONE,
	             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0));
	read_line(start, line);
	pthread_mutex_lock(&mutex);
	EXPECT(pthread_create(&thread, NULL, wait_for_the_end, &mutex) == 0);
	memory[PAGE] = 1;
	marker();
	pthread_mutex_unlock(&mutex);
	pthread_join(thread, NULL); /* when the loader has gone altogether */
	EXPECT(other[PAGE] == 1 && same_memory(memory, other));
	for (uint64_t at = start; at < start + size; at += size / 128) {
		read_line(at, now);
		EXPECT(strcmp(line, now) == 0);
	}
}

static void locked(void)
{
	int fd = memfd("locked", 2 * PAGE);
	char *memory = map(fd, 2 * PAGE, RW, 0), *other = again(memory, PAGE);
	if (mlock(memory, 2 * PAGE) < 0)
		skip("mlock");
	EXPECT(madvise(other, PAGE, MADV_DONTDUMP) == 0);
	close(fd);
	memory[0] = 2;
	marker();
	EXPECT(other[0] == 2 && same_memory(memory, other) && munlock(memory, 2 * PAGE) == 0);
}

/* The text that smaps has of the mapping at the address behind "VmFlags:". */
static void read_flags(const void *memory, char flags[256])
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char start[32], line[512];
	bool inside = false;

	flags[0] = '\0';
	snprintf(start, sizeof(start), "%lx-", (unsigned long)memory);
	while (fgets(line, sizeof(line), file) && !flags[0]) {
		inside |= strncmp(line, start, strlen(start)) == 0;
		if (inside && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(flags, 256, "%.255s", line + 8);
	}
	fclose(file);
}

/* Whatever number madvise(2) takes: the mapping has the same flags afterwards, and the page what it had. */
static void every_advice(void)
{
	enum { ALL = 128, HWPOISON = 100, SOFT_OFFLINE = 101, GUARD_REMOVE = 103 };
	static struct {
		char *memory, flags[256], content;
		int reading;
		bool taken;
	} advised[ALL];
	for (int advice = 0; advice < ALL; advice++) {
		char *memory = anonymous(PAGE, 0) - PAGE; /* shared pages keep the private ones apart */
		memory = checked(mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) + PAGE;
		EXPECT(mprotect(memory, PAGE, RW) == 0);
		memory[7] = 7;
		advised[advice].memory = memory;
		bool harms = advice == HWPOISON || advice == SOFT_OFFLINE; /* the machine, and is for root */
		advised[advice].taken = !harms && madvise(memory, PAGE, advice) == 0;
		advised[advice].reading = reading(memory);
		advised[advice].content = advised[advice].reading ? 0 : memory[7];
		read_flags(memory, advised[advice].flags);
	}
	pid_t before = getpid();
	marker();
	bool restored = getpid() != before;
	for (int advice = 0; advice < ALL; advice++) {
		char *memory = advised[advice].memory, flags[256];
		bool is_wiped = restored && advice == MADV_WIPEONFORK;
		char content = reading(memory) ? 0 : memory[7];
		read_flags(memory, flags);
		if (strcmp(flags, advised[advice].flags) != 0 || reading(memory) != advised[advice].reading ||
		    (content != advised[advice].content && !is_wiped && advice != MADV_FREE)) {
			fprintf(stderr, "advice %d: %s and %d is %s and %d\n", advice, advised[advice].flags,
			        advised[advice].content, flags, content);
			failures++;
		}
		EXPECT(advised[advice].taken || advice > GUARD_REMOVE || advised[advice].content == 7);
	}
}

static void locked_on_fault(void)
{
	char *memory = checked(mmap(NULL, 64 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), flags[256],
	     now[256];
	unsigned char present[64];
	if (mlock2(memory, 64 * PAGE, MLOCK_ONFAULT) < 0)
		skip("mlock2");
	memory[5 * PAGE] = 5;
	read_flags(memory, flags);
	marker();
	read_flags(memory, now);
	EXPECT(strcmp(flags, now) == 0 && strstr(now, " lo ") != NULL);
	EXPECT(mincore(memory, 64 * PAGE, present) == 0 && (present[5] & 1) && !(present[6] & 1));
	EXPECT(memory[5 * PAGE] == 5);
}

static void huge_pages_if_advised(void)
{
	enum { EXCEPT_ADVISED = 2 /* PR_THP_DISABLE_EXCEPT_ADVISED, Linux 6.18 */ };
	if (prctl(PR_SET_THP_DISABLE, 1, EXCEPT_ADVISED, 0, 0) < 0)
		skip("PR_THP_DISABLE_EXCEPT_ADVISED");
	marker();
	EXPECT(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == (1 | EXCEPT_ADVISED));
}

static void no_write_execute(void)
{
	enum { SET = 65, GET = 66, REFUSE_GAIN = 1 /* PR_SET_MDWE, Linux 6.3 */ };
	char *memory = checked(mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	if (prctl(SET, REFUSE_GAIN, 0, 0, 0) < 0)
		skip("PR_SET_MDWE");
	marker();
	EXPECT(prctl(GET, 0, 0, 0, 0) == REFUSE_GAIN);
	EXPECT(mprotect(memory, PAGE, PROT_READ | PROT_EXEC) < 0);
	memory[0] = 1;
}

/* Of a descriptor that writes, though the mapping only reads as yet; and of one that only reads. */
static void file_that_may_be_written(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600), reads = open("file", O_RDONLY);
	EXPECT(ftruncate(fd, PAGE) == 0);
	char *one = map(fd, PAGE, PROT_READ, 0), *two = map(reads, PAGE, PROT_READ, 0);
	marker();
	EXPECT(mprotect(two, PAGE, RW) < 0 && errno == EACCES);
	EXPECT(mprotect(one, PAGE, RW) == 0);
	EXPECT(two[1] == one[1]);
}

#define MODE(name)                                                                                           \
	{                                                                                                    \
#name, name                                                                                  \
	}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} modes[] = {
	        MODE(twice),
	        MODE(parts),
	        MODE(only_the_end),
	        MODE(protections),
	        MODE(named),
	        MODE(dev_zero),
	        MODE(code),
	        MODE(write_sealed),
	        MODE(future_write_sealed),
	        MODE(read_only_closed),
	        MODE(deleted),
	        MODE(unnamed),
	        MODE(deleted_closed),
	        MODE(behind_the_end),
	        MODE(private_view),
	        MODE(sparse),
	        MODE(much),
	        MODE(much_unmapped),
	        MODE(many_views),

	        MODE(reservation),
	        MODE(locked),
	        MODE(every_advice),
	        MODE(locked_on_fault),
	        MODE(huge_pages_if_advised),
	        MODE(no_write_execute),
	        MODE(file_that_may_be_written),
	};

	for (size_t i = 0; argc == 2 && i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(argv[1], modes[i].name) == 0) {
			modes[i].run();
			return failures != 0;
		}
	}
	return 2;
}
