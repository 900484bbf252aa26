/* The stack grows on after the restore, to 4 MiB. */
#include <string.h>

#include "../check.h"

static unsigned recurse(unsigned depth)
{
	volatile char room[4096];
	memset((void *)room, (int)depth, sizeof(room));
	unsigned deeper = depth ? recurse(depth - 1) : 0;
	CHECK(room[0] == (char)depth && room[sizeof(room) - 1] == (char)depth);
	return deeper + 1;
}

int main(void)
{
	snapshot_point();
	CHECK(recurse(1023) == 1024);
	return 0;
}
