#include "tracer/capture/fds/table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/caller.h"
#include "tracer/capture/fds/kinds.h"
#include "tracer/capture/fds/passing.h"
#include "tracer/capture/refuse.h"

static enum status record_object(struct taking *taking, struct open_descriptor *it,
                                 const struct descriptor_kind *kind, struct snapimg_descriptor *record)
{
	struct snapimg_object object = {.kind = kind->kind,
	                                .flags = it->flags & SNAPIMG_OPEN_FLAGS &
	                                         ~(uint32_t)(O_NOFOLLOW | O_ASYNC)};
	enum status status;

	record->kind = SNAPIMG_DESCRIPTOR_OBJECT;
	if (it->object >= 0) { /* another one needed it before it (fds/terminal.c) */
		record->source = it->object;
		return STATUS_OK;
	}
	if (it->refused)
		return STATUS_REFUSED;
	if ((status = refuse_held(taking->survey, it, kind->held)) != STATUS_OK ||
	    (status = survey_copy(taking->survey, it)) != STATUS_OK ||
	    (status = kind->take(taking, it, &object)) != STATUS_OK) {
		it->refused = status == STATUS_REFUSED;
		return status;
	}
	it->object = (int)taking->objects->object.count;
	record->source = it->object;
	if (it->known && S_ISREG(it->identity.st_mode) && it->link[0] == '/')
		record->position = it->position;
	return objects_add(taking->objects, &object);
}

/* The caller's, with what the program has done to it: the flags that it changed, locks, an owner. */
static enum status record_inherited(struct taking *taking, struct open_descriptor *it,
                                    struct snapimg_descriptor *record)
{
	const struct text *before = caller_info(it->inherited);
	enum status status;

	if (before && !(it->flags & O_PATH)) {
		record->flags = it->flags & SNAPIMG_OPEN_FLAGS;
		record->position =
		        (it->flags ^ (uint32_t)proc_number(before, "flags", 8)) & SNAPIMG_STATUS_FLAGS;
	}
	if ((status = shared_check_inherited(taking->shared, taking->survey, it)) != STATUS_OK ||
	    (status = take_stream(taking, it)) != STATUS_OK ||
	    (it->first == it->number && (status = take_locks(taking, it)) != STATUS_OK))
		return status;
	return take_owner(taking, it);
}

static enum status record_one(struct taking *taking, struct open_descriptor *it, struct files *files,
                              struct snapimg_descriptor *record)
{
	const struct descriptor_kind *kind = find_kind(it);
	enum status status;

	*record = (struct snapimg_descriptor){
	        .number = it->number,
	        .close_on_exec = (it->flags & O_CLOEXEC) != 0,
	        .kind = SNAPIMG_DESCRIPTOR_INHERIT,
	        .source = it->inherited,
	};
	if (it->override)
		return record_override(it, files, record);
	if (it->inherited >= 0)
		return record_inherited(taking, it, record);
	if (it->duplicate >= 0) {
		record->kind = SNAPIMG_DESCRIPTOR_DUPLICATE;
		record->source = it->duplicate;
		return STATUS_OK;
	}
	if ((status = take_locks(taking, it)) != STATUS_OK || /* first: a lease sets O_ASYNC, too */
	    (status = take_owner(taking, it)) != STATUS_OK)
		return status;
	record->source = 0;
	return kind ? record_object(taking, it, kind, record)
	            : record_file(taking->survey, it, files, record);
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
		if (it->override || it->inherited >= 0 || it->duplicate >= 0)
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

static enum status record_all(struct taking *taking, struct files *files, struct descriptors *result)
{
	const struct survey *survey = taking->survey;
	enum status status = STATUS_OK;
	size_t i = 0;

	for (size_t n = 0; n < taking->overrides->count; n++)
		if (!survey_find(survey, taking->overrides->fd[n].number))
			return fail(STATUS_FAILED,
			            "--fd %d: the program has no such descriptor at the point: "
			            "leave it out",
			            taking->overrides->fd[n].number);
	for (int standard = 0; (standard < 3 || i < survey->count) && status == STATUS_OK; standard++) {
		struct snapimg_descriptor *record = &result->record[result->count];
		if (standard >= 3 || (i < survey->count && survey->open[i].number == standard)) {
			status = pass_refusal(record_one(taking, &survey->open[i++], files, record));
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

enum status descriptors_read(const struct snapshot_request *request, const struct remote *remote,
                             struct files *files, struct shared *shared, struct descriptors *ret_descriptors)
{
	enum { LEVEL_FAST = 3 };
	const struct snapshot_output *output = &request->output;
	struct passing passing = {.remote = remote, .here = -1};
	struct survey survey = {.pid = request->pid, .passing = &passing};
	struct descriptors result = {0};
	struct taking taking = {.survey = &survey,
	                        .objects = &result.objects,
	                        .shared = shared,
	                        .overrides = request->overrides,
	                        .remote = remote,
	                        .noted = request->noted};
	enum status status;

	if (output->compress)
		result.objects.level = output->settings.level ? output->settings.level : LEVEL_FAST;
	if ((status = survey_read(&survey, request->overrides)) == STATUS_OK) {
		if (request->self_contained)
			choose_embedded(&survey);
		ask_for_holders(&survey);
		result.record = calloc(survey.count + 3, sizeof(*result.record));
		status = result.record ? record_all(&taking, files, &result)
		                       : fail(STATUS_FAILED, "out of memory");
	}
	survey_free(&survey);
	enum status ended = passing_end(&passing);
	status = status == STATUS_OK ? ended : status;
	if (status == STATUS_OK)
		*ret_descriptors = result;
	else
		descriptors_free(&result);
	return status;
}

void descriptors_free(struct descriptors *descriptors)
{
	free(descriptors->record);
	objects_free(&descriptors->objects);
	*descriptors = (struct descriptors){0};
}
