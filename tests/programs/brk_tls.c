/* Without a C library: takes the memory of its TLS from the break, as static programs of glibc before 2.35
 * do, which die where they get none (csu/libc-tls.c), and uses the break before the point and after it. */
#include <asm/prctl.h>
#include <asm/unistd_64.h>
#include <stdint.h>

enum {
	LIBRARIES = 1664, /* kept for the TLS of libraries */
	THREAD = 2304,    /* sizeof(struct pthread) */
	HEAP = 132 << 10,
	NOT_THERE = -2, /* -ENOENT */
};

static _Thread_local char large[40000] __attribute__((aligned(64))) = "of the thread";

static long call(long number, long first, long second)
{
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(first), "S"(second), "d"(0)
	                 : "rcx", "r11", "memory");
	return result;
}

static void check(int is_so, int status)
{
	if (!is_so)
		call(__NR_exit_group, status, 0);
}

static void check_thread(void)
{
	check(large[0] == 'o' && large[12] == 'd' && large[sizeof(large) - 1] == 'z', 3);
}

__attribute__((used)) static void begin(void)
{
	const char *template = "of the thread";
	uintptr_t before = (uintptr_t)call(__NR_brk, 0, 0);
	uintptr_t room = sizeof(large) + LIBRARIES + THREAD + 64;
	volatile char *heap;
	char *thread;

	check((uintptr_t)call(__NR_brk, (long)(before + room), 0) == before + room, 2);
	thread = (char *)((before + sizeof(large) + LIBRARIES + 63) & ~(uintptr_t)63);
	*(char **)thread = thread;
	check(call(__NR_arch_prctl, ARCH_SET_FS, (long)thread) == 0, 2);
	for (int i = 0; template[i]; i++)
		large[i] = template[i];
	large[sizeof(large) - 1] = 'z';
	check_thread();

	heap = (volatile char *)before + room;
	check(call(__NR_brk, (long)(heap + HEAP), 0) == (long)(heap + HEAP), 4);
	heap[0] = heap[HEAP - 1] = 'h';

	check(call(__NR_access, (long)"/snap/here", 0) == NOT_THERE, 5);

	check_thread();
	check(heap[0] == 'h' && heap[HEAP - 1] == 'h' && heap[HEAP / 2] == 0, 6);
	check(call(__NR_brk, (long)(heap + 2 * HEAP), 0) == (long)(heap + 2 * HEAP), 7);
	check(heap[2 * HEAP - 1] == 0, 7);
	check((uintptr_t)call(__NR_brk, (long)before, 0) == before, 8);
	call(__NR_exit_group, 0, 0);
}

__asm__(".globl _start\n"
        "_start:\n\t"
        "xor %ebp, %ebp\n\t"
        "call begin\n");
