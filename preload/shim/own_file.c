/*
 * /proc/self/exe of a started program shows snaprun, for the kernel lets only some say which file it is
 * (PR_SET_MM_EXE_FILE in prctl(2)). A program that asks the C library by that name, or by its own process ID,
 * is told of its own file, and executes that.
 */
#include <asm/errno.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <stdarg.h>
#include <stddef.h>

#include "preload/shim/mapped.h"
#include "preload/shim/process_maps.h"
#include "preload/shim/shim.h"

SNAP_EXPORT long readlink(const char *path, char *buffer, size_t size);
SNAP_EXPORT long readlinkat(int directory, const char *path, char *buffer, size_t size);
SNAP_EXPORT long __readlink_chk(const char *path, char *buffer, size_t size, size_t room);
SNAP_EXPORT long __readlinkat_chk(int directory, const char *path, char *buffer, size_t size, size_t room);
SNAP_EXPORT char *realpath(const char *path, char *resolved);
SNAP_EXPORT char *__realpath_chk(const char *path, char *resolved, size_t room);
SNAP_EXPORT int execve(const char *path, char *const argv[], char *const envp[]);
SNAP_EXPORT int execv(const char *path, char *const argv[]);
SNAP_EXPORT int execvp(const char *file, char *const argv[]);
SNAP_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[]);
SNAP_EXPORT int execl(const char *path, const char *argument, ...);
SNAP_EXPORT int execlp(const char *file, const char *argument, ...);
SNAP_EXPORT int execle(const char *path, const char *argument, ...);
SNAP_EXPORT int posix_spawn(void *ret_pid, const char *path, const void *actions, const void *attributes,
                            char *const argv[], char *const envp[]);
SNAP_EXPORT int posix_spawnp(void *ret_pid, const char *file, const void *actions, const void *attributes,
                             char *const argv[], char *const envp[]);

#pragma weak __chk_fail
#pragma weak environ
extern char **environ;
extern _Noreturn void __chk_fail(void); /* what glibc's checked functions end with */

enum { PATH_ROOM = 512, RESOLVED_ROOM = 4096 /* PATH_MAX */ };
static char own_file[PATH_ROOM]; /* empty: not known, or longer */

void snap_remember_own_file(void)
{
	long length = shim_call(__NR_readlinkat, (uint64_t)AT_FDCWD, (uint64_t) "/proc/self/exe",
	                        (uint64_t)own_file, PATH_ROOM, 0, 0);

	own_file[length > 0 && length < PATH_ROOM ? length : 0] = '\0';
}

static const char *after(const char *text, const char *prefix)
{
	while (text && *prefix)
		if (*text++ != *prefix++)
			return NULL;
	return text;
}

