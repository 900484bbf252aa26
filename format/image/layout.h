/*
 * The on-disk layout of a snapshot image, version 1. FORMAT.md is the
 * specification; this header is its only statement in code. The writer, the
 * reader, the loader and the inspector include it, and nothing else states an
 * offset or a size.
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

/* As PNG does: the high bit, CR LF, ^Z and LF each show one kind of text-mode damage. */
#define SNAPIMG_MAGIC "\x89SNP\r\n\x1a\n"
enum { SNAPIMG_MAGIC_SIZE = 8 };

enum { SNAPIMG_MAJOR = 1, SNAPIMG_MINOR = 2 };

enum {
	SNAPIMG_PAGE_SIZE = 4096,
	SNAPIMG_HEADER_AREA = 4096,   /* the header and the zeros after it; the digest covers it all */
	SNAPIMG_ALIGNMENT = 64,       /* of every section but DATA, and of the section table */
	SNAPIMG_EXTENT_MAX = 1 << 20, /* bytes of pages in one extent */
	SNAPIMG_MAX_SECTIONS = 64,
	SNAPIMG_BUILD_ID_MAX = 32,
	SNAPIMG_COMM_SIZE = 16, /* TASK_COMM_LEN of the kernel */
	SNAPIMG_DIGEST_SIZE = 16,
	SNAPIMG_BOOT_ID_SIZE = 16,        /* a UUID */
	SNAPIMG_AUXV_MAX = 64,            /* entries; the kernel's own saved_auxv is smaller */
	SNAPIMG_DESCRIPTOR_MAX = 1 << 20, /* numbers are below it */
	SNAPIMG_XSTATE_MIN = 576,         /* XSAVE: the legacy area and the XSTATE header */
	SNAPIMG_RESUME_SIZE = 56,         /* one struct snap_resume of preload/contract.h */
};
/* x86-64 user addresses end at or below this (Documentation/arch/x86/x86_64/mm.rst). */
/* Of all sections but DATA together: what a reader must hold in memory. */
#define SNAPIMG_METADATA_MAX  (UINT64_C(1) << 32)
#define SNAPIMG_TASK_SIZE_MAX (UINT64_C(1) << 47)

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
	X(TREE, 11, "tree")                    /* several processes: the first one's image, or another's */
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
	X(TREE, 49, sizeof(struct snapimg_member), '*', "processes")
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
	X(INPUTS)
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
	X(TERMINAL_SIZE, 13, "terminal's size")
enum snapimg_input_kind {
#define X(name, number, text) SNAPIMG_INPUT_##name = (number),
	SNAPIMG_INPUT_KINDS(X)
#undef X
	        SNAPIMG_INPUT_LIMIT,
};
enum { SNAPIMG_STREAM_NONE = 0, SNAPIMG_STREAM_OTHER = 1, SNAPIMG_STREAM_TERMINAL = 2 };
struct snapimg_input {
	uint32_t kind; /* enum snapimg_input_kind */
	uint32_t name; /* string */
	uint64_t hash;
	uint64_t size;
	int64_t mtime, ctime; /* nanoseconds of Unix time */
	uint64_t inode;
	uint32_t value;
	uint32_t reserved_zero;
};
static_assert(sizeof(struct snapimg_input) == 56, "input layout");

enum snapimg_process_flag {
	SNAPIMG_PROCESS_RESUME_MAIN = 1,  /* as main(argc, argv, envp): the loader sets the three registers */
	SNAPIMG_PROCESS_NOT_DUMPABLE = 2, /* prctl(PR_SET_DUMPABLE, 0) */
	SNAPIMG_PROCESS_NO_NEW_PRIVS = 4, /* the program itself set it */
	SNAPIMG_PROCESS_SUBREAPER = 8,
	SNAPIMG_PROCESS_NO_THP = 16,         /* prctl(PR_SET_THP_DISABLE) */
	SNAPIMG_PROCESS_SELF_CONTAINED = 32, /* a start needs none of the files that it mapped and read */
	SNAPIMG_PROCESS_CWD_REMOVED = 64,    /* cwd names a directory that was removed */
};

