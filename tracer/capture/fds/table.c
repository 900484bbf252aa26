#include "tracer/capture/fds/table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/caller.h"
#include "tracer/capture/fds/kinds.h"
#include "tracer/capture/refuse.h"

/* What a descriptor can be that no image holds: X(beginning of its link, what, advice) */
#define REFUSED_LINKS(X)                                                                                     \
	X("anon_inode:[fanotify]", "a fanotify group", "make it after the point")                            \
	X("anon_inode:[pidfd]", "a pidfd", "close it before the point")                                      \
	X("pidfd:", "a pidfd", "close it before the point")                                                  \
	X("anon_inode:[io_uring]", "an io_uring", "make it after the point")                                 \
	X("anon_inode:[userfaultfd]", "a userfaultfd", "make it after the point")                            \
	X("anon_inode:[perf_event]", "a perf event", "make it after the point")                              \
	X("anon_inode:bpf-", "a BPF object", "make it after the point")                                      \
	X("anon_inode:bpf_", "a BPF object", "make it after the point")                                      \
	X("anon_inode:seccomp notify", "a seccomp listener", "make it after the point")                      \
	X("anon_inode:[landlock-ruleset]", "a landlock ruleset", "close it before the point")                \
	X("anon_inode:", "a kernel object", "make it after the point")                                       \
	X("mnt:[", "a namespace", "close it before the point")                                               \
	X("net:[", "a namespace", "close it before the point")                                               \
	X("pid:[", "a namespace", "close it before the point")                                               \
	X("user:[", "a namespace", "close it before the point")                                              \
	X("ipc:[", "a namespace", "close it before the point")                                               \
	X("uts:[", "a namespace", "close it before the point")                                               \
	X("time:[", "a namespace", "close it before the point")                                              \
	X("cgroup:[", "a namespace", "close it before the point")                                            \
	X("/dmabuf:", "a graphics buffer", "make it after the point")

enum status refuse_by_link(const struct survey *survey, const struct open_descriptor *it)
{
	static const struct {
		const char *prefix, *what, *advice;
	} refused[] = {
#define X(prefix, what, advice) {prefix, what, advice},
	        REFUSED_LINKS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		if (strncmp(it->link, refused[i].prefix, strlen(refused[i].prefix)) != 0)
			continue;
		return refuse_descriptor(survey, it, refused[i].what, refused[i].advice);
	}
	return STATUS_OK;
}

static take_descriptor *find_taker(const struct open_descriptor *it)
{
	static const struct {
		const char *prefix;
		take_descriptor *take;
	} taken[] = {
#define X(prefix, take) {prefix, take},
	        TAKEN_LINKS(X)
#undef X
	};

	if (it->flags & O_PATH)
		return NULL;
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (strncmp(it->link, taken[i].prefix, strlen(taken[i].prefix)) == 0)
			return taken[i].take;
	if (!it->known || it->link[0] != '/')
		return NULL;
	if (S_ISFIFO(it->identity.st_mode))
		return take_fifo;
	return S_ISREG(it->identity.st_mode) && it->identity.st_nlink == 0 ? take_unlinked : NULL;
}

static enum status record_object(struct taking *taking, struct open_descriptor *it, take_descriptor *take,
                                 struct snapimg_descriptor *record)
{
	struct snapimg_object object = {.flags = it->flags & SNAPIMG_OPEN_FLAGS &
	                                         ~(uint32_t)(O_NOFOLLOW | O_ASYNC)};
	enum status status;

	record->kind = SNAPIMG_DESCRIPTOR_OBJECT;
	if (it->object >= 0) { /* another one needed it before it (fds/terminal.c) */
		record->source = it->object;
		return STATUS_OK;
	}
	if (it->refused)
		return STATUS_REFUSED;
	if ((status = survey_copy(taking->survey, it)) != STATUS_OK ||
	    (status = take(taking, it, &object)) != STATUS_OK) {
		it->refused = status == STATUS_REFUSED;
		return status;
	}
	it->object = (int)taking->objects->object.count;
	record->source = it->object;
	if (it->known && S_ISREG(it->identity.st_mode) && it->link[0] == '/')
		record->position = it->position;
	return objects_add(taking->objects, &object);
}

static enum status record_one(struct taking *taking, struct open_descriptor *it, struct files *files,
                              struct snapimg_descriptor *record)
{
	take_descriptor *take = find_taker(it);
	enum status status;

	*record = (struct snapimg_descriptor){
	        .number = it->number,
	        .close_on_exec = (it->flags & O_CLOEXEC) != 0,
	        .kind = SNAPIMG_DESCRIPTOR_INHERIT,
	        .source = it->inherited,
	};
	if (it->policy)
		return record_policy(it, files, record);
	if (it->inherited >= 0) {
		status = memories_check_inherited(taking->memories, taking->survey, it);
		return status == STATUS_OK ? take_owner(taking, it) : status;
	}
	if (it->duplicate >= 0) {
		record->kind = SNAPIMG_DESCRIPTOR_DUPLICATE;
		record->source = it->duplicate;
		return STATUS_OK;
	}
	if ((status = take_locks(taking, it)) != STATUS_OK || /* first: a lease sets O_ASYNC, too */
	    (status = take_owner(taking, it)) != STATUS_OK)
		return status;
	record->source = 0;
	return take ? record_object(taking, it, take, record)
	            : record_file(taking->survey, it, files, record);
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

	for (size_t n = 0; n < taking->policies->count; n++)
		if (!survey_find(survey, taking->policies->fd[n].number))
			return fail(STATUS_FAILED,
			            "--fd %d: the program has no such descriptor at the point: "
			            "leave it out",
			            taking->policies->fd[n].number);
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

enum status descriptors_read(const struct snapshot_request *request, struct files *files,
                             struct memories *memories, struct descriptors *ret_descriptors)
{
	enum { LEVEL_FAST = 3 };
	const struct snapshot_output *output = &request->output;
	struct survey survey = {.pid = request->pid};
	struct descriptors result = {0};
	struct taking taking = {.survey = &survey,
	                        .objects = &result.objects,
	                        .memories = memories,
	                        .policies = request->policies};
	enum status status;

	if (output->compress)
		result.objects.level = output->level ? output->level : LEVEL_FAST;
	if ((status = survey_read(&survey, request->policies)) == STATUS_OK) {
		result.record = calloc(survey.count + 3, sizeof(*result.record));
		status = result.record ? record_all(&taking, files, &result)
		                       : fail(STATUS_FAILED, "out of memory");
	}
	survey_free(&survey);
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
