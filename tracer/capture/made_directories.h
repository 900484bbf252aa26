/* Directories that the program made, in which something of the image lies: a start makes them again. */
#ifndef TRACER_CAPTURE_MADE_DIRECTORIES_H
#define TRACER_CAPTURE_MADE_DIRECTORIES_H

#include "tracer/capture/capture.h"

/* Adds those of all captures to the files of the first, each after the one it lies in, with the files in them
 * that no process has open. After files_identify() of each. */
enum status made_directories_note(const struct captures *captures) __attribute__((warn_unused_result));

#endif
