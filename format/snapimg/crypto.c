#include "format/snapimg/crypto.h"

#include <dlfcn.h>
#include <stddef.h>

/* The names that libraries with these functions have had: one for each version that is not the one before. */
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
#define LIBRARY "libcrypto.so.3"
#else
#define LIBRARY "libcrypto.so.1.1"
#endif

#define AS_TEXT(name) #name
#define SYMBOL(name)  AS_TEXT(name)

const struct crypto *crypto_load(void)
{
	static struct crypto crypto;
	static bool is_loaded;

	if (is_loaded)
		return &crypto;
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	bool found = library != NULL;
#define X(name) found = found && (*(void **)&crypto.name = dlsym(library, SYMBOL(name))) != NULL;
	CRYPTO_FUNCTIONS(X)
#undef X
	is_loaded = found;
	return found ? &crypto : NULL;
}
