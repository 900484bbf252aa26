/*
 * Four processes:
 *
 *   keeper   what the caller started: it waits for the stand-in, which is its child, passes on signals, stops
 *            and goes on with it, and ends as it ends
 *   init     process 1 of the namespace (init.c)
 *   stand-in keeps the program in the same way, in the namespace: so the program has a parent that it sees,
 *            with the ID that its parent had, and not 0, which kill(2) takes for the whole process group, or
 *            1, which says that the parent has died
 *   program  becomes what the image holds
 *
 * Signals of the terminal go to the whole process group: where the program is in it, they are not passed on.
 * Without a namespace, for a program that has to get into a session of its own, the keeper is its parent, and
 * init a guard.
 */
#include "restore/become/keeper.h"

#include <stddef.h> /* for <asm/signal.h> of Linux 5.10 */

#include <asm/errno.h>
#include <asm/resource.h>
#include <asm/siginfo.h>
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "restore/base/message.h"
#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/thread_x86_64.h"
#include "restore/become/capabilities.h"
#include "restore/become/init.h"
#include "restore/become/session.h"
#include "restore/become/tree.h"
#include "restore/loader.h"

struct process_end {
	bool went_on;
	int how, status; /* CLD_…; exit status or signal */
};

/* A process that keeps another one. */
struct kept_process {
	uint32_t own_id, id;
	bool is_inside; /* it is the stand-in */
	bool is_parent; /* there is none */
	struct process_end end;
};

static long set_mask(uint64_t mask, uint64_t *ret_before)
{
	return sys(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &mask, ret_before, SIGNAL_SET_SIZE);
}

static uint64_t bit(int number)
{
	return (uint64_t)1 << (number - 1);
}

/* As the kernel stops or ends a process that has not chosen otherwise. */
static void take_default(uint32_t own_id, int number)
{
	const struct kernel_sigaction action = {0};
	const uint64_t no_core[2] = {0, 0}; /* the program has written its own */
	sys(__NR_prlimit64, 0, RLIMIT_CORE, no_core, 0);
	sys(__NR_rt_sigaction, number, &action, 0, SIGNAL_SET_SIZE);
	sys(__NR_kill, own_id, number);
	set_mask(~bit(number), 0);
}

/* Where the stand-in was killed, the program is to end too: so only the stand-in can tell of its end. */
static _Noreturn void end_as(const struct kept_process *kept)
{
	const struct process_end *end = &kept->end;
	if (kept->is_inside || kept->is_parent)
		init_tell_end();
	if (!kept->is_inside)
		session_leave();
	if (end->how != CLD_EXITED)
		take_default(kept->own_id, end->status);
	sys(__NR_exit_group, end->how == CLD_EXITED ? end->status : 128 + end->status);
	__builtin_unreachable();
}

/* All that is new of the program. When it stops, so does the keeper, for the shell to see; then the shell
 * lets both go on. */
static void look(struct kept_process *kept)
{
	struct process_end *end = &kept->end;
	for (;;) {
		siginfo_t info = {0};
		long result = sys(__NR_waitid, P_PID, kept->id, &info,
		                  WEXITED | WSTOPPED | WCONTINUED | WNOHANG, 0);
		if (result < 0 || info.si_pid == 0)
			return;
		end->how = info.si_code;
		end->status = info.si_status;
		if (info.si_code == CLD_CONTINUED) {
			end->went_on = true;
		} else if (info.si_code == CLD_STOPPED) {
			end->went_on = false;
			sys(__NR_kill, kept->own_id, SIGSTOP);
		} else if (info.si_code != CLD_TRAPPED) {
			end_as(kept);
		}
	}
}

/* The program has had it too, as it is in the process group that the terminal's signals go to. Only a
 * session's leader hears of a hangup alone (drivers/tty/tty_jobctrl.c). */
static bool is_of_terminal(const struct kept_process *kept, const siginfo_t *info)
{
	const uint64_t to_group = bit(SIGINT) | bit(SIGQUIT) | bit(SIGTSTP) | bit(SIGTTIN) | bit(SIGTTOU) |
	                          bit(SIGWINCH) | bit(SIGHUP) | bit(SIGCONT);
	const uint64_t to_leader = bit(SIGHUP) | bit(SIGCONT);
	if (session_wanted() != NULL || tree_leads_group()) /* in a group of its own */
		return false;
	if (info->si_code != SI_KERNEL || (to_group & bit(info->si_signo)) == 0)
		return false;
	return (to_leader & bit(info->si_signo)) == 0 || sys(__NR_getsid, 0) != (long)kept->own_id;
}

