#include "format/image/error.h"

const char *snapimg_strerror(enum snapimg_error error)
{
	static const char *const texts[] = {
#define X(name, text) [SNAPIMG_ERR_##name] = (text),
	        SNAPIMG_ERRORS(X)
#undef X
	};

	if ((unsigned)error >= sizeof(texts) / sizeof(*texts))
		return "unknown error";
	return texts[error];
}
