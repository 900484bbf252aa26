/* Inside the shim: between its C and its assembly. */
#ifndef PRELOAD_SHIM_SHIM_H
#define PRELOAD_SHIM_SHIM_H

#include <stdbool.h>
#include <stdint.h>

/* Stops at the tracer, then is main: shim_x86_64.S. What it loads is stated here, from contract.h. */
__attribute__((visibility("hidden"))) extern int snap_main(int argc, char **argv, char **envp);
struct snap_begun {
	int64_t argc;
	char **argv;
};
__attribute__((visibility("hidden"))) extern void snap_begin(int64_t argc, char **argv, char **envp,
                                                             struct snap_begun *ret_begun);
__attribute__((visibility("hidden"))) extern void *snap_real_main;
__attribute__((visibility("hidden"))) extern const uint64_t snap_main_magic;
__attribute__((visibility("hidden"))) extern const uint64_t snap_contract_version;

/* Where the shim lies, as the tracer named it; length 0: not known. */
struct shim_path {
	const char *text;
	unsigned length;
};
__attribute__((visibility("hidden"))) extern struct shim_path snap_shim_path;

/* What the shim's function `name` stands before; *place keeps it. NULL: there is none. */
__attribute__((visibility("hidden"))) void *snap_next(void **place, const char *name);
/* The same of what glibc has under an older version, too, which RTLD_NEXT means before 2.36 (BZ 14932). */
__attribute__((visibility("hidden"))) void *snap_next_of(void **place, const char *name, const char *version);
#define SNAP_VERSION_OF_REALPATH "GLIBC_2.3"  /* the one before takes no NULL for `resolved` */
#define SNAP_VERSION_OF_SPAWN    "GLIBC_2.15" /* the one before gives a file without #! to a shell */
struct real_functions {
	void *syscall; /* the first: shim_x86_64.S */
	void *ioctl, *mprotect, *realloc, *getenv, *secure_getenv;
	void *readlink, *readlinkat, *realpath; /* own_file.c, up to the last */
	void *execve, *execvp, *execvpe, *posix_spawn, *posix_spawnp;
};
__attribute__((visibility("hidden"))) extern struct real_functions snap_real;

/* The tracer ordered that brk be refused. */
__attribute__((visibility("hidden"))) extern bool snap_armed;
__attribute__((visibility("default"))) int snap_restored(void);
__attribute__((visibility("default"))) int snap_on_restore(void (*function)(void *argument), void *argument);
/* own_file.c: called before the program can have been started from an image. */
__attribute__((visibility("hidden"))) void snap_remember_own_file(void);
/* node.c: what the link has, where `path` is SNAP_STARTS_LINK and the program node; else NULL. */
__attribute__((visibility("hidden"))) const char *snap_read_starts_link(const char *path);
/* variables.c: with the environment that the program begins with, and for each variable that is asked for. */
__attribute__((visibility("hidden"))) void snap_watch_variables(char *const *envp);
__attribute__((visibility("hidden"))) void snap_note_variable(const char *name);
/* Notes it and returns its value, by the next getenv(3) or secure_getenv(3), or where that has not been found
 * yet by a look. */
__attribute__((visibility("hidden"))) char *snap_variable(void *const *next, const char *name);
/* brk.c: hooks malloc where there is a hook. */
__attribute__((visibility("hidden"))) void snap_refuse_brk(void);

#endif
