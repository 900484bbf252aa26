#include "tracer/capture/process/state.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/facts/bootid.h"
#include "format/facts/cpu.h"
#include "tracer/caller.h"
#include "tracer/capture/threads/own.h"
#include "tracer/ptrace/memory.h"

enum { KERNEL_SIGSET = 8, LAST_STANDARD_SIGNAL = 31, SIGNALS = 64, SA_RESTORER_FLAG = 0x04000000 };
#define TASK_SIZE_4_LEVEL                                                                                    \
	0x7ffffffff000ull /* TASK_SIZE_MAX: 2^47 less one page (arch/x86/include/asm/page_64_types.h) */

struct kernel_sigaction { /* arch/x86/include/uapi/asm/signal.h */
	uint64_t handler, flags, restorer, mask;
};

/*
 * Whether a call has set what is as the caller has it. An exec forgets flags, mask and restorer of each
 * action, and every C library gives one (SA_RESTORER) with each call that sets any: so the kernel's own
 * record tells. What is put back to its default, plainly as the kernel gave it out, counts as the caller's:
 * system(3) and shells do that. Of the real-time signals nobody has any that is ignored.
 */
static bool was_set(const struct subject *subject, uint32_t signal, const struct kernel_sigaction *action)
{
	bool ignored = the_caller.ignored_signals >> (signal - 1) & 1;
	uint64_t plain = ignored ? 0 : SA_RESTORER_FLAG;

	return action->mask || (action->flags & ~plain) ||
	       (ignored && subject->request->noted->ignored >> (signal - 1) & 1);
}

/* Recorded is what differs from what the target began with: signals it catches or ignores, and those that
 * the caller ignored and it doesn't; and what it has set to the same. */
static uint64_t changed_signals(const struct subject *subject)
{
	uint64_t ignored = proc_number(&subject->status, "SigIgn", 16);
	uint64_t caught = proc_number(&subject->status, "SigCgt", 16);

	return caught | (ignored ^ the_caller.ignored_signals) | (the_caller.attached ? ignored : 0);
}

static enum status read_signals(const struct subject *subject, const struct remote *remote,
                                struct process_state *state)
{
	struct kernel_sigaction action[SIGNALS] = {0};
	struct remote_ask ask[SIGNALS];
	const uint64_t changed = changed_signals(subject);
	enum status status;
	size_t count = 0;

	for (uint64_t signal = 1; signal <= SIGNALS; signal++)
		if (signal != SIGKILL && signal != SIGSTOP &&
		    (changed >> (signal - 1) & 1 || signal <= LAST_STANDARD_SIGNAL)) {
			uint64_t to = remote->scratch + count * sizeof(*action);
			ask[count++] = (struct remote_ask){
			        "signal action", SYS_rt_sigaction, {signal, 0, to, KERNEL_SIGSET}, 0};
		}
	if ((status = remote_ask_all(remote, ask, count, action, count * sizeof(*action))) != STATUS_OK)
		return status;
	for (size_t i = 0; i < count; i++) {
		uint32_t signal = (uint32_t)ask[i].argument[0];
		if (!(changed >> (signal - 1) & 1) &&
		    (the_caller.attached || !was_set(subject, signal, &action[i])))
			continue;
		state->signals[state->signal_count++] = (struct snapimg_sigaction){
		        .signal = signal,
		        .handler = action[i].handler,
		        .flags = action[i].flags,
		        .restorer = action[i].restorer,
		        .mask = action[i].mask,
		};
	}
	return STATUS_OK;
}

