/* Has kept IDs in the way that its argument names, and finds after the start that all is as it was: the IDs
 * are its own, its locks can be unlocked by those who hold them and by nobody else. */
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "kept.h"

static pid_t in_data = 1; /* as written, not zero: .data */
static pid_t in_bss;
static atomic_int held, go;

static void keep_data(void)
{
	in_data = in_bss = getpid();
	point();
	CHECK(in_data == getpid() && in_bss == getpid());
}

static void keep_heap(void)
{
	volatile struct { /* in memory, not in registers */
		int64_t wide;
		pid_t pid;
	} *kept = malloc(sizeof *kept);

	kept->wide = kept->pid = getpid();
	point();
	CHECK(kept->pid == getpid() && kept->wide == getpid());
	CHECK(kill(kept->pid, 0) == 0);
}

static void keep_text(void)
{
	char *kept = malloc(64), now[64];

	snprintf(kept, 64, "%d", getpid());
	point();
	snprintf(now, sizeof now, "%d", getpid());
	CHECK(strcmp(kept, now) == 0);
}

static void keep_path(void)
{
	char *kept = malloc(64), line[256];
	pid_t found = 0;

	snprintf(kept, 64, "/proc/%d/status", getpid());
	point();
	FILE *file = fopen(kept, "r");
	CHECK(file != NULL);
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "Pid: %d", &found) == 1)
			break;
	fclose(file);
	CHECK(found == getpid());
}

/* As languages other than C write numbers: twice and one more, and as a floating-point number. */
static void keep_tagged(void)
{
	struct {
		volatile int64_t odd, negative;
		volatile double floating, negative_floating;
	} *kept = malloc(sizeof *kept);

	kept->odd = 2 * (int64_t)getpid() + 1;
	kept->negative = -2 * (int64_t)getpid() + 1;
	kept->floating = getpid();
	kept->negative_floating = -(double)getpid();
	point();
	CHECK(kept->odd == 2 * (int64_t)getpid() + 1 && kept->floating == getpid());
	CHECK(kept->negative == -2 * (int64_t)getpid() + 1 && kept->negative_floating == -(double)getpid());
}

/* As kill(2) takes a process group. */
static void keep_negative(void)
{
	volatile struct {
		int64_t wide;
		pid_t pid;
	} *kept = malloc(sizeof *kept);

	kept->wide = kept->pid = -getpid();
	point();
	CHECK(kept->pid == -getpid() && kept->wide == -(int64_t)getpid());
}

/* In places and forms in which nothing is written over. */
static void keep_forms(void)
{
	volatile struct __attribute__((packed)) {
		uint8_t kind;
		uint32_t pid;
		uint8_t more[3];
	} *packed = calloc(1, 64);
	volatile uint32_t *swapped = calloc(16, sizeof *swapped);
	char *hexadecimal = calloc(1, 64), text[64];
	volatile uint16_t *wide = calloc(64, sizeof *wide);

	packed->pid = (uint32_t)getpid();
	packed->kind = packed->more[0] = 1;
	swapped[1] = __builtin_bswap32((uint32_t)getpid());
	snprintf(hexadecimal, 64, "%08x", (unsigned)getpid());
	snprintf(text, sizeof text, "%d", getpid());
	for (int i = 0; text[i] != '\0'; i++)
		wide[i] = (uint8_t)text[i];
	memset(text, 0, sizeof text);
	point();
	CHECK(packed->pid == (uint32_t)getpid());
	CHECK(swapped[1] == __builtin_bswap32((uint32_t)getpid()));
	CHECK(strtoul(hexadecimal, NULL, 16) == (unsigned long)getpid());
	snprintf(text, sizeof text, "%d", getpid());
	for (int i = 0; text[i] != '\0'; i++)
		CHECK(wide[i] == (uint8_t)text[i]);
}

/* Only the kernel has it: in bytes that wait, in entries, in names. Freed, the C library's copy of a name is
 * none. */
