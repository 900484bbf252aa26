/*
 * Three processes:
 *
 *   keeper   what the caller started: it waits for the program, which is its child, passes on signals, stops
 *            and goes on with it, and ends as it ends
 *   init     process 1 of the namespace (init.c)
 *   program  becomes what the image holds
 *
 * Signals of the terminal go to the whole process group, in which the program is: they are not passed on.
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
#include "restore/loader.h"

struct process_end {
	bool ended, went_on;
	int how, status; /* CLD_…; exit status or signal */
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
static void take_default(int number)
{
	const struct kernel_sigaction action = {0};
	const uint64_t no_core[2] = {0, 0}; /* the program has written its own */
	sys(__NR_prlimit64, 0, RLIMIT_CORE, no_core, 0);
	sys(__NR_rt_sigaction, number, &action, 0, SIGNAL_SET_SIZE);
	sys(__NR_kill, loader.tid, number);
	set_mask(~bit(number), 0);
}

static _Noreturn void end_as(const struct process_end *end)
{
	init_tell_end();
	if (end->how != CLD_EXITED)
		take_default(end->status);
	sys(__NR_exit_group, end->how == CLD_EXITED ? end->status : 128 + end->status);
	__builtin_unreachable();
}

/* All that is new of the program. When it stops, so does the keeper, for the shell to see; then the shell
 * lets both go on. */
static void look(uint32_t program, struct process_end *end)
{
	for (;;) {
		siginfo_t info = {0};
		long result =
		        sys(__NR_waitid, P_PID, program, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG, 0);
		if (result < 0 || info.si_pid == 0)
			return;
		end->how = info.si_code;
		end->status = info.si_status;
		if (info.si_code == CLD_CONTINUED) {
			end->went_on = true;
		} else if (info.si_code == CLD_STOPPED) {
			end->went_on = false;
			sys(__NR_kill, loader.tid, SIGSTOP);
		} else if (info.si_code != CLD_TRAPPED) {
			end_as(end);
		}
	}
}

/* The program has had it too, as it is in the process group that the terminal's signals go to. Only a
 * session's leader hears of a hangup alone (drivers/tty/tty_jobctrl.c). */
static bool is_of_terminal(const siginfo_t *info)
{
	const uint64_t to_group = bit(SIGINT) | bit(SIGQUIT) | bit(SIGTSTP) | bit(SIGTTIN) | bit(SIGTTOU) |
	                          bit(SIGWINCH) | bit(SIGHUP) | bit(SIGCONT);
	const uint64_t to_leader = bit(SIGHUP) | bit(SIGCONT);
	if (info->si_code != SI_KERNEL || (to_group & bit(info->si_signo)) == 0)
		return false;
	return (to_leader & bit(info->si_signo)) == 0 || sys(__NR_getsid, 0) != (long)loader.tid;
}

static void pass_on(uint32_t program, siginfo_t *info, struct process_end *end)
{
	if (is_of_terminal(info))
		return;
	if (info->si_signo == SIGCONT) { /* mostly to the whole group, by a shell's fg */
		look(program, end);
		bool had_it = end->went_on;
		end->went_on = false;
		if (had_it)
			return;
	}
	if (info->si_code != SI_QUEUE || sys(__NR_rt_sigqueueinfo, program, info->si_signo, info) < 0)
		sys(__NR_kill, program, info->si_signo);
}

static _Noreturn void keep(uint32_t program, int init_ready)
{
	const uint64_t all = ~(uint64_t)0;
	struct process_end end = {0};
	init_await(init_ready); /* from then on it hears of the keeper's end */
	/* A stream that the program closes must be closed, a directory must be free to go. */
	sys(__NR_close_range, 0, ~0u, 0);
	sys(__NR_chdir, "/");
	capabilities_drop();
	for (;;) {
		siginfo_t info = {0};
		long number = sys(__NR_rt_sigtimedwait, &all, &info, 0, SIGNAL_SET_SIZE);
		if (number == SIGCHLD)
			look(program, &end);
		else if (number > 0)
			pass_on(program, &info, &end);
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

static long start_program(uint32_t tid)
{
	int32_t wanted = (int32_t)tid;
	struct clone_args arguments = {
	        .exit_signal = SIGCHLD, .set_tid = (uint64_t)&wanted, .set_tid_size = 1};
	return sys(__NR_clone3, &arguments, sizeof arguments);
}

void keeper_split(uint32_t tid)
{
	const struct kernel_sigaction plain = {0};
	struct kernel_sigaction child_action = {0};
	uint64_t mask = 0;
	set_mask(~(uint64_t)0, &mask);
	/* A caller that ignores its children's ends has that inherited, but the keeper must see one. */
	sys(__NR_rt_sigaction, SIGCHLD, &plain, &child_action, SIGNAL_SET_SIZE);
	int init_ready = init_start();
	struct interval_timer timer[INTERVAL_TIMERS] = {0};
	read_timers(timer);
	long program = start_program(tid);
	if (program < 0)
		die(EXIT_REFUSED, "--ids=same: no process can have the recorded ID ", dec(tid), ": ",
		    error_text(program), ": start it with --ids=new");
	set_timers(timer, program == 0);
	if (program > 0)
		keep((uint32_t)program, init_ready);
	sys(__NR_close, init_ready);
	init_mount_proc();
	sys(__NR_rt_sigaction, SIGCHLD, &child_action, 0, SIGNAL_SET_SIZE);
	set_mask(mask, 0);
	loader.tid = tid;
}
