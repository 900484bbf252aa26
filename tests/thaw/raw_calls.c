/*
 * Gives memory back by a system call of its own, which no library sees, and relies on zeros. Built with ANY,
 * the instruction is in a function that makes any call.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../check.h"

enum { SIZE = 1 << 20 };

#ifdef ANY
static long any(long number, void *memory, size_t size, long advice)
{
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(memory), "S"(size), "d"(advice)
	                 : "rcx", "r11", "memory");
	return result;
}

/* So that no compiler makes one of it for this number. */
static long (*volatile call)(long number, void *memory, size_t size, long advice) = any;

static long give_back(void *memory, size_t size)
{
	return call(SYS_madvise, memory, size, MADV_DONTNEED);
}
#else
static long give_back(void *memory, size_t size)
{
	long result = 28; /* madvise */

	__asm__ volatile("mov $28, %%eax\n\tsyscall"
	                 : "=&a"(result)
	                 : "D"(memory), "S"(size), "d"((long)MADV_DONTNEED)
	                 : "rcx", "r11", "memory");
	return result;
}
#endif

int main(void)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	memset(memory, 'x', SIZE);
	snapshot_point();
	CHECK(memory[0] == 'x' && memory[SIZE - 1] == 'x');
	CHECK(give_back(memory, SIZE) == 0);
	for (size_t i = 0; i < SIZE; i++)
		CHECK(memory[i] == 0);
	puts("zeros");
	return 0;
}