static void keep_outside(void)
{
	const pid_t own = getpid();
	struct epoll_event entry = {.events = EPOLLIN, .data.u64 = (uint64_t)own};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct { /* sockaddr_nl: musl's compiler has no headers of the kernel */
		sa_family_t family;
		uint16_t padding;
		uint32_t pid, groups;
	} port = {.family = AF_NETLINK}, now_port;
	struct itimerspec never = {.it_value.tv_sec = 100000};
	socklen_t size = sizeof port;
	int pipes[2], memory, set, timers_id, netlink, name_size;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	pid_t found = 0;

	CHECK(pipe(pipes) == 0 && write(pipes[1], &own, sizeof own) == sizeof own);
	CHECK((memory = (int)syscall(SYS_memfd_create, "kept", 0)) >= 0);
	CHECK(dprintf(memory, "%d\n", own) > 0);
	CHECK((set = epoll_create1(0)) >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &entry) == 0);
	event.sigev_value.sival_int = own;
	CHECK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timers_id) == 0);
	CHECK(syscall(SYS_timer_settime, timers_id, 0, &never, NULL) == 0);
	CHECK((netlink = socket(AF_NETLINK, SOCK_RAW, 0 /* NETLINK_ROUTE */)) >= 0);
	CHECK(bind(netlink, (struct sockaddr *)&port, sizeof port) == 0);
	name_size = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "kept-%d", own);
	CHECK(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&name,
	           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)name_size) == 0);
	CHECK(prctl(PR_SET_NAME, name.sun_path + 1) == 0);
	memset(&name, 0, sizeof name);
	memset(&entry, 0, sizeof entry);
	memset(&event, 0, sizeof event);
	point();
	CHECK(getsockname(netlink, (struct sockaddr *)&now_port, &size) == 0);
	CHECK(now_port.pid == (uint32_t)getpid());
	CHECK(epoll_wait(set, &entry, 1, 0) == 1 && entry.data.u64 == (uint64_t)getpid());
	CHECK(read(pipes[0], &found, sizeof found) == sizeof found && found == getpid());
}

/* No ID at all, but numbers among which its ID is. */
static void keep_numbers(void)
{
	enum { COUNT = 100000 };
	unsigned *table = malloc(COUNT * sizeof *table);

	for (unsigned i = 0; i < COUNT; i++)
		table[i] = i;
	point();
	for (unsigned i = 0; i < COUNT; i++)
		CHECK(table[i] == i);
}

/* The same, in objects that have other things too. */
static void keep_objects(void)
{
	enum { COUNT = 100000 };
	struct object {
		struct object *next;
		uint32_t kind, number;
		int64_t tagged;
		char text[16];
	} *first = NULL;
	unsigned count = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		struct object *object = malloc(sizeof *object);
		*object =
		        (struct object){.next = first, .kind = 7, .number = i, .tagged = 2 * (int64_t)i + 1};
		snprintf(object->text, sizeof object->text, "%u", i);
		first = object;
	}
	point();
	for (; first; first = first->next, count++)
		CHECK(first->number == COUNT - 1 - count && first->tagged == 2 * (int64_t)first->number + 1 &&
		      strtoul(first->text, NULL, 10) == first->number && strlen(first->text) < 6);
	CHECK(count == COUNT);
}

/* No ID at all, but two 16-bit slots of a table in which others are empty: together they are minus its ID,
 * and its ID as some languages write it. */
static void keep_slots(void)
{
	enum { SLOTS = 64, NEGATIVE = 32, TAGGED = 36 };
	volatile uint32_t *table = aligned_alloc(64, SLOTS * sizeof *table);

	for (uint32_t i = 0; i < SLOTS; i++)
		table[i] = i % 2 ? UINT16_MAX | (i + 1) << 16 : (uint32_t)UINT16_MAX << 16 | (i + 1);
	table[NEGATIVE] = 0 - (uint32_t)getpid();
	table[TAGGED] = 2 * (uint32_t)getpid() + 1;
	table[TAGGED + 1] = 0;
	point();
	CHECK(table[NEGATIVE] + (table[TAGGED] >> 1) == 0);
}

/* The name of a file that it has made is what it was. */
static void keep_name(void)
{
	char *kept = malloc(64);
	FILE *pid_file = fopen("kept.pid", "w");

	snprintf(kept, 64, "kept-%d.lock", getpid());
	CHECK(fclose(fopen(kept, "w")) == 0);
	CHECK(fprintf(pid_file, "%d\n", getpid()) > 0 && fclose(pid_file) == 0);
	point();
	CHECK(unlink(kept) == 0);
	CHECK(fclose(fopen(kept, "w")) == 0); /* for the next start */
}

static atomic_int others_number;

static void *tell_and_wait(void *unused)
{
	atomic_store(&others_number, gettid_now());
	atomic_store(&held, 1);
	while (!atomic_load(&go))
		sched_yield();
	return unused;
}