static const char *after_own_id(const char *text)
{
	uint64_t number = 0;

	if (*text < '1' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9' && number < UINT32_MAX; text++)
		number = number * 10 + (uint64_t)(*text - '0');
	return number == (uint64_t)shim_call(__NR_getpid, 0, 0, 0, 0, 0, 0) ? text : NULL;
}

/* `path`, or the program's own file, if that is what it names. */
static const char *meant(const char *path)
{
	const char *rest = snap_restored() && own_file[0] != '\0' ? after(path, "/proc/") : NULL;
	const char *end;

	if (!rest)
		return path;
	if (!(end = after(rest, "self")) && !(end = after(rest, "thread-self")))
		end = after_own_id(rest);
	end = after(end, "/exe");
	return end && *end == '\0' ? own_file : path;
}

static long copy(const char *from, char *buffer, size_t size)
{
	size_t length = 0;

	for (; length < size && from[length] != '\0'; length++)
		buffer[length] = from[length];
	return (long)length;
}

/* The next one is not looked for here: jemalloc reads a link while it begins, and dlsym(3) of glibc
 * before 2.34 takes memory. Until all are found, before main, the kernel answers. */
long readlink(const char *path, char *buffer, size_t size)
{
	const char *own = snap_read_starts_link(path);
	long (*real)(const char *, char *, size_t);

	if (!own)
		own = meant(path);
	if (own != path && size > 0) /* without room, C libraries differ */
		return copy(own, buffer, size);
	*(void **)(void *)&real = snap_real.readlink;
	return real ? real(path, buffer, size) : readlinkat(AT_FDCWD, path, buffer, size);
}

long readlinkat(int directory, const char *path, char *buffer, size_t size)
{
	const char *own = meant(path);
	long (*real)(int, const char *, char *, size_t);

	if (own != path && size > 0) /* without room, C libraries differ */
		return copy(own, buffer, size);
	*(void **)(void *)&real = snap_real.readlinkat;
	return real ? real(directory, path, buffer, size)
	            : shim_give(shim_call(__NR_readlinkat, (uint64_t)directory, (uint64_t)path,
	                                  (uint64_t)buffer, size, 0, 0));
}

long __readlink_chk(const char *path, char *buffer, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return readlink(path, buffer, size);
}

long __readlinkat_chk(int directory, const char *path, char *buffer, size_t size, size_t room)
{
	if (size > room)
		__chk_fail();
	return readlinkat(directory, path, buffer, size);
}

char *realpath(const char *path, char *resolved)
{
	char *(*real)(const char *, char *);

	*(void **)(void *)&real = snap_next_of(&snap_real.realpath, "realpath", SNAP_VERSION_OF_REALPATH);
	if (real)
		return real(meant(path), resolved);
	shim_give(-ENOSYS);
	return NULL;
}

char *__realpath_chk(const char *path, char *resolved, size_t room)
{
	if (room < RESOLVED_ROOM)
		__chk_fail();
	return realpath(path, resolved);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
	int (*real)(const char *, char *const[], char *const[]);

	*(void **)(void *)&real = snap_next(&snap_real.execve, "execve");
	return real ? real(meant(path), argv, envp)
	            : (int)shim_give(shim_call(__NR_execve, (uint64_t)meant(path), (uint64_t)argv,
	                                       (uint64_t)envp, 0, 0, 0));
}

int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

/* What is no path is looked for by the C library. */
int execvpe(const char *file, char *const argv[], char *const envp[])
{
	int (*real)(const char *, char *const[], char *const[]);

	*(void **)(void *)&real = snap_next(&snap_real.execvpe, "execvpe");
	return !real || meant(file) != file ? execve(file, argv, envp) : real(file, argv, envp);
}

int execvp(const char *file, char *const argv[])
{
	int (*real)(const char *, char *const[]);

	*(void **)(void *)&real = snap_next(&snap_real.execvp, "execvp");
	return !real || meant(file) != file ? execve(file, argv, environ) : real(file, argv);
}

/* As many words as follow, and their NULL, are counted by the first look and taken by the second; *list then
 * stands after it. It must be a macro: the words lie on the caller's stack, for this may be a child of
 * vfork(2). */
#define TAKE_WORDS(first, list, argv)                                                                        \
	do {                                                                                                 \
		size_t count = 1;                                                                            \
		va_start(list, first);                                                                       \
		while ((first) && va_arg(list, const char *))                                                \
			count++;                                                                             \
		va_end(list);                                                                                \
		(argv) = __builtin_alloca((count + 1) * sizeof(*(argv)));                                    \
		(argv)[0] = (char *)(uintptr_t)(first);                                                      \
		va_start(list, first);                                                                       \
		for (size_t word = 1; (first) && word <= count; word++)                                      \
			(argv)[word] = va_arg(list, char *);                                                 \
	} while (0)

int execl(const char *path, const char *argument, ...)
{
	char **argv;
	va_list list;

	TAKE_WORDS(argument, list, argv);
	va_end(list);
	return execv(path, argv);
}

int execlp(const char *file, const char *argument, ...)
{
	char **argv;
	va_list list;

	TAKE_WORDS(argument, list, argv);
	va_end(list);
	return execvp(file, argv);
}

int execle(const char *path, const char *argument, ...)
{
	char **argv, **envp;
	va_list list;

	TAKE_WORDS(argument, list, argv);
	envp = va_arg(list, char **);
	va_end(list);
	return execve(path, argv, envp);
}

typedef int spawn_function(void *ret_pid, const char *file, const void *actions, const void *attributes,
                           char *const argv[], char *const envp[]);

int posix_spawn(void *ret_pid, const char *path, const void *actions, const void *attributes,
                char *const argv[], char *const envp[])
{
	spawn_function *real;

	*(void **)(void *)&real = snap_next_of(&snap_real.posix_spawn, "posix_spawn", SNAP_VERSION_OF_SPAWN);
	return real ? real(ret_pid, meant(path), actions, attributes, argv, envp) : ENOSYS;
}

int posix_spawnp(void *ret_pid, const char *file, const void *actions, const void *attributes,
                 char *const argv[], char *const envp[])
{
	spawn_function *real;

	*(void **)(void *)&real =
	        snap_next_of(&snap_real.posix_spawnp, "posix_spawnp", SNAP_VERSION_OF_SPAWN);
	return real ? real(ret_pid, meant(file), actions, attributes, argv, envp) : ENOSYS;
}
