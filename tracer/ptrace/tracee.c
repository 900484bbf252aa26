#include "tracer/ptrace/tracee.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "tracer/ptrace/memory.h"

/*
 * A list of all, for iterating, and buckets by thread id, for finding. The termination handler (interrupt.c)
 * may walk the list at any moment: a thread is linked in and taken out by one store each, and forgotten only
 * after that, so what the handler sees is always a list.
 */
enum { BUCKETS = 4096, SYSCALL_INSTRUCTION = 2 /* bytes of `syscall` */ };
static struct tracee *buckets[BUCKETS];
static struct tracee *volatile first;
static size_t count;

tracee_forgetter *tracees_forget;
tracee_int3_answerer *tracees_answer_int3;

static struct tracee **bucket_of(pid_t tid)
{
	return &buckets[(uint32_t)tid % BUCKETS];
}

struct tracee *tracee_find(pid_t tid)
{
	struct tracee *tracee = *bucket_of(tid);

	while (tracee && tracee->tid != tid)
		tracee = tracee->next_in_bucket;
	return tracee;
}

/* The first thread has the process's id, and is known as long as another one lives (its end is told last,
 * ptrace(2)); but what is adopted may come in any order. */
struct process *process_find(pid_t pid)
{
	struct tracee *leader = tracee_find(pid);

	if (leader)
		return leader->process;
	for (struct tracee *tracee = first; tracee; tracee = tracee->next)
		if (tracee->process->pid == pid)
			return tracee->process;
	return NULL;
}

struct tracee *tracee_next(const struct tracee *tracee)
{
	return tracee ? tracee->next : first;
}

size_t tracees_count(void)
{
	return count;
}

static struct process *process_new(pid_t pid, const struct process *parent)
{
	struct process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	if (parent)
		*process = *parent;
	process->pid = pid;
	process->threads = 0;
	process->due = NULL;
	process->idle_since = 0;
	memset(process->calls, 0, sizeof(process->calls));
	return process;
}

static void link_in(struct tracee *tracee)
{
	struct tracee **bucket = bucket_of(tracee->tid);

	tracee->next_in_bucket = *bucket;
	*bucket = tracee;
	tracee->next = first;
	if (first)
		first->previous = tracee;
	first = tracee;
	count++;
}

static void take_out(struct tracee *tracee)
{
	struct tracee **link = bucket_of(tracee->tid);

	while (*link != tracee)
		link = &(*link)->next_in_bucket;
	*link = tracee->next_in_bucket;
	if (tracee->next)
		tracee->next->previous = tracee->previous;
	if (tracee->previous)
		tracee->previous->next = tracee->next;
	else
		first = tracee->next;
	count--;
}

enum status tracee_add(pid_t tid, pid_t pid, const struct process *parent, struct tracee **ret_tracee)
{
	struct process *known = process_find(pid);
	struct process *process = known ? known : process_new(pid, parent);
	struct tracee *tracee = calloc(1, sizeof(*tracee));

	if (!process || !tracee) {
		free(tracee);
		if (!known)
			free(process);
		return fail(STATUS_FAILED, "out of memory");
	}
	tracee->tid = tid;
	tracee->process = process;
	process->threads++;
	link_in(tracee);
	*ret_tracee = tracee;
	return STATUS_OK;
}

void tracee_remove(struct tracee *tracee)
{
	take_out(tracee);
	if (--tracee->process->threads == 0)
		free(tracee->process);
	if (tracees_forget)
		tracees_forget(tracee);
	free(tracee);
}

enum status tracee_adopt(pid_t tid, struct tracee **ret_tracee)
{
	long pid = process_status_number(tid, "Tgid");
	long parent = process_status_number(tid, "PPid");

	return tracee_add(tid, pid > 0 ? (pid_t)pid : tid, parent > 0 ? process_find((pid_t)parent) : NULL,
	                  ret_tracee);
}

/* What wait has told last. The kernel writes it here before a signal's handler can run, so a new child whose
 * first stop has been taken is known to that handler, though it is in no list yet. */
static siginfo_t told;
static volatile pid_t companion;

