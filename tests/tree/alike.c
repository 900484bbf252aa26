/* Five processes with memory that they have alike since they were forked, what each has written since, and
 * what it writes after the point. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "line.h"

enum { ALIKE_PAGES = 1024, PAGE = 4096 };

static uint64_t alike_word(unsigned page, unsigned word)
{
	uint64_t mixed = ((uint64_t)page << 9 | word) * 0x9e3779b97f4a7c15u;
	return (mixed ^ mixed >> 29) * 0xbf58476d1ce4e5b9u;
}

static uint64_t *alike_page(uint64_t *memory, unsigned page)
{
	return memory + (size_t)page * PAGE / sizeof(*memory);
}

/* Whether all is as it was made, but for these pages, which have been given `mark`; 0: back to the kernel. */
static void find_alike(uint64_t *memory, unsigned first, unsigned end, uint64_t mark)
{
	for (unsigned page = 0; page < ALIKE_PAGES; page++) {
		bool is_own = page >= first && page < end;
		for (unsigned word = 0; word < PAGE / sizeof(*memory); word++)
			EXPECT(alike_page(memory, page)[word] == (!is_own ? alike_word(page, word)
			                                          : word == 0 || mark == 0
			                                                  ? mark
			                                                  : alike_word(page, word)));
	}
}

static void mark_alike(uint64_t *memory, unsigned first, unsigned end, uint64_t mark)
{
	for (unsigned page = first; page < end; page++)
		*alike_page(memory, page) = mark;
}

/* Its own pages were marked, or given back, before the point. After it others have written before `go`. */
static int find_and_write(uint64_t *memory, const struct line *go, unsigned first, unsigned end,
                          uint64_t mark)
{
	hear(go);
	find_alike(memory, first, end, mark);
	mark_alike(memory, 0, ALIKE_PAGES, 99); /* nobody else has that */
	CHECK(madvise(alike_page(memory, 700), 20 * PAGE, MADV_DONTNEED) == 0);
	for (unsigned page = 700; page < 720; page++)
		EXPECT(*alike_page(memory, page) == 0 && alike_page(memory, page)[100] == 0);
	EXPECT(*alike_page(memory, 699) == 99 && alike_page(memory, 720)[1] == alike_word(720, 1));
	return check_result();
}

int main(void)
{
	struct line ready = line(), go[4] = {line(), line(), line(), line()};
	uint64_t *memory =
	        mmap(NULL, ALIKE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	for (unsigned page = 0; page < ALIKE_PAGES; page++)
		for (unsigned word = 0; word < PAGE / sizeof(*memory); word++)
			alike_page(memory, page)[word] = alike_word(page, word);
	pid_t child[3];
	for (unsigned i = 0; i < 3; i++) {
		if ((child[i] = child_of(fork())) != 0)
			continue;
		if (i == 0) /* one that writes here and there, with a child that does, too */
			mark_alike(memory, 100, 103, 7);
		if (i == 1)
			CHECK(madvise(alike_page(memory, 200), 50 * PAGE, MADV_DONTNEED) == 0);
		pid_t grandchild = i == 0 ? child_of(fork()) : -1;
		tell(&ready, 'r');
		if (grandchild == 0)
			_exit(find_and_write(memory, &go[3], 100, 103, 7));
		int status = i == 0   ? find_and_write(memory, &go[0], 100, 103, 7)
		             : i == 1 ? find_and_write(memory, &go[1], 200, 250, 0)
		                      : find_and_write(memory, &go[2], 0, 0, 0);
		if (grandchild > 0) {
			tell(&go[3], 'g');
			status |= wait_for(grandchild);
		}
		_exit(status != 0);
	}
	for (int i = 0; i < 4; i++)
		hear(&ready);
	mark_alike(memory, 500, 600, 5); /* the children don't have that */
	marker();
	find_alike(memory, 500, 600, 5);
	mark_alike(memory, 300, 400, 6);
	for (int i = 0; i < 3; i++) {
		tell(&go[i], 'g');
		EXPECT(wait_for(child[i]) == 0);
	}
	for (unsigned page = 300; page < 400; page++)
		EXPECT(*alike_page(memory, page) == 6);
	EXPECT(*alike_page(memory, 700) == alike_word(700, 0));
	return check_result();
}
