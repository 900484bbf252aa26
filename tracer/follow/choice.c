#include "tracer/follow/choice.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "format/base/progress.h"
#include "tracer/follow/exec_stop.h"
#include "tracer/ptrace/memory.h"

static void enter(struct process *process, enum choice_state state)
{
	process->choice = (struct choice){.state = state, .since = monotonic_seconds()};
}

/* The executable's base name, or the one that exec was called with: a script's, or a link's. */
static bool is_named(pid_t pid, const struct auxiliary *auxiliary, const char *wanted)
{
	char path[PATH_MAX];
	ssize_t length = readlink(proc_path(pid, "exe").text, path, sizeof(path) - 1);

	if (length > 0) {
		path[length] = '\0';
		if (strcmp(base_name(path), wanted) == 0)
			return true;
	}
	return tracee_read_string(pid, auxiliary->name, path, sizeof(path)) > 0 &&
	       strcmp(base_name(path), wanted) == 0;
}

/* The new program's auxiliary vector stands by then (begin_new_exec() and the binary's loader come before
 * ptrace_event() in exec_binprm(), fs/exec.c). */
enum status choice_at_exec(struct run *run, struct process *process)
{
	const char *wanted = run->options->in;
	struct auxiliary auxiliary = {0};
	enum status status = STATUS_OK;
	bool chosen = run_has_points(run) && (!run->options->attach || process->pid == run->root);

	if (chosen && wanted) {
		if ((status = exec_stop_read_auxiliary(process->pid, &auxiliary)) != STATUS_OK)
			return status;
		chosen = is_named(process->pid, &auxiliary, wanted);
	}
	enter(process, chosen ? CHOICE_COMING : CHOICE_NONE);
	run->chosen = run->chosen || chosen;
	return status;
}

void choice_count(struct run *run, struct process *process)
{
	enter(process, CHOICE_COUNTS);
	run->chosen = true;
}

void choice_drop(struct process *process)
{
	enter(process, CHOICE_NONE);
}

void choice_at_birth(const struct run *run, struct process *born)
{
	enter(born, run->options->attach ? CHOICE_NONE : born->choice.state);
	born->has_begun = false;
}
