/* What belongs to the whole process: directory, umask, signal actions, the kernel's marks in its memory. */
#include <asm/errno.h>
#include <asm/resource.h>
#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/personality.h>
#include <linux/prctl.h>

#include "preload/contract.h"
#include "restore/base/limits.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/directory.h"
#include "restore/become/kept.h"
#include "restore/become/threads_x86_64.h"
#include "restore/loader.h"

static void commit_signal_actions(void)
{
	const struct snapimg_sigaction *record = snapimg_get_sigaction(&loader.image);
	for (uint32_t i = 0; i < snapimg_sigaction_count(&loader.image); i++) {
		struct kernel_sigaction action = {record[i].handler, record[i].flags, record[i].restorer,
		                                  record[i].mask};
		long result = sys(__NR_rt_sigaction, record[i].signal, &action, 0, SIGNAL_SET_SIZE);
		if (result < 0)
			die(EXIT_REFUSED, "signal ", dec(record[i].signal),
			    ": cannot set its action: ", error_text(result));
	}
}

/* What prctl(2) sets: a row each, for the process or for each thread. None is refused. */
static void commit_flags(bool of_thread, bool may_gain)
{
	const struct snapimg_process *process = snapimg_get_process(&loader.image);
	const struct {
		bool wanted, of_thread;
		int option;
		uint64_t value;
		const char *name;
	} attribute[] = {
	        {process->parent_death_signal != 0, false, PR_SET_PDEATHSIG, process->parent_death_signal,
	         "parent-death signal"},
	        {process->timer_slack_ns != 0, true, PR_SET_TIMERSLACK, process->timer_slack_ns,
	         "timer slack"},
	        {(process->flags & SNAPIMG_PROCESS_SUBREAPER) != 0, false, PR_SET_CHILD_SUBREAPER, 1,
	         "child subreaper"},
	        {(process->flags & SNAPIMG_PROCESS_NO_THP) != 0, false, PR_SET_THP_DISABLE, 1,
	         "huge-page switch"},
	        {(process->flags & SNAPIMG_PROCESS_NO_NEW_PRIVS) != 0 && !may_gain, true, PR_SET_NO_NEW_PRIVS,
	         1, "no-new-privileges flag"},
	        {(process->flags & SNAPIMG_PROCESS_NOT_DUMPABLE) != 0, false, PR_SET_DUMPABLE, 0,
	         "dumpable flag"},
	};
	for (unsigned i = 0; i < sizeof attribute / sizeof attribute[0]; i++) {
		if (!attribute[i].wanted || attribute[i].of_thread != of_thread)
			continue;
		long result = sys(__NR_prctl, attribute[i].option, attribute[i].value);
		if (result < 0)
			die(EXIT_REFUSED, attribute[i].name, ": cannot be restored: ", error_text(result));
	}
}

/* What /proc/self/{cmdline,environ,auxv,stat}, ps and brk(2) go by. PR_SET_MM_MAP needs no capability up to
 * Linux 6.18 (kernel/sys.c); where it is refused, only what these show is wrong, and brk fails instead of
 * growing (its heap is not where the loader's own break is), which every malloc survives. */
static void restore_memory_marks(const struct snapimg_process *process)
{
	const struct resume_area *area = &loader.area;
	struct memory_marks *marks = (void *)(area->start + area->marks);
	uint32_t count = snapimg_auxv_count(&loader.image);
	count = count < AUXV_MAX ? count : AUXV_MAX;
	memcpy(marks->auxv, snapimg_get_auxv(&loader.image), count * sizeof marks->auxv[0]);
	marks->auxv[count] = (struct snapimg_auxv){AT_NULL, 0};
	marks->map = (struct prctl_mm_map){
	        .start_code = process->start_code,
	        .end_code = process->end_code,
	        .start_data = process->start_data,
	        .end_data = process->end_data,
	        .start_brk = process->start_brk,
	        .brk = process->brk,
	        .start_stack = process->start_stack,
	        .arg_start = area->start + area->argument_strings,
	        .arg_end = area->start + area->environment_strings,
	        .env_start = area->start + area->environment_strings,
	        .env_end = area->start + area->strings_end,
	        .auxv = (void *)marks->auxv,
	        .auxv_size = (uint32_t)((count + 1) * sizeof marks->auxv[0]),
	        .exe_fd = (uint32_t)-1,
	};
	long result = sys(__NR_prctl, PR_SET_MM, PR_SET_MM_MAP, &marks->map, sizeof marks->map, 0);
	if (result < 0 && loader.options.verbose)
		warn("this kernel does not let ", loader.options.image,
		     " have its own marks (PR_SET_MM_MAP): ", error_text(result), ": ps shows snaprun");
}

bool process_can_write(uint64_t address, uint64_t size)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	uint32_t low = snapimg_mapping_after(&loader.image, address);
	return low < snapimg_mapping_count(&loader.image) && address >= mapping[low].start &&
	       size <= mapping[low].end - address && (mapping[low].protection & SNAPIMG_PROT_WRITE) != 0;
}

/* AT_RANDOM: sixteen bytes that libraries seed from. The C library's own stack guard was copied from the old
 * ones and stays, as frames with it are on the stack. */
static void refresh_random(void)
{
	const struct snapimg_auxv *auxv = snapimg_get_auxv(&loader.image);
	for (uint32_t i = 0; i < snapimg_auxv_count(&loader.image); i++)
		if (auxv[i].type == AT_RANDOM && process_can_write(auxv[i].value, sizeof loader.random))
			memcpy((void *)auxv[i].value, loader.random, sizeof loader.random);
}

