#include "format/snapimg/signature.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/facts/checksum.h"
#include "format/snapimg/crypto.h"

enum { PREFIX_SIZE = sizeof(SNAPIMG_SIGNATURE_PREFIX) - 1, MESSAGE_SIZE = PREFIX_SIZE + SNAPIMG_SHA256_SIZE };
static_assert(PREFIX_SIZE == 28, "as FORMAT.md says");

/* [start, end) of an image that is read as zeros. */
struct hole {
	size_t start, end;
};
enum { HOLES = 3 };

static enum exit_status no_crypto(void)
{
	return complain(EXIT_REFUSED,
	                "no SHA-256 or Ed25519: libcrypto: install it, with its default provider");
}

static const struct snapimg_section *rows_of(const uint8_t *bytes)
{
	const struct snapimg_header *header = (const void *)bytes;

	return (const void *)(bytes + header->section_table_offset);
}

/* The row of SIGNATURE, which is the last; NULL: there is none. */
static const struct snapimg_section *find_row(const uint8_t *bytes)
{
	const struct snapimg_header *header = (const void *)bytes;
	const struct snapimg_section *last = rows_of(bytes) + header->section_count - 1;

	return last->type == SNAPIMG_SECTION_SIGNATURE ? last : NULL;
}

/* In the order of the file. */
static void find_holes(const uint8_t *bytes, const struct snapimg_section *row, struct hole holes[HOLES])
{
	size_t digest = offsetof(struct snapimg_header, digest);
	size_t checksum = (size_t)((const uint8_t *)row - bytes) + offsetof(struct snapimg_section, checksum);

	holes[0] = (struct hole){digest, digest + SNAPIMG_DIGEST_SIZE};
	holes[1] = (struct hole){row->offset, row->offset + row->size};
	holes[2] = (struct hole){checksum, checksum + sizeof(row->checksum)};
}

static bool hash(const uint8_t *bytes, size_t size, const struct hole *holes, size_t count,
                 uint8_t ret_sha256[SNAPIMG_SHA256_SIZE])
{
	static const uint8_t zeros[sizeof(struct snapimg_signature)];
	const struct crypto *crypto = crypto_load();
	EVP_MD_CTX *context = crypto != NULL ? crypto->EVP_MD_CTX_new() : NULL;
	size_t at = 0;

	if (context == NULL)
		return false;
	bool done = crypto->EVP_DigestInit_ex(context, crypto->EVP_sha256(), NULL) == 1;

	for (size_t i = 0; i < count && done; i++) {
		done = crypto->EVP_DigestUpdate(context, bytes + at, holes[i].start - at) == 1 &&
		       crypto->EVP_DigestUpdate(context, zeros, holes[i].end - holes[i].start) == 1;
		at = holes[i].end;
	}
	done = done && crypto->EVP_DigestUpdate(context, bytes + at, size - at) == 1 &&
	       crypto->EVP_DigestFinal_ex(context, ret_sha256, NULL) == 1;
	crypto->EVP_MD_CTX_free(context);
	return done;
}

enum exit_status signature_name(const struct image_file *file, uint8_t ret_sha256[SNAPIMG_SHA256_SIZE])
{
	return hash(file->memory, file->size, NULL, 0, ret_sha256) ? EXIT_FINE : no_crypto();
}

/* What is signed: the prefix keeps a signature of something else from being one of an image. */
static bool make_message(const uint8_t *bytes, size_t size, const struct snapimg_section *row,
                         uint8_t message[MESSAGE_SIZE])
{
	struct hole holes[HOLES];

	find_holes(bytes, row, holes);
	memcpy(message, SNAPIMG_SIGNATURE_PREFIX, PREFIX_SIZE);
	return hash(bytes, size, holes, HOLES, message + PREFIX_SIZE);
}

/* Nobody is asked for a passphrase. */
/* NOLINTNEXTLINE(readability-non-const-parameter): as libcrypto calls it */
static int no_passphrase(char *text, int size, int writing, void *unused)
{
	(void)text, (void)size, (void)writing, (void)unused;
	return -1;
}

typedef EVP_PKEY *read_pem(FILE *file, EVP_PKEY **key, pem_password_cb *ask, void *context);

/* read: of crypto. */
static enum exit_status read_key(const struct crypto *crypto, const char *path, read_pem *read,
                                 const char *advice, EVP_PKEY **ret_key)
{
	FILE *file = fopen(path, "re");
	EVP_PKEY *key = NULL;

	if (file == NULL)
		return complain(EXIT_REFUSED, "cannot read the key: %s: %s", path, strerror(errno));
	key = read(file, NULL, no_passphrase, NULL);
	(void)fclose(file);
	if (key != NULL && crypto->EVP_PKEY_id(key) == EVP_PKEY_ED25519) {
		*ret_key = key;
		return EXIT_FINE;
	}
	crypto->EVP_PKEY_free(key);
	return complain(EXIT_REFUSED, "not such a key: %s: %s", path, advice);
}

