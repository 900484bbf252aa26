/*
 * Debian's libzstd decodes frames of zstd 0.5 to 0.7, too: 75 KiB of code that no image needs, since the
 * reader takes frames of the format of RFC 8878 only. With these in their place the linker leaves it out.
 * They are weak, so a libzstd that has other such functions links as before.
 */
#include <stddef.h>

#include <zstd_errors.h>

#define FUNCTIONS_OF(X, v)                                                                                   \
	X(ZBUFF##v##_createDCtx)                                                                             \
	X(ZBUFF##v##_decompressContinue)                                                                     \
	X(ZBUFF##v##_decompressInitDictionary)                                                               \
	X(ZBUFF##v##_freeDCtx)                                                                               \
	X(ZSTD##v##_createDCtx)                                                                              \
	X(ZSTD##v##_decompress_usingDict)                                                                    \
	X(ZSTD##v##_findFrameSizeInfoLegacy)                                                                 \
	X(ZSTD##v##_freeDCtx)                                                                                \
	X(ZSTD##v##_getFrameParams)

#define REFUSE(name)                                                                                         \
	size_t name(void);                                                                                   \
	__attribute__((weak)) size_t name(void)                                                              \
	{                                                                                                    \
		return (size_t)-ZSTD_error_prefix_unknown;                                                   \
	}

FUNCTIONS_OF(REFUSE, v05)
FUNCTIONS_OF(REFUSE, v06)
FUNCTIONS_OF(REFUSE, v07)
