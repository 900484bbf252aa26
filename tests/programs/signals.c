/* Signal actions, mask and the alternate stack are as they were, and a handler runs on that stack. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "../check.h"

enum { STACK_SIZE = 128 << 10 };
static char alternate[STACK_SIZE];
static volatile sig_atomic_t handled, on_alternate, value_seen;

static void handler(int signal, siginfo_t *info, void *context)
{
	char here;
	(void)context;
	handled = signal;
	on_alternate = (uintptr_t)&here >= (uintptr_t)alternate &&
	               (uintptr_t)&here < (uintptr_t)alternate + STACK_SIZE;
	value_seen = info->si_value.sival_int;
}

static void set_up(void)
{
	stack_t stack = {.ss_sp = alternate, .ss_size = STACK_SIZE};
	CHECK(sigaltstack(&stack, NULL) == 0);
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGHUP);
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	CHECK(sigaction(SIGRTMIN + 3, &action, NULL) == 0);
	CHECK(signal(SIGWINCH, SIG_IGN) != SIG_ERR);
	sigset_t mask;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigaddset(&mask, SIGRTMAX);
	CHECK(sigprocmask(SIG_SETMASK, &mask, NULL) == 0);
}

static void check_actions(void)
{
	struct sigaction action;
	CHECK(sigaction(SIGUSR1, NULL, &action) == 0);
	CHECK(action.sa_sigaction == handler);
	CHECK((action.sa_flags & (SA_SIGINFO | SA_ONSTACK | SA_RESTART)) ==
	      (SA_SIGINFO | SA_ONSTACK | SA_RESTART));
	CHECK(sigismember(&action.sa_mask, SIGHUP) == 1 && sigismember(&action.sa_mask, SIGINT) == 0);
	CHECK(sigaction(SIGWINCH, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
	CHECK(sigaction(SIGTERM, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
}

int main(void)
{
	set_up();
	snapshot_point();
	check_actions();
	sigset_t mask;
	CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
	for (int i = 1; i < SIGRTMAX; i++) {
		int known = sigismember(&mask, i); /* the C library hides its own signals */
		CHECK(known == (i == SIGUSR2) || (i >= 32 && i < SIGRTMIN));
	}
	CHECK(sigismember(&mask, SIGRTMAX) == 1);
	stack_t stack;
	CHECK(sigaltstack(NULL, &stack) == 0);
	CHECK(stack.ss_sp == alternate && stack.ss_size == STACK_SIZE && stack.ss_flags == 0);
	CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711}) == 0);
	CHECK(handled == SIGUSR1 && on_alternate && value_seen == 4711);
	CHECK(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 12}) == 0);
	CHECK(handled == SIGRTMIN + 3 && on_alternate && value_seen == 12);
	return 0;
}
