#include "tracer/points/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { X32_BIT = 0x40000000 }; /* __X32_SYSCALL_BIT: an x32 call has the audit architecture of x86-64 */

/* Between two of them every call's number meets the same rules. */
struct boundaries {
	uint32_t *start; /* sorted, the first is 0 */
	size_t count;
};

static void put(struct filter *filter, struct sock_filter instruction)
{
	if (filter->length < filter->room)
		filter->code[filter->length] = instruction;
	if (filter->length <= filter->room)
		filter->length++;
}

#define STATEMENT(code, k)     ((struct sock_filter)BPF_STMT((unsigned short)(code), (k)))
#define JUMP(code, k, yes, no) ((struct sock_filter)BPF_JUMP((unsigned short)(code), (k), (yes), (no)))
#define LOAD(offset)           STATEMENT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define RETURN(what)           STATEMENT(BPF_RET | BPF_K, (what))

/* How many instructions skip_unless() and its like take. */
static unsigned length_of(const struct call_rule *rule)
{
	unsigned length = 1; /* the return */

	for (unsigned i = 0; i < rule->condition_count; i++)
		length += rule->condition[i].mask == UINT32_MAX ? 2 : 3;
	return length;
}

/* Returns from the filter if the conditions hold, else goes on after it. */
static void put_rule(struct filter *filter, const struct call_rule *rule)
{
	unsigned end = filter->length + length_of(rule);

	for (unsigned i = 0; i < rule->condition_count; i++) {
		const struct call_condition *condition = &rule->condition[i];

		put(filter, LOAD(offsetof(struct seccomp_data, args) +
		                 condition->argument * sizeof(uint64_t))); /* little-endian: the low half */
		if (condition->mask != UINT32_MAX)
			put(filter, STATEMENT(BPF_ALU | BPF_AND | BPF_K, condition->mask));
		uint8_t away = (uint8_t)(end - filter->length - 1U);
		put(filter, condition->differs ? JUMP(BPF_JMP | BPF_JEQ | BPF_K, condition->value, away, 0)
		                               : JUMP(BPF_JMP | BPF_JEQ | BPF_K, condition->value, 0, away));
	}
	put(filter, RETURN(rule->is_missing ? SECCOMP_RET_ERRNO | ENOSYS : SECCOMP_RET_TRACE));
}

static void put_rules_of(struct filter *filter, const struct call_rules *rules, uint32_t number)
{
	for (size_t i = 0; i < rules->count; i++)
		if (number >= rules->rule[i].first && number <= rules->rule[i].last) {
			put_rule(filter, &rules->rule[i]);
			if (rules->rule[i].condition_count == 0)
				return; /* nothing comes after it */
		}
	put(filter, RETURN(SECCOMP_RET_ALLOW));
}

/* The accumulator holds the number; [first, last] are boundaries that it lies between. */
static void put_search(struct filter *filter, const struct call_rules *rules,
                       const struct boundaries *boundaries, size_t first, size_t last)
{
	size_t middle = first + (last - first + 1) / 2;
	unsigned jump;

	if (first == last) {
		put_rules_of(filter, rules, boundaries->start[first]);
		return;
	}
	put(filter, JUMP(BPF_JMP | BPF_JGE | BPF_K, boundaries->start[middle], 0, 1));
	jump = filter->length;
	put(filter, STATEMENT(BPF_JMP | BPF_JA, 0)); /* a conditional jump reaches 255 instructions only */
	put_search(filter, rules, boundaries, first, middle - 1);
	if (filter->length <= filter->room)
		filter->code[jump].k = filter->length - jump - 1U;
	put_search(filter, rules, boundaries, middle, last);
}

static int by_number(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static struct boundaries find_boundaries(const struct call_rules *rules)
{
	struct boundaries found = {.start = calloc(2 * rules->count + 1, sizeof(uint32_t)), .count = 1};
	size_t kept = 0;

	if (!found.start)
		return found;
	for (size_t i = 0; i < rules->count; i++) {
		found.start[found.count++] = rules->rule[i].first;
		found.start[found.count++] = rules->rule[i].last + 1; /* 0 for the last number: it is there */
	}
	qsort(found.start, found.count, sizeof(uint32_t), by_number);
	for (size_t i = 1; i < found.count; i++)
		if (found.start[i] != found.start[kept])
			found.start[++kept] = found.start[i];
	found.count = kept + 1;
	return found;
}

enum status filter_make(const struct call_rules *rules, struct filter *ret_filter)
{
	struct boundaries boundaries = find_boundaries(rules);
	struct filter filter = {.room = BPF_MAXINSNS};

	filter.code = calloc(filter.room, sizeof(*filter.code));
	if (!filter.code || !boundaries.start) {
		free(filter.code);
		free(boundaries.start);
		return fail(STATUS_FAILED, "out of memory");
	}
	put(&filter, LOAD(offsetof(struct seccomp_data, arch)));
	put(&filter, JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	put(&filter, RETURN(SECCOMP_RET_ALLOW));
	put(&filter, LOAD(offsetof(struct seccomp_data, nr)));
	put(&filter, JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
	put(&filter, RETURN(SECCOMP_RET_ALLOW));
	put_search(&filter, rules, &boundaries, 0, boundaries.count - 1);
	free(boundaries.start);
	if (filter.length > filter.room) {
		filter_free(&filter);
		return fail(STATUS_FAILED, "more points than a seccomp filter has room for: give fewer");
	}
	*ret_filter = filter;
	return STATUS_OK;
}

void filter_free(struct filter *filter)
{
	free(filter->code);
	*filter = (struct filter){0};
}

int filter_install(const struct filter *filter, bool *ret_no_new_privs)
{
	struct sock_fprog program = {.len = filter->length, .filter = filter->code};

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
