/* The words of layout.h's lists, by number: for whoever shows an image, and for the loader's messages. */
#include "format/image/reader.h"

#define LENGTH(names)         (sizeof(names) / sizeof(*(names)))
#define X(name, number, text) [number] = (text),

static const char *name_in(const char *const *names, size_t count, uint32_t number)
{
	return number < count && names[number] != NULL ? names[number] : "?";
}

const char *snapimg_feature_name(uint32_t bit)
{
	static const char *const names[] = {SNAPIMG_FEATURES(X)};

	return name_in(names, LENGTH(names), bit);
}

const char *snapimg_descriptor_name(uint32_t kind)
{
	static const char *const names[] = {SNAPIMG_DESCRIPTOR_KINDS(X)};

	return name_in(names, LENGTH(names), kind);
}

const char *snapimg_object_name(uint32_t kind)
{
	static const char *const names[] = {SNAPIMG_OBJECT_KINDS(X)};

	return name_in(names, LENGTH(names), kind);
}

const char *snapimg_attribute_name(uint32_t kind)
{
	static const char *const names[] = {SNAPIMG_ATTRIBUTES(X)};

	return name_in(names, LENGTH(names), kind);
}

const char *snapimg_kept_name(uint32_t kind)
{
	static const char *const names[] = {SNAPIMG_KEPT_KINDS(X)};

	return name_in(names, LENGTH(names), kind);
}

const char *snapimg_input_name(uint32_t kind)
{
	static const char *const names[] = {SNAPIMG_INPUT_KINDS(X)};

	return name_in(names, LENGTH(names), kind);
}

const char *snapimg_ipc_name(uint32_t kind)
{
	static const char *const names[] = {SNAPIMG_IPC_KINDS(X)};

	return name_in(names, LENGTH(names), kind);
}
