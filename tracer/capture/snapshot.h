/*
 * Takes the snapshot: a stopped process becomes an image file. The run to the
 * point (launch, loop, points) is on the other side of this header.
 */
#ifndef TRACER_CAPTURE_SNAPSHOT_H
#define TRACER_CAPTURE_SNAPSHOT_H

#include <stdint.h>
#include <sys/types.h>

#include "format/base/compressor.h"
#include "format/base/message.h"
#include "format/image/layout.h"
#include "tracer/ptrace/noted.h"
#include "tracer/ptrace/remote.h"

/* Which files go into the image with their content, so that a start that doesn't find them makes them again.
 */
enum { CARRY_MAX = 64 };
struct carry {
	bool none;             /* not those that the program made itself */
	char *file[CARRY_MAX]; /* others, by their absolute paths */
	size_t count;
};

/* Files and directories that go into the image for the program to open later: absolute paths. */
enum { EMBEDS_MAX = 64 };
struct embeds {
	char *path[EMBEDS_MAX];
	size_t count;
};

struct snapshot_output {
	const char *path; /* the image; replaced in one step when the new one is complete */
	bool runnable;    /* the loader stands before it */
	bool compress;    /* by settings.codec, else raw extents */
	bool may_be_raw;  /* compress was nobody's wish: very few pages are stored raw */
	/* Level 0: the capture chooses by the size. The rest is the capture's to choose, 0. */
	struct compressor_settings settings;
	bool progress; /* a progress bar is wanted if the dump lasts (stderr is a terminal, no -q) */
};

/* A record of INPUTS; its `name` is set when it's written. */
struct snapshot_input {
	struct snapimg_input record;
	char *name;
};

struct snapshot_request {
	bool is_look; /* nothing is written: only what would be refused or told is, and the result's numbers
	               */
	bool ends;    /* the program is ended after this, also if it is refused */
	pid_t pid;    /* the process; all its threads are stopped (stop_threads.h) */
	const struct stopped_threads *threads;
	struct remote_gate gate;
	const char *point;     /* as given: for ORIGIN */
	const char *trigger;   /* what was met, in words */
	bool resume_main;      /* SNAPIMG_PROCESS_RESUME_MAIN */
	uint64_t environ_cell; /* address of C's environ, or 0 */
	uint64_t guard_start,
	        guard_end; /* the page that keeps brk from growing: not part of the image; 0, 0: none */
	const char *shim;  /* the shim's file, which the image must not need; NULL: none */
	const struct noted *noted; /* of its calls: ptrace/noted.h */
	bool noted_all;            /* since its very begin; else some may have been missed */
	bool no_new_privs_is_ours; /* the filter needed it: the kernel can't tell who set it */
	uint32_t seccomp_filters;  /* how many of the process's filters are the tracer's own */
	bool self_contained;       /* mapped files and those open for reading go into the image */
	bool drop_seccomp;         /* the program's own filters may be left out */
	uint32_t cpu_level;        /* enum snapimg_level: what the program was shown */
	uint32_t fixed_arguments;  /* arguments that new ones don't replace; 0: as it was started */
	char *const
	        *words; /* the command line, where the program may have written another over it; or NULL */
	const struct overrides *overrides; /* tracer/overrides.h */
	const struct carry *carry;
	const struct embeds *embeds;
	const struct snapshot_input *input; /* what the program has read; NULL: nobody noted it */
	size_t input_count;
	bool in_tree;            /* its parent or children are in the image, too */
	bool is_root;            /* and it is the first of them */
	bool shares_descriptors; /* its parent's are its own (CLONE_FILES) */
	struct snapshot_output output;
};

/* Several processes in one image: a request for each that lives, in the order of `member`, which has zombies
 * besides. count 0: one process alone. */
struct snapshot_tree {
	struct snapimg_member *member;
	size_t count;
};

struct snapshot_result { /* for the summary line */
	uint64_t image_size;
	uint64_t stored_pages, zero_pages, file_pages; /* file_pages: present, but left to their files */
	uint32_t threads, processes;
	double seconds;
	uint8_t digest[16];
};

/* Before the program starts: remembers what the tracer inherited (descriptors, signal dispositions,
 * credentials, namespaces), by which the target's own changes are known later. */
enum status snapshot_remember_caller(void) __attribute__((warn_unused_result));

/* Checks that the output can be made (directory exists, is writable, is not a directory itself)
 * before the program is run for nothing. */
enum status snapshot_check_output(const char *path) __attribute__((warn_unused_result));

/* Whether this file, or all that is in this directory, can be in an image. */
enum status snapshot_check_embed(const char *path) __attribute__((warn_unused_result));

/* Refuses (by name, in one line) or writes the image. The processes are still stopped afterwards. */
enum status snapshot_take(const struct snapshot_request *request, size_t count,
                          const struct snapshot_tree *tree, struct snapshot_result *ret_result)
        __attribute__((warn_unused_result));

/* Async-signal-safe, for a handler that ends snaptrace: a dump under way leaves nothing behind. (Where the
 * filesystem has nameless files nothing is there anyway.) */
void snapshot_abandon(void);

#endif
