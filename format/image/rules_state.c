/* The rules of what version 1.1 added: attributes, timers, guard pages. */
#include "format/image/check.h"

enum {
	RESOURCES = 16,
	NICE_MOST = 19,
	NICE_RANGE = 40,
	POLICIES = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 7, /* include/uapi/linux/sched.h */
	POLICY_RESET_ON_FORK = 1 << 30,
	PRIORITY_MAX = 99,
	PROCESSOR_WORDS = 128,
	IO_PRIORITIES = 1 << 16,
	OOM_SCORE_MAX = 1000,
	LOCK_FUTURE = 2,
	LOCK_ON_FAULT = 4,
	THP_EXCEPT_ADVISED = 2,
	MDWE_ALL = 3,
	INTERVAL_TIMERS = 3,
	SIGNAL_MAX = 64,
	TIME_STAMP_MODES = 2,
	MEMORY_FAILURE_POLICIES = 2,
	FUTEX_SLOTS_MOST = 1 << 30,
	MEMBARRIERS = 1 << 2 | 1 << 4 | 1 << 6 | 1 << 8,
};

/* Of one thread, and nothing in `more`. */
static bool is_of_thread(const struct snapimg *image, const struct snapimg_attribute *attribute)
{
	return attribute->argument < snapimg_thread_count(image);
}

static bool is_plain(const struct snapimg_attribute *attribute, uint64_t most)
{
	return attribute->argument == 0 && attribute->more == 0 && attribute->value <= most;
}

static bool is_between(const struct snapimg *image, const struct snapimg_attribute *attribute, uint64_t least,
                       uint64_t most)
{
	return is_of_thread(image, attribute) && attribute->more == 0 && attribute->value >= least &&
	       attribute->value <= most;
}

/* Two in each number; -1 stands for none in calls (setresuid(2)). */
static bool are_ids(uint64_t two)
{
	return (uint32_t)two != UINT32_MAX && two >> 32 != UINT32_MAX;
}

static bool is_next_group(const struct snapimg *image, const struct snapimg_attribute *attribute)
{
	const struct snapimg_attribute *before =
	        attribute == snapimg_get_attribute(image) ? NULL : attribute - 1;
	bool follows =
	        before != NULL && before->kind == attribute->kind && before->argument == attribute->argument;

	if (attribute->value >= UINT32_MAX || attribute->more > SNAPIMG_MORE_GROUPS_MAX)
		return false;
	if (attribute->more == 0)
		return !follows && attribute->value == 0;
	return attribute->more == 1 ? !follows : follows && before->more == attribute->more - 1;
}

/* A descriptor that leads to the end of a pseudoterminal that programs read and write. */
static bool is_slave(const struct snapimg *image, uint64_t number)
{
	const struct snapimg_descriptor *it = snapimg_get_descriptor(image);
	const struct snapimg_descriptor *end = it + snapimg_descriptor_count(image);
	const struct snapimg_object *object;

	while (it < end && (it->number < 0 || (uint64_t)it->number != number))
		it++;
	if (it == end || it->kind != SNAPIMG_DESCRIPTOR_OBJECT || it->source < 0 ||
	    (uint32_t)it->source >= snapimg_object_count(image))
		return false;
	object = snapimg_get_object(image) + it->source;
	return object->kind == SNAPIMG_OBJECT_TERMINAL && object->value[SNAPIMG_TERMINAL_END] == 1;
}

