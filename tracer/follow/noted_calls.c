#include "tracer/follow/noted_calls.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "tracer/caller.h"
#include "tracer/follow/noted_made.h"
#include "tracer/ipc.h"
#include "tracer/ptrace/memory.h"
#include "tracer/rings.h"

enum {
	IO_PRIORITY_WHO_PROCESS = 1,
	/* MEMBARRIER_CMD_REGISTER_* (include/uapi/linux/membarrier.h) */
	MEMBARRIER_REGISTERS = 1 << 2 | 1 << 4 | 1 << 6 | 1 << 8,
	SECTION_OF_OPERATIONS = 500, /* SEMOPM, semop(2) */
};
static const uint32_t all = UINT32_MAX;

/* Which resource, thread, …, and whether the call is about this process; false: it's none of ours. */
typedef bool call_chooser(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument);
/* The value as it is now: two that are equal are the same. */
typedef uint64_t value_reader(const struct tracee *tracee, uint64_t argument);
typedef void call_noter(struct noted *noted, uint64_t argument);

struct noted_row {
	uint32_t number;
	struct call_condition when;
	bool conditional;
	bool at_once;     /* that it's made is enough, whatever it returns */
	uint32_t bits;    /* enum noted_bit */
	call_noter *note; /* in place of bits */
	void (*got)(const struct tracee *tracee, uint64_t argument,
	            int64_t result); /* and what it returned */
	call_chooser *choose;
	value_reader *read; /* only what it leaves as it was is noted; NULL: whatever succeeds */
};

static bool is_own(const struct tracee *tracee, uint64_t id)
{
	return id == 0 || (pid_t)id == tracee->tid || (pid_t)id == tracee->process->pid;
}

static bool of_first(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	uint64_t id = (uint32_t)call->argument[0];

	*ret_argument = id ? id : (uint64_t)tracee->tid;
	return is_own(tracee, id);
}

static bool of_second(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	uint64_t id = (uint32_t)call->argument[1];

	*ret_argument = id ? id : (uint64_t)tracee->tid;
	return is_own(tracee, id);
}

static bool limit_of_setrlimit(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	(void)tracee;
	*ret_argument = (uint32_t)call->argument[0];
	return *ret_argument < RLIM_NLIMITS;
}

static bool limit_of_prlimit(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	*ret_argument = (uint32_t)call->argument[1];
	return is_own(tracee, (uint32_t)call->argument[0]) && *ret_argument < RLIM_NLIMITS;
}

/* A relative name leads from the caller's directory, wherever that is. */
static bool absolute_path(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	char first = 0;

	*ret_argument = 0;
	return tracee_read(tracee->tid, call->argument[0], &first, 1) == 0 && first == '/';
}

static bool with_undo(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	struct sembuf operations[SECTION_OF_OPERATIONS];
	uint64_t count = call->argument[2];

	*ret_argument = 0;
	if (count == 0 || count > SECTION_OF_OPERATIONS ||
	    tracee_read(tracee->tid, call->argument[1], operations, count * sizeof(*operations)) < 0)
		return false;
	for (uint64_t i = 0; i < count; i++)
		if (operations[i].sem_flg & SEM_UNDO)
			return true;
	return false;
}

static bool of_segments(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	(void)tracee;
	(void)call;
	*ret_argument = SNAPIMG_IPC_SEGMENT;
	return true;
}

static bool of_semaphores(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	(void)tracee;
	(void)call;
	*ret_argument = SNAPIMG_IPC_SEMAPHORES;
	return true;
}

static bool of_queues(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	(void)tracee;
	(void)call;
	*ret_argument = SNAPIMG_IPC_QUEUE;
	return true;
}

static void note_ipc(const struct tracee *tracee, uint64_t kind, int64_t id)
{
	(void)tracee;
	ipc_note_got(kind, id);
}

static bool second_argument(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	(void)tracee;
	*ret_argument = call->argument[1];
	return true;
}

/* The kernel chooses them itself, too, as there are more threads. */
static bool of_futex_slots(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	(void)tracee;
	*ret_argument = 0;
	return call->argument[1] == PR_FUTEX_HASH_SET_SLOTS;
}

static void note_ring(const struct tracee *tracee, uint64_t address, int64_t fd)
{
	struct io_uring_params params;
	struct stat ring;

	if (stat(proc_path(tracee->tid, "fd/%d", (int)fd).text, &ring) == 0 &&
	    tracee_read(tracee->tid, address, &params, sizeof(params)) == 0)
		rings_note_made(ring.st_ino, &params);
}

