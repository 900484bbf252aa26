/*
 * Rules that say which system calls must stop the target. A rule is a range of
 * numbers and conditions on the arguments that all must hold; of several rules
 * for a call one is enough. filter.h makes a seccomp filter of them, and
 * call_rules_fit() decides the same where there is none.
 */
#ifndef TRACER_POINTS_CALL_RULES_H
#define TRACER_POINTS_CALL_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

enum { CALL_ARGUMENTS = 6, CALL_CONDITIONS_MAX = 20 };

/* Of the low half of an argument: what is wider than an int is compared by no rule. */
struct call_condition {
	uint8_t argument;
	bool differs; /* (argument & mask) != value, else == */
	uint32_t mask, value;
};

struct call_rule {
	uint32_t first, last; /* numbers, both included */
	bool is_missing;      /* the filter answers it with ENOSYS, and it stops nothing */
	uint8_t condition_count;
	struct call_condition condition[CALL_CONDITIONS_MAX];
};

struct call_rules {
	struct call_rule *rule;
	size_t count;
};

/* A call as it is about to be made. */
struct call {
	long number;
	uint64_t argument[CALL_ARGUMENTS];
};
struct call call_of(const struct user_regs_struct *registers);

/* All calls of a range, on no condition. Returns the rule, to which conditions may be added until the next
 * one is; ends snaptrace when there is no memory. */
struct call_rule *call_rules_add(struct call_rules *rules, uint32_t first, uint32_t last);
void call_rule_when(struct call_rule *rule, unsigned argument, uint32_t mask, uint32_t value);
void call_rule_unless(struct call_rule *rule, unsigned argument, uint32_t mask, uint32_t value);
/* Adds what `from` has. */
void call_rules_join(struct call_rules *rules, const struct call_rules *from);
void call_rules_free(struct call_rules *rules);

bool call_rule_fits(const struct call_rule *rule, const struct call *call);
bool call_rules_fit(const struct call_rules *rules, const struct call *call);

#endif
