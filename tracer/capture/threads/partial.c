/*
 * A call that waits until all of its bytes are gone (or have come) returns what has gone when the thread is
 * stopped, and the kernel makes nothing of it again: the program would see a short count that it never gets
 * without us. It is nobody's to finish, so it is refused.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tracer/capture/threads/threads.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/system_calls.h"
#include "tracer/refusals.h"

enum {
	OPEN_NONBLOCK = 04000,
	SPLICE_NONBLOCK = 2,
	VECTORS_MAX = 1024, /* UIO_MAXIOV */
};

/* Where a number stands: which argument; of a vector or a message, its address; NONE: there is none. */
enum argument { DI, SI, DX, R10, R8, R9, NONE };
enum counted { BYTES, VECTOR /* its length is the next argument */, MESSAGE };

static const struct partial_call {
	long number;
	enum argument descriptor, amount, flags;
	enum counted counted;
	uint64_t must_have; /* among the flags */
	uint64_t must_lack;
} calls[] = {
        {SYS_write, DI, DX, NONE, BYTES, 0, 0},
        {SYS_writev, DI, SI, NONE, VECTOR, 0, 0},
        {SYS_vmsplice, DI, SI, R10, VECTOR, 0, SPLICE_NONBLOCK},
        {SYS_sendto, DI, DX, R10, BYTES, 0, MSG_DONTWAIT},
        {SYS_sendmsg, DI, SI, DX, MESSAGE, 0, MSG_DONTWAIT},
        {SYS_sendfile, DI, R10, NONE, BYTES, 0, 0},
        {SYS_splice, DX, R8, R9, BYTES, 0, SPLICE_NONBLOCK},
        {SYS_recvfrom, DI, DX, R10, BYTES, MSG_WAITALL, MSG_DONTWAIT},
        {SYS_recvmsg, DI, SI, DX, MESSAGE, MSG_WAITALL, MSG_DONTWAIT},
};

static uint64_t value_of(const struct user_regs_struct *registers, enum argument argument)
{
	const uint64_t values[] = {registers->rdi,
	                           registers->rsi,
	                           registers->rdx,
	                           registers->r10,
	                           registers->r8,
	                           registers->r9,
	                           0};

	return values[argument];
}

static uint64_t sum(pid_t tid, uint64_t address, uint64_t count)
{
	struct iovec vector[VECTORS_MAX];
	uint64_t bytes = 0;

	if (count > VECTORS_MAX || tracee_read(tid, address, vector, count * sizeof(*vector)) < 0)
		return 0;
	for (uint64_t i = 0; i < count; i++)
		bytes += vector[i].iov_len;
	return bytes;
}

static uint64_t wanted_by(pid_t tid, const struct partial_call *call,
                          const struct user_regs_struct *registers)
{
	uint64_t amount = value_of(registers, call->amount);
	struct msghdr message;

	if (call->counted == VECTOR)
		return sum(tid, amount, value_of(registers, call->amount + 1));
	if (call->counted == BYTES)
		return amount;
	if (tracee_read(tid, amount, &message, sizeof(message)) < 0)
		return 0;
	return sum(tid, (uint64_t)(uintptr_t)message.msg_iov, message.msg_iovlen);
}

/* Whoever asked not to wait expects a short count; so does who writes to a full disk. */
static bool waits(pid_t tid, uint64_t descriptor)
{
	struct text info CLEANUP(text_free) = {0};
	struct stat status;

	if (stat(proc_path(tid, "fd/%d", (int)descriptor).text, &status) < 0 || S_ISREG(status.st_mode) ||
	    S_ISBLK(status.st_mode))
		return false;
	return proc_try_read(proc_path(tid, "fdinfo/%d", (int)descriptor).text, &info) == 0 &&
	       !(proc_number(&info, "flags", 8) & OPEN_NONBLOCK);
}

static enum status check(const struct subject *subject, pid_t tid, const struct user_regs_struct *registers)
{
	int64_t done = (int64_t)registers->rax;

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls) && done > 0; i++) {
		const struct partial_call *call = &calls[i];
		uint64_t flags = value_of(registers, call->flags), wanted;

		if ((long)registers->orig_rax != call->number ||
		    (flags & call->must_have) != call->must_have || (flags & call->must_lack) ||
		    !waits(tid, value_of(registers, call->descriptor)) ||
		    (wanted = wanted_by(tid, call, registers)) <= (uint64_t)done)
			continue;
		return refuse("a call that waits with a part of its bytes done",
		              "choose a point where it is not made, or is over",
		              "%s of %llu bytes, %lld done, in thread %d of process %d",
		              system_call_name(call->number), (unsigned long long)wanted, (long long)done,
		              tid, subject->pid);
	}
	return STATUS_OK;
}

enum status threads_refuse_partial(const struct threads *threads, const struct subject *subject)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < threads->count && status == STATUS_OK; i++) {
		const struct stopped_thread *stopped = &threads->stopped->thread[i];

		if (!stopped->signal.si_signo) /* else a signal has ended it, as it would have anyway */
			status = pass_refusal(check(subject, stopped->tid, &threads->registers[i]));
	}
	return status;
}
