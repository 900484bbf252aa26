/* What the caller asked for. */
#ifndef TRACER_OPTIONS_H
#define TRACER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "format/base/compressor.h"
#include "format/base/message.h"
#include "tracer/capture/snapshot.h"
#include "tracer/overrides.h"

enum { POINTS_MAX = 32, TRAINS_MAX = 32 };

struct options {
	const char *output;                 /* as given; NULL: PROG's base name and ".snap" */
	const char *points[POINTS_MAX + 1]; /* --at, several times; or else SNAP_AT, or else "main"; of
	                                       --log-exec alone none */
	unsigned long skip;                 /* --skip: how many points met are passed over */
	double timeout;                     /* --timeout: seconds, 0: none */
	const char *log_file;               /* NULL: stderr */
	const char *trains[TRAINS_MAX];     /* --train: arguments as one text each */
	const char *in;                     /* --in: base name of the executable; NULL: any */
	const char *launcher;               /* --launcher: the file to make */
	const char *refresh, *remove;       /* a launcher or its image */
	char *const *words;                 /* the whole command line */
	const char *warm;                   /* --warm: a language, or "auto"; NULL: not given */
	struct overrides overrides;         /* --fd, --tcp */
	struct carry carry;                 /* --carry */
	struct embeds embeds;               /* --embed */
	char **program;                     /* PROG, its arguments, NULL; of -p only NULL */
	unsigned point_count;
	unsigned asked; /* of them, how many the caller gave: --check adds others */
	int attach;     /* -p: process id, 0: PROG is started */
	unsigned train_count;
	enum verbosity verbosity;
	int level; /* 0: not given */
	enum codec codec;
	uint32_t cpu_level; /* --cpu: enum snapimg_level */
	bool continues;     /* --continue */
	bool others_go_on;  /* --others=continue, or --continue */
	bool whole;         /* --whole */
	bool root_only;     /* --tree=root */
	bool log;           /* --log-exec */
	bool json;
	bool check; /* --check: nothing is written */
	bool no_cache;
	bool record_hot; /* --record-hot: PROG is an image */
	bool compress;   /* not --compress=none */
	bool compress_given;
	bool self_contained;
	bool portable; /* --portable: self_contained, and cpu_level unless that was given */
	bool reproducible;
	bool runnable; /* --runnable */
	bool lists;
	bool if_needed; /* of --refresh: nothing is made where the image is right */
	bool cpu_given;
	bool warm_exits_fully;
	bool warm_loads_nothing;
	bool io_uring;
	bool drop_seccomp;
	bool done; /* --help or --version was answered: nothing to run */
};

/* Reads the command line and SNAP_AT into *ret_options, which borrows their strings. Prints a line and
 * returns STATUS_FAILED for a command line it can't take. Answers --help and --version itself. */
enum status options_read(int argc, char **argv, struct options *ret_options)
        __attribute__((warn_unused_result));

/* Frees what options_read made, whatever it returned. */
void options_free(struct options *options);

/* The last part of a path; the whole string if it has no slash. */
const char *base_name(const char *path);

#endif
