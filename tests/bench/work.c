/*
 * bench_work [ROUNDS]: works in a library's constructor, before main: system calls, memory, processor; ROUNDS
 * 0 is next to nothing. Its last act before main is to write a byte, by which the time to main is measured.
 * (The executable's own constructors come after the point main.) The library is this file, and so is the
 * program.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef BEFORE_MAIN
static volatile uint64_t result;

static void work(void)
{
	struct stat info;
	for (int i = 0; i < 100; i++) { /* as a dynamic linker or an interpreter does */
		int fd = open("/etc/passwd", O_RDONLY);
		char buffer[512];
		result += (uint64_t)(read(fd, buffer, sizeof(buffer)) + stat("/usr/lib", &info));
		close(fd);
	}
	enum { SIZE = 256 << 10 };
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(memory, 1, SIZE);
	munmap(memory, SIZE);
	for (uint64_t i = 0; i < 300000; i++)
		result = result * 6364136223846793005u + i;
}

__attribute__((constructor)) static void before_main(int argc, char **argv)
{
	for (long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 0; rounds > 0; rounds--)
		work();
	result += (uint64_t)write(1, ".", 1);
}
#else
int main(void)
{
	return 0;
}
#endif
