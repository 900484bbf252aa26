/* Threads that share less than threads do: made by clone(2) without a flag, or by unshare(2). */
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "tracer/capture/threads/threads.h"
#include "tracer/ptrace/marks.h"

static const struct {
	int type; /* of kcmp(2) */
	const char *what;
	const struct mark_kind *mark; /* NULL: only kcmp(2) tells */
} shared[] = {
        {KCMP_FILES, "a thread with descriptors of its own (unshare)", &mark_of_descriptors},
        {KCMP_FS, "a thread with a working directory of its own (unshare)", &mark_of_place},
        {KCMP_SYSVSEM, "a thread with System V semaphore undos of its own (unshare)", NULL},
};
enum { KINDS = sizeof(shared) / sizeof(*shared) };

static enum status refuse_apart(const struct subject *subject, size_t kind, pid_t tid)
{
	return pass_refusal(refuse(shared[kind].what, "choose a point before it is made",
	                           "thread %d of process %d", tid, subject->pid));
}

static enum status compare(const struct subject *subject, size_t kind)
{
	const struct stopped_threads *threads = subject->request->threads;
	enum status status = STATUS_OK;

	for (size_t i = 1; i < threads->count && status == STATUS_OK; i++)
		if (syscall(SYS_kcmp, proc_living(subject->pid), threads->thread[i].tid, shared[kind].type, 0,
		            0) > 0)
			status = refuse_apart(subject, kind, threads->thread[i].tid);
	return status;
}

static enum status try_out(const struct subject *subject, const struct remote *remote, size_t kind)
{
	const struct stopped_threads *threads = subject->request->threads;
	struct mark mark = {0};
	enum status status = shared[kind].mark->set(remote, &mark);
	pid_t apart = 0;

	if (status == STATUS_OK && mark.value < 0)
		return pass_refusal(refuse("threads that may share less than threads do (unshare)",
		                           "allow kcmp(2) or epoll_create1(2)", "process %d", subject->pid));
	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; i < threads->count && apart == 0; i++)
		if (!shared[kind].mark->is_seen(proc_living(threads->thread[i].tid), &mark))
			apart = threads->thread[i].tid;
	status = shared[kind].mark->undo(remote, &mark);
	return status == STATUS_OK && apart != 0 ? refuse_apart(subject, kind, apart) : status;
}

enum status threads_refuse_apart(const struct subject *subject, const struct remote *remote)
{
	bool compares = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FS, 0, 0) == 0;
	enum status status = STATUS_OK;

	for (size_t kind = 0; kind < KINDS && subject->request->threads->count > 1 && status == STATUS_OK;
	     kind++)
		if (compares)
			status = compare(subject, kind);
		else if (shared[kind].mark)
			status = try_out(subject, remote, kind);
	return status;
}
