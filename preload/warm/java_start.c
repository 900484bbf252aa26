/* What a start has anew, made the virtual machine's own: where the JDK's classes keep it. */
#include "preload/warm/java.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	PUSH_FRAME = 19,
	POP_FRAME = 20,
	IS_INSTANCE = 32,
	SET_OBJECT = 104,
	SET_TRUTH = 105,
	SET_NUMBER = 109,
	SET_STATIC_OBJECT = 154,
	NEW_ARRAY = 172,
	SET_ELEMENT = 174
};
enum { DEALLOCATE = 47, CLASS_SIGNATURE = 48, CLASS_STATUS = 49, LOADED_CLASSES = 78, FRAME_ROOM = 64 };

#define TEXT "Ljava/lang/String;"

static char before[PATH_MAX], machine_file[PATH_MAX];
static char **words_before;            /* the command line up to the point */
static size_t word_count, fixed_words; /* of them, those that are in every start */
static bool is_tool, is_terminal[2], has_encoding;

/* Generators that seed themselves when their class is initialized. */
static struct generator {
	const char *signature, *field, *type, *set; /* set: its method that takes a seed; NULL: of a thread */
	bool is_used;
} generators[] = {
        {"Ljava/util/concurrent/ThreadLocalRandom;", "seeder", "Ljava/util/concurrent/atomic/AtomicLong;",
         "set", false},
        {"Ljava/lang/Math$RandomNumberGeneratorHolder;", "randomNumberGenerator", "Ljava/util/Random;",
         "setSeed", false},
        {"Ljava/util/Random;", "seedUniquifier", "Ljava/util/concurrent/atomic/AtomicLong;", "set", false},
        {"Ljava/util/SplittableRandom;", "defaultGen", "Ljava/util/concurrent/atomic/AtomicLong;", "set",
         false},
};
enum { GENERATORS = sizeof(generators) / sizeof(*generators) };

/* What is asked of the surroundings by the helper itself is none of the program's inputs. */
static void look_at_terminals(bool ret_is[2])
{
	java_say("pause");
	for (int i = 0; i < 2; i++)
		ret_is[i] = isatty(STDOUT_FILENO + i);
	java_say("resume");
}

static object properties(interface env)
{
	return jvm_call(env, jvm_class(env, "java/lang/System"), NULL, "getProperties",
	                "()Ljava/util/Properties;", NULL);
}

/* Into `to`, cut off; false: there is none. */
static bool property(interface env, const char *name, char *to, size_t size)
{
	union value words[1] = {{.object = jvm_text(env, name)}};
	object text = jvm_call(env, jvm_class(env, "java/lang/System"), NULL, "getProperty",
	                       "(" TEXT ")" TEXT, words);

	jvm_describe(env, text, to, size);
	return text != NULL;
}

static void set_property(interface env, const char *name, object value)
{
	union value words[2] = {{.object = jvm_text(env, name)}, {.object = value}};
	object all = properties(env), class = jvm_class(env, "java/util/Properties");

	if (value)
		(void)jvm_call(env, class, all, "setProperty", "(" TEXT TEXT ")Ljava/lang/Object;", words);
	else
		(void)jvm_call(env, class, all, "remove", "(Ljava/lang/Object;)Ljava/lang/Object;", words);
}

/* As java(1) makes main's arguments. */
static object platform_text(interface env, const char *bytes)
{
	union value words[2] = {{.truth = 1}, {.object = jvm_bytes(env, bytes)}};

	return jvm_call(env, jvm_class(env, "sun/launcher/LauncherHelper"), NULL, "makePlatformString",
	                "(Z[B)" TEXT, words);
}

/* A class whose static fields are made of the surroundings: made again by its own code. */
static void initialize_again(interface env, const char *name)
{
	(void)jvm_call(env, jvm_class(env, name), NULL, "<clinit>", "()V", NULL);
}

static object file_system(interface env, object *ret_class)
{
	object found = jvm_call(env, jvm_class(env, "java/nio/file/FileSystems"), NULL, "getDefault",
	                        "()Ljava/nio/file/FileSystem;", NULL);

	*ret_class = jvm_class(env, "sun/nio/fs/UnixFileSystem");
	if (!found || !*ret_class || !JNI(env, IS_INSTANCE, uint8_t, object, object)(env, found, *ret_class))
		return NULL;
	return found;
}

static object old_file_system(interface env)
{
	object class = jvm_class(env, "java/io/File");
	object found = jvm_get(env, class, NULL, "fs", "Ljava/io/FileSystem;");

	return found ? found : jvm_get(env, class, NULL, "FS", "Ljava/io/FileSystem;");
}

