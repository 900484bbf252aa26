/* Files that it has mapped and open for reading, in all the ways that a self-contained image carries; argv[1]
 * is the file, of 3 pages and a half, whose byte at N is N % 251. What follows the point must hold without
 * the file. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check.h"

enum { PAGE = 4096, SIZE = 3 * PAGE + PAGE / 2, SPAN = 4 * PAGE, PLACE = 5000 };

static int is_there(const unsigned char *bytes, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (bytes[i] != i % 251)
			return 0;
	return 1;
}

static int reads(int fd, size_t from)
{
	unsigned char byte[100];

	if (read(fd, byte, sizeof(byte)) != (ssize_t)sizeof(byte))
		return 0;
	for (size_t i = 0; i < sizeof(byte); i++)
		if (byte[i] != (from + i) % 251)
			return 0;
	return 1;
}

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* The C library may have to load something for that. */
static int can_cancel(void)
{
	pthread_t thread;
	void *result;

	return pthread_create(&thread, NULL, wait_for_ever, NULL) == 0 && pthread_cancel(thread) == 0 &&
	       pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED;
}

int main(int argc, char **argv)
{
	unsigned char byte;
	struct stat before, after;

	EXPECT(argc > 1);
	int fd = open(argv[1], O_RDONLY), same = dup(fd), again = open(argv[1], O_RDONLY | O_CLOEXEC);
	EXPECT(fd >= 0 && again >= 0 && fstat(fd, &before) == 0 && before.st_size == SIZE);
	unsigned char *shown = mmap(NULL, SPAN, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char *own = mmap(NULL, SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	unsigned char *hidden = mmap(NULL, SPAN, PROT_NONE, MAP_PRIVATE, fd, 0);
	unsigned char *part = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, PAGE);
	EXPECT(shown != MAP_FAILED && own != MAP_FAILED && hidden != MAP_FAILED && part != MAP_FAILED);
	own[PAGE + 7] = 255; /* of the others nobody has touched a page */
	EXPECT(lseek(fd, PLACE, SEEK_SET) == PLACE && lseek(again, 1, SEEK_SET) == 1);

	access("/snap/here", F_OK);

	EXPECT(reads(fd, PLACE) && reads(same, PLACE + 100) && reads(again, 1));
	EXPECT(lseek(fd, 0, SEEK_CUR) == PLACE + 200);
	EXPECT(pread(again, &byte, 1, SIZE) == 0 && pread(fd, &byte, 1, SIZE - 1) == 1 &&
	       byte == (SIZE - 1) % 251);
	EXPECT(fstat(fd, &after) == 0 && after.st_size == SIZE && after.st_mtime == before.st_mtime);
	EXPECT(after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
	EXPECT(write(fd, "x", 1) < 0 && (errno == EBADF || errno == EPERM));
	EXPECT(ftruncate(fd, 0) < 0);
	EXPECT(fcntl(again, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFD) == 0);
	EXPECT(is_there(shown, 0, SIZE));
	EXPECT(is_there(own, 0, PAGE + 7) && own[PAGE + 7] == 255 && is_there(own, PAGE + 8, SIZE));
	EXPECT(own[SIZE] == 0 && own[SPAN - 1] == 0);
	own[0]++;
	EXPECT(own[0] == 1 && shown[0] == 0);
	for (size_t i = 0; i < PAGE; i++)
		EXPECT(part[i] == (PAGE + i) % 251);
	EXPECT(mprotect(hidden, SPAN, PROT_READ) == 0 && is_there(hidden, 0, SIZE));
	EXPECT(madvise(shown, SPAN, MADV_DONTNEED) == 0);
	EXPECT(is_there(shown, 0, SIZE)); /* memory that is given back comes from the file again */
	EXPECT(can_cancel());
	printf("well\n");
	return check_result();
}
