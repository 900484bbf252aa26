/*
 * io_urings. fdinfo tells the counts, registered files and buffers, and polls that are armed (since
 * Linux 5.16 all of them); how it was made, and what else was registered, only the calls (tracer/rings.h).
 * Whether a request is under way only a request of one's own can tell, so the program must be ended after the
 * dump.
 */
#include "tracer/capture/fds/uring.h"

#include <stdio.h>
#include <string.h>

#include "format/facts/uring_layout.h"
#include "tracer/capture/fds/kinds.h"
#include "tracer/rings.h"

/* What can be made again: io_uring_setup(2). */
enum {
	FLAGS_OF_MAKING = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
	FLAGS_CARRIED = FLAGS_OF_MAKING | IORING_SETUP_IOPOLL | URING_SUBMIT_ALL | URING_COOP_TASKRUN |
	                URING_TASKRUN_FLAG | URING_SQE128 | URING_CQE32 | URING_NO_SQARRAY,
};

/* Opcodes of io_uring_register(2) that leave nothing behind, or what fdinfo shows: buffers and files
 * (register, unregister, update, each in two forms), a probe, a personality, a cancellation. */
#define BIT(opcode) (UINT64_C(1) << (opcode))
#define REGISTERED_SHOWN                                                                                     \
	(BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(13) | BIT(14) |        \
	 BIT(15) | BIT(16) | BIT(24))

static enum status refuse_uring(const struct taking *taking, const struct open_descriptor *it,
                                const char *what, const char *advice)
{
	return refuse_descriptor(taking->survey, it, what, advice);
}

/* Whether lines follow that heading in fdinfo. */
static bool lists(const struct open_descriptor *it, const char *heading)
{
	const char *at = strstr(it->info.bytes, heading);

	return at && (at = strchr(at, '\n')) && (at[1] == ' ' || at[1] == '\t');
}

/* What the look at it can tell. */
static enum status refuse_shown(const struct taking *taking, const struct open_descriptor *it)
{
	const struct {
		bool is_there;
		const char *what, *advice;
	} row[] = {
	        {proc_number(&it->info, "UserFiles", 10) != 0, "an io_uring with registered files",
	         "choose a point before they are"},
	        {proc_number(&it->info, "UserBufs", 10) != 0, "an io_uring with registered buffers",
	         "choose a point before they are"},
	        {lists(it, "Personalities:"), "an io_uring with registered personalities",
	         "choose a point before they are"},
	        {lists(it, "PollList:"), "an io_uring with requests under way",
	         "choose a point where all are done"},
	        {lists(it, "CqOverflowList:"), "an io_uring whose completions had no room",
	         "choose a point where they are read"},
	        {it->spans, "an io_uring that several processes of the tree have", "make it after fork(2)"},
	        {!*proc_value(&it->info, "CachedCqTail"),
	         "an io_uring on a kernel that doesn't show it (5.16)", "make it after the point"},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		if (row[i].is_there)
			return refuse_uring(taking, it, row[i].what, row[i].advice);
	return STATUS_OK;
}

/* What only the calls told. */
static enum status refuse_noted(const struct taking *taking, const struct open_descriptor *it,
                                const struct ring_note *note)
{
	if (!note)
		return refuse_uring(taking, it, "an io_uring whose making was not seen",
		                    "run the program by snaptrace from its start");
	if (note->params.flags & IORING_SETUP_SQPOLL)
		return refuse_uring(taking, it, "an io_uring with a thread of the kernel's (SQPOLL)",
		                    "make it after the point (libuv and Node.js: UV_USE_IO_URING=0)");
	if (note->params.flags & ~(uint32_t)FLAGS_CARRIED)
		return refuse_uring(taking, it,
		                    "an io_uring of a special kind (io_uring_setup(2): SINGLE_ISSUER, "
		                    "DEFER_TASKRUN, NO_MMAP, R_DISABLED, ATTACH_WQ and others)",
		                    "make it after the point");
	if (note->registered & ~REGISTERED_SHOWN)
		return refuse_uring(taking, it,
		                    "an io_uring with more than files and buffers registered "
		                    "(io_uring_register(2))",
		                    "choose a point before it is");
	if (!taking->survey->may_take && !taking->is_look)
		return refuse_uring(taking, it, "an io_uring of a program that goes on",
		                    "freeze it without --continue or -p");
	return STATUS_OK;
}

static enum status take_part(struct taking *taking, const uint8_t *bytes, uint64_t from, uint64_t end,
                             uint64_t base)
{
	enum status status = STATUS_OK;

	for (uint64_t at = from, size; at < end && status == STATUS_OK; at += size) {
		size = end - at < SNAPIMG_EXTENT_MAX ? end - at : SNAPIMG_EXTENT_MAX;
		status = objects_fill(taking->objects, base + at, bytes + at, size);
	}
	return status;
}

/* All but the submission queue's flags, which the kernel sets: each a part. */
static enum status take_memory(struct taking *taking, const struct uring *uring)
{
	uint32_t flags = uring->params.sq_off.flags;
	enum status status;

