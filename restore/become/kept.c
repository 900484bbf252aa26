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

static const struct snapimg_kept *find(enum snapimg_kept_kind kind)
{
	const struct snapimg_kept *kept = snapimg_get_kept(&loader.image);
	for (uint32_t i = 0; i < snapimg_kept_count(&loader.image); i++)
		if (kept[i].kind == kind)
			return &kept[i];
	return NULL;
}

/* A text may be a counted one, so it can only become one of the same length. */
static bool can_be_rewritten(const struct snapimg_kept *kept, uint32_t before, uint32_t now)
{
	uint32_t room = digits_of(before);
	if (kept->thread != 0 || !process_can_write(kept->address, room))
		return false;
	return kept->kind == SNAPIMG_KEPT_PATH ? room >= sizeof self - 1 : digits_of(now) == room;
}

static bool can_be_corrected(const struct snapimg_kept *kept)
{
	uint32_t holder = (uint32_t)(kept->address / sizeof(struct snapimg_thread));
	switch (kept->kind) {
	case SNAPIMG_KEPT_NAME: /* nothing depends on it */
	case SNAPIMG_KEPT_NAMED:
	case SNAPIMG_KEPT_PARENT_REGISTER:
		return true;
	case SNAPIMG_KEPT_REGISTER: /* only the first one's frame is written when all have theirs */
		return kept->thread == 0 || kept->thread == holder || holder == 0;
	case SNAPIMG_KEPT_TAGGED:
	case SNAPIMG_KEPT_PARENT_TAGGED:
		return kept->thread == 0 && process_can_write(kept->address, sizeof(uint64_t));
	case SNAPIMG_KEPT_PATH:
	case SNAPIMG_KEPT_TEXT:
		return can_be_rewritten(kept, snapimg_get_thread(&loader.image)->tid, loader.tid);
	case SNAPIMG_KEPT_PARENT_TEXT:
		return can_be_rewritten(kept, kept_parent(), (uint32_t)sys(__NR_getppid));
	case SNAPIMG_KEPT_WORD:
	case SNAPIMG_KEPT_CLOCK:
	case SNAPIMG_KEPT_NEGATIVE:
	case SNAPIMG_KEPT_PARENT_WORD:
		return process_can_write(kept->address, sizeof(uint32_t));
	default:
		return false;
	}
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

const struct snapimg_kept *kept_in_text(void)
{
	return find(SNAPIMG_KEPT_NAME);
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

static void correct_tagged(uint64_t *word, uint32_t old, uint32_t now)
{
	for (int form = 0; form < SNAPIMG_FORMS; form++)
		if (*word == snapimg_id_form((enum snapimg_id_form)form, old)) {
			*word = snapimg_id_form((enum snapimg_id_form)form, now);
			return;
		}
}

static void write_digits(uint64_t address, uint32_t number)
{
	char *text = (char *)address;
	for (uint32_t at = digits_of(number); at > 0; number /= 10)
		text[--at] = (char)('0' + number % 10);
}

/* "/proc/1234" becomes "/proc//self", which leads to the same for the program. */
static void correct_path(uint64_t address)
{
	size_t room = digits_of(snapimg_get_thread(&loader.image)->tid);
	char *text = (char *)address;
	memset(text, '/', room);
	memcpy(text + room - (sizeof self - 1), self, sizeof self - 1);
}

static void correct(const struct snapimg_kept *kept)
{
	const uint32_t own = thread_id(kept->thread), parent = (uint32_t)sys(__NR_getppid);
	switch (kept->kind) {
	case SNAPIMG_KEPT_WORD:
		*(uint32_t *)kept->address = own;
		break;
	case SNAPIMG_KEPT_NEGATIVE:
		*(uint32_t *)kept->address = 0 - own;
		break;
	case SNAPIMG_KEPT_PARENT_WORD:
		*(uint32_t *)kept->address = parent;
		break;
	case SNAPIMG_KEPT_CLOCK:
		correct_clock((uint32_t *)kept->address, own);
		break;
	case SNAPIMG_KEPT_TAGGED:
		correct_tagged((uint64_t *)kept->address, snapimg_get_thread(&loader.image)->tid, own);
		break;
	case SNAPIMG_KEPT_PARENT_TAGGED:
		correct_tagged((uint64_t *)kept->address, kept_parent(), parent);
		break;
	case SNAPIMG_KEPT_TEXT:
		write_digits(kept->address, own);
		break;
	case SNAPIMG_KEPT_PARENT_TEXT:
		write_digits(kept->address, parent);
		break;
	case SNAPIMG_KEPT_PATH:
		correct_path(kept->address);
		break;
	default: /* registers: below; names stay as they are */
		break;
	}
}

/* A shell's $PPID, of which it says that it's one. The digits end with a zero byte. */
static void correct_parents_variable(const struct snapimg_kept *kept)
{
	uint32_t parent = (uint32_t)sys(__NR_getppid);
	if (!process_can_write(kept->address, SNAPIMG_PARENT_ROOM + 1) ||
	    digits_of(parent) > SNAPIMG_PARENT_ROOM)
		return;
	write_digits(kept->address, parent);
	((char *)kept->address)[digits_of(parent)] = '\0';
}

void kept_correct(void)
{
	const struct snapimg_kept *kept = snapimg_get_kept(&loader.image);
	for (uint32_t i = 0; i < snapimg_kept_count(&loader.image); i++)
		if (kept[i].kind == SNAPIMG_KEPT_SEED && process_can_write(kept[i].address, sizeof(uint32_t)))
			*(uint32_t *)kept[i].address = 0;
	if (identity_wanted(0) != 0)
		return;
	for (uint32_t i = 0; i < snapimg_kept_count(&loader.image); i++)
		if (kept[i].kind == SNAPIMG_KEPT_PARENT_TEXT && kept[i].corrected)
			correct_parents_variable(&kept[i]);
	for (uint32_t i = 0; i < snapimg_kept_count(&loader.image) && !is_common(); i++)
		if (is_in_the_way(&kept[i]) && can_be_corrected(&kept[i]))
			correct(&kept[i]);
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
