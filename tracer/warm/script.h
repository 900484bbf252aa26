/* What a program's file says of its interpreter: its first line, "#! INTERPRETER [ARGUMENT]". */
#ifndef TRACER_WARM_SCRIPT_H
#define TRACER_WARM_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

enum { SCRIPT_HEAD = 256, SCRIPT_WORDS = 16 };

struct script {
	char head[SCRIPT_HEAD + 1]; /* the words lie in it */
	char *word[SCRIPT_WORDS + 1];
	size_t count; /* the interpreter as it would be executed, and its options; 0: no script */
	bool by_path; /* env(1) looks for it in PATH */
};

/* False: the file can't be read (errno). */
bool script_read(const char *path, struct script *ret_script);

#endif
