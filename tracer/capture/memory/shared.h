/* Shared memory that has no file to be found again: MAP_SHARED|MAP_ANONYMOUS, memfds and deleted files.
 * Mapped once and whole it comes back as shared anonymous memory. What is seen in several places, in a part,
 * or by a descriptor too, becomes a MEMORY mapping of the image and VIEWs of it. So does a file that is
 * embedded, where it is mapped and open: the image has it once. */
#ifndef TRACER_CAPTURE_MEMORY_SHARED_H
#define TRACER_CAPTURE_MEMORY_SHARED_H

#include "tracer/capture/fds/objects.h"
#include "tracer/capture/fds/survey.h"
#include "tracer/capture/memory/mappings.h"
#include "tracer/capture/process/state.h"
#include "tracer/ptrace/pages.h"

/* One memory, and the mappings that show it. */
struct shared_memory {
	struct vma vma;           /* as MEMORY: its place in the image */
	const struct vma *first;  /* the mapping that begins lowest in it */
	struct mapping **showing; /* sorted by offset; until shared_settle() */
	size_t count;
	bool shared;          /* one of them is */
	bool is_large_file;   /* embedded: the program's ID stands in it by accident only */
	uint32_t segment;     /* System V shared memory: its id + 1, else 0 (capture/ipc.h) */
	uint32_t object;      /* index + 1 in OBJECTS */
	int content;          /* what it has is read by this descriptor, or by the view where that is -1 */
	uint64_t size;        /* bytes */
	uint64_t view;        /* in the target, until shared_leave(); 0: none */
	uint64_t view_end;    /* where that ends */
	uint64_t offset;      /* where in the memory it begins */
	bool kept;            /* as MEMORY and VIEWs */
	bool in_tree;         /* the first process of a tree makes it for all */
	uint32_t tree_object; /* index + 1 in its OBJECTS */
	struct shared_memory *content_of; /* of an earlier process: the same memory, which has the content */
};

struct shared {
	struct shared_memory *memory;
	struct mapping **showing; /* of all memory, in a row */
	size_t count;
	const struct shared *next;    /* of the next process of a tree */
	struct shared_memory *others; /* of the first one: what only others have */
	size_t other_count;
};

struct shared_process {
	const struct remote *remote;
	struct shared *shared;
	struct objects *objects;
	struct mappings *mappings;
};

/* Finds them; with_files: what is mapped of embedded files, too, which may be open. The result borrows the
 * mappings. */
enum status shared_find(struct mappings *mappings, bool with_files, struct shared *ret_shared)
        __attribute__((warn_unused_result));
/* A descriptor of the target's, opened again as `content` and to be OBJECTS's number `object`: whether its
 * content goes into the image as a memory's; then `content` is taken over. */
enum status shared_claim(struct shared *shared, const struct open_descriptor *it, int content, size_t object,
                         bool *ret_claimed) __attribute__((warn_unused_result));
/* Refuses an inherited descriptor of such memory: the caller's at restore can't be the same. */
enum status shared_check_inherited(const struct shared *shared, const struct survey *survey,
                                   const struct open_descriptor *it) __attribute__((warn_unused_result));
/* Makes MEMORY and VIEW mappings where plain ones don't do; moves the mappings. Of a process, or of all of a
 * tree. */
enum status shared_settle(const struct shared_process *process, size_t count)
        __attribute__((warn_unused_result));
/* Takes the views away from the target. */
enum status shared_leave(const struct remote *remote, struct shared *shared)
        __attribute__((warn_unused_result));
void shared_free(struct shared *shared);

enum status refuse_shared(const struct shared_memory *memory, const char *what, const char *advice)
        __attribute__((cold));
bool is_same_shared(const struct vma *a, const struct vma *b);
/* "/SYSV", the key; the inode is the segment's id (ipc/shm.c). */
bool is_segment(const struct vma *vma);

/* shared_others.c: refuses what a process beside these has mapped, too. */
enum status shared_check_others(const struct shared_process *process, size_t count,
                                const struct shared *shared) __attribute__((warn_unused_result));

/* shared_view.c: lets the target look at all that is to be reached of a memory without a descriptor. */
enum status shared_show(const struct remote *remote, struct shared_memory *memory)
        __attribute__((warn_unused_result));
/* Attaches all of a segment once more. */
enum status shared_show_segment(const struct remote *remote, struct shared_memory *memory)
        __attribute__((warn_unused_result));
/* Visits what the memory has, by offset, whoever made it: the process's own page tables don't tell. */
enum status shared_walk(const struct remote *remote, const struct shared_memory *memory, pages_visitor *visit,
                        void *context) __attribute__((warn_unused_result));

#endif
