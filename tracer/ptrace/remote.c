#include "tracer/ptrace/remote.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SYSCALL_STOP = SIGTRAP | 0x80, /* PTRACE_O_TRACESYSGOOD, ptrace(2) */
	ANY_EVENT_STOP = -1,
};

struct injection {
	pid_t tid;
	uint64_t mask; /* the thread's own */
	bool stopped;  /* by SIGSTOP, the one signal but SIGKILL that no mask keeps away; or by SIGCONT again
	                */
	struct user_regs_struct saved;
};

static enum status find_vdso(pid_t pid, FILE *maps, uint64_t *ret_start, uint64_t *ret_end)
{
	char line[512];
	bool found = false;

	while (!found && fgets(line, sizeof(line), maps))
		found = strstr(line, " [vdso]\n") &&
		        sscanf(line, "%" SCNx64 "-%" SCNx64, ret_start, ret_end) == 2;
	if (!found)
		return fail(STATUS_FAILED,
		            "no [vdso] in process %d: its system calls can't be borrowed: "
		            "start the kernel without vdso=0",
		            pid);
	return STATUS_OK;
}

enum status inject_find_gate(pid_t pid, uint64_t *gate)
{
	uint8_t code[4 * 4096];
	char path[64];
	uint64_t start = 0, end = 0;
	enum status status;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *maps = fopen(path, "re");
	if (!maps && errno == EACCES && *gate)
		return STATUS_OK;
	if (!maps)
		return fail(STATUS_FAILED, "%s: %s", path, strerror(errno));
	status = find_vdso(pid, maps, &start, &end);
	fclose(maps);
	if (status != STATUS_OK)
		return status;
	size_t size = end - start < sizeof(code) ? end - start : sizeof(code);
	struct iovec local = {.iov_base = code, .iov_len = size};
	struct iovec remote = {.iov_base = (void *)start, .iov_len = size};
	ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	if (got < 2)
		return fail(STATUS_FAILED, "can't read the vdso of process %d: %s", pid, strerror(errno));
	for (ssize_t i = 0; i + 1 < got; i++) {
		if (code[i] == 0x0f && code[i + 1] == 0x05) { /* syscall */
			*gate = start + (uint64_t)i;
			return STATUS_OK;
		}
	}
	return fail(STATUS_FAILED,
	            "no system call instruction in the vdso of process %d: "
	            "report the kernel's version",
	            pid);
}

static enum status ptrace_failed(const struct injection *it, const char *what)
{
	if (errno == ESRCH)
		return fail(STATUS_FAILED, "the program ended: process %d: while it was being prepared",
		            it->tid);
	return fail(STATUS_FAILED, "ptrace: %s of process %d: %s", what, it->tid, strerror(errno));
}

static enum status get_registers(const struct injection *it, struct user_regs_struct *ret_registers)
{
	struct iovec area = {.iov_base = ret_registers, .iov_len = sizeof(*ret_registers)};

	if (ptrace(PTRACE_GETREGSET, it->tid, NT_PRSTATUS, &area) < 0)
		return ptrace_failed(it, "registers");
	return STATUS_OK;
}

static enum status set_registers(const struct injection *it, const struct user_regs_struct *registers)
{
	struct user_regs_struct copy = *registers;
	struct iovec area = {.iov_base = &copy, .iov_len = sizeof(copy)};

	if (ptrace(PTRACE_SETREGSET, it->tid, NT_PRSTATUS, &area) < 0)
		return ptrace_failed(it, "registers");
	return STATUS_OK;
}

static enum status set_mask(const struct injection *it, uint64_t mask)
{
	if (ptrace(PTRACE_SETSIGMASK, it->tid, sizeof(mask), &mask) < 0)
		return ptrace_failed(it, "signal mask");
	return STATUS_OK;
}

/*
 * Lets the thread go on by `how` until it stops again for `wanted` (a wait status >> 8), or for any event of
 * a stop where that is wanted. What can turn up before is passed over: our own filter's seccomp stop, and a
 * group-stop, in which the call is made all the same; put_back() sends the thread there again. SIGSTOP itself
 * is delivered, not kept and sent anew: a SIGCONT that came behind it would be lost to it.
 */
static enum status go_on(struct injection *it, enum __ptrace_request how, int wanted)
{
	uintptr_t deliver = 0;