static int status_of(const siginfo_t *info)
{
	switch (info->si_code) {
	case CLD_EXITED:
		return (info->si_status & 0xff) << 8;
	case CLD_KILLED:
		return info->si_status;
	case CLD_DUMPED:
		return info->si_status | 0x80;
	default: /* the kernel's exit_code, with the event */
		return info->si_status << 8 | 0x7f;
	}
}

pid_t tracees_wait(int *ret_status)
{
	told.si_pid = 0;
	if (waitid(P_ALL, 0, &told, WEXITED | WSTOPPED | __WALL) < 0)
		return -1;
	*ret_status = status_of(&told);
	return told.si_pid;
}

void tracees_set_companion(pid_t pid)
{
	companion = pid;
}

static void tracees_kill_all(void)
{
	for (struct tracee *tracee = first; tracee; tracee = tracee->next)
		kill(tracee->process->pid, SIGKILL);
	if (told.si_pid && told.si_code == CLD_TRAPPED)
		syscall(SYS_tkill, told.si_pid, SIGKILL);
	if (companion)
		kill(companion, SIGKILL);
}

void tracees_end_all(void)
{
	pid_t tid;
	int status;

	tracees_kill_all();
	while ((tid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)
		if (tid > 0 &&
		    WIFSTOPPED(status)) { /* a child that no event has announced yet, or one at its end */
			syscall(SYS_tkill, tid, SIGKILL);
			ptrace(PTRACE_CONT, tid, 0, 0);
		}
}

long process_status_number(pid_t pid, const char *field)
{
	struct text text CLEANUP(text_free) = {0};
	const char *value;

	if (proc_try_read(proc_path(pid, "status").text, &text) < 0)
		return -1;
	value = proc_value(&text, field);
	return *value ? strtol(value, NULL, 10) : -1;
}

bool processes_share_memory(pid_t one, pid_t other)
{
	return syscall(SYS_kcmp, proc_living(one), proc_living(other), KCMP_VM, 0, 0) == 0;
}

bool processes_are_comparable(void)
{
	return syscall(SYS_kcmp, getpid(), getpid(), KCMP_VM, 0, 0) == 0;
}

bool tracee_get_registers(const struct tracee *tracee, struct user_regs_struct *ret_registers)
{
	return ptrace(PTRACE_GETREGS, tracee->tid, 0, ret_registers) == 0;
}

void tracee_set_registers(const struct tracee *tracee, const struct user_regs_struct *registers)
{
	ptrace(PTRACE_SETREGS, tracee->tid, 0, registers);
}

/* One that was seized in its vfork is known by what /proc tells. */
bool tracee_waits_in_vfork(const struct tracee *tracee)
{
	pid_t tid = tracee->tid;
	struct text text CLEANUP(text_free) = {0};
	struct proc_stat stat;
	long number = -1;
	uint64_t argument = 0, flags = 0;

	if (tracee->in_vfork)
		return true;
	if (proc_try_read_stat(tid, &stat) < 0 || stat.state != 'D' ||
	    proc_try_read(proc_path(tid, "syscall").text, &text) < 0 ||
	    sscanf(text.bytes, "%ld 0x%" SCNx64, &number, &argument) != 2)
		return false;
	if (number == SYS_clone)
		flags = argument;
	else if (number == SYS_clone3 && tracee_read(tid, argument, &flags, sizeof(flags)) < 0)
		return false;
	return number == SYS_vfork || flags & CLONE_VFORK;
}

/* Number -1 is no call (seccomp(2), SECCOMP_RET_TRACE), and leaves rax alone (do_syscall_64(),
 * arch/x86/entry). */
bool tracee_skip_call(const struct tracee *tracee)
{
	struct user_regs_struct registers;

	if (!tracee_get_registers(tracee, &registers))
		return false;
	registers.rax = registers.orig_rax;
	registers.rip -= SYSCALL_INSTRUCTION;
	registers.orig_rax = (unsigned long long)-1;
	tracee_set_registers(tracee, &registers);
	return true;
}

bool tracee_is_at_entry(const struct tracee *tracee)
{
	struct __ptrace_syscall_info info = {0};

	return ptrace(PTRACE_GET_SYSCALL_INFO, tracee->tid, sizeof(info), &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY;
}
