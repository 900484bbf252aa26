/* The command lines of java(1): options that are words, and a class in place of a file. */
#ifndef TRACER_WARM_JAVA_H
#define TRACER_WARM_JAVA_H

#include <stdbool.h>
#include <stddef.h>

/* The index of what is run: a class, a module, with -jar a file; 0: there is none, or only java itself finds
 * it. */
size_t java_find_main(char *const *words, bool *ret_is_file);

#endif
