/*
 * The loader's words. It can fail in one way: die() prints one line and ends
 * the process (or starts the original program, if --fallback asked for that),
 * so no function of the loader returns an error that its caller must handle,
 * unless its own comment says so.
 */
#ifndef RESTORE_BASE_MESSAGE_H
#define RESTORE_BASE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

enum { EXIT_REFUSED = 125, EXIT_UNREADABLE = 126, EXIT_NOT_FOUND = 127 };

/* A part of a line: "..." as it is, or a number through dec() and hex(), whose text lives until
 * the line is printed. A NULL ends the list; the macros add it. */
const char *dec(uint64_t number);
const char *hex(uint64_t number);
/* The text for an errno; takes the negative result of a system call. */
const char *error_text(long result);

/* What die() tries before it ends the process, once it is known; NULL: nothing. */
extern void (*die_instead)(void);
/* Where a reason goes instead, which then does not return; NULL: nowhere (look/check.h). */
extern void (*die_noted)(int status, const char *const *parts);
_Noreturn void die_parts(int status, const char *const *parts);
void warn_parts(const char *const *parts);
/* False when not all could be written. */
bool print_parts(int descriptor, const char *const *parts);

/* die(EXIT_REFUSED, image, ": cut off at byte ", dec(n)): prints "snaprun: ..." and ends. */
#define die(status, ...)       die_parts(status, (const char *const[]){__VA_ARGS__, (const char *)0})
/* Prints "snaprun: ..." unless -q. */
#define warn(...)              warn_parts((const char *const[]){__VA_ARGS__, (const char *)0})
#define print(descriptor, ...) print_parts(descriptor, (const char *const[]){__VA_ARGS__, (const char *)0})

#endif
