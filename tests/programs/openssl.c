/* openssl [reseed]: random bytes of OpenSSL before the point and after it. With `reseed` it does what the
 * manual says under UNIQUENESS, for starts whose process ID is the recorded one. */
#include <openssl/rand.h>
#include <string.h>

#include "../check.h"
#include "snap.h"

static void draw(void)
{
	unsigned char bytes[16];

	CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		printf("%02x", bytes[i]);
	CHECK(RAND_priv_bytes(bytes, sizeof(bytes)) == 1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		printf("%02x", bytes[i]);
	puts("");
}

static void reseed(void *argument)
{
	(void)argument;
	CHECK(RAND_poll() == 1);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "reseed") == 0)
		CHECK(snap_on_restore(reseed, NULL) == 0);
	draw();
	fflush(stdout);
	snapshot_point();
	draw();
	return 0;
}
