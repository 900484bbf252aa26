/*
 * Pages that earlier runs were seen to use soon are made now, in batches: the
 * kernel makes one so in a tenth of the time that a fault of the program's
 * takes. What cannot be populated comes by fault, as everything else does.
 */
#include <linux/mman.h>

#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

void hot_populate(void)
{
	const struct snapimg_hot *hot = snapimg_get_hot(&loader.image);
	for (uint32_t i = 0; i < snapimg_hot_count(&loader.image); i++)
		sys(__NR_madvise, hot[i].address, (uint64_t)hot[i].pages * SNAPIMG_PAGE_SIZE,
		    hot[i].kind == SNAPIMG_HOT_WRITTEN ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}
