/*
 * Random numbers after a start. Two starts of one image must not draw the same
 * keys, so a library with a generator of its own has to seed it again. Those
 * that do so in a child of fork(2) are let believe that the start is one, at
 * the moment when they look, with no lock taken and nothing called that might
 * wait for a thread that is not there yet:
 *   - those that compare process IDs (OpenSSL, libgcrypt) get one from getpid()
 *     that no process has, since a PID ends at 2^22 (PID_MAX_LIMIT);
 *   - those that have a handler of fork which does nothing but count (GnuTLS,
 *     and where its code shows that, Rust's rand) have it called;
 *   - NSS and SQLite do neither, and are told by functions of their own
 *     (random_nss.c, random_sqlite.c);
 *   - node keeps bytes that it drew ahead in JavaScript (node.c).
 * The loader says where these libraries lie (restore/become/generators.c).
 */
#include "preload/shim/random.h"

#include <asm/errno.h>
#include <asm/unistd.h>

#include "preload/shim/mapped.h"
#include "preload/shim/process_maps.h"
#include "preload/shim/shim.h"

typedef void handler(void);
SNAP_EXPORT int getpid(void);
SNAP_EXPORT int __register_atfork(handler *prepare, handler *parent, handler *child, void *library);

enum { ID_BITS = 22, STARTS = 511, HANDLERS_MAX = 256, FUNCTION_MAX = 1024 };

struct snap_generators snap_generators_table;

/* The loader writes it where the compiler sees no code that does. */
struct snap_generators *snap_generators_now(void)
{
	struct snap_generators *now = &snap_generators_table;

	__asm__ volatile("" : "+r"(now) : : "memory");
	return now;
}

/* An executable that has OpenSSL in itself, and shows it: its random bit generators are one object file, of
 * OpenSSL 3 (providers/implementations/rands/drbg.c) or 1.1.1 (crypto/rand/drbg_lib.c). */
#pragma weak ossl_prov_drbg_instantiate
#pragma weak ossl_rand_drbg_new
#pragma weak RAND_DRBG_generate
extern const char ossl_prov_drbg_instantiate[], ossl_rand_drbg_new[], RAND_DRBG_generate[];

static bool is_of_executable(uint64_t address)
{
	const uint64_t from[] = {(uint64_t)ossl_prov_drbg_instantiate, (uint64_t)RAND_DRBG_generate},
	               last[] = {(uint64_t)ossl_rand_drbg_new, (uint64_t)RAND_DRBG_generate};

	for (unsigned i = 0; i < sizeof(from) / sizeof(*from); i++)
		if (from[i] && address >= from[i] && address < last[i] + FUNCTION_MAX)
			return true;
	return false;
}

static bool is_of(uint64_t address, enum snap_generator_kind kind)
{
	const struct snap_generators *generators = snap_generators_now();

	for (uint64_t i = 0; i < generators->count; i++)
		if (generators->generator[i].kind == kind && address >= generators->generator[i].start &&
		    address < generators->generator[i].end)
			return true;
	return false;
}

/* Who has asked, as far as there is room: SQLite does when its generator is seeded. */
enum { ASKERS_MAX = 32 };
static uint64_t asker[ASKERS_MAX];

static void note_asker(uint64_t address)
{
	for (unsigned i = 0; i < ASKERS_MAX; i++) {
		uint64_t none = 0;

		if (asker[i] == address ||
		    (asker[i] == 0 && __atomic_compare_exchange_n(&asker[i], &none, address, false,
		                                                  __ATOMIC_RELAXED, __ATOMIC_RELAXED)))
			return;
	}
}

bool snap_may_have_asked(uint64_t start, uint64_t end)
{
	bool found = asker[ASKERS_MAX - 1] != 0; /* no room: anybody may have */

	for (unsigned i = 0; i < ASKERS_MAX && !found; i++)
		found = asker[i] >= start && asker[i] < end;
	return found;
}

int getpid(void)
{
	int pid = (int)shim_call(__NR_getpid, 0, 0, 0, 0, 0, 0), starts = snap_restored() & STARTS;
	uint64_t caller = (uint64_t)__builtin_return_address(0);

	note_asker(caller);
	if (starts > 0 && (is_of(caller, SNAP_GENERATOR_ID) || is_of_executable(caller)))
		pid |= starts << ID_BITS;
	return pid;
}

/* Those of libraries that are gone stay here; the loader knows of none then. */
static handler *registered[HANDLERS_MAX];
static uint32_t registered_count;

/* What pthread_atfork(3) is on glibc. */
int __register_atfork(handler *prepare, handler *parent, handler *child, void *library)
{
	static void *place;
	int (*real)(handler *, handler *, handler *, void *);
	uint32_t i = __atomic_fetch_add(&registered_count, 1, __ATOMIC_RELAXED);

	if (i < HANDLERS_MAX)
		registered[i] = child;
	*(void **)(void *)&real = snap_next(&place, "__register_atfork");
	return real ? real(prepare, parent, child, library) : ENOSYS;
}

static void seed_again(void *argument)
{
	const struct snap_generators *generators = snap_generators_now();

	(void)argument;
	for (uint32_t i = 0; i < registered_count && i < HANDLERS_MAX; i++)
		if (registered[i] && (is_of((uint64_t)registered[i], SNAP_GENERATOR_FORK) ||
		                      snap_only_counts((uint64_t)registered[i])))
			registered[i]();
	for (uint64_t i = 0; i < generators->count; i++)
		if (generators->generator[i].kind == SNAP_GENERATOR_NSS)
			snap_seed_nss(generators->generator[i].start);
		else if (generators->generator[i].kind == SNAP_GENERATOR_SQLITE)
			snap_seed_sqlite(generators->generator[i].start);
}

void snap_seed_at_starts(void)
{
	(void)snap_on_restore(seed_again, 0);
}
