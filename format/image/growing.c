#include "format/image/growing.h"

#include <stdlib.h>
#include <string.h>

#include "format/facts/checksum.h"

enum { FIRST_CAPACITY = 1024, FIRST_SLOTS = 256 };

enum snapimg_error growing_append(struct growing *array, const void *bytes, size_t size)
{
	if (size == 0)
		return SNAPIMG_OK;
	if (size > array->capacity - array->size) {
		size_t capacity = array->capacity == 0 ? FIRST_CAPACITY : array->capacity;
		uint8_t *grown;

		while (capacity - array->size < size) {
			if (capacity > SIZE_MAX / 2)
				return SNAPIMG_ERR_MEMORY;
			capacity *= 2;
		}
		grown = realloc(array->bytes, capacity);
		if (grown == NULL)
			return SNAPIMG_ERR_MEMORY;
		array->bytes = grown;
		array->capacity = capacity;
	}
	memcpy(array->bytes + array->size, bytes, size);
	array->size += size;
	return SNAPIMG_OK;
}

/* The slot that holds the text, or the free one where it belongs. */
static uint32_t *find_slot(const struct intern_table *table, const struct growing *strings, const char *text)
{
	uint32_t mask = table->capacity - 1;
	uint32_t i = (uint32_t)snapimg_checksum(text, strlen(text)) & mask;

	while (table->slots[i] != 0 && strcmp((const char *)strings->bytes + table->slots[i], text) != 0)
		i = (i + 1) & mask;
	return &table->slots[i];
}

static enum snapimg_error grow_table(struct intern_table *table, const struct growing *strings)
{
	struct intern_table grown = {.capacity = table->capacity == 0 ? FIRST_SLOTS : table->capacity * 2,
	                             .used = table->used};
	uint32_t i;

	grown.slots = calloc(grown.capacity, sizeof(*grown.slots));
	if (grown.slots == NULL)
		return SNAPIMG_ERR_MEMORY;
	for (i = 0; i < table->capacity; i++)
		if (table->slots[i] != 0)
			*find_slot(&grown, strings, (const char *)strings->bytes + table->slots[i]) =
			        table->slots[i];
	free(table->slots);
	*table = grown;
	return SNAPIMG_OK;
}

enum snapimg_error intern(struct intern_table *table, struct growing *strings, const char *text,
                          uint32_t *ret_offset)
{
	size_t size = strlen(text) + 1, offset = strings->size;
	enum snapimg_error error;
	uint32_t *slot;

	if (table->used >= table->capacity / 2 && (error = grow_table(table, strings)) != SNAPIMG_OK)
		return error;
	slot = find_slot(table, strings, text);
	if (*slot == 0) {
		if (offset > UINT32_MAX || size > UINT32_MAX - offset)
			return SNAPIMG_ERR_LIMIT;
		if ((error = growing_append(strings, text, size)) != SNAPIMG_OK)
			return error;
		*slot = (uint32_t)offset;
		table->used++;
	}
	*ret_offset = *slot;
	return SNAPIMG_OK;
}
