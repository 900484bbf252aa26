/* The rules of who is told what about descriptors: inotify watches, owners for signals. */
#include "format/image/check.h"

enum { SIGNAL_MAX = 64 };

enum snapimg_error snapimg_rule_inotify(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_inotify *watched = snapimg_get_inotify(image) + index;

	if (watched->path >= image->section[SNAPIMG_SECTION_STRINGS].size)
		return SNAPIMG_ERR_STRING;
	if (watched->object >= snapimg_object_count(image) ||
	    snapimg_get_object(image)[watched->object].kind != SNAPIMG_OBJECT_INOTIFY ||
	    snapimg_string(image, watched->path)[0] != '/' || watched->watch < 1 ||
	    watched->watch > SNAPIMG_INOTIFY_MAX ||
	    (index > 0 && (watched[-1].object > watched->object ||
	                   (watched[-1].object == watched->object && watched[-1].watch >= watched->watch))))
		return SNAPIMG_ERR_OBJECT;
	return SNAPIMG_OK;
}

enum snapimg_error snapimg_rule_owner(const struct snapimg *image, uint32_t index)
{
	const struct snapimg_owner *owner = snapimg_get_owner(image) + index;

	if (!snapimg_is_open(image, snapimg_descriptor_count(image), owner->number) ||
	    (index > 0 && owner[-1].number >= owner->number) || owner->kind > SNAPIMG_OWNER_THREAD ||
	    owner->signal > SIGNAL_MAX || owner->drives > 1 ||
	    (image->header->required_features & SNAPIMG_FEATURE_OWNERS) == 0)
		return SNAPIMG_ERR_DESCRIPTOR;
	return SNAPIMG_OK;
}
