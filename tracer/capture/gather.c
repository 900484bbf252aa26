#include "tracer/capture/capture.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "format/facts/checksum.h"
#include "tracer/caller.h"
#include "tracer/capture/made_directories.h"
#include "tracer/capture/parallel.h"
#include "tracer/capture/process/kept_arguments.h"
#include "tracer/capture/process/sandbox.h"
#include "tracer/capture/rings.h"
#include "tracer/capture/self_contained.h"
#include "tracer/capture/store/codec.h"
#include "tracer/capture/threads/own.h"
#include "tracer/capture/threads/users.h"
#include "tracer/ptrace/memory.h"

static enum status read_vdso(struct capture *capture)
{
	const struct vma *vdso = capture->mappings.vdso;
	uint8_t *bytes = capture->vdso;

	if (!vdso)
		return STATUS_OK;
	size_t size = vdso->end - vdso->start;
	if (size > sizeof(capture->vdso) || tracee_read(capture->request->pid, vdso->start, bytes, size) < 0)
		return fail(STATUS_FAILED, "can't read the vdso of process %d: %s", capture->request->pid,
		            strerror(errno));
	capture->state.machine.vdso_size = (uint32_t)size;
	capture->state.machine.vdso_checksum = snapimg_checksum(bytes, size);
	capture->vdso_size = size;
	return STATUS_OK;
}

static enum status read_fixups(struct capture *capture)
{
	const struct snapshot_request *request = capture->request;
	enum status status;

	if ((status = mappings_find_resume_blocks(&capture->mappings, request->pid, &capture->files,
	                                          &capture->fixups, &capture->shim)) != STATUS_OK ||
	    (status = threads_add_fixups(&capture->threads, request->pid, &capture->mappings,
	                                 &capture->fixups)) != STATUS_OK ||
	    (request->resume_main &&
	     (status = fixups_add_kept_arguments(&capture->fixups, request->pid, &capture->mappings,
	                                         &capture->threads.registers[0])) != STATUS_OK))
		return status;
	if (!request->environ_cell)
		return STATUS_OK;
	return fixups_add(&capture->fixups, (struct snapimg_fixup){.address = request->environ_cell,
	                                                           .kind = SNAPIMG_FIXUP_ENVIRON});
}

/* First what needs nothing of the target, so that most refusals leave it untouched. */
enum status capture_examine(struct capture *capture)
{
	pid_t pid = capture->request->pid;
	enum status status;

	if ((status = threads_read_registers(capture->request->threads, &capture->threads)) != STATUS_OK ||
	    (status = threads_refuse_dispatch(&capture->threads, &capture->subject)) != STATUS_OK ||
	    (status = proc_read(proc_path(pid, "status"), &capture->subject.status)) != STATUS_OK ||
	    /* At once: what is sent from now on is not the image's. */
	    (status = threads_read_pending(&capture->threads, &capture->subject)) != STATUS_OK ||
	    (status = remote_enter(pid, &capture->request->gate, &capture->remote)) != STATUS_OK ||
	    (status = proc_read_stat(pid, &capture->subject.stat)) != STATUS_OK)
		return status;
	if ((status = refuse_process(&capture->subject)) != STATUS_OK)
		return status;
	if ((status = threads_refuse_partial(&capture->threads, &capture->subject)) != STATUS_OK ||
	    (status = refuse_old_sandbox(&capture->subject, &capture->remote, capture->request->threads)) !=
	            STATUS_OK)
		return status;
	if ((status = threads_refuse_apart(&capture->subject, &capture->remote)) != STATUS_OK)
		return status;
	return threads_refuse(&capture->threads, &capture->subject);
}

static enum status read_thread_attributes(struct capture *capture)
{
	const struct stopped_threads *stopped = capture->request->threads;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < stopped->count && status == STATUS_OK; i++)
		status = pass_refusal(attributes_read_thread(stopped->thread[i].tid, (uint32_t)i,
		                                             capture->request->noted, &capture->attributes));
	return status;
}

static bool may_trap(const struct subject *subject)
{
	uint64_t signals = proc_number(&subject->status, "SigIgn", 16) |
	                   proc_number(&subject->status, "SigPnd", 16) |
	                   proc_number(&subject->status, "ShdPnd", 16);

	return !the_caller.attached && !(signals >> (SIGTRAP - 1) & 1);
}

/* The kernel looks at each page for it. What fails is read once more, with a line. */
static void read_maps_of(void *context, size_t index)
{
	struct capture *capture = ((struct captures *)context)->capture[index];

	if (maps_try_read_all(capture->request->pid, &capture->maps) < 0)
		capture->maps = (struct maps){0};
}

/* Up to what processes of a tree share. */
static enum status gather_memory(struct capture *capture)
{
	pid_t pid = capture->request->pid;
	enum status status;