static bool attribute_is_valid(const struct snapimg *image, const struct snapimg_attribute *attribute)
{
	uint64_t value = attribute->value, more = attribute->more;

	switch ((enum snapimg_attribute_kind)attribute->kind) {
	case SNAPIMG_ATTRIBUTE_LIMIT:
		return attribute->argument < RESOURCES && value <= more;
	case SNAPIMG_ATTRIBUTE_NICE:
		return is_of_thread(image, attribute) && more == 0 && NICE_MOST - value < NICE_RANGE;
	case SNAPIMG_ATTRIBUTE_SCHEDULING:
		value &= ~(uint64_t)POLICY_RESET_ON_FORK;
		return is_of_thread(image, attribute) && more <= PRIORITY_MAX && value < 8 &&
		       (POLICIES >> value & 1) != 0;
	case SNAPIMG_ATTRIBUTE_AFFINITY:
		return is_of_thread(image, attribute) && more < PROCESSOR_WORDS;
	case SNAPIMG_ATTRIBUTE_IO_PRIORITY:
		return is_of_thread(image, attribute) && more == 0 && value < IO_PRIORITIES;
	case SNAPIMG_ATTRIBUTE_OOM_SCORE_ADJ:
		return is_plain(attribute, UINT64_MAX) && value + OOM_SCORE_MAX <= 2 * OOM_SCORE_MAX;
	case SNAPIMG_ATTRIBUTE_PERSONALITY:
	case SNAPIMG_ATTRIBUTE_COREDUMP_FILTER:
	case SNAPIMG_ATTRIBUTE_SECURE_BITS:
		return is_plain(attribute, UINT32_MAX);
	case SNAPIMG_ATTRIBUTE_KEEP_CAPABILITIES:
	case SNAPIMG_ATTRIBUTE_MEMORY_MERGE:
	case SNAPIMG_ATTRIBUTE_TIMER_IDS:
		return is_plain(attribute, 1);
	case SNAPIMG_ATTRIBUTE_HUGE_PAGES:
		return is_plain(attribute, THP_EXCEPT_ADVISED) && value == THP_EXCEPT_ADVISED;
	case SNAPIMG_ATTRIBUTE_DENY_WRITE_EXECUTE:
		return is_plain(attribute, MDWE_ALL);
	case SNAPIMG_ATTRIBUTE_LOCK_FUTURE:
		return is_plain(attribute, LOCK_FUTURE | LOCK_ON_FAULT) &&
		       (value & ~(uint64_t)LOCK_ON_FAULT) == LOCK_FUTURE;
	case SNAPIMG_ATTRIBUTE_THREAD_TIMER_SLACK:
		return is_between(image, attribute, 1, UINT64_MAX);
	case SNAPIMG_ATTRIBUTE_THREAD_DEATH_SIGNAL:
		return is_between(image, attribute, 1, SIGNAL_MAX);
	case SNAPIMG_ATTRIBUTE_THREAD_PERSONALITY:
	case SNAPIMG_ATTRIBUTE_THREAD_SECURE_BITS:
		return is_between(image, attribute, 0, UINT32_MAX);
	case SNAPIMG_ATTRIBUTE_THREAD_NO_NEW_PRIVS:
	case SNAPIMG_ATTRIBUTE_THREAD_KEEP_CAPABILITIES:
		return is_between(image, attribute, 0, 1);
	case SNAPIMG_ATTRIBUTE_THREAD_TIME_STAMP:
		return is_between(image, attribute, 1, TIME_STAMP_MODES);
	case SNAPIMG_ATTRIBUTE_THREAD_MEMORY_FAILURE:
		return is_between(image, attribute, 0, MEMORY_FAILURE_POLICIES);
	case SNAPIMG_ATTRIBUTE_SLICE:
		return is_between(image, attribute, 0, INT64_MAX);
	case SNAPIMG_ATTRIBUTE_MEMBARRIER:
		return is_plain(attribute, MEMBARRIERS) && (value & ~(uint64_t)MEMBARRIERS) == 0;
	case SNAPIMG_ATTRIBUTE_THREAD_BOUNDING:
		return is_of_thread(image, attribute) && more == 0;
	case SNAPIMG_ATTRIBUTE_THREAD_CAPABILITIES:
	case SNAPIMG_ATTRIBUTE_THREAD_INHERITABLE:
		return is_of_thread(image, attribute) && (more & ~value) == 0;
	case SNAPIMG_ATTRIBUTE_THREAD_USERS:
	case SNAPIMG_ATTRIBUTE_THREAD_GROUPS:
		return is_of_thread(image, attribute) && are_ids(value) && are_ids(more);
	case SNAPIMG_ATTRIBUTE_THREAD_MORE_GROUPS:
		return is_of_thread(image, attribute) && is_next_group(image, attribute);
	case SNAPIMG_ATTRIBUTE_FUTEX_SLOTS:
		return is_plain(attribute, FUTEX_SLOTS_MOST) && value != 1 && (value & (value - 1)) == 0;
	case SNAPIMG_ATTRIBUTE_SESSION_NICE:
		return attribute->argument == 0 && more == 0 && NICE_MOST - value < NICE_RANGE;
	case SNAPIMG_ATTRIBUTE_TERMINAL:
		return is_plain(attribute, INT32_MAX) && is_slave(image, value);
	case SNAPIMG_ATTRIBUTE_SESSION:
		return value <= INT32_MAX && more > 0 && more <= INT32_MAX &&
		       attribute->argument <= (value == 0);
	}
	return false;
}