struct snapimg_process {
	uint32_t pid; /* as it was */
	uint32_t flags;
	uint32_t executable; /* string: absolute path */
	uint32_t cwd;   /* string: absolute path the program went to; "": the caller's, as it was inherited */
	uint32_t umask; /* SNAPIMG_UMASK_INHERITED: the caller's */
	uint32_t personality;
	uint32_t parent_death_signal; /* 0: none */
	uint32_t thread_count;
	/* struct prctl_mm_map of the kernel, in its order (include/uapi/linux/prctl.h) */
	uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	uint64_t timer_slack_ns;  /* 0: leave the caller's */
	uint32_t fixed_arguments; /* how many leading arguments new ones don't replace: 1 (argv[0]), or up to
	                             the script's name where the kernel put an interpreter before it (#!) */
	uint32_t reserved_zero;
};
static_assert(sizeof(struct snapimg_process) == 104, "process layout");
#define SNAPIMG_UMASK_INHERITED 0xffffffffu

/* General registers in the order of the kernel's struct user_regs_struct (x86-64), ready to be resumed. */
/* clang-format off */
#define SNAPIMG_REGISTERS(X)                                                                                 \
	X(r15) X(r14) X(r13) X(r12) X(rbp) X(rbx) X(r11) X(r10) X(r9) X(r8) X(rax) X(rcx) X(rdx)             \
	X(rsi) X(rdi) X(orig_rax) X(rip) X(cs) X(eflags) X(rsp) X(ss) X(fs_base) X(gs_base)
/* clang-format on */
struct snapimg_registers {
#define X(name) uint64_t name;
	SNAPIMG_REGISTERS(X)
#undef X
};
static_assert(sizeof(struct snapimg_registers) == 23 * 8, "register layout");

struct snapimg_thread {
	struct snapimg_registers registers;
	uint64_t signal_mask;
	uint64_t altstack_address;
	uint64_t altstack_size;
	uint64_t robust_list; /* 0: none */
	uint64_t robust_list_size;
	uint64_t tid_address;  /* set_tid_address; 0: none */
	uint64_t rseq_address; /* 0: not registered */
	uint32_t rseq_size;
	uint32_t rseq_signature;
	uint32_t altstack_flags;
	uint32_t tid;           /* as it was */
	uint64_t xstate_offset; /* in XSTATE, a multiple of 64: XSAVE standard format */
	uint64_t reserved_zero;
	char comm[SNAPIMG_COMM_SIZE];
};
static_assert(sizeof(struct snapimg_thread) == 23 * 8 + 104, "thread layout");
static_assert(sizeof(struct snapimg_thread) == 288, "thread layout");

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
	SNAPIMG_IDENTITY_HASHED = 1,    /* hash holds */
	SNAPIMG_IDENTITY_WHOLE = 2,     /* it is of the whole file; else of what MAPPINGS show of it */
	SNAPIMG_IDENTITY_EXCLUSIVE = 4, /* nobody may have changed it meanwhile */
	SNAPIMG_IDENTITY_LIVE = 8,      /* the same inode may have another content now */
	SNAPIMG_IDENTITY_MADE = 16,     /* the program made it; its content is in CARRIED */
	SNAPIMG_IDENTITY_SCRATCH = 64,  /* made; each start has one of its own, without a name */
	SNAPIMG_IDENTITY_FRESH = 32,    /* it changed just before it was recorded: its times prove nothing */
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

enum snapimg_mapping_kind {
	SNAPIMG_MAPPING_ANONYMOUS = 1,
	SNAPIMG_MAPPING_FILE = 2,
	SNAPIMG_MAPPING_STACK = 3, /* anonymous, grows down: MAP_GROWSDOWN */
	SNAPIMG_MAPPING_VVAR = 4,  /* any of the kernel's data pages before the vdso; name tells which */
	SNAPIMG_MAPPING_VDSO = 5,
	SNAPIMG_MAPPING_MEMORY = 6, /* what VIEWs look at; not the program's own mapping, see below */
	SNAPIMG_MAPPING_VIEW = 7,   /* of a MEMORY, at `offset` */
};
/* Where the loader lies while it restores; a program has nothing there, or a reservation of it all. MEMORY
 * mappings are given addresses in the middle. */
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
	uint32_t file;      /* index + 1: FILE: in FILES; VIEW: in MAPPINGS; MEMORY: in OBJECTS, 0: none */
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

