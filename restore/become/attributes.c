/* What the program had changed of what a process has from its caller: a row each in two tables. */
#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

enum {
	IO_PRIORITY_WHO_PROCESS = 1,
	PROCESSOR_WORDS = 128,
	MEMORY_MERGE = 67,       /* PR_SET_MEMORY_MERGE, Linux 6.4 */
	DENY_WRITE_EXECUTE = 65, /* PR_SET_MDWE, Linux 6.3 */
};

/* tid: of the thread that the record is about. */
typedef long attribute_setter(const struct snapimg_attribute *record, uint32_t tid);

struct limit { /* struct rlimit64 */
	uint64_t soft, hard;
};

/* A caller with a lower hard limit keeps it: the program's may not be raised again. */
static long set_limit(const struct snapimg_attribute *record, uint32_t tid)
{
	struct limit wanted = {record->value, record->more}, callers = {0};
	(void)tid;
	long result = sys(__NR_prlimit64, 0, record->argument, &wanted, 0);
	if (result != -EPERM || sys(__NR_prlimit64, 0, record->argument, 0, &callers) < 0)
		return result;
	warn("resource limit ", dec(record->argument),
	     ": the caller's hard limit is lower (ulimit -H): that one stays");
	callers.soft = wanted.soft < callers.hard ? wanted.soft : callers.hard;
	return sys(__NR_prlimit64, 0, record->argument, &callers, 0);
}

static long set_nice(const struct snapimg_attribute *record, uint32_t tid)
{
	return sys(__NR_setpriority, 0 /* PRIO_PROCESS */, tid, record->value);
}

static long set_scheduling(const struct snapimg_attribute *record, uint32_t tid)
{
	int priority = (int)record->more;
	return sys(__NR_sched_setscheduler, tid, record->value, &priority);
}

static long set_io_priority(const struct snapimg_attribute *record, uint32_t tid)
{
	return sys(__NR_ioprio_set, IO_PRIORITY_WHO_PROCESS, tid, record->value);
}

static long set_personality(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return sys(__NR_personality, record->value);
}

