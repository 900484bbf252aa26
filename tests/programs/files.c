/* Open files: position, flags, descriptors that share one open file, close-on-exec, a directory half read. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "../check.h"

static int make(const char *name, const char *text, int flags)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0600);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
	fd = open(name, flags);
	CHECK(fd >= 0);
	return fd;
}

static DIR *directory_half_read(char first[256])
{
	CHECK(mkdir("directory", 0700) == 0 || access("directory", X_OK) == 0);
	for (int i = 0; i < 500; i++) { /* more than one getdents call brings */
		char name[64];
		snprintf(name, sizeof(name), "directory/a-file-with-a-longer-name-%03d-%0*d", i, i % 20 + 1,
		         0);
		int fd = open(name, O_CREAT | O_WRONLY, 0600);
		CHECK(fd >= 0 && close(fd) == 0);
	}
	DIR *directory = opendir("directory");
	CHECK(directory);
	for (int i = 0; i < 10; i++)
		CHECK(readdir(directory));
	struct dirent *entry = readdir(directory);
	CHECK(entry);
	snprintf(first, 256, "%s", entry->d_name);
	return directory;
}

int main(void)
{
	char first[256], buffer[64] = "";
	int reading = make("reading", "0123456789", O_RDONLY);
	int appending = make("appending", "start ", O_WRONLY | O_APPEND);
	int both = make("both", "abcdefghij", O_RDWR | O_CLOEXEC);
	CHECK(read(reading, buffer, 4) == 4 && lseek(both, 3, SEEK_SET) == 3);
	int shared = dup2(reading, 100);
	int apart = open("reading", O_RDONLY);
	int null = open("/dev/null", O_RDWR | O_NONBLOCK);
	CHECK(shared == 100 && apart >= 0 && null >= 0);
	DIR *directory = directory_half_read(first), *unread = opendir("directory");
	CHECK(unread);

	snapshot_point();

	CHECK(lseek(reading, 0, SEEK_CUR) == 4 && lseek(shared, 0, SEEK_CUR) == 4 &&
	      lseek(apart, 0, SEEK_CUR) == 0);
	CHECK(read(shared, buffer, 2) == 2 && memcmp(buffer, "45", 2) == 0);
	CHECK(lseek(reading, 0, SEEK_CUR) == 6);
	CHECK(write(appending, "end", 3) == 3 &&
	      (fcntl(appending, F_GETFL) & (O_APPEND | O_ACCMODE)) == (O_APPEND | O_WRONLY));
	int check = open("appending", O_RDONLY);
	ssize_t length = read(check, buffer, sizeof(buffer)); /* "end" once more with each restore */
	CHECK(length >= 9 && length % 3 == 0 && memcmp(buffer, "start end", 9) == 0);
	CHECK(memcmp(buffer + length - 3, "end", 3) == 0);
	CHECK(read(both, buffer, 1) == 1 && buffer[0] == 'd');
	CHECK(write(both, "e", 1) == 1); /* what is there: the next start must find the file as it was */
	CHECK(fcntl(both, F_GETFD) == FD_CLOEXEC && fcntl(reading, F_GETFD) == 0 &&
	      fcntl(shared, F_GETFD) == 0);
	CHECK(write(null, "x", 1) == 1 && (fcntl(null, F_GETFL) & O_NONBLOCK));
	CHECK(dup(0) > null); /* no descriptor of the loader's own stays */

	int entries = 11;
	while (readdir(directory))
		entries++;
	CHECK(entries == 502);
	rewinddir(directory);
	CHECK(readdir(directory) && closedir(directory) == 0);
	CHECK(lseek(dirfd(unread), 0, SEEK_CUR) == 0);
	for (entries = 0; readdir(unread); entries++)
		;
	CHECK(entries == 502 && closedir(unread) == 0);
	return 0;
}
