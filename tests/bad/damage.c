/*
 * damage HOW IMAGE [COUNT SEED] -- COMMAND [ARG...]: runs COMMAND ARG... COPY for many damaged copies of
 * IMAGE and checks that each run ends with status 125, says one line on stderr that names the tool, and
 * nothing on stdout. In C as it makes ten thousand runs. HOW: cuts      the image without its end, at every
 * 4096th byte and at every section's first byte header    every bit of the header flipped, one at a time
 *   flips     COUNT bits flipped after the header, one at a time, chosen by SEED
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../check.h"
#include "format/image/layout.h"

extern char **environ;

static struct {
	uint8_t *bytes;
	size_t size;
	int fd; /* the copy that is damaged */
	char **command;
	const char *tool; /* the start of each line it may say */
	unsigned long runs, failures;
} run;

/* Both streams of a run go to files, which are read and emptied after it. */
static int stream[2];

static size_t take_output(int fd, char *buffer, size_t size)
{
	ssize_t count = pread(fd, buffer, size - 1, 0);
	CHECK(count >= 0 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	buffer[count] = 0;
	return (size_t)count;
}

static void complain(const char *what, uint64_t where, const char *trouble, int status, const char *err)
{
	if (run.failures++ < 20)
		printf("%s %llu: %s (wait status 0x%x): %s\n", what, (unsigned long long)where, trouble,
		       status, err);
}

static void expect_refusal(const char *what, uint64_t where)
{
	char out[1024], err[4096];
	pid_t pid;
	posix_spawn_file_actions_t actions;
	CHECK(posix_spawn_file_actions_init(&actions) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(posix_spawn_file_actions_adddup2(&actions, stream[i], i + 1) == 0);
	CHECK(posix_spawn(&pid, run.command[0], &actions, NULL, run.command, environ) == 0);
	CHECK(posix_spawn_file_actions_destroy(&actions) == 0);
	int status;
	CHECK(waitpid(pid, &status, 0) == pid);
	run.runs++;
	size_t said = take_output(stream[0], out, sizeof(out)),
	       told = take_output(stream[1], err, sizeof(err));
	const char *line_end = strchr(err, '\n');
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 125)
		complain(what, where, "not refused", status, err);
	else if (said != 0)
		complain(what, where, "wrote to stdout", status, out);
	else if (!line_end || line_end != err + told - 1)
		complain(what, where, "not one line", status, err);
	else if (strncmp(err, run.tool, strlen(run.tool)) != 0)
		complain(what, where, "the line doesn't name the tool", status, err);
}

static void flip(const char *what, uint64_t bit)
{
	uint8_t byte = (uint8_t)(run.bytes[bit / 8] ^ 1u << bit % 8);
	CHECK(pwrite(run.fd, &byte, 1, (off_t)(bit / 8)) == 1);
	expect_refusal(what, bit);
	CHECK(pwrite(run.fd, &run.bytes[bit / 8], 1, (off_t)(bit / 8)) == 1);
}

static void all_header_bits(void)
{
	for (uint64_t bit = 0; bit < sizeof(struct snapimg_header) * 8; bit++)
		flip("header bit", bit);
}

static void random_bits(unsigned long count, uint64_t seed)
{
	uint64_t first = sizeof(struct snapimg_header) * 8, bits = run.size * 8 - first;
	for (unsigned long i = 0; i < count; i++) {
		seed += 0x9e3779b97f4a7c15u; /* splitmix64 */
		uint64_t value = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
		value = (value ^ value >> 27) * 0x94d049bb133111ebu;
		flip("bit", first + (value ^ value >> 31) % bits);
	}
}

static void cut(uint64_t size)
{
	CHECK(ftruncate(run.fd, (off_t)size) == 0);
	expect_refusal("cut at", size);
	CHECK(pwrite(run.fd, run.bytes + size, run.size - size, (off_t)size) == (ssize_t)(run.size - size));
}

static void cuts(void)
{
	struct snapimg_header header;
	memcpy(&header, run.bytes, sizeof(header));
	for (uint16_t i = 0; i < header.section_count; i++) {
		struct snapimg_section section;
		memcpy(&section, run.bytes + header.section_table_offset + i * sizeof(section),
		       sizeof(section));
		if (section.offset < run.size)
			cut(section.offset);
		if (section.offset + section.size < run.size)
			cut(section.offset + section.size);
	}
	cut(header.section_table_offset);
	cut(run.size - 1);
	for (uint64_t size = 0; size < run.size; size += 4096)
		cut(size);
}

static void open_image(const char *path, const char *copy)
{
	struct stat info;
	int fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && fstat(fd, &info) == 0);
	run.size = (size_t)info.st_size;
	run.bytes = malloc(run.size);
	CHECK(run.size > sizeof(struct snapimg_header) && run.bytes);
	CHECK(read(fd, run.bytes, run.size) == info.st_size && close(fd) == 0);
	run.fd = open(copy, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(run.fd >= 0 && write(run.fd, run.bytes, run.size) == info.st_size);
}

int main(int argc, char **argv)
{
	static char copy[] = "damaged.snap";
	int dashes = 1;
	while (dashes < argc && strcmp(argv[dashes], "--") != 0)
		dashes++;
	CHECK(dashes >= 3 && dashes + 1 < argc);
	open_image(argv[2], copy);
	run.command = calloc((size_t)(argc - dashes) + 1, sizeof(char *));
	CHECK(run.command);
	memcpy(run.command, argv + dashes + 1, (size_t)(argc - dashes - 1) * sizeof(char *));
	run.command[argc - dashes - 1] = copy;
	const char *slash = strrchr(run.command[0], '/');
	run.tool = slash ? slash + 1 : run.command[0];
	static const char *const names[] = {"out", "err"};
	for (int i = 0; i < 2; i++) {
		stream[i] = open(names[i], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0600);
		CHECK(stream[i] >= 0);
	}
	if (strcmp(argv[1], "cuts") == 0)
		cuts();
	else if (strcmp(argv[1], "header") == 0)
		all_header_bits();
	else if (strcmp(argv[1], "flips") == 0 && dashes == 5)
		random_bits(strtoul(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
	else
		return 1; /* HOW is none of these */
	printf("%lu damaged images, %lu not refused as they should\n", run.runs, run.failures);
	return run.failures || !run.runs;
}
