/* A process's mappings as /proc/PID/maps and smaps tell them. */
#ifndef FORMAT_BASE_MAPS_H
#define FORMAT_BASE_MAPS_H

#include <stdbool.h>

#include "format/base/proc.h"

struct vma {
	uint64_t start, end;
	uint64_t offset;     /* in the file */
	uint32_t protection; /* PROT_… */
	bool shared;
	uint32_t major, minor; /* the device of the mapped file, 0:0 for none */
	uint64_t inode;
	char *name;         /* "" for none; "\012" is a newline again */
	uint64_t rss;       /* bytes present, without zero pages */
	uint64_t anonymous; /* of them, those that are the process's own */
	uint64_t swap;      /* bytes swapped out */
	uint64_t protection_key;
	const char *flags; /* VmFlags: " rd wr mr", or "" */
};

/* Sorted by address, without [vsyscall]. Owns the memory the vmas point into. */
struct maps {
	struct text text;
	struct vma *vma;
	size_t count;
};

/* What smaps tells; a line is printed on failure. */
enum status maps_read(pid_t pid, struct maps *ret_maps) __attribute__((warn_unused_result));
/* The same without a line; returns 0 or -errno. */
int maps_try_read_all(pid_t pid, struct maps *ret_maps) __attribute__((warn_unused_result));
/* What maps tells, which costs far less: no sizes and no flags. Returns 0 or -errno. */
int maps_try_read(pid_t pid, struct maps *ret_maps) __attribute__((warn_unused_result));
/* The same from text of that form, which is taken over; the pure part. -1 where the form is not known. */
int maps_parse(struct text *text, struct maps *ret_maps) __attribute__((warn_unused_result));
void maps_free(struct maps *maps);

/* Whether VmFlags has the two letters (proc(5), "VmFlags"). */
bool vma_has(const struct vma *vma, const char letters[2]);
const struct vma *maps_find(const struct maps *maps, uint64_t address);

#endif
