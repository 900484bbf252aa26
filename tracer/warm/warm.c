#include "tracer/warm/warm.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/base/array.h"
#include "tracer/options.h"
#include "tracer/program.h"
#include "tracer/warm/java.h"
#include "tracer/warm/script.h"

struct language {
	const char *word; /* as --warm has it, and as the interpreter's name begins */
	const char *helper;
	const char *before[4]; /* what stands before the helper's file in the command line */
	const char *after;     /* and after it, if anything does */
	const char *glued;     /* what stands before it in the same word; or NULL */
	const char
	        *with_value; /* letters of options whose value is the next word, where it isn't in the same */
	const char *const *variables; /* that the interpreter reads for itself; NULL-terminated */
	const char *no_file;          /* letters of options that say what to run in place of a file */
	const char *attached;         /* letters whose value is the rest of the word; or NULL */
	const char *own; /* letters that let the interpreter take the first arguments itself; or NULL */
	/* Where its options are words: as find_file(). */
	size_t (*find)(char *const *words, bool *ret_is_file);
	const char *const *tools; /* programs of its own, which take no file; NULL-terminated, or NULL */
};

/* Those that the C library asks for without a call that could be seen, among them. */
static const char *const of_all[] = {
        "LANG",           "LANGUAGE",    "LC_*",           "TZ",          "TZDIR",   "HOME",
        "LD_*",           "MALLOC_*",    "GLIBC_TUNABLES", "LOCPATH",     "NLSPATH", "GCONV_PATH",
        "OUTPUT_CHARSET", "RES_OPTIONS", "LOCALDOMAIN",    "HOSTALIASES", NULL};
static const char *const of_python[] = {"PYTHON*", NULL};
static const char *const of_node[] = {"NODE*", "OPENSSL_*", "SSL_*", "UV_*", NULL};
static const char *const of_ruby[] = {"RUBY*", "GEM_*", "BUNDLE*", NULL};

static const char *const of_perl[] = {"PERL*", NULL};
static const char *const of_java[] = {"JAVA_*", "_JAVA_*", "JDK_*", "CLASSPATH", NULL};
static const char *const jdk_tools[] = {"javac", "javadoc", "javap",     "jar",     "jarsigner",
                                        "jdeps", "jlink",   "jdeprscan", "keytool", NULL};

static const struct language languages[] = {
        {.word = "python",
         .helper = "python.py",
         .with_value = "WX",
         .variables = of_python,
         .no_file = "cm"},
        {.word = "node",
         .helper = "node.cjs",
         .before = {"-r"},
         .with_value = "rC",
         .variables = of_node,
         .no_file = "epi"},
        {.word = "ruby",
         .helper = "ruby.rb",
         .before = {"-r"},
         .with_value = "IrEC",
         .variables = of_ruby,
         .no_file = "en"},
        /* A directory, and the module in it. */
        {.word = "perl",
         .helper = "",
         .before = {"-I"},
         .after = "-MSnapWarm",
         .with_value = "I",
         .variables = of_perl,
         .no_file = "eE",
         .attached = "0CDFMVdilmx",
         .own = "s"},
        /* A file that it maps shared is for tools that look at it from outside (jps). */
        {.word = "java",
         .helper = "java.so",
         .before = {"-XX:-UsePerfData", "-XX:+UnlockDiagnosticVMOptions", "-XX:+WhiteBoxAPI"},
         .glued = "-agentpath:",
         .variables = of_java,
         .find = java_find_main},
        {.word = "java",
         .helper = "java.so",
         .before = {"-J-XX:-UsePerfData", "-J-XX:+UnlockDiagnosticVMOptions", "-J-XX:+WhiteBoxAPI"},
         .glued = "-J-agentpath:",
         .variables = of_java,
         .tools = jdk_tools},
};
enum { LANGUAGES = sizeof(languages) / sizeof(*languages) };

enum status warm_check_language(const char *word)
{
	char known[128] = "auto";

	if (strcmp(word, "auto") == 0)
		return STATUS_OK;
	for (size_t i = 0; i < LANGUAGES; i++) {
		if (strcmp(word, languages[i].word) == 0)
			return STATUS_OK;
		if (!languages[i].tools)
			snprintf(known + strlen(known), sizeof(known) - strlen(known), ", %s",
			         languages[i].word);
	}
	return fail(STATUS_FAILED, "--warm=%s: no such language: give one of %s", word, known);
}

static bool is_listed(const char *const *list, const char *name)
{
	while (*list && strcmp(*list, name) != 0)
		list++;
	return *list;
}

