#include "tracer/capture/process/attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/array.h"
#include "tracer/caller.h"

#define PR_GET_MEMORY_MERGE_NUMBER 68 /* Linux 6.4 */
#define PR_GET_MDWE_NUMBER         66 /* Linux 6.3 */
#define PR_TIMER_IDS_NUMBER        77 /* PR_TIMER_CREATE_RESTORE_IDS, Linux 6.16 */
#define PR_TIMER_IDS_GET           2
#define THP_EXCEPT_ADVISED         2 /* PR_THP_DISABLE_EXCEPT_ADVISED, Linux 6.18 */

enum {
	IO_PRIORITY_WHO_PROCESS = 1,
	DEADLINE = 6,
	EXTENSIBLE = 7,
	GET_REGISTRATIONS = 1 << 9, /* MEMBARRIER_CMD_GET_REGISTRATIONS */
	MEMBARRIER_REGISTERS = 1 << 2 | 1 << 4 | 1 << 6 | 1 << 8,
};

#define KEEP_CAPS (1ll << 4) /* SECBIT_KEEP_CAPS, include/uapi/linux/securebits.h */

enum status attributes_add_more(struct attributes *attributes, enum snapimg_attribute_kind kind,
                                uint32_t argument, uint64_t value, uint64_t more)
{
	struct snapimg_attribute *record = array_add(attributes->record, attributes->count);

	if (!record)
		return fail(STATUS_FAILED, "out of memory");
	*record = (struct snapimg_attribute){kind, argument, value, more};
	return STATUS_OK;
}

enum status attributes_add(struct attributes *attributes, enum snapimg_attribute_kind kind, uint32_t argument,
                           uint64_t value)
{
	return attributes_add_more(attributes, kind, argument, value, 0);
}

/* The target began with what the caller has, so only a difference is recorded, and what it has set itself. */
static enum status add_changed(struct attributes *attributes, enum snapimg_attribute_kind kind,
                               uint32_t argument, int64_t its, int64_t callers, bool is_set)
{
	return its == callers && !is_set ? STATUS_OK
	                                 : attributes_add(attributes, kind, argument, (uint64_t)its);
}

static enum status read_limits(pid_t pid, const struct noted *noted, struct attributes *attributes)
{
	enum status status = STATUS_OK;

	for (uint32_t i = 0; i < RLIM_NLIMITS && status == STATUS_OK; i++) {
		const struct rlimit *callers = &the_caller.limit[i];
		struct rlimit its;
		if (prlimit(pid, i, NULL, &its) == 0 &&
		    (its.rlim_cur != callers->rlim_cur || its.rlim_max != callers->rlim_max ||
		     noted->limits >> i & 1))
			status = attributes_add_more(attributes, SNAPIMG_ATTRIBUTE_LIMIT, i, its.rlim_cur,
			                             its.rlim_max);
	}
	return status;
}

/* Files of /proc/PID that hold one number. */
static enum status read_file(pid_t pid, const char *name, int base, enum snapimg_attribute_kind kind,
                             struct attributes *attributes)
{
	struct text its CLEANUP(text_free) = {0}, callers CLEANUP(text_free) = {0};

	if (proc_try_read(proc_path(pid, "%s", name).text, &its) < 0 ||
	    proc_try_read(proc_path(PROC_SELF, "%s", name).text, &callers) < 0)
		return STATUS_OK; /* a kernel without it */
	return add_changed(attributes, kind, 0, strtoll(its.bytes, NULL, base),
	                   strtoll(callers.bytes, NULL, base), false);
}

static enum status read_prctls(const struct remote *remote, const struct noted *noted,
                               struct attributes *attributes)
{
	static const struct {
		int option;
		uint64_t asks; /* its first argument, where that tells a question from a setting */
		enum snapimg_attribute_kind kind;
		uint32_t set_by; /* enum noted_bit */
	} options[] = {
	        {PR_GET_KEEPCAPS, 0, SNAPIMG_ATTRIBUTE_KEEP_CAPABILITIES, 0},
	        {PR_GET_SECUREBITS, 0, SNAPIMG_ATTRIBUTE_SECURE_BITS, NOTED_SECURE_BITS},
	        {PR_GET_MEMORY_MERGE_NUMBER, 0, SNAPIMG_ATTRIBUTE_MEMORY_MERGE, 0},
	        {PR_GET_MDWE_NUMBER, 0, SNAPIMG_ATTRIBUTE_DENY_WRITE_EXECUTE, 0},
	        {PR_TIMER_IDS_NUMBER, PR_TIMER_IDS_GET, SNAPIMG_ATTRIBUTE_TIMER_IDS, 0},
	};
	enum { OPTIONS = sizeof(options) / sizeof(*options) };
	struct remote_ask ask[OPTIONS];
	enum status status;

