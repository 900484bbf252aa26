/* libcrypto's functions, loaded when one is needed: with them each other command, and the first start of each
 * image, would take 1 ms more. */
#ifndef FORMAT_SNAPIMG_CRYPTO_H
#define FORMAT_SNAPIMG_CRYPTO_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>

/* Some of these names are macros, for what a version of the library calls them. */
#define CRYPTO_FUNCTIONS(X)                                                                                  \
	X(EVP_sha256)                                                                                        \
	X(EVP_Digest)                                                                                        \
	X(EVP_MD_CTX_new)                                                                                    \
	X(EVP_MD_CTX_free)                                                                                   \
	X(EVP_DigestInit_ex)                                                                                 \
	X(EVP_DigestUpdate)                                                                                  \
	X(EVP_DigestFinal_ex)                                                                                \
	X(EVP_DigestSignInit)                                                                                \
	X(EVP_DigestSign)                                                                                    \
	X(EVP_DigestVerifyInit)                                                                              \
	X(EVP_DigestVerify)                                                                                  \
	X(EVP_PKEY_id)                                                                                       \
	X(EVP_PKEY_free)                                                                                     \
	X(EVP_PKEY_get_raw_public_key)                                                                       \
	X(PEM_read_PrivateKey)                                                                               \
	X(PEM_read_PUBKEY)

struct crypto {
#define X(function) __typeof__(function) *(function);
	CRYPTO_FUNCTIONS(X)
#undef X
};

/* All of them, of the version that snapimg was built with. NULL: it is not there. */
const struct crypto *crypto_load(void);

#endif
