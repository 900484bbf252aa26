#include "tracer/capture/threads/own.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tracer/caller.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/tracee.h"
#include "tracer/refusals.h"

enum {
	IO_PERMISSIONS = 0x201, /* NT_386_IOPERM */
	NODES_MAX = 8192,
	KEEP_CAPS = 1 << 4, /* SECBIT_KEEP_CAPS: PR_GET_KEEPCAPS has it */
};

static const enum __ptrace_request get_user_dispatch =
        (enum __ptrace_request)0x4211; /* PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, Linux 6.4 */

struct user_dispatch { /* struct ptrace_sud_config */
	uint64_t mode, selector, offset, length;
};

enum status threads_refuse_dispatch(const struct threads *threads, const struct subject *subject)
{
	bool noted = subject->request->noted->bits & NOTED_DISPATCH;

	for (size_t i = 0; i < threads->count; i++) {
		struct user_dispatch is = {0};
		pid_t tid = proc_living(threads->stopped->thread[i].tid);

		if (ptrace(get_user_dispatch, tid, sizeof(is), &is) == 0 ? is.mode != 0 : noted)
			return refuse("system calls that go to a handler (PR_SET_SYSCALL_USER_DISPATCH)",
			              "choose a point before it is set", "thread %d of process %d", tid,
			              subject->pid);
	}
	return STATUS_OK;
}

static enum status refuse_ports(const struct subject *subject, pid_t tid)
{
	uint8_t bits[8192];
	struct iovec area = {bits, sizeof(bits)};
	bool of_level = subject->request->noted->bits & NOTED_PORTS;

	if (!of_level && ptrace(PTRACE_GETREGSET, tid, IO_PERMISSIONS, &area) < 0)
		return STATUS_OK; /* ENXIO: none */
	return refuse("access to I/O ports (ioperm, iopl)", "choose a point before it is given",
	              "thread %d of process %d", tid, subject->pid);
}

static const char *const keyrings[] = {"a thread's keyring", "a process keyring",
                                       "a session keyring of its own"};

enum { KEYRINGS = 3, MISFEATURES = 3 };

/* What a thread is asked, all at once. */
enum question {
	KEYRING,
	USERS_KEYRING = KEYRING + KEYRINGS,
	POLICY,
	SPECULATION,
	SLACK = SPECULATION + MISFEATURES,
	KEPT_CAPABILITIES,
	SECURE_BITS,
	MEMORY_FAILURE,
	DEATH_SIGNAL,
	TIME_STAMP,
	QUESTIONS
};

/* In the scratch page. */
struct written {
	struct policy {
		int mode, unused;
		uint8_t nodes[NODES_MAX / 8];
	} policy;
	uint32_t death_signal;
	int32_t time_stamp;
};

struct answers {
	int64_t to[QUESTIONS];
	struct written written;
};

/* None of the keyrings may be made by the question. KEY_SPEC_x_KEYRING are -1 to -3. */
static enum status ask_thread(const struct remote *remote, struct answers *answers)
{
	const uint64_t at = remote->scratch;
	struct remote_ask ask[QUESTIONS] = {
	        [USERS_KEYRING] = {NULL,
	                           SYS_keyctl,
	                           {KEYCTL_GET_KEYRING_ID, (uint64_t)KEY_SPEC_USER_SESSION_KEYRING, 0},
	                           0},
	        [POLICY] = {NULL,
	                    SYS_get_mempolicy,
	                    {at + offsetof(struct written, policy.mode),
	                     at + offsetof(struct written, policy.nodes), NODES_MAX, 0},
	                    0},
	        [SLACK] = {NULL, SYS_prctl, {PR_GET_TIMERSLACK}, 0},
	        [KEPT_CAPABILITIES] = {NULL, SYS_prctl, {PR_GET_KEEPCAPS}, 0},
	        [SECURE_BITS] = {NULL, SYS_prctl, {PR_GET_SECUREBITS}, 0},
	        [MEMORY_FAILURE] = {NULL, SYS_prctl, {PR_MCE_KILL_GET}, 0},
	        [DEATH_SIGNAL] = {"parent-death signal",
	                          SYS_prctl,
	                          {PR_GET_PDEATHSIG, at + offsetof(struct written, death_signal)},
	                          0},
	        [TIME_STAMP] = {"time-stamp mode",
	                        SYS_prctl,
	                        {PR_GET_TSC, at + offsetof(struct written, time_stamp)},
	                        0},
	};
	enum status status;

