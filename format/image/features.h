/* Inside the writer: what a reader must know to start an image. */
#ifndef FORMAT_IMAGE_FEATURES_H
#define FORMAT_IMAGE_FEATURES_H

#include "format/image/growing.h"

/* The header's required_features for these sections: bits of SNAPIMG_FEATURES. */
uint64_t snapimg_features_of(const struct growing section[SNAPIMG_SECTION_LIMIT]);

#endif
