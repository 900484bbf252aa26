#include "tracer/ptrace/remote.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/remote_frame_x86_64.h"
#include "tracer/ptrace/remote_list_x86_64.h"
#include "tracer/ptrace/wait.h"

enum {
	SYSCALL_STOP = SIGTRAP | 0x80, /* PTRACE_O_TRACESYSGOOD, ptrace(2) */
	ANY_EVENT_STOP = -1,
	PAGE = 4096,
};

/* Some calls, from the thread's stop back to it. */
struct borrowed {
	pid_t tid;
	const struct remote_gate *gate;
	struct user_regs_struct own; /* registers */
	uint64_t mask;               /* of signals */
	uint64_t stack;              /* a frame stands there; 0: none */
	int deliver;                 /* a signal that was taken from it, to be given back */
	bool stopped; /* by SIGSTOP, the one signal but SIGKILL that no mask keeps away; or by SIGCONT again
	               */
};

static enum status ended(pid_t tid)
{
	return fail(STATUS_FAILED, "the program ended: process %d: while it was being prepared", tid);
}

static enum status ptrace_failed(const struct borrowed *it, const char *what)
{
	if (errno == ESRCH)
		return ended(it->tid);
	return fail(STATUS_FAILED, "ptrace: %s of process %d: %s", what, it->tid, strerror(errno));
}

static enum status get_registers(const struct borrowed *it, struct user_regs_struct *ret_registers)
{
	struct iovec area = {.iov_base = ret_registers, .iov_len = sizeof(*ret_registers)};

	if (ptrace(PTRACE_GETREGSET, it->tid, NT_PRSTATUS, &area) < 0)
		return ptrace_failed(it, "registers");
	return STATUS_OK;
}

static enum status set_registers(const struct borrowed *it, const struct user_regs_struct *registers)
{
	struct user_regs_struct copy = *registers;
	struct iovec area = {.iov_base = &copy, .iov_len = sizeof(copy)};

	if (ptrace(PTRACE_SETREGSET, it->tid, NT_PRSTATUS, &area) < 0)
		return ptrace_failed(it, "registers");
	return STATUS_OK;
}

static enum status set_mask(const struct borrowed *it, uint64_t mask)
{
	if (ptrace(PTRACE_SETSIGMASK, it->tid, sizeof(mask), &mask) < 0)
		return ptrace_failed(it, "signal mask");
	return STATUS_OK;
}

/*
 * Lets the thread run by `how` until it stops again for `wanted` (a wait status >> 8), or for any event of
 * a stop where that is wanted. What can turn up before is passed over: our own filter's seccomp stop, and a
 * group-stop, in which the call is made all the same; give_back() sends the thread there again. SIGSTOP
 * itself is delivered, not kept and sent again: a SIGCONT that came after it would be lost to it.
 */
static enum status run_until(struct borrowed *it, enum __ptrace_request how, int wanted)
{
	uintptr_t deliver = (uintptr_t)it->deliver;

	it->deliver = 0;
	for (;;) {
		int stop;

		if (ptrace(how, it->tid, 0, deliver) < 0)
			return ptrace_failed(it, "continuation");
		if (tracee_wait(it->tid, 0, &stop) != WAITED_STOP)
			return ended(it->tid);
		if (stop >> 8 == wanted || (wanted == ANY_EVENT_STOP && stop >> 16 == PTRACE_EVENT_STOP))
			return STATUS_OK;
		if (stop >> 16 == PTRACE_EVENT_EXIT)
			return ended(it->tid);
		deliver = stop >> 8 == SIGSTOP ? SIGSTOP : 0;
		it->stopped = it->stopped || deliver || stop >> 16 == PTRACE_EVENT_STOP;
		/* It would fault there again and again. */
		if (stop >> 8 == SIGSEGV || stop >> 8 == SIGBUS || stop >> 8 == SIGILL)
			return fail(STATUS_FAILED,
			            "process %d can't run a system call for the tracer (%s): its vdso was "
			            "changed",
			            it->tid, strsignal(stop >> 8));
	}
}

/* The event of a ptrace-event-stop, else 0: PTRACE_EVENT_x << 8 stands in si_code (ptrace(2)). */
static int event_of(pid_t tid)
{
	siginfo_t info;

	if (ptrace(PTRACE_GETSIGINFO, tid, 0, &info) < 0 || info.si_signo != SIGTRAP)
		return 0;
	return info.si_code >> 8;
}