	for (uint64_t i = 0; i < KEYRINGS; i++)
		ask[KEYRING + i] =
		        (struct remote_ask){NULL, SYS_keyctl, {KEYCTL_GET_KEYRING_ID, -(i + 1), 0}, 0};
	for (uint64_t i = 0; i < MISFEATURES; i++)
		ask[SPECULATION + i] = (struct remote_ask){NULL, SYS_prctl, {PR_GET_SPECULATION_CTRL, i}, 0};
	status = remote_ask_all(remote, ask, QUESTIONS, &answers->written, sizeof(answers->written));
	for (size_t i = 0; i < QUESTIONS; i++)
		answers->to[i] = ask[i].answer;
	return status;
}

/* Who has no session keyring is told of its user's, which is another one for another user. */
static enum status refuse_keyrings(const struct subject *subject, pid_t tid, const struct answers *answers)
{
	long callers = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);

	for (int i = 0; i < KEYRINGS; i++) {
		int64_t its = answers->to[KEYRING + i];
		bool is_session = -(i + 1) == KEY_SPEC_SESSION_KEYRING;

		if (its >= 0 && (!is_session || (its != callers && its != answers->to[USERS_KEYRING])))
			return refuse(keyrings[i], "choose a point before a key is put into it",
			              "thread %d of process %d", tid, subject->pid);
	}
	return STATUS_OK;
}

/* An exec keeps both, but for PR_SPEC_DISABLE_NOEXEC: a caller of snaprun can have them set, too. Without the
 * program's call in view (-p) the modes alone tell, of which the kernel's own filters use none but the forced
 * one (seccomp(2), SECCOMP_FILTER_FLAG_SPEC_ALLOW). */
static enum status refuse_speculation(const struct subject *subject, pid_t tid, const struct answers *answers)
{
	const int64_t chosen = PR_SPEC_DISABLE | PR_SPEC_DISABLE_NOEXEC;
	bool noted = subject->request->noted->bits & NOTED_SPECULATION;

	for (int which = 0; which < MISFEATURES; which++) {
		int64_t its = answers->to[SPECULATION + which];
		int64_t callers = prctl(PR_GET_SPECULATION_CTRL, (unsigned long)which, 0, 0, 0);

		if (its >= 0 && its != callers && (noted || its & chosen))
			return refuse("speculation that was switched (PR_SET_SPECULATION_CTRL)",
			              "choose a point before that, or let who starts it switch it",
			              "thread %d of process %d", tid, subject->pid);
	}
	return STATUS_OK;
}

/* It can be asked with a privilege only (PR_GET_IO_FLUSHER), and shows in the flags that all may read. */
static enum status refuse_io_flusher(const struct subject *subject, pid_t tid)
{
	const uint64_t flusher = 0x00180000; /* PF_MEMALLOC_NOIO, PF_LOCAL_THROTTLE (include/linux/sched.h) */
	struct proc_stat its, callers;

	if (proc_try_read_stat(tid, &its) < 0 || proc_try_read_stat(gettid(), &callers) < 0 ||
	    (its.field[STAT_FLAGS] & flusher) != flusher || (callers.field[STAT_FLAGS] & flusher) == flusher)
		return STATUS_OK;
	return refuse("a thread that others need to write memory out (PR_SET_IO_FLUSHER)",
	              "choose a point before it is set", "thread %d of process %d", tid, subject->pid);
}

