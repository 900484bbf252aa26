/* signalfds: /proc/PID/fdinfo shows the mask. */
#include "tracer/capture/fds/kinds.h"

enum status take_signalfd(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	(void)taking;
	object->value[SNAPIMG_SIGNALFD_MASK] = proc_number(&it->info, "sigmask", 16);
	return STATUS_OK;
}
