#include "format/facts/bootid.h"

static unsigned digit(char character)
{
	if (character >= '0' && character <= '9')
		return (unsigned)(character - '0');
	return character >= 'a' && character <= 'f' ? (unsigned)(character - 'a') + 10 : 16;
}

bool snapimg_boot_id(const char *text, size_t size, uint8_t ret_boot_id[SNAPIMG_BOOT_ID_SIZE])
{
	size_t digits = 0;

	for (size_t i = 0; i < size && digits < 2 * SNAPIMG_BOOT_ID_SIZE; i++) {
		unsigned value = digit(text[i]);

		if (value > 15)
			continue;
		uint8_t *byte = &ret_boot_id[digits++ / 2];
		*byte = (uint8_t)((unsigned)*byte << 4 | value);
	}
	return digits == 2 * SNAPIMG_BOOT_ID_SIZE;
}