	for (;;) {
		int wait_status;

		if (ptrace(how, it->tid, 0, deliver) < 0)
			return ptrace_failed(it, "continuation");
		while (waitpid(it->tid, &wait_status, __WALL) < 0)
			if (errno != EINTR)
				return ptrace_failed(it, "wait");
		if (!WIFSTOPPED(wait_status))
			return fail(STATUS_FAILED,
			            "the program ended: process %d: while it was being prepared", it->tid);
		if (wait_status >> 8 == wanted ||
		    (wanted == ANY_EVENT_STOP && wait_status >> 16 == PTRACE_EVENT_STOP))
			return STATUS_OK;
		deliver = wait_status >> 8 == SIGSTOP ? SIGSTOP : 0;
		it->stopped = it->stopped || deliver || wait_status >> 16 == PTRACE_EVENT_STOP;
		/* It would fault there again and again. */
		if (wait_status >> 8 == SIGSEGV || wait_status >> 8 == SIGBUS || wait_status >> 8 == SIGILL)
			return fail(STATUS_FAILED,
			            "process %d can't run a system call for the tracer (%s): its vdso was "
			            "changed",
			            it->tid, strsignal(wait_status >> 8));
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
static enum status leave_call(struct injection *it)
{
	switch (event_of(it->tid)) {
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_VFORK_DONE:
	case PTRACE_EVENT_EXEC:
		return go_on(it, PTRACE_SYSCALL, SYSCALL_STOP);
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

static enum status run_call(struct injection *it, uint64_t gate, long number, const uint64_t arguments[6],
                            int64_t *ret_result)
{
	struct user_regs_struct registers = it->saved;
	enum status status;

	registers.rip = gate;
	registers.orig_rax = (uint64_t)-1; /* or the kernel would rewind rip for a call to be restarted */
	registers.rax = (uint64_t)number;
	registers.rdi = arguments[0];
	registers.rsi = arguments[1];
	registers.rdx = arguments[2];
	registers.r10 = arguments[3];
	registers.r8 = arguments[4];
	registers.r9 = arguments[5];
	if ((status = set_registers(it, &registers)) != STATUS_OK ||
	    (status = go_on(it, PTRACE_SYSCALL, SYSCALL_STOP)) != STATUS_OK || /* entry */
	    (status = go_on(it, PTRACE_SYSCALL, SYSCALL_STOP)) != STATUS_OK || /* exit */
	    (status = get_registers(it, &registers)) != STATUS_OK)
		return status;
	*ret_result = (int64_t)registers.rax;
	return STATUS_OK;
}

/*
 * The kernel makes a call that a signal interrupted (rax = -ERESTART…) anew only on its way through
 * get_signal(); a thread that left it for our call would return the naked -512 to the program.
 * So it's sent through there once more.
 */
static enum status put_back(struct injection *it)
{
	enum status status;

	if ((status = set_registers(it, &it->saved)) != STATUS_OK)
		return status;
	if (restart_is_due(&it->saved)) {
		if (ptrace(PTRACE_INTERRUPT, it->tid, 0, 0) < 0)
			return ptrace_failed(it, "interruption");
		if ((status = go_on(it, PTRACE_CONT, ANY_EVENT_STOP)) != STATUS_OK)
			return status;
	}
	/* Its next stop tells whether the process is stopped still (do_jobctl_trap(), kernel/signal.c). */
	if (it->stopped && ptrace(PTRACE_INTERRUPT, it->tid, 0, 0) < 0)
		return ptrace_failed(it, "interruption");
	return set_mask(it, it->mask);
}

enum status inject_syscall(pid_t tid, uint64_t gate, long number, const uint64_t arguments[6],
                           int64_t *ret_result)
{
	struct injection it = {.tid = tid};
	enum status status;
	int64_t result = 0;

	if (ptrace(PTRACE_GETSIGMASK, tid, sizeof(it.mask), &it.mask) < 0)
		return ptrace_failed(&it, "signal mask");
	if ((status = set_mask(&it, UINT64_MAX)) != STATUS_OK || (status = leave_call(&it)) != STATUS_OK ||
	    (status = get_registers(&it, &it.saved)) != STATUS_OK ||
	    (status = run_call(&it, gate, number, arguments, &result)) != STATUS_OK ||
	    (status = put_back(&it)) != STATUS_OK)
		return status;
	*ret_result = result;
	return STATUS_OK;
}
