/* Gives memory back by a system call of its own, which no library sees, and relies on zeros. */
#include <string.h>
#include <sys/mman.h>

#include "../check.h"

enum { SIZE = 1 << 20 };

static long give_back(void *memory, size_t size)
{
	long result = 28; /* madvise */

	__asm__ volatile("mov $28, %%eax\n\tsyscall"
	                 : "=&a"(result)
	                 : "D"(memory), "S"(size), "d"((long)MADV_DONTNEED)
	                 : "rcx", "r11", "memory");
	return result;
}

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
