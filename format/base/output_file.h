/* A file that comes into being as a whole: nameless, or under another name, until it is complete. */
#ifndef FORMAT_BASE_OUTPUT_FILE_H
#define FORMAT_BASE_OUTPUT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output_file {
	int descriptor; /* -1: none */
	int error;      /* errno of what failed */
	bool is_nameless;
	const char *path; /* borrowed */
	char *temporary;  /* path of the file until it is complete; malloc'ed */
};

/* Opens a new file beside `path`, mode 0600. False: error says why. */
bool output_file_begin(struct output_file *file, const char *path);
/* A snapimg_sink, for a struct output_file. What is not written reads as zeros, and takes no room. */
int output_file_sink(void *context, uint64_t offset, const void *bytes, size_t size);
/* Gives the file its name, in place of what had it. False: error says why, and nothing has changed. */
bool output_file_finish(struct output_file *file);
/* Always last; what was not finished is gone. */
void output_file_end(struct output_file *file);

#endif
