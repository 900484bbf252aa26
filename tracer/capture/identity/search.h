/* Looks for the program's IDs in its memory, while its pages pass through the pipeline. */
#ifndef TRACER_CAPTURE_IDENTITY_SEARCH_H
#define TRACER_CAPTURE_IDENTITY_SEARCH_H

#include <pthread.h>

#include "format/facts/id_forms.h"
#include "tracer/capture/memory/page_reader.h"

/* A number that may be one of the program's IDs. */
struct id_found {
	uint64_t address; /* in the image */
	uint32_t thread;  /* whose ID, an index of THREADS; the process's is its first thread's */
	uint32_t kind;    /* SNAPIMG_KEPT_WORD, _PARENT_WORD, _TEXT or _NAME */
};

enum { IDS_FOUND_MAX = 4096 }; /* where there are more, the ID is too common a number to tell anything */

struct id_search {
	const struct snapimg_thread *thread;
	size_t count;
	uint32_t lowest, span;        /* all IDs are in [lowest, lowest + span] */
	uint64_t form[SNAPIMG_FORMS]; /* the process's, as languages write numbers */
	uint32_t parent;              /* its ID, where the program asked for it; 0: not looked for */
	char text[12];                /* the process's, in decimal */
	size_t length;
	pthread_mutex_t lock; /* over what follows */
	struct id_found *found;
	size_t found_count;
	bool has_more; /* than IDS_FOUND_MAX */
};

enum status id_search_begin(const struct snapimg_thread *thread, size_t count, uint32_t parent,
                            struct id_search *ret_search) __attribute__((warn_unused_result));
/* One job's pages; from any thread. */
void id_search_look(struct id_search *search, const struct job_pages *pages);
/* Which thread has that ID: its index, or -1. */
int id_search_owner(const struct id_search *search, uint32_t id);
void id_search_free(struct id_search *search);

#endif