/* The highest bit says that the number is one of the thread's registered rings, which are noted, too. False:
 * there is nothing to note of the process. */
static bool of_ring(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	struct stat ring;

	*ret_argument = 0;
	if (stat(proc_path(tracee->tid, "fd/%d", (int)call->argument[0]).text, &ring) == 0)
		rings_note_registered(ring.st_ino, (uint32_t)call->argument[1] & INT32_MAX);
	return false;
}

/* The kernel takes the name without its slash. False: there is nothing to note of the process. */
static bool of_queue_name(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	char name[256] = "/"; /* NAME_MAX and 1 */

	*ret_argument = 0;
	if (tracee_read_string(tracee->tid, call->argument[0], name + 1, sizeof(name) - 1) > 0)
		ipc_note_queue(name);
	return false;
}

/* Only signals that the caller ignores come here. The handler stands first in the kernel's struct. */
static bool ignores(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	uint64_t handler;

	*ret_argument = call->argument[0];
	return tracee_read(tracee->tid, call->argument[1], &handler, sizeof(handler)) == 0 &&
	       handler == (uint64_t)(uintptr_t)SIG_IGN;
}

static bool first_argument(const struct tracee *tracee, const struct call *call, uint64_t *ret_argument)
{
	(void)tracee;
	*ret_argument = call->argument[0];
	return true;
}

static uint64_t read_directory(const struct tracee *tracee, uint64_t argument)
{
	struct stat status = {0};

	(void)argument;
	if (stat(proc_path(tracee->tid, "cwd").text, &status) < 0)
		return 0;
	return (uint64_t)status.st_dev << 48 ^ status.st_ino;
}

static uint64_t read_umask(const struct tracee *tracee, uint64_t argument)
{
	(void)argument;
	return (uint64_t)process_status_number(tracee->tid, "Umask");
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x100000001b3; /* FNV-1a's, by words */
}

static uint64_t read_limit(const struct tracee *tracee, uint64_t argument)
{
	struct rlimit limit = {0};

	prlimit(tracee->process->pid, (enum __rlimit_resource)argument, NULL, &limit);
	return mix(mix(0, limit.rlim_cur), limit.rlim_max);
}

static uint64_t read_nice(const struct tracee *tracee, uint64_t argument)
{
	(void)tracee;
	return (uint64_t)getpriority(PRIO_PROCESS, (id_t)argument);
}

static uint64_t read_scheduling(const struct tracee *tracee, uint64_t argument)
{
	struct sched_param parameter = {0};

	(void)tracee;
	sched_getparam((pid_t)argument, &parameter);
	return mix(mix(0, (uint64_t)sched_getscheduler((pid_t)argument)), (uint64_t)parameter.sched_priority);
}

static uint64_t read_affinity(const struct tracee *tracee, uint64_t argument)
{
	uint64_t set[128] = {0}, hash = 0;

	(void)tracee;
	syscall(SYS_sched_getaffinity, (pid_t)argument, sizeof(set), set);
	for (size_t i = 0; i < sizeof(set) / sizeof(*set); i++)
		hash = mix(hash, set[i]);
	return hash;
}

static uint64_t read_io_priority(const struct tracee *tracee, uint64_t argument)
{
	(void)tracee;
	return (uint64_t)syscall(SYS_ioprio_get, IO_PRIORITY_WHO_PROCESS, (pid_t)argument);
}

static uint64_t read_personality(const struct tracee *tracee, uint64_t argument)
{
	struct text text CLEANUP(text_free) = {0};
	uint64_t hash = 0;

	(void)argument;
	if (proc_try_read(proc_path(tracee->tid, "personality").text, &text) < 0)
		return 0;
	for (size_t i = 0; i < text.size; i++)
		hash = mix(hash, (uint8_t)text.bytes[i]);
	return hash;
}

static void note_limit(struct noted *noted, uint64_t resource)
{
	noted->limits |= UINT32_C(1) << resource;
}

static void note_ignored(struct noted *noted, uint64_t signal_number)
{
	noted->ignored |= UINT64_C(1) << (signal_number - 1);
}

static void note_membarrier(struct noted *noted, uint64_t command)
{
	noted->membarriers |= (uint32_t)command;
}

/* clang-format off */
#define PRCTL(option) .number = SYS_prctl, .conditional = true, .when = {0, false, UINT32_MAX, (option)}
#define TERMINAL(command)                                                                                    \
	{SYS_ioctl, .conditional = true, .when = {1, false, UINT32_MAX, (command)}, .bits = NOTED_TERMINAL}
