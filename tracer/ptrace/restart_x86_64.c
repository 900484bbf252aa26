#include "tracer/ptrace/restart_x86_64.h"

#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Of the kernel's include/linux/errno.h: seen by tracers only. */
enum { RESTARTSYS = 512, RESTARTNOINTR = 513, RESTARTNOHAND = 514, RESTART_RESTARTBLOCK = 516 };
enum { SYSCALL_INSTRUCTION = 2 /* bytes */, STEPS_MAX = 1000000 };

/*
 * Calls that answer EINTR when the thread is only stopped and goes on (signal(7)): nothing was done then, so
 * they are made again.
 *
 * Time limits. What the kernel wrote back is what goes on: select, pselect6 and ppoll, and a nanosleep or
 * clock_nanosleep whose two pointers are the same, as C libraries' sleep() makes it. Absolute limits stay.
 * Any other relative limit is known to the kernel alone, and begins again: epoll_wait, poll, FUTEX_WAIT,
 * rt_sigtimedwait, semtimedop, io_getevents, SO_RCVTIMEO, nanosleep with two pointers or one. A limit is
 * never cut short.
 */
static const int interrupted_by_stop[] = {
        SYS_epoll_wait,   SYS_epoll_pwait,   SYS_epoll_pwait2, SYS_rt_sigtimedwait,
        SYS_io_getevents, SYS_io_pgetevents, SYS_semop,        SYS_semtimedop,
        SYS_select,       SYS_pselect6,      SYS_ppoll,        SYS_accept,
        SYS_accept4,      SYS_read,          SYS_readv,        SYS_recvfrom,
        SYS_recvmsg,      SYS_recvmmsg,      SYS_write,        SYS_writev,
        SYS_sendto,       SYS_sendmsg,       SYS_sendmmsg,
};

static bool ends_by_stop(uint64_t call)
{
	for (size_t i = 0; i < sizeof(interrupted_by_stop) / sizeof(*interrupted_by_stop); i++)
		if (call == (uint64_t)interrupted_by_stop[i])
			return true;
	return false;
}

/* As handle_signal() and arch_do_signal_or_restart() decide. RESTARTBLOCK without a handler is the kernel's
 * restart_syscall(2), whose memory of the call no other process has. */
static bool is_made_anew(const struct user_regs_struct *registers, enum interruption by)
{
	switch (-(int64_t)registers->rax) {
	case RESTARTNOINTR:
		return true;
	case RESTARTSYS:
		return by != BY_HANDLER;
	case RESTARTNOHAND:
	case RESTART_RESTARTBLOCK:
		return by == BY_STOP;
	case EINTR:
		return by == BY_STOP && ends_by_stop(registers->orig_rax);
	default:
		return false;
	}
}

static bool is_interrupted(const struct user_regs_struct *registers)
{
	int64_t error = -(int64_t)registers->rax;

	return error == RESTARTSYS || error == RESTARTNOINTR || error == RESTARTNOHAND ||
	       error == RESTART_RESTARTBLOCK;
}

long restart_call(struct user_regs_struct *registers, enum interruption by)
{
	long call = -1;

	if ((int64_t)registers->orig_rax < 0) /* not in a call, or made ready before */
		return -1;
	if (is_made_anew(registers, by)) {
		call = (long)registers->orig_rax;
		registers->rax = registers->orig_rax;
		registers->rip -= SYSCALL_INSTRUCTION;
	} else if (is_interrupted(registers)) {
		registers->rax = (uint64_t)-EINTR;
	}
	registers->orig_rax = (uint64_t)-1;
	return call;
}

/* By ptrace, since the process may still be undumpable. */
static bool peek(pid_t tid, uint64_t address, uint64_t *ret_word)
{
	errno = 0;
	long word = ptrace(PTRACE_PEEKDATA, tid, address, 0);
	if (errno != 0)
		return false;
	*ret_word = (uint64_t)word;
	return true;
}

/* include/uapi/linux/rseq.h: struct rseq has the address of a struct rseq_cs at 8; that one is version and
 * flags, start_ip, post_commit_offset, abort_ip. */
void restart_abort_rseq(pid_t tid, uint64_t address, struct user_regs_struct *registers)
{
	uint64_t section, start, length, abort_handler;

	if (address == 0 || !peek(tid, address + 8, &section) || section == 0 ||
	    !peek(tid, section + 8, &start) || !peek(tid, section + 16, &length) ||
	    !peek(tid, section + 24, &abort_handler))
		return;
	if (registers->rip - start < length)
		registers->rip = abort_handler;
}

static enum status step(pid_t tid)
{
	int status;

	if (ptrace(PTRACE_SINGLESTEP, tid, 0, 0) < 0)
		return fail(STATUS_FAILED, "ptrace: step of thread %d: %s", tid, strerror(errno));
	while (waitpid(tid, &status, __WALL) < 0)
		if (errno != EINTR)
			return fail(STATUS_FAILED, "ptrace: wait for thread %d: %s", tid, strerror(errno));
	if (!WIFSTOPPED(status))
		return fail(STATUS_FAILED, "the program ended: thread %d: while it was being frozen", tid);
	return STATUS_OK;
}

enum status restart_leave_vdso(pid_t tid, uint64_t start, uint64_t end, bool *ret_moved)
{
	struct user_regs_struct registers;
	uint64_t mask, all = UINT64_MAX;
	enum status status = STATUS_OK;
	bool inside = true;

	*ret_moved = false;
	if (ptrace(PTRACE_GETREGS, tid, 0, &registers) < 0)
		return fail(STATUS_FAILED, "registers of thread %d: %s", tid, strerror(errno));
	if (registers.rip < start || registers.rip >= end)
		return STATUS_OK;
	if (ptrace(PTRACE_GETSIGMASK, tid, sizeof(mask), &mask) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, tid, sizeof(all), &all) < 0)
		return fail(STATUS_FAILED, "signal mask of thread %d: %s", tid, strerror(errno));
	for (int steps = 0; status == STATUS_OK && inside && steps < STEPS_MAX; steps++) {
		status = step(tid);
		if (status == STATUS_OK && ptrace(PTRACE_GETREGS, tid, 0, &registers) == 0)
			inside = registers.rip >= start && registers.rip < end;
	}
	if (status != STATUS_OK)
		return status;
	ptrace(PTRACE_SETSIGMASK, tid, sizeof(mask), &mask);
	*ret_moved = true;
	return inside ? fail(STATUS_FAILED, "thread %d doesn't leave the vdso: try again", tid) : STATUS_OK;
}