static void set_object(interface env, object of, object class, const char *name, const char *signature,
                       object value)
{
	member field = jvm_field(env, class, false, name, signature);

	if (field && of)
		JNI(env, SET_OBJECT, void, object, member, object)(env, of, field, value);
}

/* Where relative names begin; unless the command line says so itself (-Duser.dir). */
static bool set_directory(interface env)
{
	char now[PATH_MAX], old[PATH_MAX];
	object class, system = file_system(env, &class);
	member field = jvm_field(env, class, false, "needToResolveAgainstDefaultDirectory", "Z");

	if (!property(env, "user.dir", old, sizeof(old)) || strcmp(old, before) != 0)
		return true;
	if (!getcwd(now, sizeof(now)))
		return false;
	if (strcmp(now, before) == 0)
		return true;
	set_property(env, "user.dir", platform_text(env, now));
	if (jvm_class(env, "jdk/internal/util/StaticProperty"))
		initialize_again(env, "jdk/internal/util/StaticProperty");
	set_object(env, old_file_system(env), jvm_class(env, "java/io/UnixFileSystem"), "userDir", TEXT,
	           platform_text(env, now));
	set_object(env, system, class, "defaultDirectory", "[B", jvm_bytes(env, now));
	JNI(env, SET_TRUTH, void, object, member, uint32_t)(env, system, field, 0);
	return true;
}

/* Up to Java 18 a terminal's encoding is a property of its own, and that of other streams file.encoding. */
static bool set_terminals(interface env)
{
	static const char *const names[] = {"sun.stdout.encoding", "sun.stderr.encoding"};
	char own[64], of_files[64];
	bool now[2];

	look_at_terminals(now);
	for (int i = 0; i < 2 && !has_encoding; i++) {
		if (now[i] == is_terminal[i])
			continue;
		if (!property(env, "sun.jnu.encoding", own, sizeof(own)) ||
		    !property(env, "file.encoding", of_files, sizeof(of_files)) || strcmp(own, of_files) != 0)
			return false;
		set_property(env, names[i], now[i] ? jvm_text(env, own) : NULL);
	}
	return true;
}

static bool set_environment(interface env)
{
	extern char **environ;
	size_t count;
	char **now = java_words("/proc/self/environ", &count);

	if (!now)
		return false;
	environ = now;
	initialize_again(env, "java/lang/ProcessEnvironment");
	return true;
}

static void seed(interface env)
{
	object thread = jvm_call(env, jvm_class(env, "java/lang/Thread"), NULL, "currentThread",
	                         "()Ljava/lang/Thread;", NULL);
	member probe =
	        jvm_field(env, jvm_class(env, "java/lang/Thread"), false, "threadLocalRandomProbe", "I");
	union value words[1] = {{0}};
	char name[64];

	for (size_t i = 0; i < GENERATORS; i++) {
		const struct generator *own = &generators[i];
		if (!own->is_used ||
		    getrandom(&words[0].wide, sizeof(words[0].wide), 0) != sizeof(words[0].wide))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strlen(own->signature) - 2, own->signature + 1);
		object kept = jvm_get(env, jvm_class(env, name), NULL, own->field, own->type);
		snprintf(name, sizeof(name), "%.*s", (int)strlen(own->type) - 2, own->type + 1);
		if (kept)
			(void)jvm_call(env, jvm_class(env, name), kept, own->set, "(J)V", words);
	}
	if (thread && probe) /* of 0, it is made when it's asked for */
		JNI(env, SET_NUMBER, void, object, member, int32_t)(env, thread, probe, 0);
}

/* "MAIN ARGUMENT ...", where a tool of the JDK has its own name for MAIN. */
static void set_command(interface env, char *const *given)
{
	static const char name[] = "sun.java.command", module[] = "--module=";
	char main[PATH_MAX], *text;
	size_t length = 1, at;

	if (!property(env, name, main, sizeof(main)))
		return;
	main[strcspn(main, " ")] = '\0';
	if (!is_tool)
		snprintf(main, sizeof(main), "%s",
		         given[-1] + (strncmp(given[-1], module, strlen(module)) == 0 ? strlen(module) : 0));
	for (size_t i = 0; given[i]; i++)
		length += strlen(given[i]) + 1;
	length += strlen(main);
	if (!(text = malloc(length)))
		return;
	at = (size_t)snprintf(text, length, "%s", main);
	for (size_t i = 0; given[i]; i++)
		at += (size_t)snprintf(text + at, length - at, " %s", given[i]);
	set_property(env, name, platform_text(env, text));
	free(text);
}

/* The words that snaptrace has put after the first one, up to the agent's. */
static size_t own_words(char *const *words, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (strstr(words[i], "-agentpath:") && strstr(words[i], "warm/java.so"))
			return i;
	return 0;
}