/* As CPython has it, and in the rest of its eight bytes what makes a pointer of them. */
static void keep_python_int(void)
{
	enum { REST = 0x6000, PAGE = 4096 };
	static const struct {
		uint64_t head[3];
		const char *name;
	} type = {.name = "int"};
	volatile struct {
		uint64_t references;
		const void *type;
		uint64_t size;
		uint32_t digit, rest;
	} *kept = malloc(sizeof(*kept));
	uint64_t meant = (uint64_t)REST << 32 | (uint64_t)getpid();
	void *target = (void *)(meant / PAGE * PAGE);

	CHECK(mmap(target, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
	      target);
	kept->references = kept->size = 1;
	kept->type = &type;
	kept->digit = (uint32_t)getpid();
	kept->rest = REST;
	point();
	CHECK((pid_t)kept->digit == getpid() && kept->rest == REST);
}

/* The point is a call that is made while the only copies are in registers that the call leaves alone: of its
 * ID, and of another thread's, as after clone(2). */
static void keep_register(void)
{
	static const char path[] = "/snap/here";
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, tell_and_wait, NULL) == 0);
	while (!atomic_load(&held))
		sched_yield();
	register long others __asm__("r12") = atomic_exchange(&others_number, 0);
	register long kept __asm__("rbx") = getpid();
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result), "+r"(kept), "+r"(others)
	                 : "a"(SYS_access), "D"(path), "S"(0L)
	                 : "rcx", "r11", "memory");
	CHECK(result < 0 && kept == getpid() && syscall(SYS_tgkill, kept, others, 0) == 0 && others != kept);
	atomic_store(&go, 1);
	CHECK(pthread_join(thread, NULL) == 0);
}

/* The same in a register that is not for numbers alone, which no function keeps for its caller. */
static void keep_vector(void)
{
	static const char path[] = "/snap/here";
	int kept = getpid();
	long result;

	__asm__ volatile("movd %1, %%xmm9\n\txor %1, %1\n\tsyscall\n\tmovd %%xmm9, %1"
	                 : "=a"(result), "+r"(kept)
	                 : "a"(SYS_access), "D"(path), "S"(0L)
	                 : "rcx", "r11", "memory", "xmm9");
	CHECK(result < 0 && kept == getpid());
}

enum { CHUNK_ALIGNMENT = 16, CHUNK_THREADS = CHUNK_ALIGNMENT + 1, CHUNK_OVERHEAD = 8 };

/* What to ask malloc(3) for, for a chunk whose size is the ID of one of the threads. A chunk in use has a
 * flag there. Both as complements: a few less than one thread's ID is another thread's. */
static __attribute__((noinline)) void choose_chunks(pthread_t thread[CHUNK_THREADS],
                                                    size_t volatile *ret_free, size_t volatile *ret_used)
{
	for (int i = 0; i < CHUNK_THREADS; i++) {
		CHECK(pthread_create(&thread[i], NULL, tell_and_wait, NULL) == 0);
		while (!atomic_exchange(&held, 0))
			sched_yield();
		size_t size = (size_t)atomic_exchange(&others_number, 0);
		if (i + 1 < CHUNK_THREADS && size % CHUNK_ALIGNMENT == 0)
			*ret_free = ~(size - CHUNK_OVERHEAD);
		if (i + 1 < CHUNK_THREADS && size % CHUNK_ALIGNMENT == 1)
			*ret_used = ~(size - 1 - CHUNK_OVERHEAD);
	}
}

/* What choose_chunks() and malloc(3) have left there. */
static __attribute__((noinline)) void wipe_stack(void)
{
	char volatile room[64 << 10];

	for (size_t i = 0; i < sizeof(room); i++)
		room[i] = 0;
}

/* The sizes of a free chunk and of one in use, by accident threads' IDs: malloc(3) finds that they were
 * written over. */