/* "python3.11" is one of python, "pythonic" is none. */
static const struct language *find_language(const char *interpreter)
{
	const char *name = base_name(interpreter);

	for (size_t i = 0; i < LANGUAGES; i++) {
		if (languages[i].tools && is_listed(languages[i].tools, name))
			return &languages[i];
		if (languages[i].tools)
			continue;
		size_t length = strlen(languages[i].word);
		if (strncmp(name, languages[i].word, length) == 0 &&
		    (!name[length] || isdigit((unsigned char)name[length])))
			return &languages[i];
	}
	return NULL;
}

/* Of "INTERPRETER [OPTION...] FILE [ARGUMENT...]": the index of FILE; 0: there is none. */
static size_t find_file(const struct language *language, char *const *words, bool *ret_is_file)
{
	size_t i = 1;

	if (language->find)
		return language->find(words, ret_is_file);
	*ret_is_file = true;
	for (; words[i] && words[i][0] == '-' && words[i][1]; i++) {
		const char *letter = words[i] + 1;
		if (*letter == '-')
			return 0;
		for (; *letter; letter++) {
			if (language->attached && strchr(language->attached, *letter))
				break;
			if (strchr(language->no_file, *letter))
				return 0;
			if (strchr(language->with_value, *letter)) {
				i += !letter[1] && words[i + 1];
				break;
			}
		}
	}
	return words[i] && words[i][0] != '-' ? i : 0;
}

/* Of an interpreter's options: whether one of them makes variables of the arguments before the program runs.
 */
static bool takes_arguments(const struct language *language, char *const *words, size_t count)
{
	for (size_t i = 1; language->own && i < count; i++) {
		for (const char *letter = words[i]; words[i][0] == '-' && *letter; letter++) {
			if (strchr(language->attached, *letter) || strchr(language->with_value, *letter))
				letter += strcspn(letter, " \t"); /* a first line's options are one word */
			if (!*letter)
				break;
			if (strchr(language->own, *letter))
				return true;
		}
	}
	return false;
}

size_t warm_find_file(const struct options *options, const char *path, bool *ret_is_file)
{
	const struct language *language = find_language(path);
	struct script script;

	*ret_is_file = false;
	if (!language || language->tools || !script_read(path, &script) || script.count > 0)
		return 0;
	return find_file(language, options->program, ret_is_file);
}

static bool add_word(struct warm_run *warm, size_t *count, const char *word)
{
	char **room = array_add(warm->words, *count);

	return room && (!word || (*room = strdup(word)) != NULL);
}

/* A command line: the interpreter with its first options, the helper, what every start has after it (a
 * script's file), and the arguments. */
struct line {
	char *const *interpreter, *const *fixed, *const *arguments;
	size_t options, fixed_count;
};

static enum status build(const struct language *language, const char *shim, const struct line *line,
                         struct warm_run *warm)
{
	char helper[4200];
	size_t count = 0;
	bool ok = true;

	snprintf(helper, sizeof(helper), "%s%.*swarm/%s", language->glued ? language->glued : "",
	         (int)(base_name(shim) - shim), shim, language->helper);
	for (size_t i = 0; i < line->options && ok; i++)
		ok = add_word(warm, &count, line->interpreter[i]);
	for (size_t i = 0; language->before[i] && ok; i++)
		ok = add_word(warm, &count, language->before[i]);
	ok = ok && add_word(warm, &count, helper) &&
	     (!language->after || add_word(warm, &count, language->after));
	for (size_t i = 0; i < line->fixed_count && ok; i++)
		ok = add_word(warm, &count, line->fixed[i]);
	warm->fixed_arguments = (uint32_t)count;
	for (size_t i = 0; line->arguments[i] && ok; i++)
		ok = add_word(warm, &count, line->arguments[i]);
	ok = ok && add_word(warm, &count, NULL);
	return ok ? STATUS_OK : fail(STATUS_FAILED, "out of memory");
}

/* `file` is the index of what is run. Java's options may say so (-jar), so its helper stands before them all.
 */
static struct line line_of(const struct language *language, char *const *words, size_t file)
{
	size_t options = language->find || language->tools ? 1 : file;

	return (struct line){.interpreter = words,
	                     .options = options,
	                     .fixed = words + options,
	                     .fixed_count = file + 1 - options,
	                     .arguments = words + file + 1};
}

static enum status refuse_program(const char *name, const char *why)
{
	return fail(STATUS_CANNOT_RUN,
	            "--warm: %s: %s: give a script, or an interpreter with its script's file: without "
	            "--warm any program can be frozen",
	            name, why);
}