/* X(NAME, number, text) */
#define SNAPIMG_DESCRIPTOR_KINDS(X)                                                                          \
	X(INHERIT, 1, "inherit") /* the caller's descriptor number `source` */                               \
	X(FILE, 2, "file")       /* open `file` with `flags`, seek to `position` */                          \
	/* the same open file description as descriptor `source`, an earlier record that is not CLOSED */    \
	X(DUPLICATE, 3, "duplicate")                                                                         \
	X(CLOSED, 4, "closed") /* one of 0, 1, 2 that the program closed */                                  \
	X(OBJECT, 5, "object") /* record `source` of OBJECTS; `position` where that is a file */
enum snapimg_descriptor_kind {
#define X(name, number, text) SNAPIMG_DESCRIPTOR_##name = (number),
	SNAPIMG_DESCRIPTOR_KINDS(X)
#undef X
};
/* Access mode, NOCTTY, APPEND, NONBLOCK, DSYNC, ASYNC, DIRECT, LARGEFILE, DIRECTORY, NOFOLLOW, NOATIME, SYNC
 * and PATH (include/uapi/asm-generic/fcntl.h): nothing that creates, truncates, or closes on exec. */
enum { SNAPIMG_OPEN_FLAGS = 015776403 };
/* What fcntl(2), F_SETFL, changes: APPEND, NONBLOCK, DIRECT, NOATIME. */
enum { SNAPIMG_STATUS_FLAGS = 01046000 };
struct snapimg_descriptor {
	uint64_t position; /* INHERIT: which of SNAPIMG_STATUS_FLAGS are to be as `flags` say */
	int32_t number;
	uint32_t kind;
	uint32_t flags; /* open(2) flags, Linux x86-64 numbers, among SNAPIMG_OPEN_FLAGS */
	uint32_t close_on_exec;
	uint32_t file; /* index + 1 in FILES */
	int32_t source;
};
static_assert(sizeof(struct snapimg_descriptor) == 32, "descriptor layout");

/* An open file description that is neither a file with a name nor inherited. What `value` holds: FORMAT.md.
 * X(NAME, number, what it is) */
#define SNAPIMG_OBJECT_KINDS(X)                                                                              \
	X(PIPE, 1, "pipe")                                                                                   \
	X(EVENTFD, 2, "eventfd")                                                                             \
	X(EPOLL, 3, "epoll set")                                                                             \
	X(TIMERFD, 4, "timerfd")                                                                             \
	X(SIGNALFD, 5, "signalfd")                                                                           \
	X(INOTIFY, 6, "inotify instance")                                                                    \
	X(MEMFD, 7, "memfd")                                                                                 \
	X(UNLINKED, 8, "deleted file")                                                                       \
	X(REOPENED, 9, "opened once more")                                                                   \
	X(FIFO, 10, "FIFO")                                                                                  \
	X(SOCKET, 11, "socket")                                                                              \
	X(PIDFD, 12, "pidfd of itself")                                                                      \
	X(TERMINAL, 13, "pseudoterminal")                                                                    \
	X(CALLERS, 14, "caller's terminal, opened once more")                                                \
	X(ENDED, 15, "pidfd of a process that has ended")                                                    \
	X(TREE, 16, "object of the tree")                                                                    \
	X(FILE, 17, "file that several processes have")
enum snapimg_object_kind {
#define X(name, number, text) SNAPIMG_OBJECT_##name = (number),
	SNAPIMG_OBJECT_KINDS(X)
#undef X
};
enum { SNAPIMG_OBJECT_VALUES = 5 };

/* Made in order; `peer` is an earlier one. */
struct snapimg_object {
	uint32_t kind;
	uint32_t flags; /* open(2) flags, among SNAPIMG_OPEN_FLAGS */
	uint32_t peer;  /* index + 1 in OBJECTS: the other end; REOPENED: the same file */
	uint32_t name;  /* string */
	uint64_t value[SNAPIMG_OBJECT_VALUES];
};
static_assert(sizeof(struct snapimg_object) == 56, "object layout");

