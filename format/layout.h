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
#ifndef SNAPIMG_LAYOUT_H
#define SNAPIMG_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* As PNG does: the high bit, CR LF, ^Z and LF each show one kind of text-mode damage. */
#define SNAPIMG_MAGIC "\x89SNP\r\n\x1a\n"
enum { SNAPIMG_MAGIC_SIZE = 8 };

enum { SNAPIMG_MAJOR = 1, SNAPIMG_MINOR = 1 };

enum {
	SNAPIMG_PAGE_SIZE = 4096,
	SNAPIMG_HEADER_AREA = 4096,   /* the header and the zeros behind it; the digest covers it all */
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
#define SNAPIMG_TASK_SIZE_MAX (UINT64_C(1) << 47)

/* Architectures: the ELF e_machine numbers. */
enum { SNAPIMG_ARCH_X86_64 = 62 };

/* Required features: a reader that does not know a set bit refuses the image by the bit's name. */
#define SNAPIMG_FEATURES(X)                                                                                  \
	X(ZSTD, 0, "zstd")           /* has ZSTD extents */                                                  \
	X(FILE_MAPPINGS, 1, "files") /* maps files that must exist where it is restored */                   \
	X(THAWED, 5, "thawed")       /* has MAPPED extents: memory that is mapped from the image itself */
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
	X(PIECES, 31, sizeof(struct snapimg_piece), '*', "mapped pieces")                                    \
	X(HOT, 32, sizeof(struct snapimg_hot), '*', "hot pages")                                             \
	X(SOURCE, 33, sizeof(struct snapimg_source), '?', "source")                                          \
	X(SHIM, 34, sizeof(struct snapimg_shim), '?', "shim")
enum snapimg_section_type {
#define X(name, number, record, count, text) SNAPIMG_SECTION_##name = (number),
	SNAPIMG_SECTIONS(X)
#undef X
	        SNAPIMG_SECTION_LIMIT = 40,
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
	                                          In the same boot all of the above is the same too */
};
static_assert(sizeof(struct snapimg_machine) == 96, "machine layout");

enum snapimg_process_flag {
	SNAPIMG_PROCESS_RESUME_MAIN = 1,  /* as main(argc, argv, envp): the loader sets the three registers */
	SNAPIMG_PROCESS_NOT_DUMPABLE = 2, /* prctl(PR_SET_DUMPABLE, 0) */
	SNAPIMG_PROCESS_NO_NEW_PRIVS = 4, /* the program itself set it */
	SNAPIMG_PROCESS_SUBREAPER = 8,
	SNAPIMG_PROCESS_NO_THP = 16, /* prctl(PR_SET_THP_DISABLE) */
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

enum snapimg_mapping_kind {
	SNAPIMG_MAPPING_ANONYMOUS = 1,
	SNAPIMG_MAPPING_FILE = 2,
	SNAPIMG_MAPPING_STACK = 3, /* anonymous, grows down: MAP_GROWSDOWN */
	SNAPIMG_MAPPING_VVAR = 4,  /* any of the kernel's data pages before the vdso; name tells which */
	SNAPIMG_MAPPING_VDSO = 5,
};
/* Protection and sharing use Linux's numbers, which are the same on every architecture. */
enum { SNAPIMG_PROT_READ = 1, SNAPIMG_PROT_WRITE = 2, SNAPIMG_PROT_EXEC = 4 };
enum snapimg_mapping_flag { SNAPIMG_MAP_SHARED = 1, SNAPIMG_MAP_NORESERVE = 2 };

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
	X(LOCKED, 8, "lo", 0)
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
	uint32_t file;      /* index + 1 in FILES */
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
};

/* The bytes of the DATA runs among [run_first, run_first + run_count), one after the other.
 * Extents cover all runs in order, and all of DATA in order. */
struct snapimg_extent {
	uint64_t offset;   /* in the file */
	uint64_t checksum; /* XXH3-64 of the stored bytes */
	uint32_t stored_size;
	uint32_t raw_size;
	uint32_t run_first;
	uint32_t run_count;
	uint32_t kind;
	uint32_t reserved_zero;
};
static_assert(sizeof(struct snapimg_extent) == 40, "extent layout");

enum snapimg_descriptor_kind {
	SNAPIMG_DESCRIPTOR_INHERIT = 1, /* the caller's descriptor number `source` */
	SNAPIMG_DESCRIPTOR_FILE = 2,    /* open `file` with `flags`, seek to `position` */
	/* the same open file description as descriptor `source`, an earlier record that is not CLOSED */
	SNAPIMG_DESCRIPTOR_DUPLICATE = 3,
	SNAPIMG_DESCRIPTOR_CLOSED = 4, /* one of 0, 1, 2 that the program closed */
};
/* Access mode, NOCTTY, APPEND, NONBLOCK, DSYNC, ASYNC, DIRECT, LARGEFILE, DIRECTORY, NOFOLLOW, NOATIME, SYNC
 * and PATH (include/uapi/asm-generic/fcntl.h): nothing that creates, truncates, or closes on exec. */
enum { SNAPIMG_OPEN_FLAGS = 015776403 };
struct snapimg_descriptor {
	uint64_t position;
	int32_t number;
	uint32_t kind;
	uint32_t flags; /* open(2) flags, Linux x86-64 numbers, among SNAPIMG_OPEN_FLAGS */
	uint32_t close_on_exec;
	uint32_t file; /* index + 1 in FILES */
	int32_t source;
};
static_assert(sizeof(struct snapimg_descriptor) == 32, "descriptor layout");

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

/* Memory that the loader writes after all pages are in place. */
enum snapimg_fixup_kind {
	SNAPIMG_FIXUP_TID = 1,     /* u32 at address: the new thread id of thread `argument` */
	SNAPIMG_FIXUP_ENVIRON = 2, /* u64 at address: the new envp (C's environ) */
	SNAPIMG_FIXUP_RESUME =
	        3, /* `argument` bytes at address: struct snap_resume blocks of preload/contract.h */
};
struct snapimg_fixup {
	uint64_t address;
	uint32_t kind;
	uint32_t argument;
};
static_assert(sizeof(struct snapimg_fixup) == 16, "fix-up layout");

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

/* The shim's table of mapped memory (struct snap_mapped of preload/contract.h): with it the program's calls
 * that show the difference between anonymous memory and a PIECE are made right. */
enum { SNAPIMG_SHIM_VERSION = 1 };
struct snapimg_shim {
	uint64_t address;
	uint32_t size;
	uint32_t version; /* SNAPIMG_SHIM_VERSION, else nothing may be mapped for it */
};
static_assert(sizeof(struct snapimg_shim) == 16, "shim layout");

#endif
