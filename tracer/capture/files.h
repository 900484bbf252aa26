/* The files an image refers to: each once, recognised again by identity. */
#ifndef TRACER_CAPTURE_FILES_H
#define TRACER_CAPTURE_FILES_H

#include <sys/stat.h>

#include "format/base/maps.h"
#include "format/image/layout.h"
#include "format/image/writer.h"

struct file {
	char *path;
	struct snapimg_file record;       /* path: set when it's written */
	struct snapimg_identity identity; /* file 0: nothing more is known of it */
	int fd; /* open for reading, or -1 where that isn't allowed or makes no sense */
};

/* What the name of a mapping leads to. The mappings of a file follow each other. */
struct named_file {
	const struct vma *vma; /* NULL: of none yet */
	bool is_there;         /* the very file that is mapped; the rest holds then */
	bool is_image;         /* a snapshot image: the program was started from a thawed one */
	struct stat identity;
};

struct files {
	struct file *file;
	size_t count;
	struct file shim;       /* not of the list: its mappings go into the image, which must not need it */
	struct named_file last; /* that was asked for */
};

/* Remembers the shim by its path; NULL: none. Where it can't be opened it is a file like others. */
void files_set_shim(struct files *files, const char *path);
bool files_is_shim(const struct files *files, const struct stat *identity);

/* Finds or adds the file of that path, identity and check. *ret_index counts from 0. */
enum status files_add(struct files *files, const char *path, const struct stat *identity,
                      enum snapimg_file_check check, size_t *ret_index) __attribute__((warn_unused_result));
enum snapimg_error files_write(const struct files *files, struct snapimg_writer *writer)
        __attribute__((warn_unused_result));
void files_free(struct files *files);

/* Whether the vma's name still leads to the very file that is mapped; its stat(2) is in *ret_identity then.
 */
bool files_leads_to(const struct vma *vma, struct stat *ret_identity);
/* The same, once for the mappings of a file. */
const struct named_file *files_named(struct files *files, const struct vma *vma);
/* Where it was removed: another name in the same directory, into PATH_MAX bytes. So glibc's sem_open(3) makes
 * a semaphore: under a name of its own, then linked to its name. */
bool files_other_name(const struct vma *vma, char *ret_name, struct stat *ret_identity);

#endif
