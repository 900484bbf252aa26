#include "tracer/warm/java.h"

#include <string.h>

/* java(1), "Standard Options for Java": whose value is the next word, unless it is in the same
 * (--add-modules=X). */
static const char *const with_value[] = {"-cp",
                                         "-classpath",
                                         "--class-path",
                                         "-p",
                                         "--module-path",
                                         "--upgrade-module-path",
                                         "--add-modules",
                                         "--limit-modules",
                                         "--add-exports",
                                         "--add-opens",
                                         "--add-reads",
                                         "--patch-module",
                                         "--enable-native-access",
                                         "--source",
                                         NULL};
/* Of which it is what is run, and the next word the first argument. */
static const char *const with_main[] = {"-jar", "-m", "--module", NULL};

static bool is_one_of(const char *const *list, const char *word)
{
	for (; *list; list++)
		if (strcmp(*list, word) == 0)
			return true;
	return false;
}

size_t java_find_main(char *const *words, bool *ret_is_file)
{
	const char *suffix;

	*ret_is_file = false;
	for (size_t i = 1; words[i]; i++) {
		if (words[i][0] == '@') /* a file of options, in which it may be */
			return 0;
		if (is_one_of(with_main, words[i])) {
			*ret_is_file = words[i][1] == 'j';
			return words[i + 1] ? i + 1 : 0;
		}
		if (strncmp(words[i], "--module=", 9) == 0)
			return i;
		if (words[i][0] != '-') {
			suffix = strrchr(words[i], '.');
			*ret_is_file = suffix && strcmp(suffix, ".java") == 0;
			return i;
		}
		if (is_one_of(with_value, words[i]) && !words[++i])
			return 0;
	}
	return 0;
}