/* What is sent by the program to its parent, or by another process inside, is not for the program. Who is
 * outside has no ID inside. */
static bool is_from_inside(const struct kept_process *kept, const siginfo_t *info)
{
	return kept->is_inside && info->si_code <= 0 && info->si_pid != 0;
}

static void pass_on(struct kept_process *kept, siginfo_t *info)
{
	if (is_of_terminal(kept, info) || is_from_inside(kept, info))
		return;
	if (info->si_signo == SIGCONT) { /* mostly to the whole group, by a shell's fg */
		look(kept);
		bool had_it = kept->end.went_on;
		kept->end.went_on = false;
		if (had_it)
			return;
	}
	if (info->si_code != SI_QUEUE || sys(__NR_rt_sigqueueinfo, kept->id, info->si_signo, info) < 0)
		sys(__NR_kill, kept->id, info->si_signo);
}

static _Noreturn void keep(struct kept_process kept)
{
	const uint64_t all = ~(uint64_t)0;
	/* A stream that the program closes must be closed, a directory must be free to go. */
	sys(__NR_close_range, 0, ~0u, 0);
	sys(__NR_chdir, "/");
	capabilities_drop();
	for (;;) {
		siginfo_t info = {0};
		long number = sys(__NR_rt_sigtimedwait, &all, &info, 0, SIGNAL_SET_SIZE);
		if (number == SIGCHLD)
			look(&kept);
		else if (number > 0)
			pass_on(&kept, &info);
	}
}

/* Interval timers that the caller set are the program's, as after an exec; a child begins without (fork(2)).
 */
enum { INTERVAL_TIMERS = 3 };
struct interval_timer { /* struct itimerval */
	uint64_t interval[2], value[2];
};

static void read_timers(struct interval_timer timer[INTERVAL_TIMERS])
{
	for (uint32_t i = 0; i < INTERVAL_TIMERS; i++)
		sys(__NR_getitimer, i, &timer[i]);
}

static void set_timers(const struct interval_timer timer[INTERVAL_TIMERS], bool on)
{
	static const struct interval_timer none;
	for (uint32_t i = 0; i < INTERVAL_TIMERS; i++)
		if ((timer[i].value[0] | timer[i].value[1]) != 0)
			sys(__NR_setitimer, i, on ? &timer[i] : &none, 0);
}

/* What becomes of the one process. The stand-in has the keeper's memory, for a copy would take longer than
 * all that it does, and its own stack; the program has a copy, and goes on where the keeper was at `begun`.
 */
static struct {
	uint32_t tid, parent;
	int init_ready;
	int32_t answer[2]; /* a pipe: by it the keeper hears whether there is a program */
	struct interval_timer timer[INTERVAL_TIMERS];
	void *begun[5];
	struct kernel_sigaction child_action; /* the caller's, as is the mask */
	uint64_t mask;
	long failed;
	_Alignas(16) uint8_t stack[8192];
} split;

static _Noreturn void die_without_id(uint32_t tid, long result)
{
	die(EXIT_REFUSED, "--ids=same: no process can have the recorded ID ", dec(tid), ": ",
	    error_text(result), ": start it with --ids=new");
}

/* A child, or for 0 in the program. `tid`: 0: any. */
static long start_child(uint64_t flags, uint32_t tid, uint64_t exit_signal)
{
	int32_t wanted = (int32_t)tid;
	struct clone_args arguments = {
	        .flags = flags, .exit_signal = exit_signal, .set_tid = (uint64_t)&wanted, .set_tid_size = 1};
	if (tid == 0)
		return sys(__NR_clone, flags | exit_signal);
	return sys(__NR_clone3, &arguments, sizeof arguments);
}

/* Into a session one gets by its leader alone, which goes before the program goes on; the program is the
 * child of who calls this all the same. */
static long start_in_session(uint32_t tid, uint32_t session)
{
	uint32_t status = 0;
	long leader = start_child(0, tid == 0 ? 0 : session, SIGCHLD), program = tid;
	if (leader < 0)
		return leader;
	if (leader == 0) {
		sys(__NR_setsid);
		program =
		        start_child(CLONE_PARENT, tid, 0); /* with the leader's own exit signal (clone(2)) */
		if (program == 0) {
			while (sys(__NR_kill, sys(__NR_getsid, 0), 0) == 0) /* until it is waited for */
				sys(__NR_sched_yield);
			return 0;
		}
		if (program > 0 && tid == 0) /* else the keeper waits for another answer */
			sys(__NR_write, split.answer[1], &program, sizeof program);
		sys(__NR_exit_group, program < 0 ? -program : 0);
	}
	sys(__NR_wait4, leader, &status, __WALL, 0);
	if (status != 0)
		return status >> 8 != 0 ? -(long)(status >> 8) : -EAGAIN;
	if (tid == 0)
		sys(__NR_read, split.answer[0], &program, sizeof program);
	return program;
}

