#include "tracer/check/machine.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kcmp.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/base/proc.h"
#include "format/facts/cpu.h"

enum { PAGE = 4096, HUGE_PAGE = 2 << 20, COLLAPSE = 25 /* MADV_COLLAPSE, Linux 6.1 */ };
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* Linux 5.6 */
#endif

/* Runs it in a child, whose errno is *ret_error; 0: it worked. */
static bool in_child(bool (*attempt)(void), int *ret_error)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0)
		_exit(attempt() ? 0 : errno ? errno & 0x7f : EINVAL);
	if (child < 0 || waitpid(child, &status, 0) != child) {
		*ret_error = errno;
		return false;
	}
	*ret_error = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
	return *ret_error == 0;
}

static bool try_kernel(struct machine_fact *fact)
{
	struct utsname system;
	int major = 0, minor = 0;

	if (uname(&system) < 0)
		return false;
	snprintf(fact->text, sizeof(fact->text), "Linux %s", system.release);
	/* NOLINTNEXTLINE(bugprone-unchecked-string-to-number-conversion,cert-err34-c): zeros will do */
	(void)sscanf(system.release, "%d.%d", &major, &minor);
	return major > 5 || (major == 5 && minor >= 10);
}

static bool trace_child(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	bool traced = child > 0 && ptrace(PTRACE_SEIZE, child, 0, 0) == 0;
	int error = errno;
	if (child > 0) {
		kill(child, SIGKILL);
		(void)waitpid(child, &status, __WALL);
	}
	errno = error;
	return traced;
}

static bool try_ptrace(struct machine_fact *fact)
{
	static const char *const of_scope[] = {
	        "", "; -p attaches to others only with CAP_SYS_PTRACE (kernel.yama.ptrace_scope is 1)",
	        "; only with CAP_SYS_PTRACE (kernel.yama.ptrace_scope is 2)",
	        "; nobody may trace (kernel.yama.ptrace_scope is 3)"};
	struct text scope CLEANUP(text_free) = {0};
	int error;
	bool works = in_child(trace_child, &error);
	unsigned number = 0;

	if (proc_try_read("/proc/sys/kernel/yama/ptrace_scope", &scope) == 0 && scope.bytes[0] >= '0' &&
	    scope.bytes[0] <= '3')
		number = (unsigned)(scope.bytes[0] - '0');
	snprintf(fact->text, sizeof(fact->text), "%s%s", works ? "programs that it starts" : strerror(error),
	         of_scope[number]);
	return works;
}

static bool set_filter(void)
{
	struct sock_filter allow = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
	struct sock_fprog program = {.len = 1, .filter = &allow};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

static bool try_filter(struct machine_fact *fact)
{
	int error;

	(void)fact;
	return in_child(set_filter, &error);
}

/* Of what prctl(PR_SET_MM) is made (CONFIG_CHECKPOINT_RESTORE); it needs no privilege. */
static bool try_memory_map(struct machine_fact *fact)
{
	unsigned size = 0;

	(void)fact;
	return prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) == 0;
}

static bool compare_self(void)
{
	return syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, 0, 0) >= 0 || errno == EBADF;
}

static bool try_compare(struct machine_fact *fact)
{
	int error;

	(void)fact;
	return in_child(compare_self, &error);
}

static bool make_namespace(int kind)
{
	return unshare(kind) == 0 || unshare(kind | CLONE_NEWUSER) == 0;
}

static bool make_pid_namespace(void)
{
	return make_namespace(CLONE_NEWPID | CLONE_NEWNS);
}

static bool make_time_namespace(void)
{
	return make_namespace(CLONE_NEWTIME);
}

static bool try_pid_namespace(struct machine_fact *fact)
{
	int error;
	bool works = in_child(make_pid_namespace, &error);

	if (!works)
		snprintf(fact->text, sizeof(fact->text), "%s", strerror(error));
	return works;
}

static bool try_time_namespace(struct machine_fact *fact)
{
	int error;
	bool works = in_child(make_time_namespace, &error);

	if (!works)
		snprintf(fact->text, sizeof(fact->text), "%s", strerror(error));
	return works;
}

/* struct pm_scan_arg of include/uapi/linux/fs.h, Linux 6.7. */
static bool try_scan(struct machine_fact *fact)
{
	struct {
		uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof,
		        returned;
	} scan = {.size = sizeof(scan)};
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned long request = 0xc0606610; /* _IOWR('f', 16, struct pm_scan_arg) */

	(void)fact;
	int result = pagemap < 0 ? -1 : (int)syscall(SYS_ioctl, pagemap, request, &scan);
	int error = errno;
	if (pagemap >= 0)
		close(pagemap);
	return result >= 0 || (pagemap >= 0 && error != ENOTTY);
}

