#include "tracer/ptrace/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "format/base/maps.h"

enum { PAGE = 4096 };

int tracee_read(pid_t pid, uint64_t address, void *buffer, size_t size)
{
	struct iovec local = {buffer, size};
	struct iovec remote = {(void *)(uintptr_t)address, size};
	ssize_t count = process_vm_readv(proc_living(pid), &local, 1, &remote, 1, 0);

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
	got = process_vm_readv(proc_living(pid), &local, 1, remote, count, 0);
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
	int memory = open(proc_path(pid, "mem").text, O_WRONLY | O_CLOEXEC);
	ssize_t count;
	int error;

	if (memory < 0)
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
	struct maps maps CLEANUP(maps_free) = {0};
	int result = maps_try_read(pid, &maps);
	const struct vma *vma = result < 0 ? NULL : maps_find(&maps, address);

	if (!vma) {
		errno = result < 0 ? -result : EFAULT;
		return -1;
	}
	snprintf(path, size, "%s", *vma->name == '/' ? vma->name : "");
	*ret_executable = vma->protection & PROT_EXEC;
	return 0;
}
