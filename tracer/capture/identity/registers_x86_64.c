/* The registers of the program's threads. */
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "tracer/capture/identity/look.h"
#include "tracer/capture/identity/module.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/system_calls.h"

/* Whether the code that a thread stands in is a C library's, by which nearly all calls are made. */
bool is_in_c_library(const struct look *look, size_t thread)
{
	static const char *const libraries[] = {"libc.so", "libc-2", "libpthread", "ld-musl", "libsnap"};
	const char *module = module_of_code(look->mappings, look->threads->thread[thread].registers.rip);
	const char *name = module ? strrchr(module, '/') : NULL;

	for (size_t i = 0; name && i < sizeof(libraries) / sizeof(*libraries); i++)
		if (strncmp(name + 1, libraries[i], strlen(libraries[i])) == 0)
			return true;
	return false;
}

/* What a register's value outlives, by the kernel's convention for system calls and that of functions. */
enum outlives {
	OUTLIVES_NOTHING, /* the kernel itself overwrites it in each call */
	OUTLIVES_CALL, /* but not the function that makes it; or it tells the kernel what the call is about */
	OUTLIVES_FUNCTION,
};

static enum outlives outlives(size_t index)
{
	static const uint8_t what[sizeof(struct snapimg_registers) / sizeof(uint64_t)] = {
#define AT(name, what) [offsetof(struct snapimg_registers, name) / sizeof(uint64_t)] = (what)
	        AT(rbx, OUTLIVES_FUNCTION), AT(rbp, OUTLIVES_FUNCTION), AT(r12, OUTLIVES_FUNCTION),
	        AT(r13, OUTLIVES_FUNCTION), AT(r14, OUTLIVES_FUNCTION), AT(r15, OUTLIVES_FUNCTION),
	        AT(rdi, OUTLIVES_CALL),     AT(rsi, OUTLIVES_CALL),     AT(rdx, OUTLIVES_CALL),
	        AT(r10, OUTLIVES_CALL),     AT(r8, OUTLIVES_CALL),      AT(r9, OUTLIVES_CALL),
#undef AT
	};

	return (enum outlives)what[index];
}

/* On a system call instruction: a point is there, and the call is made when the program goes on. */
static bool is_before_call(const struct look *look, size_t thread)
{
	static const uint8_t instruction[] = {0x0f, 0x05};
	uint8_t code[sizeof(instruction)];

	return tracee_read(look->threads->stopped->thread[0].tid, look->threads->thread[thread].registers.rip,
	                   code, sizeof(code)) == 0 &&
	       memcmp(code, instruction, sizeof(code)) == 0;
}

/* It is about files and the like: an ID in what would be its arguments is there by accident. */
static bool takes_no_id(uint64_t call)
{
	static const int others[] = {SYS_read,     SYS_readv,   SYS_write,   SYS_writev,  SYS_pread64,
	                             SYS_pwrite64, SYS_bind,    SYS_listen,  SYS_connect, SYS_accept,
	                             SYS_accept4,  SYS_socket,  SYS_lseek,   SYS_fsync,   SYS_getcwd,
	                             SYS_sendto,   SYS_sendmsg, SYS_recvfrom};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (call == (uint64_t)others[i])
			return true;
	return system_call_path_mask((long)call) != 0;
}

/* What others hold is nobody's, or is set for the call that is made again. */
static enum outlives least_in_use(const struct look *look, size_t thread)
{
	if (look->threads->call[thread])
		return OUTLIVES_FUNCTION;
	if (!is_before_call(look, thread))
		return OUTLIVES_NOTHING;
	bool is_lost =
	        is_in_c_library(look, thread) && takes_no_id(look->threads->thread[thread].registers.rax);
	return is_lost ? OUTLIVES_FUNCTION : OUTLIVES_CALL;
}

/* pthread_join(3) waits at the other thread's cleared ID, and when that is another number it reads it again.
 */
static bool awaits_end_of(const struct threads *threads, size_t thread, int owner)
{
	const char *call = threads->call[thread];

	return call && strcmp(call, "futex") == 0 &&
	       threads->thread[thread].registers.rdi == threads->thread[owner].tid_address;
}

/* Those that hold an ID and nothing more. */
static enum status look_at_registers_of(const struct look *look, size_t thread)
{
	uint64_t value[sizeof(struct snapimg_registers) / sizeof(uint64_t)];
	enum status status = STATUS_OK;
	enum outlives least = least_in_use(look, thread);

	memcpy(value, &look->threads->thread[thread].registers, sizeof(value));
	for (size_t i = 0; i < sizeof(value) / sizeof(*value) && status == STATUS_OK; i++) {
		int owner = value[i] >> 32 ? -1 : id_search_owner(look->search, (uint32_t)value[i]);
		uint64_t address = thread * sizeof(struct snapimg_thread) + i * sizeof(*value);
		if (look->search->parent != 0 && value[i] == look->search->parent && outlives(i) >= least) {
			look->kept->uncorrected++;
			status = kept_add(look->kept,
			                  (struct kept_id){.record = {.kind = SNAPIMG_KEPT_PARENT_REGISTER,
			                                              .address = address},
			                                   .where = "a register"});
		}
		if (owner < 0 || outlives(i) < least || awaits_end_of(look->threads, thread, owner))
			continue;
		look->kept->uncorrected++;
		status = kept_add(look->kept, (struct kept_id){.record = {.kind = SNAPIMG_KEPT_REGISTER,
		                                                          .address = address,
		                                                          .thread = (uint32_t)owner},
		                                               .where = "a register"});
	}
	return status;
}

/* No function keeps a vector register for its caller (System V ABI, x86-64, 3.2.1), so who stands in the C
 * library has nothing left in one. A number as a language writes it, too. */
static int owner_in_vector(const struct look *look, const uint8_t *at)
{
	uint32_t word;
	uint64_t whole;

	memcpy(&word, at, sizeof(word));
	memcpy(&whole, at, sizeof(whole));
	return whole == look->search->form[SNAPIMG_FORM_DOUBLE] ? 0 : id_search_owner(look->search, word);
}

static enum status look_at_vectors_of(const struct look *look, size_t thread)
{
	enum { LEGACY_BEGIN = 32, LEGACY_END = 416, BEGIN = SNAPIMG_XSTATE_MIN };
	const uint8_t *xstate = look->threads->xstate + thread * XSTATE_ROOM;
	enum status status = STATUS_OK;

	if (is_in_c_library(look, thread))
		return STATUS_OK;
	for (size_t at = LEGACY_BEGIN; at < look->threads->xstate_size && status == STATUS_OK;
	     at += sizeof(uint32_t)) {
		int owner = at >= LEGACY_END && at < BEGIN ? -1 : owner_in_vector(look, xstate + at);
		if (owner < 0)
			continue;
		look->kept->uncorrected++;
		status = kept_add(look->kept, (struct kept_id){.record = {.kind = SNAPIMG_KEPT_VECTOR,
		                                                          .thread = (uint32_t)owner},
		                                               .where = "a register"});
	}
	return status;
}

enum status kept_look_at_registers(const struct look *look)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < look->threads->count && status == STATUS_OK; i++)
		if ((status = look_at_registers_of(look, i)) == STATUS_OK)
			status = look_at_vectors_of(look, i);
	return status;
}
