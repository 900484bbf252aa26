/*
 * What the virtual machine compiled in a run that trained is compiled before the
 * point: machine code of methods, by its fast compiler, which goes on to count
 * what is worth the better one. Nothing is executed, or initialized, for it. HotSpot has that for
 * its own tests (-XX:+WhiteBoxAPI), as native methods of a class that nobody has:
 * they are taken as they are registered. Without them nothing is compiled early.
 */
#include "preload/warm/java.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NOTIFY = 2,
	DEALLOCATE = 47,
	CLASS_SIGNATURE = 48,
	CLASS_METHODS = 52,
	METHOD_NAME = 64,
	METHOD_CLASS = 65,
	METHOD_MODIFIERS = 66,
	SET_TABLE = 120,
	GET_TABLE = 121,
	ADD_CAPABILITIES = 142
};
enum { DEFINE_CLASS = 5, FROM_REFLECTED = 7, PUSH_FRAME = 19, POP_FRAME = 20, REGISTER_NATIVES = 215 };
enum {
	IS_STATIC = 0x8,
	IS_NATIVE = 0x100,
	IS_ABSTRACT = 0x400,
	WITH_PROFILE = 3,
	WHOLE = -1,
	LINE_ROOM = 1 << 12,
	WAITS_MOST = 4000,
	WAIT_MICROSECONDS = 5000
};

struct native { /* JNINativeMethod */
	const char *name, *signature;
	void *function;
};

static uint8_t (*is_compilable)(interface, object, object, int32_t, uint8_t);
static uint8_t (*enqueue)(interface, object, object, int32_t, int32_t);
static object (*get_flag)(interface, object, object), (*get_switch)(interface, object, object);
static void (*set_flag)(interface, object, object, int64_t);
static int32_t (*queued)(interface, object, int32_t);

/* In place of RegisterNatives() while that class registers its own. */
static int32_t take_natives(interface env, object class, const struct native *natives, int32_t count)
{
	static const struct {
		const char *name, *signature;
		void *to;
	} wanted[] = {{"isMethodCompilable0", "(Ljava/lang/reflect/Executable;IZ)Z", &is_compilable},
	              {"enqueueMethodForCompilation0", "(Ljava/lang/reflect/Executable;II)Z", &enqueue},
	              {"getIntxVMFlag", "(Ljava/lang/String;)Ljava/lang/Long;", &get_flag},
	              {"getBooleanVMFlag", "(Ljava/lang/String;)Ljava/lang/Boolean;", &get_switch},
	              {"setIntxVMFlag", "(Ljava/lang/String;J)V", &set_flag},
	              {"getCompileQueueSize", "(I)I", &queued}};

	(void)env;
	(void)class;
	for (int32_t i = 0; i < count; i++)
		for (size_t k = 0; k < sizeof(wanted) / sizeof(*wanted); k++)
			if (strcmp(natives[i].name, wanted[k].name) == 0 &&
			    strcmp(natives[i].signature, wanted[k].signature) == 0)
				memcpy(wanted[k].to, &natives[i].function, sizeof(void *));
	return 0;
}

static size_t put(uint8_t *to, const char *text)
{
	size_t length = strlen(text);

	to[0] = 1; /* CONSTANT_Utf8 */
	to[1] = (uint8_t)(length >> 8);
	to[2] = (uint8_t)length;
	for (size_t i = 0; i < length; i++)
		to[3 + i] = (uint8_t)text[i];
	return length + 3;
}

/* class NAME { public static native void registerNatives(); }, in a class file (JVMS 4.1). */
static size_t make_class(uint8_t *to, const char *name)
{
	static const uint8_t begin[] = {0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52, 0, 7}, own[] = {7, 0, 1},
	                     parent[] = {7, 0, 3},
	                     rest[] = {0, 0x21, 0, 2, 0, 4, 0, 0, 0, 0, 0, 1, 1, 9, 0, 5, 0, 6, 0, 0, 0, 0};
	size_t at = sizeof(begin);

	memcpy(to, begin, sizeof(begin));
	at += put(to + at, name);
	memcpy(to + at, own, sizeof(own));
	at += sizeof(own);
	at += put(to + at, "java/lang/Object");
	memcpy(to + at, parent, sizeof(parent));
	at += sizeof(parent);
	at += put(to + at, "registerNatives");
	at += put(to + at, "()V");
	memcpy(to + at, rest, sizeof(rest));
	return at + sizeof(rest);
}

