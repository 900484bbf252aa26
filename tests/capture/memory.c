/* As carried.c, for memory that is seen in several places, in parts, or by a descriptor too: after the point
 * a change through one of them is seen through all others. */
#include "memory.h"

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
static void past_the_end(void)
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

/* Anonymous shared memory can be opened only as what a mapping shows, which needs a capability. */
static void private_of_anonymous(void)
{
	char *shared = anonymous(3 * PAGE, 0), path[96];
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)(uintptr_t)shared,
	         (unsigned long)(uintptr_t)shared + 3 * PAGE);
	int fd = open(path, O_RDWR);
	if (fd < 0) {
		perror(path);
		exit(77);
	}
	memset(shared, 's', 3 * PAGE);
	char *own = checked(mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE, fd, 0));
	EXPECT(close(fd) == 0);
	own[0] = 'o';
	marker();
	shared[0] = shared[PAGE] = 't';
	EXPECT(own[0] == 'o' && own[1] == 's' && own[PAGE] == 't' && own[2 * PAGE] == 's');
	own[2 * PAGE] = 'p';
	EXPECT(shared[2 * PAGE] == 's');
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

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {
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
	        MODE(past_the_end),
	        MODE(private_view),
	        MODE(private_of_anonymous),
	        MODE(sparse),
	        MODE(much),
	        MODE(much_unmapped),
	        MODE(many_views),
	        MODE(locked),
	};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
