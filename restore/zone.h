/*
 * The address range of the loader. Everything the loader owns lies in one
 * zone where neither the kernel nor a compiler puts anything, so that building
 * the program's mappings is free to use every other address, and taking the
 * loader away is one munmap. The tracer refuses a program that uses the zone.
 * Programs start at 4 MiB or from 0x5555.. to 0x6555.. (ELF_ET_DYN_BASE and 32
 * random bits), libraries and stacks lie at 0x7f..; random hints of V8 end at
 * 0x4000..; the sanitizers have their shadows up to 0x34.. and their heaps at
 * 0x50.., 0x60.., 0x70.. and 0x7b.. (compiler-rt, *_allocator.h, tsan_platform.h,
 * msan.h, where this range is called invalid).
 */
#ifndef RESTORE_ZONE_H
#define RESTORE_ZONE_H

/* ZONE_START is also the link address: see CMakeLists.txt. */
#define ZONE_START 0x400000000000ull
#define ZONE_END   0x410000000000ull

#define ZONE_VDSO        0x401000000000ull /* the kernel's vvar and vdso, where they must step aside */
#define ZONE_DESCRIPTORS 0x402000000000ull /* see fds/table.c */
#define ZONE_CONTENTS    0x402800000000ull /* see fds/content.c */
#define ZONE_TREE        0x402c00000000ull /* see become/tree.c */
#define ZONE_WORKERS     0x403000000000ull /* decoder workspaces and stacks */
#define ZONE_IMAGE       0x404000000000ull /* the image's bytes, but of a small one; up to ZONE_MEMORY: 256 GiB */
#define ZONE_LENDER      0x406000000000ull /* that of a tree's earlier process, for a while: build/inherited.c */
#define ZONE_MEMORY      0x408000000000ull /* what views look at: format's SNAPIMG_MEMORY_START */
#define ZONE_THREADS     0x40f000000000ull /* frames and stacks of threads: goes last */

#define USER_START 0x10000ull
#define USER_END   0x7ffffffff000ull /* TASK_SIZE with four-level page tables */

#endif
