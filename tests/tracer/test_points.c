/* The pure parts of the tracer: POINTs, names of system calls, the seccomp filter, look-ups in ELF files. */
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "tracer/points/filter.h"
#include "tracer/points/point.h"
#include "tracer/ptrace/system_calls.h"

static const struct {
	const char *text;
	const struct point_kind *kind; /* NULL: refused */
	const char *file, *symbol;
	uint64_t offset;
} points[] = {
        {"main", &point_main, NULL, NULL, 0},
        {"entry", &point_entry, NULL, NULL, 0},
        {"here", &point_here, NULL, NULL, 0},
        {"mainly", &point_symbol, NULL, "mainly", 0},
        {"main+4", &point_symbol, NULL, "main", 4},
        {"a.out:main", &point_symbol, "a.out", "main", 0},
        {"libz.so.1:inflate+0x10", &point_symbol, "libz.so.1", "inflate", 16},
        {"/lib/c:d.so:f", &point_symbol, "/lib/c:d.so", "f", 0},
        {"0x401000", &point_symbol, NULL, NULL, 0x401000},
        {"operator new(unsigned long)", &point_symbol, NULL, "operator new(unsigned long)", 0},
        {"path:/snap/here", &point_path, NULL, NULL, 0},
        {"syscall:openat#3", &point_syscall, NULL, NULL, 0},
        {"", NULL, NULL, NULL, 0},
        {":f", NULL, NULL, NULL, 0},
        {"f:", NULL, NULL, NULL, 0},
        {"+4", NULL, NULL, NULL, 0},
        {"f+", NULL, NULL, NULL, 0},
        {"f+x", NULL, NULL, NULL, 0},
        {"f+-1", NULL, NULL, NULL, 0},
        {"0x", NULL, NULL, NULL, 0},
        {"0x10000000000000000", NULL, NULL, NULL, 0},
        {"path:", NULL, NULL, NULL, 0},
        {"syscall:", NULL, NULL, NULL, 0},
        {"syscall:nonesuch", NULL, NULL, NULL, 0},
        {"syscall:read#", NULL, NULL, NULL, 0},
        {"syscall:read#0", NULL, NULL, NULL, 0},
        {"syscall:read#-1", NULL, NULL, NULL, 0},
        {"syscall:read#99999999999999999999999", NULL, NULL, NULL, 0},
        {"effect", &point_effect, NULL, NULL, 0},
        {"idle", &point_idle, NULL, NULL, 0},
        {"output", &point_output, NULL, NULL, 0},
        {"listen", &point_listen, NULL, NULL, 0},
        {"accept", &point_accept, NULL, NULL, 0},
        {"read:0", &point_read, NULL, NULL, 0},
        {"signal:HUP", &point_signal, NULL, NULL, 0},
        {"signal:SIGRTMIN+2", &point_signal, NULL, NULL, 0},
        {"signal:12", &point_signal, NULL, NULL, 0},
        {"after:1s", &point_after, NULL, NULL, 0},
        {"after:0", &point_after, NULL, NULL, 0},
        {"read:", NULL, NULL, NULL, 0},
        {"read:x", NULL, NULL, NULL, 0},
        {"read:-1", NULL, NULL, NULL, 0},
        {"read:99999999999", NULL, NULL, NULL, 0},
        {"signal:", NULL, NULL, NULL, 0},
        {"signal:KILL", NULL, NULL, NULL, 0},
        {"signal:SIGSTOP", NULL, NULL, NULL, 0},
        {"signal:NONE", NULL, NULL, NULL, 0},
        {"signal:0", NULL, NULL, NULL, 0},
        {"signal:65", NULL, NULL, NULL, 0},
        {"after:", NULL, NULL, NULL, 0},
        {"after:soon", NULL, NULL, NULL, 0},
        {"after:-1s", NULL, NULL, NULL, 0},
};

static bool same(const char *one, const char *other)
{
	return one && other ? strcmp(one, other) == 0 : one == other;
}

static void test_points(void)
{
	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		static struct points parsed;
		enum status status = points_add(&parsed, points[i].text);
		const struct point *point = &parsed.point[0];

		printf("%s\n", points[i].text);
		CHECK(status == (points[i].kind ? STATUS_OK : STATUS_FAILED));
		if (status == STATUS_OK) {
			CHECK(parsed.count == 1 && point->kind == points[i].kind);
			CHECK(same(point->file, points[i].file) && same(point->symbol, points[i].symbol));
			CHECK(point->offset == points[i].offset);
		}
		points_free(&parsed);
	}
}

static void test_many_points(void)
{
	static struct points many;

	for (unsigned i = 0; i < POINTS_MAX; i++)
		CHECK(points_add(&many, "main") == STATUS_OK && many.point[i].index == i);
	CHECK(points_add(&many, "main") == STATUS_FAILED);
	CHECK(points_find(&many, &point_main) == &many.point[0] && !points_find(&many, &point_here));
	points_free(&many);
}