/* In the one that is to be the program's parent. */
static long start_program(uint32_t tid, uint32_t parent)
{
	const struct snapimg_attribute *session = session_wanted();
	if (session != NULL && session_is_anothers(session)) {
		if (tid == 0 || session->value != parent)
			return start_in_session(tid, (uint32_t)session->value);
		sys(__NR_setsid); /* its parent led it */
	}
	return start_child(0, tid, SIGCHLD);
}

static void stand_in(void *unused)
{
	(void)unused;
	long program = start_program(split.tid, split.parent);
	if (program == 0)
		__builtin_longjmp(split.begun, 1);
	sys(__NR_write, split.answer[1], &program, sizeof program);
	if (program > 0)
		keep((struct kept_process){.own_id = split.parent, .id = split.tid, .is_inside = true});
	sys(__NR_exit_group, EXIT_REFUSED);
}

static long start_stand_in(void)
{
	enum { ENTRY = 2 * sizeof(uint64_t) };
	int32_t wanted = (int32_t)split.parent;
	uint64_t *entry = (uint64_t *)(split.stack + sizeof split.stack - ENTRY);
	struct clone_args arguments = {.flags = CLONE_VM,
	                               .exit_signal = SIGCHLD,
	                               .stack = (uint64_t)split.stack,
	                               .stack_size = sizeof split.stack - ENTRY,
	                               .set_tid = (uint64_t)&wanted,
	                               .set_tid_size = 1};
	entry[0] = (uint64_t)stand_in;
	return thread_clone3(&arguments, sizeof arguments);
}

/* Only the keeper can do something else when there can be no program: so it has all descriptors until then.
 */
__attribute__((noinline)) static _Noreturn void become_keeper(void)
{
	long child = start_stand_in(), program = -ESRCH; /* where the stand-in was killed */
	if (child < 0)
		die_without_id(split.parent, child);
	set_timers(split.timer, false);
	sys(__NR_close, split.answer[1]);
	sys(__NR_read, split.answer[0], &program, sizeof program);
	if (program < 0)
		die_without_id(split.tid, program);
	init_await(split.init_ready); /* from then on it hears of the keeper's end */
	keep((struct kept_process){.own_id = loader.tid, .id = (uint32_t)child});
}

/* All signals are blocked, and an end is seen. */
static void begin_split(bool in_namespace)
{
	const struct kernel_sigaction plain = {0};
	set_mask(~(uint64_t)0, &split.mask);
	/* A caller that ignores its children's ends has that inherited, but the keeper must see one. */
	sys(__NR_rt_sigaction, SIGCHLD, &plain, &split.child_action, SIGNAL_SET_SIZE);
	split.init_ready = init_start(in_namespace);
	read_timers(split.timer);
	split.failed = sys(__NR_pipe2, split.answer, O_CLOEXEC);
}

/* In the program. */
static void end_split(void)
{
	if (split.tid == 0)
		init_tell_program(
		        (uint32_t)sys(__NR_gettid)); /* before the guard can take the keeper for gone */
	set_timers(split.timer, true);
	sys(__NR_close, split.answer[0]);
	sys(__NR_close, split.answer[1]);
	sys(__NR_close, split.init_ready);
	if (split.tid != 0)
		init_mount_proc();
	sys(__NR_rt_sigaction, SIGCHLD, &split.child_action, 0, SIGNAL_SET_SIZE);
	set_mask(split.mask, 0);
	loader.tid = split.tid != 0 ? split.tid : (uint32_t)sys(__NR_gettid);
}

void keeper_split(uint32_t tid, uint32_t parent)
{
	split.tid = tid;
	split.parent = parent;
	begin_split(true);
	if (split.failed < 0)
		die_without_id(tid, split.failed);
	if (__builtin_setjmp(split.begun) == 0)
		become_keeper();
	end_split();
}

void keeper_split_here(void)
{
	begin_split(false);
	long program = split.failed < 0 ? split.failed : start_program(0, 0);
	if (program < 0)
		die(EXIT_REFUSED,
		    "the program's own session: no process can be started: ", error_text(program),
		    ": raise ulimit -u");
	if (program > 0) {
		set_timers(split.timer, false);
		init_await(split.init_ready);
		keep((struct kept_process){.own_id = loader.tid, .id = (uint32_t)program, .is_parent = true});
	}
	end_split();
}
