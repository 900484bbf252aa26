/* Records of layout.h: mappings, their pages, and where these lie in the file. */
#ifndef FORMAT_IMAGE_LAYOUT_MEMORY_H
#define FORMAT_IMAGE_LAYOUT_MEMORY_H

#include <assert.h>
#include <stdint.h>

enum snapimg_mapping_kind {
	SNAPIMG_MAPPING_ANONYMOUS = 1,
	SNAPIMG_MAPPING_FILE = 2,
	SNAPIMG_MAPPING_STACK = 3, /* anonymous, grows down: MAP_GROWSDOWN */
	SNAPIMG_MAPPING_VVAR = 4,  /* any of the kernel's data pages before the vdso; name tells which */
	SNAPIMG_MAPPING_VDSO = 5,
	SNAPIMG_MAPPING_MEMORY = 6, /* what VIEWs look at; not the program's own mapping, see below */
	SNAPIMG_MAPPING_VIEW = 7,   /* of a MEMORY, at `offset` */
	SNAPIMG_MAPPING_RING = 8,   /* what the kernel shares of an AIO or URING object */
};
/* Where the loader lies while it restores; a program has nothing there, or a reservation from its beginning
 * on. MEMORY mappings are given addresses in the middle. */
#define SNAPIMG_LOADER_START UINT64_C(0x400000000000)
#define SNAPIMG_MEMORY_START UINT64_C(0x408000000000)
#define SNAPIMG_MEMORY_END   UINT64_C(0x40f000000000)
#define SNAPIMG_LOADER_END   UINT64_C(0x410000000000)

/* The kernel lets ordinary programs map nothing below it (vm.mmap_min_addr as distributions set it). */
#define SNAPIMG_USER_START UINT64_C(0x10000)

/* Protection and sharing use Linux's numbers, which are the same on every architecture. */
enum { SNAPIMG_PROT_READ = 1, SNAPIMG_PROT_WRITE = 2, SNAPIMG_PROT_EXEC = 4 };
enum snapimg_mapping_flag {
	SNAPIMG_MAP_SHARED = 1,
	SNAPIMG_MAP_NORESERVE = 2,
	SNAPIMG_MAP_READ_ONLY = 4,  /* a VIEW by a descriptor that was opened for reading: never writable */
	SNAPIMG_MAP_MAY_WRITE = 8,  /* a shared FILE that isn't writable, but may be made so */
	SNAPIMG_MAP_DROPPABLE = 16, /* MAP_DROPPABLE, of a private ANONYMOUS one */
	SNAPIMG_MAP_SEALED = 32,    /* mseal(2) */
	SNAPIMG_MAP_EMBEDDED = 64,  /* a FILE that isn't needed: its content is the mapping's runs */
	SNAPIMG_MAP_TREE = 128,     /* a MEMORY that the tree's first process makes for all, at this place */
	SNAPIMG_MAP_SEGMENT = 256,  /* a MEMORY that is a segment of IPC, shmat(2) */
};

/* Advice and locks a mapping was given: X(NAME, bit, letters in smaps' VmFlags, madvise number; 0 = not
 * madvise) */
#define SNAPIMG_ADVICE(X)                                                                                    \
	X(RANDOM, 0, "rr", 1)                                                                                \
	X(SEQUENTIAL, 1, "sr", 2)                                                                            \
	X(DONTFORK, 2, "dc", 10)                                                                             \
	X(MERGEABLE, 3, "mg", 12)                                                                            \
	X(HUGEPAGE, 4, "hg", 14)                                                                             \
	X(NOHUGEPAGE, 5, "nh", 15)                                                                           \
	X(DONTDUMP, 6, "dd", 16)                                                                             \
	X(WIPEONFORK, 7, "wf", 18)                                                                           \
	X(LOCKED, 8, "lo", 0)                                                                                \
	X(LOCKED_ON_FAULT, 9, "lf", 0) /* "??" before Linux 6.2 */
enum snapimg_advice {
#define X(name, bit, letters, advice) SNAPIMG_ADVICE_##name = 1 << (bit),
	SNAPIMG_ADVICE(X)
#undef X
};

