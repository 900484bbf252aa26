/* The classes that a run that trained has used after the point are loaded before it, and verified and linked,
 * but not initialized: nothing of the program is executed sooner than it would. */
#include "preload/warm/java.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NOTIFY = 2,
	DEALLOCATE = 47,
	CLASS_SIGNATURE = 48,
	CLASS_LOADER = 57,
	SAME = 24,
	DELETE_LOCAL = 23,
	NEW_GLOBAL = 21,
	LINE_ROOM = 1 << 12
};

static object loaders[2]; /* the application's and the platform's; the third is null */

static bool find_loaders(interface env)
{
	object class = jvm_class(env, "java/lang/ClassLoader");
	object own = jvm_call(env, class, NULL, "getSystemClassLoader", "()Ljava/lang/ClassLoader;", NULL);
	object parent = jvm_call(env, class, own, "getParent", "()Ljava/lang/ClassLoader;", NULL);

	if (!own || !parent)
		return false;
	loaders[0] = JNI(env, NEW_GLOBAL, object, object)(env, own);
	loaders[1] = JNI(env, NEW_GLOBAL, object, object)(env, parent);
	return true;
}

void java_classes_tell(interface tools)
{
	(void)JVMTI(tools, NOTIFY, int, int, object)(tools, JVMTI_ENABLE, JVMTI_CLASS_PREPARE, NULL);
}

/* A class that is made as the program runs has a name with a slash (a hidden one), or a loader of the
 * program's. */
void java_classes_prepared(interface tools, interface env, object thread, object class)
{
	object loader = NULL;
	char *name = NULL, word[LINE_ROOM];
	bool is_ours;

	(void)thread;
	if ((!loaders[0] && !find_loaders(env)) ||
	    JVMTI(tools, CLASS_LOADER, object, object *)(tools, class, &loader) != 0 ||
	    JVMTI(tools, CLASS_SIGNATURE, object, char **, char **)(tools, class, &name, NULL) != 0)
		return;
	is_ours = !loader || JNI(env, SAME, uint8_t, object, object)(env, loader, loaders[0]) ||
	          JNI(env, SAME, uint8_t, object, object)(env, loader, loaders[1]);
	if (is_ours && name[0] == 'L' && !strpbrk(name, ".+")) {
		int length =
		        snprintf(word, sizeof(word), "module/class %.*s", (int)strlen(name) - 2, name + 1);
		for (int i = (int)strlen("module/"); i < length && i < LINE_ROOM; i++)
			if (word[i] == '/')
				word[i] = '.';
		java_say(word);
	}
	(void)JVMTI(tools, DEALLOCATE, char *)(tools, name);
}

/* getDeclaredConstructors() wants a class linked; Class.forName() alone leaves that for later. */
static void load(interface env, object of_classes, const char *name)
{
	union value words[3] = {{.object = jvm_text(env, name)}, {.truth = 0}, {.object = loaders[0]}};
	object class = jvm_call(env, of_classes, NULL, "forName",
	                        "(Ljava/lang/String;ZLjava/lang/ClassLoader;)Ljava/lang/Class;", words);
	object made = !class ? NULL
	                     : jvm_call(env, of_classes, class, "getDeclaredConstructors",
	                                "()[Ljava/lang/reflect/Constructor;", NULL);

	JNI(env, DELETE_LOCAL, void, object)(env, words[0].object);
	JNI(env, DELETE_LOCAL, void, object)(env, class);
	JNI(env, DELETE_LOCAL, void, object)(env, made);
}

void java_classes_load(interface env, const char *list)
{
	static const char kind[] = "class ";
	FILE *file = find_loaders(env) ? fopen(list, "re") : NULL;
	object of_classes = jvm_class(env, "java/lang/Class");
	char line[LINE_ROOM], word[LINE_ROOM + sizeof("load/")];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, kind, sizeof(kind) - 1) != 0)
			continue;
		snprintf(word, sizeof(word), "load/%s", line);
		java_say(word);
		load(env, of_classes, line + sizeof(kind) - 1);
	}
	if (file)
		(void)fclose(file);
	java_say("load/");
}
