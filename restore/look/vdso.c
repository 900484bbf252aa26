#include "restore/look/vdso.h"

#include <asm/errno.h>
#include <asm/prctl.h>
#include <linux/elf.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "format/facts/checksum.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/zone.h"

/* The first mapping of the kernel's own pages (vvar and vdso lie together), and the vdso's. */
struct kernel_pages {
	uint32_t first, count;
	uint64_t vdso_start; /* 0: none */
};

static struct {
	bool is_other;     /* than the recorded one */
	uint64_t start;    /* of the kernel's own, which is another */
	struct range kept; /* with the pages before it */
	bool is_gone;      /* the kernel will map it again, in its recorded place */
} own;

static struct kernel_pages find_kernel_pages(void)
{
	struct kernel_pages pages = {0};
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++) {
		if (mapping[i].kind != SNAPIMG_MAPPING_VVAR && mapping[i].kind != SNAPIMG_MAPPING_VDSO)
			continue;
		if (pages.count == 0)
			pages.first = i;
		pages.count = i - pages.first + 1;
		if (mapping[i].kind == SNAPIMG_MAPPING_VDSO)
			pages.vdso_start = mapping[i].start;
	}
	return pages;
}

static struct range recorded_pages(void)
{
	struct kernel_pages pages = find_kernel_pages();
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image) + pages.first;
	if (pages.vdso_start == 0)
		return (struct range){0};
	return (struct range){mapping[0].start, mapping[pages.count - 1].end};
}

void vdso_check(void)
{
	const struct snapimg_machine *needed = snapimg_get_machine(&loader.image);
	if (needed->vdso_size == 0)
		return;
	own.start = loader.stack.vdso;
	own.is_other = own.start == 0 ||
	               snapimg_checksum((const void *)own.start, needed->vdso_size) != needed->vdso_checksum;
	if (own.is_other && loader.image.section[SNAPIMG_SECTION_VDSO].size == 0)
		die(EXIT_REFUSED, loader.options.image, ": made on a kernel with another vdso (",
		    snapimg_string(&loader.image, snapimg_get_origin(&loader.image)->kernel),
		    ") by a snaptrace before 0.3: freeze the program again");
	if (own.is_other && loader.options.verbose)
		warn(loader.options.image,
		     ": the kernel's vdso is another than the program's, which calls it through the old one");
}

/*
 * The same vdso means the same kernel build, so the pages before it lie as they did in the image:
 * each mapping moves by the same distance. mremap moves one mapping at a time. A kernel that seals them
 * (CONFIG_MSEAL_SYSTEM_MAPPINGS, Linux 6.16) says EPERM, of the first already.
 */
static long move_same(uint64_t from_vdso, uint64_t to_vdso, struct kernel_pages pages)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image) + pages.first;
	for (uint32_t i = 0; i < pages.count; i++) {
		if (mapping[i].kind != SNAPIMG_MAPPING_VVAR && mapping[i].kind != SNAPIMG_MAPPING_VDSO)
			continue;
		uint64_t distance = mapping[i].start - pages.vdso_start;
		uint64_t size = mapping[i].end - mapping[i].start;
		long result = sys(__NR_mremap, from_vdso + distance, size, size,
		                  MREMAP_MAYMOVE | MREMAP_FIXED, to_vdso + distance);
		if (result == -EPERM)
			return result;
		if (result < 0)
			die(EXIT_REFUSED, loader.options.image, ": cannot move the kernel's ",
			    snapimg_string(&loader.image, mapping[i].name), ": ", error_text(result));
	}
	return 0;
}

/* Far enough inside its part of the zone for the vvar pages before it. */
#define PARKED_VDSO (ZONE_VDSO + 0x10000000ull)

/*
 * The kernel maps its pages anew at a place of our choice, in one call and without page tables to move: where
 * it has that call (arch_prctl(2), ARCH_MAP_VDSO_64, CONFIG_CHECKPOINT_RESTORE), it refuses while the old
 * ones are there (map_vdso_once() in arch/x86/entry/vdso/vma.c). Whether they have gone; sealed ones don't.
 */
static bool take_away(uint64_t from, struct range wanted, uint64_t vdso_start)
{
	return sys(__NR_arch_prctl, ARCH_MAP_VDSO_64, wanted.start) == -EEXIST &&
	       sys(__NR_munmap, from - (vdso_start - wanted.start), wanted.end - wanted.start) == 0;
}

/* Nothing is in the way: it's a place of the program's, and only the loader's memory is left. The call takes
 * the address for a hint, and doesn't tell. */
