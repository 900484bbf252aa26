/* The rules of all records but those of memory. */
#include <string.h>

#include "format/facts/checksum.h"
#include "format/facts/cpu.h"
#include "format/image/check.h"

/* The kernel accepts these (kernel/signal.c, sigaltstack): a mode, and SS_AUTODISARM. */
enum { ALTSTACK_ON = 1, ALTSTACK_DISABLE = 2, SIGNAL_MAX = 64, SIGNAL_KILL = 9, SIGNAL_STOP = 19 };
static const uint32_t altstack_autodisarm = UINT32_C(1) << 31;

/* Of the legacy XSAVE area: Intel SDM volume 1, 10.5.1 and 13.4. XRSTOR faults on reserved bits that are set.
 */
enum { XSAVE_MXCSR = 24, XSAVE_HEADER = 512, XSAVE_HEADER_RESERVED = 16, XSAVE_HEADER_SIZE = 64 };
static const uint32_t mxcsr_defined = 0xffff;
static const uint64_t xfeature_compacted = UINT64_C(1) << 63;

enum { RSEQ_ALIGNMENT = 32, UMASK_MAX = 0777 };

static bool is_absolute(const struct snapimg *image, uint32_t offset)
{
	return snapimg_string(image, offset)[0] == '/';
}

enum snapimg_error snapimg_rule_strings(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_view *strings = &image->section[SNAPIMG_SECTION_STRINGS];
	const char *bytes = strings->bytes;

	(void)index;
	if (bytes[0] != '\0' || bytes[strings->size - 1] != '\0')
		return SNAPIMG_ERR_STRING;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_machine(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_machine *machine = snapimg_get_machine(image);

	(void)index;
	if (!snapimg_is_zero(machine->cpu_features + SNAPIMG_CPU_WORDS_USED,
	                     (SNAPIMG_CPU_WORDS - SNAPIMG_CPU_WORDS_USED) * sizeof(uint32_t)) ||
	    (machine->xfeatures & 1) == 0 || machine->xfeatures & xfeature_compacted ||
	    machine->xstate_size < SNAPIMG_XSTATE_MIN || machine->task_size == 0 ||
	    machine->task_size > SNAPIMG_TASK_SIZE_MAX || machine->task_size % SNAPIMG_PAGE_SIZE != 0)
		return SNAPIMG_ERR_MACHINE;
	return SNAPIMG_OK;
}

/* The very bytes that MACHINE has the size and the checksum of. */
enum snapimg_error snapimg_rule_vdso(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_view *vdso = &image->section[SNAPIMG_SECTION_VDSO];
	const struct snapimg_machine *machine = snapimg_get_machine(image);

	(void)index;
	if (vdso->size != machine->vdso_size || vdso->size % SNAPIMG_PAGE_SIZE != 0 ||
	    (!image->vdso_is_unread && snapimg_checksum(vdso->bytes, vdso->size) != machine->vdso_checksum))
		return SNAPIMG_ERR_MACHINE;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_origin(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_origin *origin = snapimg_get_origin(image);
	const uint32_t strings[] = {origin->tool,   origin->point,     origin->trigger,
	                            origin->kernel, origin->cpu_model, origin->codec};
	size_t i;

	(void)index;
	for (i = 0; i < sizeof(strings) / sizeof(*strings); i++)
		if (!snapimg_string_is_valid(image, strings[i]))
			return SNAPIMG_ERR_STRING;
	return SNAPIMG_OK;
}

static bool marks_are_valid(const struct snapimg_process *process, uint64_t task_size)
{
	const uint64_t marks[] = {process->start_code, process->end_code,  process->start_data,
	                          process->end_data,   process->start_brk, process->brk,
	                          process->start_stack};
	size_t i;

	for (i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (marks[i] > task_size)
			return false;
	return process->start_code <= process->end_code && process->start_data <= process->end_data &&
	       process->start_brk <= process->brk;
}

enum snapimg_error snapimg_rule_process(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_process *process = snapimg_get_process(image);
	const uint32_t flags = SNAPIMG_PROCESS_RESUME_MAIN | SNAPIMG_PROCESS_NOT_DUMPABLE |
	                       SNAPIMG_PROCESS_NO_NEW_PRIVS | SNAPIMG_PROCESS_SUBREAPER |
	                       SNAPIMG_PROCESS_NO_THP | SNAPIMG_PROCESS_SELF_CONTAINED |
	                       SNAPIMG_PROCESS_CWD_REMOVED;

	(void)index;
	if (!snapimg_string_is_valid(image, process->executable) ||
	    !snapimg_string_is_valid(image, process->cwd))
		return SNAPIMG_ERR_STRING;
	if ((process->flags & ~flags) != 0 || !is_absolute(image, process->executable) ||
	    (process->cwd != 0 && !is_absolute(image, process->cwd)) ||
	    (process->cwd == 0 && (process->flags & SNAPIMG_PROCESS_CWD_REMOVED) != 0) ||
	    (process->umask > UMASK_MAX && process->umask != SNAPIMG_UMASK_INHERITED) ||
	    process->parent_death_signal > SIGNAL_MAX ||
	    process->thread_count != snapimg_thread_count(image) ||
	    !marks_are_valid(process, snapimg_get_machine(image)->task_size) ||
	    process->fixed_arguments == 0 || process->reserved_zero != 0)
		return SNAPIMG_ERR_PROCESS;
	return SNAPIMG_OK;
}

/* What XRSTOR would fault on: the loader hands this area to the kernel. */
static bool xstate_is_valid(const struct snapimg *image, uint64_t offset)
{
	const struct snapimg_view *xstate = &image->section[SNAPIMG_SECTION_XSTATE];
	const struct snapimg_machine *machine = snapimg_get_machine(image);
	const uint8_t *area = xstate->bytes;
	uint64_t header[2]; /* XSTATE_BV, XCOMP_BV */
	uint32_t mxcsr;

	if (offset % SNAPIMG_ALIGNMENT != 0 || offset > xstate->size ||
	    machine->xstate_size > xstate->size - offset)
		return false;
	area += offset;
	memcpy(&mxcsr, area + XSAVE_MXCSR, sizeof(mxcsr));
	memcpy(header, area + XSAVE_HEADER, sizeof(header));
	return (mxcsr & ~mxcsr_defined) == 0 && (header[0] & ~machine->xfeatures) == 0 && header[1] == 0 &&
	       snapimg_is_zero(area + XSAVE_HEADER + XSAVE_HEADER_RESERVED,
	                       XSAVE_HEADER_SIZE - XSAVE_HEADER_RESERVED);
}

static bool altstack_is_valid(const struct snapimg_thread *thread, uint64_t task_size)
{
	uint32_t mode = thread->altstack_flags & ~altstack_autodisarm;

	if (mode == ALTSTACK_DISABLE)
		return true;
	return (mode == 0 || mode == ALTSTACK_ON) && thread->altstack_address < task_size &&
	       thread->altstack_size <= task_size - thread->altstack_address;
}

enum snapimg_error snapimg_rule_thread(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_thread *thread = snapimg_get_thread(image) + index;
	const struct snapimg_registers *registers = &thread->registers;
	const uint64_t addresses[] = {registers->rip,      registers->rsp,      registers->fs_base,
	                              registers->gs_base,  thread->robust_list, thread->tid_address,
	                              thread->rseq_address};
	uint64_t task_size = snapimg_get_machine(image)->task_size;
	size_t i;

	for (i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
		if (addresses[i] >= task_size)
			return SNAPIMG_ERR_THREAD;
	if (thread->rseq_address % RSEQ_ALIGNMENT != 0 || !altstack_is_valid(thread, task_size) ||
	    !xstate_is_valid(image, thread->xstate_offset) || thread->reserved_zero != 0 ||
	    thread->comm[SNAPIMG_COMM_SIZE - 1] != '\0')
		return SNAPIMG_ERR_THREAD;
	return SNAPIMG_OK;
}

bool snapimg_is_open(const struct snapimg *image, uint32_t count, int32_t number)
{
	const struct snapimg_descriptor *descriptor = snapimg_get_descriptor(image);
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (descriptor[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && descriptor[low].number == number &&
	       descriptor[low].kind != SNAPIMG_DESCRIPTOR_CLOSED;
}

static bool descriptor_kind_is_valid(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_descriptor *descriptor = snapimg_get_descriptor(image) + index;

	switch (descriptor->kind) {
	case SNAPIMG_DESCRIPTOR_INHERIT:
		return descriptor->source >= 0 && descriptor->source < SNAPIMG_DESCRIPTOR_MAX &&
		       descriptor->file == 0 && (descriptor->position & ~(uint64_t)SNAPIMG_STATUS_FLAGS) == 0;
	case SNAPIMG_DESCRIPTOR_FILE:
		return descriptor->file >= 1 && descriptor->file <= snapimg_file_count(image) &&
		       descriptor->position <= INT64_MAX;
	case SNAPIMG_DESCRIPTOR_DUPLICATE:
		/* It must be open by then, so it is among the records before, which are sorted. */
		return snapimg_is_open(image, index, descriptor->source) && descriptor->file == 0;
	case SNAPIMG_DESCRIPTOR_OBJECT:
		return descriptor->source >= 0 &&
		       (uint32_t)descriptor->source < snapimg_object_count(image) && descriptor->file == 0 &&
		       descriptor->position <= INT64_MAX;
	case SNAPIMG_DESCRIPTOR_CLOSED:
		return descriptor->number <= 2 && descriptor->file == 0;
	default:
		return false;
	}
}

enum snapimg_error snapimg_rule_descriptor(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_descriptor *descriptor = snapimg_get_descriptor(image) + index;
	int32_t previous = index == 0 ? -1 : descriptor[-1].number;

	if (descriptor->number <= previous || descriptor->number >= SNAPIMG_DESCRIPTOR_MAX ||
	    (descriptor->flags & ~(uint32_t)SNAPIMG_OPEN_FLAGS) != 0 || descriptor->close_on_exec > 1 ||
	    !descriptor_kind_is_valid(image, index))
		return SNAPIMG_ERR_DESCRIPTOR;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_signal(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_sigaction *action = snapimg_get_sigaction(image) + index;
	uint32_t previous = index == 0 ? 0 : action[-1].signal;

	if (action->signal <= previous || action->signal > SIGNAL_MAX || action->signal == SIGNAL_KILL ||
	    action->signal == SIGNAL_STOP || action->reserved_zero != 0)
		return SNAPIMG_ERR_SIGNAL;
	return SNAPIMG_OK;
}

/* ENVIRONMENT has this rule as well. */
static bool ends_with_nul(const struct snapimg_view *view)
{
	const char *bytes = view->bytes;

	return view->size == 0 || bytes[view->size - 1] == '\0';
}

enum snapimg_error snapimg_rule_arguments(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_view *arguments = &image->section[SNAPIMG_SECTION_ARGUMENTS];
	const char *bytes = arguments->bytes;
	uint64_t i, count = 0;

	(void)index;
	for (i = 0; i < arguments->size; i++)
		count += bytes[i] == '\0';
	if (!ends_with_nul(arguments) || !ends_with_nul(&image->section[SNAPIMG_SECTION_ENVIRONMENT]) ||
	    snapimg_get_process(image)->fixed_arguments > count)
		return SNAPIMG_ERR_ARGUMENTS;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_auxv(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_auxv *entry = snapimg_get_auxv(image) + index;

	/* AT_NULL would end the vector early. */
	if (entry->type == 0 || snapimg_auxv_count(image) > SNAPIMG_AUXV_MAX)
		return SNAPIMG_ERR_ARGUMENTS;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_pending(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_pending *pending = snapimg_get_pending(image) + index;
	int32_t number;

	memcpy(&number, pending->info, sizeof(number));
	if (pending->thread > snapimg_thread_count(image) || pending->reserved_zero != 0 || number < 1 ||
	    number > SIGNAL_MAX || number == SIGNAL_KILL)
		return SNAPIMG_ERR_PENDING;
	return SNAPIMG_OK;
}

/* One for each thread, and one thread at most has met the point. */
enum snapimg_error snapimg_rule_place(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_place *place = snapimg_get_place(image);
	uint32_t i, points = 0;

	if (!snapimg_string_is_valid(image, place[index].call))
		return SNAPIMG_ERR_STRING;
	if (snapimg_place_count(image) != snapimg_thread_count(image) ||
	    (place[index].flags & ~(uint32_t)SNAPIMG_PLACE_POINT) != 0)
		return SNAPIMG_ERR_PLACE;
	for (i = 0; index == 0 && i < snapimg_place_count(image); i++)
		points += place[i].flags & SNAPIMG_PLACE_POINT;
	return points <= 1 ? SNAPIMG_OK : SNAPIMG_ERR_PLACE;
}
