/*
 * The on-disk layout of a snapshot image, version 1. FORMAT.md is the
 * specification; this header, with the layout_*.h that it includes, is its only
 * statement in code. The writer, the reader, the loader and the inspector
 * include it, and nothing else states an offset or a size.
 *
 * Everything is little-endian. Every structure has the same size and offsets
 * on every machine; "string" fields are offsets into the STRINGS section,
 * whose byte 0 is NUL, so that 0 is the empty string. "index + 1" fields are
 * 0 for "none".
 */
#ifndef FORMAT_IMAGE_LAYOUT_H
#define FORMAT_IMAGE_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "format/image/layout_files.h"
#include "format/image/layout_ipc.h"
#include "format/image/layout_limits.h"
#include "format/image/layout_memory.h"
#include "format/image/layout_objects.h"
#include "format/image/layout_origin.h"
#include "format/image/layout_state.h"
#include "format/image/layout_tree.h"

/* As PNG does: the high bit, CR LF, ^Z and LF each show one kind of text-mode damage. */
#define SNAPIMG_MAGIC "\x89SNP\r\n\x1a\n"
enum { SNAPIMG_MAGIC_SIZE = 8 };

enum { SNAPIMG_MAJOR = 1, SNAPIMG_MINOR = 2 };

/* Architectures: the ELF e_machine numbers. */
enum { SNAPIMG_ARCH_X86_64 = 62 };

/* Required features: a reader that does not know a set bit refuses the image by the bit's name. */
#define SNAPIMG_FEATURES(X)                                                                                  \
	X(ZSTD, 0, "zstd")                     /* has zstd frames */                                         \
	X(FILE_MAPPINGS, 1, "files")           /* maps files that must exist where it is restored */         \
	X(THREADS, 2, "threads")               /* more than one */                                           \
	X(ROBUST, 3, "robust")                 /* has ROBUST fix-ups */                                      \
	X(OBJECTS, 4, "objects")               /* has OBJECTS */                                             \
	X(THAWED, 5, "thawed")                 /* made to be mapped: may have PIECES and MAPPED extents */   \
	X(OWNERS, 6, "owners")                 /* has OWNERS */                                              \
	X(MEMORY, 7, "memory")                 /* has mappings that are views of one memory */               \
	X(CALLERS, 8, "terminals")             /* has CALLERS objects */                                     \
	X(SELF_CONTAINED, 9, "self-contained") /* has the files that it mapped and read */                   \
	X(LZ4, 10, "lz4")                      /* has LZ4 extents */                                         \
	X(TREE, 11, "tree")                    /* several processes: the first one's image, or another's */  \
	X(IPC, 12, "ipc")                      /* has IPC, a segment of it, or MQUEUE objects */             \
	X(PASSED, 13, "passed")                /* has PASSED */                                              \
	X(RINGS, 14, "rings")                  /* has RING mappings, AIO or URING objects */
enum snapimg_feature {
#define X(name, bit, text) SNAPIMG_FEATURE_##name = 1 << (bit),
	SNAPIMG_FEATURES(X)
#undef X
};

struct snapimg_header {
	uint8_t magic[SNAPIMG_MAGIC_SIZE];
	uint16_t major;
	uint16_t minor;
	uint16_t architecture;
	uint16_t section_count;
	uint32_t page_size;
	uint32_t reserved_zero; /* must be zero */
	uint64_t required_features;
	uint64_t optional_features;          /* may be ignored */
	uint64_t image_size;                 /* of the whole file */
	uint64_t metadata_offset;            /* all sections but DATA lie in [metadata_offset, image_size) */
	uint64_t section_table_offset;       /* the table ends the file */
	uint8_t digest[SNAPIMG_DIGEST_SIZE]; /* XXH3-128, canonical (big-endian) form, of the header area
	                                        with this field zero, followed by the section table */
};
static_assert(sizeof(struct snapimg_header) == 80, "header layout");
static_assert(offsetof(struct snapimg_header, required_features) == 24, "header layout");
static_assert(offsetof(struct snapimg_header, digest) == 64, "header layout");