	for (size_t i = 0; i < OPTIONS; i++)
		ask[i] = (struct remote_ask){
		        NULL, SYS_prctl, {(uint64_t)options[i].option, options[i].asks}, 0};
	status = remote_ask_all(remote, ask, OPTIONS, NULL, 0);
	for (size_t i = 0; i < OPTIONS && status == STATUS_OK; i++) {
		int64_t its = ask[i].answer, callers = prctl(options[i].option, options[i].asks, 0, 0, 0);
		if (options[i].option == PR_GET_SECUREBITS) /* has the flag of PR_GET_KEEPCAPS, too */
			its &= ~KEEP_CAPS, callers &= ~KEEP_CAPS;
		if (its >= 0)
			status = add_changed(attributes, options[i].kind, 0, its, callers < 0 ? 0 : callers,
			                     (noted->bits & options[i].set_by) != 0);
	}
	return status;
}

/* Where they are switched off altogether, process/state.c takes them. */
static enum status read_huge_pages(const struct remote *remote, struct attributes *attributes)
{
	int64_t disabled = 0;
	enum status status;

	status = remote_call(remote, &disabled, SYS_prctl, PR_GET_THP_DISABLE, 0, 0, 0);
	if (status != STATUS_OK || disabled <= 1)
		return status;
	return add_changed(attributes, SNAPIMG_ATTRIBUTE_HUGE_PAGES, 0, disabled & ~1, 0, false);
}

/* mlockall(MCL_FUTURE) shows in no file, but the scratch page, which was mapped since, is locked by it; and
 * present unless MCL_ONFAULT says to wait for its use. */
static enum status read_lock_future(const struct subject *subject, const struct remote *remote,
                                    struct attributes *attributes)
{
	struct text status_file CLEANUP(text_free) = {0};
	struct proc_path path = proc_path(subject->pid, "pagemap");
	uint64_t entry = 0;
	enum status status;

	if ((status = proc_read(proc_path(subject->pid, "status"), &status_file)) != STATUS_OK)
		return status;
	if (proc_number(&status_file, "VmLck", 10) <= proc_number(&subject->status, "VmLck", 10))
		return STATUS_OK;
	int pagemap = open(path.text, O_RDONLY | O_CLOEXEC);
	ssize_t got = pagemap < 0 ? -1
	                          : pread(pagemap, &entry, sizeof(entry),
	                                  (off_t)(remote->scratch / SNAPIMG_PAGE_SIZE * sizeof(entry)));
	if (pagemap >= 0)
		close(pagemap);
	if (got != (ssize_t)sizeof(entry))
		return fail(STATUS_FAILED, "can't read the program's pages: %s", path.text);
	bool present = entry >> 63 & 1;
	return attributes_add(attributes, SNAPIMG_ATTRIBUTE_LOCK_FUTURE, 0,
	                      MCL_FUTURE | (present ? 0 : MCL_ONFAULT));
}

/* Fork copies them, an exec begins without: so they were all seen, or the kernel is asked (Linux 6.3). */
static enum status read_membarriers(const struct subject *subject, const struct remote *remote,
                                    struct attributes *attributes)
{
	int64_t registered = subject->request->noted->membarriers;
	enum status status;

	if (!subject->request->noted_all && (status = remote_call(remote, &registered, SYS_membarrier,
	                                                          GET_REGISTRATIONS, 0, 0, 0)) != STATUS_OK)
		return status;
	return registered <= 0 ? STATUS_OK
	                       : attributes_add(attributes, SNAPIMG_ATTRIBUTE_MEMBARRIER, 0,
	                                        (uint64_t)registered & MEMBARRIER_REGISTERS);
}

/* Of one that was run by snaptrace: else nothing tells the program's choice from the kernel's own. */
static enum status read_futex_slots(const struct remote *remote, const struct noted *noted,
                                    struct attributes *attributes)
{
	int64_t slots = -1;
	enum status status;

