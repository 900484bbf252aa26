#include "format/base/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 16 };

/* Room is FIRST_ROOM, and then twice as much whenever that many are there. */
void *array_with_room(void *items, size_t count, size_t size)
{
	size_t room = 0;

	if (count == 0 && items == NULL)
		room = FIRST_ROOM;
	else if (count >= FIRST_ROOM && (count & (count - 1)) == 0)
		room = count > SIZE_MAX / 2 ? SIZE_MAX : 2 * count;
	if (room != 0)
		items = reallocarray(items, room, size);
	if (items != NULL)
		memset((char *)items + count * size, 0, size);
	return items;
}

void *array_reserve(void *items, size_t count, size_t more, size_t *room, size_t size)
{
	size_t wanted = *room < FIRST_ROOM ? FIRST_ROOM : *room;
	void *grown;

	if (items != NULL && more <= *room - count)
		return items;
	if (more > SIZE_MAX - count)
		return NULL;
	while (wanted < count + more)
		wanted = wanted > SIZE_MAX / 2 ? count + more : 2 * wanted;
	grown = reallocarray(items, wanted, size);
	if (grown != NULL)
		*room = wanted;
	return grown;
}
