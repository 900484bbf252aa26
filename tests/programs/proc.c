/* Prints what /proc/self says of the arguments and the environment, and compares the auxiliary vector with
 * getauxval. */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>

#include "../check.h"

static void print_strings(const char *path)
{
	FILE *file = fopen(path, "r");
	CHECK(file);
	printf("%s:", path);
	for (int byte; (byte = getc(file)) != EOF;)
		putchar(byte ? byte : '|');
	putchar('\n');
	CHECK(fclose(file) == 0);
}

static void check_auxv(void)
{
	Elf64_auxv_t entries[64];
	int fd = open("/proc/self/auxv", O_RDONLY);
	CHECK(fd >= 0);
	ssize_t size = read(fd, entries, sizeof(entries));
	CHECK(size > 0 && close(fd) == 0);
	size_t count = (size_t)size / sizeof(entries[0]);
	CHECK(count > 10 && entries[count - 1].a_type == AT_NULL);
	for (size_t i = 0; i < count; i++) {
		unsigned long type = entries[i].a_type;
		if (type == AT_PHDR || type == AT_ENTRY || type == AT_BASE || type == AT_SYSINFO_EHDR)
			CHECK(getauxval(type) == entries[i].a_un.a_val);
	}
}

int main(void)
{
	snapshot_point();
	print_strings("/proc/self/cmdline");
	print_strings("/proc/self/environ");
	check_auxv();
	return 0;
}