	if (!(noted->bits & NOTED_FUTEX_SLOTS))
		return STATUS_OK;
	status = remote_call(remote, &slots, SYS_prctl, PR_FUTEX_HASH, PR_FUTEX_HASH_GET_SLOTS, 0, 0);
	if (status != STATUS_OK || slots < 0)
		return status;
	return attributes_add(attributes, SNAPIMG_ATTRIBUTE_FUTEX_SLOTS, 0, (uint64_t)slots);
}

/* TREE has the sessions and groups of a tree; what its first process needs before it makes the others, or of
 * the terminal, is recorded here, too. */
static bool is_made_alone(const struct snapshot_request *request, pid_t session, pid_t group)
{
	if (!request->is_root || session == request->pid)
		return false;
	return group == request->pid || (session != 0 && group == session);
}

/* The caller's are the next caller's; of one that ran before (-p) they are its shell's doing, and count as
 * such. */
static enum status read_session(const struct subject *subject, struct attributes *attributes)
{
	const uint64_t *field = subject->stat.field;
	pid_t session = (pid_t)field[STAT_SESSION], group = (pid_t)field[STAT_PGRP];

	if (session == getsid(0))
		session = 0;
	if (the_caller.attached || (session == 0 && group == getpgrp()))
		return STATUS_OK;
	if (subject->request->in_tree && !is_made_alone(subject->request, session, group))
		return STATUS_OK;
	bool is_foreground = session == 0 && (pid_t)field[STAT_FOREGROUND] == group;
	return attributes_add_more(attributes, SNAPIMG_ATTRIBUTE_SESSION, is_foreground, (uint64_t)session,
	                           (uint64_t)group);
}

/* The scheduler's group of a session of its own has a nice value, too: sched(7), "The autogroup feature". The
 * kernel makes it with 0. */
static enum status read_session_nice(const struct subject *subject, struct attributes *attributes)
{
	struct text text CLEANUP(text_free) = {0};
	int nice = 0;

	if ((pid_t)subject->stat.field[STAT_SESSION] != subject->pid || the_caller.attached ||
	    proc_try_read(proc_path(subject->pid, "autogroup").text, &text) < 0 ||
	    sscanf(text.bytes, "/autogroup-%*d nice %d", &nice) != 1 || nice == 0)
		return STATUS_OK;
	return attributes_add(attributes, SNAPIMG_ATTRIBUTE_SESSION_NICE, 0, (uint64_t)(int64_t)nice);
}

enum status attributes_read(const struct subject *subject, const struct remote *remote,
                            struct attributes *attributes)
{
	pid_t pid = subject->pid;
	const struct noted *noted = subject->request->noted;
	struct text text CLEANUP(text_free) = {0};
	enum status status;

	if ((status = read_lock_future(subject, remote, attributes)) || /* before the page is used */
	    (status = read_session(subject, attributes)) ||
	    (status = read_session_nice(subject, attributes)) ||
	    (status = read_limits(pid, noted, attributes)) ||
	    (status = read_file(pid, "oom_score_adj", 10, SNAPIMG_ATTRIBUTE_OOM_SCORE_ADJ, attributes)) ||
	    (status = read_file(pid, "coredump_filter", 16, SNAPIMG_ATTRIBUTE_COREDUMP_FILTER, attributes)) ||
	    (status = read_prctls(remote, noted, attributes)) ||
	    (status = read_membarriers(subject, remote, attributes)) ||
	    (status = read_huge_pages(remote, attributes)) ||
	    (status = read_futex_slots(remote, noted, attributes)) ||
	    (status = proc_read(proc_path(pid, "personality"), &text)))
		return status;
	return add_changed(attributes, SNAPIMG_ATTRIBUTE_PERSONALITY, 0, caller_personality(text.bytes),
	                   the_caller.personality, noted->bits & NOTED_PERSONALITY);
}

struct sched_attributes { /* sched_getattr(2), SCHED_ATTR_SIZE_VER0 */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* Of an ordinary thread (0, or 3: batch) the runtime is its slice, since Linux 6.12; before, it's 0. */
static enum status read_slice(pid_t tid, uint32_t index, struct attributes *attributes)
{
	struct sched_attributes its = {0}, callers = {0};

