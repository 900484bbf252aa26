/*
 * Arrays that grow. An array is a pointer, NULL at first, and a count, wherever
 * its owner has them; free() gives it back.
 *
 *     struct timer *timer = array_add(timers->record, timers->count);
 *
 *     if (!timer)
 *             return fail(STATUS_FAILED, "out of memory");
 *     *timer = (struct timer){…};
 */
#ifndef FORMAT_BASE_ARRAY_H
#define FORMAT_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* The new last item, zeroed, of an array that nothing else has enlarged; `items` and `count` are changed.
 * NULL when out of memory, and all is as before. */
#define array_add(items, count)                                                                              \
	({                                                                                                   \
		__typeof__(items) array_grown_ = array_with_room((items), (count), sizeof(*(items)));        \
		if (array_grown_ != NULL) {                                                                  \
			(items) = array_grown_;                                                              \
			array_grown_ += (count)++;                                                           \
		}                                                                                            \
		array_grown_;                                                                                \
	})

/* What array_add() is made of: the items, moved perhaps, with a zeroed one after them. How much room there
 * is follows from the count. */
void *array_with_room(void *items, size_t count, size_t size) __attribute__((warn_unused_result));

/* For many items at once, such as bytes: the same array with room for `more` of them after `count`, where it
 * had room for *room. NULL when out of memory, and all is as before. */
void *array_reserve(void *items, size_t count, size_t more, size_t *room, size_t size)
        __attribute__((warn_unused_result));

#endif