static enum status read_prctl(const struct subject *subject, const struct remote *remote,
                              struct process_state *state)
{
	enum { DEATH_SIGNAL, SUBREAPER, SLACK, NO_THP, BREAK, ASKS };
	bool slack_set = subject->request->noted->bits & NOTED_TIMER_SLACK;
	struct snapimg_process *process = &state->process;
	uint32_t got[2] = {0}; /* of the first two */
	uint64_t scratch = remote->scratch;
	struct remote_ask ask[ASKS] = {
	        [DEATH_SIGNAL] = {"parent-death signal", SYS_prctl, {PR_GET_PDEATHSIG, scratch}, 0},
	        [SUBREAPER] = {"subreaper flag",
	                       SYS_prctl,
	                       {PR_GET_CHILD_SUBREAPER, scratch + sizeof(*got)},
	                       0},
	        [SLACK] = {NULL, SYS_prctl, {PR_GET_TIMERSLACK}, 0},
	        [NO_THP] = {NULL, SYS_prctl, {PR_GET_THP_DISABLE}, 0},
	        [BREAK] = {NULL, SYS_brk, {0}, 0},
	};
	enum status status = remote_ask_all(remote, ask, ASKS, got, sizeof(got));

	if (status != STATUS_OK)
		return status;
	int64_t slack = ask[SLACK].answer;
	process->parent_death_signal = got[DEATH_SIGNAL];
	process->timer_slack_ns = slack > 0 && ((uint64_t)slack != the_caller.timer_slack_ns || slack_set)
	                                  ? (uint64_t)slack
	                                  : 0;
	process->brk = (uint64_t)ask[BREAK].answer;
	process->flags |= (got[SUBREAPER] ? (uint32_t)SNAPIMG_PROCESS_SUBREAPER : 0u) |
	                  (ask[NO_THP].answer == 1 ? (uint32_t)SNAPIMG_PROCESS_NO_THP : 0u) |
	                  (remote->dumpable_forced ? (uint32_t)SNAPIMG_PROCESS_NOT_DUMPABLE : 0u);
	return STATUS_OK;
}

static void read_numbers(const struct subject *subject, struct snapimg_process *process)
{
	const uint64_t *field = subject->stat.field;
	uint64_t umask = proc_number(&subject->status, "Umask", 8);

	process->pid = (uint32_t)subject->pid;
	bool umask_set = the_caller.attached || subject->request->noted->bits & NOTED_UMASK;
	process->umask = !umask_set && umask == proc_number(&the_caller.status, "Umask", 8)
	                         ? SNAPIMG_UMASK_INHERITED
	                         : (uint32_t)umask;
	process->start_code = field[STAT_START_CODE];
	process->end_code = field[STAT_END_CODE];
	process->start_data = field[STAT_START_DATA];
	process->end_data = field[STAT_END_DATA];
	process->start_brk = field[STAT_START_BRK];
	process->start_stack = field[STAT_START_STACK];
	if (subject->request->resume_main)
		process->flags |= SNAPIMG_PROCESS_RESUME_MAIN;
	if (subject->request->self_contained)
		process->flags |= SNAPIMG_PROCESS_SELF_CONTAINED;
	if (thread_set_no_new_privs(subject, subject->pid))
		process->flags |= SNAPIMG_PROCESS_NO_NEW_PRIVS;
}

/* The kernel adds " (deleted)" to the name of what is gone. */
static bool cut_deleted(char *path)
{
	static const char suffix[] = " (deleted)";
	size_t length = strlen(path), tail = sizeof(suffix) - 1;

	if (length <= tail || strcmp(path + length - tail, suffix) != 0)
		return false;
	struct stat found;
	if (stat(path, &found) == 0) /* that's its real name */
		return false;
	path[length - tail] = '\0';
	return true;
}

static enum status read_paths(const struct subject *subject, struct process_state *state)
{
	struct proc_path cwd = proc_path(subject->pid, "cwd");
	struct stat own, its;
	enum status status;

	if ((status = proc_read_link(proc_path(subject->pid, "exe"), state->executable,
	                             sizeof(state->executable))) ||
	    (status = proc_read_link(proc_path(subject->pid, "cwd"), state->cwd, sizeof(state->cwd))))
		return status;
	cut_deleted(state->executable);
	bool is_set = the_caller.attached || subject->request->noted->bits & NOTED_DIRECTORY;
	if (!is_set && stat(".", &own) == 0 && stat(cwd.text, &its) == 0 && own.st_dev == its.st_dev &&
	    own.st_ino == its.st_ino)
		state->cwd[0] = '\0';
	else if (cut_deleted(state->cwd))
		state->process.flags |= SNAPIMG_PROCESS_CWD_REMOVED;
	if (state->cwd[0] && state->cwd[0] != '/')
		return refuse("a working directory that can't be reached",
		              "let the program go to one below its root", "%s", state->cwd);
	return STATUS_OK;
}