void java_start_cold(void)
{
	size_t count, own;
	char **words = java_words("/proc/self/cmdline", &count);

	if (!words)
		return;
	own = own_words(words, fixed_words);
	words[own] = words[0];
	execv(machine_file, words + own);
}

/* What was read before the point is an input: all variables, where somebody asked for one. */
static void look_at_classes(interface env, interface tools)
{
	object *class;
	int32_t count = 0, status;
	char *name;

	if (JNI(env, PUSH_FRAME, int32_t, int32_t)(env, FRAME_ROOM) != 0 ||
	    JVMTI(tools, LOADED_CLASSES, int32_t *, object **)(tools, &count, &class) != 0)
		return;
	for (int32_t i = 0; i < count; i++) {
		if (JVMTI(tools, CLASS_STATUS, object, int32_t *)(tools, class[i], &status) != 0 ||
		    !(status & JVMTI_IS_INITIALIZED) ||
		    JVMTI(tools, CLASS_SIGNATURE, object, char **, char **)(tools, class[i], &name, NULL) !=
		            0)
			continue;
		if (strcmp(name, "Ljava/lang/ProcessEnvironment;") == 0)
			java_say("variable/*");
		for (size_t k = 0; k < GENERATORS; k++)
			generators[k].is_used |= strcmp(name, generators[k].signature) == 0;
		(void)JVMTI(tools, DEALLOCATE, char *)(tools, name);
	}
	(void)JVMTI(tools, DEALLOCATE, object *)(tools, class);
	(void)JNI(env, POP_FRAME, object, object)(env, NULL);
}

/* Relative names of classes were looked for in this directory. */
static void look_at_paths(interface env)
{
	static const char *const names[] = {"java.class.path", "jdk.module.path"};
	static char paths[1 << 16];
	char directory[PATH_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!property(env, names[i], paths, sizeof(paths)) || (i > 0 && !*paths))
			continue;
		bool is_relative = !is_tool && (paths[0] != '/' || strlen(paths) + 1 == sizeof(paths));
		for (const char *at = strchr(paths, ':'); at; at = strchr(at + 1, ':'))
			is_relative |= at[1] != '/';
		if (is_relative)
			(void)!getcwd(directory, sizeof(directory));
	}
}

bool java_begin(void)
{
	ssize_t length = readlink("/proc/self/exe", machine_file, sizeof(machine_file) - 1);

	words_before = java_words("/proc/self/cmdline", &word_count);
	return words_before && length > 0;
}

bool java_can_start(interface env, interface tools, int argument_count)
{
	char text[8];
	object class, of_environment;

	look_at_classes(env, tools);
	if (word_count <= (size_t)argument_count)
		return false;
	fixed_words = word_count - (size_t)argument_count;
	is_tool = strncmp(words_before[fixed_words - 1], "-J", 2) == 0;
	look_at_paths(env);
	look_at_terminals(is_terminal);
	has_encoding = property(env, "stdout.encoding", text, sizeof(text));
	java_say("pause");
	if (!getcwd(before, sizeof(before)))
		*before = '\0';
	java_say("resume");
	of_environment = jvm_class(env, "java/lang/ProcessEnvironment");
	return of_environment && file_system(env, &class) && old_file_system(env) &&
	       jvm_field(env, class, false, "defaultDirectory", "[B") &&
	       jvm_field(env, class, false, "needToResolveAgainstDefaultDirectory", "Z") &&
	       platform_text(env, "x") &&
	       jvm_get(env, of_environment, NULL, "theUnmodifiableEnvironment", "Ljava/util/Map;");
}

/* Of a tool of the JDK, such a word is the virtual machine's, wherever it stands. */
static bool has_options_of_machine(char *const *given)
{
	for (; is_tool && *given; given++)
		if (strncmp(*given, "-J", 2) == 0)
			return true;
	return false;
}

object java_start(interface env)
{
	size_t count;
	char **words = java_words("/proc/self/cmdline", &count);
	object array;

	if (!words || count < fixed_words || !set_environment(env) ||
	    has_options_of_machine(words + fixed_words) || !set_directory(env) || !set_terminals(env))
		return NULL;
	seed(env);
	set_command(env, words + fixed_words);
	array = JNI(env, NEW_ARRAY, object, int32_t, object,
	            object)(env, (int32_t)(count - fixed_words), jvm_class(env, "java/lang/String"), NULL);
	for (size_t i = fixed_words; array && i < count; i++) {
		object word = platform_text(env, words[i]);
		if (!word)
			return NULL;
		JNI(env, SET_ELEMENT, void, object, int32_t, object)
		(env, array, (int32_t)(i - fixed_words), word);
	}
	return array;
}
