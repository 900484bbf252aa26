/* The break cannot grow before the point (first argument "traced"), and grows and shrinks after it. */
#include <errno.h>
#include <string.h>

#include "../check.h"

enum { MEBIBYTE = 1 << 20 };

int main(int argc, char **argv)
{
	void *failed = (void *)-1;
	char *start = sbrk(0);
	CHECK(start != failed);
	if (argc > 1 && strcmp(argv[1], "traced") == 0) {
		errno = 0;
		CHECK(sbrk(MEBIBYTE) == failed && errno == ENOMEM);
		CHECK(brk(start + MEBIBYTE) == -1 && errno == ENOMEM);
		CHECK(sbrk(0) == start);
	}
	char *kept = strdup("made before the point");
	CHECK(kept);
	snapshot_point();
	CHECK(strcmp(kept, "made before the point") == 0);
	char *old = sbrk(MEBIBYTE);
	CHECK(old != failed && old >= start);
	CHECK((char *)sbrk(0) == old + MEBIBYTE);
	memset(old, 0x5a, MEBIBYTE);
	CHECK(old[0] == 0x5a && old[MEBIBYTE - 1] == 0x5a);
	CHECK(sbrk(-MEBIBYTE) == old + MEBIBYTE);
	CHECK(sbrk(0) == old);
	CHECK(brk(old + MEBIBYTE) == 0 && old[0] == 0 && brk(old) == 0);
	for (int i = 0; i < 1000; i++)
		CHECK(malloc((size_t)(i * 37 + 1)));
	return 0;
}
