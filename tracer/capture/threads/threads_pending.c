#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "format/base/array.h"

#include "tracer/capture/threads/threads.h"

#define BIT(signal) (1ull << ((signal)-1))

static enum status add(struct threads *threads, size_t index_and_1, const siginfo_t *info)
{
	static_assert(sizeof(*info) == (int)SNAPIMG_SIGINFO_SIZE, "the format's idea of siginfo_t");
	struct snapimg_pending record = {.thread = (uint32_t)index_and_1};
	struct snapimg_pending *added = array_add(threads->pending, threads->pending_count);

	if (!added)
		return fail(STATUS_FAILED, "out of memory");
	memcpy(record.info, info, sizeof(record.info));
	*added = record;
	return STATUS_OK;
}

static int number_of(const struct snapimg_pending *pending)
{
	int number;

	memcpy(&number, pending->info, sizeof(number));
	return number;
}

/* A signal that has no effect where it isn't blocked: ignored, or by its default (signal(7)). Traced, even
 * these queue. */
static uint64_t without_effect(const struct subject *subject)
{
	uint64_t caught = proc_number(&subject->status, "SigCgt", 16);
	uint64_t ignored = proc_number(&subject->status, "SigIgn", 16);
	uint64_t harmless = BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT);
	/* A stop that came just now is for that process, not for what is started from its image. */
	uint64_t stops = BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU);

	return ignored | ((harmless | stops) & ~caught);
}

/* As the kernel would (complete_signal() in kernel/signal.c): the main thread first. */
static size_t first_that_takes(const struct threads *threads, int number)
{
	for (size_t i = 0; i < threads->count; i++)
		if (!(threads->thread[i].signal_mask & BIT(number)))
			return i + 1;
	return 0;
}

static enum status take_queue(struct threads *threads, pid_t tid, size_t index_and_1, uint64_t harmless)
{
	struct __ptrace_peeksiginfo_args queue = {.nr = 1};
	enum status status = STATUS_OK;
	siginfo_t info;

	if (index_and_1 == 0)
		queue.flags = PTRACE_PEEKSIGINFO_SHARED;
	while (status == STATUS_OK && ptrace(PTRACE_PEEKSIGINFO, tid, &queue, &info) == 1) {
		size_t to = index_and_1 ? index_and_1 : first_that_takes(threads, info.si_signo);
		bool blocked = to == 0 || threads->thread[to - 1].signal_mask & BIT(info.si_signo);

		queue.off++;
		if (blocked || !(harmless & BIT(info.si_signo)))
			status = add(threads, to, &info);
	}
	return status;
}

/* Each thread's own, first what it was about to be given; then those of the process. One that a thread takes
 * at once is given to it, so that it alone ends that thread's call, as it would have. */
enum status threads_read_pending(struct threads *threads, const struct subject *subject)
{
	uint64_t harmless = without_effect(subject);
	enum status status = STATUS_OK;

	for (size_t i = 0; i < threads->count && status == STATUS_OK; i++) {
		const struct stopped_thread *stopped = &threads->stopped->thread[i];
		if (stopped->signal.si_signo && !(harmless & BIT(stopped->signal.si_signo)))
			status = add(threads, i + 1, &stopped->signal);
		if (status == STATUS_OK && !stopped->has_ended)
			status = take_queue(threads, stopped->tid, i + 1, harmless);
	}
	return status == STATUS_OK ? take_queue(threads, proc_living(subject->pid), 0, harmless) : status;
}

int threads_next_signal(const struct threads *threads, size_t index)
{
	for (size_t i = 0; i < threads->pending_count; i++) {
		int number = number_of(&threads->pending[i]);
		if (threads->pending[i].thread == index + 1 &&
		    !(threads->thread[index].signal_mask & BIT(number)))
			return number;
	}
	return 0;
}
