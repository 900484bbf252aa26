#include "tracer/capture/rings.h"

static enum status settle(struct capture *capture, struct mapping *mapping)
{
	const struct object_ring *ring;

	if (is_aio_ring(mapping->vma))
		return aio_take(capture, mapping);
	if ((ring = objects_find_ring(&capture->descriptors.objects, (ino_t)mapping->vma->inode))) {
		mapping->record.file = ring->object;
		return ring->object ? STATUS_OK : STATUS_REFUSED;
	}
	return refuse_mapping(capture->request->pid, mapping->vma,
	                      "an io_uring that no descriptor of the process leads to",
	                      "keep it open up to the point");
}

enum status rings_settle(struct captures *captures)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < captures->count; i++) {
		struct mappings *mappings = &captures->capture[i]->mappings;
		for (size_t k = 0; k < mappings->count && status == STATUS_OK; k++)
			if (mappings->mapping[k].record.kind == SNAPIMG_MAPPING_RING)
				status = pass_refusal(settle(captures->capture[i], &mappings->mapping[k]));
	}
	return status;
}
