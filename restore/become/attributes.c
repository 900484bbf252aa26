/* What the program had changed of what a process has from its caller: a row each in two tables. */
#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>

#include "restore/base/limits.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/proc.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/capabilities.h"
#include "restore/become/session.h"
#include "restore/become/users.h"
#include "restore/fds/table.h"
#include "restore/loader.h"

enum {
	IO_PRIORITY_WHO_PROCESS = 1,
	PROCESSOR_WORDS = 128,
	MEMORY_MERGE_SET = 67, /* PR_SET_MEMORY_MERGE, Linux 6.4 */
	MEMORY_MERGE_GET = 68,
	DENY_WRITE_EXECUTE_SET = 65, /* PR_SET_MDWE, Linux 6.3 */
	DENY_WRITE_EXECUTE_GET = 66,
	TIMER_IDS_SET = 77, /* PR_TIMER_CREATE_RESTORE_IDS, Linux 6.16 */
	TIMER_IDS_ASK = 2,
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

/* The number as text, with its sign, into a file of /proc/self that is open. */
static long write_number(long descriptor, int64_t number)
{
	const char *digits = dec(number < 0 ? (uint64_t)-number : (uint64_t)number);
	char text[24] = "-";
	size_t sign = number < 0 ? 1 : 0, length = strlen(digits);
	memcpy(text + sign, digits, length + 1);
	if (descriptor < 0)
		return descriptor;
	long result = sys(__NR_write, descriptor, text, sign + length);
	sys(__NR_close, descriptor);
	return result;
}

static long set_oom_score(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return write_number(proc_open("/proc/self/oom_score_adj", O_WRONLY), (int64_t)record->value);
}

/* After the session was entered. The kernel takes few a second of those who are no administrator (EAGAIN). */
static long set_session_nice(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return write_number(proc_open("/proc/self/autogroup", O_WRONLY), (int64_t)record->value);
}

static long coredump_filter = -1; /* its file, open */

static long check_coredump_filter(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)record;
	(void)tid;
	coredump_filter = descriptor_away(proc_open("/proc/self/coredump_filter", O_WRONLY));
	return coredump_filter == -ENOENT
	               ? 0
	               : coredump_filter; /* without /proc it stays the caller's, and is told */
}

static long set_coredump_filter(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return write_number(coredump_filter, (int64_t)record->value);
}

/* X(kind, option that sets it, option that tells it, where that one may be refused) */
#define BY_PRCTL(X)                                                                                          \
	X(KEEP_CAPABILITIES, PR_SET_KEEPCAPS, PR_GET_KEEPCAPS)                                               \
	X(SECURE_BITS, PR_SET_SECUREBITS, PR_GET_SECUREBITS)                                                 \
	X(MEMORY_MERGE, MEMORY_MERGE_SET, MEMORY_MERGE_GET)                                                  \
	X(DENY_WRITE_EXECUTE, DENY_WRITE_EXECUTE_SET, DENY_WRITE_EXECUTE_GET)                                \
	X(TIMER_IDS, TIMER_IDS_SET, 0)                                                                       \
	X(THREAD_TIMER_SLACK, PR_SET_TIMERSLACK, 0)                                                          \
	X(THREAD_DEATH_SIGNAL, PR_SET_PDEATHSIG, 0)                                                          \
	X(THREAD_KEEP_CAPABILITIES, PR_SET_KEEPCAPS, PR_GET_KEEPCAPS)                                        \
	X(THREAD_SECURE_BITS, PR_SET_SECUREBITS, PR_GET_SECUREBITS)                                          \
	X(THREAD_TIME_STAMP, PR_SET_TSC, 0)
static const struct {
	int set, get;
} prctl_options[] = {
#define X(kind, set, get) [SNAPIMG_ATTRIBUTE_##kind] = {(set), (get)},
        BY_PRCTL(X)
#undef X
};

/* That it may be set is seen by setting it to what it is. */
static long check_by_prctl(const struct snapimg_attribute *record, uint32_t tid)
{
	long now = sys(__NR_prctl, prctl_options[record->kind].get);
	(void)tid;
	if (now < 0 || (uint64_t)now == record->value)
		return now;
	return sys(__NR_prctl, prctl_options[record->kind].set, now);
}