/* The image's bytes in new memory, with an empty SIGNATURE behind the last section. One that it has goes. */
static uint8_t *add_section(const struct image_file *file, size_t *ret_size)
{
	const size_t padded = snapimg_align(sizeof(struct snapimg_signature), SNAPIMG_ALIGNMENT);
	const struct snapimg_section *row = find_row(file->memory), *rows = rows_of(file->memory);
	uint32_t count = file->image.header->section_count - (row != NULL ? 1u : 0u);
	size_t place = row != NULL ? row->offset : file->image.header->section_table_offset;
	size_t size = place + padded + (count + 1) * sizeof(*rows);
	uint8_t *bytes = count < SNAPIMG_MAX_SECTIONS ? calloc(1, size) : NULL;
	const struct snapimg_section added = {.type = SNAPIMG_SECTION_SIGNATURE,
	                                      .offset = place,
	                                      .size = sizeof(struct snapimg_signature),
	                                      .record_size = sizeof(struct snapimg_signature)};

	if (bytes == NULL)
		return NULL;
	memcpy(bytes, file->memory, place);
	memcpy(bytes + place + padded, rows, count * sizeof(*rows));
	memcpy(bytes + place + padded + count * sizeof(*rows), &added, sizeof(added));
	struct snapimg_header *header = (void *)bytes;
	header->section_count = (uint16_t)(count + 1);
	header->image_size = size;
	header->section_table_offset = place + padded;
	*ret_size = size;
	return bytes;
}

/* What the reader compares, when all else is in place. */
static void set_checksums(uint8_t *bytes)
{
	struct snapimg_header *header = (void *)bytes;
	struct snapimg_section *rows = (void *)(bytes + header->section_table_offset);
	struct snapimg_section *row = &rows[header->section_count - 1];

	row->checksum = snapimg_checksum(bytes + row->offset, snapimg_align(row->size, SNAPIMG_ALIGNMENT));
	snapimg_digest(bytes, rows, header->section_count * sizeof(*rows), header->digest);
}

static bool sign(const struct crypto *crypto, uint8_t *bytes, size_t size, EVP_PKEY *key)
{
	const struct snapimg_section *row = find_row(bytes);
	struct snapimg_signature record = {0};
	size_t key_size = sizeof(record.public_key), signature_size = sizeof(record.signature);
	uint8_t message[MESSAGE_SIZE];
	EVP_MD_CTX *context = crypto->EVP_MD_CTX_new();
	bool done = context != NULL && make_message(bytes, size, row, message) &&
	            crypto->EVP_PKEY_get_raw_public_key(key, record.public_key, &key_size) == 1 &&
	            crypto->EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
	            crypto->EVP_DigestSign(context, record.signature, &signature_size, message,
	                                   sizeof(message)) == 1;

	crypto->EVP_MD_CTX_free(context);
	memcpy(bytes + row->offset, &record, sizeof(record));
	set_checksums(bytes);
	return done;
}

enum exit_status signature_make(const struct image_file *file, const char *path, const char *key_path,
                                uint8_t **ret_bytes, size_t *ret_size)
{
	const struct crypto *crypto = crypto_load();
	EVP_PKEY *key = NULL;
	size_t size = 0;

	if (crypto == NULL)
		return no_crypto();
	enum exit_status status = read_key(
	        crypto, key_path, crypto->PEM_read_PrivateKey,
	        "give a private one without a passphrase (openssl genpkey -algorithm ed25519)", &key);
	if (status != EXIT_FINE)
		return status;
	uint8_t *bytes = add_section(file, &size);
	if (bytes == NULL)
		status = complain(EXIT_REFUSED, "out of memory, or too many sections: %s", path);
	else if (!sign(crypto, bytes, size, key))
		status = no_crypto();
	crypto->EVP_PKEY_free(key);
	if (status == EXIT_FINE) {
		*ret_bytes = bytes;
		*ret_size = size;
	} else {
		free(bytes);
	}
	return status;
}

static bool is_by(const struct crypto *crypto, const struct snapimg_signature *record, EVP_PKEY *key)
{
	uint8_t raw[SNAPIMG_KEY_SIZE];
	size_t size = sizeof(raw);

	return crypto->EVP_PKEY_get_raw_public_key(key, raw, &size) == 1 &&
	       memcmp(raw, record->public_key, size) == 0;
}

static bool verify(const struct crypto *crypto, const struct image_file *file,
                   const struct snapimg_section *row, const struct snapimg_signature *record, EVP_PKEY *key)
{
	uint8_t message[MESSAGE_SIZE];
	EVP_MD_CTX *context = crypto->EVP_MD_CTX_new();
	bool done = context != NULL && make_message(file->memory, file->size, row, message) &&
	            crypto->EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
	            crypto->EVP_DigestVerify(context, record->signature, sizeof(record->signature), message,
	                                     sizeof(message)) == 1;

	crypto->EVP_MD_CTX_free(context);
	return done;
}

enum exit_status signature_check(const struct image_file *file, const char *path, const char *key_path)
{
	const struct snapimg_section *row = find_row(file->memory);
	const struct snapimg_signature *record = snapimg_get_signature(&file->image);
	const struct crypto *crypto = crypto_load();
	EVP_PKEY *key = NULL;

	if (crypto == NULL)
		return no_crypto();
	enum exit_status status = read_key(crypto, key_path, crypto->PEM_read_PUBKEY,
	                                   "give a public one (openssl pkey -in PRIVATE -pubout)", &key);
	if (status != EXIT_FINE)
		return status;
	if (record == NULL || row == NULL)
		status = complain(EXIT_REFUSED, "not signed: %s: use what its maker signed (snapimg sign)",
		                  path);
	else if (!is_by(crypto, record, key))
		status = complain(EXIT_REFUSED, "signed with another key: %s: not with that of %s", path,
		                  key_path);
	else if (!verify(crypto, file, row, record, key))
		status = complain(EXIT_REFUSED,
		                  "the signature does not match: %s: it was changed after it was signed",
		                  path);
	crypto->EVP_PKEY_free(key);
	return status;
}