static void test_calls(void)
{
	size_t count;
	const struct path_call *calls = system_calls_with_path(&count);

	CHECK(system_call_number("read") == SYS_read && system_call_number("openat2") == SYS_openat2);
	CHECK(system_call_number("") == -1 && system_call_number("Read") == -1);
	CHECK(strcmp(system_call_name(SYS_execve), "execve") == 0 && system_call_name(100000));
	CHECK(system_call_path_mask(SYS_openat) == 2 && system_call_path_mask(SYS_renameat2) == 10);
	CHECK(system_call_path_mask(SYS_read) == 0);
	for (size_t i = 0; i < count; i++)
		CHECK(calls[i].number >= 0 && calls[i].mask && system_call_path_mask(calls[i].number));
}

/* A filter stops what it names and nothing else. Without a tracer a stopped call fails with ENOSYS. */
static void test_filter(void)
{
	struct call_rules rules = {0};
	struct filter filter;
	pid_t child;
	int status;

	call_rules_add(&rules, SYS_getppid, SYS_getppid);
	call_rule_when(call_rules_add(&rules, SYS_prctl, SYS_prctl), 0, UINT32_MAX, PR_GET_DUMPABLE);
	call_rules_add(&rules, SYS_getuid, SYS_getuid);
	CHECK(filter_make(&rules, &filter) == STATUS_OK);
	if ((child = fork()) == 0) {
		bool set;

		if (filter_install(&filter, &set) < 0)
			_exit(2);
		_exit(!(syscall(SYS_getppid) == -1 && syscall(SYS_getuid) == -1 && syscall(SYS_getpid) > 0 &&
		        syscall(SYS_getgid) >= 0 && prctl(PR_GET_DUMPABLE) == -1 &&
		        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0));
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	filter_free(&filter);
	call_rules_free(&rules);
}

/* All points with calls at once fit into one filter. */
static void test_largest_filter(void)
{
	static struct points all;
	struct call_rules rules = {0};
	struct filter filter;

	CHECK(points_add(&all, "effect") == STATUS_OK && points_add(&all, "path:/a") == STATUS_OK &&
	      points_add(&all, "read:0") == STATUS_OK && points_add(&all, "output") == STATUS_OK);
	for (unsigned i = 0; i < all.count; i++)
		call_rules_join(&rules, &all.point[i].calls);
	CHECK(filter_make(&rules, &filter) == STATUS_OK && filter.length < BPF_MAXINSNS / 2);
	filter_free(&filter);
	call_rules_free(&rules);
	points_free(&all);
}

int look_at_me(void);
int look_at_me(void)
{
	return 1;
}
int not_code = 5;

static void test_elf(const char *self)
{
	const Elf64_Sym *symbol;
	struct elf_file file;

	CHECK(elf_open(self, &file) == 0);
	CHECK(elf_segment(&file, PT_INTERP) && elf_segment(&file, PT_DYNAMIC) &&
	      !elf_segment(&file, PT_SHLIB));
	CHECK((symbol = elf_symbol(&file, "look_at_me", ELF_CODE)) && elf_covers(&file, symbol->st_value));
	CHECK(elf_symbol(&file, "main", ELF_CODE) && !elf_symbol(&file, "not_code", ELF_CODE));
	CHECK(elf_symbol(&file, "not_code", ELF_OBJECT) && !elf_symbol(&file, "look_at_me", ELF_OBJECT));
	CHECK(!elf_symbol(&file, "", ELF_CODE) && !elf_symbol(&file, "printf", ELF_CODE));
	CHECK(!elf_covers(&file, UINT64_MAX));
	elf_close(&file);
	CHECK(elf_open("/dev/null", &file) < 0 && elf_open("/", &file) < 0 &&
	      elf_open("/etc/passwd", &file) < 0);
}

/* A cut or changed ELF file is refused or searched in vain, never read beyond its end (ASan, or the fault).
 */
static void test_damaged_elf(const char *self, const char *copy)
{
	struct elf_file file, damaged;

	CHECK(elf_open(self, &file) == 0);
	uint8_t *bytes = malloc(file.size);
	CHECK(bytes);
	srand(1);
	for (int round = 0; round < 300; round++) {
		size_t size = round % 3 ? file.size : (size_t)rand() % file.size;
		FILE *out = fopen(copy, "w");

		memcpy(bytes, file.bytes, file.size);
		for (int i = 0; i < 8; i++) { /* the header, or the section headers at the end */
			size_t area = (size_t)rand() % (rand() % 2 ? 64 : 2048);
			bytes[rand() % 2 ? area : file.size - 1 - area] = (uint8_t)rand();
		}
		CHECK(out && fwrite(bytes, 1, size, out) == size && fclose(out) == 0);
		if (elf_open(copy, &damaged) < 0)
			continue;
		elf_segment(&damaged, PT_INTERP);
		elf_symbol(&damaged, "look_at_me", ELF_CODE);
		elf_close(&damaged);
	}
	free(bytes);
	elf_close(&file);
	remove(copy);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 1;
	test_points();
	test_many_points();
	test_calls();
	test_filter();
	test_largest_filter();
	test_elf(argv[0]);
	test_damaged_elf(argv[0], argv[1]);
	return 0;
}
