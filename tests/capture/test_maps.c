/* maps_parse() over text as /proc/PID/smaps has it. */
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "format/base/maps.h"
#include "tracer/capture/memory/vm_flags.h"

static const char sample[] =
        "00400000-00401000 r-xp 00002000 fe:01 1234                               /bin/a b\\012c (deleted)\n"
        "Size:                  4 kB\n"
        "Rss:                   8 kB\n"
        "Anonymous:             4 kB\n"
        "Swap:                 12 kB\n"
        "ProtectionKey:         3\n"
        "VmFlags: rd ex mr mw me sd \n"
        "7f0000000000-7f1000000000 rw-s 00000000 00:01 7                          /dev/zero (deleted)\n"
        "Rss:                   0 kB\n"
        "VmFlags: rd wr sh mr mw me ms nr lo\n"
        "7ffe00000000-7ffe00021000 ---p 00000000 00:00 0 \n"
        "VmFlags: gd ac \n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
        "VmFlags: ex \n";

static int parse(const char *from, struct maps *maps)
{
	struct text text = {.bytes = strdup(from), .size = strlen(from)};

	return maps_parse(&text, maps);
}

static void test_sample(void)
{
	struct maps maps;

	EXPECT(parse(sample, &maps) == 0);
	EXPECT(maps.count == 3); /* not [vsyscall] */
	const struct vma *vma = maps.vma;
	EXPECT(vma[0].start == 0x400000 && vma[0].end == 0x401000 && vma[0].offset == 0x2000);
	EXPECT(vma[0].protection == 5 && !vma[0].shared);
	EXPECT(vma[0].major == 0xfe && vma[0].minor == 1 && vma[0].inode == 1234);
	EXPECT(strcmp(vma[0].name, "/bin/a b\nc (deleted)") == 0);
	EXPECT(vma[0].rss == 8192 && vma[0].anonymous == 4096 && vma[0].swap == 12288 &&
	       vma[0].protection_key == 3);
	EXPECT(vma_has(&vma[0], "ex") && vma_has(&vma[0], "sd") && !vma_has(&vma[0], "wr") &&
	       !vma_has(&vma[0], "dm"));
	EXPECT(vma[1].shared && vma[1].rss == 0 && vma_has(&vma[1], "lo"));
	EXPECT(vma[2].protection == 0 && vma[2].name[0] == '\0' && vma_has(&vma[2], "gd"));
	EXPECT(maps_find(&maps, 0x400fff) == &vma[0] && !maps_find(&maps, 0x401000) && !maps_find(&maps, 0));
	EXPECT(maps_find(&maps, 0x7f0fffffffff) == &vma[1] && !maps_find(&maps, 0x7ffe00021000));
	maps_free(&maps);
}

static void test_flags(void)
{
	struct vma vma = {
	        .flags = " rd wr sh mr mw me ms gd pf dw lo io sr rr dc de lf ac nr ht sf ar wf dd sd mm "
	                 "hg nh mg um uw ui ss sl dp ?? "};

	EXPECT(!vm_flags_unknown(&vma));
	vma.flags = "";
	EXPECT(!vm_flags_unknown(&vma));
	vma.flags = " rd zz wr \n";
	EXPECT(vm_flags_unknown(&vma) && memcmp(vm_flags_unknown(&vma), "zz", 2) == 0);
}

static void test_unknown_forms(void)
{
	static const char *const wrong[] = {"Rss: 0 kB\n", "hello\n", "00400000-00401000 r-xp\n", "\n"};
	struct maps maps;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		EXPECT(parse(wrong[i], &maps) < 0);
	EXPECT(parse("", &maps) == 0 && maps.count == 0);
	maps_free(&maps);
}

int main(void)
{
	test_sample();
	test_unknown_forms();
	test_flags();
	return check_result();
}
