#include "tracer/follow/interrupt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tracer/capture/snapshot.h"
#include "tracer/ptrace/tracee.h"

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCHLD};
enum { CAUGHT = sizeof(caught) / sizeof(*caught) };
static struct sigaction before[CAUGHT];
static pid_t owner; /* a child has the handlers until its exec */
static volatile sig_atomic_t image_written, mode, passed_to, asked;

/* A handler and no flag, since a dump can be long and waits in many places; everything it calls is
 * async-signal-safe. An image in the making has no name yet. */
static void end_all(int number)
{
	static const char nothing[] = ": ended by a signal: no image was written\n";
	static const char rest[] = ": ended by a signal: the image was written before\n";
	const char *text = image_written ? rest : nothing;
	ssize_t written;

	tracees_end_all();
	snapshot_abandon();
	written = write(STDERR_FILENO, "snaptrace", strlen("snaptrace"));
	if (written > 0)
		written = write(STDERR_FILENO, text, strlen(text));
	(void)written; /* there is nobody left to tell */
	signal(number, SIG_DFL);
	raise(number); /* comes when the handler returns */
}

/* The terminal's Ctrl-Z reaches the program too. When that stops by it, so do we (events_signal.c), and not
 * before: a shell that sees us stopped takes the terminal back. */
static void on_terminal_stop(const siginfo_t *info)
{
	if (mode == INTERRUPT_LET_GO)
		raise(SIGSTOP);
	else if (info->si_code != SI_KERNEL && passed_to)
		kill((pid_t)passed_to, SIGTSTP);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (getpid() != owner) {
		signal(number, SIG_DFL);
		raise(number);
	} else if (number == SIGTSTP)
		on_terminal_stop(info);
	else if (mode == INTERRUPT_LET_GO)
		asked = number;
	else if (mode != INTERRUPT_END_ALWAYS && info->si_code == SI_KERNEL &&
	         (number == SIGINT || number == SIGQUIT))
		return;
	else if (mode == INTERRUPT_PASS_ON)
		kill((pid_t)passed_to, number);
	else
		end_all(number);
}

void interrupt_set_mode(enum interrupt_mode wanted, pid_t root)
{
	passed_to = root;
	mode = (sig_atomic_t)wanted;
}

int interrupt_asked(void)
{
	return asked;
}

void interrupt_catch(void)
{
	/* No SA_RESTART: what waits for events looks for interrupt_asked(). */
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	owner = getpid();
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < CAUGHT; i++) {
		struct sigaction wanted = action;

		if (caught[i] == SIGCHLD) /* one that is ignored would end children unseen, wait(2) */
			wanted = (struct sigaction){.sa_handler = SIG_DFL};
		sigaction(caught[i], NULL, &before[i]);
		if (caught[i] == SIGCHLD || before[i].sa_handler != SIG_IGN)
			sigaction(caught[i], &wanted, NULL);
	}
}

void interrupt_image_written(void)
{
	image_written = 1;
}

void interrupt_forget(void)
{
	for (size_t i = 0; i < CAUGHT; i++)
		sigaction(caught[i], &before[i], NULL);
}
