#include "tracer/capture/identity/places.h"

#include <string.h>

#include "tracer/capture/identity/module.h"
#include "tracer/ptrace/memory.h"

enum { FUTEX_ID = 0x3fffffff }; /* FUTEX_TID_MASK */

void place_look(struct place *place, uint64_t start, uint64_t end)
{
	const uint64_t address = place->address;
	uint64_t from = address - start < AROUND ? start : address - AROUND;
	uint64_t to = end - address < AROUND ? end : address + AROUND;
	size_t before = address - from, after = to - address;

	if (tracee_read(place->pid, from, place->before + AROUND - before, before) < 0)
		memset(place->before, 0, AROUND);
	if (tracee_read(place->pid, address, place->after, after) < 0)
		memset(place->after, 0, AROUND);
}

/* The 32-bit word at that distance from the found one. */
static uint32_t word_at(const struct place *place, int distance)
{
	const uint8_t *from = distance < 0 ? place->before + AROUND + distance : place->after + distance;
	uint32_t word;

	memcpy(&word, from, sizeof(word));
	return word;
}

static uint64_t long_at(const struct place *place, int distance)
{
	return word_at(place, distance) | (uint64_t)word_at(place, distance + 4) << 32;
}

static enum status add(struct fixups *fixups, uint64_t address, enum snapimg_fixup_kind kind, uint32_t thread)
{
	for (size_t i = 0; i < fixups->count; i++)
		if (fixups->record[i].address == address)
			return STATUS_OK;
	return fixups_add(fixups,
	                  (struct snapimg_fixup){.address = address, .kind = kind, .argument = thread});
}

/* pthread_mutex_t of glibc: lock, count, owner, users, kind (sysdeps/x86/nptl/bits/struct_mutex.h, and
 * PTHREAD_MUTEX_… of nptl/pthreadP.h). */
enum {
	MUTEX_COUNT = 4,
	MUTEX_OWNER = 8,
	MUTEX_USERS = 12,
	MUTEX_KIND = 16,
	MUTEX_ROBUST = 0x10,
	MUTEX_PI = 0x20,
	MUTEX_PROTECT = 0x40,
	MUTEX_KINDS = 0x3f3, /* and those that are shared or elided */
	MUTEX_CEILING = 19,
	MUTEX_ID_LEAST = 256, /* a smaller one could be part of any small numbers */
};

/* `lock`: how far from the found word the mutex begins. */
static bool is_mutex(const struct place *place, int lock)
{
	uint32_t kind = word_at(place, lock + MUTEX_KIND), state = word_at(place, lock);

	if (place->id < MUTEX_ID_LEAST || word_at(place, lock + MUTEX_OWNER) != place->id ||
	    word_at(place, lock + MUTEX_USERS) != 1 || (kind & ~(uint32_t)MUTEX_KINDS) != 0)
		return false;
	if ((kind & (MUTEX_ROBUST | MUTEX_PI)) != 0)
		return (state & FUTEX_ID) == place->id;
	if ((kind & MUTEX_PROTECT) != 0)
		state &= (1u << MUTEX_CEILING) - 1;
	return state == 1 || state == 2;
}

static enum status fix_mutex(const struct place *place, int lock, struct fixups *fixups)
{
	uint64_t mutex = place->address + (uint64_t)(int64_t)lock;
	uint32_t kind = word_at(place, lock + MUTEX_KIND);
	enum status status;

	/* Of a plain one nobody asks for the owner; but what looks like it may be something else. */
	status = add(fixups, mutex + MUTEX_OWNER, SNAPIMG_FIXUP_TID, place->thread);

	if (status == STATUS_OK && (kind & (MUTEX_ROBUST | MUTEX_PI)) != 0)
		status = add(fixups, mutex, SNAPIMG_FIXUP_ROBUST, place->thread);
	return status;
}

static bool is_mutex_owner(const struct place *place)
{
	return is_mutex(place, -MUTEX_OWNER);
}

static enum status fix_mutex_owner(const struct place *place, struct fixups *fixups)
{
	return fix_mutex(place, -MUTEX_OWNER, fixups);
}

static bool is_mutex_lock(const struct place *place)
{
	return is_mutex(place, 0);
}