/* Each argument ends with NUL, also where the program has overwritten the last one; there's at least one. */
static void end_strings(struct text *text, bool at_least_one)
{
	bool ended = text->size ? text->bytes[text->size - 1] == '\0' : !at_least_one;

	if (!ended)
		text->size++; /* one NUL follows the bytes (proc.h) */
}

static uint64_t find_auxv(const struct text *auxv, uint64_t type)
{
	struct snapimg_auxv entry;

	for (size_t at = 0; at + sizeof(entry) <= auxv->size; at += sizeof(entry)) {
		memcpy(&entry, auxv->bytes + at, sizeof(entry));
		if (entry.type == type)
			return entry.value;
	}
	return 0;
}

/*
 * Of a script the kernel makes "INTERPRETER [ARGUMENT] SCRIPT ARG…" (fs/binfmt_script.c), and new arguments
 * are for the script. AT_EXECFN is the name that was executed; of a script it isn't the executable's.
 */
static uint32_t count_fixed_arguments(const struct subject *subject, const struct process_state *state)
{
	char name[4096];
	struct proc_path exe = proc_path(subject->pid, "exe");
	uint64_t address = find_auxv(&state->auxv, AT_EXECFN);
	struct stat executed, executable;
	uint32_t index = 1;

	if (!address || tracee_read_string(subject->pid, address, name, sizeof(name)) < 0)
		return 1;
	if (stat(name, &executed) < 0 || stat(exe.text, &executable) < 0 ||
	    (executed.st_ino == executable.st_ino && executed.st_dev == executable.st_dev))
		return 1;
	const struct text *arguments = &state->arguments;
	for (size_t at = 0; at < arguments->size; at += strlen(arguments->bytes + at) + 1, index++)
		if (index > 1 && strcmp(arguments->bytes + at, name) == 0)
			return index;
	return 1;
}

/* A program that has set its title, as perl's $0 does, has written it over them: but new arguments follow
 * these. */
static enum status take_words(struct text *arguments, char *const *words)
{
	struct text text = {0};
	size_t size = 0;

	for (size_t i = 0; words[i]; i++)
		size += strlen(words[i]) + 1;
	if (!(text.bytes = malloc(size + 1)))
		return fail(STATUS_FAILED, "out of memory");
	for (size_t i = 0; words[i]; text.size += strlen(words[i++]) + 1)
		memcpy(text.bytes + text.size, words[i], strlen(words[i]) + 1);
	text_free(arguments);
	*arguments = text;
	return STATUS_OK;
}

static enum status read_texts(const struct subject *subject, struct process_state *state)
{
	struct text text CLEANUP(text_free) = {0};
	enum status status;

	if ((status = proc_read(proc_path(subject->pid, "cmdline"), &state->arguments)) ||
	    (status = proc_read(proc_path(subject->pid, "environ"), &state->environment)) ||
	    (status = proc_read(proc_path(subject->pid, "auxv"), &state->auxv)) ||
	    (status = proc_read(proc_path(subject->pid, "personality"), &text)))
		return status;
	state->process.personality = caller_personality(text.bytes);
	if (subject->request->words &&
	    (status = take_words(&state->arguments, subject->request->words)) != STATUS_OK)
		return status;
	end_strings(&state->arguments, true);
	end_strings(&state->environment, false);
	state->process.fixed_arguments = subject->request->fixed_arguments
	                                         ? subject->request->fixed_arguments
	                                         : count_fixed_arguments(subject, state);
	return STATUS_OK;
}

/* Left zero where /proc doesn't tell it. */
static void read_boot_id(uint8_t boot_id[SNAPIMG_BOOT_ID_SIZE])
{
	uint8_t found[SNAPIMG_BOOT_ID_SIZE] = {0};
	char text[64];
	FILE *file = fopen(SNAPIMG_BOOT_ID_PATH, "re");
	size_t size = file ? fread(text, 1, sizeof(text), file) : 0;

	if (file)
		fclose(file);
	if (snapimg_boot_id(text, size, found))
		memcpy(boot_id, found, sizeof(found));
}

