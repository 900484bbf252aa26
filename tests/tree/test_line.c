/* The pure parts of the log and of the watching of calls: quoting, durations, and that a filter and its rules
 * agree. */
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "format/base/duration.h"
#include "format/base/line.h"
#include "tracer/points/filter.h"

static const struct {
	const char *bytes, *quoted, *json;
} words[] = {
        {"ls", "ls", "\"ls\""},
        {"", "''", "\"\""},
        {"a b", "'a b'", "\"a b\""},
        {"it's", "'it'\\''s'", "\"it's\""},
        {"$HOME\"", "'$HOME\"'", "\"$HOME\\\"\""},
        {"~", "'~'", "\"~\""},
        {"a=b", "'a=b'", "\"a=b\""},
        {"back\\slash", "'back\\slash'", "\"back\\\\slash\""},
        {"two\nlines", "$'two\\nlines'", "\"two\\u000alines\""},
        {"tab\t'", "$'tab\\t\\''", "\"tab\\u0009'\""},
        {"\x7f", "$'\\177'", "\"\\u007f\""},
        {"\xc3\xbc", "'\xc3\xbc'", "\"\xc3\xbc\""},
        {"\xc2\x9b", "$'\\302\\233'", "\"\\u009b\""}, /* a terminal's CSI */
        {"\xff", "$'\\377'", "\"\\udcff\""},
        {"\xed\xa0\x80", "$'\\355\\240\\200'", "\"\\udced\\udca0\\udc80\""}, /* a surrogate is no UTF-8 */
        {"\xe2\x9c", "$'\\342\\234'", "\"\\udce2\\udc9c\""},                 /* cut */
        {"\xc0\xaf", "$'\\300\\257'", "\"\\udcc0\\udcaf\""},                 /* too long a form */
        {"\xf0\x9f\x8c\x8d", "'\xf0\x9f\x8c\x8d'", "\"\xf0\x9f\x8c\x8d\""},
};

static void check_word(void (*add)(struct line *, const char *, size_t), const char *bytes,
                       const char *wanted)
{
	struct line line = {0};

	add(&line, bytes, strlen(bytes));
	line_add(&line, "", 1);
	CHECK(!line.failed && strcmp(line.bytes, wanted) == 0);
	line_free(&line);
}

static void test_words(void)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		printf("%s\n", words[i].quoted);
		check_word(line_quoted, words[i].bytes, words[i].quoted);
		check_word(line_json, words[i].bytes, words[i].json);
	}
}

static void test_durations(void)
{
	static const char *const bad[] = {"",    "s",   "-1",  "1x",        "1 s", "0x10",
	                                  "inf", "nan", "1e3", "99999999h", ".5"};
	double seconds = -1;

	CHECK(duration_parse("0", &seconds) && !(seconds > 0) && !(seconds < 0));
	CHECK(duration_parse("250ms", &seconds) && seconds > 0.2499 && seconds < 0.2501);
	CHECK(duration_parse("1.5s", &seconds) && seconds > 1.4999 && seconds < 1.5001);
	CHECK(duration_parse("2m", &seconds) && seconds > 119.9 && seconds < 120.1);
	CHECK(duration_parse("1h", &seconds) && seconds > 3599.9 && seconds < 3600.1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		CHECK(!duration_parse(bad[i], &seconds));
}

/* The part of classic BPF that a filter uses (linux/filter.h): what it returns for a call. */
static uint32_t run(const struct filter *filter, const struct seccomp_data *data)
{
	uint32_t accumulator = 0;

	for (unsigned at = 0; at < filter->length; at++) {
		const struct sock_filter *it = &filter->code[at];

		switch (it->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			CHECK(it->k % 4 == 0 && it->k + 4 <= sizeof(*data));
			memcpy(&accumulator, (const char *)data + it->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			accumulator &= it->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += accumulator == it->k ? it->jt : it->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += accumulator >= it->k ? it->jt : it->jf;
			break;
		case BPF_JMP | BPF_JA:
			at += it->k;
			break;
		case BPF_RET | BPF_K:
			return it->k;
		default:
			CHECK(it->code == BPF_RET); /* no other instruction is there */
		}
	}
	CHECK(filter->length == 0); /* it ends before its end */
	return 0;
}

static void add_random_rules(struct call_rules *rules)
{
	for (int count = rand() % 40; count >= 0; count--) {
		uint32_t first = (uint32_t)rand() % 60;
		struct call_rule *rule = call_rules_add(rules, first, first + (uint32_t)rand() % 4);

		for (int i = rand() % 4; i > 0; i--) {
			uint32_t mask = rand() % 2 ? UINT32_MAX : (uint32_t)rand() % 8;
			uint32_t value = (uint32_t)rand() % 4 & mask;

			(rand() % 2 ? call_rule_when : call_rule_unless)(rule, (unsigned)rand() % 6, mask,
			                                                 value);
		}
	}
}

static void check_agreement(const struct call_rules *rules, const struct filter *filter)
{
	struct seccomp_data data = {.nr = rand() % 70, .arch = AUDIT_ARCH_X86_64};
	struct call call = {.number = data.nr};

	for (int i = 0; i < 6; i++)
		data.args[i] = call.argument[i] = (uint64_t)(rand() % 5) | (uint64_t)(rand() % 2) << 32;
	CHECK((run(filter, &data) == SECCOMP_RET_TRACE) == call_rules_fit(rules, &call));
	data.arch = AUDIT_ARCH_I386;
	CHECK(run(filter, &data) == SECCOMP_RET_ALLOW);
}

static void test_filters(void)
{
	srand(7);
	for (int round = 0; round < 300; round++) {
		struct call_rules rules = {0};
		struct filter filter;

		add_random_rules(&rules);
		CHECK(filter_make(&rules, &filter) == STATUS_OK);
		for (int i = 0; i < 300; i++)
			check_agreement(&rules, &filter);
		filter_free(&filter);
		call_rules_free(&rules);
	}
}

int main(void)
{
	test_words();
	test_durations();
	test_filters();
	return 0;
}
