/* The target's open descriptors as /proc and kcmp(2) show them: which are inherited, which share one open
 * description, and a copy of each to ask the kernel through. */
#ifndef TRACER_CAPTURE_FDS_SURVEY_H
#define TRACER_CAPTURE_FDS_SURVEY_H

#include <sys/stat.h>

#include "format/base/proc.h"

/* Which descriptors of another process make a difference to one of the target's. */
enum holding {
	HELD_UNNOTICED,   /* none: it has no state that one could notice */
	HELD_DESCRIPTION, /* those of the same open file description */
	HELD_FILE,        /* all that lead to the same thing, be it by another opening */
};

/* One open descriptor of the target; or one that is on its way to it through a Unix socket, which then is
 * open in this process. */
struct open_descriptor {
	pid_t pid;      /* whose it is */
	size_t process; /* that one's index; process_count: on its way */
	int number;
	char *link;
	struct text info; /* /proc/PID/fdinfo/N */
	bool known;       /* stat(2) worked */
	struct stat identity;
	uint32_t flags; /* as open(2) takes them */
	uint64_t position;
	int inherited; /* the caller's descriptor it is, or -1 */
	int duplicate; /* an earlier number of the same open description in the process, or -1 */
	bool refused;  /* a line has told */
	bool embedded; /* a file whose content goes into the image */
	int object;    /* index in OBJECTS, or -1 */
	const struct override
	        *override; /* what the caller wants it to be instead (tracer/overrides.h); NULL: what it is */
	int copy;          /* of the very description, in this process; -1: see survey_copy() */
	int first;         /* index of the first one of the same open description */
	int carrier;       /* index of the socket that it is on its way in; -1: none */
	bool waits;        /* it is a connection that the carrier, who listens, had not accepted */
	int representative;   /* index of the one that is taken for all of them: not something else by --fd */
	bool spans;           /* several processes have the description */
	enum holding holding; /* who is looked for by sharing_look_around() */
	pid_t holder;         /* and was found: another process, or 0 */
};

/* A message that waits in a Unix socket, or bytes of a stream. */
struct waiting_message {
	size_t offset, size;  /* of its bytes */
	size_t first, passed; /* the descriptors that come with it: so many of survey->open from `first` on */
};
/* What waits in a Unix socket. It is looked at only once, as the kernel shows an empty message only once. */
struct waiting_queue {
	ino_t inode;
	char *bytes;
	struct waiting_message *message;
	size_t count;
	const char *refused; /* it can't be carried: what it is called; NULL: it can */
};

struct passing;
struct surveyed {
	pid_t pid;
	struct passing *passing; /* the other way to a copy */
	bool shares;             /* it has those of another one of these, by CLONE_FILES */
};
struct survey {
	const struct surveyed *process; /* several are a tree; the first is its root */
	size_t process_count;
	struct open_descriptor *open; /* sorted by process and number */
	size_t count;
	struct open_descriptor *
	        *by_link; /* those of one link stand together, and in them those of one description */
	struct waiting_queue *queue;
	size_t queue_count;
	bool may_take; /* the program is ended after this, whatever comes */
};

struct overrides;
/* Adds one. */
enum status survey_look_at(struct survey *survey, pid_t pid, size_t process, int number)
        __attribute__((warn_unused_result));
enum status survey_read(struct survey *survey, const struct overrides *overrides)
        __attribute__((warn_unused_result));
void survey_free(struct survey *survey);
/* NULL: not open. */
struct open_descriptor *survey_find(const struct survey *survey, size_t process, int number);
static inline bool is_representative(const struct survey *survey, const struct open_descriptor *it)
{
	return &survey->open[it->representative] == it;
}
static inline bool is_on_its_way(const struct survey *survey, const struct open_descriptor *it)
{
	return it->process == survey->process_count;
}
/* All with that link: *ret_count of survey->by_link from there on. */
struct open_descriptor **survey_of_link(const struct survey *survey, const char *link, size_t *ret_count);

/* pidfd_getfd(2), Linux 5.6, or the target passes it on. The copy is closed by survey_free(). Changes through
 * it are the target's. */
enum status survey_copy(const struct survey *survey, struct open_descriptor *it)
        __attribute__((warn_unused_result));
/* The same without a line; errno tells why not. */
bool survey_try_copy(const struct survey *survey, struct open_descriptor *it);

/* fds/waiting.c: accepts what waits at listening sockets, if that may be taken, and adds it. */
enum status survey_accept(struct survey *survey) __attribute__((warn_unused_result));

/* fds/in_flight.c: looks into the Unix sockets from survey->open[first] on, and adds what is on its way in
 * them. */
enum status survey_look_into(struct survey *survey, size_t first) __attribute__((warn_unused_result));
/* What waits in the socket; NULL: nothing. */
const struct waiting_queue *survey_queue(const struct survey *survey, ino_t inode);
void survey_free_queues(struct survey *survey);

/* fds/sharing.c: sorts, and finds which of them are one open description. */
enum status sharing_sort(struct survey *survey) __attribute__((warn_unused_result));
/* Whether it is the caller's descriptor `number`, whose link is the same. */
bool sharing_is_callers(const struct open_descriptor *it, int number);
/* One look at all other processes that may be looked at: finds who holds what it->holding asks about. */
void sharing_look_around(const struct survey *survey);
/* A process beside them that has this file open, which they need not have; or 0. */
pid_t sharing_file_holder(const struct survey *survey, const char *link, const struct stat *identity);

enum status refuse_descriptor(const struct survey *survey, const struct open_descriptor *it, const char *what,
                              const char *advice) __attribute__((cold));

#endif