#define EXCLUSIVELY(argument)                                                                                \
	.conditional = true, .when = {(argument), false, O_CREAT | O_EXCL, O_CREAT | O_EXCL}
#define UNLESS(argument, mask, value) .conditional = true, .when = {(argument), true, (mask), (value)}
/* clang-format on */
static const struct noted_row rows[] = {
        {SYS_chdir, .bits = NOTED_DIRECTORY, .choose = absolute_path, .read = read_directory},
        {SYS_fchdir, .bits = NOTED_DIRECTORY, .read = read_directory},
        {SYS_umask, .bits = NOTED_UMASK, .read = read_umask},
        {SYS_setrlimit, .note = note_limit, .choose = limit_of_setrlimit, .read = read_limit},
        {SYS_prlimit64, UNLESS(2, UINT32_MAX, 0), .note = note_limit, .choose = limit_of_prlimit,
         .read = read_limit},
        {SYS_setpriority, .conditional = true, .when = {0, false, UINT32_MAX, PRIO_PROCESS},
         .bits = NOTED_NICE, .choose = of_second, .read = read_nice},
        {SYS_sched_setscheduler, .bits = NOTED_SCHEDULING, .choose = of_first, .read = read_scheduling},
        {SYS_sched_setparam, .bits = NOTED_SCHEDULING, .choose = of_first, .read = read_scheduling},
        {SYS_sched_setattr, .bits = NOTED_SCHEDULING | NOTED_NICE, .choose = of_first},
        {SYS_sched_setaffinity, .bits = NOTED_AFFINITY, .choose = of_first, .read = read_affinity},
        {SYS_ioprio_set, .conditional = true, .when = {0, false, UINT32_MAX, IO_PRIORITY_WHO_PROCESS},
         .bits = NOTED_IO_PRIORITY, .choose = of_second, .read = read_io_priority},
        {SYS_personality, UNLESS(0, UINT32_MAX, UINT32_MAX), .bits = NOTED_PERSONALITY,
         .read = read_personality},
        {SYS_personality, UNLESS(0, UINT32_MAX, UINT32_MAX), .at_once = true, .bits = NOTED_OF_THREAD},
        {PRCTL(PR_SET_TIMERSLACK), .at_once = true, .bits = NOTED_OF_THREAD | NOTED_TIMER_SLACK},
        {PRCTL(PR_SET_PDEATHSIG), .at_once = true, .bits = NOTED_OF_THREAD},
        {PRCTL(PR_SET_NO_NEW_PRIVS), .at_once = true, .bits = NOTED_OF_THREAD},
        {PRCTL(PR_SET_KEEPCAPS), .at_once = true, .bits = NOTED_OF_THREAD},
        {PRCTL(PR_SET_TSC), .at_once = true, .bits = NOTED_OF_THREAD},
        {PRCTL(PR_MCE_KILL), .at_once = true, .bits = NOTED_OF_THREAD},
        {PRCTL(PR_SET_SECUREBITS), .bits = NOTED_OF_THREAD | NOTED_SECURE_BITS},
        {PRCTL(PR_SET_SPECULATION_CTRL), .bits = NOTED_OF_THREAD | NOTED_SPECULATION},
        {PRCTL(PR_SET_IO_FLUSHER), .bits = NOTED_OF_THREAD},
        {PRCTL(PR_SET_SYSCALL_USER_DISPATCH), .bits = NOTED_DISPATCH},
        {PRCTL(PR_FUTEX_HASH), .bits = NOTED_FUTEX_SLOTS, .choose = of_futex_slots},
        {SYS_getppid, .at_once = true, .bits = NOTED_PARENT},
        /* None of its children becomes its tracee by itself (PTRACE_TRACEME): they have a tracer. */
        {SYS_ptrace, .at_once = true, .bits = NOTED_TRACER},
        {SYS_add_key, .at_once = true, .bits = NOTED_OF_THREAD},
        {SYS_request_key, .at_once = true, .bits = NOTED_OF_THREAD},
        {SYS_keyctl, .at_once = true, .bits = NOTED_OF_THREAD},
        {SYS_set_mempolicy, .at_once = true, .bits = NOTED_OF_THREAD},
        {SYS_mbind, .at_once = true, .bits = NOTED_MEMORY_PLACED},
        {SYS_iopl, .bits = NOTED_PORTS},
        {SYS_landlock_restrict_self, .bits = NOTED_LANDLOCK},
        {SYS_semop, .at_once = true, .bits = NOTED_SEMAPHORE_UNDO, .choose = with_undo},
        {SYS_semtimedop, .at_once = true, .bits = NOTED_SEMAPHORE_UNDO, .choose = with_undo},
        {SYS_shmget, .choose = of_segments, .got = note_ipc},
        {SYS_semget, .choose = of_semaphores, .got = note_ipc},
        {SYS_msgget, .choose = of_queues, .got = note_ipc},
        {SYS_io_uring_setup, .choose = second_argument, .got = note_ring},
        {SYS_io_uring_register, .at_once = true, .choose = of_ring},
        {SYS_mq_open, .at_once = true, .choose = of_queue_name},
        /* asm-generic/ioctls.h: TCSETS, TCSETSW, TCSETSF, and the same of struct termios2. */
        TERMINAL(0x5402),
        TERMINAL(0x5403),
        TERMINAL(0x5404),
        TERMINAL(0x402c542b),
        TERMINAL(0x402c542c),
        TERMINAL(0x402c542d),
#ifdef SYS_mkdir /* not on every architecture */
        {SYS_mkdir, .choose = of_directory, .got = note_directory},
        {SYS_open, EXCLUSIVELY(1), .choose = of_file, .got = note_file},
#endif
        {SYS_mkdirat, .choose = of_directory_at, .got = note_directory},
        {SYS_openat, EXCLUSIVELY(2), .choose = of_file, .got = note_file},
        {SYS_membarrier, UNLESS(0, MEMBARRIER_REGISTERS, 0), .note = note_membarrier,
         .choose = first_argument},
};

