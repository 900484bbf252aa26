/*
 * An agent of the Java virtual machine (-agentpath): the moment before it calls
 * main(), when the program's main class is ready and its arguments are not
 * looked at yet, is the point `warm`; python.py beside it tells of the marks.
 * java(1) calls main() by JNI's CallStaticVoidMethod, whose entry in JNI's table
 * an agent may replace. Without snaptrace it does nothing.
 */
#include "preload/warm/java.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NOTIFY = 2,
	DEALLOCATE = 47,
	METHOD_NAME = 64,
	COLLECT = 108,
	SET_TABLE = 120,
	GET_TABLE = 121,
	SET_CALLBACKS = 122,
	CALL_STATIC_VOID_LIST = 142,
	CALL_STATIC_VOID_ARRAY = 143,
	ARRAY_LENGTH = 171
};
enum { PATH_ROOM = 1 << 12, TEXT_ROOM = 1 << 16 };

/* A jniNativeInterface as JVMTI copies it: as long as this machine's, which is less than the room. */
struct jni_table {
	void *entry[JNI_ENTRIES_MOST];
};

static interface tools; /* the jvmtiEnv */
static struct jni_table *plain;
static char *modules; /* the file that names what is to be loaded; or NULL */
static bool trains, is_over;

bool java_say(const char *word)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof(path), "/snap/warm%s%s", *word ? "/" : "", word);
	return access(path, F_OK) == 0;
}

char **java_words(const char *path, size_t *ret_count)
{
	char *text = NULL, **words = NULL;
	size_t length = 0, count = 0;
	ssize_t got = 1;
	int file = open(path, O_RDONLY | O_CLOEXEC);

	while (file >= 0 && got > 0) {
		char *more = realloc(text, length + TEXT_ROOM);
		if (!more)
			break;
		text = more;
		got = read(file, text + length, TEXT_ROOM);
		length += got > 0 ? (size_t)got : 0;
	}
	if (file >= 0)
		close(file);
	for (size_t i = 0; i < length; i += strlen(text + i) + 1)
		count++;
	if (got != 0 || !(words = calloc(count + 1, sizeof(*words))))
		return NULL;
	*ret_count = count;
	for (size_t i = 0, at = 0; i < count; i++, at += strlen(text + at) + 1)
		words[i] = text + at;
	return words;
}

static bool is_main(member method)
{
	char *name = NULL, *signature = NULL;
	bool is = JVMTI(tools, METHOD_NAME, member, char **, char **, char **)(tools, method, &name,
	                                                                       &signature, NULL) == 0 &&
	          strcmp(name, "main") == 0 && strcmp(signature, "([Ljava/lang/String;)V") == 0;

	(void)JVMTI(tools, DEALLOCATE, char *)(tools, name);
	(void)JVMTI(tools, DEALLOCATE, char *)(tools, signature);
	return is;
}

/* Returns the arguments that main() is to have. */
static object look(interface env, object given)
{
	object now = NULL;

	if (!java_can_start(env, tools, JNI(env, ARRAY_LENGTH, int32_t, object)(env, given)))
		return given;
	if (modules) {
		java_classes_load(env, modules);
		java_compile(env, tools, modules);
	}
	(void)((int (*)(interface))(*tools)[COLLECT - 1])(tools);
	if (java_say("")) {
		if (!(now = java_start(env)))
			java_start_cold();
	} else if (trains) {
		java_classes_tell(tools);
		java_compiled_tell(env, tools);
	}
	return now ? now : given;
}

/* In place of CallStaticVoidMethod(). */
static void call_static(interface env, object class, member method, ...)
{
	va_list list;
	union value argument = {0};

	va_start(list, method);
	if (is_over || !is_main(method)) {
		((void (*)(interface, object, member, va_list))plain->entry[CALL_STATIC_VOID_LIST])(
		        env, class, method, list);
		va_end(list);
		return;
	}
	argument.object = va_arg(list, object);
	va_end(list);
	is_over = true;
	(void)JVMTI(tools, SET_TABLE, const struct jni_table *)(tools, plain);
	argument.object = look(env, argument.object);
	JNI(env, CALL_STATIC_VOID_ARRAY, void, object, member, const union value *)
	(env, class, method, &argument);
}

static void begin(interface of, interface env, object thread)
{
	struct jni_table *changed = NULL;

	(void)env;
	(void)thread;
	if (JVMTI(of, GET_TABLE, struct jni_table **)(of, &plain) == 0 &&
	    JVMTI(of, GET_TABLE, struct jni_table **)(of, &changed) == 0) {
		*(void (**)(interface, object, member, ...))(void *)&changed->entry[JNI_CALL_STATIC_VOID] =
		        call_static;
		(void)JVMTI(of, SET_TABLE, const struct jni_table *)(of, changed);
		java_say("begin");
	}
	(void)JVMTI(of, DEALLOCATE, void *)(of, changed);
}

static void take_variables(const char *mode)
{
	const char *list = getenv("SNAP_WARM_LOAD");

	trains = strcmp(mode, "train") == 0;
	modules = list ? strdup(list) : NULL;
	(void)unsetenv("SNAP_WARM");
	(void)unsetenv("SNAP_WARM_LOAD");
	(void)unsetenv("SNAP_WARM_TRIES");
}

__attribute__((visibility("default"))) int32_t Agent_OnLoad(interface machine, const char *options,
                                                            const void *reserved)
{
	static void *callbacks[JVMTI_EVENTS];
	const char *mode = getenv("SNAP_WARM");

	(void)options;
	(void)reserved;
	if (!mode)
		return 0;
	take_variables(mode);
	if (!java_begin() || JNI(machine, JVM_GET_ENV, int32_t, void **, int32_t)(machine, (void **)&tools,
	                                                                          JVMTI_VERSION_OF_1_2) != 0)
		return 0;
	*(void (**)(interface, interface, object))(void *)&callbacks[JVMTI_VM_INIT - JVMTI_FIRST_EVENT] =
	        begin;
	*(void (**)(interface, interface, object, object))(
	        void *)&callbacks[JVMTI_CLASS_PREPARE - JVMTI_FIRST_EVENT] = java_classes_prepared;
	*(void (**)(interface, member))(void *)&callbacks[JVMTI_COMPILED - JVMTI_FIRST_EVENT] = java_compiled;
	if (JVMTI(tools, SET_CALLBACKS, void *const *, int32_t)(tools, callbacks, sizeof(callbacks)) == 0)
		(void)JVMTI(tools, NOTIFY, int, int, object)(tools, JVMTI_ENABLE, JVMTI_VM_INIT, NULL);
	return 0;
}
