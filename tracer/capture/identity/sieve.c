#include "tracer/capture/identity/sieve.h"

#include <string.h>

/* What is inlined into both of two functions, for any processor and for those of the last ten years. */
#define IN_BOTH static inline __attribute__((always_inline))
#ifdef __x86_64__
#define WIDE       __attribute__((target("avx2")))
#define HAS_WIDE() (__builtin_cpu_supports("avx2") != 0)
#else
#define WIDE
#define HAS_WIDE() false
#endif

void sieve_begin(struct sieve *sieve)
{
	sieve->is_wide = HAS_WIDE();
}

/* Of languages' numbers, which have 64 bits, one half is compared, wherever it stands: the baseline of x86-64
 * compares 32 bits in one instruction, 64 in several. */
IN_BOTH bool has_words(const struct sieve *sieve, const uint32_t *word)
{
	const struct sieve own = *sieve; /* which the compiler sees that nobody changes */
	uint32_t any = 0;

	for (size_t i = 0; i < SIEVE_WORDS; i++)
		any |= (uint32_t)((word[i] - own.lowest <= own.span) |
		                  (sieve_as_clock(word[i]) - own.lowest <= own.span) |
		                  ((word[i] & INT32_MAX) == own.unsigned_half) | (word[i] == own.equal[0]) |
		                  (word[i] == own.equal[1]) | (word[i] == own.equal[2]) |
		                  (word[i] == own.equal[3]) | (word[i] == own.equal[4]) |
		                  (word[i] == own.equal[5]) | (word[i] == own.equal[6]));
	for (size_t i = 0; i < SIEVE_WORDS && own.has_parent; i++)
		any |= (uint32_t)((word[i] == own.parents[0]) | (word[i] == own.parents[1]) |
		                  (word[i] == own.parents[2]) | (word[i] == own.parents[3]) |
		                  (word[i] == own.parents[4]));
	return any != 0;
}

IN_BOTH uint8_t starts(const uint8_t *at, const uint8_t start[SIEVE_START])
{
	return (uint8_t)((at[0] == start[0]) & (at[1] == start[1]) & (at[2] == start[2]));
}

IN_BOTH bool has_bytes(const struct sieve *sieve, const uint8_t *bytes)
{
	enum { LOWER = 'a' - 'A' };
	const struct sieve own = *sieve;
	uint8_t any = 0;

	for (size_t i = 0; i < SIEVE_BYTES; i++) {
		const uint8_t *at = bytes + i;
		uint8_t is_number = (uint8_t)((at[1] == own.number[1]) &
		                              (((at[0] == own.number[0]) & (at[2] == own.number[2])) |
		                               ((at[0] == own.number[2]) & (at[2] == own.number[0]))));
		uint8_t is_hexadecimal = (uint8_t)(((at[0] | LOWER) == own.hexadecimal[0]) &
		                                   ((at[1] | LOWER) == own.hexadecimal[1]) &
		                                   ((at[2] | LOWER) == own.hexadecimal[2]));
		any = (uint8_t)(any | starts(at, own.digits) | is_number | is_hexadecimal);
	}
	for (size_t i = 0; i < SIEVE_BYTES && own.has_parent; i++)
		any = (uint8_t)(any | starts(bytes + i, own.parents_digits));
	return any != 0;
}

WIDE static bool has_words_wide(const struct sieve *sieve, const uint32_t *word)
{
	return has_words(sieve, word);
}

WIDE static bool has_bytes_wide(const struct sieve *sieve, const uint8_t *bytes)
{
	return has_bytes(sieve, bytes);
}

bool sieve_words(const struct sieve *sieve, const uint32_t word[SIEVE_WORDS])
{
	return sieve->is_wide ? has_words_wide(sieve, word) : has_words(sieve, word);
}

bool sieve_bytes(const struct sieve *sieve, const uint8_t *bytes)
{
	return sieve->is_wide ? has_bytes_wide(sieve, bytes) : has_bytes(sieve, bytes);
}