void vdso_map_again(void)
{
	struct range wanted = recorded_pages();
	uint8_t resident;
	if (!own.is_gone)
		return;
	long result = sys(__NR_arch_prctl, ARCH_MAP_VDSO_64, wanted.start);
	if (result > 0)
		result = sys(__NR_mincore, wanted.end - SNAPIMG_PAGE_SIZE, SNAPIMG_PAGE_SIZE, &resident);
	if (result < 0)
		die(EXIT_REFUSED, loader.options.image,
		    ": cannot have the kernel's vdso in its place: ", error_text(result));
}

/* Straight to its place, unless that overlaps where it is now. False: it is sealed. */
static bool place_same(void)
{
	struct kernel_pages pages = find_kernel_pages();
	struct range wanted = recorded_pages();
	uint64_t from = loader.stack.vdso;
	uint64_t distance = from > pages.vdso_start ? from - pages.vdso_start : pages.vdso_start - from;
	if (pages.vdso_start == 0 || distance == 0)
		return true;
	own.is_gone = take_away(from, wanted, pages.vdso_start);
	if (own.is_gone)
		return true;
	if (distance < wanted.end - wanted.start) {
		if (move_same(from, PARKED_VDSO, pages) < 0)
			return false;
		from = PARKED_VDSO;
	}
	return move_same(from, pages.vdso_start, pages) == 0;
}

static uint64_t read_hex(const char **at)
{
	uint64_t value = 0;
	for (;; (*at)++) {
		char digit = **at;
		if (digit >= '0' && digit <= '9')
			value = value << 4 | (uint64_t)(digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			value = value << 4 | (uint64_t)(digit - 'a' + 10);
		else
			return value;
	}
}

enum { OWN_MAPPINGS = 8 };
struct own_mappings {
	struct range range[OWN_MAPPINGS];
	unsigned count;
};

/* A line of /proc/self/maps: "[vvar]", "[vvar_vclock]", "[vdso]". */
static void note_line(const char *line, struct own_mappings *mappings)
{
	const char *at = line, *name = line;
	while (*name != '\0' && *name != '[')
		name++;
	if ((text_after(name, "[vvar") == NULL && text_after(name, "[vdso]") == NULL) ||
	    mappings->count == OWN_MAPPINGS)
		return;
	uint64_t start = read_hex(&at);
	at++;
	mappings->range[mappings->count++] = (struct range){start, read_hex(&at)};
}

/* The kernel tells nobody else how many pages belong together. Without /proc there are none. */
static struct own_mappings find_own(void)
{
	enum { ROOM = 16384 };
	char text[ROOM];
	struct own_mappings mappings = {.count = 0};
	uint64_t size = 0;
	long descriptor = sys(__NR_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC), got = 1;
	while (descriptor >= 0 && got > 0 && size < ROOM - 1) {
		got = sys(__NR_read, descriptor, text + size, ROOM - 1 - size);
		size += got > 0 ? (uint64_t)got : 0;
	}
	sys(__NR_close, descriptor);
	text[size] = '\0';
	for (char *line = text; *line != '\0';) {
		char *end = line;
		while (*end != '\0' && *end != '\n')
			end++;
		bool is_last = *end == '\0';
		*end = '\0';
		note_line(line, &mappings);
		line = is_last ? end : end + 1;
	}
	return mappings;
}

static bool overlaps(struct range one, uint64_t start, uint64_t end)
{
	return one.start < end && one.end > start;
}

static bool is_free(struct range range)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	bool free = !overlaps(range, ZONE_START, ZONE_END) &&
	            !overlaps(range, loader.area.start, loader.area.start + loader.area.size);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image) && free; i++)
		free = !overlaps(range, mapping[i].start, mapping[i].end);
	return free;
}

/* In the middle of the widest gap, where neither heaps nor stacks soon grow to. */
static uint64_t find_gap(uint64_t size)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	uint64_t before = USER_START, widest = 0, middle = 0;
	for (uint32_t i = 0; i <= snapimg_mapping_count(&loader.image); i++) {
		uint64_t end = i < snapimg_mapping_count(&loader.image) ? mapping[i].start : USER_END;
		uint64_t at = page_floor(before + (end > before ? end - before : 0) / 2);
		if (end > before && end - before > widest && is_free((struct range){at, at + size})) {
			widest = end - before;
			middle = at;
		}
		before = i < snapimg_mapping_count(&loader.image) ? mapping[i].end : before;
	}
	return middle;
}