/* JNI's table with one entry of ours, and as it was before. */
static void replace(interface tools, int entry, void *function)
{
	void **changed;

	if (JVMTI(tools, GET_TABLE, void ***)(tools, &changed) != 0)
		return;
	changed[entry] = function;
	(void)JVMTI(tools, SET_TABLE, void **)(tools, changed);
	(void)JVMTI(tools, DEALLOCATE, void *)(tools, changed);
}

static void find_compiler(interface env, interface tools)
{
	static const char *const names[] = {"sun/hotspot/WhiteBox", "jdk/test/whitebox/WhiteBox"};
	int32_t (*take)(interface, object, const struct native *, int32_t) = take_natives;
	void *plain = (*env)[REGISTER_NATIVES], *ours;
	uint8_t text[200];

	memcpy(&ours, &take, sizeof(ours));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !enqueue; i++) {
		size_t size = make_class(text, names[i]);
		object class = JNI(env, DEFINE_CLASS, object, const char *, object, const uint8_t *,
		                   int32_t)(env, names[i], NULL, text, (int32_t)size);
		if (jvm_cleared(env) || !class)
			continue;
		replace(tools, REGISTER_NATIVES, ours);
		(void)jvm_call(env, class, NULL, "registerNatives", "()V", NULL);
		replace(tools, REGISTER_NATIVES, plain);
	}
}

/* Of the fast compiler, as far as the command line leaves it; 0: it isn't to be used. */
static int32_t level(interface env)
{
	static const char *const switches[] = {"TieredCompilation", "UseCompiler"};
	char text[16];
	int32_t most;

	for (size_t i = 0; i < sizeof(switches) / sizeof(*switches); i++) {
		jvm_describe(env, get_switch(env, NULL, jvm_text(env, switches[i])), text, sizeof(text));
		if (strcmp(text, "true") != 0)
			return 0;
	}
	jvm_describe(env, get_flag(env, NULL, jvm_text(env, "TieredStopAtLevel")), text, sizeof(text));
	most = atoi(text);
	return most < WITH_PROFILE ? most : WITH_PROFILE;
}

/* NULL where it has no code. */
static member find_method(interface tools, object class, const char *name, const char *signature)
{
	int32_t count = 0, modifiers = 0;
	member *methods, found = NULL;

	if (JVMTI(tools, CLASS_METHODS, object, int32_t *, member **)(tools, class, &count, &methods) != 0)
		return NULL;
	for (int32_t i = 0; i < count && !found; i++) {
		char *its_name = NULL, *its_signature = NULL;
		if (JVMTI(tools, METHOD_NAME, member, char **, char **, char **)(tools, methods[i], &its_name,
		                                                                 &its_signature, NULL) == 0 &&
		    strcmp(its_name, name) == 0 && strcmp(its_signature, signature) == 0)
			found = methods[i];
		(void)JVMTI(tools, DEALLOCATE, char *)(tools, its_name);
		(void)JVMTI(tools, DEALLOCATE, char *)(tools, its_signature);
	}
	(void)JVMTI(tools, DEALLOCATE, member *)(tools, methods);
	if (found && JVMTI(tools, METHOD_MODIFIERS, member, int32_t *)(tools, found, &modifiers) != 0)
		return NULL;
	return modifiers & (IS_NATIVE | IS_ABSTRACT) ? NULL : found;
}

static member meant; /* the method that is asked about */

/* In place of FromReflectedMethod(), which would initialize its class. */
static member from_reflected(interface env, object method)
{
	(void)env;
	(void)method;
	return meant;
}

