/*
 * The address range of the loader. Everything the loader owns lies in one
 * zone where neither the kernel nor a compiler puts anything (programs start
 * at 4 MiB or 0x55.., libraries and stacks lie at 0x7f..), so that building
 * the program's mappings is free to use every other address, and taking the
 * loader away is one munmap. The tracer refuses a program that uses the zone.
 */
#ifndef RESTORE_ZONE_H
#define RESTORE_ZONE_H

/* ZONE_START is also the link address: see CMakeLists.txt. */
#define ZONE_START 0x600000000000ull
#define ZONE_END   0x610000000000ull

#define ZONE_VDSO        0x601000000000ull /* the kernel's vvar and vdso, where they must step aside */
#define ZONE_DESCRIPTORS 0x602000000000ull /* see descriptors.c */
#define ZONE_WORKERS     0x603000000000ull /* decoder workspaces and stacks */
#define ZONE_IMAGE       0x604000000000ull /* the image's bytes; up to ZONE_THREADS: 704 GiB */
#define ZONE_THREADS     0x60f000000000ull /* frames and stacks of threads: goes last */

#define USER_START 0x10000ull
#define USER_END   0x7ffffffff000ull /* TASK_SIZE with four-level page tables */

#endif
