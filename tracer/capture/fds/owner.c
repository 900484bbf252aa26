/* Whom an open file description sends signals: fcntl(2), F_SETOWN_EX, F_SETSIG, O_ASYNC. */
#include <fcntl.h>

#include "tracer/capture/fds/kinds.h"

static bool whom(pid_t pid, const struct f_owner_ex *owner, uint32_t *ret_kind)
{
	if (owner->pid != 0 && (owner->pid != pid || owner->type == F_OWNER_PGRP))
		return false;
	*ret_kind = owner->pid == 0              ? SNAPIMG_OWNER_NONE
	            : owner->type == F_OWNER_PID ? SNAPIMG_OWNER_PROCESS
	                                         : SNAPIMG_OWNER_THREAD;
	return true;
}

/* Another process of the tree that has it, too: it is in that one's image. */
static bool is_owned_by_member(const struct taking *taking, const struct open_descriptor *it,
                               const struct f_owner_ex *owner)
{
	const struct survey *survey = taking->survey;

	if (owner->type == F_OWNER_PGRP || owner->pid == it->pid)
		return false;
	for (size_t i = 0; i < survey->count; i++)
		if (survey->open[i].first == it->first && survey->open[i].pid == owner->pid &&
		    survey->open[i].inherited < 0)
			return true;
	return false;
}

/* Nothing shows F_NOTIFY but that it makes the process the owner (fs/notify/dnotify/dnotify.c). */
static enum status refuse_watched_directory(struct taking *taking, struct open_descriptor *it)
{
	struct f_owner_ex owner = {0};

	if (!survey_try_copy(taking->survey, it) || fcntl(it->copy, F_GETOWN_EX, &owner) < 0 ||
	    owner.pid != it->pid)
		return STATUS_OK;
	return refuse_descriptor(taking->survey, it, "a directory that signals what happens in it (F_NOTIFY)",
	                         "watch it after the point");
}

/* What was inherited has the caller's owner, unless the program took it. Regular files drive nobody. */
enum status take_owner(struct taking *taking, struct open_descriptor *it)
{
	bool drives = (it->flags & O_ASYNC) != 0, is_inherited = it->inherited >= 0;
	bool is_file = it->known && (S_ISREG(it->identity.st_mode) || S_ISDIR(it->identity.st_mode)) &&
	               it->link[0] == '/';
	struct snapimg_owner record = {.number = it->number, .drives = drives};
	struct f_owner_ex owner = {0};
	enum status status;

	if (!(it->flags & O_PATH) && it->known && S_ISDIR(it->identity.st_mode))
		return refuse_watched_directory(taking, it);
	if ((it->flags & O_PATH) || (!drives && (is_file || is_inherited)))
		return STATUS_OK;
	/* A device without a state is carried where no descriptor may be looked at. */
	if (!drives && it->known && S_ISCHR(it->identity.st_mode) && !survey_try_copy(taking->survey, it))
		return STATUS_OK;
	if ((status = survey_copy(taking->survey, it)) != STATUS_OK)
		return status;
	int signal = fcntl(it->copy, F_GETSIG);
	bool is_told = fcntl(it->copy, F_GETOWN_EX, &owner) == 0 && signal >= 0;
	if (is_told && is_owned_by_member(taking, it, &owner))
		return STATUS_OK;
	bool is_known = is_told && whom(it->pid, &owner, &record.kind);
	if (is_inherited && (!is_known || record.kind == SNAPIMG_OWNER_NONE))
		return STATUS_OK;
	if (!is_known)
		return refuse_descriptor(taking->survey, it,
		                         "a descriptor that signals others than the process (F_SETOWN)",
		                         "set the owner after the point");
	record.signal = (uint32_t)signal;
	if (record.kind == SNAPIMG_OWNER_NONE && !drives && signal == 0)
		return STATUS_OK;
	return objects_owner(taking->objects, &record);
}