enum snapimg_error snapimg_rule_attribute(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_attribute *attribute = snapimg_get_attribute(image) + index;

	if ((index > 0 && attribute->kind < attribute[-1].kind) || !attribute_is_valid(image, attribute))
		return SNAPIMG_ERR_ATTRIBUTE;
	return SNAPIMG_OK;
}

/* One of the kernel's, or one that belongs to a thread or to the process, which is its first thread's. */
static bool clock_is_valid(const struct snapimg *image, uint32_t clock)
{
	if (clock < SNAPIMG_CLOCK_OWN)
		return true;
	uint32_t thread = (clock - SNAPIMG_CLOCK_OWN) / SNAPIMG_CLOCK_THREADS;
	uint32_t bits = clock % SNAPIMG_CLOCK_THREADS;

	return thread < snapimg_thread_count(image) && bits % SNAPIMG_CLOCK_OF_THREAD < SNAPIMG_CLOCK_KINDS &&
	       (thread == 0 || bits >= SNAPIMG_CLOCK_OF_THREAD);
}

static bool timer_kind_is_valid(const struct snapimg *image, const struct snapimg_timer *timer)
{
	switch ((enum snapimg_timer_kind)timer->kind) {
	case SNAPIMG_TIMER_INTERVAL:
		return timer->id < INTERVAL_TIMERS && timer->clock == 0 && timer->signal == 0 &&
		       timer->notify == 0 && timer->thread == 0 && timer->value == 0;
	case SNAPIMG_TIMER_POSIX:
		return timer->id <= INT32_MAX && clock_is_valid(image, timer->clock) &&
		       timer->signal <= SIGNAL_MAX &&
		       (timer->notify == SNAPIMG_NOTIFY_SIGNAL || timer->notify == SNAPIMG_NOTIFY_NONE ||
		        timer->notify == SNAPIMG_NOTIFY_THREAD) &&
		       timer->thread < snapimg_thread_count(image);
	}
	return false;
}

enum snapimg_error snapimg_rule_timer(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_timer *timer = snapimg_get_timer(image) + index;

	if (!timer_kind_is_valid(image, timer) || timer->remaining > INT64_MAX ||
	    timer->interval > INT64_MAX ||
	    (index > 0 &&
	     (timer->kind < timer[-1].kind || (timer->kind == timer[-1].kind && timer->id <= timer[-1].id))))
		return SNAPIMG_ERR_TIMER;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_clocks(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_clocks *clocks = snapimg_get_clocks(image) + index;

	if (clocks->realtime > INT64_MAX || clocks->monotonic > INT64_MAX || clocks->boottime > INT64_MAX ||
	    clocks->processor > INT64_MAX)
		return SNAPIMG_ERR_CLOCKS;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_processor(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_processor *processor = snapimg_get_processor(image) + index;

	if (processor->level > SNAPIMG_LEVEL_X86_64_V3 ||
	    processor->flags & ~(uint32_t)SNAPIMG_PROCESSOR_FLAGS || processor->reserved_zero != 0)
		return SNAPIMG_ERR_PROCESSOR;
	return SNAPIMG_OK;
}

/* [address, end) lies in mappings without a gap between them. */
static bool is_mapped(const struct snapimg *image, uint64_t address, uint64_t end)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(image);
	uint32_t low = snapimg_mapping_after(image, address);

	for (; low < snapimg_mapping_count(image) && mapping[low].start <= address; low++) {
		address = mapping[low].end;
		if (address >= end)
			return true;
	}
	return false;
}

enum snapimg_error snapimg_rule_guard(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_guard *guard = snapimg_get_guard(image) + index;
	uint64_t task_size = snapimg_get_machine(image)->task_size;

	if (guard->address % SNAPIMG_PAGE_SIZE != 0 || guard->address >= task_size || guard->pages == 0 ||
	    guard->pages > (task_size - guard->address) / SNAPIMG_PAGE_SIZE ||
	    (index > 0 && guard->address < guard[-1].address + guard[-1].pages * SNAPIMG_PAGE_SIZE) ||
	    !is_mapped(image, guard->address, guard->address + guard->pages * SNAPIMG_PAGE_SIZE))
		return SNAPIMG_ERR_GUARD;
	return SNAPIMG_OK;
}
