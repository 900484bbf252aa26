#include "tracer/points/call_rules.h"

#include <stdio.h>
#include <stdlib.h>

#include "format/base/array.h"

struct call call_of(const struct user_regs_struct *registers)
{
	return (struct call){.number = (long)registers->orig_rax,
	                     .argument = {registers->rdi, registers->rsi, registers->rdx, registers->r10,
	                                  registers->r8, registers->r9}};
}

struct call_rule *call_rules_add(struct call_rules *rules, uint32_t first, uint32_t last)
{
	struct call_rule *rule = array_add(rules->rule, rules->count);

	if (!rule) { /* before anything runs */
		fputs("snaptrace: out of memory\n", stderr);
		exit(125);
	}
	*rule = (struct call_rule){.first = first, .last = last};
	return rule;
}

static void add_condition(struct call_rule *rule, struct call_condition condition)
{
	if (rule->condition_count == CALL_CONDITIONS_MAX)
		abort(); /* the tables are known when this is built */
	rule->condition[rule->condition_count++] = condition;
}

void call_rule_when(struct call_rule *rule, unsigned argument, uint32_t mask, uint32_t value)
{
	add_condition(rule,
	              (struct call_condition){.argument = (uint8_t)argument, .mask = mask, .value = value});
}

void call_rule_unless(struct call_rule *rule, unsigned argument, uint32_t mask, uint32_t value)
{
	add_condition(rule,
	              (struct call_condition){
	                      .argument = (uint8_t)argument, .differs = true, .mask = mask, .value = value});
}

void call_rules_join(struct call_rules *rules, const struct call_rules *from)
{
	for (size_t i = 0; i < from->count; i++)
		*call_rules_add(rules, 0, 0) = from->rule[i];
}

void call_rules_free(struct call_rules *rules)
{
	free(rules->rule);
	*rules = (struct call_rules){0};
}

bool call_rule_fits(const struct call_rule *rule, const struct call *call)
{
	if (call->number < (long)rule->first || call->number > (long)rule->last)
		return false;
	for (unsigned i = 0; i < rule->condition_count; i++) {
		const struct call_condition *condition = &rule->condition[i];
		uint32_t low = (uint32_t)call->argument[condition->argument];

		if (((low & condition->mask) == condition->value) == condition->differs)
			return false;
	}
	return true;
}

bool call_rules_fit(const struct call_rules *rules, const struct call *call)
{
	for (size_t i = 0; i < rules->count; i++)
		if (call_rule_fits(&rules->rule[i], call))
			return true;
	return false;
}