static bool advise(size_t size, int advice)
{
	char *memory = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *aligned = memory + (-(uintptr_t)memory & (size - 1));

	if (memory == MAP_FAILED)
		return false;
	*(volatile char *)aligned = 1;
	bool done = madvise(aligned, size, advice) == 0;
	int error = errno;
	munmap(memory, 2 * size);
	errno = error;
	return done;
}

static bool try_populate(struct machine_fact *fact)
{
	(void)fact;
	return advise(PAGE, MADV_POPULATE_WRITE);
}

static bool try_huge_pages(struct machine_fact *fact)
{
	struct text enabled CLEANUP(text_free) = {0};

	if (proc_try_read("/sys/kernel/mm/transparent_hugepage/enabled", &enabled) == 0)
		snprintf(fact->text, sizeof(fact->text), "%.*s", (int)strcspn(enabled.bytes, "\n"),
		         enabled.bytes);
	return advise(HUGE_PAGE, COLLAPSE);
}

static bool fault_cpuid(void)
{
	return syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) == 0;
}

static bool try_cpuid_faulting(struct machine_fact *fact)
{
	int error;

	(void)fact;
	return in_child(fault_cpuid, &error);
}

/* The highest level of which nothing is missing. */
static bool try_level(struct machine_fact *fact)
{
	uint32_t here[SNAPIMG_CPU_WORDS], wanted[SNAPIMG_CPU_WORDS];
	uint32_t level = SNAPIMG_LEVELS;
	bool has_all = false;

	snapimg_cpu_read(here);
	while (!has_all && level-- > SNAPIMG_LEVEL_X86_64) {
		snapimg_cpu_of_level(level, wanted);
		has_all = true;
		for (unsigned i = 0; i < SNAPIMG_CPU_WORDS; i++)
			has_all = has_all && !(wanted[i] & ~here[i]);
	}
	snprintf(fact->text, sizeof(fact->text), "%s",
	         has_all ? snapimg_level_names[level] : "less than x86-64");
	return has_all;
}

static bool try_nameless(struct machine_fact *fact)
{
	int file = open(".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	(void)fact;
	if (file >= 0)
		close(file);
	return file >= 0;
}

static const struct {
	const char *name;
	bool (*attempt)(struct machine_fact *fact); /* may say in its text what was found */
	bool is_needed;
	const char *otherwise; /* what becomes of it where it doesn't work */
} facts[] = {
        {"kernel", try_kernel, true, "Linux 5.10 or later is needed"},
        {"processor", try_level, true, "it runs no 64-bit program"},
        {"tracing", try_ptrace, true, "no program can be frozen here; images start all the same"},
        {"break and arguments of a start", try_memory_map, false,
         "a started program's break can't grow, and ps shows snaprun's arguments"},
        {"seccomp filters", try_filter, false, "programs stop at every call up to the point: slower"},
        {"comparison of descriptors", try_compare, false,
         "who shares a descriptor is found in other ways, and not always"},
        {"PID namespaces", try_pid_namespace, false,
         "programs that have kept their IDs start with new ones, which are put in their place"},
        {"time namespaces", try_time_namespace, false,
         "an image is refused where the clock is behind what its program has seen (after a reboot)"},
        {"cpuid faulting", try_cpuid_faulting, false, "--cpu answers by breakpoints in the program's code"},
        {"page scan", try_scan, false, "freezing reads the page table page by page: slower (Linux 6.7)"},
        {"population of pages", try_populate, false, "pages are made one by one: slower (Linux 5.14)"},
        {"huge pages", try_huge_pages, false, "large heaps are made of small pages: slower"},
        {"nameless files in this directory", try_nameless, false,
         "an image under way has a hidden name here until it is complete"},
};

bool machine_try(unsigned index, struct machine_fact *ret_fact)
{
	struct machine_fact fact = {0};

	if (index >= sizeof(facts) / sizeof(*facts))
		return false;
	fact.name = facts[index].name;
	fact.is_needed = facts[index].is_needed;
	fact.works = facts[index].attempt(&fact);
	if (!fact.works) {
		size_t length = strlen(fact.text);

		snprintf(fact.text + length, sizeof(fact.text) - length, "%s%s", length ? ": " : "",
		         facts[index].otherwise);
	}
	*ret_fact = fact;
	return true;
}