/* "CLASS METHOD SIGNATURE" */
static void compile(interface env, interface tools, char *text, int32_t level)
{
	char *name = strchr(text, ' '), *signature = name ? strchr(name + 1, ' ') : NULL;
	object class;

	if (!signature)
		return;
	*name++ = '\0';
	*signature++ = '\0';
	class = java_class_loaded(env, text);
	meant = class ? find_method(tools, class, name, signature) : NULL;
	if (meant && is_compilable(env, NULL, class, level, false))
		(void)enqueue(env, NULL, class, level, WHOLE);
	(void)jvm_cleared(env);
}

void java_compile(interface env, interface tools, const char *list)
{
	static const char kind[] = "compile ";
	FILE *file;
	int32_t by;
	char line[LINE_ROOM], word[LINE_ROOM + sizeof("load/")];
	member (*from)(interface, object) = from_reflected;
	void *plain = (*env)[FROM_REFLECTED], *ours;

	memcpy(&ours, &from, sizeof(ours));
	find_compiler(env, tools);
	if (!enqueue || !is_compilable || !queued || !get_flag || !get_switch || !(by = level(env)) ||
	    !(file = fopen(list, "re")))
		return;
	replace(tools, FROM_REFLECTED, ours);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, kind, sizeof(kind) - 1) != 0 ||
		    JNI(env, PUSH_FRAME, int32_t, int32_t)(env, 16) != 0)
			continue;
		snprintf(word, sizeof(word), "load/%s", line);
		java_say(word);
		compile(env, tools, line + sizeof(kind) - 1, by);
		(void)JNI(env, POP_FRAME, object, object)(env, NULL);
	}
	(void)fclose(file);
	replace(tools, FROM_REFLECTED, plain);
	for (int i = 0; i < WAITS_MOST && queued(env, NULL, by) > 0; i++)
		(void)usleep(WAIT_MICROSECONDS);
	java_say("load/");
}

/* Of a run that trains: each method that is compiled, in an event that has no JNIEnv. */
void java_compiled(interface tools, member method)
{
	char word[LINE_ROOM], *class = NULL, *name = NULL, *signature = NULL;
	object of;

	if (JVMTI(tools, METHOD_CLASS, member, object *)(tools, method, &of) == 0 &&
	    JVMTI(tools, CLASS_SIGNATURE, object, char **, char **)(tools, of, &class, NULL) == 0 &&
	    JVMTI(tools, METHOD_NAME, member, char **, char **, char **)(tools, method, &name, &signature,
	                                                                 NULL) == 0 &&
	    class[0] == 'L' && !strpbrk(class, ".+") && strcmp(name, "<clinit>") != 0) {
		int length = snprintf(word, sizeof(word), "module/compile %.*s", (int)strlen(class) - 2,
		                      class + 1);
		java_dotted(word + strlen("module/"));
		if (length < LINE_ROOM)
			snprintf(word + length, sizeof(word) - (size_t)length, " %s %s", name, signature);
		java_say(word);
	}
	(void)JVMTI(tools, DEALLOCATE, char *)(tools, class);
	(void)JVMTI(tools, DEALLOCATE, char *)(tools, name);
	(void)JVMTI(tools, DEALLOCATE, char *)(tools, signature);
}

void java_compiled_tell(interface env, interface tools)
{
	static const struct {
		const char *name;
		int64_t value;
	} flags[] = {{"Tier0InvokeNotifyFreqLog", 2}, {"Tier0BackedgeNotifyFreqLog", 6},
	             {"Tier3InvocationThreshold", 8}, {"Tier3MinInvocationThreshold", 4},
	             {"Tier3CompileThreshold", 8},    {"Tier3BackEdgeThreshold", 1000}};
	const uint32_t capabilities[4] = {1u << 27}; /* can_generate_compiled_method_load_events */

	find_compiler(env, tools);
	for (size_t i = 0; set_flag && i < sizeof(flags) / sizeof(*flags); i++)
		set_flag(env, NULL, jvm_text(env, flags[i].name), flags[i].value);
	if (JVMTI(tools, ADD_CAPABILITIES, const uint32_t *)(tools, capabilities) == 0)
		(void)JVMTI(tools, NOTIFY, int, int, object)(tools, JVMTI_ENABLE, JVMTI_COMPILED, NULL);
}
