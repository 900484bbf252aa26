/*
 * The preload shim, libsnappreload.so. The tracer puts it into each program
 * that it may freeze; it
 *   - takes its own traces out of the environment, before anything else runs,
 *   - stops the program before main and its constructors, if it was told to (contract.h),
 *   - makes the functions of snap.h for programs that can't include it.
 * It needs no library, so that it can be loaded into programs of any C library:
 * what it uses of one is weak. brk.c keeps the heap off the break.
 */
#include <dlfcn.h>
#include <elf.h>
#include <stdbool.h>

#define SNAP_API __attribute__((visibility("default")))
SNAP_API int snap_here(void);
SNAP_API int snap_restored(void);
SNAP_API int snap_argc(void);
SNAP_API char **snap_argv(void);
SNAP_API char **snap_envp(void);
SNAP_API int snap_on_restore(void (*function)(void *argument), void *argument);
#include "preload/shim/random.h"
#include "preload/shim/shim.h"

/* Of the block that snap.h makes; filled by the loader. */
#define SNAP_GENERATORS (&snap_generators_table)
#include "preload/snap.h"

#pragma weak dlsym
#pragma weak dlvsym
#pragma weak dlopen
#pragma weak dlerror
#pragma weak __libc_dlopen_mode

typedef int main_function(int argc, char **argv, char **envp);
typedef int start_function(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                           void (*rtld_fini)(void), void *stack_end);

/* Of glibc's own (elf/dl-libc.c). */
extern void *__libc_dlopen_mode(const char *name, int mode);

SNAP_API int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void),
                               void (*fini)(void), void (*rtld_fini)(void), void *stack_end);

static const char shim_name[] = SNAP_SHIM_VARIABLE "=";
static const char preload_name[] = "LD_PRELOAD=";

const uint64_t snap_main_magic = SNAP_MAIN_MAGIC;
const uint64_t snap_contract_version = SNAP_CONTRACT_VERSION;
void *snap_real_main;

bool snap_armed;
struct real_functions snap_real;
struct shim_path snap_shim_path;

static bool cleaned;
static uint64_t flags;

/* dlsym(3) of glibc before 2.34 takes memory, and the malloc that it takes it from may begin with a call of
 * ours, which then has no other to go on to. */
void *snap_next_of(void **place, const char *name, const char *version)
{
	static bool is_looking;

	if (!*place && dlsym && !is_looking) {
		is_looking = true;
		if (version && dlvsym)
			*place = dlvsym(RTLD_NEXT, name, version);
		if (!*place)
			*place = dlsym(RTLD_NEXT, name);
		is_looking = false;
	}
	return *place;
}

void *snap_next(void **place, const char *name)
{
	return snap_next_of(place, name, NULL);
}

/* All at once, before anything asks for them where dlsym(3) must not be called: in malloc, in a handler. */
static void find_next(void)
{
	static const struct {
		void **place;
		const char *name, *version;
	} function[] = {
	        {&snap_real.syscall, "syscall", NULL},
	        {&snap_real.ioctl, "ioctl", NULL},
	        {&snap_real.mprotect, "mprotect", NULL},
	        {&snap_real.realloc, "realloc", NULL},
	        {&snap_real.getenv, "getenv", NULL},
	        {&snap_real.secure_getenv, "secure_getenv", NULL},
	        {&snap_real.readlink, "readlink", NULL},
	        {&snap_real.readlinkat, "readlinkat", NULL},
	        {&snap_real.realpath, "realpath", SNAP_VERSION_OF_REALPATH},
	        {&snap_real.execve, "execve", NULL},
	        {&snap_real.execvp, "execvp", NULL},
	        {&snap_real.execvpe, "execvpe", NULL},
	        {&snap_real.posix_spawn, "posix_spawn", SNAP_VERSION_OF_SPAWN},
	        {&snap_real.posix_spawnp, "posix_spawnp", SNAP_VERSION_OF_SPAWN},
	};

	for (unsigned i = 0; i < sizeof(function) / sizeof(*function); i++)
		(void)snap_next_of(function[i].place, function[i].name, function[i].version);
}

static bool begins(const char *text, const char *prefix)
{
	while (*prefix)
		if (*text++ != *prefix++)
			return false;
	return true;
}

