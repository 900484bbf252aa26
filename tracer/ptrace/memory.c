#include "tracer/ptrace/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096 };

int tracee_read(pid_t pid, uint64_t address, void *buffer, size_t size)
{
	struct iovec local = {buffer, size};
	struct iovec remote = {(void *)(uintptr_t)address, size};
	ssize_t count = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	if (count < 0)
		return -1;
	if ((size_t)count != size) {
		errno = EFAULT;
		return -1;
	}
	return 0;
}

size_t tracee_read_some(pid_t pid, uint64_t address, void *buffer, size_t size)
{
	enum {
		PAGES = 32
	}; /* a piece a page, for process_vm_readv stops at the first piece that it can't read */
	struct iovec local = {buffer, size}, remote[PAGES];
	unsigned count = 0;
	ssize_t got;

	for (size_t done = 0; done < size && count < PAGES; count++) {
		size_t part = PAGE - (address + done) % PAGE;

		part = part < size - done ? part : size - done;
		remote[count] = (struct iovec){(void *)(uintptr_t)(address + done), part};
		done += part;
	}
	got = process_vm_readv(pid, &local, 1, remote, count, 0);
	return got > 0 ? (size_t)got : 0;
}

/* Page by page: what follows the string may not be mapped. */
ssize_t tracee_read_string(pid_t pid, uint64_t address, char *buffer, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t part = PAGE - (address + done) % PAGE;
		const char *end;

		if (part > size - done)
			part = size - done;
		if (tracee_read(pid, address + done, buffer + done, part) < 0)
			return -1;
		if ((end = memchr(buffer + done, '\0', part)))
			return end - buffer;
		done += part;
	}
	errno = ENAMETOOLONG;
	return -1;
}

/* Through /proc/PID/mem: unlike process_vm_writev it writes read-only pages of a tracee and grows a stack
 * (mm/memory.c, __access_remote_vm). */
int tracee_write(pid_t pid, uint64_t address, const void *bytes, size_t size)
{
	char path[64];
	ssize_t count;
	int memory;
	int error;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	if ((memory = open(path, O_WRONLY | O_CLOEXEC)) < 0)
		return -1;
	count = pwrite(memory, bytes, size, (off_t)address);
	error = count < 0 ? errno : EFAULT;
	close(memory);
	if (count >= 0 && (size_t)count == size)
		return 0;
	errno = error;
	return -1;
}

int tracee_mapping(pid_t pid, uint64_t address, bool *ret_executable, char *path, size_t size)
{
	char maps_path[64], permissions[5];
	uint64_t start, end = 0;
	size_t capacity = 0;
	char *line = NULL;
	bool found = false;
	FILE *maps;

	snprintf(maps_path, sizeof(maps_path), "/proc/%d/maps", pid);
	if (!(maps = fopen(maps_path, "re")))
		return -1;
	while (end <= address && !found && getline(&line, &capacity, maps) > 0)
		found = sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &start, &end, permissions) == 3 &&
		        address >= start && address < end;
	if (found) {
		const char *name = strchr(line, '/');

		line[strcspn(line, "\n")] = '\0';
		snprintf(path, size, "%s", name ? name : "");
		*ret_executable = permissions[2] == 'x';
	}
	free(line);
	fclose(maps);
	errno = EFAULT;
	return found ? 0 : -1;
}
