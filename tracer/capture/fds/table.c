#include "tracer/capture/fds/table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/caller.h"
#include "tracer/capture/fds/kinds.h"
#include "tracer/capture/fds/passing.h"
#include "tracer/capture/refuse.h"

/* The processes whose descriptors are read at once. */
struct reading {
	const struct descriptors_request *process;
	struct survey survey;
};

/* What is on its way belongs to the first one. */
static struct taking taking_for(const struct reading *reading, const struct open_descriptor *it)
{
	size_t index = is_on_its_way(&reading->survey, it) ? 0 : it->process;
	const struct descriptors_request *process = &reading->process[index];

	return (struct taking){.survey = &reading->survey,
	                       .pid = reading->survey.process[index].pid,
	                       .objects = &process->result->objects,
	                       .shared = reading->process->shared,
	                       .overrides = reading->process->snapshot->overrides,
	                       .remote = process->remote,
	                       .noted = process->snapshot->noted,
	                       .is_look = process->snapshot->is_look};
}

/* What is tied to the process that made it stays in that one's image, unless another has it too. Of a pidfd
 * each process has one of its own, for the first one makes its objects before there are others. All else is
 * the tree's, in the image of its first process. */
static bool is_own(const struct open_descriptor *it, const struct descriptor_kind *kind)
{
	return it->process == 0 || kind->kind == SNAPIMG_OBJECT_PIDFD ||
	       (!it->spans && (kind->kind == SNAPIMG_OBJECT_EPOLL || kind->kind == SNAPIMG_OBJECT_SIGNALFD ||
	                       kind->kind == SNAPIMG_OBJECT_URING));
}

/* In the image of a process beside the first: that it has the object of that one's. */
static enum status add_reference(const struct reading *reading, const struct open_descriptor *it, int object,
                                 struct snapimg_descriptor *record)
{
	struct objects *objects = &reading->process[it->process].result->objects;
	struct snapimg_object reference = {.kind = SNAPIMG_OBJECT_TREE};

	record->kind = SNAPIMG_DESCRIPTOR_OBJECT;
	record->source = object;
	if (it->process == 0)
		return STATUS_OK;
	reference.value[SNAPIMG_TREE_OBJECT] = (uint64_t)object;
	record->source = (int32_t)objects->object.count;
	return objects_add(objects, &reference);
}

static enum status take_object(const struct reading *reading, struct open_descriptor *it,
                               const struct descriptor_kind *kind, struct objects *objects)
{
	struct taking taking = taking_for(reading, it);
	uint32_t dropped = O_ASYNC | (kind->kind == SNAPIMG_OBJECT_UNLINKED ? 0 : (uint32_t)O_NOFOLLOW);
	struct snapimg_object object = {.kind = kind->kind,
	                                .flags = it->flags & SNAPIMG_OPEN_FLAGS & ~dropped};
	enum status status;

	if (it->object >= 0) /* another one needed it before it (fds/terminal.c), or another process had it */
		return STATUS_OK;
	if (it->refused)
		return STATUS_REFUSED;
	taking.objects = objects;
	if ((kind->kind == SNAPIMG_OBJECT_EPOLL || kind->kind == SNAPIMG_OBJECT_PIDFD) &&
	    is_passed(&reading->survey, it))
		status = refuse_descriptor(&reading->survey, it,
		                           "an epoll set or pidfd that is on its way through "
		                           "a socket",
		                           "receive it before the point");
	else if ((status = refuse_held(taking.survey, it, kind->held)) == STATUS_OK &&
	         (status = survey_copy(taking.survey, it)) == STATUS_OK)
		status = kind->take(&taking, it, &object);
	if (status != STATUS_OK) {
		it->refused = status == STATUS_REFUSED;
		return status;
	}
	it->object = (int)objects->object.count;
	return objects_add(objects, &object);
}

static enum status record_object(const struct reading *reading, struct open_descriptor *it,
                                 const struct descriptor_kind *kind, struct snapimg_descriptor *record)
{
	bool own = is_own(it, kind);
	struct open_descriptor *taken = own ? it : &reading->survey.open[it->representative];
	struct objects *objects = &reading->process[own ? it->process : 0].result->objects;
	enum status status = take_object(reading, taken, kind, objects);

	if (status != STATUS_OK)
		return status;
	if (it->known && S_ISREG(it->identity.st_mode) && it->link[0] == '/')
		record->position = it->position;
	if (!own && kind->kind == SNAPIMG_OBJECT_EPOLL) {
		struct taking taking = taking_for(reading, it);
		if ((status = watch_again(&taking, it, it->process)) != STATUS_OK)
			return status;
	}
	if (!own)
		return add_reference(reading, it, taken->object, record);
	record->kind = SNAPIMG_DESCRIPTOR_OBJECT;
	record->source = taken->object;
	return STATUS_OK;
}

