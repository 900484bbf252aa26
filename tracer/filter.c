#include "filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { X32_BIT = 0x40000000 }; /* __X32_SYSCALL_BIT: an x32 call has the audit architecture of x86-64 */

static void put(struct filter *filter, struct sock_filter instruction)
{
	if (filter->length == FILTER_MAX)
		abort(); /* the points' tables are known when this is built */
	filter->code[filter->length++] = instruction;
}

#define STATEMENT(code, k)     ((struct sock_filter)BPF_STMT((unsigned short)(code), (k)))
#define JUMP(code, k, yes, no) ((struct sock_filter)BPF_JUMP((unsigned short)(code), (k), (yes), (no)))
#define LOAD(field)            STATEMENT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))

void filter_begin(struct filter *filter)
{
	filter->length = 0;
	put(filter, LOAD(arch));
	put(filter, JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	put(filter, STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	put(filter, LOAD(nr));
	put(filter, JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
	put(filter, STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

/* The accumulator holds the call's number between two rules. */
void filter_trace(struct filter *filter, int number)
{
	put(filter, JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1));
	put(filter, STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
}

/* prctl's option is an int: the kernel looks at the low half of the register only, and so does this. */
void filter_trace_prctl(struct filter *filter, uint32_t option)
{
	put(filter, JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 4));
	put(filter, LOAD(args[0]));
	put(filter, JUMP(BPF_JMP | BPF_JEQ | BPF_K, option, 0, 1));
	put(filter, STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
	put(filter, LOAD(nr));
}

void filter_end(struct filter *filter)
{
	put(filter, STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

int filter_install(const struct filter *filter, bool *ret_no_new_privs)
{
	struct sock_filter code[FILTER_MAX];
	struct sock_fprog program = {.len = filter->length, .filter = code};

	for (unsigned i = 0; i < filter->length; i++)
		code[i] = filter->code[i];
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0) {
		*ret_no_new_privs = false;
		return 0;
	}
	if (errno != EACCES || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return -1;
	*ret_no_new_privs = true;
	return 0;
}