enum { SNAPIMG_SECTION_REQUIRED = 1 }; /* a reader that does not know the type refuses the image */

/* X(NAME, number, record size, how many records: '1' exactly one, '+' at least one, '?' at most one, '*' any,
 * text).
 * A section without bytes is not written. */
#define SNAPIMG_SECTIONS(X)                                                                                  \
	X(DATA, 1, 1, '*', "page data")                                                                      \
	X(STRINGS, 2, 1, '+', "strings")                                                                     \
	X(ORIGIN, 3, sizeof(struct snapimg_origin), '1', "origin")                                           \
	X(MACHINE, 4, sizeof(struct snapimg_machine), '1', "machine")                                        \
	X(PROCESS, 5, sizeof(struct snapimg_process), '1', "process")                                        \
	X(THREADS, 6, sizeof(struct snapimg_thread), '+', "threads")                                         \
	X(XSTATE, 7, 1, '+', "extended register state")                                                      \
	X(FILES, 8, sizeof(struct snapimg_file), '*', "files")                                               \
	X(MAPPINGS, 9, sizeof(struct snapimg_mapping), '+', "mappings")                                      \
	X(EXTENTS, 10, sizeof(struct snapimg_extent), '*', "extents")                                        \
	X(RUNS, 11, sizeof(struct snapimg_run), '*', "page runs")                                            \
	X(DESCRIPTORS, 12, sizeof(struct snapimg_descriptor), '*', "descriptors")                            \
	X(SIGNALS, 13, sizeof(struct snapimg_sigaction), '*', "signal actions")                              \
	X(ARGUMENTS, 14, 1, '+', "arguments")                             /* argv, each NUL-terminated */    \
	X(ENVIRONMENT, 15, 1, '*', "environment")                         /* envp, each NUL-terminated */    \
	X(AUXV, 16, sizeof(struct snapimg_auxv), '*', "auxiliary vector") /* without the AT_NULL */          \
	X(FIXUPS, 17, sizeof(struct snapimg_fixup), '*', "fix-ups")                                          \
	X(PENDING, 18, sizeof(struct snapimg_pending), '*', "pending signals")                               \
	X(PLACES, 19, sizeof(struct snapimg_place), '*', "threads' places")                                  \
	X(OBJECTS, 22, sizeof(struct snapimg_object), '*', "objects")                                        \
	X(SETTINGS, 23, sizeof(struct snapimg_setting), '*', "settings")                                     \
	X(CONTENTS, 24, sizeof(struct snapimg_content), '*', "contents")                                     \
	X(WATCHES, 25, sizeof(struct snapimg_watch), '*', "watches")                                         \
	X(LOCKS, 26, sizeof(struct snapimg_lock), '*', "locks")                                              \
	X(BYTES, 27, 1, '*', "bytes")                                                                        \
	X(ATTRIBUTES, 28, sizeof(struct snapimg_attribute), '*', "attributes")                               \
	X(TIMERS, 29, sizeof(struct snapimg_timer), '*', "timers")                                           \
	X(GUARDS, 30, sizeof(struct snapimg_guard), '*', "guard pages")                                      \
	X(PIECES, 31, sizeof(struct snapimg_piece), '*', "mapped pieces")                                    \
	X(HOT, 32, sizeof(struct snapimg_hot), '*', "hot pages")                                             \
	X(SOURCE, 33, sizeof(struct snapimg_source), '?', "source")                                          \
	X(SHIM, 34, sizeof(struct snapimg_shim), '?', "shim")                                                \
	X(INOTIFY, 35, sizeof(struct snapimg_inotify), '*', "notices")                                       \
	X(OWNERS, 36, sizeof(struct snapimg_owner), '*', "owners")                                           \
	X(IDENTITIES, 37, sizeof(struct snapimg_identity), '*', "identities of files")                       \
	X(CARRIED, 38, sizeof(struct snapimg_content), '*', "contents of files")                             \
	X(VDSO, 39, 1, '*', "vdso")                                                                          \
	X(KEPT, 40, sizeof(struct snapimg_kept), '*', "kept IDs")                                            \
	X(STREAMS, 41, sizeof(struct snapimg_setting), '*', "inherited terminals")                           \
	X(CLOCKS, 42, sizeof(struct snapimg_clocks), '?', "clocks")                                          \
	X(PROCESSOR, 43, sizeof(struct snapimg_processor), '?', "processor")                                 \
	X(SIGNATURE, 44, sizeof(struct snapimg_signature), '?', "signature")                                 \
	X(ROOT, 45, sizeof(struct snapimg_root), '*', "embedded files")                                      \
	X(ROOTDATA, 46, sizeof(struct snapimg_content), '*', "contents of embedded files")                   \
	X(UNSYNCED, 47, sizeof(struct snapimg_unsynced), '?', "boot of a copy")                              \
	X(INPUTS, 48, sizeof(struct snapimg_input), '*', "inputs")                                           \
	X(TREE, 49, sizeof(struct snapimg_member), '*', "processes")                                         \
	X(IPC, 50, sizeof(struct snapimg_ipc), '*', "System V objects")                                      \
	X(IPCDATA, 51, 1, '*', "System V contents")                                                          \
	X(PASSED, 52, sizeof(struct snapimg_passed), '*', "descriptors in sockets")                          \
	X(INHERITED, 53, sizeof(struct snapimg_inherited), '*', "pages of other processes")                  \
	X(EDGES, 54, sizeof(struct snapimg_edge), '*', "edges that were taken")
