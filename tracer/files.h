/* The files an image refers to: each once, recognised again by identity. */
#ifndef TRACER_FILES_H
#define TRACER_FILES_H

#include <sys/stat.h>

#include "format/layout.h"
#include "format/writer.h"
#include "maps.h"

struct file {
	char *path;
	struct snapimg_file record; /* path: set when it's written */
	int fd;                     /* open for reading, or -1 where that isn't allowed or makes no sense */
};

struct files {
	struct file *file;
	size_t count;
};

/* Finds or adds the file of that path, identity and check. *ret_index counts from 0. */
enum status files_add(struct files *files, const char *path, const struct stat *identity,
                      enum snapimg_file_check check, size_t *ret_index) __attribute__((warn_unused_result));
enum snapimg_error files_write(const struct files *files, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void files_free(struct files *files);

/* Whether the vma's name still leads to the very file that is mapped; its stat(2) is in *ret_identity then.
 */
bool files_leads_to(const struct vma *vma, struct stat *ret_identity);

#endif
