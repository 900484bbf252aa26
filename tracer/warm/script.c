#include "tracer/warm/script.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tracer/options.h"

static const char blanks[] = " \t";

/* The kernel gives all after the interpreter as one word (fs/binfmt_script.c); only env -S takes it apart. */
static void split(struct script *script, char *text, bool once)
{
	while (script->count < SCRIPT_WORDS) {
		text += strspn(text, blanks);
		if (!*text)
			break;
		script->word[script->count++] = text;
		if (once && script->count == 2)
			break;
		text += strcspn(text, blanks);
		if (*text)
			*text++ = '\0';
	}
	script->word[script->count] = NULL;
}

/* env(1) with anything but a program's name, or -S and words, is left to itself. */
static void pass_env(struct script *script)
{
	size_t first = script->count > 2 && strcmp(script->word[1], "-S") == 0 ? 2 : 1;

	script->by_path = true;
	if (script->count <= first || script->word[first][0] == '-' || strchr(script->word[first], '=')) {
		script->count = 0;
		return;
	}
	script->count -= first;
	memmove(script->word, script->word + first, (script->count + 1) * sizeof(*script->word));
}

bool script_read(const char *path, struct script *ret_script)
{
	struct script *script = ret_script;
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t length;
	bool is_env;

	*script = (struct script){0};
	if (file < 0)
		return false;
	length = pread(file, script->head, SCRIPT_HEAD, 0);
	close(file);
	if (length < 0)
		return false;
	if (strncmp(script->head, "#!", 2) != 0)
		return true;
	script->head[strcspn(script->head, "\n")] = '\0';
	for (size_t end = strlen(script->head); end > 2 && strchr(blanks, script->head[end - 1]); end--)
		script->head[end - 1] = '\0';
	char *interpreter = script->head + 2 + strspn(script->head + 2, blanks);
	size_t name = strcspn(interpreter, blanks);
	is_env = name >= 4 && strncmp(interpreter + name - 4, "/env", 4) == 0;
	split(script, interpreter, !is_env);
	if (is_env)
		pass_env(script);
	return true;
}
