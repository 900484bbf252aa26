/*
 * SQLite (libsqlite3) has a generator that it seeds once; random() and randomblob(), of which its manual
 * makes globally unique identifiers, draw from it. sqlite3_randomness(0, NULL) has it seeded at the next use.
 * It takes one lock, which is tried first, and would initialise a library that nobody has used yet. Touching
 * its pages takes 60 microseconds: so it's left where the generator was never seeded, when it asks for the
 * process ID (os_unix.c, unixRandomness).
 */
#include <asm/unistd.h>
#include <stddef.h>

#include "preload/shim/process_maps.h"
#include "preload/shim/random.h"
#include "preload/shim/symbols.h"

/* Numbers of sqlite3.h. */
enum { SQLITE_OK = 0, SQLITE_MISUSE = 21, SQLITE_MUTEX_STATIC_PRNG = 5, NO_OPTION = -1, LARGE = 1 << 23 };

typedef int config_function(int option, ...);
typedef void *mutex_alloc_function(int kind);
typedef int mutex_try_function(void *mutex);
typedef void mutex_leave_function(void *mutex);
typedef void randomness_function(int size, void *bytes);

static void warn(void)
{
	static const char text[] =
	        "snaprun: SQLite: its random generator is in use and was not seeded again: "
	        "start at another point, or call sqlite3_randomness(0, NULL)\n";

	shim_call(__NR_write, 2, (uint64_t)text, sizeof(text) - 1, 0, 0, 0);
}

void snap_seed_sqlite(uint64_t base)
{
	struct shim_symbols symbols;
	config_function *config;
	mutex_alloc_function *find;
	mutex_try_function *try;
	mutex_leave_function *leave;
	randomness_function *randomness;
	void *mutex;

	if (!snap_may_have_asked(base, base + LARGE) || !shim_find_symbols(base, &symbols))
		return;
	*(void **)(void *)&config = shim_look_up(&symbols, "sqlite3_config");
	*(void **)(void *)&find = shim_look_up(&symbols, "sqlite3_mutex_alloc");
	*(void **)(void *)&try = shim_look_up(&symbols, "sqlite3_mutex_try");
	*(void **)(void *)&leave = shim_look_up(&symbols, "sqlite3_mutex_leave");
	*(void **)(void *)&randomness = shim_look_up(&symbols, "sqlite3_randomness");
	/* Nothing can be configured, not even an option that there isn't, once it is initialised. */
	if (!config || !find || !try || !leave || !randomness || config(NO_OPTION) != SQLITE_MISUSE)
		return;
	mutex = find(SQLITE_MUTEX_STATIC_PRNG); /* NULL where it was told that there is one thread only */
	if (mutex && try(mutex) != SQLITE_OK) {
		warn();
		return;
	}
	if (mutex)
		leave(mutex);
	randomness(0, NULL);
}
