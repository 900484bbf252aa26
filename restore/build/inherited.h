/* What a process of a tree has as an earlier one of it, the holder: of that one's image. */
#ifndef RESTORE_BUILD_INHERITED_H
#define RESTORE_BUILD_INHERITED_H

#include <stdbool.h>

#include "format/image/reader.h"
#include "restore/loader.h"

/* Some of the mapping. Here, as few starts need the code of inherited.c. */
static inline bool inherited_has(const struct snapimg_mapping *mapping)
{
	uint32_t count = snapimg_inherited_count(&loader.image);
	if (count == 0)
		return false;
	uint32_t index = snapimg_inherited_after(&loader.image, mapping->start);
	return index < count && snapimg_get_inherited(&loader.image)[index].address < mapping->end;
}
/* What is mapped from the holder's pieces, over the mapping that was just made. */
void inherited_map(const struct snapimg_mapping *mapping);
/* Whether this is: else it is copied. */
bool inherited_is_mapped(const struct snapimg_inherited *inherited);
/* Takes all other pages, before this process's own ones are filled in. */
void inherited_take(void);

/* fill.c: goes through the image that is open, the holder's … */
void fill_from_holder(void);
/* … whether anything of an extent is asked for, and its pages. By several threads at once. */
bool inherited_wants(const struct snapimg_extent *extent);
void inherited_put(const struct snapimg_extent *extent, const uint8_t *bytes);

#endif
