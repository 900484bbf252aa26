/*
 * snapimg start: what snaprun becomes when a key is asked for. It checks the
 * signature and becomes snaprun again, which starts the very bytes that were
 * checked: they lie in sealed memory, whatever happens to the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/base/text.h"
#include "format/snapimg/signature.h"

enum { COPY_LEAST = 128 << 10 /* smaller ones snaprun does not look for in the cache */ };

struct start_options {
	const char *key, *dir; /* dir: of the cache; "": none */
	bool verbose;
	char **restart; /* the program, the image, and the argument vector */
};

static bool read_words(int count, char **words, struct start_options *options)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(words[i], "--key") == 0 && i + 1 < count)
			options->key = words[++i];
		else if (strcmp(words[i], "--dir") == 0 && i + 1 < count)
			options->dir = words[++i];
		else if (strcmp(words[i], "--verbose") == 0)
			options->verbose = true;
		else if (strcmp(words[i], "--exec") == 0 && i + 3 < count)
			options->restart = words + i + 1;
		else if (strcmp(words[i], "--quiet") != 0)
			return false;
		if (options->restart != NULL)
			return options->key != NULL;
	}
	return false;
}

static bool copy_all(int from, int to)
{
	char block[1 << 16];
	ssize_t got;

	while ((got = read(from, block, sizeof(block))) != 0) {
		if (got < 0 && errno != EINTR)
			return false;
		for (ssize_t done = 0, put; done < got; done += put)
			if ((put = write(to, block + done, (size_t)(got - done))) < 0)
				return false;
	}
	return true;
}

/* A pipe is read into memory first. */
static enum exit_status open_any(struct image_file *file, const char *path)
{
	struct image_failure failure;
	struct stat status;

	if (stat(path, &status) != 0 || !S_ISFIFO(status.st_mode))
		return open_image(file, path, IMAGE_WHOLE, NULL);
	int pipe = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int memory = memfd_create("image", MFD_CLOEXEC);
	bool done = pipe >= 0 && memory >= 0 && copy_all(pipe, memory);
	int error = errno;
	if (pipe >= 0)
		(void)close(pipe);
	if (!done) {
		if (memory >= 0)
			(void)close(memory);
		(void)complain(EXIT_CANNOT_READ, "cannot read: %s: %s", path, strerror(error));
		return EXIT_CANNOT_READ;
	}
	return image_file_take(file, memory, IMAGE_WHOLE, &failure) ? EXIT_FINE
	                                                            : complain_of_image(path, &failure);
}

/* The image's bytes in memory that can't be changed any more. A descriptor, which exec leaves open; or -1. */
static int seal(const struct image_file *file)
{
	int memory = memfd_create("image", MFD_ALLOW_SEALING);
	const uint8_t *bytes = file->memory;

	for (uint64_t done = 0; memory >= 0 && done < file->size;) {
		ssize_t put = write(memory, bytes + done, file->size - done);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		done += (uint64_t)put;
		if (done == file->size &&
		    fcntl(memory, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
			return memory;
	}
	if (memory >= 0)
		(void)close(memory);
	return -1;
}

/* As the process was called, with what was checked before the other words. */
static enum exit_status become(const struct start_options *options, int memory, const char *digits)
{
	char **was = options->restart + 2;
	char verified[2 * SNAPIMG_SHA256_SIZE + 64];
	size_t count = 0;

	while (was[count] != NULL)
		count++;
	char **words = calloc(count + 2, sizeof(*words));
	if (words == NULL)
		return complain(EXIT_REFUSED, "out of memory");
	(void)snprintf(verified, sizeof(verified), "--verified=%d:%s", memory, digits);
	words[0] = was[0];
	words[1] = verified;
	memcpy(words + 2, was + 1, (count - 1) * sizeof(*words));
	(void)execv(options->restart[0], words);
	int error = errno;
	free(words);
	return complain(EXIT_REFUSED, "cannot start again: %s: %s", options->restart[0], strerror(error));
}

static enum exit_status start(const struct start_options *options, struct image_file *file)
{
	const char *path = options->restart[1];
	char digits[2 * SNAPIMG_SHA256_SIZE + 1];
	uint8_t sha256[SNAPIMG_SHA256_SIZE];
	enum exit_status status = signature_check(file, path, options->key);

	if (status == EXIT_FINE)
		status = signature_name(file, sha256);
	if (status != EXIT_FINE)
		return status;
	int memory = seal(file);
	if (memory < 0)
		return complain(EXIT_REFUSED, "no memory to hold the image: %s: %s", path, strerror(errno));
	(void)text_hex(digits, sha256, sizeof(sha256));
	bool is_frozen = (file->image.header->required_features & SNAPIMG_FEATURE_THAWED) == 0;
	if (!options->verbose)
		be_quiet();
	/* Whatever becomes of the copy, the program is started. */
	if (is_frozen && file->size >= COPY_LEAST && options->dir != NULL && *options->dir != '\0' &&
	    cache_add_as(options->dir, file, path, digits, true) != EXIT_FINE)
		(void)fflush(stderr); /* its line, where one was wanted, is all that is to be done */
	return become(options, memory, digits);
}

enum exit_status command_start(int count, char **words)
{
	struct start_options options = {0};
	struct image_file file = {0};

	if (!read_words(count, words, &options))
		return complain(EXIT_REFUSED, "wrong words: start: it is snaprun that uses it (--key)");
	enum exit_status status = open_any(&file, options.restart[1]);
	if (status != EXIT_FINE)
		return status;
	status = start(&options, &file);
	image_file_close(&file);
	return status;
}
