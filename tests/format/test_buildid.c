/* The build-id of real and of damaged ELF files; this program is linked with a known one. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../check.h"
#include "format/facts/buildid.h"

static const uint8_t own_id[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};

static void test_own(void)
{
	static uint8_t page[4096];
	uint8_t id[SNAPIMG_BUILD_ID_MAX];
	FILE *file = fopen("/proc/self/exe", "rb");
	size_t got = file == NULL ? 0 : fread(page, 1, sizeof(page), file);

	EXPECT(got == sizeof(page));
	EXPECT(snapimg_build_id(page, got, id) == sizeof(own_id) && memcmp(id, own_id, sizeof(own_id)) == 0);
	if (file != NULL)
		(void)fclose(file);
}

/* A header, one segment of notes, and in it a foreign note, a GNU note of another type, and the build-id. */
struct elf {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	struct {
		Elf64_Nhdr note;
		char name[8];
		uint8_t description[8];
	} foreign;
	struct {
		Elf64_Nhdr note;
		char name[4];
		uint8_t description[4];
	} abi;
	struct {
		Elf64_Nhdr note;
		char name[4];
		uint8_t description[40];
	} id;
};

static struct elf make_elf(uint32_t id_size)
{
	struct elf elf = {
	        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB},
	                   .e_phoff = sizeof(Elf64_Ehdr),
	                   .e_phentsize = sizeof(Elf64_Phdr),
	                   .e_phnum = 1},
	        .segment = {.p_type = PT_NOTE,
	                    .p_offset = offsetof(struct elf, foreign),
	                    .p_filesz = sizeof(struct elf) - offsetof(struct elf, foreign),
	                    .p_align = 4},
	        .foreign = {.note = {7, 5, NT_GNU_BUILD_ID}, .name = "Golang"},
	        .abi = {.note = {4, 4, NT_GNU_ABI_TAG}, .name = "GNU"},
	        .id = {.note = {4, id_size, NT_GNU_BUILD_ID}, .name = "GNU"},
	};
	uint8_t i;

	for (i = 0; i < sizeof(elf.id.description); i++)
		elf.id.description[i] = (uint8_t)(i + 1);
	return elf;
}

static void test_notes(void)
{
	struct elf elf = make_elf(20);
	uint8_t id[SNAPIMG_BUILD_ID_MAX];

	EXPECT(snapimg_build_id(&elf, sizeof(elf), id) == 20 && id[0] == 1 && id[19] == 20);
	elf = make_elf(40);
	EXPECT(snapimg_build_id(&elf, sizeof(elf), id) == SNAPIMG_BUILD_ID_MAX && id[31] == 32);
	elf = make_elf(0);
	EXPECT(snapimg_build_id(&elf, sizeof(elf), id) == 0);
	elf = make_elf(41);
	EXPECT(snapimg_build_id(&elf, sizeof(elf), id) == 0);
	elf = make_elf(20);
	elf.segment.p_type = PT_LOAD;
	EXPECT(snapimg_build_id(&elf, sizeof(elf), id) == 0);
	elf = make_elf(20);
	elf.header.e_ident[EI_CLASS] = ELFCLASS32;
	EXPECT(snapimg_build_id(&elf, sizeof(elf), id) == 0);
	EXPECT(snapimg_build_id("#!/bin/sh\n", 10, id) == 0);
	EXPECT(snapimg_build_id(NULL, 0, id) == 0);
}

/* Cut anywhere and with any byte changed: no byte past the end is read, which the hole after it would show.
 */
static void test_damage(void)
{
	struct elf elf = make_elf(20);
	uint8_t *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t id[SNAPIMG_BUILD_ID_MAX];
	size_t i;
	unsigned value;

	if (memory == MAP_FAILED || mprotect(memory + 4096, 4096, PROT_NONE) != 0) {
		perror("mmap");
		exit(1);
	}
	for (i = 0; i <= sizeof(elf); i++) {
		memcpy(memory + 4096 - i, &elf, i);
		EXPECT_AT(snapimg_build_id(memory + 4096 - i, i, id) == (i == sizeof(elf) ? 20 : 0),
		          "cut at %zu", i);
	}
	for (i = 0; i < sizeof(elf); i++) {
		for (value = 0; value < 256; value += value < 8 || value > 247 ? 1 : 16) {
			memcpy(memory + 4096 - sizeof(elf), &elf, sizeof(elf));
			memory[4096 - sizeof(elf) + i] = (uint8_t)value;
			EXPECT_AT(snapimg_build_id(memory + 4096 - sizeof(elf), sizeof(elf), id) <=
			                  SNAPIMG_BUILD_ID_MAX,
			          "byte %zu", i);
		}
	}
	(void)munmap(memory, 8192);
}

int main(void)
{
	test_own();
	test_notes();
	test_damage();
	return check_result();
}
