/* Numbers that are near an ID and are none. Where the memory has several of them, the program works with such
 * numbers, and one that equals the ID may be no ID either. */
#ifndef TRACER_CAPTURE_IDENTITY_NEAR_H
#define TRACER_CAPTURE_IDENTITY_NEAR_H

#include <stdbool.h>
#include <stdint.h>

enum {
	NEAR_STEP =
	        8, /* as a chosen ID is one of eight, which are rarer in memory than the numbers between */
	NEAR_STEPS = 32,
	NEAR = NEAR_STEP * NEAR_STEPS, /* how far from an ID they are looked for */
};

/* A bit for each number that was seen. From any thread. */
typedef uint64_t near_numbers;

/* `distance`: from the ID; 0 and those between the steps don't count. */
void near_note(near_numbers *near, int64_t distance);
bool near_is_common(near_numbers near);

#endif
