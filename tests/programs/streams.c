/* Standard streams are the caller's: reads a line before the point never, all of stdin after it, and echoes
 * it. */
#include "../check.h"

int main(void)
{
	snapshot_point();
	size_t count = 0;
	for (int byte; (byte = getchar()) != EOF; count++)
		putchar(byte);
	fprintf(stderr, "%zu bytes\n", count);
	return ferror(stdin) || fflush(stdout);
}
