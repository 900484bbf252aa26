/*
 * bench_reads COUNT FILE: makes COUNT system calls that a point may have to look at, reads of 512 bytes, and
 * as good as nothing else. The file is read again and again.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char buffer[512];
	int fd = argc == 3 ? open(argv[2], O_RDONLY) : -1;

	for (long left = argc == 3 ? strtol(argv[1], NULL, 10) : 0; left > 0; left--) {
		ssize_t got = read(fd, buffer, sizeof(buffer));

		if (got < 0 || (got == 0 && lseek(fd, 0, SEEK_SET) != 0))
			return 2;
	}
	return fd < 0;
}