	files_set_shim(&capture->files, capture->request->shim);
	if (!capture->maps.vma && (status = maps_read(pid, &capture->maps)) != STATUS_OK)
		return status;
	if ((status = mappings_read(capture->request, &capture->maps, &capture->files, &capture->mappings)) !=
	            STATUS_OK ||
	    (status = shared_find(&capture->mappings, !capture->request->in_tree, &capture->shared)) !=
	            STATUS_OK)
		return status;
	return remote_map_scratch(&capture->remote, may_trap(&capture->subject));
}

static enum status gather_shared(struct captures *captures)
{
	size_t count = captures->count;
	struct descriptors_request *descriptors = calloc(count, sizeof(*descriptors));
	struct shared_process *shared = calloc(count, sizeof(*shared));
	enum status status = descriptors && shared ? STATUS_OK : fail(STATUS_FAILED, "out of memory");

	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		struct capture *capture = captures->capture[i];
		descriptors[i] = (struct descriptors_request){
		        capture->request, &capture->remote,      &capture->files,
		        &capture->shared, &capture->descriptors, capture->request->shares_descriptors};
		shared[i] = (struct shared_process){&capture->remote, &capture->shared,
		                                    &capture->descriptors.objects, &capture->mappings};
		if (i > 0)
			captures->capture[i - 1]->shared.next = &capture->shared;
	}
	/* A tree has its IDs in each start. */
	if (status == STATUS_OK && count == 1)
		id_content_begin((uint32_t)captures->capture[0]->request->pid,
		                 &captures->capture[0]->descriptors.objects.content_id);
	if (status == STATUS_OK && (status = descriptors_read(descriptors, count)) == STATUS_OK)
		status = shared_settle(shared, count);
	if (status == STATUS_OK)
		status = rings_settle(captures);
	free(descriptors);
	free(shared);
	return status;
}

static enum status gather_state(struct capture *capture)
{
	enum status status;

	if ((status = attributes_read(&capture->subject, &capture->remote, &capture->attributes)) !=
	            STATUS_OK ||
	    (status = pass_refusal(process_state_read(&capture->subject, &capture->remote,
	                                              &capture->state))) != STATUS_OK ||
	    (status = pass_refusal(threads_read(&capture->threads, &capture->remote, capture->mappings.vdso,
	                                        &capture->state))) != STATUS_OK ||
	    (status = pass_refusal(timers_read(&capture->subject, &capture->threads, &capture->remote,
	                                       &capture->timers))) != STATUS_OK ||
	    (status = read_thread_attributes(capture)) != STATUS_OK ||
	    (status = threads_read_own(&capture->threads, &capture->subject, &capture->remote,
	                               &capture->attributes)) != STATUS_OK ||
	    (status = threads_read_users(&capture->threads, &capture->subject, &capture->attributes)) !=
	            STATUS_OK ||
	    (status = read_vdso(capture)) != STATUS_OK)
		return status;
	return pass_refusal(read_fixups(capture));
}

/* When nothing is refused any more. */
static enum status gather_plan(struct capture *capture)
{
	enum status status;

	if ((status = files_identify(&capture->files, &capture->mappings, &capture->descriptors,
	                             capture->first, capture->request, capture->known)) != STATUS_OK ||
	    (status = root_read(capture->request->embeds, &capture->descriptors.objects, &capture->root)) !=
	            STATUS_OK)
		return status;
	/* What is embedded for a tree's programs, its first process's image has. */
	bool has_embeds = !capture->request->in_tree || capture->request->is_root;
	if (capture->request->self_contained &&
	    (status = self_contained_check(&capture->mappings, &capture->descriptors, &capture->files,
	                                   has_embeds ? capture->request->embeds : NULL)) != STATUS_OK)
		return status;
	if (capture->shim.size && has_hidden_calls(capture->request->pid, &capture->mappings))
		capture->shim = (struct snapimg_shim){0}; /* so nothing anonymous is made a piece */
	return plan_make(&capture->remote, &capture->mappings, &capture->files,
	                 codec_job_pages(&capture->request->output), &capture->plan);
}

static struct capture *capture_of(const struct captures *captures, uint32_t pid)
{
	for (size_t i = 0; i < captures->count; i++)
		if ((uint32_t)captures->capture[i]->request->pid == pid)
			return captures->capture[i];
	return NULL;
}

/* Whether a parent has heard that its child was stopped is only for itself to ask. */
static enum status gather_stops(struct captures *captures)
{
	const struct snapshot_tree *tree = captures->tree;

	for (size_t i = 0; i < tree->count; i++) {
		struct snapimg_member *member = &tree->member[i];
		const struct capture *parent = capture_of(captures, member->parent);
		siginfo_t info = {0};
		enum status status;

		if (member->state != SNAPIMG_MEMBER_STOPPED)
			continue;
		if (parent && (status = remote_fetch(&parent->remote, "a stopped child", &info, sizeof(info),
		                                     SYS_waitid, P_PID, member->pid, parent->remote.scratch,
		                                     WSTOPPED | WNOHANG | WNOWAIT)) != STATUS_OK)
			return status;
		if (info.si_pid == 0)
			member->status |= SNAPIMG_STOP_TOLD;
	}
	return STATUS_OK;
}

