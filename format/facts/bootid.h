/* The kernel's boot id: pure, over its text, for the tracer and the loader. */
#ifndef FORMAT_FACTS_BOOTID_H
#define FORMAT_FACTS_BOOTID_H

#include <stdbool.h>
#include <stddef.h>

#include "format/image/layout.h"

#define SNAPIMG_BOOT_ID_PATH "/proc/sys/kernel/random/boot_id" /* random(4) */

/* Reads 32 hexadecimal digits, with dashes between, from [text, text + size). False when there are fewer. */
bool snapimg_boot_id(const char *text, size_t size, uint8_t ret_boot_id[SNAPIMG_BOOT_ID_SIZE]);

#endif