/* A row each for the signals that the caller ignores: mostly none. After an exec the kernel's own record
 * tells whether an action was set (capture/process/state.c); before it, only the call. */
static const struct noted_row ignoring = {SYS_rt_sigaction, UNLESS(1, UINT32_MAX, 0), .at_once = true,
                                          .note = note_ignored, .choose = ignores};

static void add_condition(struct call_rule *rule, const struct call_condition *condition)
{
	(condition->differs ? call_rule_unless : call_rule_when)(rule, condition->argument, condition->mask,
	                                                         condition->value);
}

static struct call_rule *add_row(struct call_rules *rules, const struct noted_row *row)
{
	struct call_rule *rule = call_rules_add(rules, row->number, row->number);

	if (row->conditional)
		add_condition(rule, &row->when);
	return rule;
}

void noted_calls_watch(struct call_rules *rules)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		add_row(rules, &rows[i]);
	for (uint32_t number = 1; number <= 64; number++)
		if (the_caller.ignored_signals >> (number - 1) & 1)
			call_rule_when(add_row(rules, &ignoring), 0, all, number);
}

static bool fits(const struct noted_row *row, const struct call *call)
{
	const struct call_condition *when = &row->when;

	if (call->number != (long)row->number)
		return false;
	return !row->conditional ||
	       (((uint32_t)call->argument[when->argument] & when->mask) == when->value) != when->differs;
}

static void note(struct noted *noted, const struct noted_row *row, uint64_t argument)
{
	noted->bits |= row->bits;
	if (row->note)
		row->note(noted, argument);
}

/* True if the row's call is to be heard of again. */
static bool begin(struct tracee *tracee, const struct noted_row *row, const struct call *call)
{
	uint64_t argument = 0;

	if (!fits(row, call) || (row->choose && !row->choose(tracee, call, &argument)))
		return false;
	if (row->at_once) {
		note(&tracee->process->noted, row, argument);
		return false;
	}
	tracee->noting.row = row;
	tracee->noting.argument = argument;
	tracee->noting.before = row->read ? row->read(tracee, argument) : 0;
	return true;
}

bool noted_call_begins(struct tracee *tracee, const struct call *call)
{
	bool awaited = false;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		awaited |= begin(tracee, &rows[i], call);
	if (call->argument[0] - 1 < 64 && the_caller.ignored_signals >> (call->argument[0] - 1) & 1)
		begin(tracee, &ignoring, call);
	return awaited;
}

void noted_call_ended(struct tracee *tracee, int64_t result)
{
	const struct noted_row *row = tracee->noting.row;

	if (result < 0 || !row)
		return;
	if (row->got)
		row->got(tracee, tracee->noting.argument, result);
	if (!row->read || row->read(tracee, tracee->noting.argument) == tracee->noting.before)
		note(&tracee->process->noted, row, tracee->noting.argument);
}

struct noted noted_after_exec(const struct noted *before)
{
	static const uint32_t outliving = 0
#define X(name, bit, outlives) | (uint32_t)(outlives) << (bit)
	        NOTED(X)
#undef X
	        ;

	return (struct noted){
	        .bits = before->bits & outliving, .limits = before->limits, .ignored = before->ignored};
}
