/* Processes of a tree that job control had stopped, and what their parents hear of it. */
#include <stddef.h> /* for <asm/signal.h> of Linux 5.10 */

#include <asm/signal.h>
#include <linux/wait.h>

#include "restore/base/memory.h"
#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/tree_parts.h"
#include "restore/loader.h"

/* The terminal's signals stop nobody in a group that nobody minds (kernel/signal.c, get_signal()); then it is
 * SIGSTOP. Who was stopped finds the SIGCONT that ended that, blocked as all others are. */
void tree_stop(void)
{
	const struct kernel_sigaction plain = {0};
	const uint64_t went_on = (uint64_t)1 << (SIGCONT - 1);
	struct kernel_sigaction own_action = {0};
	uint32_t number = tree_own()->status & SNAPIMG_MEMBER_SIGNAL;
	uint64_t mask = (uint64_t)1 << (number - 1), pending = 0;
	if (number != SIGSTOP) {
		sys(__NR_rt_sigaction, number, &plain, &own_action, SIGNAL_SET_SIZE);
		sys(__NR_rt_sigprocmask, 1 /* SIG_UNBLOCK */, &mask, 0, SIGNAL_SET_SIZE);
		sys(__NR_kill, loader.tid, number);
		sys(__NR_rt_sigaction, number, &own_action, 0, SIGNAL_SET_SIZE);
		sys(__NR_rt_sigpending, &pending, SIGNAL_SET_SIZE);
	}
	if ((pending & went_on) == 0)
		sys(__NR_kill, loader.tid, SIGSTOP);
}

static bool has_pending(int number)
{
	const struct snapimg_pending *pending = snapimg_get_pending(&loader.image);
	int32_t found;
	for (uint32_t i = 0; i < snapimg_pending_count(&loader.image); i++) {
		memcpy(&found, pending[i].info, sizeof found);
		if (found == number && pending[i].thread == 0)
			return true;
	}
	return false;
}

/* What the program had heard of its children's stops it does not hear again. */
void tree_hear_stops(void)
{
	const uint64_t child = (uint64_t)1 << (SIGCHLD - 1);
	const int64_t at_once[2] = {0, 0};
	bool any = false;
	for (uint32_t i = 1; i < tree.count; i++) {
		const struct snapimg_member *it = &tree.member[i];
		if (it->state != SNAPIMG_MEMBER_STOPPED || it->parent != tree_own()->pid)
			continue;
		any = true;
		sys(__NR_waitid, P_PID, it->pid, 0, WSTOPPED | WEXITED | WNOWAIT, 0);
		if ((it->status & SNAPIMG_STOP_TOLD) != 0)
			sys(__NR_waitid, P_PID, it->pid, 0, WSTOPPED | WNOHANG, 0);
	}
	if (any && !has_pending(SIGCHLD))
		sys(__NR_rt_sigtimedwait, &child, 0, at_once, SIGNAL_SET_SIZE);
}