static void move_own(const struct own_mappings *mappings, uint64_t to)
{
	uint64_t first = mappings->range[0].start;
	for (unsigned i = 0; i < mappings->count; i++) {
		struct range from = mappings->range[i];
		uint64_t size = from.end - from.start;
		long result = sys(__NR_mremap, from.start, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
		                  to + (from.start - first));
		if (result < 0)
			die(EXIT_REFUSED, loader.options.image,
			    ": the program needs the place of this kernel's vdso, which can't be moved: ",
			    error_text(result), ": try again, for its place is drawn at random");
	}
	own.start = to + (own.start - first);
}

/* It stays where it is unless the program needs that place. */
static void place_other(void)
{
	enum { GUESS = 16 * SNAPIMG_PAGE_SIZE }; /* without /proc: more than the kernel ever put there */
	struct own_mappings mappings = find_own();
	if (own.start == 0)
		return;
	own.kept = (struct range){own.start - GUESS, own.start + GUESS};
	if (mappings.count > 0)
		own.kept = (struct range){mappings.range[0].start, mappings.range[mappings.count - 1].end};
	if (is_free(own.kept))
		return;
	uint64_t size = own.kept.end - own.kept.start, to = find_gap(size);
	if (mappings.count == 0 || to == 0)
		die(EXIT_REFUSED, loader.options.image,
		    ": the program needs the place of this kernel's vdso, and there is no /proc to see what "
		    "lies "
		    "there: try again, for its place is drawn at random");
	move_own(&mappings, to);
	own.kept = (struct range){to, to + size};
}

void vdso_place(void)
{
	if (!own.is_other && place_same()) {
		own.kept = own.is_gone ? (struct range){0} : recorded_pages();
		return;
	}
	if (loader.image.section[SNAPIMG_SECTION_VDSO].size == 0)
		die(EXIT_REFUSED, loader.options.image,
		    ": this kernel seals its vdso: freeze the program again, by a snaptrace from 0.3 on");
	own.is_other = true;
	place_other();
}

struct range vdso_kept(void)
{
	return own.kept;
}

/* The dynamic symbols of a vdso, whose link address is 0. Every vdso so far has its string table right after
 * its symbols (arch/x86/entry/vdso/vdso-layout.lds.S), which gives their number. */
struct symbols {
	const uint8_t *base;
	const Elf64_Sym *symbol;
	const char *strings;
	uint64_t count, size; /* size: bytes at base */
};

static bool is_inside(uint64_t size, uint64_t offset, uint64_t length)
{
	return offset <= size && length <= size - offset;
}

static struct symbols find_symbols(const uint8_t *base, uint64_t size)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
	struct symbols result = {.base = base, .size = size};
	uint64_t symbols = 0, strings = 0;
	if (size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
	    !is_inside(size, header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr)))
		return result;
	const Elf64_Phdr *part = (const Elf64_Phdr *)(base + header->e_phoff);
	for (unsigned i = 0; i < header->e_phnum; i++) {
		if (part[i].p_type != PT_DYNAMIC || !is_inside(size, part[i].p_offset, part[i].p_filesz))
			continue;
		const Elf64_Dyn *entry = (const Elf64_Dyn *)(base + part[i].p_offset);
		for (uint64_t k = 0; k < part[i].p_filesz / sizeof *entry; k++) {
			if (entry[k].d_tag == DT_SYMTAB)
				symbols = entry[k].d_un.d_ptr;
			else if (entry[k].d_tag == DT_STRTAB)
				strings = entry[k].d_un.d_ptr;
		}
	}
	if (symbols == 0 || strings <= symbols || strings >= size)
		return result;
	result.symbol = (const Elf64_Sym *)(base + symbols);
	result.strings = (const char *)(base + strings);
	result.count = (strings - symbols) / sizeof(Elf64_Sym);
	return result;
}

/* "clock_gettime" for __vdso_clock_gettime and clock_gettime; NULL if it is no function with room for code.
 */
static const char *function_name(const struct symbols *symbols, uint64_t index)
{
	enum { TYPE = 15, FUNCTION = 2, NONE = 0, NAME_ROOM = 64, CODE_ROOM = 24 };
	const Elf64_Sym *symbol = &symbols->symbol[index];
	uint64_t room = symbols->size - (uint64_t)(symbols->strings - (const char *)symbols->base);
	if (((symbol->st_info & TYPE) != FUNCTION && (symbol->st_info & TYPE) != NONE) ||
	    symbol->st_shndx == 0 || symbol->st_size < CODE_ROOM ||
	    !is_inside(room, symbol->st_name, NAME_ROOM) ||
	    !is_inside(symbols->size, symbol->st_value, symbol->st_size))
		return NULL;
	const char *name = symbols->strings + symbol->st_name, *rest = text_after(name, "__vdso_");
	return rest != NULL ? rest : name;
}