/* Those that a reader may overlook: it starts the program as well as its own version can. X(NAME) */
#define SNAPIMG_OPTIONAL_SECTIONS(X)                                                                         \
	X(IDENTITIES)                                                                                        \
	X(CARRIED)                                                                                           \
	X(VDSO)                                                                                              \
	X(KEPT)                                                                                              \
	X(STREAMS)                                                                                           \
	X(CLOCKS)                                                                                            \
	X(PROCESSOR)                                                                                         \
	X(SIGNATURE)                                                                                         \
	X(ROOT)                                                                                              \
	X(ROOTDATA)                                                                                          \
	X(INPUTS)                                                                                            \
	X(EDGES)
enum snapimg_section_type {
#define X(name, number, record, count, text) SNAPIMG_SECTION_##name = (number),
	SNAPIMG_SECTIONS(X)
#undef X
	        SNAPIMG_SECTION_LIMIT = 64,
};

struct snapimg_section {
	uint32_t type;
	uint32_t flags;
	uint64_t offset;
	uint64_t size;        /* bytes, without the zero padding up to the next SNAPIMG_ALIGNMENT */
	uint32_t record_size; /* 1 for bytes */
	uint32_t reserved_zero;
	uint64_t checksum; /* XXH3-64 of the bytes and their padding; DATA: 0, its extents have their own */
};
static_assert(sizeof(struct snapimg_section) == 40, "section layout");

/* A file of its own: what makes one image of another. Frames follow it. */
#define SNAPIMG_DELTA_MAGIC "\x89SND\r\n\x1a\n"
enum { SNAPIMG_DELTA_MAJOR = 1 };
struct snapimg_delta {
	uint8_t magic[SNAPIMG_MAGIC_SIZE];
	uint32_t major;
	uint32_t decoded;                    /* 1: the plain form holds pages, else frames */
	uint8_t base[SNAPIMG_DIGEST_SIZE];   /* digest of the image that it is for */
	uint8_t digest[SNAPIMG_DIGEST_SIZE]; /* of the image that it makes */
	uint64_t image_size;
	uint64_t plain_size;
	uint64_t stored_size; /* of the frames */
	int32_t level;        /* of the image's frames */
	uint32_t least_match;
	uint32_t largest;
	uint32_t reserved_zero;
	uint64_t checksum; /* XXH3-64 of this header, with the XXH3-64 of the frames in this field */
};
static_assert(sizeof(struct snapimg_delta) == 96, "delta layout");

#endif
