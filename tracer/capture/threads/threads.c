#include "tracer/capture/threads/threads.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/restart_x86_64.h"
#include "tracer/ptrace/system_calls.h"

enum { FUTEX_ID = 0x3fffffff }; /* FUTEX_TID_MASK */

static pid_t id_of(const struct threads *threads, size_t index)
{
	return threads->stopped->thread[index].tid;
}

static enum status read_failed(const char *what, pid_t tid)
{
	return fail(STATUS_FAILED, "can't read the program's state: %s of thread %d: %s", what, tid,
	            strerror(errno));
}

static enum status hold(struct threads *threads, size_t index)
{
	struct snapimg_thread *thread = &threads->thread[index];
	struct user_regs_struct *registers = &threads->registers[index];
	pid_t tid = id_of(threads, index);
	enum status status;

	if ((status = thread_read_registers(tid, registers)) != STATUS_OK ||
	    (status = thread_read_rseq(tid, thread)) != STATUS_OK)
		return status;
	/* Now, since the kernel forgets the sequence at the first call that is made here. */
	restart_abort_rseq(tid, thread->rseq_address, registers);
	if (ptrace(PTRACE_SETREGS, tid, 0, registers) < 0)
		return read_failed("registers", tid);
	if (ptrace(PTRACE_GETSIGMASK, tid, sizeof(thread->signal_mask), &thread->signal_mask) < 0)
		return read_failed("signal mask", tid);
	thread->tid = (uint32_t)tid;
	return STATUS_OK;
}

static bool has_ended(const struct threads *threads, size_t index)
{
	return threads->stopped->thread[index].has_ended;
}

enum status threads_read_registers(const struct stopped_threads *stopped, struct threads *threads)
{
	enum status status = STATUS_OK;

	*threads = (struct threads){
	        .stopped = stopped,
	        .count = stopped->count,
	        .thread = calloc(stopped->count, sizeof(*threads->thread)),
	        .registers = calloc(stopped->count, sizeof(*threads->registers)),
	        .call = calloc(stopped->count, sizeof(*threads->call)),
	        .xstate = calloc(stopped->count, XSTATE_ROOM),
	};
	if (!threads->thread || !threads->registers || !threads->call || !threads->xstate)
		return fail(STATUS_FAILED, "out of memory");
	for (size_t i = 0; i < threads->count && status == STATUS_OK; i++)
		if (!has_ended(threads, i))
			status = hold(threads, i);
	if (status == STATUS_OK && has_ended(threads, 0)) {
		threads->call[0] = system_call_name(SYS_exit);
		status = thread_read_ended(id_of(threads, 0), &threads->registers[1], &threads->thread[0],
		                           &threads->registers[0]);
	}
	return status;
}

enum status threads_refuse(const struct threads *threads, const struct subject *subject)
{
	enum status status = STATUS_OK;

	for (size_t i = 1; i < threads->count && status == STATUS_OK; i++)
		status = pass_refusal(refuse_thread(subject, id_of(threads, i)));
	return status;
}

static enum status leave_vdso(struct threads *threads, size_t index, const struct vma *vdso)
{
	pid_t tid = id_of(threads, index);
	enum status status;
	bool moved = false;

	if (!vdso)
		return STATUS_OK;
	if ((status = restart_leave_vdso(tid, vdso->start, vdso->end, &moved)) != STATUS_OK || !moved)
		return status;
	return thread_read_registers(tid, &threads->registers[index]);
}

/* The kernel tells the address of the ID with CONFIG_CHECKPOINT_RESTORE, as the kernels of all distributions
 * do. */
static enum status read_own(const struct remote *remote, struct snapimg_thread *thread)
{
	struct {
		stack_t stack;
		uint64_t tid_address;
	} got = {0};
	const uint64_t to = remote->scratch + sizeof(got.stack);
	struct remote_ask ask[] = {
	        {"alternate signal stack", SYS_sigaltstack, {0, remote->scratch}, 0},
	        {"thread id address (PR_GET_TID_ADDRESS)", SYS_prctl, {PR_GET_TID_ADDRESS, to}, 0},
	};
	enum status status = remote_ask_all(remote, ask, sizeof(ask) / sizeof(*ask), &got, sizeof(got));

	if (status != STATUS_OK)
		return status;
	thread->altstack_address = (uint64_t)(uintptr_t)got.stack.ss_sp;
	thread->altstack_size = got.stack.ss_size;
	/* Whether the thread runs on it now follows from rsp: only what sigaltstack() takes is kept. */
	thread->altstack_flags = (uint32_t)got.stack.ss_flags & ~(uint32_t)SS_ONSTACK;
	thread->tid_address = got.tid_address;
	return STATUS_OK;
}