static int digit(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	return character >= 'a' && character <= 'f' ? character - 'a' + 10 : 16;
}

/* Up to what is no digit; *text then stands past that, too, or on the NUL. */
static uint64_t read_number(const char **text, unsigned base)
{
	uint64_t number = 0;

	for (; (unsigned)digit(**text) < base; (*text)++)
		number = number * base + (unsigned)digit(**text);
	if (**text)
		(*text)++;
	return number;
}

/* The last two variables, and the first LD_PRELOAD if it isn't one of them, are as the tracer made them. */
static void read_order(const char *order, char **envp, size_t preload)
{
	uint64_t version = read_number(&order, 10), given = read_number(&order, 10),
	         before = read_number(&order, 16);

	if (version != SNAP_CONTRACT_VERSION)
		return;
	flags = given;
	snap_armed = (given & SNAP_SHIM_REFUSE_BRK) != 0;
	if (snap_armed)
		snap_refuse_brk();
	for (size_t i = 0; before && i < preload; i++)
		if (envp[i] == envp[preload])
			envp[i] = (char *)before;
}

/*
 * The last two variables are the tracer's. Their places become an AT_IGNORE entry of the auxiliary vector,
 * which begins after the NULL of the environment: musl and others look for it there, while glibc
 * remembers where it was; so both find a right one.
 */
static void clean(char **envp)
{
	size_t count = 0;

	cleaned = true;
	while (envp[count])
		count++;
	if (count < 2 || !begins(envp[count - 1], shim_name) || !begins(envp[count - 2], preload_name))
		return;
	snap_shim_path.text = envp[count - 2] + sizeof(preload_name) - 1;
	while (snap_shim_path.text[snap_shim_path.length] &&
	       snap_shim_path.text[snap_shim_path.length] != ':')
		snap_shim_path.length++;
	read_order(envp[count - 1] + sizeof(shim_name) - 1, envp, count - 2);
	snap_watch_variables(envp);
	envp[count - 2] = NULL;
	((uint64_t *)(void *)envp)[count - 1] = AT_IGNORE;
	envp[count] = NULL;
}

/* glibc runs this before any other constructor (DF_1_INITFIRST), and gives it these arguments. musl gives
 * none, but runs constructors from __libc_start_main, below. */
__attribute__((constructor)) static void construct(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)argv;
	find_next();
	snap_remember_own_file();
	snap_seed_at_starts();
	if (!cleaned)
		clean(envp);
}

/* glibc opens it by name when a thread is cancelled or ends itself, and ends the program where it's missing.
 * Before 2.34 dlopen(3) is in a library of its own. */
static void load_unwinder(void)
{
	static const char name[] = "libgcc_s.so.1";
	enum { AS_DLOPEN = RTLD_NOW | (int)0x80000000u };

	if (!dlopen && __libc_dlopen_mode)
		(void)__libc_dlopen_mode(name, AS_DLOPEN);
	else if (dlopen && dlerror && !dlopen(name, RTLD_NOW))
		(void)dlerror(); /* which would be told to the program later */
}

/*
 * The executable's constructors run within the C library's function, glibc's with main's arguments, which
 * some keep (Rust's std before 1.68): so there a program that has any stops before them, and they see the new
 * ones. musl gives them none, and runs those of all libraries there, too: it stops at main. There nothing was
 * cleaned yet. The other arguments pass as they came: what follows main differs between C libraries and
 * their versions.
 */
int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end)
{
	void *next = dlsym(RTLD_NEXT, "__libc_start_main");
	struct snap_begun begun = {argc, argv};
	bool is_glibc = cleaned;
	start_function *start;

	*(void **)(void *)&start = next;
	if (!cleaned)
		clean(argv + argc + 1);
	if (is_glibc && flags & SNAP_SHIM_LOAD_UNWINDER)
		load_unwinder();
	if (is_glibc && flags & SNAP_SHIM_MARK_CONSTRUCTORS) {
		snap_begin(argc, argv, argv + argc + 1, &begun);
	} else if (flags & SNAP_SHIM_MARK_MAIN) {
		*(main_function **)(void *)&snap_real_main = main;
		main = snap_main;
	}
	return start(main, (int)begun.argc, begun.argv, init, fini, rtld_fini, stack_end);
}
