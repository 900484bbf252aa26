#include "tracer/follow/environment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "format/base/array.h"
#include "preload/contract.h"
#include "tracer/ptrace/memory.h"

/* argc, argv, NULL, envp, NULL, auxv: what the kernel leaves at rsp (System V ABI, x86-64, 3.4.1). */
struct first_stack {
	uint64_t address;
	uint64_t *words;
	size_t count;       /* of words, with the AT_NULL entry */
	size_t environment; /* index of envp[0] */
	size_t variables;
	size_t preload; /* index of the first LD_PRELOAD, or 0 */
};

static enum status failed(const struct tracee *tracee, const char *what)
{
	return fail(STATUS_FAILED, "process %d: the environment of a new program can't be %s: %s",
	            tracee->tid, what, strerror(errno));
}

/* False while the end isn't among the words. */
static bool parse(struct first_stack *stack, size_t count)
{
	const uint64_t *words = stack->words;
	size_t i = words[0] + 2;

	if (words[0] > count || i >= count)
		return false;
	stack->environment = i;
	while (i < count && words[i])
		i++;
	stack->variables = i - stack->environment;
	for (i++; i + 1 < count; i += 2)
		if (words[i] == 0) {
			stack->count = i + 2;
			return true;
		}
	return false;
}

/* Nobody tells its size: reads twice as much until the end is found, but never beyond the stack. */
static enum status read_stack(const struct tracee *tracee, uint64_t stack_top, struct first_stack *ret_stack)
{
	struct user_regs_struct registers;
	struct first_stack stack = {0};
	size_t room, allocated = 0;

	if (ptrace(PTRACE_GETREGS, tracee->tid, 0, &registers) < 0)
		return failed(tracee, "read");
	stack.address = registers.rsp;
	room = (stack_top - stack.address) / sizeof(uint64_t);
	for (size_t count = 512;; count *= 2) {
		uint64_t *larger;

		if (count > room)
			count = room;
		errno = ENOMEM;
		if (count < 4 ||
		    !(larger = array_reserve(stack.words, 0, count, &allocated, sizeof(*larger))))
			break;
		stack.words = larger;
		if (tracee_read(tracee->tid, stack.address, stack.words, count * sizeof(uint64_t)) < 0)
			break;
		if (parse(&stack, count)) {
			*ret_stack = stack;
			return STATUS_OK;
		}
		errno = EINVAL;
		if (count == room)
			break;
	}
	free(stack.words);
	return failed(tracee, "read");
}

static const char preload_name[] = "LD_PRELOAD=";
enum { PRELOAD_LENGTH = sizeof(preload_name) - 1, STRING_MAX = 128 * 1024 /* MAX_ARG_STRLEN, binfmts.h */ };

/* Whether a string of the target begins with preload_name. It may be the last before an unmapped page. */
static bool is_preload(const struct tracee *tracee, uint64_t address)
{
	char head[PRELOAD_LENGTH];

	return tracee_read_string(tracee->tid, address, head, sizeof(head)) < 0 && errno == ENAMETOOLONG &&
	       memcmp(head, preload_name, sizeof(head)) == 0;
}

/* The last LD_PRELOAD's value, for the caller to free; "" when there is none; NULL with errno. */
static char *read_preload(const struct tracee *tracee, struct first_stack *stack)
{
	uint64_t address = 0;
	char *text;

	for (size_t i = stack->environment + stack->variables; i-- > stack->environment;)
		if (is_preload(tracee, stack->words[i])) {
			stack->preload = i;
			if (!address)
				address = stack->words[i];
		}
	if (!address)
		return calloc(1, 1);
	if ((text = malloc(STRING_MAX)) &&
	    tracee_read_string(tracee->tid, address + PRELOAD_LENGTH, text, STRING_MAX) < 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* "LD_PRELOAD=...", NUL, "SNAP_SHIM=...", NUL. Returns the size, or -1. *ret_second is the second's offset.
 */
static int build_strings(const struct tracee *tracee, struct first_stack *stack, const char *shim,
                         unsigned flags, char **ret_strings, size_t *ret_second)
{
	char *before = read_preload(tracee, stack);
	int size;

	if (!before)
		return -1;
	size = asprintf(ret_strings, "%s%s%s%s%c%s=%d:%u:%" PRIx64, preload_name, shim, *before ? ":" : "",
	                before, '\0', SNAP_SHIM_VARIABLE, SNAP_CONTRACT_VERSION, flags,
	                stack->preload ? stack->words[stack->preload] : 0);
	free(before);
	if (size < 0)
		return -1;
	*ret_second = strlen(*ret_strings) + 1;
	return size + 1;
}

/*
 * The words move down to make room for two more and, after them, for the strings:
 *   before:  [words]............  after:  [words, two more][strings]
 * so that all that the kernel put above (the other strings, AT_RANDOM's bytes) stays where it is.
 */
static enum status write_stack(const struct tracee *tracee, const struct first_stack *stack,
                               const char *strings, size_t strings_size, size_t second)
{
	uint64_t end = stack->address + stack->count * sizeof(uint64_t);
	uint64_t text = end - strings_size;
	uint64_t start = (text - (stack->count + 2) * sizeof(uint64_t)) & ~(uint64_t)15;
	size_t head = stack->environment + stack->variables;
	struct user_regs_struct registers;
	uint8_t *block = calloc(1, end - start);
	uint64_t *words = (uint64_t *)(void *)block;
	int result = -1;

	if (block) {
		memcpy(words, stack->words, head * sizeof(uint64_t));
		if (stack->preload)
			words[stack->preload] = text;
		words[head] = text;
		words[head + 1] = text + second;
		memcpy(words + head + 2, stack->words + head, (stack->count - head) * sizeof(uint64_t));
		memcpy(block + (text - start), strings, strings_size);
		result = tracee_write(tracee->tid, start, block, end - start);
	}
	free(block);
	if (result < 0 || ptrace(PTRACE_GETREGS, tracee->tid, 0, &registers) < 0)
		return failed(tracee, "written");
	registers.rsp = start;
	return ptrace(PTRACE_SETREGS, tracee->tid, 0, &registers) < 0 ? failed(tracee, "written") : STATUS_OK;
}

enum status environment_add_shim(const struct tracee *tracee, const char *shim, unsigned flags,
                                 uint64_t stack_top)
{
	struct first_stack stack = {0};
	char *strings = NULL;
	size_t second;
	enum status status = read_stack(tracee, stack_top, &stack);
	int size;

	if (status != STATUS_OK)
		return status;
	size = build_strings(tracee, &stack, shim, flags, &strings, &second);
	status = size < 0 ? failed(tracee, "read")
	                  : write_stack(tracee, &stack, strings, (size_t)size, second);
	free(strings);
	free(stack.words);
	return status;
}
