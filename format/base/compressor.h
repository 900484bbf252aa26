/* One thread's compressor, in memory that is populated once. zstd's settings stand here and nowhere else. */
#ifndef FORMAT_BASE_COMPRESSOR_H
#define FORMAT_BASE_COMPRESSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ZSTD_CCtx_s;

/* What packs pages: zstd's frames are smaller, lz4's blocks are decoded three times as fast. */
enum codec { CODEC_ZSTD, CODEC_LZ4, CODECS };
/* Its word in --compress and ORIGIN. */
const char *codec_name(enum codec codec);
/* "zstd -3", as ORIGIN has it. False: it's none of ours, or not one. */
bool codec_read(const char *text, enum codec *ret_codec, int *ret_level);

struct compressor {
	enum codec codec;
	int level;
	void *workspace;
	size_t workspace_size;
	struct ZSTD_CCtx_s *context; /* lies in the workspace */
};

struct compressor_settings {
	enum codec codec;
	int level;                /* as the codec has them */
	unsigned int least_match; /* no match is shorter (at most 7; 0: as the level has it): fewer and
	                             longer ones are decoded faster */
};

/* level: 0 leaves the choice. pages: of the whole image. */
struct compressor_settings compressor_choose(enum codec codec, int level, uint64_t pages);
/* Whether zstd knows the level; lz4 takes the highest that it has for those above. */
bool compressor_has_level(long level);

/* For inputs of at most `largest` bytes. False: out of memory, or zstd does not take the level. */
bool compressor_open(const struct compressor_settings *settings, size_t largest,
                     struct compressor *ret_compressor) __attribute__((warn_unused_result));
/* Bytes that it will take. */
size_t compressor_memory(const struct compressor_settings *settings, size_t largest);
void compressor_close(struct compressor *compressor);

/* How large the output can be. */
size_t compressor_bound(size_t size);
/* One frame with content size and checksum; or one lz4 block. Returns its size, 0 on failure. */
size_t compressor_run(struct compressor *compressor, void *to, size_t room, const void *from, size_t size);

/* Memory with its pages in place, as a page fault can cost more than to fill the page; NULL when out of it.
 */
void *populated_memory(size_t size);

#endif
