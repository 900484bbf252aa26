/* Whether a number that equals an ID is one of many: in a table, a map, a list. Then it may be no ID. */
#ifndef TRACER_CAPTURE_IDENTITY_AMONG_H
#define TRACER_CAPTURE_IDENTITY_AMONG_H

#include "tracer/capture/identity/search.h"
#include "tracer/capture/memory/mappings.h"

/* `found`: in `mapping`, one of `mappings`. True where several other numbers of about that size are near it,
 * in its form: as words, as a language's numbers or as texts. */
bool number_is_among_others(const struct id_search *search, const struct id_found *found,
                            const struct mapping *mapping, const struct mappings *mappings);

/* Among the slots of a hash table, 16 bits each, the empty ones -1, as Python has them: an index beside empty
 * slots looks like a negative number, and is none. */
bool number_is_in_slots(const struct id_search *search, const struct id_found *found, uint64_t start,
                        uint64_t end);

#endif