static enum status take_opened(const struct reading *reading, struct open_descriptor *taken)
{
	struct objects *objects = &reading->process->result->objects;
	struct snapimg_object object = {.kind = SNAPIMG_OBJECT_FILE};
	struct snapimg_descriptor file = {0};
	enum status status;

	if (taken->refused)
		return STATUS_REFUSED;
	if (taken->object >= 0)
		return STATUS_OK;
	status = record_file(&reading->survey, taken, reading->process->files, &file);
	taken->refused = status == STATUS_REFUSED;
	if (status != STATUS_OK)
		return status;
	object.flags = file.flags;
	object.value[SNAPIMG_OPENED_FILE] = file.file - 1;
	object.value[SNAPIMG_OPENED_POSITION] = file.position;
	if ((status = objects_name(objects, taken->link, &object.name)) != STATUS_OK)
		return status;
	taken->object = (int)objects->object.count;
	return objects_add(objects, &object);
}

/* A file whose place several processes share is opened by the first one for all. */
static enum status record_opened(const struct reading *reading, struct open_descriptor *it,
                                 struct snapimg_descriptor *record)
{
	struct open_descriptor *taken = &reading->survey.open[it->representative];
	enum status status;

	if (!it->spans)
		return record_file(&reading->survey, it, reading->process[it->process].files, record);
	if ((status = take_opened(reading, taken)) != STATUS_OK)
		return status;
	return add_reference(reading, it, taken->object, record);
}

/* The caller's, with what the program has done to it: the flags that it changed, locks, an owner. */
static enum status record_inherited(const struct reading *reading, struct taking *taking,
                                    struct open_descriptor *it, struct snapimg_descriptor *record)
{
	const struct text *before = caller_info(it->inherited);
	enum status status;

	if (before && !(it->flags & O_PATH)) {
		record->flags = it->flags & SNAPIMG_OPEN_FLAGS;
		record->position =
		        (it->flags ^ (uint32_t)proc_number(before, "flags", 8)) & SNAPIMG_STATUS_FLAGS;
	}
	if ((status = shared_check_inherited(reading->process[it->process].shared, taking->survey, it)) !=
	            STATUS_OK ||
	    (it->process == 0 && (status = take_stream(taking, it, it->inherited)) != STATUS_OK) ||
	    (&taking->survey->open[it->first] == it && (status = take_locks(taking, it)) != STATUS_OK))
		return status;
	return take_owner(taking, it);
}

/* A terminal that was opened once more may stand in the place of what was inherited: node replaces all three.
 */
static enum status record_callers(struct taking *taking, struct open_descriptor *it,
                                  const struct snapimg_descriptor *record)
{
	const struct snapimg_object *object = taking->objects->object.items;

	if (it->process != 0 || record->kind != SNAPIMG_DESCRIPTOR_OBJECT ||
	    object[record->source].kind != SNAPIMG_OBJECT_CALLERS)
		return STATUS_OK;
	return take_stream(taking, it, (int)object[record->source].value[SNAPIMG_CALLERS_NUMBER]);
}

static enum status record_one(const struct reading *reading, struct open_descriptor *it,
                              struct snapimg_descriptor *record)
{
	const struct descriptor_kind *kind = find_kind(it);
	struct taking taking = taking_for(reading, it);
	enum status status;

	*record = (struct snapimg_descriptor){
	        .number = it->number,
	        .close_on_exec = (it->flags & O_CLOEXEC) != 0,
	        .kind = SNAPIMG_DESCRIPTOR_INHERIT,
	        .source = it->inherited,
	};
	if (it->override)
		return record_override(it, reading->process->files, record);
	if (it->inherited >= 0)
		return record_inherited(reading, &taking, it, record);
	if (it->duplicate >= 0) {
		record->kind = SNAPIMG_DESCRIPTOR_DUPLICATE;
		record->source = it->duplicate;
		return STATUS_OK;
	}
	if ((status = take_locks(&taking, it)) != STATUS_OK || /* first: a lease sets O_ASYNC, too */
	    (status = take_owner(&taking, it)) != STATUS_OK)
		return status;
	record->source = 0;
	if (!kind)
		return record_opened(reading, it, record);
	status = record_object(reading, it, kind, record);
	return status == STATUS_OK ? record_callers(&taking, it, record) : status;
}

static void choose_embedded(const struct survey *survey)
{
	for (size_t i = 0; i < survey->count; i++)
		survey->open[i].embedded = file_can_be_embedded(survey, &survey->open[i]);
}

/* Which of them another process must not have. */
static void ask_for_holders(const struct survey *survey)
{
	bool any = false;

	for (size_t i = 0; i < survey->count; i++) {
		struct open_descriptor *it = &survey->open[i];
		const struct descriptor_kind *kind = find_kind(it);
		if (it->override || it->inherited >= 0 || !is_representative(survey, it))
			continue;
		it->holding = kind ? kind->holding : file_holding(it);
		any = any || it->holding != HELD_UNNOTICED;
	}
	if (any)
		sharing_look_around(survey);
}

