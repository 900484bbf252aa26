/* The parent's ID as shells keep it from their beginning, asked for or not: it is made right at each start.
 */
#include <inttypes.h>
#include <string.h>

#include "tracer/capture/identity/look.h"
#include "tracer/ptrace/memory.h"

static const char name[] = "PPID=";

/* Zero bytes come after it, up to where the longest ID would end: malloc(3)'s pieces have at least that. */
static bool has_room(pid_t pid, uint64_t address, size_t length)
{
	char text[SNAPIMG_PARENT_ROOM + 1];

	if (tracee_read(pid, address, text, sizeof(text)) < 0)
		return false;
	for (size_t i = length; i < sizeof(text); i++)
		if (text[i] != '\0')
			return false;
	return true;
}

/* Of dash and busybox: name and value are one text. */
static bool is_named(pid_t pid, uint64_t address)
{
	char before[sizeof(name) - 1];

	return tracee_read(pid, address - sizeof(before), before, sizeof(before)) == 0 &&
	       memcmp(before, name, sizeof(before)) == 0;
}

static bool is_of_bash(const struct kept_id *id)
{
	static const char bash[] = "/bash";
	size_t length = id->where ? strlen(id->where) : 0;

	return id->record.corrected && length >= sizeof(bash) - 1 &&
	       strcmp(id->where + length - (sizeof(bash) - 1), bash) == 0;
}

/* bash keeps the value as a text of its own. Whoever expands it makes another. */
static bool is_only_text_of_bash(const struct kept_ids *kept)
{
	size_t texts = 0;
	bool has_bash = false;

	for (size_t i = 0; i < kept->count; i++) {
		texts += kept->id[i].record.kind == SNAPIMG_KEPT_PARENT_TEXT ? 1 : 0;
		has_bash = has_bash || is_of_bash(&kept->id[i]);
	}
	return texts == 1 && has_bash;
}

/* On its stack such a shell has what the C library left there when it wrote the number. */
static bool is_left_over(const struct kept_id *id)
{
	return (id->record.kind == SNAPIMG_KEPT_PARENT_TEXT || id->record.kind == SNAPIMG_KEPT_PARENT_NAME) &&
	       strcmp(id->where, "[stack]") == 0;
}

static void forget_left_over(struct kept_ids *kept)
{
	size_t count = 0;

	for (size_t i = 0; i < kept->count; i++)
		if (!is_left_over(&kept->id[i]))
			kept->id[count++] = kept->id[i];
	kept->uncorrected -= kept->count - count;
	kept->count = count;
}

void kept_know_parents_variable(const struct look *look)
{
	const pid_t pid = look->threads->stopped->thread[0].tid;
	const bool is_bash = is_only_text_of_bash(look->kept);
	bool is_known = false;

	for (size_t i = 0; i < look->kept->count; i++) {
		struct kept_id *id = &look->kept->id[i];
		if (id->record.kind != SNAPIMG_KEPT_PARENT_TEXT ||
		    !(is_bash || is_named(pid, id->record.address)) ||
		    !has_room(pid, id->record.address, look->search->parents.length))
			continue;
		id->record.corrected = 1;
		id->what = "a shell's $PPID";
		look->kept->uncorrected--;
		is_known = true;
		explain("known: ID of the parent at 0x%" PRIx64 ", %s", id->record.address, id->what);
	}
	if (is_known)
		forget_left_over(look->kept);
}
