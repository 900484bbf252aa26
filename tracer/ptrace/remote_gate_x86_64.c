/* Where a process can be made to run a call: instructions that it has mapped anyway. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/base/proc.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/remote.h"

enum { PAGE = 4096, PIECE = 32 * PAGE /* tracee_read_some() reads so much at once */ };

static const uint8_t call[] = {0x0f, 0x05};                  /* syscall */
static const uint8_t call_and_return[] = {0x0f, 0x05, 0xc3}; /* syscall; ret */
static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00,
                                    0x00, 0x00, 0x0f, 0x05}; /* mov $15,%rax; syscall:
       the restorer of glibc, musl and Go */

struct region {
	uint64_t start, end;
	char permissions[5];
	const char *name; /* as maps has it: "" for none */
};

/* One line of /proc/PID/maps. */
static bool parse(char *line, struct region *ret_region)
{
	int name = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %n", &ret_region->start, &ret_region->end,
	           ret_region->permissions, &name) != 3)
		return false;
	line[strcspn(line, "\n")] = '\0';
	ret_region->name = line + name;
	return true;
}

/* The address of the first such bytes in a mapping, or 0. */
static uint64_t find_bytes(pid_t pid, const struct region *region, const uint8_t *bytes, size_t size)
{
	static uint8_t piece[PIECE];

	for (uint64_t at = region->start; at < region->end;) {
		size_t got = tracee_read_some(
		        pid, at, piece, region->end - at < sizeof(piece) ? region->end - at : sizeof(piece));
		const uint8_t *found = got ? memmem(piece, got, bytes, size) : NULL;

		if (found)
			return at + (uint64_t)(found - piece);
		if (got <= size) /* also where a page can't be read */
			break;
		at += got - size + 1;
	}
	return 0;
}

/* The lowest part of the stack was never touched, or only by us, so nobody misses what was there; the kernel
 * made it larger than most programs need (setup_arg_pages() in fs/exec.c, stack_expand). */
static uint64_t find_room(pid_t pid, const struct region *stack)
{
	static const uint8_t nothing[REMOTE_ROOM];
	static uint8_t room[REMOTE_ROOM];
	uint64_t mark;

	if (stack->end - stack->start < 4 * (uint64_t)REMOTE_ROOM ||
	    tracee_read(pid, stack->start, room, sizeof(room)) < 0)
		return 0;
	memcpy(&mark, room, sizeof(mark)); /* of one that was killed */
	return mark == REMOTE_MARK || memcmp(room, nothing, sizeof(room)) == 0 ? stack->start : 0;
}

static void look_at(pid_t pid, const struct region *region, struct remote_gate *vdso,
                    struct remote_gate *outliving)
{
	if (strcmp(region->name, "[stack]") == 0)
		outliving->room = find_room(pid, region);
	if (region->permissions[2] != 'x' || region->permissions[0] != 'r')
		return;
	if (strcmp(region->name, "[vdso]") == 0)
		vdso->call = find_bytes(pid, region, call, sizeof(call));
	if (!outliving->call)
		outliving->call = find_bytes(pid, region, call_and_return, sizeof(call_and_return));
	if (!outliving->back)
		outliving->back = find_bytes(pid, region, sigreturn, sizeof(sigreturn));
}

enum status remote_find_gate(pid_t pid, bool outlives, struct remote_gate *gate)
{
	struct remote_gate vdso = {0}, outliving = {0};
	struct proc_path path = proc_path(pid, "maps");
	FILE *maps = fopen(path.text, "re");
	struct region region;
	size_t capacity = 0;
	char *line = NULL;

	if (!maps && errno == EACCES && gate->call)
		return STATUS_OK;
	if (!maps)
		return fail(STATUS_FAILED, "%s: %s", path.text, strerror(errno));
	while (getline(&line, &capacity, maps) > 0)
		if (parse(line, &region) && (outlives || strcmp(region.name, "[vdso]") == 0))
			look_at(pid, &region, &vdso, &outliving);
	free(line);
	fclose(maps);
	if (outliving.call && outliving.back && outliving.room)
		*gate = outliving;
	else if (vdso.call)
		*gate = vdso;
	else
		return fail(STATUS_FAILED,
		            "no [vdso] in process %d: its system calls can't be borrowed: start the kernel "
		            "without "
		            "vdso=0",
		            pid);
	return STATUS_OK;
}
