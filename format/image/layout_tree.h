/* Records of layout.h: the processes of a tree. */
#ifndef FORMAT_IMAGE_LAYOUT_TREE_H
#define FORMAT_IMAGE_LAYOUT_TREE_H

#include <assert.h>
#include <stdint.h>

#include "format/image/layout_limits.h"

/* A process of a tree, in the order in which they are made: the first is the one whose image this is, and
 * each stands after its parent. */
enum snapimg_member_state {
	SNAPIMG_MEMBER_ALIVE = 1,
	SNAPIMG_MEMBER_STOPPED = 2, /* by job control: `status` is the signal, and SNAPIMG_STOP_TOLD */
	SNAPIMG_MEMBER_ZOMBIE = 3,  /* not waited for: `status` is what wait(2) will tell; it has no image */
};
struct snapimg_member {
	uint64_t
	        offset; /* of its image, in the file from this image's beginning; 0: it has none of its own */
	uint64_t size;
	uint8_t digest[SNAPIMG_DIGEST_SIZE]; /* of its image */
	uint32_t pid;
	uint32_t parent;      /* 0: none of the tree's: init, or for the first one the caller */
	uint32_t group;       /* process group; 0: the caller's */
	uint32_t session;     /* 0: the caller's */
	uint32_t state;       /* enum snapimg_member_state */
	uint32_t status;      /* as the state says; of the living also SNAPIMG_MEMBER_FOREGROUND */
	uint32_t descriptors; /* all numbers of its descriptors are below */
	uint32_t terminal; /* index + 1 in OBJECTS of its session's, which it leads; 0: none, or the caller's
	                    */
};
static_assert(sizeof(struct snapimg_member) == 64, "member layout");
/* Pages that are in the image of an earlier process, the holder, at the same addresses; this one's own runs
 * win. Sorted by address, not overlapping. */
struct snapimg_inherited {
	uint64_t address;
	uint64_t offset; /* in the file of the tree, from where they are mapped; 0: they are copied */
	uint32_t pages;
	uint32_t member; /* the holder: index in TREE */
};
static_assert(sizeof(struct snapimg_inherited) == 24, "inherited layout");

enum {
	SNAPIMG_MEMBERS_MAX = 4096,
	SNAPIMG_MEMBER_SIGNAL = 0xff,        /* of a stopped one's `status` */
	SNAPIMG_STOP_TOLD = 0x100,           /* its parent has waited for the stop */
	SNAPIMG_MEMBER_FOREGROUND = 0x200,   /* its group is in the foreground of its session's terminal */
	SNAPIMG_MEMBER_SHARES_PLACE = 0x400, /* working directory and umask, with its parent: CLONE_FS */
	SNAPIMG_MEMBER_SHARES_DESCRIPTORS = 0x800, /* with its parent: CLONE_FILES */
	SNAPIMG_MEMBER_SHARES = SNAPIMG_MEMBER_SHARES_PLACE | SNAPIMG_MEMBER_SHARES_DESCRIPTORS,
};

#endif