static enum status read_robust_list(pid_t tid, struct snapimg_thread *thread)
{
	void *head;
	size_t length;

	if (syscall(SYS_get_robust_list, tid, &head, &length) < 0)
		return read_failed("robust list", tid);
	thread->robust_list = (uint64_t)(uintptr_t)head;
	thread->robust_list_size = head ? length : 0;
	return STATUS_OK;
}

static enum status read_name(pid_t tid, struct snapimg_thread *thread)
{
	struct text text CLEANUP(text_free) = {0};
	enum status status = proc_read(proc_path(tid, "task/%d/comm", tid), &text);

	if (status != STATUS_OK)
		return status;
	/* The name may hold newlines, too; the file ends with one more. */
	size_t length = strlen(text.bytes);
	if (length > 0 && text.bytes[length - 1] == '\n')
		text.bytes[length - 1] = '\0';
	strncpy(thread->comm, text.bytes, sizeof(thread->comm) - 1);
	return STATUS_OK;
}

static enum status read_thread(struct threads *threads, size_t index, const struct remote *remote,
                               struct process_state *state)
{
	struct snapimg_machine *machine = &state->machine;
	struct snapimg_thread *thread = &threads->thread[index];
	pid_t tid = id_of(threads, index);
	struct remote own = *remote;
	enum status status;

	own.tid = proc_living(tid);
	/* One that has ended has another's: any will do. */
	if ((status = thread_read_xstate(proc_living(tid), state->processor.level != SNAPIMG_LEVEL_NATIVE,
	                                 threads->xstate + index * XSTATE_ROOM, &machine->xfeatures,
	                                 &machine->xstate_size)) != STATUS_OK)
		return status;
	if (has_ended(threads, index)) {
		thread->altstack_flags = SS_DISABLE;
		return read_name(tid, thread);
	}
	if ((status = read_own(&own, thread)) != STATUS_OK ||
	    (status = read_robust_list(tid, thread)) != STATUS_OK)
		return status;
	return read_name(tid, thread);
}

static enum interruption interruption_of(const struct threads *threads, size_t index,
                                         const struct process_state *state)
{
	int number = threads_next_signal(threads, index);

	for (size_t i = 0; number && i < state->signal_count; i++)
		if (state->signals[i].signal == (uint32_t)number && state->signals[i].handler > 1)
			return state->signals[i].flags & SA_RESTART ? BY_RESTARTING_HANDLER : BY_HANDLER;
	return BY_STOP;
}

static void make_ready(struct threads *threads, size_t index, const struct process_state *state)
{
	struct user_regs_struct registers = threads->registers[index];
	long call = restart_call(&registers, interruption_of(threads, index, state));

	if (call >= 0)
		threads->call[index] = system_call_name(call);
#define X(name) threads->thread[index].registers.name = registers.name;
	SNAPIMG_REGISTERS(X)
#undef X
}

enum status threads_read(struct threads *threads, const struct remote *remote, const struct vma *vdso,
                         struct process_state *state)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < threads->count && status == STATUS_OK; i++)
		if (has_ended(threads, i) || (status = leave_vdso(threads, i, vdso)) == STATUS_OK)
			status = read_thread(threads, i, remote, state);
	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; i < threads->count; i++) {
		make_ready(threads, i, state);
		threads->thread[i].xstate_offset = i * state->machine.xstate_size;
	}
	threads->xstate_size = state->machine.xstate_size;
	state->process.thread_count = (uint32_t)threads->count;
	return STATUS_OK;
}

static bool can_be_fixed(const struct mappings *mappings, uint64_t address)
{
	for (size_t i = 0; i < mappings->count; i++) {
		const struct snapimg_mapping *record = &mappings->mapping[i].record;
		if (address >= record->start && address < record->end)
			return !(record->flags & SNAPIMG_MAP_SHARED) &&
			       record->protection & SNAPIMG_PROT_WRITE &&
			       address + sizeof(uint32_t) <= record->end;
	}
	return false;
}

