/*
 * NSS (libnss3) draws from a generator that never seeds itself again. It takes
 * entropy by PK11_RandomUpdate, which takes locks that a thread may have held
 * when the program was frozen; so the same is done first in a child of this
 * process, where it does no harm if it waits for ever.
 */
#include <asm/unistd.h>
#include <elf.h>
#include <stddef.h>

#include <linux/signal.h> /* up to Linux 5.13 it needs size_t */

#include "preload/shim/mapped.h"
#include "preload/shim/process_maps.h"
#include "preload/shim/random.h"

enum {
	/* More than the generator keeps aside (RNG_RandomUpdate of lib/freebl/drbg.c): it is seeded at once.
	 */
	ENTROPY = 16384,
	DRAWN_AHEAD = 256, /* more than what it keeps of what it drew (RNGContext's `data`), taken bytewise */
	STEP_US = 200,
	STEPS = 1000,
	WAIT_ALL = 0x40000000, /* __WALL */
	NO_HANG = 1,
};

typedef int update_function(void *bytes, int size);
typedef int asking_function(void);

struct nss {
	update_function *update, *generate;
	asking_function *is_ready;
};

static bool equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* The value of a symbol, by DT_GNU_HASH's list of all that are defined; 0: none. */
struct symbols {
	uint64_t base;
	const Elf64_Sym *symbol;
	const char *names;
	const uint32_t *hash;
};

static bool find_symbols(uint64_t base, struct symbols *ret_symbols)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *segment = (const Elf64_Phdr *)(base + header->e_phoff);
	const Elf64_Dyn *entry = NULL;

	*ret_symbols = (struct symbols){.base = base};
	for (unsigned i = 0; i < header->e_phnum; i++)
		if (segment[i].p_type == PT_DYNAMIC)
			entry = (const Elf64_Dyn *)(base + segment[i].p_vaddr);
	for (; entry && entry->d_tag != DT_NULL; entry++) {
		/* glibc has added the base to them, others have not (elf/get-dynamic-info.h). */
		uint64_t address = entry->d_un.d_ptr < base ? base + entry->d_un.d_ptr : entry->d_un.d_ptr;

		if (entry->d_tag == DT_SYMTAB)
			ret_symbols->symbol = (const Elf64_Sym *)address;
		else if (entry->d_tag == DT_STRTAB)
			ret_symbols->names = (const char *)address;
		else if (entry->d_tag == DT_GNU_HASH)
			ret_symbols->hash = (const uint32_t *)address;
	}
	return ret_symbols->symbol && ret_symbols->names && ret_symbols->hash;
}

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

/* The table: buckets, first symbol, words of the filter, a shift; the filter, the buckets, the chains. */
static void *look_up(const struct symbols *symbols, const char *name)
{
	uint32_t buckets = symbols->hash[0], first = symbols->hash[1], hash = hash_of(name), i;
	const uint32_t *bucket = symbols->hash + 4 + (size_t)symbols->hash[2] * 2;
	const uint32_t *chain = bucket + buckets;

	for (i = buckets ? bucket[hash % buckets] : 0; i >= first && i != 0; i++) {
		const Elf64_Sym *symbol = &symbols->symbol[i];
		if ((chain[i - first] | 1) == (hash | 1) && equal(symbols->names + symbol->st_name, name))
			return (void *)(symbols->base + symbol->st_value);
		if (chain[i - first] & 1)
			break;
	}
	return NULL;
}

static void seed(const struct nss *nss)
{
	uint8_t entropy[ENTROPY];
	unsigned at = 0;

	while (at < ENTROPY) { /* no more than 256 bytes are given in one piece for sure: getrandom(2) */
		long result = shim_call(__NR_getrandom, (uint64_t)(entropy + at), 256, 0, 0, 0, 0);
		if (result <= 0)
			return;
		at += (unsigned)result;
	}
	nss->update(entropy, ENTROPY);
	for (at = 0; at < DRAWN_AHEAD; at++)
		nss->generate(entropy, 1);
}

static bool is_well_in_child(const struct nss *nss)
{
	struct {
		int64_t seconds, nanoseconds;
	} pause = {0, STEP_US * 1000};
	int status = -1;
	long ended = 0, child = shim_call(__NR_clone, 0, 0, 0, 0, 0, 0);

	if (child == 0) {
		seed(nss);
		shim_call(__NR_exit_group, 0, 0, 0, 0, 0, 0);
	}
	for (int i = 0; child > 0 && i < STEPS && ended == 0; i++) {
		shim_call(__NR_nanosleep, (uint64_t)&pause, 0, 0, 0, 0, 0);
		ended = shim_call(__NR_wait4, (uint64_t)child, (uint64_t)&status, WAIT_ALL | NO_HANG, 0, 0,
		                  0);
	}
	if (child > 0 && ended == 0) {
		shim_call(__NR_kill, (uint64_t)child, SIGKILL, 0, 0, 0, 0);
		shim_call(__NR_wait4, (uint64_t)child, (uint64_t)&status, WAIT_ALL, 0, 0, 0);
	}
	return status == 0;
}

static void warn(void)
{
	static const char text[] =
	        "snaprun: NSS: its random generator is in use and was not seeded again: start at "
	        "another point, or call PK11_RandomUpdate\n";

	shim_call(__NR_write, 2, (uint64_t)text, sizeof(text) - 1, 0, 0, 0);
}

void snap_seed_nss(uint64_t base)
{
	struct symbols symbols;
	struct nss nss;

	if (!find_symbols(base, &symbols))
		return;
	*(void **)(void *)&nss.update = look_up(&symbols, "PK11_RandomUpdate");
	*(void **)(void *)&nss.generate = look_up(&symbols, "PK11_GenerateRandom");
	*(void **)(void *)&nss.is_ready = look_up(&symbols, "NSS_IsInitialized");
	if (!nss.update || !nss.generate || !nss.is_ready || !nss.is_ready())
		return;
	if (is_well_in_child(&nss))
		seed(&nss);
	else
		warn();
}