/* Of `value` of the kinds: */
enum snapimg_value {
	SNAPIMG_PIPE_SIZE = 0,
	SNAPIMG_EVENTFD_COUNT = 0,
	SNAPIMG_EVENTFD_SEMAPHORE = 1,
	SNAPIMG_TIMERFD_CLOCK = 0,
	SNAPIMG_TIMERFD_VALUE = 1, /* nanoseconds */
	SNAPIMG_TIMERFD_INTERVAL = 2,
	SNAPIMG_TIMERFD_TICKS = 3,
	SNAPIMG_TIMERFD_FLAGS = 4,
	SNAPIMG_SIGNALFD_MASK = 0,
	SNAPIMG_FILE_SIZE = 0, /* MEMFD, UNLINKED */
	SNAPIMG_FILE_MODE = 1,
	SNAPIMG_FILE_SEALS = 2,
	SNAPIMG_FILE_MTIME = 3, /* i64: nanoseconds of the Epoch */
	SNAPIMG_FILE_OWNER = 4, /* (group + 1) << 32 | user + 1; 0: as of a new file */
	SNAPIMG_FIFO_SIZE = 0,
	SNAPIMG_FIFO_FRESH = 1,     /* 1: no writer was there since it was opened */
	SNAPIMG_TERMINAL_END = 0,   /* 0: the master, 1: the slave */
	SNAPIMG_TERMINAL_LOCK = 1,  /* of the master: 1: its slave can't be opened yet */
	SNAPIMG_TERMINAL_USED = 2,  /* of the master: 1: its slave was opened, be it closed again */
	SNAPIMG_CALLERS_NUMBER = 0, /* the caller's descriptor that leads to it */
	SNAPIMG_TREE_OBJECT = 0,    /* index in OBJECTS of the tree's first process */
	SNAPIMG_OPENED_FILE = 0,    /* FILE: index in FILES */
	SNAPIMG_OPENED_POSITION = 1,
	SNAPIMG_SOCKET_DOMAIN = 0,
	SNAPIMG_SOCKET_TYPE = 1,
	SNAPIMG_SOCKET_PROTOCOL = 2,
	SNAPIMG_SOCKET_STATE = 3,    /* enum snapimg_socket_state */
	SNAPIMG_SOCKET_SHUTDOWN = 4, /* 1: for receiving, 2: for sending */
};
enum snapimg_socket_state {
	SNAPIMG_SOCKET_SINGLE = 0,
	SNAPIMG_SOCKET_PAIR = 1,  /* made by socketpair(2) */
	SNAPIMG_SOCKET_RESET = 2, /* TCP, connected once to one who has reset the connection */
};

/* What is done with an object once it is made, in this order. */
enum snapimg_setting_kind {
	SNAPIMG_SETTING_OPTION = 1,  /* setsockopt(2): level, option, the bytes */
	SNAPIMG_SETTING_BIND = 2,    /* bind(2): the bytes; option: the mode of the file it makes, or 0 */
	SNAPIMG_SETTING_LISTEN = 3,  /* listen(2): option */
	SNAPIMG_SETTING_CONNECT = 4, /* connect(2): the bytes */
	/* setsockopt(2): the bytes after the name of a network interface, whose number they begin with */
	SNAPIMG_SETTING_INTERFACE = 5,
	SNAPIMG_SETTING_TERMIOS = 6,   /* TCSETS2: struct termios2 */
	SNAPIMG_SETTING_WINDOW = 7,    /* TIOCSWINSZ: struct winsize */
	SNAPIMG_SETTING_BIND_GONE = 8, /* BIND, then unlink(2) of the file */
	SNAPIMG_SETTING_ACCEPTED = 9,  /* how a PAIR is made: accept(2) at the bytes */
};
enum {
	SNAPIMG_INTERFACE_NAME = 16, /* IFNAMSIZ */
	SNAPIMG_TERMIOS_SIZE = 44,
	SNAPIMG_WINDOW_SIZE = 8,
};
struct snapimg_setting {
	uint32_t object;
	uint32_t kind;
	int32_t level;
	int32_t option;
	uint64_t offset; /* in BYTES */
	uint32_t size;
	uint32_t reserved_zero;
};
static_assert(sizeof(struct snapimg_setting) == 32, "setting layout");

