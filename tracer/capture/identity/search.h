/* Looks for the program's IDs in its memory, while its pages pass through the pipeline. */
#ifndef TRACER_CAPTURE_IDENTITY_SEARCH_H
#define TRACER_CAPTURE_IDENTITY_SEARCH_H

#include <pthread.h>

#include "format/facts/id_forms.h"
#include "tracer/capture/identity/content.h"
#include "tracer/capture/memory/page_reader.h"

/* A number that may be one of the program's IDs. */
struct id_found {
	uint64_t address; /* in the image */
	uint32_t thread;  /* whose ID, an index of THREADS; the process's is its first thread's */
	uint32_t kind;    /* enum snapimg_kept_kind, of those that lie in memory */
};

enum {
	IDS_FOUND_MAX = 4096, /* where there are more, the ID is too common a number to tell anything */
	IDS_SMALL_PAGES = 256 /* a program that has fewer has hardly a number in an odd place by accident */
};

struct id_search {
	const struct snapimg_thread *thread;
	size_t count;
	struct sieve sieve;
	uint64_t form[SNAPIMG_FORMS]; /* the process's, as languages write numbers */
	enum snapimg_id_form
	        untagged; /* SNAPIMG_FORM_EVEN, _EIGHTFOLD, or a form that is looked for anyway */
	uint32_t parent;  /* its ID, where the program asked for it; 0: not looked for */
	uint64_t parents_form[SNAPIMG_FORMS];
	struct id_text decimal, hexadecimal, parents; /* the process's, and its parent's decimal one */
	bool is_small;                                /* of few pages */
	pthread_mutex_t lock;                         /* over what follows */
	struct id_found *found;
	size_t found_count;
	bool has_more; /* than IDS_FOUND_MAX */
};

/* pages: about as many will be looked at. untagged: a form that is looked for in the place of Erlang's. */
enum status id_search_begin(const struct snapimg_thread *thread, size_t count, uint32_t parent,
                            enum snapimg_id_form untagged, uint64_t pages, struct id_search *ret_search)
        __attribute__((warn_unused_result));
/* One job's pages; from any thread. */
void id_search_look(struct id_search *search, const struct job_pages *pages);
/* Which thread has that ID: its index, or -1. */
int id_search_owner(const struct id_search *search, uint32_t id);
void id_search_free(struct id_search *search);

/* The search's own. */
struct id_text id_text_of(uint32_t id, bool is_hexadecimal);
void id_search_add(struct id_search *search, uint64_t address, uint32_t thread, enum snapimg_kept_kind kind);
/* search_bytes.c: what may lie anywhere: texts, and numbers that are no aligned words. */
void id_search_bytes(struct id_search *search, const uint8_t *bytes, size_t size, uint64_t address);
/* Where two digits of wide characters stand: whether they are of the process's ID. */
void id_search_wide(struct id_search *search, const uint8_t *bytes, size_t size, size_t block,
                    uint64_t address);

#endif