static void keep_chunk(void)
{
	enum { MOST = 32 << 20 };
	pthread_t thread[CHUNK_THREADS];
	size_t volatile other_size = SIZE_MAX, other_used = SIZE_MAX;

#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, MOST);
#else
	SKIP("another malloc");
#endif
	choose_chunks(thread, &other_size, &other_used);
	char *volatile before = malloc(CHUNK_ALIGNMENT), *volatile chunk = malloc(~other_size),
	               *volatile after = malloc(CHUNK_ALIGNMENT), *volatile in_use = malloc(~other_used),
	               *volatile last = malloc(CHUNK_ALIGNMENT);
	free(chunk);
	wipe_stack();
	point();
	CHECK(malloc(~other_size) != NULL);
	free(before);
	free(in_use);
	free(after);
	free(last);
	atomic_store(&go, 1);
	for (int i = 0; i < CHUNK_THREADS; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
}

/* By its parent's ID a program sees that the parent has ended. One copy is in memory, one in a register. */
static void keep_parent(void)
{
	static const char path[] = "/snap/here";
	register long kept __asm__("rbx") = getppid();
	volatile pid_t *in_memory = malloc(64);
	volatile int64_t *tagged = malloc(64);
	char *text = malloc(64), now[64];
	long result;

	*in_memory = (pid_t)kept;
	*tagged = 2 * (int64_t)kept + 1;
	snprintf(text, 64, "%d", (pid_t)kept);
	__asm__ volatile("syscall"
	                 : "=a"(result), "+r"(kept)
	                 : "a"(SYS_access), "D"(path), "S"(0L)
	                 : "rcx", "r11", "memory");
	CHECK(result < 0 && *in_memory == getppid() && kept == getppid());
	CHECK(*tagged == 2 * (int64_t)getppid() + 1);
	snprintf(now, sizeof now, "%d", getppid());
	CHECK(strcmp(text, now) == 0);
}

/* Within a longer text. */
static void keep_parents_name(void)
{
	char *kept = malloc(64), now[64];

	snprintf(kept, 64, "child-of-%d", getppid());
	point();
	snprintf(now, sizeof now, "child-of-%d", getppid());
	CHECK(strcmp(kept, now) == 0);
}

/* A message, which no start changes: the program says whose it is. */
static void keep_message(void)
{
	char *kept = malloc(64), now[64];

	snprintf(kept, 64, "worker-%d has begun", getpid());
	point();
	snprintf(now, sizeof now, "worker-%d has begun", getpid());
	if (strcmp(kept, now) != 0)
		puts("older");
}

/* Nothing, but what was left on a stack that is not in use any more. */
static __attribute__((noinline)) pid_t forget(void)
{
	volatile pid_t number[1000];

	for (int i = 0; i < 100; i++) /* the deepest */
		number[i] = gettid_now();
	return number[0];
}

static void *forget_and_wait(void *unused)
{
	CHECK(forget() > 0);
	scrub(); /* what the call below may have as its red zone */
	lose_registers();
	atomic_fetch_add(&held, 1);
	for (;;)
		pause();
	return unused;
}

/* As glibc 2.42 makes them: no page without access between two, but a guard in each, where the kernel has
 * such. */
static void start_on_one_mapping(void)
{
	enum { THREADS = 2, STACK = 256 << 10, GUARD = 4096, GUARD_INSTALL = 102 /* Linux 6.13 */ };
	char *stacks = mmap(NULL, (size_t)THREADS * STACK, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(stacks != MAP_FAILED);
	if (madvise(stacks, GUARD, GUARD_INSTALL) != 0)
		return;
	CHECK(madvise(stacks + STACK, GUARD, GUARD_INSTALL) == 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_attr_t attributes;
		pthread_t thread;
		CHECK(pthread_attr_init(&attributes) == 0 &&
		      pthread_attr_setstack(&attributes, stacks + i * STACK, STACK) == 0 &&
		      pthread_create(&thread, &attributes, forget_and_wait, NULL) == 0);
	}
	while (atomic_load(&held) < THREADS)
		sched_yield();
}

static void keep_nothing(void)
{
	start_on_one_mapping();
	CHECK(forget() > 0);
	lose_registers();
	snapshot_point();
}

static const struct {
	const char *name;
	void (*keep)(void);
} ways[] = {
        {"nothing", keep_nothing},
        {"data", keep_data},
        {"parent", keep_parent},
        {"message", keep_message},
        {"parents-name", keep_parents_name},
        {"heap", keep_heap},
        {"text", keep_text},
        {"numbers", keep_numbers},
        {"objects", keep_objects},
        {"slots", keep_slots},
        {"path", keep_path},
        {"tagged", keep_tagged},
        {"negative", keep_negative},
        {"forms", keep_forms},
        {"vector", keep_vector},
        {"outside", keep_outside},
        {"name", keep_name},
        {"register", keep_register},
        {"chunk", keep_chunk},
        {"python-int", keep_python_int},
        {"plain", keep_plain},
        {"errorcheck", keep_errorcheck},
        {"recursive", keep_recursive},
        {"inheriting", keep_inheriting},
        {"inheriting-recursive", keep_inheriting_recursive},
        {"robust", keep_robust},
        {"robust-recursive", keep_robust_recursive},
        {"robust-inheriting", keep_robust_inheriting},
        {"rwlock", keep_rwlock},
        {"thread", keep_thread},
};

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	for (unsigned i = 0; i < sizeof ways / sizeof ways[0]; i++)
		if (strcmp(argv[1], ways[i].name) == 0) {
			ways[i].keep();
			puts("right");
			return 0;
		}
	CHECK(!"a way that is known");
}
