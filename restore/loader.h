/*
 * The loader's state, and the parts of a restore. main.c calls the parts in
 * their order; each is one file of the same name.
 */
#ifndef RESTORE_LOADER_H
#define RESTORE_LOADER_H

#include <linux/prctl.h>
#include <stdbool.h>
#include <stdint.h>

#include "format/facts/command_line.h"
#include "format/image/reader.h"
#include "restore/become/capabilities.h"

/* --ids: which IDs the program has. */
enum ids { IDS_AUTO, IDS_NEW, IDS_SAME };

enum on_mismatch { MISMATCH_FAIL, MISMATCH_WARN, MISMATCH_IGNORE };

struct options {
	const char *image; /* path as given */
	char **arguments;  /* what followed IMAGE */
	uint64_t argument_count;
	bool arguments_given; /* else the recorded ones are used */
	struct override override[OVERRIDES_MAX];
	uint32_t override_count;
	bool refuse_reset; /* --tcp=refuse */
	bool fallback;
	bool record;
	char *record_for; /* a duration; NULL: to the program's end */
	char **words;     /* of the command line, from IMAGE on */
	bool is_own;      /* the image is in the loader's own file: all arguments are the program's */
	bool quiet;
	bool verbose;
	const char *cache; /* off, auto or a directory; NULL: as the environment says */
	bool cache_tried;  /* a copy was made, or could not be: none is made again */
	bool verify;
	bool inputs;          /* --inputs=check, or a launcher's */
	const char *launcher; /* --launcher: its file; NULL: none */
	const char *key;      /* --key: a file; NULL: as the environment says */
	int verified_file;    /* of a checked image: sealed memory */
	const char *verified; /* its SHA-256 in digits; NULL: nobody has checked it */
	bool check;           /* --check: nothing is started */
	bool json;            /* its answer */
	enum ids ids;         /* identity.c */
	bool exe;             /* identity.c */
	bool root_of_image;   /* root.c */
	enum on_mismatch on_mismatch;
};

/* What the kernel put on the loader's first stack. */
struct kernel_stack {
	uint64_t argc;
	char **argv;
	char **envp;
	uint64_t vdso;    /* AT_SYSINFO_EHDR, 0: none */
	const char *file; /* AT_EXECFN: the name by which the loader was executed */
};

/* What stays when the loader has gone: the code that takes it away, the register frame, and the
 * arguments and environment. */
struct resume_area {
	uint64_t start, size; /* whole pages */
	uint64_t argc;
	uint64_t envc;
	uint64_t frame;      /* offsets from start: a signal frame's ucontext for each thread, 64-aligned */
	uint64_t departures; /* code that other threads leave the loader by, after the tail
	                        (threads_x86_64.c) */
	uint64_t gone;       /* and the bytes by which they tell */
	uint64_t crew;       /* struct crew */
	uint64_t marks;      /* struct memory_marks */
	uint64_t argv, envp; /* the pointer vectors */
	uint64_t argument_strings, environment_strings, strings_end;
	uint64_t executable; /* its name, where the tail opens it (resume_tail_x86_64.S) */
	uint64_t mapped;     /* struct snap_mapped_range of each piece, then their bits; 0: no shim to tell */
};

/* What PR_SET_MM_MAP takes; the kernel wants the auxiliary vector with its AT_NULL. */
enum { AUXV_MAX = 64 };
struct memory_marks {
	struct prctl_mm_map map;
	uint64_t executable; /* the name of a file to open for it; 0: none */
	struct snapimg_auxv auxv[AUXV_MAX + 1];
	struct capability_sets capabilities; /* after what the tail has to do with more */
};

struct loader {
	struct options options;
	struct kernel_stack stack;
	struct snapimg image;
	struct resume_area area;
	uint8_t random[16];      /* fresh from the kernel: AT_RANDOM */
	bool refresh_is_useless; /* a launcher's image would be refused again, if it were made once more */
	uint32_t tid;
	uint32_t reservation;  /* flags of mmap(2) that makes the zone the program's; 0: it has none there */
	uint64_t reserved;     /* so many bytes of the zone, from its beginning on */
	bool is_copy;          /* the image is the thawed copy in the cache */
	bool maps_files;       /* EMBEDDED mappings are made of their files, which are here */
	bool image_is_piped;   /* it was read from a pipe, into memory */
	int image_descriptor;  /* open until the pages are filled */
	uint64_t image_offset; /* where the image begins in that file: not 0 in a runnable one */
	struct {               /* of a tree, in its other processes: the file of the whole */
		uint64_t offset, size;
		uint8_t digest[SNAPIMG_DIGEST_SIZE];
	} tree;
	uint32_t tree_size;   /* of a tree: its processes; 0: it is none (tree.c) */
	uint32_t tree_member; /* which of them this is; 0: the first */
};
extern struct loader loader;