/* An event-stop of fork, clone or exec lies inside that call, whose end overwrites rax: go there first. */
static enum status end_own_call(struct borrowed *it)
{
	switch (event_of(it->tid)) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_VFORK_DONE:
	case PTRACE_EVENT_EXEC:
		return run_until(it, PTRACE_SYSCALL, SYSCALL_STOP);
	case PTRACE_EVENT_EXIT:
		return fail(STATUS_FAILED, "the program ends: process %d: too late for a snapshot", it->tid);
	default:
		return STATUS_OK;
	}
}

static bool restart_is_due(const struct user_regs_struct *registers)
{
	int64_t result = (int64_t)registers->rax;

	return (int64_t)registers->orig_rax >= 0 &&
	       (result == -512 || result == -513 || result == -514 || result == -516);
}

static enum status run_call(struct borrowed *it, long number, const uint64_t arguments[6],
                            int64_t *ret_result)
{
	struct user_regs_struct registers = it->own;
	enum status status;

	registers.rip = it->gate->call;
	registers.orig_rax = (uint64_t)-1; /* or the kernel would rewind rip for a call to be restarted */
	registers.rax = (uint64_t)number;
	registers.rdi = arguments[0];
	registers.rsi = arguments[1];
	registers.rdx = arguments[2];
	registers.r10 = arguments[3];
	registers.r8 = arguments[4];
	registers.r9 = arguments[5];
	registers.rsp = it->stack ? it->stack : registers.rsp;
	/* The mask after the registers, and back before them: a frame has it too. */
	if ((status = set_registers(it, &registers)) != STATUS_OK ||
	    (status = set_mask(it, UINT64_MAX)) != STATUS_OK ||
	    (status = run_until(it, PTRACE_SYSCALL, SYSCALL_STOP)) != STATUS_OK || /* entry */
	    (status = run_until(it, PTRACE_SYSCALL, SYSCALL_STOP)) != STATUS_OK || /* exit */
	    (status = get_registers(it, &registers)) != STATUS_OK)
		return status;
	*ret_result = (int64_t)registers.rax;
	return STATUS_OK;
}

/*
 * The kernel makes a call that a signal interrupted (rax = -ERESTART…) again only on its way through
 * get_signal(); a thread that left it for our call would return the naked -512 to the program.
 * So it's sent through there once more. The stop that is asked for comes before any signal does.
 */
static enum status give_back(struct borrowed *it)
{
	enum status status;

	if ((status = set_mask(it, it->mask)) != STATUS_OK)
		return status;
	if (restart_is_due(&it->own) && ptrace(PTRACE_INTERRUPT, it->tid, 0, 0) < 0)
		return ptrace_failed(it, "interruption");
	if ((status = set_registers(it, &it->own)) != STATUS_OK)
		return status;
	if (it->stack)
		frame_clear(it->tid, it->gate);
	if (restart_is_due(&it->own) && (status = run_until(it, PTRACE_CONT, ANY_EVENT_STOP)) != STATUS_OK)
		return status;
	/* Its next stop tells whether the process is stopped still (do_jobctl_trap(), kernel/signal.c). */
	if (it->stopped && ptrace(PTRACE_INTERRUPT, it->tid, 0, 0) < 0)
		return ptrace_failed(it, "interruption");
	return STATUS_OK;
}

static enum status borrow(struct borrowed *it)
{
	enum status status;

	if (ptrace(PTRACE_GETSIGMASK, it->tid, sizeof(it->mask), &it->mask) < 0)
		return ptrace_failed(it, "signal mask");
	if ((status = end_own_call(it)) != STATUS_OK || (status = get_registers(it, &it->own)) != STATUS_OK)
		return status;
	if (it->gate->back && !frame_write(it->tid, it->gate, &it->own, it->mask, &it->stack))
		it->stack = 0;
	return STATUS_OK;
}

enum status remote_call_once(pid_t tid, const struct remote_gate *gate, long number,
                             const uint64_t arguments[6], int64_t *ret_result)
{
	struct borrowed it = {.tid = tid, .gate = gate};
	enum status status;
	int64_t result = 0;

	if ((status = borrow(&it)) != STATUS_OK ||
	    (status = run_call(&it, number, arguments, &result)) != STATUS_OK ||
	    (status = give_back(&it)) != STATUS_OK)
		return status;
	*ret_result = result;
	return STATUS_OK;
}

