/*
 * The protocol between the shim (or a program that includes snap.h), the
 * tracer and the loader. All three include this header and check its version.
 *
 * 1. Markers. A program reaches a point of its own by prctl(2) with the marker
 *    as option: the kernel answers EINVAL to an option it does not know, so a
 *    marker is harmless where nobody traces; the tracer sees it through its
 *    seccomp filter before it is made. At `main` no filter is wanted, so the
 *    shim, which only exists where the tracer put it, executes int3 instead.
 *
 * 2. Resume blocks. Every translation unit that includes snap.h, and the shim,
 *    has one struct snap_resume in the ELF section "snap_resume". The tracer
 *    finds them through the section headers of the mapped files and names them
 *    in the image; the loader fills them before the program runs on.
 *
 * 3. The shim's orders: the tracer puts SNAP_SHIM_VARIABLE and LD_PRELOAD into
 *    the environment of a new program at its exec stop; the shim takes both out
 *    again before anything of the program runs.
 *
 * 4. Mapped memory. In a program that was started from a thawed image, memory
 *    that was anonymous is mapped from the image file, and the kernel treats it
 *    as such when it is given back or moved. The shim makes these calls right
 *    (mapped.c), by a table in its ELF section "snap_mapped": the tracer names
 *    it in the image, where the C library is one that does so by functions that
 *    can be replaced; the loader fills it.
 *
 * 5. Random numbers. A library with a generator of its own seeds it again in a
 *    child, which it knows by its process ID or by a handler of fork(3). The
 *    shim lets it believe that a start is one (random.c): the first `reserved`
 *    word of its resume block names a struct snap_generators, which the loader
 *    fills with where such libraries lie.
 */
#ifndef SNAP_CONTRACT_H
#define SNAP_CONTRACT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum { SNAP_CONTRACT_VERSION = 1 };

/* prctl(SNAP_MARKER, request, SNAP_CONTRACT_VERSION, 0, 0) */
enum { SNAP_MARKER = 0x50414e53 }; /* "SNAP" */
enum snap_request {
	SNAP_REQUEST_HERE = 1, /* freeze here; returns SNAP_RESUMED in the restored program */
};
enum { SNAP_RESUMED = 1 };

/* At the shim's int3 in place of main, or before the executable's constructors: rax = SNAP_MAIN_MAGIC, r11 =
 * SNAP_CONTRACT_VERSION, r10 = address of `environ`; rdi, rsi, rdx = main's argc, argv, envp, which the
 * loader replaces. */
#define SNAP_MAIN_MAGIC 0x6e69616d50414e53ull /* "SNAPmain" */

#define SNAP_RESUME_SECTION "snap_resume"

struct snap_callback {
	void (*function)(void *argument);
	void *argument;
	struct snap_callback *next;
};

struct snap_resume {
	uint32_t version;  /* SNAP_CONTRACT_VERSION; the tracer refuses another */
	uint32_t restored; /* how many restores this process has been through: 0 before the first */
	int64_t argc;      /* of the restored program; 0 before */
	char **argv;
	char **envp;
	struct snap_callback *callbacks;    /* called newest first by the loader, on the program's stack,
	                                       with all signals blocked, as its last act */
	struct snap_generators *generators; /* the shim's; NULL in other blocks */
	uint64_t reserved;
};
static_assert(sizeof(struct snap_resume) == 56, "resume block layout");

#define SNAP_MAPPED_SECTION "snap_mapped"
/* 2: the shim sees realloc, syscall, process_madvise and ioctl too. The loader fills tables of version 1,
 * too. */
enum { SNAP_MAPPED_VERSION = 2, SNAP_MAPPED_SIZE_1 = 32 };

enum { SNAP_MAPPED_SOME = 1, SNAP_MAPPED_UNKNOWN = 1 }; /* `advised`; a range's advice */

/* Private memory of the image file. */
struct snap_mapped_range {
	uint64_t start, end;
	uint64_t offset;     /* in the image */
	uint64_t first_page; /* how many pages all ranges before have */
};

struct snap_mapped {
	uint32_t version; /* SNAP_MAPPED_VERSION */
	uint32_t count;   /* of ranges; 0 in a program that was not started from a thawed image */
	const struct snap_mapped_range *range; /* sorted by address */
	uint64_t *
	        settled; /* a bit for each page of the ranges, set once it is mapped from the image no more */
	const void *glibc; /* NULL: another C library */
	uint64_t advised;  /* advice that anonymous memory must have, too. 0: no range has any; 1: some have;
	                      else the address of a uint32_t for each range, with a bit for each number of
	                      madvise(2); SNAP_MAPPED_UNKNOWN of one that isn't told */
};
static_assert(sizeof(struct snap_mapped) == SNAP_MAPPED_SIZE_1 + 8, "table of mapped memory");

/* Code of libraries that have a generator of random numbers: of which kind, and where. */
enum snap_generator_kind {
	SNAP_GENERATOR_ID = 1,   /* compares process IDs */
	SNAP_GENERATOR_FORK = 2, /* has a handler of fork(3), which does nothing but count */
	/* These must be called; `start` is where the file's first byte is mapped: */
	SNAP_GENERATOR_NSS = 3,
	SNAP_GENERATOR_SQLITE = 4, /* older shims pass over it */
};
struct snap_generator {
	uint64_t start, end;
	uint64_t kind;
};
enum { SNAP_GENERATORS_MAX = 7 };
struct snap_generators {
	uint64_t count;
	struct snap_generator generator[SNAP_GENERATORS_MAX];
};
static_assert(sizeof(struct snap_generators) == 8 + 24 * SNAP_GENERATORS_MAX, "table of generators");

/* "SNAP_SHIM=<version>:<flags>:<hex address of the string that LD_PRELOAD was, or 0>" is the last variable,
 * after an added "LD_PRELOAD=<shim>[:<what it was>]". Where LD_PRELOAD was given already, its first place
 * points to that too: of several, glibc takes the last one, musl the first. */
#define SNAP_SHIM_VARIABLE   "SNAP_SHIM"
/* What node.cjs asks getenv(3) of the shim for: how many starts there were. It stands in no environment. */
#define SNAP_STARTS_VARIABLE "SNAP_SHIM_STARTS"
/* The same as a link that only readlink(3) of the shim can read, for node's workers, whose environment is a
 * copy. */
#define SNAP_STARTS_LINK     "/snap/starts"
enum {
	SNAP_SHIM_MARK_MAIN = 1,
	SNAP_SHIM_MARK_CONSTRUCTORS = 4, /* with it: before those of the executable, where glibc runs them */
	SNAP_SHIM_REFUSE_BRK = 2, /* until the first restore; not where the program itself is to go on */
	SNAP_SHIM_LOAD_UNWINDER =
	        8, /* what glibc loads when a thread is cancelled: later it may be nowhere */
};

#endif
