#include "synthetic.h"

#include <string.h>

#include "format/facts/checksum.h"

/* Each function returns what the writer says; errors of the writer stick, so only the last one matters. */
static uint32_t string(struct snapimg_writer *writer, const char *text)
{
	uint32_t offset = 0;

	(void)!snapimg_writer_string(writer, text, &offset);
	return offset;
}

#define ADD(writer, type, records)                                                                           \
	(void)!snapimg_writer_add(writer, SNAPIMG_SECTION_##type, records, sizeof(records))

/* A zstd frame made by hand (RFC 8878), so that it is the same with every libzstd: one RLE block. */
static uint32_t rle_frame(uint8_t frame[SYNTHETIC_FRAME], uint8_t byte, uint32_t raw_size)
{
	static uint8_t content[SNAPIMG_EXTENT_MAX];
	const uint32_t magic = 0xfd2fb528, block = raw_size << 3 | 1 << 1 | 1;
	uint32_t checksum;

	memset(content, byte, raw_size);
	checksum = (uint32_t)XXH64(content, raw_size, 0);
	memcpy(frame, &magic, 4);
	frame[4] = 0xa4; /* single segment, content size of 4 bytes, checksum */
	memcpy(frame + 5, &raw_size, 4);
	memcpy(frame + 9, &block, 3);
	frame[12] = byte;
	memcpy(frame + 13, &checksum, 4);
	return SYNTHETIC_FRAME;
}

static void put_zstd(struct snapimg_writer *writer, const struct snapimg_run *runs, uint32_t count,
                     uint32_t pages, uint8_t byte)
{
	uint8_t frame[SYNTHETIC_FRAME];
	struct snapimg_extent extent = {.kind = SNAPIMG_EXTENT_ZSTD, .raw_size = pages * SNAPIMG_PAGE_SIZE};

	extent.stored_size = rle_frame(frame, byte, extent.raw_size);
	extent.checksum = snapimg_checksum(frame, extent.stored_size);
	(void)!snapimg_writer_put_extent(writer, &extent, runs, count, frame);
}

static void put_extents(struct snapimg_writer *writer)
{
	static const struct snapimg_run runs[SYNTHETIC_RUNS] = {
	        {0x404000, 1, SNAPIMG_RUN_DATA},
	        {0x406000, 1, SNAPIMG_RUN_ZERO},
	        {0x10000000, 2, SNAPIMG_RUN_DATA},
	        {0x10004000, 1, SNAPIMG_RUN_DATA},
	        {0x20000000, 1, SNAPIMG_RUN_DATA},
	        {0x31000000, 2, SNAPIMG_RUN_ZERO},
	        {SYNTHETIC_TASK_SIZE - 0x2000, 1, SNAPIMG_RUN_DATA},
	        {SYNTHETIC_TASK_SIZE - 0x1000, 1, SNAPIMG_RUN_ZERO},
	};
	static uint8_t pages[2 * SNAPIMG_PAGE_SIZE];
	struct snapimg_extent raw = {
	        .kind = SNAPIMG_EXTENT_RAW, .raw_size = sizeof(pages), .stored_size = sizeof(pages)};
	struct snapimg_extent zero = {.kind = SNAPIMG_EXTENT_ZERO};
	uint32_t i;

	for (i = 0; i < sizeof(pages); i++)
		pages[i] = (uint8_t)(i * 7 + i / 256);
	raw.checksum = snapimg_checksum(pages, sizeof(pages));
	put_zstd(writer, runs, 3, 3, 0x5a);
	(void)!snapimg_writer_put_extent(writer, &raw, runs + 3, 2, pages);
	(void)!snapimg_writer_put_extent(writer, &zero, runs + 5, 1, NULL);
	put_zstd(writer, runs + 6, 2, 1, 0x01);
}

static void put_files(struct snapimg_writer *writer)
{
	struct snapimg_file files[SYNTHETIC_FILES] = {
	        {.path = string(writer, "/usr/bin/prog"),
	         .check = SNAPIMG_CHECK_STAMP,
	         .device = 0xfe00,
	         .inode = 4711,
	         .size = 20000,
	         .mtime_seconds = 1700000000,
	         .mtime_nanoseconds = 123456789,
	         .mode = 0100755,
	         .build_id_size = 20,
	         .build_id = {0xde, 0xad, 0xbe, 0xef, 4,  5,  6,  7,  8,  9,
	                      10,   11,   12,   13,   14, 15, 16, 17, 18, 19}},
	        {.path = string(writer, "/usr/lib/libx.so"),
	         .check = SNAPIMG_CHECK_STAMP,
	         .device = 0xfe00,
	         .inode = 4712,
	         .size = 16384,
	         .mtime_seconds = 1700000001,
	         .mode = 0100644},
	        {.path = string(writer, "/tmp/a log\xff"), .check = SNAPIMG_CHECK_EXISTS, .mode = 0100600},
	};

	ADD(writer, FILES, files);
}

static void put_mappings(struct snapimg_writer *writer)
{
	const uint32_t prog = string(writer, "/usr/bin/prog"), libx = string(writer, "/usr/lib/libx.so");
	const struct snapimg_mapping mappings[SYNTHETIC_MAPPINGS] = {
	        {.start = 0x400000,
	         .end = 0x404000,
	         .kind = SNAPIMG_MAPPING_FILE,
	         .protection = 5,
	         .file = 1,
	         .name = prog},
	        {.start = 0x404000,
	         .end = 0x408000,
	         .offset = 0x4000,
	         .kind = SNAPIMG_MAPPING_FILE,
	         .protection = 3,
	         .file = 1,
	         .name = prog},
	        {.start = 0x10000000,
	         .end = 0x10010000,
	         .kind = SNAPIMG_MAPPING_ANONYMOUS,
	         .protection = 3,
	         .flags = SNAPIMG_MAP_NORESERVE,
	         .advice = SNAPIMG_ADVICE_DONTFORK},
	        {.start = 0x20000000,
	         .end = 0x20002000,
	         .kind = SNAPIMG_MAPPING_ANONYMOUS,
	         .protection = 3,
	         .flags = SNAPIMG_MAP_SHARED,
	         .name = string(writer, "/dev/zero (deleted)")},
	        {.start = 0x30000000,
	         .end = 0x30001000,
	         .kind = SNAPIMG_MAPPING_FILE,
	         .protection = 1,
	         .flags = SNAPIMG_MAP_SHARED,
	         .file = 2,
	         .name = libx},
	        {.start = 0x31000000,
	         .end = 0x31004000,
	         .kind = SNAPIMG_MAPPING_FILE,
	         .protection = 3,
	         .file = 2,
	         .name = libx},
	        {.start = 0x32000000, .end = 0x32001000, .kind = SNAPIMG_MAPPING_ANONYMOUS},
	        {.start = 0x7fff00000000,
	         .end = 0x7fff00004000,
	         .kind = SNAPIMG_MAPPING_VVAR,
	         .protection = 1,
	         .name = string(writer, "[vvar]")},
	        {.start = 0x7fff00004000,
	         .end = 0x7fff00006000,
	         .kind = SNAPIMG_MAPPING_VDSO,
	         .protection = 5,
	         .name = string(writer, "[vdso]")},
	        {.start = SYNTHETIC_TASK_SIZE - 0x21000,
	         .end = SYNTHETIC_TASK_SIZE,
	         .kind = SNAPIMG_MAPPING_STACK,
	         .protection = 3,
	         .name = string(writer, "[stack]")},
	};

	ADD(writer, MAPPINGS, mappings);
}

static void put_threads(struct snapimg_writer *writer)
{
	static uint8_t areas[SYNTHETIC_THREADS * SYNTHETIC_XSTATE];
	struct snapimg_thread threads[SYNTHETIC_THREADS] = {
	        {.registers = {.rip = 0x401000,
	                       .cs = 0x33,
	                       .eflags = 0x202,
	                       .rsp = SYNTHETIC_TASK_SIZE - 0x1800,
	                       .ss = 0x2b,
	                       .fs_base = 0x10000100},
	         .signal_mask = 2,
	         .altstack_address = 0x10001000,
	         .altstack_size = 8192,
	         .robust_list = 0x10000200,
	         .robust_list_size = 24,
	         .tid_address = 0x10000300,
	         .rseq_address = 0x10000400,
	         .rseq_size = 32,
	         .rseq_signature = 0x53053053,
	         .tid = 100,
	         .comm = "prog"},
	        {.registers = {.rip = 0x401010, .cs = 0x33, .eflags = 0x202, .rsp = 0x10008000, .ss = 0x2b},
	         .altstack_flags = 2,
	         .tid = 101,
	         .xstate_offset = SYNTHETIC_XSTATE,
	         .comm = "fifteen letters"},
	};
	const uint32_t mxcsr = 0x1f80;
	const uint64_t features = 7;
	uint32_t i;

	for (i = 0; i < SYNTHETIC_THREADS; i++) {
		memcpy(areas + i * SYNTHETIC_XSTATE + 24, &mxcsr, sizeof(mxcsr));
		memcpy(areas + i * SYNTHETIC_XSTATE + 512, &features, sizeof(features));
	}
	ADD(writer, XSTATE, areas);
	ADD(writer, THREADS, threads);
}

static void put_process(struct snapimg_writer *writer)
{
	const struct snapimg_process process[] = {{
	        .pid = 100,
	        .flags = SNAPIMG_PROCESS_RESUME_MAIN,
	        .executable = string(writer, "/usr/bin/prog"),
	        .cwd = string(writer, "/home/someone"),
	        .umask = 022,
	        .thread_count = SYNTHETIC_THREADS,
	        .start_code = 0x400000,
	        .end_code = 0x403000,
	        .start_data = 0x404000,
	        .end_data = 0x405000,
	        .start_brk = 0x409000,
	        .brk = 0x409000,
	        .start_stack = SYNTHETIC_TASK_SIZE - 0x1000,
	        .timer_slack_ns = 50000,
	        .fixed_arguments = 1,
	}};
	const struct snapimg_machine machine[] = {{
	        .cpu_features = {1u << 0 | 1u << 9 | 1u << 19, 1u << 25 | 1u << 26},
	        .xfeatures = 7,
	        .xstate_size = SYNTHETIC_XSTATE,
	        .vdso_size = 0x2000,
	        .vdso_checksum = 0x0123456789abcdef,
	        .task_size = SYNTHETIC_TASK_SIZE,
	        .boot_id = "a boot's number",
	}};
	const struct snapimg_origin origin[] = {{
	        .tool = string(writer, "snaptrace 0.1.0"),
	        .point = string(writer, "main"),
	        .trigger = string(writer, "main of /usr/bin/prog"),
	        .kernel = string(writer, "6.1.0-test"),
	        .cpu_model = string(writer, "A \"Processor\""),
	        .codec = string(writer, "zstd -3"),
	        .created_seconds = 1700000002,
	        .raw_bytes = 100 * 4096,
	        .zero_bytes = 10 * 4096,
	        .file_bytes = 84 * 4096,
	}};

	ADD(writer, PROCESS, process);
	ADD(writer, MACHINE, machine);
	ADD(writer, ORIGIN, origin);
}

static void put_rest(struct snapimg_writer *writer)
{
	static const struct snapimg_descriptor descriptors[SYNTHETIC_DESCRIPTORS] = {
	        {.number = 0, .kind = SNAPIMG_DESCRIPTOR_INHERIT, .source = 0},
	        {.number = 1, .kind = SNAPIMG_DESCRIPTOR_INHERIT, .source = 1},
	        {.number = 2, .kind = SNAPIMG_DESCRIPTOR_CLOSED, .source = -1},
	        {.number = 3,
	         .kind = SNAPIMG_DESCRIPTOR_FILE,
	         .flags = 02001,
	         .file = 3,
	         .position = 100,
	         .close_on_exec = 1},
	        {.number = 5, .kind = SNAPIMG_DESCRIPTOR_DUPLICATE, .source = 3},
	        {.number = 9, .kind = SNAPIMG_DESCRIPTOR_DUPLICATE, .source = 5},
	};
	static const struct snapimg_sigaction actions[] = {
	        {.signal = 10, .handler = 0x401020, .flags = 0x04000000, .restorer = 0x401030},
	        {.signal = 13, .handler = 1},
	};
	static const struct snapimg_auxv auxv[] = {
	        {6, 4096}, {9, 0x401000}, {25, SYNTHETIC_TASK_SIZE - 0x100}};
	static const struct snapimg_fixup fixups[] = {
	        {0x10000300, SNAPIMG_FIXUP_TID, 0},
	        {0x404ff8, SNAPIMG_FIXUP_ENVIRON, 0},
	        {0x10000800, SNAPIMG_FIXUP_RESUME, 2 * SNAPIMG_RESUME_SIZE},
	};
	static const struct snapimg_attribute attributes[] = {
	        {SNAPIMG_ATTRIBUTE_LIMIT, 7, 100, 200},
	        {SNAPIMG_ATTRIBUTE_NICE, 0, 5, 0},
	        {SNAPIMG_ATTRIBUTE_AFFINITY, 1, 3, 1},
	        {SNAPIMG_ATTRIBUTE_LOCK_FUTURE, 0, 6, 0},
	};
	static const struct snapimg_timer timers[] = {
	        {.kind = SNAPIMG_TIMER_INTERVAL, .id = 1, .remaining = 5, .interval = 7},
	        {.kind = SNAPIMG_TIMER_POSIX, .id = 3, .clock = 1, .signal = 14, .notify = 4, .thread = 1},
	};
	static const struct snapimg_guard guards[] = {{0x10005000, 2}, {0x10008000, 1}};
	static const char arguments[] = "prog\0it's\0two words\0new\nline\0caf\xc3\xa9 \xff";
	static const char environment[] = "HOME=/home/someone\0EMPTY=";

	ADD(writer, DESCRIPTORS, descriptors);
	ADD(writer, SIGNALS, actions);
	ADD(writer, AUXV, auxv);
	ADD(writer, FIXUPS, fixups);
	ADD(writer, ATTRIBUTES, attributes);
	ADD(writer, TIMERS, timers);
	ADD(writer, GUARDS, guards);
	ADD(writer, ARGUMENTS, arguments);
	ADD(writer, ENVIRONMENT, environment);
}

enum snapimg_error synthetic_put(struct snapimg_writer *writer)
{
	uint32_t empty;

	put_extents(writer);
	put_files(writer);
	put_mappings(writer);
	put_threads(writer);
	put_process(writer);
	put_rest(writer);
	return snapimg_writer_string(writer, "", &empty);
}

enum snapimg_error synthetic_image(struct memory_image *ret_image, uint8_t digest[SNAPIMG_DIGEST_SIZE])
{
	struct memory_image image = {0};
	struct snapimg_writer *writer = snapimg_writer_new(memory_sink, &image);
	enum snapimg_error error;

	if (writer == NULL)
		return SNAPIMG_ERR_MEMORY;
	error = synthetic_put(writer);
	if (error == SNAPIMG_OK)
		error = snapimg_writer_finish(writer, NULL, digest);
	snapimg_writer_free(writer);
	if (error == SNAPIMG_OK)
		*ret_image = image;
	else
		memory_free(&image);
	return error;
}
