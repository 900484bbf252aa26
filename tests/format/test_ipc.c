/* The rules of System V objects. */
#include <string.h>

#include "../check.h"
#include "format/image/check.h"

/* Two values; a message of 3 bytes and one of none; a value that is too large; a message without its bytes.
 */
static const struct {
	uint16_t values[4];
	struct snapimg_message first;
	char text[8];
	struct snapimg_message second;
	uint16_t large[4];
	struct snapimg_message cut;
} bytes = {{1, 32767, 0, 0}, {5, 3}, "abc", {1, 0}, {32768, 0, 0, 0}, {1, 8}};
enum { QUEUE = 8, QUEUE_SIZE = 40, LARGE = 48, CUT = 56 };

static enum snapimg_error apply(struct snapimg_ipc ipc, uint64_t features)
{
	const struct snapimg_ipc both[] = {
	        {.kind = SNAPIMG_IPC_SEGMENT, .id = 7, .size = 1, .mode = 0600},
	        ipc,
	};
	const struct snapimg_header header = {.required_features = features};
	struct snapimg image = {.header = &header};

	image.section[SNAPIMG_SECTION_IPC] = (struct snapimg_view){both, sizeof(both), 2};
	image.section[SNAPIMG_SECTION_IPCDATA] = (struct snapimg_view){&bytes, sizeof(bytes), sizeof(bytes)};
	return snapimg_rule_ipc(&image, 1);
}

#define SEGMENT    .kind = SNAPIMG_IPC_SEGMENT, .id = 8, .size = 1
#define SEMAPHORES .kind = SNAPIMG_IPC_SEMAPHORES, .size = 2, .stored = 4
#define MESSAGES   .kind = SNAPIMG_IPC_QUEUE, .offset = QUEUE, .stored = QUEUE_SIZE, .size = 16384

int main(void)
{
	const struct snapimg_ipc right[] = {
	        {SEGMENT, .flags = SNAPIMG_IPC_REMOVED | SNAPIMG_IPC_LOCKED},
	        {SEGMENT, .key = -1, .mode = 0777, .flags = SNAPIMG_IPC_LOCKED},
	        {SEMAPHORES},
	        {MESSAGES},
	        {.kind = SNAPIMG_IPC_QUEUE, .id = INT32_MAX},
	};
	const struct snapimg_ipc wrong[] = {
	        {.kind = 0},
	        {.kind = 4},
	        {.kind = SNAPIMG_IPC_SEGMENT, .id = 7, .size = 1},
	        {.kind = SNAPIMG_IPC_SEGMENT, .id = -1, .size = 1},
	        {SEGMENT, .mode = 01000},
	        {SEGMENT, .flags = 4},
	        {SEGMENT, .flags = SNAPIMG_IPC_REMOVED, .key = 1},
	        {SEGMENT, .reserved_zero = 1},
	        {SEGMENT, .stored = 1},
	        {.kind = SNAPIMG_IPC_SEGMENT, .id = 8},
	        {.kind = SNAPIMG_IPC_SEGMENT, .id = 8, .size = UINT64_C(1) << 47},
	        {.kind = SNAPIMG_IPC_SEMAPHORES},
	        {.kind = SNAPIMG_IPC_SEMAPHORES, .size = 3, .stored = 4},
	        {.kind = SNAPIMG_IPC_SEMAPHORES, .size = 65537, .stored = 131074},
	        {SEMAPHORES, .flags = SNAPIMG_IPC_LOCKED},
	        {SEMAPHORES, .offset = LARGE},
	        {SEMAPHORES, .offset = sizeof(bytes) - 2},
	        {.kind = SNAPIMG_IPC_QUEUE, .offset = QUEUE, .stored = QUEUE_SIZE - 8},
	        {.kind = SNAPIMG_IPC_QUEUE, .offset = QUEUE, .stored = QUEUE_SIZE + 8},
	        {.kind = SNAPIMG_IPC_QUEUE, .offset = 0, .stored = QUEUE_SIZE},
	        {.kind = SNAPIMG_IPC_QUEUE, .offset = CUT, .stored = 16},
	        {.kind = SNAPIMG_IPC_QUEUE, .offset = UINT64_MAX, .stored = 1},
	        {.kind = SNAPIMG_IPC_QUEUE, .size = UINT64_MAX},
	};

	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
		EXPECT(apply(right[i], SNAPIMG_FEATURE_IPC) == SNAPIMG_OK);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		EXPECT(apply(wrong[i], SNAPIMG_FEATURE_IPC) == SNAPIMG_ERR_IPC);
	EXPECT(apply((struct snapimg_ipc){SEMAPHORES}, 0) == SNAPIMG_ERR_IPC);
	return check_result();
}