static long set_by_prctl(const struct snapimg_attribute *record, uint32_t tid)
{
	int get = prctl_options[record->kind].get;
	(void)tid;
	if (get != 0 && sys(__NR_prctl, get) == (long)record->value)
		return 0;
	return sys(__NR_prctl, prctl_options[record->kind].set, record->value);
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

/* 0: of a thread that has it not from the first one (process.c), and none may take it away. */
static long set_no_new_privs(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return record->value == 0 ? 0 : sys(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1);
}

static long check_capabilities(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return (record->value & ~capabilities_permitted()) == 0 ? 0 : -EPERM;
}

/* The first thread needs its own to the end: resume_x86_64.c. */
static long set_capabilities(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return record->argument == 0 ? 0 : capabilities_reduce(record->value, record->more);
}

static long check_users(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	users_check(record);
	return 0;
}

static long register_membarriers(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	long result = 0;
	for (uint64_t left = record->value; left != 0 && result >= 0; left &= left - 1)
		result = sys(__NR_membarrier, left & -left, 0, 0);
	return result;
}

static long set_futex_slots(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return sys(__NR_prctl, PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS, record->value, 0);
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

/* What is set can't be changed any more. */
static long check_deny(const struct snapimg_attribute *record, uint32_t tid)
{
	long now = sys(__NR_prctl, DENY_WRITE_EXECUTE_GET);
	(void)tid;
	return now > 0 && (uint64_t)now != record->value ? -EPERM : now;
}

/* The question is the setting's, with another argument. */
static long check_timer_ids(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)record;
	(void)tid;
	return sys(__NR_prctl, TIMER_IDS_SET, TIMER_IDS_ASK, 0, 0, 0);
}

/* What the kernel knows of it: tried, and taken back. */
static long check_huge_pages(const struct snapimg_attribute *record, uint32_t tid)
{
	enum { ON = 1 };
	uint64_t before = (uint64_t)sys(__NR_prctl, PR_GET_THP_DISABLE);
	long result = set_huge_pages(record, tid);
	sys(__NR_prctl, PR_SET_THP_DISABLE, before & ON, before & ~(uint64_t)ON);
	return result;
}

static long check_lock_future(const struct snapimg_attribute *record, uint32_t tid)
{
	(void)tid;
	return limit_raise(RLIMIT_MEMLOCK) > 0 ? 0 : sys(__NR_mlockall, record->value);
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

/* Who has one of their own: the process; each thread, by its records; each thread, by a record of the
 * process, since a thread has it from its maker; or each thread by records that only it can set itself. */
enum holder { OF_PROCESS, OF_THREAD, OF_EACH, OF_SELF };
enum { REFUSABLE = 1, LAST = 2 };

/* X(kind, whose it is, whether it can be set, function, REFUSABLE: the kernel may refuse it to this user, and
 * then the caller's stays; LAST: the loader itself could not live with it) */
#define SETTERS(X)                                                                                           \
	X(LIMIT, OF_PROCESS, NULL, set_limit, 0)                                                             \
	X(NICE, OF_THREAD, NULL, set_nice, REFUSABLE)                                                        \
	X(SCHEDULING, OF_THREAD, NULL, set_scheduling, REFUSABLE)                                            \
	X(AFFINITY, OF_THREAD, NULL, NULL, 0) /* of several records: set_affinity() */                       \
	X(IO_PRIORITY, OF_THREAD, NULL, set_io_priority, REFUSABLE)                                          \
	X(PERSONALITY, OF_EACH, NULL, set_personality, 0)                                                    \
	X(OOM_SCORE_ADJ, OF_PROCESS, NULL, set_oom_score, REFUSABLE)                                         \
	X(COREDUMP_FILTER, OF_PROCESS, check_coredump_filter, set_coredump_filter, REFUSABLE)                \
	X(KEEP_CAPABILITIES, OF_EACH, check_by_prctl, set_by_prctl, 0)                                       \
	X(SECURE_BITS, OF_EACH, check_by_prctl, set_by_prctl, 0)                                             \
	X(MEMORY_MERGE, OF_PROCESS, check_by_prctl, set_by_prctl, 0)                                         \
	X(LOCK_FUTURE, OF_PROCESS, check_lock_future, lock_future, 0)                                        \
	X(HUGE_PAGES, OF_PROCESS, check_huge_pages, set_huge_pages, 0)                                       \
	X(DENY_WRITE_EXECUTE, OF_PROCESS, check_deny, set_by_prctl, LAST)                                    \
	X(TIMER_IDS, OF_PROCESS, check_timer_ids, set_by_prctl, 0)                                           \
	X(THREAD_TIMER_SLACK, OF_SELF, NULL, set_by_prctl, 0)                                                \
	X(THREAD_DEATH_SIGNAL, OF_SELF, NULL, set_by_prctl, 0)                                               \
	X(THREAD_NO_NEW_PRIVS, OF_SELF, NULL, set_no_new_privs, 0)                                           \
	X(THREAD_PERSONALITY, OF_SELF, NULL, set_personality, 0)                                             \
	X(THREAD_KEEP_CAPABILITIES, OF_SELF, check_by_prctl, set_by_prctl, 0)                                \
	X(THREAD_SECURE_BITS, OF_SELF, check_by_prctl, set_by_prctl, 0)                                      \
	X(THREAD_TIME_STAMP, OF_SELF, NULL, set_by_prctl, 0)                                                 \
	X(THREAD_MEMORY_FAILURE, OF_SELF, NULL, set_memory_failure, REFUSABLE)                               \
	X(THREAD_CAPABILITIES, OF_SELF, check_capabilities, set_capabilities, 0)                             \
	X(SLICE, OF_THREAD, NULL, set_slice, REFUSABLE)                                                      \
	X(MEMBARRIER, OF_PROCESS, register_membarriers, register_membarriers, 0)                             \
	X(FUTEX_SLOTS, OF_PROCESS, NULL, set_futex_slots, REFUSABLE)                                         \
	X(SESSION, OF_PROCESS, session_check, session_enter, 0)                                              \
	X(SESSION_NICE, OF_PROCESS, NULL, set_session_nice, REFUSABLE)                                       \
	X(THREAD_USERS, OF_SELF, check_users, NULL, 0) /* these come first: users_commit() */                \
	X(THREAD_GROUPS, OF_SELF, check_users, NULL, 0)                                                      \
	X(THREAD_MORE_GROUPS, OF_SELF, check_users, NULL, 0)                                                 \
	X(THREAD_INHERITABLE, OF_SELF, capabilities_check_inheritable, NULL,                                 \
	  0) /* capabilities_commit_limits() */                                                              \
	X(TERMINAL, OF_PROCESS, NULL, session_take_terminal, 0)                                              \
	X(THREAD_BOUNDING, OF_SELF, capabilities_check_bounding, NULL, 0)

static const struct {
	attribute_setter *check, *set;
	enum holder holder;
	uint32_t flags;
} setters[] = {
#define X(kind, holder, check, set, flags) [SNAPIMG_ATTRIBUTE_##kind] = {(check), (set), (holder), (flags)},
        SETTERS(X)
#undef X
};

static _Noreturn void die_attribute(uint32_t kind, long result)
{
	die(EXIT_REFUSED, snapimg_attribute_name(kind), ": cannot be restored: ", error_text(result));
}

static void set(const struct snapimg_attribute *record, uint32_t tid)
{
	attribute_setter *setter = setters[record->kind].set;
	long result = setter != NULL ? setter(record, tid) : 0;
	if (result >= 0)
		return;
	if ((setters[record->kind].flags & REFUSABLE) == 0)
		die_attribute(record->kind, result);
	warn(snapimg_attribute_name(record->kind), ": cannot be restored: ", error_text(result),
	     ": it runs with its caller's");
}

void attributes_commit_thread(uint32_t index, uint32_t tid)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	uint32_t total = snapimg_attribute_count(&loader.image);
	for (uint32_t i = 0; i < total; i++) {
		if (setters[record[i].kind].holder != OF_THREAD || record[i].argument != index)
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

void attributes_check(void)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++) {
		attribute_setter *check = setters[record[i].kind].check;
		long result = check != NULL ? check(&record[i], loader.tid) : 0;
		if (result < 0)
			die_attribute(record[i].kind, result);
	}
}

static void set_all(bool last)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++)
		if ((setters[record[i].kind].holder == OF_PROCESS ||
		     setters[record[i].kind].holder == OF_EACH) &&
		    ((setters[record[i].kind].flags & LAST) != 0) == last)
			set(&record[i], loader.tid);
}

void attributes_commit(void)
{
	set_all(false);
}

void attributes_commit_last(void)
{
	set_all(true);
}

void attributes_commit_own(uint32_t index)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++) {
		enum holder holder = setters[record[i].kind].holder;
		if ((holder == OF_EACH && index != 0) || (holder == OF_SELF && record[i].argument == index))
			set(&record[i], 0);
	}
}
