#include "restore/look/fallback.h"

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

void fallback_start(void)
{
	if (loader.area.start == 0)
		arguments_keep();
	const struct snapimg_process *process = snapimg_get_process(&loader.image);
	const char *path = snapimg_string(&loader.image, process->executable);
	long result = sys(__NR_execve, path, loader.area.start + loader.area.argv,
	                  loader.area.start + loader.area.envp);
	warn(path, ": cannot be executed: ", error_text(result));
}