static enum status add_owner(const struct threads *threads, size_t index, pid_t pid, uint64_t address,
                             const struct mappings *mappings, struct fixups *fixups)
{
	struct snapimg_fixup record = {
	        .address = address, .kind = SNAPIMG_FIXUP_ROBUST, .argument = (uint32_t)index};
	uint32_t word;

	if (tracee_read(pid, address, &word, sizeof(word)) < 0 ||
	    (word & FUTEX_ID) != threads->thread[index].tid)
		return STATUS_OK;
	if (!can_be_fixed(mappings, address))
		return refuse("a held robust mutex in shared memory", "choose a point where it is free",
		              "0x%" PRIx64 " of process %d", address, pid);
	for (size_t i = 0; i < fixups->count; i++) /* list_op_pending may be on the list already */
		if (fixups->record[i].kind == SNAPIMG_FIXUP_ROBUST && fixups->record[i].address == address)
			return STATUS_OK;
	return fixups_add(fixups, record);
}

/*
 * musl keeps the list, of all mutexes with an owner, in its own struct pthread, and tells the kernel of it
 * only where a mutex is shared by processes (src/thread/pthread_mutex_trylock.c, src/internal/pthread_impl.h,
 * since 1.1.20; `self` stands at 0). Its lock word lies 28 bytes before its list entry.
 */
static uint64_t find_list(const struct snapimg_thread *thread, pid_t pid)
{
	enum { MUSL_ROBUST_LIST = 136 };
	uint64_t base = thread->registers.fs_base, self = 0;

	if (thread->robust_list)
		return thread->robust_list;
	if (!base || tracee_read(pid, base, &self, sizeof(self)) < 0 || self != base)
		return 0;
	return base + MUSL_ROBUST_LIST;
}

/* As exit_robust_list() of kernel/futex walks it; the lowest bit of a pointer marks a PI mutex. */
static enum status add_owned(const struct threads *threads, size_t index, pid_t pid,
                             const struct mappings *mappings, struct fixups *fixups)
{
	struct {
		uint64_t next;
		int64_t offset;
		uint64_t pending;
	} head;
	enum { MUSL_OFFSET = -28 };
	uint64_t start = find_list(&threads->thread[index], pid), entry;
	enum status status = STATUS_OK;

	if (!start || tracee_read(pid, start, &head, sizeof(head)) < 0)
		return STATUS_OK;
	if (head.offset == 0)
		head.offset = MUSL_OFFSET;
	entry = head.next & ~1ull;
	for (int i = 0; i < ROBUST_LIST_LIMIT && entry != start && status == STATUS_OK; i++) {
		status = add_owner(threads, index, pid, entry + (uint64_t)head.offset, mappings, fixups);
		if (tracee_read(pid, entry, &entry, sizeof(entry)) < 0)
			break;
		entry &= ~1ull;
	}
	head.pending &= ~1ull;
	if (status == STATUS_OK && head.pending)
		status = add_owner(threads, index, pid, head.pending + (uint64_t)head.offset, mappings,
		                   fixups);
	return status;
}

enum status threads_add_fixups(const struct threads *threads, pid_t pid, const struct mappings *mappings,
                               struct fixups *fixups)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < threads->count && status == STATUS_OK; i++)
		if ((status = fixups_add_thread_id(fixups, pid, &threads->thread[i], (uint32_t)i)) ==
		    STATUS_OK)
			status = pass_refusal(add_owned(threads, i, pid, mappings, fixups));
	return status;
}

enum snapimg_error threads_write(const struct threads *threads, struct snapimg_writer *writer)
{
	enum snapimg_error error = snapimg_writer_add(writer, SNAPIMG_SECTION_THREADS, threads->thread,
	                                              threads->count * sizeof(*threads->thread));

	for (size_t i = 0; i < threads->count && error == SNAPIMG_OK; i++) {
		struct snapimg_place place = {
		        .flags = threads->stopped->thread[i].at_point ? (uint32_t)SNAPIMG_PLACE_POINT : 0u};
		if ((error = snapimg_writer_add(writer, SNAPIMG_SECTION_XSTATE,
		                                threads->xstate + i * XSTATE_ROOM, threads->xstate_size)))
			return error;
		if (threads->count == 1) /* which an older reader restores as well */
			break;
		const char *call = threads->call[i] ? threads->call[i] : "";
		if ((error = snapimg_writer_string(writer, call, &place.call)) == SNAPIMG_OK)
			error = snapimg_writer_add(writer, SNAPIMG_SECTION_PLACES, &place, sizeof(place));
	}
	if (error == SNAPIMG_OK && threads->pending_count)
		error = snapimg_writer_add(writer, SNAPIMG_SECTION_PENDING, threads->pending,
		                           threads->pending_count * sizeof(*threads->pending));
	return error;
}

void threads_free(struct threads *threads)
{
	free(threads->thread);
	free(threads->registers);
	free(threads->call);
	free(threads->xstate);
	free(threads->pending);
	*threads = (struct threads){0};
}