/* Bytes in an object: of a file at `position`, of a pipe all, of a socket one message. */
struct snapimg_content {
	uint32_t object;
	uint32_t stored_size; /* of one zstd frame in BYTES; 0: the bytes themselves */
	uint64_t position;    /* files; 0 for all others */
	uint64_t offset;      /* in BYTES */
	uint64_t size;
};
static_assert(sizeof(struct snapimg_content) == 32, "content layout");

/* What an EPOLL object looks at. */
struct snapimg_watch {
	uint32_t object;
	uint32_t events;
	int32_t number; /* the descriptor */
	uint32_t reserved_zero;
	uint64_t data;
};
static_assert(sizeof(struct snapimg_watch) == 24, "watch layout");

enum snapimg_lock_kind {
	SNAPIMG_LOCK_FLOCK = 1, /* flock(2) */
	SNAPIMG_LOCK_POSIX = 2, /* fcntl(2), F_SETLK */
	SNAPIMG_LOCK_OFD = 3,   /* fcntl(2), F_OFD_SETLK */
	SNAPIMG_LOCK_LEASE = 4, /* fcntl(2), F_SETLEASE: F_RDLCK */
};
struct snapimg_lock {
	int32_t number;
	uint32_t kind;
	uint32_t exclusive; /* 0 or 1 */
	uint32_t reserved_zero;
	uint64_t start;
	uint64_t length; /* 0: to the end, however long the file gets */
};
static_assert(sizeof(struct snapimg_lock) == 32, "lock layout");

/* A watch of an INOTIFY object, inotify_add_watch(2). */
struct snapimg_inotify {
	uint32_t object;
	uint32_t path; /* string: absolute */
	uint32_t mask;
	int32_t watch; /* its number */
};
static_assert(sizeof(struct snapimg_inotify) == 16, "inotify layout");

/* Whom a descriptor's description sends signals, fcntl(2), F_SETOWN_EX: the process or its main thread. */
enum snapimg_owner_kind { SNAPIMG_OWNER_NONE = 0, SNAPIMG_OWNER_PROCESS = 1, SNAPIMG_OWNER_THREAD = 2 };
struct snapimg_owner {
	int32_t number;
	uint32_t kind;
	uint32_t signal; /* F_SETSIG; 0: SIGIO without more */
	uint32_t drives; /* 1: O_ASYNC */
};
static_assert(sizeof(struct snapimg_owner) == 16, "owner layout");
enum { SNAPIMG_INOTIFY_MAX = 65536 };

struct snapimg_sigaction { /* what rt_sigaction(2) takes */
	uint32_t signal;
	uint32_t reserved_zero;
	uint64_t handler; /* 0: SIG_DFL, 1: SIG_IGN */
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};
static_assert(sizeof(struct snapimg_sigaction) == 40, "signal action layout");

struct snapimg_auxv {
	uint64_t type;
	uint64_t value;
};
static_assert(sizeof(struct snapimg_auxv) == 16, "auxv layout");

/* A signal that was sent and not yet delivered, in the order they are to be sent again. */
enum { SNAPIMG_SIGINFO_SIZE = 128 };
struct snapimg_pending {
	uint32_t thread; /* index + 1 in THREADS; 0: of the process, any thread may take it */
	uint32_t reserved_zero;
	uint8_t info[SNAPIMG_SIGINFO_SIZE]; /* the kernel's siginfo_t; it begins with the signal's number */
};
static_assert(sizeof(struct snapimg_pending) == 136, "pending signal layout");

/* Where the thread of the same index stands. */
enum snapimg_place_flag { SNAPIMG_PLACE_POINT = 1 /* it met the point, and runs the callbacks */ };
struct snapimg_place {
	uint32_t flags;
	uint32_t call; /* string: the system call that is made again; 0: none */
};
static_assert(sizeof(struct snapimg_place) == 8, "place layout");