	if (syscall(SYS_sched_getattr, tid, &its, sizeof(its), 0) < 0 ||
	    syscall(SYS_sched_getattr, 0, &callers, sizeof(callers), 0) < 0 ||
	    (its.policy != SCHED_OTHER && its.policy != SCHED_BATCH))
		return STATUS_OK;
	return add_changed(attributes, SNAPIMG_ATTRIBUTE_SLICE, index, (int64_t)its.runtime,
	                   (int64_t)callers.runtime, false);
}

static enum status read_scheduling(pid_t tid, uint32_t index, const struct noted *noted,
                                   struct attributes *attributes)
{
	struct sched_param its = {0}, callers = {0};
	int policy = sched_getscheduler(tid);
	long nice = getpriority(PRIO_PROCESS, (id_t)tid);
	enum status status;

	if (policy < 0 || sched_getparam(tid, &its) < 0 || sched_getparam(0, &callers) < 0)
		return fail(STATUS_FAILED, "can't read the program's state: scheduling of thread %d: %s", tid,
		            strerror(errno));
	int number = policy & ~SCHED_RESET_ON_FORK;
	if (number == DEADLINE || number >= EXTENSIBLE)
		return refuse("a deadline or extensible scheduling policy", "choose a point before it is set",
		              "thread %d", tid);
	if ((status = add_changed(attributes, SNAPIMG_ATTRIBUTE_NICE, index, nice,
	                          getpriority(PRIO_PROCESS, 0), noted->bits & NOTED_NICE)) != STATUS_OK ||
	    (status = read_slice(tid, index, attributes)) != STATUS_OK)
		return status;
	if (policy == sched_getscheduler(0) && its.sched_priority == callers.sched_priority &&
	    !(noted->bits & NOTED_SCHEDULING))
		return STATUS_OK;
	return attributes_add_more(attributes, SNAPIMG_ATTRIBUTE_SCHEDULING, index, (uint64_t)policy,
	                           (uint64_t)its.sched_priority);
}

static enum status read_affinity(pid_t tid, uint32_t index, const struct noted *noted,
                                 struct attributes *attributes)
{
	uint64_t its[128] = {0}, callers[128] = {0}; /* 8192 processors, the most Linux is built for */
	enum status status = STATUS_OK;

	if (syscall(SYS_sched_getaffinity, tid, sizeof(its), its) < 0 ||
	    syscall(SYS_sched_getaffinity, 0, sizeof(callers), callers) < 0)
		return fail(STATUS_FAILED, "can't read the program's state: processors of thread %d: %s", tid,
		            strerror(errno));
	if (memcmp(its, callers, sizeof(its)) == 0 && !(noted->bits & NOTED_AFFINITY))
		return STATUS_OK;
	for (uint64_t i = 0; i < sizeof(its) / sizeof(*its) && status == STATUS_OK; i++)
		if (its[i])
			status =
			        attributes_add_more(attributes, SNAPIMG_ATTRIBUTE_AFFINITY, index, its[i], i);
	return status;
}

enum status attributes_read_thread(pid_t tid, uint32_t index, const struct noted *noted,
                                   struct attributes *attributes)
{
	long its = syscall(SYS_ioprio_get, IO_PRIORITY_WHO_PROCESS, tid);
	long callers = syscall(SYS_ioprio_get, IO_PRIORITY_WHO_PROCESS, 0);
	enum status status;

	if ((status = read_scheduling(tid, index, noted, attributes)) ||
	    (status = read_affinity(tid, index, noted, attributes)))
		return status;
	/* Without a class of its own it follows from the nice value (ioprio_set(2)), as the number may show.
	 */
	bool is_set = noted->bits & NOTED_IO_PRIORITY;
	if (its < 0 || (its == callers && !is_set) || its >> 13 == 0)
		return STATUS_OK;
	return attributes_add(attributes, SNAPIMG_ATTRIBUTE_IO_PRIORITY, index, (uint64_t)its);
}

static int by_kind(const void *left, const void *right)
{
	const struct snapimg_attribute *a = left, *b = right;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->argument != b->argument)
		return a->argument < b->argument ? -1 : 1;
	return (a->more > b->more) - (a->more < b->more);
}

enum snapimg_error attributes_write(struct attributes *attributes, struct snapimg_writer *writer)
{
	if (attributes->count == 0)
		return SNAPIMG_OK;
	qsort(attributes->record, attributes->count, sizeof(*attributes->record), by_kind);
	return snapimg_writer_add(writer, SNAPIMG_SECTION_ATTRIBUTES, attributes->record,
	                          attributes->count * sizeof(*attributes->record));
}

void attributes_free(struct attributes *attributes)
{
	free(attributes->record);
	*attributes = (struct attributes){0};
}