enum status remote_call(const struct remote *remote, int64_t *ret_result, long number, uint64_t a, uint64_t b,
                        uint64_t c, uint64_t d)
{
	const uint64_t arguments[6] = {a, b, c, d, 0, 0};

	return remote_call_once(remote->tid, &remote->gate, number, arguments, ret_result);
}

static enum status run_each(struct borrowed *it, struct remote_ask *ask, size_t count)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		const uint64_t *given = ask[i].argument;
		const uint64_t arguments[6] = {given[0], given[1], given[2], given[3], 0, 0};

		status = run_call(it, ask[i].number, arguments, &ask[i].answer);
	}
	return status;
}

static enum status memory_failed(pid_t tid)
{
	return errno == ESRCH ? ended(tid)
	                      : fail(STATUS_FAILED, "can't read the program's memory: process %d: %s", tid,
	                             strerror(errno));
}

/* Whether a thread that was stopped by SIGTRAP stands at the list's end by its breakpoint. */
static bool is_at_end(pid_t tid, const struct user_regs_struct *registers, uint64_t code)
{
	siginfo_t info;

	return ptrace(PTRACE_GETSIGINFO, tid, 0, &info) == 0 && info.si_code == SI_KERNEL &&
	       registers->rip == code + (uint64_t)(list_code_end - list_code);
}

/*
 * The breakpoint at the list's end is the one signal that the thread may be stopped by: the kernel makes the
 * signal's action the default one where it's blocked (force_sig_info_to_task()). If another's SIGTRAP comes
 * first, *ret_ended is false. It's kept to be delivered to the mask that keeps all signals away, so that it
 * is pending again (ptrace_signal()).
 */
static enum status run_list(struct borrowed *it, uint64_t scratch, struct remote_ask *ask, size_t count,
                            bool *ret_ended)
{
	const uint64_t list = scratch + PAGE, code = scratch + 2 * PAGE;
	const uint64_t mask = ~(1ull << (SIGTRAP - 1));
	struct user_regs_struct registers = it->own;
	enum status status;

	list_begin(&registers, code, list, count);
	if (list_write(it->tid, list, ask, count) < 0)
		return memory_failed(it->tid);
	if ((status = set_registers(it, &registers)) != STATUS_OK ||
	    (status = set_mask(it, mask)) != STATUS_OK ||
	    (status = run_until(it, PTRACE_CONT, SIGTRAP)) != STATUS_OK ||
	    (status = get_registers(it, &registers)) != STATUS_OK)
		return status;
	*ret_ended = is_at_end(it->tid, &registers, code);
	if (!*ret_ended)
		it->deliver = SIGTRAP;
	else if (list_read(it->tid, list, ask, count) < 0)
		return memory_failed(it->tid);
	return STATUS_OK;
}

enum status remote_ask_all(const struct remote *remote, struct remote_ask *ask, size_t count, void *result,
                           size_t size)
{
	struct borrowed it = {.tid = remote->tid, .gate = &remote->gate};
	enum status status = borrow(&it);
	bool ran = false;

	if (status == STATUS_OK && remote->runs_lists && count > 1 && count <= REMOTE_ASKS_MAX)
		status = run_list(&it, remote->scratch, ask, count, &ran);
	if (status == STATUS_OK && !ran)
		status = run_each(&it, ask, count);
	if (status != STATUS_OK || (status = give_back(&it)) != STATUS_OK)
		return status;
	for (size_t i = 0; i < count; i++)
		if (ask[i].what && ask[i].answer < 0)
			return fail(STATUS_FAILED, "can't read the program's state: %s of process %d: %s",
			            ask[i].what, it.tid, strerror((int)-ask[i].answer));
	if (size && tracee_read(it.tid, remote->scratch, result, size) < 0)
		return memory_failed(it.tid);
	return STATUS_OK;
}

enum status remote_fetch(const struct remote *remote, const char *what, void *result, size_t size,
                         long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct remote_ask ask = {.what = what, .number = number, .argument = {a, b, c, d}};

	return remote_ask_all(remote, &ask, 1, result, size);
}
