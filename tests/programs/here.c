/* snap.h from a program that chooses its own point; says what it sees on both ways. */
#include <snap.h>
#include <string.h>

#include "../check.h"

static int calls[2], order;

static void on_restore(void *argument)
{
	*(int *)argument = ++order;
}

int main(int argc, char **argv)
{
	CHECK(!snap_restored());
	CHECK(snap_on_restore(on_restore, &calls[0]) == 0 && snap_on_restore(on_restore, &calls[1]) == 0);
	int resumed = snap_here();
	printf("snap_here %d\n", resumed);
	if (!resumed) {
		CHECK(!snap_restored() && order == 0);
		printf("%d arguments of main, last %s\n", argc, argv[argc - 1]);
		return 0;
	}
	CHECK(snap_restored());
	CHECK(calls[1] == 1 && calls[0] == 2); /* newest first */
	printf("argc %d\n", (int)snap_argc());
	for (int i = 0; i < (int)snap_argc(); i++)
		printf("argv[%d] %s\n", i, snap_argv()[i]);
	CHECK(snap_argv()[snap_argc()] == NULL);
	for (char **variable = snap_envp(); *variable; variable++)
		printf("envp %s\n", *variable);
	return 0;
}
