/* What a library defines, found without the dynamic linker, whose lock a thread may hold. */
#ifndef PRELOAD_SHIM_SYMBOLS_H
#define PRELOAD_SHIM_SYMBOLS_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>

struct shim_symbols {
	uint64_t base;
	const Elf64_Sym *symbol;
	const char *names;
	const uint32_t *hash;
};

/* Of the library whose first byte is mapped at `base`. False: it has no DT_GNU_HASH. */
__attribute__((visibility("hidden"))) bool shim_find_symbols(uint64_t base, struct shim_symbols *ret_symbols);
/* The symbol's value as an address; NULL: it isn't defined. */
__attribute__((visibility("hidden"))) void *shim_look_up(const struct shim_symbols *symbols,
                                                         const char *name);

#endif
