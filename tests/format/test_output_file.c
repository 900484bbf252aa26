/* An output file appears whole or not at all, and what it can't replace stays. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "format/base/output_file.h"

static char directory[] = "/tmp/test_output_file.XXXXXX";
static char large[1 << 20];

static int count_files(void)
{
	int count = 0;
	DIR *here = opendir(".");
	const struct dirent *entry;

	while (here && (entry = readdir(here)))
		count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
	if (here)
		closedir(here);
	return count;
}

static bool holds(const char *path, const char *text)
{
	char bytes[64] = "";
	int fd = open(path, O_RDONLY);
	bool same = fd >= 0 && read(fd, bytes, sizeof(bytes) - 1) == (ssize_t)strlen(text) &&
	            strcmp(bytes, text) == 0;

	close(fd);
	return same;
}

static unsigned int way(bool nameless)
{
	return nameless ? 0 : OUTPUT_NAMED;
}

static bool publish(const char *path, bool nameless, const char *text)
{
	struct output_file file;
	bool done;

	if (!output_file_begin(&file, path, way(nameless))) {
		output_file_end(&file);
		return false;
	}
	/* The header is written last, as the image's is. */
	done = output_file_sink(&file, 1, text + 1, strlen(text) - 1) == 0 &&
	       output_file_sink(&file, 0, text, 1) == 0 && output_file_finish(&file);
	output_file_end(&file);
	return done;
}

static void test_new_and_replaced(bool nameless)
{
	struct stat found;

	umask(0777); /* must not matter */
	EXPECT(publish("image", nameless, "first") && holds("image", "first"));
	EXPECT(stat("image", &found) == 0 && (found.st_mode & 07777) == 0600);
	EXPECT(publish("./image", nameless, "second") && holds("image", "second"));
	umask(022);
	EXPECT(symlink("image", "link") == 0 && publish("link", nameless, "third"));
	EXPECT(holds("image", "third") && lstat("link", &found) == 0 && S_ISLNK(found.st_mode));
	EXPECT(symlink("later", "dangling") == 0 && publish("dangling", nameless, "new") &&
	       holds("later", "new"));
	EXPECT(count_files() == 4);
	EXPECT(!unlink("image") && !unlink("link") && !unlink("dangling") && !unlink("later"));
}

static void test_given_up(bool nameless)
{
	struct output_file file;

	EXPECT(publish("image", nameless, "old"));
	EXPECT(output_file_begin(&file, "image", way(nameless)));
	EXPECT(count_files() == (nameless ? 1 : 2));
	EXPECT(output_file_sink(&file, 0, "new", 3) == 0);
	output_file_end(&file);
	EXPECT(count_files() == 1 && holds("image", "old"));

	EXPECT(output_file_begin(&file, "image", way(nameless)));
	output_file_abandon();
	EXPECT(count_files() == 1 && holds("image", "old"));
	output_file_end(&file);
	EXPECT(unlink("image") == 0);
}

/* A full disk looks the same to the writer, but for the errno. */
static void test_too_large(bool nameless)
{
	struct output_file file;
	struct rlimit before, limit;
	int result = 0;

	EXPECT(publish("image", nameless, "old"));
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 5 << 20;
	setrlimit(RLIMIT_FSIZE, &limit);
	EXPECT(output_file_begin(&file, "image", way(nameless)));
	for (uint64_t i = 0; i < 10 && result == 0; i++)
		result = output_file_sink(&file, i * sizeof(large), large, sizeof(large));
	EXPECT(result != 0 && file.error == EFBIG);
	EXPECT(!output_file_finish(&file));
	output_file_end(&file);
	setrlimit(RLIMIT_FSIZE, &before);
	EXPECT(count_files() == 1 && holds("image", "old") && unlink("image") == 0);
}

/* What a killed writer leaves on a filesystem without nameless files is taken away by the next one, but not
 * what one who still writes has there. */
