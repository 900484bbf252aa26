/* For a copy of an image that stays on one machine: the files as they are here. */
#ifndef FORMAT_CONVERT_RESTAMP_H
#define FORMAT_CONVERT_RESTAMP_H

#include "format/convert/image_file.h"

/* Of each file that was only copied, unpacked again or touched, so that its content is what was recorded, the
 * records in memory get the inode and times that it has here. A start from the copy then need not read it to
 * know it. */
void image_restamp(struct image_file *file);

#endif
