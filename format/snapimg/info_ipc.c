/* The System V objects of an image: the part of `info` about IPC. */
#include <stdio.h>

#include "format/base/text.h"
#include "format/snapimg/info.h"

static uint64_t count_messages(const struct snapimg *image, const struct snapimg_ipc *ipc)
{
	const uint8_t *bytes = snapimg_ipc_bytes(image, ipc);
	uint64_t count = 0;

	for (uint64_t at = 0; at < ipc->stored; count++) {
		const struct snapimg_message *message = (const void *)(bytes + at);
		at += sizeof(*message) + snapimg_align(message->size, 8);
	}
	return count;
}

static void print_ipc(const struct snapimg *image, const struct snapimg_ipc *ipc)
{
	char size[TEXT_SIZE_MAX];

	printf("            %s, id %d", snapimg_ipc_name(ipc->kind), ipc->id);
	if (ipc->key)
		printf(", key 0x%08x", (unsigned int)ipc->key);
	printf(", mode %04o: ", ipc->mode);
	if (ipc->kind == SNAPIMG_IPC_SEGMENT)
		printf("%s%s%s\n", text_size(size, ipc->size),
		       ipc->flags & SNAPIMG_IPC_REMOVED ? ", removed" : "",
		       ipc->flags & SNAPIMG_IPC_LOCKED ? ", locked" : "");
	else if (ipc->kind == SNAPIMG_IPC_SEMAPHORES)
		printf("%llu\n", (unsigned long long)ipc->size);
	else
		printf("%llu waiting\n", (unsigned long long)count_messages(image, ipc));
}

void info_print_ipc(const struct snapimg *image)
{
	if (snapimg_ipc_count(image) > 0)
		puts("\nSystem V objects, in an IPC namespace of each start's own:");
	for (uint32_t i = 0; i < snapimg_ipc_count(image); i++)
		print_ipc(image, snapimg_get_ipc(image) + i);
}

void info_put_ipc(struct json *json, const struct snapimg *image)
{
	const struct snapimg_ipc *ipc = snapimg_get_ipc(image);

	if (snapimg_ipc_count(image) == 0)
		return;
	json_open(json, "system_v", '[');
	for (uint32_t i = 0; i < snapimg_ipc_count(image); i++) {
		json_open(json, NULL, '{');
		json_string(json, "kind", snapimg_ipc_name(ipc[i].kind));
		json_signed(json, "id", ipc[i].id);
		json_signed(json, "key", ipc[i].key);
		json_number(json, "mode", ipc[i].mode);
		json_number(json, "size", ipc[i].size);
		if (ipc[i].kind == SNAPIMG_IPC_QUEUE)
			json_number(json, "messages", count_messages(image, &ipc[i]));
		json_close(json, '}');
	}
	json_close(json, ']');
}
