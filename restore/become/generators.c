/*
 * Where the program has libraries that keep a random number generator: the shim
 * makes them seed it again (preload/shim/random.c). A library is a row.
 */
#include "preload/contract.h"
#include "restore/base/memory.h"
#include "restore/loader.h"

static const struct {
	const char *beginning; /* of the file's name */
	enum snap_generator_kind kind;
} libraries[] = {
        {"libcrypto.so", SNAP_GENERATOR_ID},      {"libgcrypt.so", SNAP_GENERATOR_ID},
        {"libwolfssl.so", SNAP_GENERATOR_ID},     {"libbsd.so", SNAP_GENERATOR_ID},
        {"libgnutls.so", SNAP_GENERATOR_FORK},    {"libnss3.so", SNAP_GENERATOR_NSS},
        {"libsqlite3.so", SNAP_GENERATOR_SQLITE},
};

static const char *file_name(const struct snapimg_mapping *mapping)
{
	const char *path =
	        snapimg_string(&loader.image, snapimg_get_file(&loader.image)[mapping->file - 1].path);
	const char *name = path;
	for (; *path != '\0'; path++)
		if (*path == '/')
			name = path + 1;
	return name;
}

/* Code of a library, and of those that are called the file's first bytes. */
static bool is_wanted(const struct snapimg_mapping *mapping)
{
	return mapping->kind == SNAPIMG_MAPPING_FILE && mapping->file != 0 &&
	       ((mapping->protection & SNAPIMG_PROT_EXEC) != 0 || mapping->offset == 0);
}

static void add(struct snap_generators *table, const struct snapimg_mapping *mapping, const char *name)
{
	if (name[0] != 'l' || name[1] != 'i' || name[2] != 'b')
		return;
	for (uint32_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
		bool is_code = (mapping->protection & SNAPIMG_PROT_EXEC) != 0;
		bool is_base = libraries[i].kind >= SNAP_GENERATOR_NSS;
		if (text_after(name, libraries[i].beginning) == NULL || table->count == SNAP_GENERATORS_MAX ||
		    (is_base ? mapping->offset != 0 : !is_code))
			continue;
		table->generator[table->count++] =
		        (struct snap_generator){mapping->start, mapping->end, libraries[i].kind};
	}
}

static bool is_of_content(uint64_t address)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		if (mapping[i].start == address)
			return mapping[i].kind == SNAPIMG_MAPPING_ANONYMOUS;
	return false;
}

/* Those that are in the image by their content, as the program was started from a self-contained one: what
 * their files were, only this table knows. */
static void keep_of_content(struct snap_generators *table)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < table->count && i < SNAP_GENERATORS_MAX; i++)
		if (is_of_content(table->generator[i].start))
			table->generator[kept++] = table->generator[i];
	table->count = kept;
}

void generators_tell_shim(struct snap_generators *table)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	if (table == NULL || !process_can_write((uint64_t)table, sizeof *table))
		return;
	keep_of_content(table);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		if (is_wanted(&mapping[i]))
			add(table, &mapping[i], file_name(&mapping[i]));
}
