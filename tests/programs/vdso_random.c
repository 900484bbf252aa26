/* The kernel's getrandom without a system call (Linux 6.11, Documentation: vDSO getrandom), as newer C
 * libraries use it: its state lies in memory that may be dropped, which no image keeps, so it seeds itself
 * again. */
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "../check.h"

/* include/uapi/linux/random.h */
struct parameters {
	uint32_t state_size, protection, flags, reserved[13];
};
typedef ssize_t function(void *bytes, size_t size, unsigned flags, void *state, size_t state_size);

int main(void)
{
	struct parameters parameters;
	unsigned char bytes[16];
	void *kernel = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	function *draw = NULL;

	if (kernel)
		*(void **)(void *)&draw = dlsym(kernel, "__vdso_getrandom");
	if (!draw)
		SKIP("this kernel's vdso has no getrandom");
	CHECK(draw(NULL, 0, 0, &parameters, ~(size_t)0) == 0);
	unsigned char *state = mmap(NULL, 8192, (int)parameters.protection, (int)parameters.flags, -1, 0);
	unsigned char *plain = mmap(NULL, 4096, PROT_READ | PROT_WRITE, (int)parameters.flags, -1, 0);
	CHECK(state != MAP_FAILED && plain != MAP_FAILED);
	memset(plain, 1, 4096);
	CHECK(draw(bytes, sizeof(bytes), 0, state, parameters.state_size) == sizeof(bytes));
	CHECK(state[0] || memcmp(state, state + 1, parameters.state_size - 1) != 0); /* it is in use */
	snapshot_point();
	if (getenv("RESTORED"))
		CHECK(plain[0] == 0 && memcmp(plain, plain + 1, 4095) == 0);
	CHECK(draw(bytes, sizeof(bytes), 0, state, parameters.state_size) == sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		printf("%02x", bytes[i]);
	puts("");
	return 0;
}
