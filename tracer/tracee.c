#include "tracee.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Pointers, since handlers hold on to a tracee while others are added. */
static struct tracee **table;
static size_t table_count, table_size;

/* The termination handler (interrupt.c) walks the table: keep it out while that changes. */
static void block_signals(sigset_t *ret_before)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, ret_before);
}

struct tracee *tracee_find(pid_t tid)
{
	for (size_t i = 0; i < table_count; i++)
		if (table[i]->tid == tid)
			return table[i];
	return NULL;
}

struct process *process_find(pid_t pid)
{
	for (size_t i = 0; i < table_count; i++)
		if (table[i]->process->pid == pid)
			return table[i]->process;
	return NULL;
}

struct tracee *tracee_next(const struct tracee *tracee)
{
	size_t next = 0;

	while (tracee && next < table_count && table[next++] != tracee)
		;
	return next < table_count ? table[next] : NULL;
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
	process->calls = 0;
	return process;
}

static int table_append(struct tracee *tracee)
{
	if (table_count == table_size) {
		size_t size = table_size ? 2 * table_size : 16;
		struct tracee **larger = realloc(table, size * sizeof(*larger));

		if (!larger)
			return -1;
		table = larger;
		table_size = size;
	}
	table[table_count++] = tracee;
	return 0;
}

enum status tracee_add(pid_t tid, pid_t pid, const struct process *parent, struct tracee **ret_tracee)
{
	struct process *known = process_find(pid);
	struct process *process = known ? known : process_new(pid, parent);
	struct tracee *tracee = calloc(1, sizeof(*tracee));
	sigset_t before;
	int result = -1;

	if (process && tracee) {
		tracee->tid = tid;
		tracee->process = process;
		block_signals(&before);
		result = table_append(tracee);
		sigprocmask(SIG_SETMASK, &before, NULL);
	}
	if (result < 0) {
		free(tracee);
		if (!known)
			free(process);
		return fail(STATUS_FAILED, "out of memory");
	}
	process->threads++;
	*ret_tracee = tracee;
	return STATUS_OK;
}

void tracee_remove(struct tracee *tracee)
{
	sigset_t before;

	block_signals(&before);
	for (size_t i = 0; i < table_count; i++)
		if (table[i] == tracee)
			table[i] = table[--table_count];
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (--tracee->process->threads == 0)
		free(tracee->process);
	free(tracee);
}

enum status tracee_adopt(pid_t tid, struct tracee **ret_tracee)
{
	long pid = process_status_number(tid, "Tgid");
	long parent = process_status_number(tid, "PPid");

	return tracee_add(tid, pid > 0 ? (pid_t)pid : tid, parent > 0 ? process_find((pid_t)parent) : NULL,
	                  ret_tracee);
}

void tracees_kill_all(void)
{
	for (size_t i = 0; i < table_count; i++)
		kill(table[i]->process->pid, SIGKILL);
}

void tracees_end_all(void)
{
	pid_t tid;
	int status;

	tracees_kill_all();
	while ((tid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)
		if (tid > 0 && WIFSTOPPED(status)) /* a child that no event has announced yet */
			syscall(SYS_tkill, tid, SIGKILL);
}

long process_status_number(pid_t pid, const char *field)
{
	size_t length = strlen(field);
	char line[256];
	long number = -1;
	FILE *file;

	snprintf(line, sizeof(line), "/proc/%d/status", pid);
	if (!(file = fopen(line, "re")))
		return -1;
	while (number < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, field, length) == 0 && line[length] == ':')
			number = strtol(line + length + 1, NULL, 10);
	fclose(file);
	return number;
}

bool processes_share_memory(pid_t one, pid_t other)
{
	return syscall(SYS_kcmp, one, other, KCMP_VM, 0, 0) == 0;
}