	if ((status = take_part(taking, uring->rings, 0, flags, 0)) != STATUS_OK ||
	    (status = take_part(taking, uring->rings, flags + sizeof(uint32_t), uring->rings_size, 0)) !=
	            STATUS_OK)
		return status;
	return take_part(taking, uring->entries, 0, uring->entries_size, SNAPIMG_URING_SQES);
}

static enum status check_quiet(const struct taking *taking, const struct open_descriptor *it,
                               const struct uring *uring)
{
	switch (uring_is_busy(uring)) {
	case URING_YES:
		return refuse_uring(taking, it, "an io_uring with requests under way",
		                    "choose a point where all are done");
	case URING_UNKNOWN:
		return refuse_uring(taking, it,
		                    "an io_uring of which the kernel doesn't tell what is under way "
		                    "(IOSQE_CQE_SKIP_SUCCESS was used)",
		                    "choose a point before it is");
	case URING_NO:
		break;
	}
	return uring_has_buffers(uring) == URING_NO
	               ? STATUS_OK
	               : refuse_uring(taking, it, "an io_uring with buffers provided to choose from",
	                              "choose a point before they are");
}

static enum status take_counts(const struct taking *taking, const struct open_descriptor *it,
                               const struct uring *uring, struct snapimg_object *object)
{
	const struct io_uring_params *params = &uring->params;
	uint32_t head = *uring_word(uring, params->sq_off.head),
	         tail = *uring_word(uring, params->cq_off.tail);
	uint32_t waiting = tail - *uring_word(uring, params->cq_off.head);

	if (head != (uint32_t)proc_number(&it->info, "CachedSqHead", 10) ||
	    tail != (uint32_t)proc_number(&it->info, "CachedCqTail", 10) || waiting > params->cq_entries)
		return refuse_uring(taking, it, "an io_uring whose counts don't agree",
		                    "choose another point");
	if (tail < head) /* each has one completion at least, or left it out */
		return refuse_uring(taking, it, "an io_uring with requests under way",
		                    "choose a point where all are done");
	if (tail > SNAPIMG_URING_STEPS_MAX)
		return refuse_uring(
		        taking, it,
		        "an io_uring that has had more than 16777216 requests, which a start would "
		        "have to count",
		        "choose an earlier point");
	object->value[SNAPIMG_URING_FLAGS] =
	        (params->flags & ~(uint32_t)FLAGS_OF_MAKING) | (uint64_t)params->sq_thread_idle << 32;
	object->value[SNAPIMG_URING_ENTRIES] = params->sq_entries | (uint64_t)params->cq_entries << 32;
	object->value[SNAPIMG_URING_COUNTS] = head | (uint64_t)tail << 32;
	object->value[SNAPIMG_URING_LAYOUT] = snapimg_uring_layout(params);
	object->value[SNAPIMG_URING_WAITING] = waiting;
	return STATUS_OK;
}

enum status take_uring(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	const struct ring_note *note = rings_find(it->identity.st_ino);
	struct uring uring;
	enum status status = objects_ring(taking->objects, it->identity.st_ino);

	if (status != STATUS_OK || (status = refuse_shown(taking, it)) != STATUS_OK ||
	    (status = refuse_noted(taking, it, note)) != STATUS_OK)
		return status;
	if (!uring_map(it->copy, &note->params, &uring))
		return refuse_uring(taking, it, "an io_uring that can't be looked at",
		                    "make it after the point");
	object->flags = 0;
	if ((status = take_counts(taking, it, &uring, object)) == STATUS_OK &&
	    (status = take_memory(taking, &uring)) == STATUS_OK && !taking->is_look)
		status = check_quiet(taking, it, &uring);
	uring_unmap(&uring);
	if (status == STATUS_OK)
		objects_keep_ring(taking->objects);
	return status;
}
