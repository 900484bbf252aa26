/* Records of layout.h: the files that a program maps, reads and will open. */
#ifndef FORMAT_IMAGE_LAYOUT_FILES_H
#define FORMAT_IMAGE_LAYOUT_FILES_H

#include <assert.h>
#include <stdint.h>

#include "format/image/layout_limits.h"

/* How a file of the image is recognised where it is restored. */
enum snapimg_file_check {
	SNAPIMG_CHECK_STAMP = 1,  /* size, mtime and inode as recorded, or else its build-id, if it has one */
	SNAPIMG_CHECK_EXISTS = 2, /* of the recorded type: files the program itself writes, devices */
};

struct snapimg_file {
	uint32_t path; /* string: absolute */
	uint32_t check;
	uint64_t device; /* st_dev, for people only: it may differ on the next boot */
	uint64_t inode;
	uint64_t size;
	int64_t mtime_seconds;
	uint32_t mtime_nanoseconds;
	uint32_t mode;          /* st_mode */
	uint32_t build_id_size; /* 0: no build-id */
	uint32_t reserved_zero;
	uint8_t build_id[SNAPIMG_BUILD_ID_MAX];
};
static_assert(sizeof(struct snapimg_file) == 88, "file layout");

/* What tells more of a file than FILES does. */
enum snapimg_identity_flag {
	SNAPIMG_IDENTITY_HASHED = 1,     /* hash holds */
	SNAPIMG_IDENTITY_WHOLE = 2,      /* it is of the whole file; else of what MAPPINGS show of it */
	SNAPIMG_IDENTITY_EXCLUSIVE = 4,  /* nobody may have changed it meanwhile */
	SNAPIMG_IDENTITY_LIVE = 8,       /* the same inode may have another content now */
	SNAPIMG_IDENTITY_MADE = 16,      /* the program made it; its content is in CARRIED */
	SNAPIMG_IDENTITY_SCRATCH = 64,   /* made; each start has one of its own, without a name */
	SNAPIMG_IDENTITY_NAMED = 128,    /* made, and needed by its name alone: no descriptor leads to it */
	SNAPIMG_IDENTITY_ANOTHERS = 256, /* another process of the tree may have made it: it does again */
	SNAPIMG_IDENTITY_FRESH = 32,     /* it changed just before it was recorded: its times prove nothing */
};
struct snapimg_identity {
	uint32_t file; /* index + 1 */
	uint32_t flags;
	int64_t ctime_seconds;
	uint32_t ctime_nanoseconds;
	uint32_t reserved_zero;
	uint64_t hash; /* XXH3-64 */
};
static_assert(sizeof(struct snapimg_identity) == 32, "identity layout");

/* A file that the program will open later. */
enum snapimg_root_kind { SNAPIMG_ROOT_DIRECTORY = 1, SNAPIMG_ROOT_FILE = 2, SNAPIMG_ROOT_LINK = 3 };
#define SNAPIMG_ROOT_SIZE_MAX (UINT64_C(1) << 32) /* of one */
struct snapimg_root {
	uint32_t path; /* string: absolute, without . and .., not of /dev, /proc or /sys */
	uint32_t kind;
	uint32_t mode;   /* permissions */
	uint32_t target; /* string: of a LINK */
	uint64_t size;   /* of a FILE */
	int64_t mtime_seconds;
	uint32_t mtime_nanoseconds;
	uint32_t reserved_zero;
};
static_assert(sizeof(struct snapimg_root) == 40, "root layout");

#endif