static enum status fix_mutex_lock(const struct place *place, struct fixups *fixups)
{
	return fix_mutex(place, 0, fixups);
}

/* pthread_rwlock_t of glibc since 2.25, held for writing: readers, writers, two futexes, padding, the writer
 * and whether it is shared (sysdeps/x86/nptl/bits/struct_rwlock.h, nptl/pthread_rwlock_common.c). */
static bool is_rwlock_writer(const struct place *place)
{
	enum { READERS = -24, PADDING = -8, SHARED = 4, WRITE_HELD = 3 };

	return (word_at(place, READERS) & WRITE_HELD) == WRITE_HELD && long_at(place, PADDING) == 0 &&
	       word_at(place, SHARED) <= 1;
}

/* A runtime's own record of a thread: pthread_self(), and gettid() right after it. PyThreadState has it since
 * 3.11 (thread_id, native_thread_id). */
static bool is_thread_record(const struct place *place)
{
	return place->self != 0 && long_at(place, -8) == place->self && word_at(place, 4) == 0;
}

static bool has_type_name(const struct place *place, int type, const char *name)
{
	enum { NAME = 24 }; /* PyTypeObject: tp_name after PyVarObject */
	uint64_t address = long_at(place, type), text_address;
	char text[32] = "";
	size_t size = strlen(name) + 1;

	return address != 0 && address % 8 == 0 &&
	       tracee_read(place->pid, address + NAME, &text_address, sizeof(text_address)) == 0 &&
	       tracee_read(place->pid, text_address, text, size) == 0 && memcmp(text, name, size) == 0;
}

/* PyRunningLoopHolder of Modules/_asynciomodule.c: references, type, loop, PID. */
static bool is_python_loop(const struct place *place)
{
	enum { TYPE = -16 };

	return has_type_name(place, TYPE, "_RunningLoopHolder");
}

/* CPython's int of one digit. PyLongObject: references, type, size (from 3.12 on times 8), digit. */
bool place_is_python_int(const struct place *place)
{
	enum { TYPE = -16, SIZE = -8 };
	uint64_t size = long_at(place, SIZE);

	return (size == 1 || size == 8) && has_type_name(place, TYPE, "int");
}

/* That one place refers to: os.getpid() that was kept, threading's native_id. */
static bool is_python_int_of_one(const struct place *place)
{
	enum { REFERENCES = -24 };

	return word_at(place, REFERENCES) == 1 && place_is_python_int(place);
}

static enum status fix_word(const struct place *place, struct fixups *fixups)
{
	return add(fixups, place->address, SNAPIMG_FIXUP_TID, place->thread);
}

