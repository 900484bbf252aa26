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

/* The tracer ordered that brk be refused. */
__attribute__((visibility("hidden"))) extern bool snap_armed;
__attribute__((visibility("default"))) int snap_restored(void);
/* brk.c: hooks malloc where there is a hook. */
__attribute__((visibility("hidden"))) void snap_refuse_brk(void);

#endif