static enum status check_wanted(const struct options *options, const struct language *language)
{
	if (!language)
		return refuse_program(options->program[0], "no program of a language that has a helper");
	if (strcmp(options->warm, "auto") != 0 && strcmp(options->warm, language->word) != 0)
		return fail(STATUS_CANNOT_RUN, "--warm=%s: %s is a program of %s: give that, or auto",
		            options->warm, options->program[0], language->word);
	if (setenv("SNAP_WARM", options->warm_exits_fully ? "full" : "quick", 1) < 0)
		return fail(STATUS_FAILED, "out of memory");
	return STATUS_OK;
}

static void note_variables(struct inputs *inputs, const struct language *language, bool by_path)
{
	for (const char *const *name = of_all; *name; name++)
		inputs_note_variable(inputs, *name);
	for (const char *const *name = language->variables; *name; name++)
		inputs_note_variable(inputs, *name);
	if (by_path)
		inputs_note_variable(inputs, "PATH");
	inputs_begin(inputs);
}

static void note_place(struct inputs *inputs, const char *path, unsigned uses)
{
	char *directory = path[0] == '/' ? NULL : getcwd(NULL, 0), *joined = NULL;

	if (directory && asprintf(&joined, "%s/%s", directory, path) >= 0) {
		inputs->cwd_is_used = true;
		path = joined;
	}
	if (path[0] == '/')
		inputs_note_path(inputs, path, uses);
	free(joined);
	free(directory);
}

/* An interpreter is looked for by the kernel or by env(1), whose calls nobody sees. */
static void note_interpreter(struct inputs *inputs, const char *name, const char *found)
{
	const char *directory = getenv("PATH");
	char path[PATH_MAX];

	while (directory && !strchr(name, '/')) {
		size_t length = strcspn(directory, ":");
		snprintf(path, sizeof(path), "%.*s/%s", length ? (int)length : 1, length ? directory : ".",
		         name);
		if (strcmp(path, found) == 0)
			break;
		note_place(inputs, path, PATH_FOLLOWED);
		directory = directory[length] ? directory + length + 1 : NULL;
	}
	note_place(inputs, found, PATH_FOLLOWED | PATH_ITSELF);
}

static enum status refuse_option(const char *name)
{
	return refuse_program(name,
	                      "the interpreter's option -s takes arguments before the program looks at them");
}

/* `perl FILE' heeds the options of FILE's first line. */
static bool file_takes_arguments(const struct language *language, char *const *words, size_t file)
{
	struct script script;

	return takes_arguments(language, words, file) ||
	       (language->own && script_read(words[file], &script) &&
	        takes_arguments(language, script.word, script.count));
}

enum status warm_prepare(const struct options *options, const char *shim, char **path,
                         struct warm_run *ret_warm)
{
	const char *name = options->program[0];
	const struct language *language = find_language(*path);
	struct script script;
	struct line line;
	enum status status;
	char *interpreter;

	if (!script_read(*path, &script))
		return fail(STATUS_CANNOT_RUN, "%s: %s", *path, strerror(errno));
	if (script.count == 0) {
		bool is_file, is_tool = language && language->tools;
		size_t file = language && !is_tool ? find_file(language, options->program, &is_file) : 0;
		if ((status = check_wanted(options, language)) != STATUS_OK)
			return status;
		if (!file && !is_tool)
			return refuse_program(name, "it is not told which file to run");
		if (file_takes_arguments(language, options->program, file))
			return refuse_option(name);
		note_variables(&ret_warm->inputs, language, !strchr(name, '/'));
		note_interpreter(&ret_warm->inputs, name, *path);
		line = line_of(language, options->program, file);
		return build(language, shim, &line, ret_warm);
	}
	language = find_language(script.word[0]);
	if ((status = check_wanted(options, language)) != STATUS_OK ||
	    (status = program_find(script.word[0], true, &interpreter)) != STATUS_OK)
		return status;
	if (takes_arguments(language, script.word, script.count))
		return free(interpreter), refuse_option(name);
	note_variables(&ret_warm->inputs, language, script.by_path);
	note_interpreter(&ret_warm->inputs, script.word[0], interpreter);
	line = (struct line){script.word, path, options->program + 1, script.count, 1};
	status = build(language, shim, &line, ret_warm);
	free(*path);
	*path = interpreter;
	return status;
}

void warm_free(struct warm_run *warm)
{
	for (size_t i = 0; warm->words && warm->words[i]; i++)
		free(warm->words[i]);
	free(warm->words);
	for (size_t i = 0; i < warm->left_out_count; i++)
		free(warm->left_out[i]);
	free(warm->left_out);
	free(warm->loading);
	inputs_free(&warm->inputs);
}
