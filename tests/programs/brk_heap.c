/* A program whose own malloc takes all from the break and gives up where it gets none, as GNU Common Lisp
 * does. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "../check.h"

enum { ALIGNMENT = 16 };

void *malloc(size_t size)
{
	const void *failed = (void *)-1;
	size_t *block = sbrk((intptr_t)((size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + ALIGNMENT));
	if (block == failed)
		abort();
	*block = size;
	return (char *)block + ALIGNMENT;
}

void free(void *block)
{
	(void)block;
}

void *calloc(size_t count, size_t size)
{
	return malloc(count * size); /* pages of the break are zero, and none is given out twice */
}

void *realloc(void *block, size_t size)
{
	void *moved = malloc(size);
	size_t before = block ? ((size_t *)block)[-(ALIGNMENT / (int)sizeof(size_t))] : 0;
	return memcpy(moved, block ? block : moved, before < size ? before : size);
}

int main(void)
{
	char *end = sbrk(0);
	char **made[64];
	for (int i = 0; i < 64; i++) {
		made[i] = malloc(sizeof(char *) * 1000);
		made[i][i] = strdup("made before the point");
	}
	CHECK((char *)sbrk(0) > end && (char *)made[0] >= end);
	end = sbrk(0);
	snapshot_point();
	CHECK(sbrk(0) == end);
	for (int i = 0; i < 64; i++)
		CHECK(strcmp(made[i][i], "made before the point") == 0);
	char *volatile more = malloc(1 << 20); /* gcc 16 takes it for none of the addresses that sbrk gives */
	CHECK(more == end + ALIGNMENT && ((volatile char *)more)[12345] == 0);
	memset(more, 1, 1 << 20);
	return 0;
}
