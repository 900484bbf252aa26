#include "restore/base/undo.h"

static struct {
	void (*function[UNDO_MAX])(void);
	unsigned count;
} undo;

void undo_add(void (*function)(void))
{
	undo.function[undo.count++] = function;
}

void undo_all(void)
{
	while (undo.count > 0)
		undo.function[--undo.count]();
}

void undo_forget(void)
{
	undo.count = 0;
}
