#include "tracer/warm/inputs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/proc.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/system_calls.h"

#define GET_TERMIOS2 0x802c542aul /* TCGETS2, _IOR('T', 0x2A, struct termios2) of asm-generic/ioctls.h */

/* Files are stamped by a clock that may be behind this one by a tick and more (current_time() of fs/inode.c):
 * so what changes after a wait that is longer has a later time, and what changed before has an earlier one.
 */
void inputs_begin(struct inputs *inputs)
{
	const struct timespec wait = {0, 30000000};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	inputs->began = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	(void)nanosleep(&wait, NULL);
}

void inputs_watch(struct call_rules *rules)
{
	static const uint32_t others[] = {
	        SYS_getcwd,    SYS_getdents,  SYS_getdents64,        SYS_fstat, SYS_ioctl,      SYS_umask,
	        SYS_getrlimit, SYS_prlimit64, SYS_sched_getaffinity, SYS_uname, SYS_getpriority};
	size_t count;
	const struct path_call *calls = system_calls_with_path(&count);

	for (size_t i = 0; i < count; i++)
		call_rules_add(rules, (uint32_t)calls[i].number, (uint32_t)calls[i].number);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		call_rules_add(rules, others[i], others[i]);
}

bool inputs_directory(pid_t pid, int descriptor, char path[PATH_MAX])
{
	struct proc_path link =
	        descriptor == AT_FDCWD ? proc_path(pid, "cwd") : proc_path(pid, "fd/%d", descriptor);
	ssize_t length = readlink(link.text, path, PATH_MAX - 1);

	if (length <= 0 || path[0] != '/')
		return false;
	path[length] = '\0';
	return true;
}

bool inputs_path(pid_t pid, const struct call *call, char path[PATH_MAX], bool *ret_by_cwd)
{
	unsigned mask = system_call_path_mask(call->number);
	unsigned index = mask ? (unsigned)__builtin_ctz(mask) : 0;
	char name[PATH_MAX];
	int descriptor = index > 0 ? (int)call->argument[index - 1] : AT_FDCWD;

	*ret_by_cwd = false;
	if (!mask || tracee_read_string(pid, call->argument[index], name, sizeof(name)) <= 0)
		return false;
	if (name[0] == '/') {
		memcpy(path, name, sizeof(name));
		return true;
	}
	*ret_by_cwd = descriptor == AT_FDCWD;
	if (!inputs_directory(pid, descriptor, path))
		return false;
	size_t length = strlen(path);
	return (size_t)snprintf(path + length, PATH_MAX - length, "/%s", name) < PATH_MAX - length;
}

/* What is a view of the kernel's own state is none of the program's inputs; nor are the helper's marks. */
static bool is_left_out(const char *path)
{
	static const char *const places[] = {"/proc/", "/sys/", "/dev/", "/snap/warm"};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (strncmp(path, places[i], strlen(places[i])) == 0)
			return true;
	return false;
}

void inputs_note_path(struct inputs *inputs, const char *path, unsigned uses)
{
	struct noted_path *added;

	if (is_left_out(path))
		return;
	for (size_t i = inputs->path_count; i > 0 && i + 8 > inputs->path_count; i--)
		if (strcmp(inputs->path[i - 1].path, path) == 0) { /* a file is often asked about in a row */
			inputs->path[i - 1].uses |= uses;
			return;
		}
	if ((added = array_add(inputs->path, inputs->path_count)))
		*added = (struct noted_path){strdup(path), uses};
}

/* Whether a call looks at a link itself: by its name, or by the flag in its arguments. */
static bool looks_at_itself(const struct call *call)
{
	switch (call->number) {
	case SYS_lstat:
	case SYS_readlink:
	case SYS_readlinkat:
		return true;
	case SYS_newfstatat:
	case SYS_faccessat2:
		return call->argument[3] & AT_SYMLINK_NOFOLLOW;
	case SYS_statx:
		return call->argument[2] & AT_SYMLINK_NOFOLLOW;
	case SYS_open:
		return call->argument[1] & O_NOFOLLOW;
	case SYS_openat:
		return call->argument[2] & O_NOFOLLOW;
	default:
		return false;
	}
}

