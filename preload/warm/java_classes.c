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
	PUSH_FRAME = 19,
	POP_FRAME = 20,
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
		snprintf(word, sizeof(word), "module/class %.*s", (int)strlen(name) - 2, name + 1);
		java_dotted(word + strlen("module/"));
		java_say(word);
	}
	(void)JVMTI(tools, DEALLOCATE, char *)(tools, name);
}

void java_dotted(char *name)
{
	while ((name = strchr(name, '/')))
		*name = '.';
}

object java_class_loaded(interface env, const char *name)
{
	union value words[3] = {{.object = jvm_text(env, name)}, {.truth = 0}, {.object = loaders[0]}};
	object class = jvm_call(env, jvm_class(env, "java/lang/Class"), NULL, "forName",
	                        "(Ljava/lang/String;ZLjava/lang/ClassLoader;)Ljava/lang/Class;", words);

	return class;
}

void java_classes_load(interface env, const char *list)
{
	static const char kind[] = "class ";
	FILE *file = find_loaders(env) ? fopen(list, "re") : NULL;
	object class;
	char line[LINE_ROOM], word[LINE_ROOM + sizeof("load/")];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, kind, sizeof(kind) - 1) != 0 ||
		    JNI(env, PUSH_FRAME, int32_t, int32_t)(env, 16) != 0)
			continue;
		snprintf(word, sizeof(word), "load/%s", line);
		java_say(word);
		/* Which wants it linked; forName() alone leaves that for later. */
		class = java_class_loaded(env, line + sizeof(kind) - 1);
		(void)(class &&
		       jvm_call(env, jvm_class(env, "java/lang/Class"), class, "getDeclaredConstructors",
		                "()[Ljava/lang/reflect/Constructor;", NULL));
		(void)JNI(env, POP_FRAME, object, object)(env, NULL);
	}
	if (file)
		(void)fclose(file);
	java_say("load/");
}
