/* What becomes of an interrupted system call: a row each. */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "tracer/ptrace/restart_x86_64.h"

static const struct {
	const char *name;
	long call, answer;
	enum interruption by;
	long wanted; /* rax afterwards */
	int moved;   /* rip goes back */
} rows[] = {
        {"no call", -1, -512, BY_STOP, -512, 0},
        {"a call that is through", SYS_read, 5, BY_STOP, 5, 0},
        {"ERESTARTSYS", SYS_wait4, -512, BY_STOP, SYS_wait4, 1},
        {"ERESTARTSYS, handler", SYS_wait4, -512, BY_HANDLER, -EINTR, 0},
        {"ERESTARTSYS, SA_RESTART", SYS_wait4, -512, BY_RESTARTING_HANDLER, SYS_wait4, 1},
        {"ERESTARTNOINTR, handler", SYS_futex, -513, BY_HANDLER, SYS_futex, 1},
        {"ERESTARTNOHAND", SYS_pause, -514, BY_STOP, SYS_pause, 1},
        {"ERESTARTNOHAND, SA_RESTART", SYS_pause, -514, BY_RESTARTING_HANDLER, -EINTR, 0},
        {"RESTARTBLOCK", SYS_nanosleep, -516, BY_STOP, SYS_nanosleep, 1},
        {"RESTARTBLOCK, SA_RESTART", SYS_nanosleep, -516, BY_RESTARTING_HANDLER, -EINTR, 0},
        {"EINTR of epoll_wait by the stop", SYS_epoll_wait, -EINTR, BY_STOP, SYS_epoll_wait, 1},
        {"EINTR of epoll_wait by a handler", SYS_epoll_wait, -EINTR, BY_RESTARTING_HANDLER, -EINTR, 0},
        {"EINTR of io_getevents by the stop", SYS_io_getevents, -EINTR, BY_STOP, SYS_io_getevents, 1},
        {"EINTR of close", SYS_close, -EINTR, BY_STOP, -EINTR, 0},
};

int main(void)
{
	int failures = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct user_regs_struct registers = {.orig_rax = (unsigned long long)rows[i].call,
		                                     .rax = (unsigned long long)rows[i].answer,
		                                     .rip = 1000};
		long made = restart_call(&registers, rows[i].by);
		if ((long)registers.rax == rows[i].wanted && registers.rip == (rows[i].moved ? 998 : 1000) &&
		    made == (rows[i].moved ? rows[i].call : -1) && (long)registers.orig_rax == -1)
			continue;
		fprintf(stderr, "%s: rax %ld, rip %llu, call %ld\n", rows[i].name, (long)registers.rax,
		        registers.rip, made);
		failures++;
	}
	return failures > 0;
}
