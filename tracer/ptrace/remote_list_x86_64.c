#include "tracer/ptrace/remote_list_x86_64.h"

#include <assert.h>
#include <string.h>

#include "tracer/ptrace/memory.h"

struct listed_call {
	uint64_t number, argument[6];
	int64_t answer;
};
static_assert(sizeof(struct listed_call) == 64, "the code counts in this size");

__asm__(".pushsection .rodata\n"
        ".globl list_code, list_code_end\n"
        ".hidden list_code, list_code_end\n"
        "list_code:\n"
        "	mov 0(%r12), %rax\n"
        "	mov 8(%r12), %rdi\n"
        "	mov 16(%r12), %rsi\n"
        "	mov 24(%r12), %rdx\n"
        "	mov 32(%r12), %r10\n"
        "	mov 40(%r12), %r8\n"
        "	mov 48(%r12), %r9\n"
        "	syscall\n"
        "	mov %rax, 56(%r12)\n"
        "	add $64, %r12\n"
        "	dec %r13\n"
        "	jnz list_code\n"
        "	int3\n"
        "list_code_end:\n"
        ".popsection\n");

int list_write(pid_t tid, uint64_t list, const struct remote_ask *ask, size_t count)
{
	struct listed_call call[REMOTE_ASKS_MAX] = {0};

	for (size_t i = 0; i < count; i++) {
		call[i].number = (uint64_t)ask[i].number;
		memcpy(call[i].argument, ask[i].argument, sizeof(ask[i].argument));
	}
	return tracee_write(tid, list, call, count * sizeof(*call));
}

int list_read(pid_t tid, uint64_t list, struct remote_ask *ask, size_t count)
{
	struct listed_call call[REMOTE_ASKS_MAX];

	if (tracee_read(tid, list, call, count * sizeof(*call)) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		ask[i].answer = call[i].answer;
	return 0;
}

void list_begin(struct user_regs_struct *registers, uint64_t code, uint64_t list, size_t count)
{
	registers->rip = code;
	registers->orig_rax = (uint64_t)-1; /* or the kernel would rewind rip for a call to be restarted */
	registers->r12 = list;
	registers->r13 = count;
}
