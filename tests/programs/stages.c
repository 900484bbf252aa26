/* Names the same path and makes the same call several times, so that a point can choose among them. */
#include <string.h>

#include "../check.h"

__attribute__((noinline)) int stage(int number);

int stage(int number)
{
	printf("stage %d\n", number);
	fflush(stdout);
	return number + 1;
}

int main(void)
{
	int next = stage(1);
	CHECK(getppid() > 0);
	next = stage(next);
	CHECK(getppid() > 0);
	next = stage(next);
	snapshot_point();
	stage(next);
	return 0;
}