static void test_killed(void)
{
	struct output_file file;
	pid_t pid = fork();

	if (pid == 0) {
		if (output_file_begin(&file, "image", OUTPUT_NAMED) &&
		    output_file_sink(&file, 0, "lost", 4) == 0)
			(void)raise(SIGKILL);
		_exit(1);
	}
	EXPECT(pid > 0 && waitpid(pid, NULL, 0) == pid && count_files() == 1);
	int here = open(".", O_RDONLY | O_DIRECTORY);
	EXPECT(output_file_is_left_over(here, ".image.0.part"));
	EXPECT(output_file_begin(&file, "image", OUTPUT_NAMED) && count_files() == 1);
	EXPECT(!output_file_is_left_over(here, ".image.0.part"));
	EXPECT(publish("image", false, "second") && count_files() == 2 && holds("image", "second"));
	EXPECT(output_file_sink(&file, 0, "first", 5) == 0 && output_file_finish(&file));
	output_file_end(&file);
	EXPECT(count_files() == 1 && holds("image", "first") && unlink("image") == 0);
	close(here);
}

/* The link itself is replaced where that is asked for. */
static void test_link_replaced(void)
{
	struct output_file file;
	struct stat found;

	EXPECT(publish("target", true, "old") && symlink("target", "link") == 0);
	EXPECT(output_file_begin(&file, "link", OUTPUT_REPLACE_LINK));
	EXPECT(output_file_sink(&file, 0, "new", 3) == 0 && output_file_finish(&file));
	output_file_end(&file);
	EXPECT(holds("target", "old") && holds("link", "new") && lstat("link", &found) == 0 &&
	       S_ISREG(found.st_mode));
	EXPECT(unlink("link") == 0 && unlink("target") == 0);
}

/* What /dev/stdout and its like lead to has no name that a file could be given. */
static void test_descriptors(void)
{
	char path[64];
	int both[2], fd;

	EXPECT(pipe(both) == 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", both[1]);
	EXPECT(output_file_check(path) == EEXIST);
	close(both[0]);
	close(both[1]);
	fd = open("gone", O_RDWR | O_CREAT, 0600);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT(output_file_check(path) == 0);
	EXPECT(unlink("gone") == 0 && output_file_check(path) == EEXIST);
	close(fd);
	EXPECT(output_file_check("") == EINVAL);
	EXPECT(output_file_check("/proc/none") == (geteuid() == 0 ? EPERM : EACCES));
}

static void test_pieces(void)
{
	struct output_file file;
	uint64_t offset = 0;
	unsigned char byte;

	EXPECT(output_file_begin(&file, "image", OUTPUT_PAST_CACHE));
	for (size_t size = 1; size < sizeof(large); size = size * 3 + 1) {
		memset(large, (int)size & 0xff, size);
		EXPECT(output_file_sink(&file, offset, large, size) == 0);
		offset += size;
	}
	EXPECT(output_file_finish(&file));
	output_file_end(&file);
	int fd = open("image", O_RDONLY);
	offset = 0;
	for (size_t size = 1; size < sizeof(large); size = size * 3 + 1) {
		EXPECT(pread(fd, &byte, 1, (off_t)offset) == 1 && byte == (size & 0xff));
		offset += size;
		EXPECT(pread(fd, &byte, 1, (off_t)offset - 1) == 1 && byte == (size & 0xff));
	}
	EXPECT(lseek(fd, 0, SEEK_END) == (off_t)offset);
	close(fd);
	unlink("image");
}

static void test_refused(void)
{
	EXPECT(mkdir("folder", 0700) == 0 && mkfifo("fifo", 0600) == 0 && symlink("loop", "loop") == 0);
	static const char *const wrong[] = {"folder", "folder/", "fifo", "loop", "/dev/null", "missing/image",
	                                    "",       "/",       ".",    "..",   "fifo/image"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		EXPECT(output_file_check(wrong[i]) != 0);
	char name[300];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	EXPECT(output_file_check(name) != 0);
	name[255] = '\0'; /* the longest */
	EXPECT(output_file_check(name) == 0 && publish(name, false, "text") && holds(name, "text"));
	EXPECT(publish(name, true, "more") && holds(name, "more"));
	EXPECT(count_files() == 4);
	EXPECT(!unlink(name) && !rmdir("folder") && !unlink("fifo") && !unlink("loop"));
}

int main(void)
{
	if (!mkdtemp(directory) || chdir(directory) < 0)
		return 1;
	for (int nameless = 0; nameless <= 1; nameless++) {
		test_new_and_replaced(nameless);
		test_given_up(nameless);
		test_too_large(nameless);
	}
	test_killed();
	test_link_replaced();
	test_descriptors();
	test_pieces();
	test_refused();
	EXPECT(count_files() == 0 && chdir("/") == 0 && rmdir(directory) == 0);
	return check_result();
}