/* The number as text, with its sign, into a file of /proc/self. */
static long write_number(const char *path, int64_t number)
{
	const char *digits = dec(number < 0 ? (uint64_t)-number : (uint64_t)number);
	char text[24] = "-";
	size_t sign = number < 0 ? 1 : 0, length = strlen(digits);
	memcpy(text + sign, digits, length + 1);
	long descriptor = sys(__NR_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
	if (descriptor < 0)
		return descriptor;
	long result = sys(__NR_write, descriptor, text, sign + length);
	sys(__NR_close, descriptor);
	return result;
}

static long set_oom_score(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return write_number("/proc/self/oom_score_adj", (int64_t)record->value);
}

static long set_coredump_filter(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return write_number("/proc/self/coredump_filter", (int64_t)record->value);
}

static long set_by_prctl(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	static const int options[] = {
	        [SNAPIMG_ATTRIBUTE_KEEP_CAPABILITIES] = PR_SET_KEEPCAPS,
	        [SNAPIMG_ATTRIBUTE_SECURE_BITS] = PR_SET_SECUREBITS,
	        [SNAPIMG_ATTRIBUTE_MEMORY_MERGE] = MEMORY_MERGE,
	        [SNAPIMG_ATTRIBUTE_DENY_WRITE_EXECUTE] = DENY_WRITE_EXECUTE,
	        [SNAPIMG_ATTRIBUTE_THREAD_TIMER_SLACK] = PR_SET_TIMERSLACK,
	        [SNAPIMG_ATTRIBUTE_THREAD_DEATH_SIGNAL] = PR_SET_PDEATHSIG,
	        [SNAPIMG_ATTRIBUTE_THREAD_NO_NEW_PRIVS] = PR_SET_NO_NEW_PRIVS,
	        [SNAPIMG_ATTRIBUTE_THREAD_KEEP_CAPABILITIES] = PR_SET_KEEPCAPS,
	        [SNAPIMG_ATTRIBUTE_THREAD_SECURE_BITS] = PR_SET_SECUREBITS,
	        [SNAPIMG_ATTRIBUTE_THREAD_TIME_STAMP] = PR_SET_TSC,
	};
	return sys(__NR_prctl, options[record->kind], record->value, 0, 0, 0);
}

/* Its policy and nice value stay; the thread has both by now. */
static long set_slice(const struct snapimg_attribute *record, uint32_t tid)
{
	struct { /* sched_setattr(2), SCHED_ATTR_SIZE_VER0 */
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attributes = {0};
	long result = sys(__NR_sched_getattr, tid, &attributes, sizeof attributes, 0);
	attributes.runtime = record->value;
	return result < 0 ? result : sys(__NR_sched_setattr, tid, &attributes, 0);
}

static long register_membarriers(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	long result = 0;
	for (uint64_t left = record->value; left != 0 && result >= 0; left &= left - 1)
		result = sys(__NR_membarrier, left & -left, 0, 0);
	return result;
}

/* Corrected machine checks: prctl(2), PR_MCE_KILL. */
static long set_memory_failure(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return sys(__NR_prctl, PR_MCE_KILL, PR_MCE_KILL_SET, record->value, 0, 0);
}

static long set_huge_pages(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return sys(__NR_prctl, PR_SET_THP_DISABLE, 1, record->value);
}

static long lock_future(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return sys(__NR_mlockall, record->value);
}

/* Records of one thread follow each other. They are cut to the processors that there are, by the kernel. */
static void set_affinity(const struct snapimg_attribute *record, uint32_t count, uint32_t tid)
{
	uint64_t set[PROCESSOR_WORDS] = {0};
	for (uint32_t i = 0; i < count; i++)
		set[record[i].more] = record[i].value;
	if (sys(__NR_sched_setaffinity, tid, sizeof set, set) < 0)
		warn("none of the processors that the program was bound to can be used here: "
		     "it runs on its caller's");
}

/* X(kind, function, whether the kernel may refuse it to this user: then the caller's stays) */
#define SETTERS(X)                                                                                           \
	X(LIMIT, set_limit, false)                                                                           \
	X(NICE, set_nice, true)                                                                              \
	X(SCHEDULING, set_scheduling, true)                                                                  \
	X(IO_PRIORITY, set_io_priority, true)                                                                \
	X(PERSONALITY, set_personality, false)                                                               \
	X(OOM_SCORE_ADJ, set_oom_score, true)                                                                \
	X(COREDUMP_FILTER, set_coredump_filter, false)                                                       \
	X(KEEP_CAPABILITIES, set_by_prctl, false)                                                            \
	X(SECURE_BITS, set_by_prctl, false)                                                                  \
	X(MEMORY_MERGE, set_by_prctl, false)                                                                 \
	X(LOCK_FUTURE, lock_future, false)                                                                   \
	X(HUGE_PAGES, set_huge_pages, false)                                                                 \
	X(DENY_WRITE_EXECUTE, set_by_prctl, false)                                                           \
	X(THREAD_TIMER_SLACK, set_by_prctl, false)                                                           \
	X(THREAD_DEATH_SIGNAL, set_by_prctl, false)                                                          \
	X(THREAD_NO_NEW_PRIVS, set_by_prctl, false)                                                          \
	X(THREAD_PERSONALITY, set_personality, false)                                                        \
	X(THREAD_KEEP_CAPABILITIES, set_by_prctl, false)                                                     \
	X(THREAD_SECURE_BITS, set_by_prctl, false)                                                           \
	X(THREAD_TIME_STAMP, set_by_prctl, false)                                                            \
	X(THREAD_MEMORY_FAILURE, set_memory_failure, true)                                                   \
	X(SLICE, set_slice, true)                                                                            \
	X(MEMBARRIER, register_membarriers, false)

/* What only the thread itself can set. */
static bool is_own(uint32_t kind)
{
	return kind >= SNAPIMG_ATTRIBUTE_THREAD_TIMER_SLACK &&
	       kind <= SNAPIMG_ATTRIBUTE_THREAD_MEMORY_FAILURE;
}

static bool is_of_thread(uint32_t kind)
{
	return kind == SNAPIMG_ATTRIBUTE_NICE || kind == SNAPIMG_ATTRIBUTE_SCHEDULING ||
	       kind == SNAPIMG_ATTRIBUTE_AFFINITY || kind == SNAPIMG_ATTRIBUTE_IO_PRIORITY ||
	       kind == SNAPIMG_ATTRIBUTE_SLICE;
}

static void set(const struct snapimg_attribute *record, uint32_t tid)
{
	static const struct {
		attribute_setter *set;
		bool may_be_refused;
	} setters[] = {
#define X(kind, function, refusable) [SNAPIMG_ATTRIBUTE_##kind] = {(function), (refusable)},
	        SETTERS(X)
#undef X
	};
	static const char *const names[] = {
#define X(kind, number, text) [number] = (text),
	        SNAPIMG_ATTRIBUTES(X)
#undef X
	};
	attribute_setter *setter = setters[record->kind].set;
	if (setter == NULL) /* AFFINITY, of several records: set_affinity() */
		return;
	long result = setter(record, tid);
	if (result >= 0)
		return;
	if (!setters[record->kind].may_be_refused)
		die(EXIT_REFUSED, names[record->kind], ": cannot be restored: ", error_text(result));
	warn(names[record->kind], ": cannot be restored: ", error_text(result),
	     ": it runs with its caller's");
}

void attributes_restore_thread(uint32_t index, uint32_t tid)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	uint32_t total = snapimg_attribute_count(&loader.image);
	for (uint32_t i = 0; i < total; i++) {
		if (!is_of_thread(record[i].kind) || record[i].argument != index)
			continue;
		if (record[i].kind != SNAPIMG_ATTRIBUTE_AFFINITY) {
			set(&record[i], tid);
			continue;
		}
		uint32_t count = 1;
		while (i + count < total && record[i + count].kind == SNAPIMG_ATTRIBUTE_AFFINITY &&
		       record[i + count].argument == index)
			count++;
		set_affinity(&record[i], count, tid);
		i += count - 1;
	}
}

void attributes_restore_own(uint32_t index)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++)
		if (is_own(record[i].kind) && record[i].argument == index)
			set(&record[i], 0);
}

static void set_all(bool last)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++)
		if (!is_of_thread(record[i].kind) && !is_own(record[i].kind) &&
		    (record[i].kind == SNAPIMG_ATTRIBUTE_DENY_WRITE_EXECUTE) == last)
			set(&record[i], loader.tid);
}

void attributes_restore(void)
{
	set_all(false);
}

void attributes_restore_last(void)
{
	set_all(true);
}
