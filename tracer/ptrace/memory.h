/* The memory of a traced process. All addresses are the target's; all sizes are bytes. */
#ifndef TRACER_PTRACE_MEMORY_H
#define TRACER_PTRACE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads exactly size bytes. Returns 0, or -1 with errno. */
int tracee_read(pid_t pid, uint64_t address, void *buffer, size_t size) __attribute__((warn_unused_result));

/* Reads a NUL-terminated string. Returns its length, or -1 with errno (ENAMETOOLONG: not within size). */
ssize_t tracee_read_string(pid_t pid, uint64_t address, char *buffer, size_t size)
        __attribute__((warn_unused_result));

/* Writes exactly size bytes, whatever the protection, growing the stack where needed; the process must
 * be in a ptrace-stop of ours. Returns 0, or -1 with errno. */
int tracee_write(pid_t pid, uint64_t address, const void *bytes, size_t size)
        __attribute__((warn_unused_result));

/* The mapping that holds an address: whether it is code, and the path of its file as /proc/PID/maps has it
 * ("" for none). Returns 0, or -1 with errno (EFAULT: nothing is mapped there). */
int tracee_mapping(pid_t pid, uint64_t address, bool *ret_executable, char *path, size_t size)
        __attribute__((warn_unused_result));

/* As many bytes as can be read from there, at most size and 128 KiB; 0: none. */
size_t tracee_read_some(pid_t pid, uint64_t address, void *buffer, size_t size);

#endif