static bool caller_had(int number)
{
	for (size_t i = 0; i < the_caller.descriptor_count; i++)
		if (the_caller.descriptor[i].number == number)
			return true;
	return false;
}

static enum status check_overrides(const struct reading *reading)
{
	const struct overrides *overrides = reading->process->snapshot->overrides;

	for (size_t n = 0; n < overrides->count; n++)
		if (!survey_find(&reading->survey, 0, overrides->fd[n].number))
			return fail(STATUS_FAILED,
			            "--fd %d: the program has no such descriptor at the point: "
			            "leave it out",
			            overrides->fd[n].number);
	return STATUS_OK;
}

/* Those of one process, from survey->open[*first] on, and the standard streams that it has closed. */
static enum status record_all(const struct reading *reading, size_t process, size_t *first)
{
	const struct survey *survey = &reading->survey;
	struct descriptors *result = reading->process[process].result;
	enum status status = STATUS_OK;
	size_t end = *first;

	while (end < survey->count && survey->open[end].process == process)
		end++;
	if (!(result->record = calloc(end - *first + 3, sizeof(*result->record))))
		return fail(STATUS_FAILED, "out of memory");
	for (int standard = 0; (standard < 3 || *first < end) && status == STATUS_OK; standard++) {
		struct snapimg_descriptor *record = &result->record[result->count];
		if (standard >= 3 || (*first < end && survey->open[*first].number == standard)) {
			status = pass_refusal(record_one(reading, &survey->open[(*first)++], record));
			/* A number of no standard stream is closed by leaving it out. */
			if (record->kind != SNAPIMG_DESCRIPTOR_CLOSED || record->number < 3)
				result->count++;
		} else if (caller_had(standard)) {
			*record = (struct snapimg_descriptor){
			        .number = standard,
			        .kind = SNAPIMG_DESCRIPTOR_CLOSED,
			};
			result->count++;
		}
	}
	return status;
}

static enum status take_passed(const struct reading *reading, struct open_descriptor *it)
{
	struct open_descriptor *taken = &reading->survey.open[it->representative];
	const struct descriptor_kind *kind = find_kind(taken);
	enum status status = check_passed(&reading->survey, it);

	if (status != STATUS_OK)
		return status;
	return kind ? take_object(reading, taken, kind, &reading->process->result->objects)
	            : take_opened(reading, taken);
}

/* What is on its way, when all that the processes have is known. */
static enum status record_passed(const struct reading *reading)
{
	const struct survey *survey = &reading->survey;
	enum status status = STATUS_OK;

	for (size_t i = 0; i < survey->count && status == STATUS_OK; i++)
		if (is_on_its_way(survey, &survey->open[i]) && !survey->open[i].waits)
			status = pass_refusal(take_passed(reading, &survey->open[i]));
	resolve_passed(survey, &reading->process->result->objects);
	return status;
}

static enum status read_all(struct reading *reading, size_t count)
{
	const struct snapshot_request *first = reading->process->snapshot;
	enum status status = survey_read(&reading->survey, first->overrides);
	size_t next = 0;

	if (status != STATUS_OK || (status = check_overrides(reading)) != STATUS_OK)
		return status;
	if (first->self_contained)
		choose_embedded(&reading->survey);
	ask_for_holders(&reading->survey);
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		if (!reading->process[i].shares)
			status = record_all(reading, i, &next);
	return status == STATUS_OK ? record_passed(reading) : status;
}

enum status descriptors_read(const struct descriptors_request *process, size_t count)
{
	enum { LEVEL_FAST = 3 };
	struct surveyed *surveyed = calloc(count, sizeof(*surveyed));
	struct passing *passing = calloc(count, sizeof(*passing));
	struct reading reading = {
	        .process = process,
	        .survey = {.process = surveyed, .process_count = count, .may_take = process->snapshot->ends}};
	enum status status = surveyed && passing ? STATUS_OK : fail(STATUS_FAILED, "out of memory");

	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		const struct snapshot_output *output = &process[i].snapshot->output;
		passing[i] = (struct passing){.remote = process[i].remote, .here = -1};
		surveyed[i] = (struct surveyed){process[i].snapshot->pid, &passing[i], process[i].shares};
		if (output->compress)
			process[i].result->objects.level =
			        output->settings.level ? output->settings.level : LEVEL_FAST;
	}
	if (status == STATUS_OK)
		status = read_all(&reading, count);
	survey_free(&reading.survey);
	for (size_t i = 0; passing && i < count && passing[i].remote; i++) {
		enum status ended = passing_end(&passing[i]);
		status = status == STATUS_OK ? ended : status;
	}
	free(surveyed);
	free(passing);
	return status;
}

void descriptors_free(struct descriptors *descriptors)
{
	free(descriptors->record);
	objects_free(&descriptors->objects);
	*descriptors = (struct descriptors){0};
}
