#include "restore/become/capabilities.h"

#include <linux/prctl.h>

#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

enum { CAPABILITY_LIMIT = 64 };

static struct {
	struct capability_sets sets;
	uint64_t bounding, ambient;
	uint64_t secure_bits;
	bool taken;
} kept;

static uint64_t bit(uint32_t capability)
{
	return (uint64_t)1 << capability;
}

/* The numbers that this kernel knows and for which prctl(option, way, number) tells 1. */
static uint64_t read_set(uint64_t option, bool is_ambient)
{
	uint64_t set = 0;
	for (uint32_t i = 0; i < CAPABILITY_LIMIT; i++) {
		long result = is_ambient ? sys(__NR_prctl, option, PR_CAP_AMBIENT_IS_SET, i)
		                         : sys(__NR_prctl, option, i);
		if (result < 0)
			break;
		set |= result == 1 ? bit(i) : 0;
	}
	return set;
}

void capabilities_read(struct capability_sets *ret_sets)
{
	*ret_sets = (struct capability_sets){.header.version = _LINUX_CAPABILITY_VERSION_3};
	sys(__NR_capget, &ret_sets->header, ret_sets->data);
}

void capabilities_keep(void)
{
	capabilities_read(&kept.sets);
	kept.bounding = read_set(PR_CAPBSET_READ, false);
	kept.ambient = read_set(PR_CAP_AMBIENT, true);
	kept.secure_bits = (uint64_t)sys(__NR_prctl, PR_GET_SECUREBITS);
	kept.taken = true;
}

bool capabilities_can_map_root(void)
{
	return (kept.sets.data[0].effective & bit(CAP_SETFCAP)) != 0;
}

static void set(const struct capability_sets *sets)
{
	long result = sys(__NR_capset, &sets->header, sets->data);
	if (result < 0)
		die(EXIT_REFUSED, "capabilities: cannot be taken back: ", error_text(result));
}

/* A new user namespace empties the inheritable and the ambient set, fills the others, and has the default
 * secure bits (user_namespaces(7)). */