/* Memory that the loader writes after all pages are in place. */
enum snapimg_fixup_kind {
	SNAPIMG_FIXUP_TID = 1,     /* u32 at address: the new thread id of thread `argument` */
	SNAPIMG_FIXUP_ENVIRON = 2, /* u64 at address: the new envp (C's environ) */
	SNAPIMG_FIXUP_RESUME =
	        3, /* `argument` bytes at address: struct snap_resume blocks of preload/contract.h */
	SNAPIMG_FIXUP_ROBUST = 4, /* u32 at address: its low 30 bits become the new id of thread `argument` */
	SNAPIMG_FIXUP_ARGV = 5,   /* u64 at address: the new argv */
	SNAPIMG_FIXUP_ARGC = 6,   /* `argument` bytes at address, 4 or 8: the new argc */
};
struct snapimg_fixup {
	uint64_t address;
	uint32_t kind;
	uint32_t argument;
};
static_assert(sizeof(struct snapimg_fixup) == 16, "fix-up layout");

/* Where the IDs of the program and its threads were found when the image was made: X(NAME, number, text). */
#define SNAPIMG_KEPT_KINDS(X)                                                                                \
	X(SEARCHED, 1, "searched")     /* nothing but that: always the first record */                       \
	X(WORD, 2, "number")           /* 4 bytes at `address` */                                            \
	X(TEXT, 3, "text")             /* its decimal digits at `address` */                                 \
	X(REGISTER, 4, "register")     /* 8 bytes at `address` in THREADS */                                 \
	X(COMMON, 5, "common number")  /* in so many places that nothing can be told */                      \
	X(EXECUTABLE, 6, "executable") /* the program asks which file it runs: "/proc/self/exe" */           \
	X(SEED, 7, "seed") /* 4 bytes at `address`, by which a random generator knows a new process */       \
	X(NAME, 8, "part of a text") /* its decimal digits in a message or a name: nothing is found by it */ \
	X(PATH, 9, "path")           /* its decimal digits after "/proc/" */                                 \
	X(TAGGED, 10, "number of a language") /* 8 bytes at `address`, in a form of id_forms.h */            \
	X(UNSURE, 11,                                                                                        \
	  "number among others") /* at `address`, and mostly something else: not to be written over */       \
	X(CLOCK, 12, "number of a clock") /* 4 bytes at `address`: of a clock that belongs to the ID */      \
	X(PARENT, 13, "parent's ID") /* `address` is the parent's ID, for a parent with the recorded ones */
enum snapimg_kept_kind {
#define X(name, number, text) SNAPIMG_KEPT_##name = (number),
	SNAPIMG_KEPT_KINDS(X)
#undef X
};
struct snapimg_kept {
	uint64_t address;
	uint32_t kind;
	uint32_t thread;    /* whose ID: an index of THREADS; the process's is its first thread's */
	uint32_t where;     /* string: the file, or the kind of memory */
	uint32_t what;      /* string: what it is known as; "": it is not known */
	uint32_t corrected; /* 1: a FIXUP makes it right, so that it is not kept any more */
	uint32_t reserved_zero;
};
static_assert(sizeof(struct snapimg_kept) == 32, "kept ID layout");

/* What the program changed of what a process or thread has from its maker: X(NAME, number, text).
 * FORMAT.md says what their values are. */
#define SNAPIMG_ATTRIBUTES(X)                                                                                \
	X(LIMIT, 1, "resource limit")                                                                        \
	X(NICE, 2, "nice value")                                                                             \
	X(SCHEDULING, 3, "scheduling policy")                                                                \
	X(AFFINITY, 4, "processor affinity")                                                                 \
	X(IO_PRIORITY, 5, "I/O priority")                                                                    \
	X(PERSONALITY, 6, "personality")                                                                     \
	X(OOM_SCORE_ADJ, 7, "oom_score_adj")                                                                 \
	X(COREDUMP_FILTER, 8, "coredump_filter")                                                             \
	X(KEEP_CAPABILITIES, 9, "keep-capabilities flag")                                                    \
	X(SECURE_BITS, 10, "secure bits")                                                                    \
	X(MEMORY_MERGE, 11, "memory-merge flag")                                                             \
	X(LOCK_FUTURE, 12, "mlockall(MCL_FUTURE)")                                                           \
	X(HUGE_PAGES, 20, "huge-page switch")                                                                \
	X(DENY_WRITE_EXECUTE, 21, "write-execute ban (PR_SET_MDWE)")                                         \
	X(THREAD_TIMER_SLACK, 22, "a thread's timer slack")                                                  \
	X(THREAD_DEATH_SIGNAL, 23, "a thread's parent-death signal")                                         \
	X(THREAD_NO_NEW_PRIVS, 24, "a thread's no-new-privileges flag")                                      \
	X(THREAD_PERSONALITY, 25, "a thread's personality")                                                  \
	X(THREAD_KEEP_CAPABILITIES, 26, "a thread's keep-capabilities flag")                                 \
	X(THREAD_SECURE_BITS, 27, "a thread's secure bits")                                                  \
	X(THREAD_TIME_STAMP, 28, "access to the time-stamp counter (PR_SET_TSC)")                            \
	X(THREAD_MEMORY_FAILURE, 29, "memory-failure policy (PR_MCE_KILL)")                                  \
	X(SLICE, 30, "time slice")                                                                           \
	X(MEMBARRIER, 31, "membarrier registration")                                                         \
	X(SESSION, 32, "session and process group")
