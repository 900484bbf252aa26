#define ZSTD_STATIC_LINKING_ONLY /* for a context in memory of our own */
#include "tracer/capture/store/compressor.h"

#include <sys/mman.h>
#include <zstd.h>

void *populated_memory(size_t size)
{
	void *memory =
	        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static size_t set_up(ZSTD_CCtx *context, int level, ZSTD_compressionParameters parameters)
{
	const struct {
		ZSTD_cParameter parameter;
		int value;
	} settings[] = {
	        {ZSTD_c_compressionLevel, level},
	        {ZSTD_c_checksumFlag, 1},
	        {ZSTD_c_contentSizeFlag, 1},
	        {ZSTD_c_windowLog, (int)parameters.windowLog},
	        {ZSTD_c_hashLog, (int)parameters.hashLog},
	        {ZSTD_c_chainLog, (int)parameters.chainLog},
	        {ZSTD_c_searchLog, (int)parameters.searchLog},
	        {ZSTD_c_minMatch, (int)parameters.minMatch},
	        {ZSTD_c_targetLength, (int)parameters.targetLength},
	        {ZSTD_c_strategy, (int)parameters.strategy},
	};
	size_t result = 0;

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings) && !ZSTD_isError(result); i++)
		result = ZSTD_CCtx_setParameter(context, settings[i].parameter, settings[i].value);
	return result;
}

static ZSTD_compressionParameters choose_parameters(int level, unsigned int least_match, size_t largest)
{
	ZSTD_compressionParameters parameters = ZSTD_getCParams(level, largest, 0);

	if (parameters.minMatch < least_match)
		parameters.minMatch = least_match;
	return parameters;
}

size_t compressor_memory(int level, unsigned int least_match, size_t largest)
{
	return ZSTD_estimateCCtxSize_usingCParams(choose_parameters(level, least_match, largest));
}

enum status compressor_open(int level, unsigned int least_match, size_t largest,
                            struct compressor *ret_compressor)
{
	ZSTD_compressionParameters parameters = choose_parameters(level, least_match, largest);
	struct compressor compressor;

	compressor.workspace_size = ZSTD_estimateCCtxSize_usingCParams(parameters);
	compressor.workspace = populated_memory(compressor.workspace_size);
	if (!compressor.workspace)
		return fail(STATUS_FAILED, "out of memory");
	compressor.context = ZSTD_initStaticCCtx(compressor.workspace, compressor.workspace_size);
	if (!compressor.context || ZSTD_isError(set_up(compressor.context, level, parameters))) {
		munmap(compressor.workspace, compressor.workspace_size);
		return fail(STATUS_FAILED, "zstd %s doesn't take level %d", ZSTD_versionString(), level);
	}
	*ret_compressor = compressor;
	return STATUS_OK;
}

void compressor_close(struct compressor *compressor)
{
	if (compressor->workspace)
		munmap(compressor->workspace, compressor->workspace_size);
	*compressor = (struct compressor){0};
}

size_t compressor_bound(size_t size)
{
	return ZSTD_compressBound(size);
}

size_t compressor_run(struct compressor *compressor, void *to, size_t room, const void *from, size_t size)
{
	size_t result = ZSTD_compress2(compressor->context, to, room, from, size);

	return ZSTD_isError(result) ? 0 : result;
}
