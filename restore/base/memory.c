/*
 * The four functions that the compiler and the zstd decoder call, and strings.
 * `rep movsb` copies pages as fast as anything (ERMS), but takes long to start,
 * and the decoder makes many small copies.
 */
#include "restore/base/memory.h"

enum { WORTH_A_STRING_INSTRUCTION = 512 };

/* 16 bytes at any address, of any type. */
typedef long long chunk __attribute__((vector_size(16), aligned(1), may_alias));

void *memcpy(void *restrict destination, const void *restrict source, size_t size)
{
	void *to = destination;
	if (size >= sizeof(chunk) && size < WORTH_A_STRING_INSTRUCTION) {
		uint8_t *out = destination;
		const uint8_t *in = source;
		size_t last = size - sizeof(chunk); /* the last chunk overlaps the one before */
		for (size_t at = 0; at < last; at += sizeof(chunk))
			*(chunk *)(out + at) = *(const chunk *)(in + at);
		*(chunk *)(out + last) = *(const chunk *)(in + last);
		return destination;
	}
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(size) : : "memory");
	return destination;
}

void *memmove(void *destination, const void *source, size_t size)
{
	uint8_t *to = destination;
	const uint8_t *from = source;
	if (to <= from || to >= from + size)
		return memcpy(destination, source, size);
	while (size-- > 0)
		to[size] = from[size];
	return destination;
}

void *memset(void *destination, int byte, size_t size)
{
	void *to = destination;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
	return destination;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;
	for (size_t i = 0; i < size; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

size_t strlen(const char *text)
{
	size_t length = 0;
	while (text[length] != '\0')
		length++;
	return length;
}

bool text_equal(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b)
		a++, b++;
	return *a == *b;
}

const char *text_after(const char *text, const char *prefix)
{
	while (*prefix != '\0')
		if (*text++ != *prefix++)
			return NULL;
	return text;
}
