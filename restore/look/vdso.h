/*
 * The kernel's own pages. A program holds pointers into the vdso that it began
 * with, so that code must be where it was. The same kernel's pages are moved
 * there. Of another kernel's the image has the old bytes: they are mapped at
 * their place again, with a jump at each function to the kernel's own.
 */
#ifndef RESTORE_LOOK_VDSO_H
#define RESTORE_LOOK_VDSO_H

#include "restore/loader.h"

/* Ends the loader if the program can't have its vdso here. */
void vdso_check(void);
/* Puts the kernel's pages where nothing of the program will be, or where the image had them. */
void vdso_place(void);
/* What must not be unmapped or mapped over from then on; empty: nothing. */
struct range vdso_kept(void);
/* When nothing but the loader's memory is left: the kernel's pages, if they have gone for this. */
void vdso_map_again(void);
/* When all else is mapped: the image's bytes, if the kernel's vdso is another. */
void vdso_map(void);

#endif
