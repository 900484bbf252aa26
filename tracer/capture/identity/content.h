/* Looks for the process's ID in bytes that the kernel holds for it. */
#ifndef TRACER_CAPTURE_IDENTITY_CONTENT_H
#define TRACER_CAPTURE_IDENTITY_CONTENT_H

#include "format/image/layout.h"
#include "tracer/capture/identity/sieve.h"

struct id_text {
	char text[12];
	size_t length; /* 0: too short, as it would be found everywhere */
};

struct id_content {
	uint32_t id; /* 0: nothing is looked for */
	struct sieve sieve;
	struct id_text decimal;
};

/* id: the process's. */
void id_content_begin(uint32_t id, struct id_content *ret_content);
/* SNAPIMG_KEPT_CONTENT: as a number or as a text; _NAMED: within a text; _SEARCHED: it isn't there. */
enum snapimg_kept_kind id_content_look(const struct id_content *content, const void *bytes, size_t size);
bool id_content_has_text(const struct id_content *content, const void *bytes, size_t size);

#endif