static void note_stream(struct inputs *inputs, uint64_t descriptor, enum snapimg_input_kind kind)
{
	if (descriptor < 3)
		inputs->streams[descriptor] |= 1u << (kind - SNAPIMG_INPUT_STREAM);
}

static void note_descriptor(struct inputs *inputs, pid_t pid, const struct call *call, bool program_runs)
{
	char path[PATH_MAX];
	unsigned long request = call->argument[1];

	if (call->number == SYS_getdents || call->number == SYS_getdents64) {
		if (inputs_directory(pid, (int)call->argument[0], path))
			inputs_note_path(inputs, path, PATH_LISTED);
	} else if (call->number == SYS_getcwd) {
		inputs->cwd_is_used |= program_runs;
	} else if (program_runs && (call->number == SYS_fstat || call->number == SYS_newfstatat)) {
		note_stream(inputs, call->argument[0], SNAPIMG_INPUT_STREAM_TYPE);
	} else if (program_runs && call->number == SYS_ioctl && request == TIOCGWINSZ) {
		note_stream(inputs, call->argument[0], SNAPIMG_INPUT_TERMINAL_SIZE);
	} else if (program_runs && call->number == SYS_ioctl &&
	           (request == TCGETS || request == GET_TERMIOS2)) {
		note_stream(inputs, call->argument[0], SNAPIMG_INPUT_STREAM);
	}
}

/* What the caller has handed down, and the program asks about. */
static bool note_state(struct inputs *inputs, const struct call *call, bool program_runs)
{
	static const struct {
		long number;
		enum snapimg_input_kind kind;
	} rows[] = {{SYS_umask, SNAPIMG_INPUT_UMASK},
	            {SYS_sched_getaffinity, SNAPIMG_INPUT_AFFINITY},
	            {SYS_uname, SNAPIMG_INPUT_SYSTEM},
	            {SYS_getpriority, SNAPIMG_INPUT_PRIORITY}};
	bool by_pid = call->number == SYS_prlimit64;
	uint64_t resource = call->argument[by_pid];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && program_runs; i++)
		if (call->number == rows[i].number) {
			inputs->asked |= 1u << (rows[i].kind - SNAPIMG_INPUT_UMASK);
			return true;
		}
	if ((by_pid || call->number == SYS_getrlimit) && resource < RLIM_NLIMITS)
		inputs->limits |= 1u << resource; /* the C library keeps that of the stack for its threads */
	return by_pid || call->number == SYS_getrlimit;
}

void inputs_note(struct inputs *inputs, pid_t pid, const struct call *call, bool program_runs)
{
	char path[PATH_MAX];
	bool by_cwd;

	if (inputs->is_paused)
		return;
	if (note_state(inputs, call, program_runs))
		return;
	if (!inputs_path(pid, call, path, &by_cwd)) {
		note_descriptor(inputs, pid, call, program_runs);
		return;
	}
	inputs->cwd_is_used |= by_cwd && program_runs;
	inputs_note_path(inputs, path, looks_at_itself(call) ? PATH_ITSELF : PATH_FOLLOWED);
}

void inputs_note_variable(struct inputs *inputs, const char *name)
{
	char **added;

	for (size_t i = 0; i < inputs->variable_count; i++)
		if (strcmp(inputs->variable[i], name) == 0)
			return;
	if ((added = array_add(inputs->variable, inputs->variable_count)))
		*added = strdup(name);
}

void inputs_free(struct inputs *inputs)
{
	for (size_t i = 0; i < inputs->path_count; i++)
		free(inputs->path[i].path);
	for (size_t i = 0; i < inputs->variable_count; i++)
		free(inputs->variable[i]);
	for (size_t i = 0; i < inputs->made_count; i++)
		free(inputs->made[i]);
	for (size_t i = 0; i < inputs->record_count; i++)
		free(inputs->record[i].name);
	free(inputs->path);
	free(inputs->variable);
	free(inputs->made);
	free(inputs->record);
	*inputs = (struct inputs){0};
}