static enum status refuse_memory_policy(const struct subject *subject, pid_t tid,
                                        const struct answers *answers)
{
	const struct policy *its = &answers->written.policy;
	struct policy callers = {0};

	if (syscall(SYS_get_mempolicy, &callers.mode, callers.nodes, NODES_MAX, 0, 0) < 0 ||
	    answers->to[POLICY] < 0)
		return STATUS_OK; /* no such thing here */
	if (its->mode == callers.mode && memcmp(its->nodes, callers.nodes, sizeof(its->nodes)) == 0)
		return STATUS_OK;
	return refuse("a memory policy (set_mempolicy)",
	              "choose a point before it is set, or run it under "
	              "numactl(8) at its starts, too",
	              "thread %d of process %d", tid, subject->pid);
}

/* What the main thread has, as far as another begins with it. */
struct own {
	int64_t slack, keep_capabilities, secure_bits, time_stamp, memory_failure;
	uint32_t death_signal, personality;
	bool no_new_privs;
};

/* The filter may have needed it; then only the program's own call tells. */
bool thread_set_no_new_privs(const struct subject *subject, pid_t tid)
{
	const struct tracee *tracee = tracee_find(tid);

	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return false; /* the caller's */
	if (subject->request->no_new_privs_is_ours)
		return tracee && tracee->set_no_new_privs;
	return process_status_number(tid, "NoNewPrivs") == 1;
}

static enum status read_own(const struct subject *subject, pid_t tid, const struct answers *answers,
                            struct own *own)
{
	struct text text CLEANUP(text_free) = {0};
	enum status status;

	if ((status = proc_read(proc_path(tid, "personality"), &text)) != STATUS_OK)
		return status;
	*own = (struct own){
	        .slack = answers->to[SLACK],
	        .keep_capabilities = answers->to[KEPT_CAPABILITIES],
	        .secure_bits = answers->to[SECURE_BITS] & ~(int64_t)KEEP_CAPS,
	        .memory_failure = answers->to[MEMORY_FAILURE],
	        .death_signal = answers->written.death_signal,
	        .time_stamp = answers->written.time_stamp,
	        .personality = caller_personality(text.bytes),
	        .no_new_privs = thread_set_no_new_privs(subject, tid),
	};
	return STATUS_OK;
}

static enum status record(struct attributes *attributes, uint32_t index, const struct own *own,
                          const struct own *begun)
{
	const struct {
		enum snapimg_attribute_kind kind;
		int64_t is, was;
	} values[] = {
	        {SNAPIMG_ATTRIBUTE_THREAD_TIMER_SLACK, own->slack, begun->slack},
	        {SNAPIMG_ATTRIBUTE_THREAD_DEATH_SIGNAL, own->death_signal, begun->death_signal},
	        {SNAPIMG_ATTRIBUTE_THREAD_NO_NEW_PRIVS, own->no_new_privs, begun->no_new_privs},
	        {SNAPIMG_ATTRIBUTE_THREAD_PERSONALITY, own->personality, begun->personality},
	        {SNAPIMG_ATTRIBUTE_THREAD_KEEP_CAPABILITIES, own->keep_capabilities,
	         begun->keep_capabilities},
	        {SNAPIMG_ATTRIBUTE_THREAD_SECURE_BITS, own->secure_bits, begun->secure_bits},
	        {SNAPIMG_ATTRIBUTE_THREAD_TIME_STAMP, own->time_stamp, begun->time_stamp},
	        {SNAPIMG_ATTRIBUTE_THREAD_MEMORY_FAILURE, own->memory_failure, begun->memory_failure},
	};
	enum status status = STATUS_OK;

	for (size_t i = 0; i < sizeof(values) / sizeof(*values) && status == STATUS_OK; i++)
		if (values[i].is != values[i].was)
			status = attributes_add(attributes, values[i].kind, index, (uint64_t)values[i].is);
	return status;
}