static void fill_resume_blocks(uint64_t address, uint64_t size)
{
	for (struct snap_resume *block = (void *)address; (uint64_t)block < address + size; block++) {
		block->restored++;
		block->argc = (int64_t)loader.area.argc;
		block->argv = (char **)(loader.area.start + loader.area.argv);
		block->envp = (char **)(loader.area.start + loader.area.envp);
		generators_tell_shim(block->generators);
	}
}

/* Of a futex word: the kernel's FUTEX_WAITERS and FUTEX_OWNER_DIED stay. */
static void set_owner(uint32_t *word, uint32_t tid)
{
	enum { FUTEX_ID = 0x3fffffff }; /* FUTEX_TID_MASK */
	*word = (*word & ~(uint32_t)FUTEX_ID) | tid;
}

static uint64_t fixup_size(const struct snapimg_fixup *fixup)
{
	switch ((enum snapimg_fixup_kind)fixup->kind) {
	case SNAPIMG_FIXUP_RESUME:
	case SNAPIMG_FIXUP_ARGC:
		return fixup->argument;
	case SNAPIMG_FIXUP_ENVIRON:
	case SNAPIMG_FIXUP_ARGV:
		return sizeof(uint64_t);
	case SNAPIMG_FIXUP_TID:
	case SNAPIMG_FIXUP_ROBUST:
		break;
	}
	return sizeof(uint32_t);
}

/* A robust mutex may lie in a file that is mapped shared, where others see it. */
static void apply_fixups(bool last)
{
	const struct snapimg_fixup *fixup = snapimg_get_fixup(&loader.image);
	for (uint32_t i = 0; i < snapimg_fixup_count(&loader.image); i++) {
		if ((fixup[i].kind == SNAPIMG_FIXUP_ROBUST) != last)
			continue;
		uint64_t size = fixup_size(&fixup[i]);
		if (!process_can_write(fixup[i].address, size))
			die(EXIT_REFUSED, loader.options.image, ": a fix-up at ", hex(fixup[i].address),
			    " lies in no writable memory: freeze the program again");
		switch ((enum snapimg_fixup_kind)fixup[i].kind) {
		case SNAPIMG_FIXUP_TID:
			*(uint32_t *)fixup[i].address = thread_id(fixup[i].argument);
			break;
		case SNAPIMG_FIXUP_ROBUST:
			set_owner((uint32_t *)fixup[i].address, thread_id(fixup[i].argument));
			break;
		case SNAPIMG_FIXUP_ENVIRON:
			*(uint64_t *)fixup[i].address = loader.area.start + loader.area.envp;
			break;
		case SNAPIMG_FIXUP_ARGV:
			*(uint64_t *)fixup[i].address = loader.area.start + loader.area.argv;
			break;
		case SNAPIMG_FIXUP_ARGC:
			memcpy((void *)fixup[i].address, &loader.area.argc, fixup[i].argument);
			break;
		case SNAPIMG_FIXUP_RESUME:
			fill_resume_blocks(fixup[i].address, fixup[i].argument);
			break;
		}
	}
}

/* Signals that wait take room of the user's, which the kernel counts: "SigQ: used/limit" (proc(5)). Where it
 * cannot be read it is not known. */
static void check_pending(void)
{
	uint64_t wanted = snapimg_pending_count(&loader.image), room;
	char text[2048];
	if (wanted == 0)
		return;
	room = limit_raise(RLIMIT_SIGPENDING);
	long descriptor = sys(__NR_openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC);
	long size = descriptor < 0 ? descriptor : sys(__NR_read, descriptor, text, sizeof text - 1);
	if (descriptor >= 0)
		sys(__NR_close, descriptor);
	if (size <= 0)
		return;
	text[size] = '\0';
	for (const char *at = text; *at != '\0'; at++) {
		const char *number = text_after(at, "\nSigQ:\t");
		uint64_t used = 0;
		for (; number != NULL && *number >= '0' && *number <= '9'; number++)
			used = used * 10 + (uint64_t)(*number - '0');
		if (number != NULL && (used > room || room - used < wanted))
			die(EXIT_REFUSED, dec(wanted), " signals that wait: the limit of ", dec(room),
			    " does not allow them: raise ulimit -Hi");
	}
}

void process_prepare(void)
{
	if (snapimg_get_process(&loader.image)->cwd != 0)
		directory_prepare();
	check_pending();
	restore_memory_marks(snapimg_get_process(&loader.image));
	sys(__NR_prctl, PR_SET_NAME, snapimg_get_thread(&loader.image)->comm);
	refresh_random();
}

void process_apply_fixups(void)
{
	apply_fixups(false);
	kept_correct();
}

void process_commit(void)
{
	const struct snapimg_process *process = snapimg_get_process(&loader.image);
	if (process->cwd != 0)
		directory_commit();
	if (process->umask != SNAPIMG_UMASK_INHERITED)
		sys(__NR_umask, process->umask);
	commit_signal_actions();
	apply_fixups(true);
}

/* The last ones: an undumpable process can't write to its own /proc files, as attributes.c does. */
void process_commit_flags(void)
{
	commit_flags(false, false);
}

/* Threads are made before the first one has its flags: one may go without no_new_privs. */
void process_commit_thread_flags(uint32_t index)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	bool may_gain = false;
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++)
		may_gain = may_gain || (record[i].kind == SNAPIMG_ATTRIBUTE_THREAD_NO_NEW_PRIVS &&
		                        record[i].argument == index && record[i].value == 0);
	commit_flags(true, may_gain);
}
