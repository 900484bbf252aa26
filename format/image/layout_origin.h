/* Records of layout.h: where an image comes from, on which machine, of what, and who vouches for it. */
#ifndef FORMAT_IMAGE_LAYOUT_ORIGIN_H
#define FORMAT_IMAGE_LAYOUT_ORIGIN_H

#include <assert.h>
#include <stdint.h>

#include "format/image/layout_limits.h"

/* Where the image comes from. For people; nothing here steers a restore. */
struct snapimg_origin {
	uint32_t tool;           /* string: "snaptrace 0.1.0" */
	uint32_t point;          /* string: the POINT as given */
	uint32_t trigger;        /* string: what was met, e.g. "breakpoint at main+0x0" */
	uint32_t kernel;         /* string: release */
	uint32_t cpu_model;      /* string */
	uint32_t codec;          /* string: "zstd -3", "none" */
	int64_t created_seconds; /* Unix time */
	uint64_t raw_bytes;      /* of present pages looked at */
	uint64_t zero_bytes;     /* of them, dropped because all zero */
	uint64_t file_bytes;     /* of them, left to their files */
};
static_assert(sizeof(struct snapimg_origin) == 56, "origin layout");

/* Words of CPUID (and XCR0) that a program may have chosen its code by; see cpu.h. */
enum { SNAPIMG_CPU_WORDS = 12 };

struct snapimg_machine {
	uint32_t cpu_features[SNAPIMG_CPU_WORDS]; /* needed bits; word numbers are those of cpu.h */
	uint64_t xfeatures;                       /* XCR0 bits the recorded state uses the layout of */
	uint32_t xstate_size;                     /* bytes of one thread's extended state */
	uint32_t vdso_size;                       /* bytes; 0: no vdso */
	uint64_t vdso_checksum;                   /* XXH3-64 of the vdso's bytes */
	uint64_t task_size;                       /* first address past the user's */
	uint8_t boot_id[SNAPIMG_BOOT_ID_SIZE]; /* the text of the kernel's boot id as bytes; zeros: unknown.
	                                          It proves nothing: a moved virtual machine keeps it */
};
static_assert(sizeof(struct snapimg_machine) == 96, "machine layout");

/* Which processor the program was shown. */
enum snapimg_level {
	SNAPIMG_LEVEL_NATIVE = 0, /* the one that there was */
	SNAPIMG_LEVEL_X86_64 = 1, /* levels of the x86-64 psABI, 3.1.1 */
	SNAPIMG_LEVEL_X86_64_V2 = 2,
	SNAPIMG_LEVEL_X86_64_V3 = 3,
};
enum snapimg_processor_flag {
	SNAPIMG_PROCESSOR_ANY_STATE = 1, /* nothing in the program relies on the size of the extended state */
	SNAPIMG_PROCESSOR_FLAGS = 1,
};
struct snapimg_processor {
	uint32_t level; /* enum snapimg_level */
	uint32_t flags; /* enum snapimg_processor_flag */
	uint64_t reserved_zero;
};
static_assert(sizeof(struct snapimg_processor) == 16, "processor layout");

/* What the program had read of its surroundings. X(NAME, number, text) */
#define SNAPIMG_INPUT_KINDS(X)                                                                               \
	X(VARIABLE, 1, "variable")                                                                           \
	X(VARIABLES, 2, "variables")                                                                         \
	X(FILE, 3, "file")                                                                                   \
	X(LISTED, 4, "listed")                                                                               \
	X(ABSENT, 5, "absent")                                                                               \
	X(DIRECTORY, 6, "directory")                                                                         \
	X(PRESENT, 7, "present")                                                                             \
	X(LINK, 8, "link")                                                                                   \
	X(CWD, 9, "working directory")                                                                       \
	X(USER, 10, "user")                                                                                  \
	X(STREAM, 11, "stream")                                                                              \
	X(STREAM_TYPE, 12, "stream's type")                                                                  \
	X(TERMINAL_SIZE, 13, "terminal's size")                                                              \
	X(UMASK, 14, "umask")                                                                                \
	X(RESOURCE, 15, "resource limit")                                                                    \
	X(AFFINITY, 16, "affinity")                                                                          \
	X(SYSTEM, 17, "system's name")                                                                       \
	X(SIGNALS, 18, "ignored signals")                                                                    \
	X(PRIORITY, 19, "priority")                                                                          \
	X(NAMES, 20, "variables' names")
enum snapimg_input_kind {
#define X(name, number, text) SNAPIMG_INPUT_##name = (number),
	SNAPIMG_INPUT_KINDS(X)
#undef X
	        SNAPIMG_INPUT_LIMIT,
};
enum { SNAPIMG_AFFINITY_SIZE = 128 };
enum { SNAPIMG_STREAM_NONE = 0, SNAPIMG_STREAM_OTHER = 1, SNAPIMG_STREAM_TERMINAL = 2 };
struct snapimg_input {
	uint32_t kind; /* enum snapimg_input_kind */
	uint32_t name; /* string */
	uint64_t hash;
	uint64_t size;
	int64_t mtime, ctime; /* nanoseconds of Unix time */
	uint64_t inode;
	uint32_t value;
	uint32_t owner; /* the low half of the hash of the user and the group, both u32 */
};
static_assert(sizeof(struct snapimg_input) == 56, "input layout");

/* What the clocks showed when the program was frozen, in nanoseconds. */
struct snapimg_clocks {
	uint64_t realtime;
	uint64_t monotonic; /* CLOCK_MONOTONIC: it goes on from here where the machine's is behind */
	uint64_t boottime;  /* CLOCK_BOOTTIME: likewise */
	uint64_t processor; /* CLOCK_PROCESS_CPUTIME_ID, for people: it begins at 0 again */
};
static_assert(sizeof(struct snapimg_clocks) == 32, "clocks layout");

/* Who vouches for the image. It is made of the image's SHA-256 with holes (FORMAT.md, SIGNATURE). */
#define SNAPIMG_SIGNATURE_PREFIX "snaptrace image signature 1\n"
enum { SNAPIMG_KEY_SIZE = 32, SNAPIMG_ED25519_SIZE = 64, SNAPIMG_SHA256_SIZE = 32 };
struct snapimg_signature {
	uint8_t public_key[SNAPIMG_KEY_SIZE];
	uint8_t signature[SNAPIMG_ED25519_SIZE];
};
static_assert(sizeof(struct snapimg_signature) == 96, "signature layout");

struct snapimg_source { /* of a thawed image: which image it was */
	uint8_t digest[SNAPIMG_DIGEST_SIZE];
};
static_assert(sizeof(struct snapimg_source) == 16, "source layout");

struct snapimg_unsynced { /* of a copy that nobody has waited for to be on the disk */
	uint8_t boot_id[SNAPIMG_BOOT_ID_SIZE];
};
static_assert(sizeof(struct snapimg_unsynced) == 16, "unsynced layout");

#endif
