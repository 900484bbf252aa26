/* Mappings of every kind keep content, protection and sharing. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "../check.h"

enum { PAGE = 4096 };
static const char read_only_data[] = "constant";
static sigjmp_buf jump;

static void on_fault(int signal)
{
	(void)signal;
	siglongjmp(jump, 1);
}

static int faults(volatile char *address, int write)
{
	if (sigsetjmp(jump, 1))
		return 1;
	if (write)
		*address = 1;
	else
		(void)*address;
	return 0;
}

static char *map(int pages, int protection, int flags, int fd)
{
	char *address = mmap(NULL, (size_t)pages * PAGE, protection, flags, fd, 0);
	CHECK(address != MAP_FAILED);
	return address;
}

static char *map_file(const char *name, int flags)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 8 * PAGE) == 0);
	CHECK(pwrite(fd, "on disk", 7, 0) == 7 && pwrite(fd, "on disk too", 11, 7 * PAGE) == 11);
	char *address = map(8, PROT_READ | PROT_WRITE, flags, fd);
	CHECK(close(fd) == 0);
	return address;
}

int main(void)
{
	char *shared = map_file("shared", MAP_SHARED);
	char *private = map_file("private", MAP_PRIVATE);
	char *hidden = map(2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *sealed = map(3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *holes = map(1024, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *big = map(1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
	strcpy(private + PAGE, "private change");
	memset(private + 7 * PAGE, 0, PAGE);
	strcpy(hidden, "behind PROT_NONE");
	strcpy(sealed, "read-only now");
	for (int i = 0; i < 1024; i += 7)
		holes[i * PAGE] = (char)(i | 1);
	strcpy(big + ((size_t)1 << 29), "in the middle of 1 GiB");
	CHECK(mprotect(hidden, 2 * PAGE, PROT_NONE) == 0 && mprotect(sealed, 3 * PAGE, PROT_READ) == 0);

	snapshot_point();

	CHECK(memcmp(shared, "on disk", 7) == 0);
	strcpy(shared + 2 * PAGE, "shared change");
	int fd = open("shared", O_RDONLY);
	char buffer[16];
	CHECK(pread(fd, buffer, 14, 2 * PAGE) == 14 && memcmp(buffer, "shared change", 14) == 0);
	CHECK(pread(fd, buffer, 1, PAGE) == 1 && buffer[0] == 0);
	CHECK(memcmp(private, "on disk", 7) == 0 && strcmp(private + PAGE, "private change") == 0);
	CHECK(private[7 * PAGE] == 0);
	CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
	CHECK(faults(hidden, 0) && faults(sealed, 1) && faults((char *)(size_t)read_only_data, 1));
	CHECK(mprotect(hidden, 2 * PAGE, PROT_READ) == 0 && strcmp(hidden, "behind PROT_NONE") == 0);
	CHECK(strcmp(sealed, "read-only now") == 0 && !faults(sealed + 2 * PAGE, 0));
	for (int i = 0; i < 1024; i++)
		CHECK(holes[i * PAGE] == (i % 7 == 0 ? (char)(i | 1) : 0));
	CHECK(strcmp(big + ((size_t)1 << 29), "in the middle of 1 GiB") == 0 && big[0] == 0);
	return 0;
}