void capabilities_narrow(void)
{
	struct capability_sets sets = kept.sets;
	uint32_t word = CAP_CHECKPOINT_RESTORE / 32, mask = 1u << CAP_CHECKPOINT_RESTORE % 32;
	struct capability_sets full;
	capabilities_read(&full);
	for (uint32_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		full.data[i].inheritable = kept.sets.data[i].inheritable;
	set(&full);
	for (uint32_t i = 0; i < CAPABILITY_LIMIT; i++) {
		if ((kept.ambient & bit(i)) != 0)
			sys(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i);
		if ((kept.bounding & bit(i)) == 0 && sys(__NR_prctl, PR_CAPBSET_DROP, i) < 0)
			break; /* numbers that the kernel does not know end the list */
	}
	if (kept.secure_bits != 0)
		sys(__NR_prctl, PR_SET_SECUREBITS, kept.secure_bits);
	sets.data[word].effective |= mask;
	sets.data[word].permitted |= mask;
	set(&sets);
}

static void keep_inheritable(struct capability_sets *sets)
{
	struct capability_sets own;
	capabilities_read(&own);
	for (uint32_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		sets->data[i].inheritable = own.data[i].inheritable;
}

void capabilities_drop(void)
{
	struct capability_sets sets = kept.sets;
	keep_inheritable(&sets);
	if (kept.taken)
		set(&sets);
}

static void put(struct capability_sets *sets, uint64_t permitted, uint64_t effective)
{
	for (uint32_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		sets->data[i].permitted = (uint32_t)(permitted >> 32 * i);
		sets->data[i].effective = (uint32_t)(effective >> 32 * i);
	}
}

long capabilities_reduce(uint64_t permitted, uint64_t effective)
{
	struct capability_sets own;
	capabilities_read(&own);
	put(&own, permitted, effective);
	return sys(__NR_capset, &own.header, own.data);
}

/* Who started it, in bits. */
struct callers {
	uint64_t permitted, effective, inheritable, bounding, ambient;
};

static uint64_t both(uint32_t low, uint32_t high)
{
	return (uint64_t)high << 32 | low;
}

static struct callers read_callers(void)
{
	struct capability_sets sets = kept.sets;
	if (!kept.taken)
		capabilities_read(&sets);
	return (struct callers){
	        .permitted = both(sets.data[0].permitted, sets.data[1].permitted),
	        .effective = both(sets.data[0].effective, sets.data[1].effective),
	        .inheritable = both(sets.data[0].inheritable, sets.data[1].inheritable),
	        .bounding = kept.taken ? kept.bounding : read_set(PR_CAPBSET_READ, false),
	        .ambient = kept.taken ? kept.ambient : read_set(PR_CAP_AMBIENT, true),
	};
}

uint64_t capabilities_permitted(void)
{
	return read_callers().permitted;
}

static long check(bool may, const struct snapimg_attribute *record)
{
	if (may)
		return 0;
	die(EXIT_REFUSED, loader.options.image, ": process ", dec(snapimg_get_thread(&loader.image)->tid),
	    " had changed ", snapimg_attribute_name(record->kind),
	    ", which can't be had here: start it as root, or with those capabilities");
}

/* Both as capabilities(7) has it: "Programmatically adjusting capability sets". */
long capabilities_check_inheritable(const struct snapimg_attribute *record, uint32_t tid)
{
	const uint64_t no_raise = (uint64_t)1 << 6; /* SECBIT_NO_CAP_AMBIENT_RAISE */
	struct callers own = read_callers();
	uint64_t most = own.inheritable | own.bounding;
	(void)tid;
	if ((own.effective & bit(CAP_SETPCAP)) == 0)
		most &= own.inheritable | own.permitted;
	bool may_raise = ((uint64_t)sys(__NR_prctl, PR_GET_SECUREBITS) & no_raise) == 0;
	bool may = (record->value & ~most) == 0 && (record->more & ~own.permitted) == 0 &&
	           (may_raise || (record->more & ~own.ambient) == 0);
	return check(may, record);
}

long capabilities_check_bounding(const struct snapimg_attribute *record, uint32_t tid)
{
	struct callers own = read_callers();
	bool may_drop = (own.effective & bit(CAP_SETPCAP)) != 0;
	(void)tid;
	return check((record->value & ~own.bounding) == 0 && (may_drop || record->value == own.bounding),
	             record);
}

static void must(long result)
{
	if (result < 0)
		die(EXIT_REFUSED, "capabilities: cannot be changed: ", error_text(result));
}

static void commit_inheritable(uint64_t inheritable, uint64_t ambient)
{
	struct capability_sets sets;
	capabilities_read(&sets);
	for (uint32_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		sets.data[i].inheritable = (uint32_t)(inheritable >> 32 * i);
	set(&sets);
	uint64_t now = read_set(PR_CAP_AMBIENT, true);
	for (uint32_t i = 0; i < CAPABILITY_LIMIT; i++)
		if (((now ^ ambient) & bit(i)) != 0)
			must(sys(__NR_prctl, PR_CAP_AMBIENT,
			         (ambient & bit(i)) != 0 ? PR_CAP_AMBIENT_RAISE : PR_CAP_AMBIENT_LOWER, i));
}

static void commit_bounding(uint64_t bounding)
{
	uint64_t now = read_set(PR_CAPBSET_READ, false);
	for (uint32_t i = 0; i < CAPABILITY_LIMIT; i++)
		if ((now & ~bounding & bit(i)) != 0)
			must(sys(__NR_prctl, PR_CAPBSET_DROP, i));
}

/* Sorted by kind: the bounding set last, which can forbid what is inheritable. */
void capabilities_commit_limits(uint32_t index)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++) {
		if (record[i].argument != index)
			continue;
		if (record[i].kind == SNAPIMG_ATTRIBUTE_THREAD_INHERITABLE)
			commit_inheritable(record[i].value, record[i].more);
		else if (record[i].kind == SNAPIMG_ATTRIBUTE_THREAD_BOUNDING)
			commit_bounding(record[i].value);
	}
}

bool capabilities_last(struct capability_sets *ret_sets)
{
	const struct snapimg_attribute *record = snapimg_get_attribute(&loader.image);
	bool any = kept.taken;
	if (kept.taken)
		*ret_sets = kept.sets;
	else
		capabilities_read(ret_sets);
	keep_inheritable(ret_sets);
	for (uint32_t i = 0; i < snapimg_attribute_count(&loader.image); i++)
		if (record[i].kind == SNAPIMG_ATTRIBUTE_THREAD_CAPABILITIES && record[i].argument == 0) {
			put(ret_sets, record[i].value, record[i].more);
			any = true;
		}
	return any;
}

static bool has_any(uint64_t set)
{
	struct capability_sets own;
	capabilities_read(&own);
	return (((uint64_t)own.data[1].effective << 32 | own.data[0].effective) & set) != 0;
}

bool capabilities_can_restore(void)
{
	return has_any(bit(CAP_SYS_ADMIN) | bit(CAP_CHECKPOINT_RESTORE));
}

bool capabilities_can_set_groups(void)
{
	return has_any(bit(CAP_SETGID));
}