static const struct snapimg_member *leader_of(const struct snapshot_tree *tree, uint32_t session)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->member[i].pid == session)
			return &tree->member[i];
	return NULL;
}

/* Somebody in the session is: else a start would have another group there. */
static bool has_foreground(const struct snapshot_tree *tree, uint32_t session)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->member[i].session == session && tree->member[i].state != SNAPIMG_MEMBER_ZOMBIE &&
		    tree->member[i].status & SNAPIMG_MEMBER_FOREGROUND)
			return true;
	return false;
}

static uint64_t terminal_of(const struct captures *captures, uint32_t pid)
{
	const struct capture *capture = capture_of(captures, pid);

	return capture ? capture->subject.stat.field[STAT_TERMINAL] : 0;
}

static enum status gather_terminal(const struct captures *captures, struct snapimg_member *member)
{
	const struct snapshot_tree *tree = captures->tree;
	const struct snapimg_member *leader = leader_of(tree, member->session);
	uint64_t number = terminal_of(captures, member->pid);

	if (number != (leader ? terminal_of(captures, leader->pid) : 0))
		return refuse("a process without the controlling terminal of its session, or with another",
		              "choose another point", "process %u", member->pid);
	if (number == 0 || member->pid != member->session)
		return STATUS_OK;
	member->terminal = terminal_object(&captures->capture[0]->descriptors.objects, number);
	if (member->terminal == 0)
		return refuse("a controlling terminal of the program's own session (setsid, TIOCSCTTY) whose "
		              "other side is elsewhere",
		              "choose a point before it has it", "process %u", member->pid);
	if (!has_foreground(tree, member->session))
		return refuse("a terminal whose foreground is a process group that has ended",
		              "choose another point", "session %u", member->session);
	return STATUS_OK;
}

static const struct snapimg_descriptor *descriptor_of(const struct descriptors *descriptors, uint32_t object)
{
	for (size_t i = 0; i < descriptors->count; i++)
		if (descriptors->record[i].kind == SNAPIMG_DESCRIPTOR_OBJECT && object > 0 &&
		    (uint32_t)descriptors->record[i].source == object - 1)
			return &descriptors->record[i];
	return NULL;
}

/* Of a process that is no tree: one that it made itself. */
static enum status gather_own_terminal(struct capture *capture)
{
	const uint64_t *field = capture->subject.stat.field;
	pid_t pid = capture->subject.pid, session = (pid_t)field[STAT_SESSION];

	if (capture->request->in_tree || the_caller.attached || session == getsid(0) ||
	    field[STAT_TERMINAL] == 0)
		return STATUS_OK;
	const struct descriptors *descriptors = &capture->descriptors;
	const struct snapimg_descriptor *slave =
	        descriptor_of(descriptors, terminal_object(&descriptors->objects, field[STAT_TERMINAL]));
	if (session != pid || (pid_t)field[STAT_FOREGROUND] != pid || !slave)
		return refuse(
		        "a controlling terminal of the program's own session (setsid, TIOCSCTTY) that it "
		        "has not made and open, or of which another group has the foreground",
		        "choose a point before it has it", "process %d", pid);
	return attributes_add(&capture->attributes, SNAPIMG_ATTRIBUTE_TERMINAL, 0, (uint64_t)slave->number);
}

/* A session of the tree has a terminal of the tree. */
static enum status gather_terminals(struct captures *captures)
{
	const struct snapshot_tree *tree = captures->tree;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < tree->count && status == STATUS_OK; i++)
		if (tree->member[i].session != 0 && tree->member[i].state != SNAPIMG_MEMBER_ZOMBIE)
			status = pass_refusal(gather_terminal(captures, &tree->member[i]));
	return status == STATUS_OK ? pass_refusal(gather_own_terminal(captures->capture[0])) : status;
}

enum status captures_gather(struct captures *captures)
{
	enum status status;

	for (size_t i = 0; i < captures->count; i++) {
		captures->capture[i]->first = &captures->capture[0]->subject.stat;
		captures->capture[i]->known = &captures->known;
	}
	parallel_for(captures->count, read_maps_of, captures);
	if ((status = captures_each(captures, gather_memory)) != STATUS_OK ||
	    (status = gather_stops(captures)) != STATUS_OK || (status = ipc_read(captures)) != STATUS_OK ||
	    (status = gather_shared(captures)) != STATUS_OK ||
	    (status = gather_terminals(captures)) != STATUS_OK ||
	    (status = captures_each(captures, gather_state)) != STATUS_OK ||
	    (status = refusals_end()) != STATUS_OK)
		return status;
	status = captures_each(captures, gather_plan);
	return status == STATUS_OK ? made_directories_note(captures) : status;
}
