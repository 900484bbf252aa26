/* Ends as its first argument says: exit status N, or signal -N. */
#include <signal.h>

#include "../check.h"

int main(int argc, char **argv)
{
	int how = argc > 1 ? atoi(argv[1]) : 0;
	if (how < 0)
		raise(-how);
	return how;
}