static bool is_in_module(const struct place *place, const char *const *names)
{
	const char *slash = place->module ? strrchr(place->module, '/') : NULL;

	for (size_t i = 0; slash && names[i]; i++)
		if (strncmp(slash + 1, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* $$, and the shell's own process among its jobs. */
static bool is_of_shell(const struct place *place)
{
	static const char *const shells[] = {"bash", "dash", "zsh", "ksh", "mksh", "busybox", NULL};

	return is_in_module(place, shells);
}

static bool is_code_of(const struct place *place, uint64_t address, const char *module)
{
	const char *found = module_of_code(place->mappings, address);

	return found && strcmp(found, module) == 0;
}

/* PROV_DRBG of OpenSSL 3 (drbg_local.h of providers/implementations/rands): its own four functions, its
 * parent, the parent's seven functions, of which some are missing, a pointer, fork_id, the strength in bits.
 * libcrypto is part of some programs, so the file's name tells nothing. */
static bool is_openssl_generator(const struct place *place)
{
	enum { OWN = -104, PARENT = -72, PARENTS = -64, END = -8, PARENTS_LEAST = 4, STRENGTH = 8 };
	const char *module = module_of_code(place->mappings, long_at(place, OWN));
	uint32_t strength = word_at(place, STRENGTH);
	int parents = 0;

	if (!module || place->module || strength < 64 || strength > 256)
		return false;
	for (int at = OWN; at < END; at += 8) {
		uint64_t function = long_at(place, at);
		if (at == PARENT || (at >= PARENTS && function == 0))
			continue;
		if (!is_code_of(place, function, module))
			return false;
		parents += at >= PARENTS ? 1 : 0;
	}
	return parents >= PARENTS_LEAST;
}

/* Where these seed again, or mix in more, when the process is another one. */
static bool is_of_generator(const struct place *place)
{
	static const char *const libraries[] = {"libgcrypt.so", "libgnutls.so", "libfreebl", "libsoftokn",
	                                        NULL};

	return is_in_module(place, libraries);
}

static const struct known_place {
	const char *name;
	bool (*is)(const struct place *place);
	enum status (*fix)(const struct place *place, struct fixups *fixups); /* NULL: SNAPIMG_KEPT_SEED */
} known_places[] = {
        /* What is sure comes first: an int of Python, with what lies behind it, can look like a mutex. */
        {"a running loop of Python's asyncio", is_python_loop, fix_word},
        {"an int of Python", is_python_int_of_one, fix_word},
        {"a held mutex", is_mutex_owner, fix_mutex_owner},
        {"a held mutex", is_mutex_lock, fix_mutex_lock},
        {"a rwlock held for writing", is_rwlock_writer, fix_word},
        {"a shell's own process", is_of_shell, fix_word},
        {"a random generator of OpenSSL", is_openssl_generator, NULL},
        {"a random generator", is_of_generator, NULL},
        {"a runtime's record of a thread", is_thread_record, fix_word},
};

enum status place_recognise(const struct place *place, struct fixups *fixups, struct known *ret_known)
{
	*ret_known = (struct known){0};
	for (size_t i = 0; i < sizeof(known_places) / sizeof(*known_places); i++)
		if (known_places[i].is(place)) {
			bool is_seed = known_places[i].fix == NULL;
			*ret_known = (struct known){known_places[i].name, is_seed};
			return is_seed ? STATUS_OK : known_places[i].fix(place, fixups);
		}
	return STATUS_OK;
}

/* Every change of a dict of CPython has the next number, and a program that has just begun comes to about
 * 60,000. PyDictObject, 3.6 to 3.12: references, type, used, version. */
bool place_is_version_of_dict(const struct place *place)
{
	enum { TYPE = -16 };

	return word_at(place, 4) == 0 && has_type_name(place, TYPE, "dict");
}

/* Of a byte of flags of CPython's str the other three are what was there before: of a number that has gone.
 * PyASCIIObject: references, type, length, hash, state. */
bool place_is_state_of_str(const struct place *place)
{
	enum { TYPE = -24 };

	return has_type_name(place, TYPE, "str");
}

/* V8's pointers to its own objects are odd. */
static bool is_object_of_v8(uint64_t word)
{
	enum { TAGS = 3, TAG = 1, USER_BITS = 47 };

	return (word & TAGS) == TAG && word >> 32 != 0 && word >> USER_BITS == 0;
}

/* ScopeInfo has the same as two numbers of JavaScript's, in the upper halves, between two objects. A
 * program's own numbers may stand so, too, but its language tells it no ID of a thread.
 */
static bool is_range_of_scope(const struct place *place)
{
	enum { LONGEST = 1 << 20, NUMBER = 8 };
	const int own = -4;

	if (place->thread == 0 || place->address % NUMBER != 4 || word_at(place, own) != 0)
		return false;
	for (int begin = own - NUMBER; begin <= own; begin += NUMBER) {
		uint64_t from = long_at(place, begin), to = long_at(place, begin + NUMBER);
		if ((uint32_t)from == 0 && (uint32_t)to == 0 && from < to && (to - from) >> 32 < LONGEST &&
		    is_object_of_v8(long_at(place, begin - NUMBER)) &&
		    is_object_of_v8(long_at(place, begin + 2 * NUMBER)))
			return true;
	}
	return false;
}

/* Where the text of a function begins and ends: node has thousands of these numbers, from 0 to the length of
 * its longest file. UncompiledData, src/objects/shared-function-info.tq of V8 7 to 13: map, name, begin, end.
 */
bool place_is_range_of_text(const struct place *place)
{
	enum { NAME = -8, MAP = -16, END = 4, LONGEST = 1 << 20 };
	int begin = place->address % 8 == 0 ? 0 : -END;
	uint32_t length = word_at(place, begin + END) - word_at(place, begin);

	if (is_range_of_scope(place))
		return true;
	/* A number of JavaScript's own has nothing in its lower half. */
	return word_at(place, begin) != 0 && length > 0 && length < LONGEST &&
	       is_object_of_v8(long_at(place, begin + NAME)) && is_object_of_v8(long_at(place, begin + MAP));
}

/* Of glibc's chunks of memory (struct malloc_chunk, malloc/malloc.c) a thread ID can be the size by accident:
 * such chunks have many sizes. */
enum { CHUNK_ALIGNMENT = 16, CHUNK_LEAST = 32 };
static const uint64_t chunk_flags = 7, chunk_is_before = 1; /* PREV_INUSE: the chunk before is in use */
static const uint64_t fence = 16 | 1; /* at the end of memory that malloc(3) could not make larger */

static bool is_size_of_chunk(uint64_t word)
{
	uint64_t size = word & ~chunk_flags;

	return size % CHUNK_ALIGNMENT == 0 && size >= CHUNK_LEAST && size <= UINT32_MAX;
}

/* The next chunk's header says that this one is in use, and the headers lead from one to the next: many of
 * them, or up to the end of the top chunk, which is a page's, or to a fence. One or two do in other memory,
 * too: in a Python's, those after one number in twenty. */
static bool is_size_of_used_chunk(const struct place *place, uint64_t size)
{
	enum { ENOUGH = 16 };
	uint64_t header = place->address + size, word;

	for (int seen = 0; seen < ENOUGH; seen++) {
		uint64_t chunk = header - sizeof(word);
		if (seen > 0 && chunk % SNAPIMG_PAGE_SIZE == 0)
			return true;
		if (tracee_read(place->pid, header, &word, sizeof(word)) != 0)
			return false;
		if (seen > 0 && word == fence)
			return true;
		if (!is_size_of_chunk(word) || (seen == 0 && (word & chunk_is_before) == 0))
			return false;
		header += word & ~chunk_flags;
	}
	return true;
}

/* A free chunk has its size, with flags in three bits, and again after its end, where the next chunk begins.
 */
bool place_is_size_of_chunk(const struct place *place)
{
	bool is_end = place->address % CHUNK_ALIGNMENT == 0;
	uint64_t word = long_at(place, 0), size = is_end ? word : word & ~chunk_flags, other;

	if (place->address % sizeof(uint64_t) != 0 || word != place->id || !is_size_of_chunk(size))
		return false;
	if (!is_end && is_size_of_used_chunk(place, size))
		return true;
	uint64_t there = is_end ? place->address - size + sizeof(size) : place->address - sizeof(size) + size;
	return tracee_read(place->pid, there, &other, sizeof(other)) == 0 &&
	       (is_end ? other & ~chunk_flags : other) == size;
}

/* Not a pointer, a flag, a zero; -1 is an empty slot. */
static bool is_number(uint64_t word)
{
	enum { LEAST = 256, MOST = 1 << 26 };

	return (word >= LEAST && word < MOST) || word == UINT32_MAX || word == UINT64_MAX;
}

/* All that is near is a number of 32 or 64 bits, or floating-point of about that size. */
bool place_is_among_numbers(const struct place *place)
{
	enum { REACH = 16, WORDS = 8, LONGS = 4, EXPONENT = 52, EXPONENTS_NEAR = 8 };
	uint64_t exponent = long_at(place, 0) >> EXPONENT;
	int words = 0, longs = 0, doubles = 0;

	for (int at = -REACH; at <= REACH; at += 4)
		words += at != 0 && is_number(word_at(place, at)) ? 1 : 0;
	for (int at = -REACH; at <= REACH; at += 8) {
		uint64_t other = long_at(place, at);
		uint64_t distance = (other >> EXPONENT) - exponent + EXPONENTS_NEAR;
		longs += at != 0 && is_number(other) ? 1 : 0;
		doubles += at != 0 && exponent != 0 && distance <= 2 * EXPONENTS_NEAR ? 1 : 0;
	}
	return words == WORDS || longs == LONGS || doubles == LONGS;
}
