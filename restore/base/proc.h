/* Files of /proc, also where none is mounted and root starts an image. */
#ifndef RESTORE_BASE_PROC_H
#define RESTORE_BASE_PROC_H

#include <stdint.h>

/* A descriptor of `path` ("/proc/self/fd/3"), closed on exec; or -errno, -ENOENT without /proc. */
long proc_open(const char *path, uint32_t flags);

#endif
