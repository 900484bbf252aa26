/* Where a process can be made to run a call: instructions that it has mapped anyway. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "format/base/maps.h"
#include "format/base/proc.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/remote.h"

enum { PAGE = 4096, PIECE = 32 * PAGE /* tracee_read_some() reads so much at once */ };

static const uint8_t call[] = {0x0f, 0x05};                  /* syscall */
static const uint8_t call_and_return[] = {0x0f, 0x05, 0xc3}; /* syscall; ret */
static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00,
                                    0x00, 0x00, 0x0f, 0x05}; /* mov $15,%rax; syscall:
       the restorer of glibc, musl and Go */

/* The address of the first such bytes in a mapping, or 0. */
static uint64_t find_bytes(pid_t pid, const struct vma *vma, const uint8_t *bytes, size_t size)
{
	static uint8_t piece[PIECE];

	for (uint64_t at = vma->start; at < vma->end;) {
		size_t got = tracee_read_some(pid, at, piece,
		                              vma->end - at < sizeof(piece) ? vma->end - at : sizeof(piece));
		const uint8_t *found = got ? memmem(piece, got, bytes, size) : NULL;

		if (found)
			return at + (uint64_t)(found - piece);
		if (got <= size) /* also where a page can't be read */
			break;
		at += got - size + 1;
	}
	return 0;
}

/* Whether the thread stands in the room, or may: in the frame that a tracer left which was killed just now.
 * The stack pointer is the last but one word of /proc/PID/syscall, of a thread that does not run (proc(5)).
 */
static bool may_stand_in(pid_t pid, const char *tid, uint64_t room)
{
	struct text text CLEANUP(text_free) = {0};
	const char *last, *before;

	if (proc_try_read(proc_path(pid, "task/%s/syscall", tid).text, &text) < 0)
		return false; /* it has ended */
	if (!(last = strrchr(text.bytes, ' ')))
		return true;
	for (before = last; before > text.bytes && before[-1] != ' ';)
		before--;
	return strtoull(before, NULL, 16) - room < REMOTE_ROOM;
}

static bool is_in_use(pid_t pid, uint64_t room)
{
	DIR *tasks = opendir(proc_path(pid, "task").text);
	const struct dirent *entry;
	bool found = false;

	while (tasks && !found && (entry = readdir(tasks)))
		found = entry->d_name[0] != '.' && may_stand_in(pid, entry->d_name, room);
	if (tasks)
		closedir(tasks);
	return found;
}

/* The lowest part of the stack was never touched, or only by us, so nobody misses what was there; the kernel
 * made it larger than most programs need (setup_arg_pages() in fs/exec.c, stack_expand). */
static uint64_t find_room(pid_t pid, const struct vma *stack)
{
	enum { ROOMS = 4, ABOVE = 3 };
	static const uint8_t nothing[REMOTE_ROOM];
	static uint8_t content[REMOTE_ROOM];
	uint64_t mark, room = stack->start;

	for (int i = 0; i < ROOMS; i++, room += REMOTE_ROOM) {
		if (stack->end - room < (ABOVE + 1) * (uint64_t)REMOTE_ROOM ||
		    tracee_read(pid, room, content, sizeof(content)) < 0)
			return 0;
		memcpy(&mark, content, sizeof(mark)); /* of one that was killed */
		if (mark == REMOTE_MARK ? !is_in_use(pid, room)
		                        : memcmp(content, nothing, sizeof(content)) == 0)
			return room;
	}
	return 0;
}

static bool is_code(const struct vma *vma)
{
	return vma->protection & PROT_EXEC && vma->protection & PROT_READ;
}

uint64_t remote_find_call(pid_t pid)
{
	struct maps maps CLEANUP(maps_free) = {0};
	uint64_t found = 0;

	if (maps_try_read(pid, &maps) < 0)
		return 0;
	for (size_t i = 0; i < maps.count && !found; i++)
		if (is_code(&maps.vma[i]) && !maps.vma[i].shared && maps.vma[i].inode)
			found = find_bytes(pid, &maps.vma[i], call, sizeof(call));
	return found;
}

static void look_at(pid_t pid, const struct vma *vma, struct remote_gate *inside,
                    struct remote_gate *outliving)
{
	if (strcmp(vma->name, "[stack]") == 0)
		outliving->room = find_room(pid, vma);
	if (!is_code(vma))
		return;
	if (strcmp(vma->name, "[vdso]") == 0)
		inside->call = find_bytes(pid, vma, call, sizeof(call));
	if (!outliving->call)
		outliving->call = find_bytes(pid, vma, call_and_return, sizeof(call_and_return));
	if (!outliving->back)
		outliving->back = find_bytes(pid, vma, sigreturn, sizeof(sigreturn));
}

enum status remote_find_gate(pid_t pid, bool outlives, struct remote_gate *gate)
{
	struct remote_gate inside = {0}, outliving = {0};
	struct maps maps CLEANUP(maps_free) = {0};
	int result = maps_try_read(pid, &maps);

	if (result == -EACCES && gate->call)
		return STATUS_OK;
	if (result < 0)
		return fail(STATUS_FAILED, "/proc/%d/maps: %s", pid, strerror(-result));
	for (size_t i = 0; i < maps.count; i++)
		if (outlives || strcmp(maps.vma[i].name, "[vdso]") == 0)
			look_at(pid, &maps.vma[i], &inside, &outliving);
	if (outliving.call && outliving.back && outliving.room)
		*gate = outliving;
	else if (inside.call)
		*gate = inside;
	else
		return fail(STATUS_FAILED,
		            "no [vdso] in process %d: its system calls can't be borrowed: start the kernel "
		            "without "
		            "vdso=0",
		            pid);
	return STATUS_OK;
}