enum snapimg_attribute_kind {
#define X(name, number, text) SNAPIMG_ATTRIBUTE_##name = (number),
	SNAPIMG_ATTRIBUTES(X)
#undef X
};
struct snapimg_attribute {
	uint32_t kind;
	uint32_t argument; /* the resource, or an index of THREADS */
	uint64_t value;
	uint64_t more;
};
static_assert(sizeof(struct snapimg_attribute) == 24, "attribute layout");

enum snapimg_timer_kind { SNAPIMG_TIMER_INTERVAL = 1, SNAPIMG_TIMER_POSIX = 2 };
/* A clock of a thread or of the process (clock_getcpuclockid(3)): SNAPIMG_CLOCK_OWN + SNAPIMG_CLOCK_THREADS *
 * its index in THREADS, with the low bits of the kernel's number (include/linux/posix-timers.h). */
enum {
	SNAPIMG_CLOCK_OWN = 16,
	SNAPIMG_CLOCK_THREADS = 8,
	SNAPIMG_CLOCK_OF_THREAD = 4,
	SNAPIMG_CLOCK_KINDS = 3, /* PROF, VIRT, SCHED */
};
/* How a POSIX timer tells: SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID (include/uapi/asm-generic/siginfo.h). */
enum snapimg_timer_notify { SNAPIMG_NOTIFY_SIGNAL = 0, SNAPIMG_NOTIFY_NONE = 1, SNAPIMG_NOTIFY_THREAD = 4 };
struct snapimg_timer {
	uint32_t kind;
	uint32_t id;    /* ITIMER_…, or the timer's id */
	uint32_t clock; /* a CLOCK_… number, or from SNAPIMG_CLOCK_OWN on one that belongs to an ID */
	uint32_t signal;
	uint32_t notify;
	uint32_t thread;    /* index of THREADS */
	uint64_t value;     /* of the signal */
	uint64_t remaining; /* nanoseconds; 0: not running */
	uint64_t interval;
};
static_assert(sizeof(struct snapimg_timer) == 48, "timer layout");

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
	uint32_t status;      /* as the state says */
	uint32_t descriptors; /* all numbers of its descriptors are below */
	uint32_t reserved_zero;
};
static_assert(sizeof(struct snapimg_member) == 64, "member layout");
enum {
	SNAPIMG_MEMBERS_MAX = 4096,
	SNAPIMG_STOP_TOLD = 0x100, /* its parent has waited for the stop */
};

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

struct snapimg_source { /* of a thawed image: which image it was */
	uint8_t digest[SNAPIMG_DIGEST_SIZE];
};
static_assert(sizeof(struct snapimg_source) == 16, "source layout");

struct snapimg_unsynced { /* of a copy that nobody has waited for to be on the disk */
	uint8_t boot_id[SNAPIMG_BOOT_ID_SIZE];
};
static_assert(sizeof(struct snapimg_unsynced) == 16, "unsynced layout");

/* The shim's table of mapped memory (struct snap_mapped of preload/contract.h): with it the program's calls
 * that show the difference between anonymous memory and a PIECE are made right. */
enum { SNAPIMG_SHIM_VERSION = 2 };
struct snapimg_shim {
	uint64_t address;
	uint32_t size;
	uint32_t version; /* SNAPIMG_SHIM_VERSION, else nothing may be mapped for it */
};
static_assert(sizeof(struct snapimg_shim) == 16, "shim layout");

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
