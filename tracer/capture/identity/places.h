/* Places where an ID is known to lie, and what has to become of it in a process with another one. */
#ifndef TRACER_CAPTURE_IDENTITY_PLACES_H
#define TRACER_CAPTURE_IDENTITY_PLACES_H

#include "tracer/capture/identity/search.h"
#include "tracer/capture/process/resume_blocks.h"

/* What stands around the word; zeros where nothing is mapped. */
enum { AROUND = 128 };
struct place {
	pid_t pid;
	uint64_t address;
	uint32_t id, thread;
	uint64_t self;      /* that thread's own structure, by which pthread_self() names it */
	const char *module; /* the path of the file whose static data it is; NULL: it is not static */
	const struct mappings *mappings;
	uint8_t before[AROUND];
	uint8_t after[AROUND]; /* begins with the word itself */
};

/* Fills `before` and `after`, the rest being set, as far as they are within [start, end), the mapping. */
void place_look(struct place *place, uint64_t start, uint64_t end);

struct known {
	const char *name; /* NULL: it is not known */
	bool is_seed;     /* a generator's: SNAPIMG_KEPT_SEED, no fix-up */
};
/* A number that is surely no ID. */
bool place_is_version_of_dict(const struct place *place);
bool place_is_state_of_str(const struct place *place);
bool place_is_range_of_text(const struct place *place);
bool place_is_size_of_chunk(const struct place *place);
/* One that surely may be one, whatever stands in what is left of its eight bytes. */
bool place_is_python_int(const struct place *place);
/* An array of numbers, such as a hash table's indices, has that of the ID too. */
bool place_is_among_numbers(const struct place *place);
/* What it is; adds the fix-ups that make it right. */
enum status place_recognise(const struct place *place, struct fixups *fixups, struct known *ret_known)
        __attribute__((warn_unused_result));

#endif
