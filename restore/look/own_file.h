/* The image in the loader's own file. */
#ifndef RESTORE_LOOK_OWN_FILE_H
#define RESTORE_LOOK_OWN_FILE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether this loader was made to have one (snapimg runnable). */
bool own_file_has_image(void);
/* Opens it; -errno. */
long own_file_open(uint64_t flags);
/* Where the image begins in an open file, this one or another: 0, or in a runnable file after its loader. */
uint64_t own_file_image_offset(int descriptor);

#endif
