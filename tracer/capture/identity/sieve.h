/* Whether a block of memory may hold what is looked for: nearly all hold nothing, and are passed over without
 * a branch. */
#ifndef TRACER_CAPTURE_IDENTITY_SIEVE_H
#define TRACER_CAPTURE_IDENTITY_SIEVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SIEVE_WORDS = 64, /* compared without a branch, for the compiler to do several in one instruction */
	SIEVE_BYTES = SIEVE_WORDS * sizeof(uint32_t),
	SIEVE_START = 3, /* bytes of each pattern that are compared */
	SIEVE_EQUALS = 7,
	SIEVE_PARENTS = 5,
};

/* Numbers that lie at multiples of 4, and bytes that lie anywhere. */
struct sieve {
	uint32_t lowest, span;        /* IDs are in [lowest, lowest + span] */
	uint32_t equal[SIEVE_EQUALS]; /* other words that are looked for; what isn't needed repeats another */
	uint32_t unsigned_half;       /* a word that is looked for whatever its highest bit says */
	uint32_t parents[SIEVE_PARENTS]; /* as `equal`, where has_parent */
	bool has_parent;
	uint8_t digits[SIEVE_START];         /* decimal */
	uint8_t parents_digits[SIEVE_START]; /* where has_parent */
	uint8_t hexadecimal[SIEVE_START];    /* in lower case, and found in both */
	uint8_t number[SIEVE_START];         /* from the lowest byte, and found from the highest too */
	bool is_wide;                        /* the processor compares 32 bytes at once */
};

/* The number of a clock that belongs to an ID: ~ID << 3, and 6 for a thread's, 2 for the process's (glibc's
 * and musl's pthread_getcpuclockid and clock_getcpuclockid). As ~(word >> 3) is the ID, all candidates are in
 * one range. */
enum { CLOCK_BITS = 3, CLOCK_OF_THREAD = 6, CLOCK_OF_PROCESS = 2 };
static inline uint32_t sieve_as_clock(uint32_t word)
{
	return (uint32_t) ~((int32_t)word >> CLOCK_BITS);
}

/* When the rest is filled in. */
void sieve_begin(struct sieve *sieve);
bool sieve_words(const struct sieve *sieve, const uint32_t word[SIEVE_WORDS]);
/* SIEVE_START - 1 bytes more are there. */
bool sieve_bytes(const struct sieve *sieve, const uint8_t *bytes);

#endif