void options_parse(void);    /* options.c: fills loader.options or ends */
void image_open(void);       /* image.c: maps and checks the file */
void image_close(void);      /* image.c: when no page data are to be read any more */
void inputs_check(void);     /* inputs.c: what the program had read is as it was, or it ends */
void directories_make(void); /* directories.c: those that the program had made */
void machine_check(void);    /* machine.c: the processor; vdso.c: the vdso */
void arguments_keep(void);   /* arguments.c: the resume area */
void mappings_check(void);   /* mappings.c: none is where it cannot be */
void mapping_check(const struct snapimg_mapping *mapping); /* mappings.c: this one */
/* mappings.c: how the file of a mapping is opened. */
uint32_t mapping_file_flags(const struct snapimg_mapping *mapping);
void mappings_build(void);   /* mappings.c */
int mappings_content(void);  /* mappings.c: the file with what EMBEDDED mappings have; -1: none is needed */
void mappings_settle(void);  /* mappings.c: what was filled as a file becomes private memory of it */
void mappings_protect(void); /* mappings.c: final protections and advice */
/* mappings.c: what could not be done with a mapping, and why. */
_Noreturn void mapping_die(const struct snapimg_mapping *mapping, const char *what, long result);
void rings_make(void);   /* build/rings.c: what the kernel shares, in its places */
void shared_make(void);  /* build/shared.c: what views look at */
void shared_leave(void); /* build/shared.c: when it is filled */
void shared_map_view(const struct snapimg_mapping *view);
void fill_pages(void);             /* fill.c: decodes on all processors */
void record_start(void);           /* record.c: becomes snaptrace, for --record-hot */
void hot_populate(void);           /* hot.c: what the program will use soon */
void option_fd(const char *value); /* overrides.c: takes the value of --fd */
uint64_t pieces_table_size(void);  /* pieces.c: bytes of what the shim is told; 0: nothing */
bool pieces_can_be_told(void);     /* pieces.c: else nothing anonymous may be mapped */
void pieces_tell_shim(void);       /* pieces.c: when all pages are in place */
void process_prepare(void);        /* process.c: directory, what the kernel knows of the memory */
void process_apply_fixups(void);   /* process.c: when all threads have their ids */
void process_commit(void);         /* process.c: directory, umask, signal actions */
void process_commit_flags(void);   /* process.c: what prctl(2) sets of the process */
void process_commit_thread_flags(uint32_t index); /* process.c: and of this thread */
struct snap_generators;
/* become/generators.c: fills the shim's table; NULL: there is none. */
void generators_tell_shim(struct snap_generators *table);
/* process.c: [address, address + size) lies in one writable mapping of the program's. */
bool process_can_write(uint64_t address, uint64_t size);
void attributes_check(void);  /* attributes.c: ends where limits, flags, … of the process can't be set */
void attributes_commit(void); /* attributes.c: sets them, also this thread's */
/* attributes.c: what the loader itself could not live with; no more memory can be made executable. */
void attributes_commit_last(void);
/* attributes.c: what thread `index` of THREADS, which is now tid, has for itself. */
void attributes_commit_thread(uint32_t index, uint32_t tid);
/* attributes.c: what only this thread can set, and is; but for the first one also what it would have from its
 * maker. */
void attributes_commit_own(uint32_t index);
void timers_prepare(void);   /* timers.c: makes them, when all threads are there */
void timers_commit(void);    /* timers.c: starts them; all signals must be blocked */
void resume_prepare(void);   /* resume_x86_64.c: threads, registers, all that is not the program's yet */
void resume_commit(void);    /* resume_x86_64.c: the thread's own state, callbacks */
_Noreturn void resume(void); /* resume_x86_64.c: jump */

/* image.c: the bytes of VDSO, if the start has gone without them so far. Before image_close(). */
void image_read_vdso(void);
/* image.c: by a descriptor that nobody else closes, where another process has the same descriptors. */
void image_keep_own(void);
/* image.c: that of another process, in the file that is open, in place of the one that was. */
void image_open_part(uint64_t offset, uint64_t size, const uint8_t *digest);
/* image.c: for a while that of an earlier process of the tree is the one that is open; false: there is none.
 */
bool image_borrow(uint32_t member);
void image_return(void);
/* image.c: the program's memory is mapped from the image, and its page data are not compared with their
 * checksums, for that would read them all. */
bool image_is_thawed(void);
/* image.c: false when the file ends before all was read. */
bool image_read(void *to, uint64_t size, uint64_t offset);
/* image.c: the extent's stored bytes where they have been read already, else NULL. */
const uint8_t *image_stored(const struct snapimg_extent *extent);
/* image.c: a start needs none of the files that the program had mapped or read. */
bool image_is_self_contained(void);
struct range {
	uint64_t start, end;
};
/* files.c: opens a file of the image for reading or as `flags` say and, the first time, checks that
 * it is the recorded one. Returns the descriptor, which may have O_NONBLOCK. */
int file_open(uint32_t index, uint32_t flags);
/* files.c: whether all files of EMBEDDED mappings are here, and the image tells which of its pages they have.
 */
bool files_are_here(void);
/* files.c: makes those that this process of a tree had made and that are gone. */
void files_make_own(void);
/* files.c: those of another image come. */
void files_forget(void);
/* files.c: ends as file_open() would, and leaves nothing. */
void file_check(uint32_t index, uint32_t flags);

#endif
