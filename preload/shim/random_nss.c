/*
 * NSS (libnss3) draws from a generator that never seeds itself again. It takes
 * entropy by PK11_RandomUpdate, which takes locks that a thread may have held
 * when the program was frozen; so the same is done first in a child of this
 * process, where it does no harm if it waits for ever.
 */
#include <asm/unistd.h>
#include <stddef.h>

#include <linux/signal.h> /* up to Linux 5.13 it needs size_t */

#include "preload/shim/mapped.h"
#include "preload/shim/process_maps.h"
#include "preload/shim/random.h"
#include "preload/shim/symbols.h"

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
	struct shim_symbols symbols;
	struct nss nss;

	if (!shim_find_symbols(base, &symbols))
		return;
	*(void **)(void *)&nss.update = shim_look_up(&symbols, "PK11_RandomUpdate");
	*(void **)(void *)&nss.generate = shim_look_up(&symbols, "PK11_GenerateRandom");
	*(void **)(void *)&nss.is_ready = shim_look_up(&symbols, "NSS_IsInitialized");
	if (!nss.update || !nss.generate || !nss.is_ready || !nss.is_ready())
		return;
	if (is_well_in_child(&nss))
		seed(&nss);
	else
		warn();
}
