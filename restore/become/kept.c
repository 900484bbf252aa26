/*
 * What the program has kept of its own IDs, in a process where they are others: numbers and texts that are
 * IDs are written over, as far as they can be.
 */
#include "restore/become/kept.h"

#include "format/facts/id_forms.h"
#include "restore/base/memory.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/become/identity.h"
#include "restore/become/threads_x86_64.h"
#include "restore/loader.h"

static const char self[] = "self";

static uint32_t digits_of(uint32_t number)
{
	uint32_t digits = 1;
	for (; number >= 10; number /= 10)
		digits++;
	return digits;
}

/* The kinds of KEPT: what is in the way of new IDs, and whether that can be written over. */
static bool is_in_the_way(const struct snapimg_kept *kept)
{
	return kept->kind != SNAPIMG_KEPT_SEED && kept->kind != SNAPIMG_KEPT_SEARCHED &&
	       kept->kind != SNAPIMG_KEPT_EXECUTABLE && kept->kind != SNAPIMG_KEPT_PARENT && !kept->corrected;
}

static bool can_be_corrected(const struct snapimg_kept *kept)
{
	uint32_t room = digits_of(snapimg_get_thread(&loader.image)[kept->thread].tid);
	if (kept->kind == SNAPIMG_KEPT_NAME) /* nothing depends on it */
		return true;
	if (kept->kind == SNAPIMG_KEPT_TAGGED)
		return kept->thread == 0 && process_can_write(kept->address, sizeof(uint64_t));
	if (kept->kind == SNAPIMG_KEPT_PATH || kept->kind == SNAPIMG_KEPT_TEXT)
		return kept->thread == 0 && process_can_write(kept->address, room) &&
		       (kept->kind == SNAPIMG_KEPT_PATH ? room >= sizeof self - 1
		                                        : digits_of(loader.tid) <= room);
	if (kept->kind == SNAPIMG_KEPT_PARENT_REGISTER)
		return true;
	uint32_t holder = (uint32_t)(kept->address / sizeof(struct snapimg_thread));
	if (kept->kind ==
	    SNAPIMG_KEPT_REGISTER) /* only the first one's frame is written when all have theirs */
		return kept->thread == 0 || kept->thread == holder || holder == 0;
	return (kept->kind == SNAPIMG_KEPT_WORD || kept->kind == SNAPIMG_KEPT_CLOCK ||
	        kept->kind == SNAPIMG_KEPT_PARENT_WORD) &&
	       process_can_write(kept->address, sizeof(uint32_t));
}

static const struct snapimg_kept *find(enum snapimg_kept_kind kind)
{
	const struct snapimg_kept *kept = snapimg_get_kept(&loader.image);
	for (uint32_t i = 0; i < snapimg_kept_count(&loader.image); i++)
		if (kept[i].kind == kind)
			return &kept[i];
	return NULL;
}

/* A number that is all over the memory is mostly something else. */
static bool is_common(void)
{
	return find(SNAPIMG_KEPT_COMMON) != NULL;
}

const struct snapimg_kept *kept_in_the_way(bool uncorrectable)
{
	const struct snapimg_kept *kept = snapimg_get_kept(&loader.image);
	bool common = is_common();
	for (uint32_t i = 0; i < snapimg_kept_count(&loader.image); i++)
		if (is_in_the_way(&kept[i]) && (!uncorrectable || common || !can_be_corrected(&kept[i])))
			return &kept[i];
	return NULL;
}

bool kept_asks_for_executable(void)
{
	return find(SNAPIMG_KEPT_EXECUTABLE) != NULL;
}

uint32_t kept_parent(void)
{
	const struct snapimg_kept *kept = find(SNAPIMG_KEPT_PARENT);
	return kept == NULL ? 0 : (uint32_t)kept->address;
}

/* ~ID << 3, and below what it counts. */
static void correct_clock(uint32_t *word, uint32_t id)
{
	enum { BITS = 3 };
	*word = ~id << BITS | (*word & ((1u << BITS) - 1));
}

static void correct_tagged(uint64_t *word)
{
	uint32_t old = snapimg_get_thread(&loader.image)->tid;
	for (int form = 0; form < SNAPIMG_FORMS; form++)
		if (*word == snapimg_id_form((enum snapimg_id_form)form, old)) {
			*word = snapimg_id_form((enum snapimg_id_form)form, loader.tid);
			return;
		}
}

/* "/proc/1234" becomes "/proc//self", which leads to the same for the program; "1234" alone the new number
 * and an earlier end. */
static void correct_text(const struct snapimg_kept *kept)
{
	size_t room = digits_of(snapimg_get_thread(&loader.image)->tid);
	char *text = (char *)kept->address;
	if (kept->kind == SNAPIMG_KEPT_PATH) {
		memset(text, '/', room);
		memcpy(text + room - (sizeof self - 1), self, sizeof self - 1);
		return;
	}
	memset(text, '\0', room);
	uint32_t number = loader.tid;
	for (uint32_t at = digits_of(number); at > 0; number /= 10)
		text[--at] = (char)('0' + number % 10);
}

void kept_correct(void)
{
	const struct snapimg_kept *kept = snapimg_get_kept(&loader.image);
	for (uint32_t i = 0; i < snapimg_kept_count(&loader.image); i++)
		if (kept[i].kind == SNAPIMG_KEPT_SEED && process_can_write(kept[i].address, sizeof(uint32_t)))
			*(uint32_t *)kept[i].address = 0;
	if (identity_wanted(0) != 0 || is_common())
		return;
	for (uint32_t i = 0; i < snapimg_kept_count(&loader.image); i++)
		if (!is_in_the_way(&kept[i]) || !can_be_corrected(&kept[i]))
			continue;
		else if (kept[i].kind == SNAPIMG_KEPT_WORD)
			*(uint32_t *)kept[i].address = thread_id(kept[i].thread);
		else if (kept[i].kind == SNAPIMG_KEPT_PARENT_WORD)
			*(uint32_t *)kept[i].address = (uint32_t)sys(__NR_getppid);
		else if (kept[i].kind == SNAPIMG_KEPT_CLOCK)
			correct_clock((uint32_t *)kept[i].address, thread_id(kept[i].thread));
		else if (kept[i].kind == SNAPIMG_KEPT_TAGGED)
			correct_tagged((uint64_t *)kept[i].address);
		else if (kept[i].kind != SNAPIMG_KEPT_REGISTER && kept[i].kind != SNAPIMG_KEPT_NAME &&
		         kept[i].kind != SNAPIMG_KEPT_PARENT_REGISTER)
			correct_text(&kept[i]);
}

void kept_correct_registers(const struct snapimg_thread *thread, struct snapimg_registers *registers)
{
	const struct snapimg_kept *kept = snapimg_get_kept(&loader.image);
	uint64_t first = (uint64_t)(thread - snapimg_get_thread(&loader.image)) * sizeof *thread;
	if (identity_wanted(0) != 0 || is_common())
		return;
	for (uint32_t i = 0; i < snapimg_kept_count(&loader.image); i++)
		if ((kept[i].kind == SNAPIMG_KEPT_REGISTER || kept[i].kind == SNAPIMG_KEPT_PARENT_REGISTER) &&
		    can_be_corrected(&kept[i]) && kept[i].address - first < sizeof *registers)
			*(uint64_t *)((char *)registers + (kept[i].address - first)) =
			        kept[i].kind == SNAPIMG_KEPT_REGISTER ? thread_id(kept[i].thread)
			                                              : (uint32_t)sys(__NR_getppid);
}
