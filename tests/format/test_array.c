/* Arrays grow and keep what is in them; a new item is zeroed, wherever the memory was before. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "format/base/array.h"

struct item {
	uint32_t number, zero;
};

static void test_one_by_one(void)
{
	struct {
		struct item *item;
		uint32_t count;
	} list = {0};

	for (int round = 0; round < 2; round++) {
		list.count = 0; /* the array may be filled again */
		for (uint32_t i = 0; i < 5000; i++) {
			struct item *added = array_add(list.item, list.count);

			EXPECT(added != NULL && list.count == i + 1 && added == &list.item[i]);
			EXPECT_AT(added->number == 0 && added->zero == 0, "round %d, item %u", round, i);
			*added = (struct item){i + 1, i};
		}
		for (uint32_t i = 0; i < list.count; i++)
			EXPECT_AT(list.item[i].number == i + 1, "item %u", i);
	}
	free(list.item);
}

static void test_many_at_once(void)
{
	char *bytes = NULL;
	size_t size = 0, room = 0;

	for (size_t more = 0; more < 300; more++) {
		char *grown = array_reserve(bytes, size, more, &room, 1);

		EXPECT(grown != NULL && room - size >= more);
		bytes = grown;
		memset(bytes + size, (int)(more & 0x7f), more);
		size += more;
	}
	for (size_t more = 1, at = 0; more < 300; at += more++)
		EXPECT_AT(bytes[at] == (int)(more & 0x7f), "piece %zu", more);
	/* What no memory has room for leaves all as it was. */
	EXPECT(array_reserve(bytes, size, SIZE_MAX - size, &room, 1) == NULL);
	EXPECT(array_reserve(bytes, size, SIZE_MAX, &room, 1) == NULL);
	EXPECT(array_reserve(bytes, size, SIZE_MAX / 4, &room, 16) == NULL && room >= size && bytes[1] == 2);
	free(bytes);
}

int main(void)
{
	test_one_by_one();
	test_many_at_once();
	return check_result();
}
