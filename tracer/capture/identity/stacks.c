/* What is left in stacks, of calls that have returned. */
#include <sys/mman.h>

#include "tracer/capture/identity/look.h"

enum { RED_ZONE = 128 };

/* Where a stack begins that has its thread's own structure in it, as the C libraries make them: above a page
 * without access, or since glibc 2.42 above a guard within the mapping, where the stacks of several threads
 * may be one mapping. 0: it is none. */
static uint64_t beginning_of_stack(const struct look *look, const struct mapping *mapping,
                                   const struct snapimg_registers *registers)
{
	const struct snapimg_mapping *record = &mapping->record;
	uint64_t beginning = 0;

	if (registers->rsp < record->start || registers->rsp >= record->end)
		return 0;
	if (record->kind == SNAPIMG_MAPPING_STACK)
		return record->start;
	if (registers->fs_base < registers->rsp || registers->fs_base >= record->end)
		return 0;
	if (mapping > look->mappings->mapping && mapping[-1].record.end == record->start &&
	    mapping[-1].record.protection == PROT_NONE)
		beginning = record->start;
	for (size_t i = 0; i < look->plan->guard_count; i++) {
		const struct snapimg_guard *guard = &look->plan->guard[i];
		uint64_t end = guard->address + guard->pages * SNAPIMG_PAGE_SIZE;
		if (guard->address >= record->start && end <= registers->rsp)
			beginning = end;
	}
	return beginning;
}

/* A function that makes a system call may have something below its stack pointer; those of the C libraries
 * have not. */
static bool uses_red_zone(const struct look *look, size_t thread)
{
	return !look->threads->call[thread] || !is_in_c_library(look, thread);
}

bool kept_is_left_on_stack(const struct look *look, const struct mapping *mapping, uint64_t address)
{
	for (size_t i = 0; i < look->threads->count; i++) {
		const struct snapimg_registers *registers = &look->threads->thread[i].registers;
		uint64_t beginning = beginning_of_stack(look, mapping, registers);
		if (beginning != 0 && address >= beginning && address < registers->rsp)
			return address < registers->rsp - (uses_red_zone(look, i) ? RED_ZONE : 0);
	}
	return false;
}