static uint64_t find_function(const struct symbols *symbols, const char *name)
{
	for (uint64_t i = 0; i < symbols->count; i++) {
		const char *found = function_name(symbols, i);
		if (found != NULL && text_equal(found, name))
			return (uint64_t)symbols->base + symbols->symbol[i].st_value;
	}
	return 0;
}

/* What each function is without a vdso: X(name, system call). */
#define VDSO_CALLS(X)                                                                                        \
	X("clock_gettime", __NR_clock_gettime)                                                               \
	X("clock_getres", __NR_clock_getres)                                                                 \
	X("gettimeofday", __NR_gettimeofday)                                                                 \
	X("getcpu", __NR_getcpu)                                                                             \
	X("time", __NR_time)                                                                                 \
	X("getrandom", __NR_getrandom)

static long call_number(const char *name)
{
#define X(known, number)                                                                                     \
	if (text_equal(name, known))                                                                         \
		return number;
	VDSO_CALLS(X)
#undef X
	return -1;
}

static uint8_t *put(uint8_t *to, const void *code, uint64_t size)
{
	memcpy(to, code, size);
	return to + size;
}

static uint8_t *put_jump(uint8_t *to, uint64_t target)
{
	to = put(to, "\x48\xb8", 2); /* movabs $target, %rax */
	to = put(to, &target, sizeof target);
	return put(to, "\xff\xe0", 2); /* jmp *%rax */
}

static uint8_t *put_call(uint8_t *to, long number)
{
	int32_t value = (int32_t)number;
	to = put(to, "\xb8", 1); /* mov $number, %eax */
	to = put(to, &value, sizeof value);
	return put(to, "\x0f\x05\xc3", 3); /* syscall; ret */
}

static uint8_t *put_result(uint8_t *to, int32_t result)
{
	to = put(to, "\x48\xc7\xc0", 3); /* mov $result, %rax */
	to = put(to, &result, sizeof result);
	return put(to, "\xc3", 1); /* ret */
}

/* getrandom's state belongs to the kernel that it was made for, so the call is made; and who asks what a
 * state looks like (a length of -1 in %r8) hears that there is none. */
static void put_getrandom(uint8_t *to)
{
	to = put(to, "\x49\x83\xf8\xff\x74\x08", 6); /* cmp $-1, %r8; je after the call */
	to = put_call(to, __NR_getrandom);
	put_result(to, -ENOSYS);
}

static void redirect(const struct symbols *old, const struct symbols *new, uint64_t index, uint64_t start)
{
	const char *name = function_name(old, index);
	if (name == NULL)
		return;
	uint8_t *code = (uint8_t *)(start + old->symbol[index].st_value);
	uint64_t target = find_function(new, name);
	long number = call_number(name);
	if (number == __NR_getrandom)
		put_getrandom(code);
	else if (target != 0)
		put_jump(code, target);
	else if (number >= 0)
		put_call(code, number);
	else
		put_result(code,
		           -ENOSYS); /* __vdso_sgx_enter_enclave: an enclave is another one by now anyway */
}

void vdso_map(void)
{
	const struct snapimg_view *bytes = &loader.image.section[SNAPIMG_SECTION_VDSO];
	uint64_t start = find_kernel_pages().vdso_start;
	if (!own.is_other || start == 0)
		return;
	image_read_vdso();
	long result = sys(__NR_mmap, start, bytes->size, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (result != (long)start)
		die(EXIT_REFUSED, loader.options.image,
		    ": no memory for the program's vdso: ", error_text(result));
	memcpy((void *)start, bytes->bytes, bytes->size);
	struct symbols old = find_symbols(bytes->bytes, bytes->size);
	/* What the kernel gives is whole pages, of which its own headers tell the size. */
	struct symbols new = {.count = 0};
	if (own.start != 0)
		new = find_symbols((const uint8_t *)own.start, own.kept.end - own.start);
	for (uint64_t i = 0; i < old.count; i++)
		redirect(&old, &new, i, start);
	result = sys(__NR_mprotect, start, bytes->size, PROT_READ | PROT_EXEC);
	if (result < 0)
		die(EXIT_REFUSED, loader.options.image,
		    ": cannot make the program's vdso: ", error_text(result));
}