/* Sorted by address, not overlapping. */
struct snapimg_mapping {
	uint64_t start;
	uint64_t end;
	uint64_t offset; /* in the file */
	uint32_t kind;
	uint32_t protection;
	uint32_t flags;
	uint32_t advice;
	uint32_t file;      /* index + 1: FILE: in FILES; VIEW: in MAPPINGS; MEMORY: in OBJECTS, 0: none;
	                       SEGMENT: its id + 1; RING: in OBJECTS */
	uint32_t name;      /* string: as /proc/PID/maps showed it */
	uint32_t run_first; /* its page runs: [run_first, run_first + run_count) */
	uint32_t run_count;
	uint64_t reserved_zero;
};
static_assert(sizeof(struct snapimg_mapping) == 64, "mapping layout");

enum snapimg_run_kind {
	SNAPIMG_RUN_DATA = 1, /* its pages follow each other in its extent */
	SNAPIMG_RUN_ZERO = 2, /* pages to be zeroed (of a private file); no bytes in the extent */
};

/* Sorted by address; a run lies within one mapping and one extent. */
struct snapimg_run {
	uint64_t address;
	uint32_t pages;
	uint32_t kind;
};
static_assert(sizeof(struct snapimg_run) == 16, "run layout");

enum snapimg_extent_kind {
	SNAPIMG_EXTENT_ZERO = 1, /* only ZERO runs, no bytes stored */
	SNAPIMG_EXTENT_RAW = 2,  /* page-aligned in the file, can be mapped */
	SNAPIMG_EXTENT_ZSTD = 3, /* one standard zstd frame with content size and checksum */
	/* From its first run to the end of its last one, page by page as in memory, zeros in between; a PIECE
	 * maps it. */
	SNAPIMG_EXTENT_MAPPED = 4,
	SNAPIMG_EXTENT_LZ4 = 5, /* one lz4 block; its size is raw_size, its checksum the extent's */
};

/* The bytes of the DATA runs among [run_first, run_first + run_count), one after the other.
 * Extents cover all runs in order, and all of DATA in order. */
enum snapimg_extent_flag { SNAPIMG_EXTENT_OF_FILES = 1 }; /* as the files of its mappings have it */
struct snapimg_extent {
	uint64_t offset;   /* in the file */
	uint64_t checksum; /* XXH3-64 of the stored bytes */
	uint32_t stored_size;
	uint32_t raw_size;
	uint32_t run_first;
	uint32_t run_count;
	uint32_t kind;
	uint32_t flags; /* enum snapimg_extent_flag */
};
static_assert(sizeof(struct snapimg_extent) == 40, "extent layout");

struct snapimg_guard {
	uint64_t address;
	uint64_t pages;
};
static_assert(sizeof(struct snapimg_guard) == 16, "guard layout");

/* Memory that is mapped, privately, from the image file. Sorted by address, not overlapping. */
struct snapimg_piece {
	uint64_t start; /* of its first run */
	uint64_t end;   /* of its last run */
	uint64_t offset;
	uint32_t mapping; /* index in MAPPINGS: the whole piece lies in it */
	uint32_t run_first;
	uint32_t run_count;
	uint32_t reserved_zero;
};
static_assert(sizeof(struct snapimg_piece) == 40, "piece layout");

/* Pages that a run of the program was seen to use soon: populated in batches before it runs. Sorted by
 * address, not overlapping, each within one mapping. */
enum snapimg_hot_kind { SNAPIMG_HOT_READ = 1, SNAPIMG_HOT_WRITTEN = 2 };
struct snapimg_hot {
	uint64_t address;
	uint32_t pages;
	uint32_t kind;
};
static_assert(sizeof(struct snapimg_hot) == 16, "hot pages layout");

/* The shim's table of mapped memory (struct snap_mapped of preload/contract.h): with it the program's calls
 * that show the difference between anonymous memory and a PIECE are made right. */
enum { SNAPIMG_SHIM_VERSION = 2 };
struct snapimg_shim {
	uint64_t address;
	uint32_t size;
	uint32_t version; /* SNAPIMG_SHIM_VERSION, else nothing may be mapped for it */
};
static_assert(sizeof(struct snapimg_shim) == 16, "shim layout");

#endif
