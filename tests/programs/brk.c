/* The break cannot grow before the point (first argument "traced"; but for a program that has its TLS there),
 * and grows and shrinks after it. */
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>

#include "../check.h"

enum { MEBIBYTE = 1 << 20 };

int main(int argc, char **argv)
{
	void *failed = (void *)-1;
	char *start = sbrk(0);
	CHECK(start != failed);
	/* A static executable of glibc before 2.35, as getauxval() tells. */
	int has_tls_there = !__GLIBC_PREREQ(2, 35) && getauxval(AT_BASE) == 0;
	if (!has_tls_there && argc > 1 && strcmp(argv[1], "traced") == 0) {
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
