/* An output file appears whole or not at all, and what it can't replace stays. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "tracer/capture/store/publish.h"

static char directory[] = "/tmp/test_publish.XXXXXX";
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

static bool publish(const char *path, bool nameless, const char *text)
{
	struct publication publication;
	bool done;

	if (publish_begin(path, nameless, &publication) != STATUS_OK)
		return false;
	/* The header is written last, as the image's is. */
	done = publish_sink(&publication, 1, text + 1, strlen(text) - 1) == 0 &&
	       publish_sink(&publication, 0, text, 1) == 0 && publish_finish(&publication) == STATUS_OK;
	publish_end(&publication);
	return done;
}

static void test_new_and_replaced(bool nameless)
{
	struct stat found;

	umask(0777); /* must not matter */
	CHECK(publish("image", nameless, "first") && holds("image", "first"));
	CHECK(stat("image", &found) == 0 && (found.st_mode & 07777) == 0600);
	CHECK(publish("./image", nameless, "second") && holds("image", "second"));
	umask(022);
	CHECK(symlink("image", "link") == 0 && publish("link", nameless, "third"));
	CHECK(holds("image", "third") && lstat("link", &found) == 0 && S_ISLNK(found.st_mode));
	CHECK(symlink("later", "dangling") == 0 && publish("dangling", nameless, "new") &&
	      holds("later", "new"));
	CHECK(count_files() == 4);
	CHECK(!unlink("image") && !unlink("link") && !unlink("dangling") && !unlink("later"));
}

static void test_given_up(bool nameless)
{
	struct publication publication;

	CHECK(publish("image", nameless, "old"));
	CHECK(publish_begin("image", nameless, &publication) == STATUS_OK);
	CHECK(count_files() == (nameless ? 1 : 2));
	CHECK(publish_sink(&publication, 0, "new", 3) == 0);
	publish_end(&publication);
	CHECK(count_files() == 1 && holds("image", "old"));

	CHECK(publish_begin("image", nameless, &publication) == STATUS_OK);
	publish_abandon();
	CHECK(count_files() == 1 && holds("image", "old"));
	publish_end(&publication);
	CHECK(unlink("image") == 0);
}

/* A full disk looks the same to the writer, but for the errno. */
static void test_too_large(bool nameless)
{
	struct publication publication;
	struct rlimit before, limit;
	int result = 0;

	CHECK(publish("image", nameless, "old"));
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 5 << 20;
	setrlimit(RLIMIT_FSIZE, &limit);
	CHECK(publish_begin("image", nameless, &publication) == STATUS_OK);
	for (uint64_t i = 0; i < 10 && result == 0; i++)
		result = publish_sink(&publication, i * sizeof(large), large, sizeof(large));
	CHECK(result != 0 && publication.error == EFBIG);
	CHECK(publish_finish(&publication) != STATUS_OK);
	publish_end(&publication);
	setrlimit(RLIMIT_FSIZE, &before);
	CHECK(count_files() == 1 && holds("image", "old") && unlink("image") == 0);
}

static void test_pieces(void)
{
	struct publication publication;
	uint64_t offset = 0;
	unsigned char byte;

	CHECK(publish_begin("image", true, &publication) == STATUS_OK);
	for (size_t size = 1; size < sizeof(large); size = size * 3 + 1) {
		memset(large, (int)size & 0xff, size);
		CHECK(publish_sink(&publication, offset, large, size) == 0);
		offset += size;
	}
	CHECK(publish_finish(&publication) == STATUS_OK);
	publish_end(&publication);
	int fd = open("image", O_RDONLY);
	offset = 0;
	for (size_t size = 1; size < sizeof(large); size = size * 3 + 1) {
		CHECK(pread(fd, &byte, 1, (off_t)offset) == 1 && byte == (size & 0xff));
		offset += size;
		CHECK(pread(fd, &byte, 1, (off_t)offset - 1) == 1 && byte == (size & 0xff));
	}
	CHECK(lseek(fd, 0, SEEK_END) == (off_t)offset);
	close(fd);
	unlink("image");
}

static void test_refused(void)
{
	CHECK(mkdir("folder", 0700) == 0 && mkfifo("fifo", 0600) == 0 && symlink("loop", "loop") == 0);
	static const char *const wrong[] = {"folder", "folder/", "fifo", "loop", "/dev/null", "missing/image",
	                                    "",       "/",       ".",    "..",   "fifo/image"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		CHECK(publish_check(wrong[i]) == STATUS_FAILED);
	char name[300];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CHECK(publish_check(name) == STATUS_FAILED);
	name[255] = '\0'; /* the longest */
	CHECK(publish_check(name) == STATUS_OK && publish(name, false, "text") && holds(name, "text"));
	CHECK(publish(name, true, "more") && holds(name, "more"));
	CHECK(count_files() == 4);
	CHECK(!unlink(name) && !rmdir("folder") && !unlink("fifo") && !unlink("loop"));
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
	test_pieces();
	test_refused();
	CHECK(count_files() == 0 && chdir("/") == 0 && rmdir(directory) == 0);
	return check_result();
}
