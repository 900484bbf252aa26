/* As carried.c, for what smaps shows of mappings beside their content, and what prctl(2) says of all of them.
 */
#include <snap.h>

#include "memory.h"

/* The text that smaps has of the mapping at the address after "VmFlags:". */
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
	marker();
	for (int advice = 0; advice < ALL; advice++) {
		char *memory = advised[advice].memory, flags[256];
		bool is_wiped = snap_restored() && advice == MADV_WIPEONFORK;
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

/* All the addresses where the loader lies, as sanitizers do it; with memory of several views, and a thread.
 */
static void reserve(uint64_t start, uint64_t size)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
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

static void reservation(void)
{
	reserve(0x340000000000, 0x200000000000);
}

/* As V8's sandbox may lie: up to somewhere in the loader's addresses. */
static void reservation_up_to(void)
{
	const uint64_t end = 0x40d300000000;
	reserve(0x3f8b01080000, end - 0x3f8b01080000);
	checked(mmap((void *)end, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
}

/* Nobody may change it, neither before nor after. */
static void sealed(void)
{
	enum { MSEAL = 462 /* Linux 6.10 */ };
	char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory[PAGE] = 7;
	if (syscall(MSEAL, memory, 2 * PAGE, 0) < 0) {
		perror("mseal");
		_exit(77);
	}
	marker();
	EXPECT(mprotect(memory, 2 * PAGE, PROT_READ) < 0 && errno == EPERM);
	EXPECT(munmap(memory, PAGE) < 0 && errno == EPERM);
	EXPECT(memory[PAGE] == 7 && ++memory[PAGE] == 8);
}

/* It may be dropped, so it comes back zeroed, and is what it was: see VmFlags. */
static void droppable(void)
{
	enum { DROPPABLE = 0x08 /* MAP_DROPPABLE, Linux 6.11 */ };
	char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, DROPPABLE | MAP_ANONYMOUS, -1, 0);
	char text[1 << 16] = "", start[32];
	if (memory == MAP_FAILED) {
		perror("MAP_DROPPABLE");
		_exit(77);
	}
	memory[0] = 1;
	marker();
	snprintf(start, sizeof(start), "%lx-", (unsigned long)memory);
	FILE *file = fopen("/proc/self/smaps", "re");
	bool inside = false;
	while (fgets(text, sizeof(text), file)) {
		inside |= strncmp(text, start, strlen(start)) == 0;
		if (inside && strncmp(text, "VmFlags:", 8) == 0)
			break;
	}
	fclose(file);
	EXPECT(strstr(text, " dp") != NULL);
	memory[0] = 1;
	EXPECT(memory[0] == 1);
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {
	        MODE(every_advice),
	        MODE(locked_on_fault),
	        MODE(huge_pages_if_advised),
	        MODE(no_write_execute),
	        MODE(file_that_may_be_written),
	        MODE(reservation),
	        MODE(reservation_up_to),
	        MODE(sealed),
	        MODE(droppable),
	};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
