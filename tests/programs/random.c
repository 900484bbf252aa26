/* Prints AT_RANDOM's 16 bytes, which must be fresh at each start. */
#include <sys/auxv.h>

#include "../check.h"

int main(void)
{
	const unsigned char *bytes = (const unsigned char *)getauxval(AT_RANDOM);
	CHECK(bytes);
	snapshot_point();
	for (int i = 0; i < 16; i++)
		printf("%02x", bytes[i]);
	putchar('\n');
	return 0;
}
