/* The rules of IPC and IPCDATA: System V shared memory, semaphores and message queues. */
#include <string.h>

#include "format/image/check.h"

static bool is_stored(const struct snapimg *image, const struct snapimg_ipc *ipc)
{
	uint64_t size = image->section[SNAPIMG_SECTION_IPCDATA].size;

	return ipc->offset <= size && ipc->stored <= size - ipc->offset;
}

static bool values_are_valid(const struct snapimg *image, const struct snapimg_ipc *ipc)
{
	const uint8_t *bytes = snapimg_ipc_bytes(image, ipc);
	uint64_t i;

	if (ipc->size < 1 || ipc->size > SNAPIMG_SEMAPHORES_MAX || ipc->stored != 2 * ipc->size)
		return false;
	for (i = 0; i < ipc->size; i++)
		if ((bytes[2 * i] | bytes[2 * i + 1] << 8) > SNAPIMG_SEMAPHORE_VALUE_MAX)
			return false;
	return true;
}

/* Each with its bytes, one after the other, to the end. */
static bool messages_are_valid(const struct snapimg *image, const struct snapimg_ipc *ipc)
{
	const uint8_t *bytes = snapimg_ipc_bytes(image, ipc);
	struct snapimg_message message;
	uint64_t at, left;

	for (at = 0; at < ipc->stored; at += snapimg_align(message.size, 8)) {
		left = ipc->stored - at;
		if (left < sizeof(message))
			return false;
		memcpy(&message, bytes + at, sizeof(message));
		at += sizeof(message);
		left -= sizeof(message);
		if (message.type < 1 || message.size > SNAPIMG_MESSAGE_MAX ||
		    snapimg_align(message.size, 8) > left ||
		    !snapimg_is_zero(bytes + at + message.size,
		                     snapimg_align(message.size, 8) - message.size))
			return false;
	}
	return ipc->size <= INT64_MAX;
}

static bool kind_is_valid(const struct snapimg *image, const struct snapimg_ipc *ipc)
{
	const uint32_t all = SNAPIMG_IPC_REMOVED | SNAPIMG_IPC_LOCKED;

	switch (ipc->kind) {
	case SNAPIMG_IPC_SEGMENT:
		return (ipc->flags & ~all) == 0 && ipc->stored == 0 && ipc->size > 0 &&
		       ipc->size <= SNAPIMG_MEMORY_END - SNAPIMG_MEMORY_START &&
		       (!(ipc->flags & SNAPIMG_IPC_REMOVED) || ipc->key == 0);
	case SNAPIMG_IPC_SEMAPHORES:
		return ipc->flags == 0 && values_are_valid(image, ipc);
	case SNAPIMG_IPC_QUEUE:
		return ipc->flags == 0 && messages_are_valid(image, ipc);
	default:
		return false;
	}
}

/* Sorted by kind and id, so that none is there twice. */
static bool is_in_order(const struct snapimg_ipc *ipc, uint32_t index)
{
	return index == 0 || ipc[-1].kind < ipc->kind || (ipc[-1].kind == ipc->kind && ipc[-1].id < ipc->id);
}

enum snapimg_error snapimg_rule_ipc(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_ipc *ipc = snapimg_get_ipc(image) + index;

	if (ipc->id < 0 || (ipc->mode & ~(uint32_t)SNAPIMG_IPC_MODE) != 0 || ipc->reserved_zero != 0 ||
	    !is_in_order(ipc, index) || !is_stored(image, ipc) || !kind_is_valid(image, ipc))
		return SNAPIMG_ERR_IPC;
	return image->header->required_features & SNAPIMG_FEATURE_IPC ? SNAPIMG_OK : SNAPIMG_ERR_IPC;
}
