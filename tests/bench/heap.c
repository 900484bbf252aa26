/*
 * bench_heap text|random MEBIBYTES [FILE]: fills a heap with bytes that a seed gives, says so with one byte,
 * and names /snap/here. With FILE it writes the same bytes there instead, for zstd to compress.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void) /* xorshift64 */
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void fill_random(char *bytes, size_t size)
{
	for (size_t i = 0; i + sizeof(uint64_t) <= size; i += sizeof(uint64_t)) {
		uint64_t value = next_random();
		memcpy(bytes + i, &value, sizeof(value));
	}
}

/* Words of a made-up vocabulary, the frequent ones often, as in text; some numbers between. */
static void fill_text(char *bytes, size_t size)
{
	enum { WORDS = 4096, LONGEST = 12 };
	static char words[WORDS][LONGEST + 1];
	for (int i = 0; i < WORDS; i++) {
		size_t length = 2 + next_random() % (LONGEST - 2);
		for (size_t j = 0; j < length; j++)
			words[i][j] = (char)('a' + next_random() % 26);
	}
	for (size_t i = 0; i < size;) {
		uint64_t value = next_random();
		char number[24];
		const char *word = words[(value >> 8) % (1u << (value % 13))];
		if (value % 31 == 0) {
			snprintf(number, sizeof(number), "%u", (unsigned)(value >> 40));
			word = number;
		}
		size_t length = strlen(word);
		if (length > size - i)
			length = size - i;
		memcpy(bytes + i, word, length);
		i += length;
		if (i < size)
			bytes[i++] = value % 17 ? ' ' : '\n';
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 125;
	size_t size = strtoul(argv[2], NULL, 10) << 20;
	char *bytes = malloc(size);
	if (!bytes)
		return 1;
	if (strcmp(argv[1], "text") == 0)
		fill_text(bytes, size);
	else
		fill_random(bytes, size);
	if (argc > 3) {
		int fd = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0600);
		for (size_t done = 0; done < size;) {
			ssize_t count = write(fd, bytes + done, size - done);
			if (count <= 0)
				return 1;
			done += (size_t)count;
		}
		return close(fd) != 0;
	}
	if (write(1, ".", 1) != 1)
		return 1;
	return access("/snap/here", F_OK) == 0;
}
