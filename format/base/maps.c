#include "format/base/maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "format/base/array.h"

/* seq_path() writes a newline in a name as \012 (fs/proc/task_mmu.c). */
static void unescape(char *name)
{
	char *to = name;

	for (const char *from = name; *from; to++) {
		if (strncmp(from, "\\012", 4) == 0) {
			*to = '\n';
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static bool parse_header(char *line, struct vma *vma)
{
	char permissions[5];
	int name = 0;

	*vma = (struct vma){.flags = ""};
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %" SCNx32 ":%" SCNx32 " %" SCNu64 "%n",
	           &vma->start, &vma->end, permissions, &vma->offset, &vma->major, &vma->minor, &vma->inode,
	           &name) < 7)
		return false;
	vma->protection = (permissions[0] == 'r' ? (uint32_t)PROT_READ : 0u) |
	                  (permissions[1] == 'w' ? (uint32_t)PROT_WRITE : 0u) |
	                  (permissions[2] == 'x' ? (uint32_t)PROT_EXEC : 0u);
	vma->shared = permissions[3] == 's';
	vma->name = line + name + strspn(line + name, " ");
	unescape(vma->name);
	return true;
}

/* The lines below a header: X(key, field, what its unit multiplies with) */
#define SIZES(X)                                                                                             \
	X("Rss:", rss, 1024)                                                                                 \
	X("Anonymous:", anonymous, 1024)                                                                     \
	X("Swap:", swap, 1024)                                                                               \
	X("ProtectionKey:", protection_key, 1)

static void parse_detail(const char *line, struct vma *vma)
{
#define X(key, field, unit)                                                                                  \
	if (strncmp(line, key, sizeof(key) - 1) == 0)                                                        \
		vma->field = strtoull(line + sizeof(key) - 1, NULL, 10) * (unit);
	SIZES(X)
#undef X
	if (strncmp(line, "VmFlags:", 8) == 0)
		vma->flags = line + 8;
}

static bool is_detail(const char *line)
{
	return *line >= 'A' && *line <= 'Z'; /* a header begins with a digit or a small hex letter */
}

static bool add_line(struct maps *maps, char *line)
{
	if (is_detail(line)) {
		if (maps->count == 0)
			return false;
		parse_detail(line, &maps->vma[maps->count - 1]);
		return true;
	}
	struct vma *vma = array_add(maps->vma, maps->count);

	return vma && parse_header(line, vma);
}

int maps_parse(struct text *text, struct maps *ret_maps)
{
	struct maps maps = {.text = *text};
	*text = (struct text){0};
	for (char *line = maps.text.bytes, *end; *line; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		else
			end = line + strlen(line);
		if (!add_line(&maps, line)) {
			maps_free(&maps);
			return -1;
		}
	}
	/* The kernel's page, outside of what a process can map; the last one where it exists. */
	if (maps.count && strcmp(maps.vma[maps.count - 1].name, "[vsyscall]") == 0)
		maps.count--;
	*ret_maps = maps;
	return 0;
}

enum status maps_read(pid_t pid, struct maps *ret_maps)
{
	struct text text CLEANUP(text_free) = {0};
	enum status status;

	if ((status = proc_read(proc_path(pid, "smaps"), &text)) != STATUS_OK)
		return status;
	if (maps_parse(&text, ret_maps) < 0)
		return fail(STATUS_FAILED, "can't read the program's state: /proc/%d/smaps: unknown form",
		            pid);
	return STATUS_OK;
}

static int try_read(pid_t pid, const char *name, struct maps *ret_maps)
{
	struct text text CLEANUP(text_free) = {0};
	int result = proc_try_read(proc_path(pid, "%s", name).text, &text);

	if (result < 0)
		return result;
	return maps_parse(&text, ret_maps) < 0 ? -EINVAL : 0;
}

int maps_try_read_all(pid_t pid, struct maps *ret_maps)
{
	return try_read(pid, "smaps", ret_maps);
}

int maps_try_read(pid_t pid, struct maps *ret_maps)
{
	return try_read(pid, "maps", ret_maps);
}

void maps_free(struct maps *maps)
{
	free(maps->vma);
	text_free(&maps->text);
	*maps = (struct maps){0};
}

bool vma_has(const struct vma *vma, const char letters[2])
{
	const char token[] = {' ', letters[0], letters[1], '\0'};

	return strstr(vma->flags, token) != NULL;
}

const struct vma *maps_find(const struct maps *maps, uint64_t address)
{
	size_t low = 0, high = maps->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (maps->vma[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < maps->count && maps->vma[low].start <= address ? &maps->vma[low] : NULL;
}
