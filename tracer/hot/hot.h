/* snaptrace --record-hot IMAGE [ARG...]: notes in the image which pages a run uses. */
#ifndef TRACER_HOT_HOT_H
#define TRACER_HOT_HOT_H

#include "tracer/options.h"

/* The image gets the pages of this run beside those of earlier ones, in one step. *ret_wait_status: how the
 * program ended. */
enum status hot_record(const struct options *options, int *ret_wait_status)
        __attribute__((warn_unused_result));

/* --train: the image at `path` is started with each of these arguments, and gets the pages of these runs. */
enum status hot_train(const struct options *options, const char *path) __attribute__((warn_unused_result));

#endif
