/* The value of a symbol, by DT_GNU_HASH's list of all that are defined. */
#include "preload/shim/symbols.h"

#include <stddef.h>

static bool equal(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

bool shim_find_symbols(uint64_t base, struct shim_symbols *ret_symbols)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *segment = (const Elf64_Phdr *)(base + header->e_phoff);
	const Elf64_Dyn *entry = NULL;

	*ret_symbols = (struct shim_symbols){.base = base};
	for (unsigned i = 0; i < header->e_phnum; i++)
		if (segment[i].p_type == PT_DYNAMIC)
			entry = (const Elf64_Dyn *)(base + segment[i].p_vaddr);
	for (; entry && entry->d_tag != DT_NULL; entry++) {
		/* glibc has added the base to them, others have not (elf/get-dynamic-info.h). */
		uint64_t address = entry->d_un.d_ptr < base ? base + entry->d_un.d_ptr : entry->d_un.d_ptr;

		if (entry->d_tag == DT_SYMTAB)
			ret_symbols->symbol = (const Elf64_Sym *)address;
		else if (entry->d_tag == DT_STRTAB)
			ret_symbols->names = (const char *)address;
		else if (entry->d_tag == DT_GNU_HASH)
			ret_symbols->hash = (const uint32_t *)address;
	}
	return ret_symbols->symbol && ret_symbols->names && ret_symbols->hash;
}

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

/* The table: buckets, first symbol, words of the filter, a shift; the filter, the buckets, the chains. */
void *shim_look_up(const struct shim_symbols *symbols, const char *name)
{
	uint32_t buckets = symbols->hash[0], first = symbols->hash[1], hash = hash_of(name), i;
	const uint32_t *bucket = symbols->hash + 4 + (size_t)symbols->hash[2] * 2;
	const uint32_t *chain = bucket + buckets;

	for (i = buckets ? bucket[hash % buckets] : 0; i >= first && i != 0; i++) {
		const Elf64_Sym *symbol = &symbols->symbol[i];
		if ((chain[i - first] | 1) == (hash | 1) && equal(symbols->names + symbol->st_name, name))
			return (void *)(symbols->base + symbol->st_value);
		if (chain[i - first] & 1)
			break;
	}
	return NULL;
}
