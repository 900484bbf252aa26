/* A new user namespace gives all capabilities inside of it; the program gets those that it would have had, or
 * of them what it had not given up. */
#ifndef RESTORE_BECOME_CAPABILITIES_H
#define RESTORE_BECOME_CAPABILITIES_H

#include <assert.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/image/layout.h"

/* What capset(2) takes: header and data. */
struct capability_sets {
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
};
static_assert(offsetof(struct capability_sets, data) == 8, "CAPABILITY_DATA in resume_tail_x86_64.S");

/* Before the namespace is made. */
void capabilities_keep(void);
/* Whether the kept ones suffice for a map of user 0: since Linux 5.12 that needs CAP_SETFCAP
 * (user_namespaces(7)), which not every container has. */
bool capabilities_can_map_root(void);
/* In it: all is as it was kept, beside what is still needed to restore: CAP_CHECKPOINT_RESTORE. */
void capabilities_narrow(void);
/* That one goes too, of this thread alone. Nothing where none were kept. */
void capabilities_drop(void);
/* What who started it has: a bit each. */
uint64_t capabilities_permitted(void);
/* Refuses what this thread may not have, its own or another's: as the table of attributes.c has them. */
long capabilities_check_inheritable(const struct snapimg_attribute *record, uint32_t tid);
long capabilities_check_bounding(const struct snapimg_attribute *record, uint32_t tid);
/* Sets what limits this thread's, the one of that index: with all permitted ones still there. */
void capabilities_commit_limits(uint32_t index);
/* Gives up, of this thread's, all but these. Returns what capset(2) does. */
long capabilities_reduce(uint64_t permitted, uint64_t effective);
/* Writes what the last code of the loader has to set to *ret_sets; false: nothing. */
bool capabilities_last(struct capability_sets *ret_sets);
/* This thread may name the file that /proc/self/exe shows, and choose ids. */
bool capabilities_can_restore(void);
/* This thread may have any supplementary groups. */
bool capabilities_can_set_groups(void);
/* What this thread has. */
void capabilities_read(struct capability_sets *ret_sets);

#endif