/* A new thread begins with its maker's, the main thread's in the loader, but without its signal. Its time
 * stamps and memory failures are set last of all, so that they count from the caller's. */
static struct own begin_of_thread(const struct own *main_thread)
{
	struct own begun = *main_thread;
	int time_stamp = PR_TSC_ENABLE;

	begun.death_signal = 0;
	prctl(PR_GET_TSC, &time_stamp);
	begun.time_stamp = time_stamp;
	begun.memory_failure = prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
	return begun;
}

/* All but time stamps and memory failures of the main thread stands elsewhere: process/state.c. */
static struct own begin_of_main(const struct own *its)
{
	struct own begun = begin_of_thread(its);

	begun.death_signal = its->death_signal;
	return begun;
}

static enum status read_thread(const struct threads *threads, size_t index, const struct subject *subject,
                               const struct remote *remote, struct own *main_thread,
                               struct attributes *attributes)
{
	struct remote at = *remote;
	struct answers answers = {0};
	struct own own = {0};
	enum status status;

	at.tid = proc_living(threads->stopped->thread[index].tid);
	if ((status = pass_refusal(refuse_ports(subject, at.tid))) || (status = ask_thread(&at, &answers)) ||
	    (status = pass_refusal(refuse_keyrings(subject, at.tid, &answers))) ||
	    (status = pass_refusal(refuse_memory_policy(subject, at.tid, &answers))) ||
	    (status = pass_refusal(refuse_speculation(subject, at.tid, &answers))) ||
	    (status = pass_refusal(refuse_io_flusher(subject, at.tid))) ||
	    (status = read_own(subject, at.tid, &answers, &own)))
		return status;
	if (index == 0)
		*main_thread = own;
	struct own begun = index == 0 ? begin_of_main(main_thread) : begin_of_thread(main_thread);
	return record(attributes, (uint32_t)index, &own, &begun);
}

static uint64_t both(uint32_t low, uint32_t high)
{
	return (uint64_t)high << 32 | low;
}

/* Which the program has given up, of the caller's: each thread has its own, and no call that was noted need
 * have done it. */
static enum status read_capabilities(const struct threads *threads, struct attributes *attributes)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct its[_LINUX_CAPABILITY_U32S_3] = {0},
	                              callers[_LINUX_CAPABILITY_U32S_3] = {0};
	long result = syscall(SYS_capget, &header, callers);
	enum status status = STATUS_OK;

	for (size_t i = 0; i < threads->count && result == 0 && status == STATUS_OK; i++) {
		header.pid = proc_living(threads->stopped->thread[i].tid);
		result = syscall(SYS_capget, &header, its);
		if (result == 0 &&
		    (its[0].permitted != callers[0].permitted || its[1].permitted != callers[1].permitted ||
		     its[0].effective != callers[0].effective || its[1].effective != callers[1].effective))
			status = attributes_add_more(attributes, SNAPIMG_ATTRIBUTE_THREAD_CAPABILITIES,
			                             (uint32_t)i, both(its[0].permitted, its[1].permitted),
			                             both(its[0].effective, its[1].effective));
	}
	return result == 0 ? status
	                   : fail(STATUS_FAILED, "can't read the program's capabilities: thread %d: %s",
	                          header.pid, strerror(errno));
}

enum status threads_read_own(const struct threads *threads, const struct subject *subject,
                             const struct remote *remote, struct attributes *attributes)
{
	const struct snapshot_request *request = subject->request;
	struct own main_thread = {0};
	enum status status = read_capabilities(threads, attributes);

	/* A few calls in each thread: only for a program that has set anything of it. */
	if (request->noted_all && !(request->noted->bits & (NOTED_OF_THREAD | NOTED_PORTS)))
		return status;
	for (size_t i = 0; i < threads->count && status == STATUS_OK; i++)
		status = read_thread(threads, i, subject, remote, &main_thread, attributes);
	return status;
}