/* Whether a library may bind a function when it's first called: then its dynamic linker has kept the size of
 * the extended state. A static program has none, unless it is
 * one. */
static bool binds_later(const struct process_state *state)
{
	static const char at_once[] = "LD_BIND_NOW=";
	const char *variable = state->environment.bytes;
	const char *end = variable + state->environment.size;

	if (find_auxv(&state->auxv, AT_BASE) == 0)
		return strstr(state->executable, "/ld-") != NULL;
	for (; variable && variable < end; variable += strlen(variable) + 1)
		if (strncmp(variable, at_once, sizeof(at_once) - 1) == 0 && variable[sizeof(at_once) - 1])
			return false;
	return true;
}

/* The level's features, as far as the program could see them; or all that this processor has. */
static void read_processor(const struct subject *subject, struct process_state *state)
{
	uint32_t level = subject->request->cpu_level, shown[SNAPIMG_CPU_WORDS];
	uint32_t *features = state->machine.cpu_features;

	snapimg_cpu_read(features);
	snapimg_cpu_leave_hints(features);
	if (level != SNAPIMG_LEVEL_NATIVE) {
		snapimg_cpu_of_level(level, shown);
		for (size_t i = 0; i < SNAPIMG_CPU_WORDS; i++)
			features[i] &= shown[i];
	}
	state->processor.level = level;
	if (level != SNAPIMG_LEVEL_NATIVE || !binds_later(state))
		state->processor.flags = SNAPIMG_PROCESSOR_ANY_STATE;
}

enum status process_state_read(const struct subject *subject, const struct remote *remote,
                               struct process_state *state)
{
	enum status status;

	read_numbers(subject, &state->process);
	if ((status = pass_refusal(read_paths(subject, state))) || (status = read_texts(subject, state)) ||
	    (status = read_signals(subject, remote, state)) || (status = read_prctl(subject, remote, state)))
		return status;
	read_processor(subject, state);
	read_boot_id(state->machine.boot_id);
	state->machine.task_size = TASK_SIZE_4_LEVEL;
	return STATUS_OK;
}

enum snapimg_error process_state_write(const struct process_state *state, struct snapimg_writer *writer)
{
	struct snapimg_process process = state->process;
	struct snapimg_auxv end;
	size_t auxv = 0;
	enum snapimg_error error;

	for (; auxv + sizeof(end) <= state->auxv.size; auxv += sizeof(end)) {
		memcpy(&end, state->auxv.bytes + auxv, sizeof(end));
		if (end.type == AT_NULL)
			break;
	}
	if ((error = snapimg_writer_string(writer, state->executable, &process.executable)) ||
	    (error = snapimg_writer_string(writer, state->cwd, &process.cwd)))
		return error;
	const struct {
		enum snapimg_section_type type;
		const void *bytes;
		size_t size;
	} sections[] = {
	        {SNAPIMG_SECTION_PROCESS, &process, sizeof(process)},
	        {SNAPIMG_SECTION_MACHINE, &state->machine, sizeof(state->machine)},
	        {SNAPIMG_SECTION_PROCESSOR, &state->processor, sizeof(state->processor)},
	        {SNAPIMG_SECTION_SIGNALS, state->signals, state->signal_count * sizeof(*state->signals)},
	        {SNAPIMG_SECTION_ARGUMENTS, state->arguments.bytes, state->arguments.size},
	        {SNAPIMG_SECTION_ENVIRONMENT, state->environment.bytes, state->environment.size},
	        {SNAPIMG_SECTION_AUXV, state->auxv.bytes, auxv},
	};
	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections) && error == SNAPIMG_OK; i++)
		if (sections[i].size)
			error = snapimg_writer_add(writer, sections[i].type, sections[i].bytes,
			                           sections[i].size);
	return error;
}

void process_state_free(struct process_state *state)
{
	text_free(&state->arguments);
	text_free(&state->environment);
	text_free(&state->auxv);
}
