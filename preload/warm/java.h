/* The helper of Java: java.c is the agent and says the marks, java_start.c makes a start's own what a start
 * has anew, java_classes.c loads what a training run has loaded. */
#ifndef PRELOAD_WARM_JAVA_H
#define PRELOAD_WARM_JAVA_H

#include <stdbool.h>
#include <stddef.h>

#include "preload/warm/jvm.h"

/* Called by the virtual machine when it begins (JVMTI, "Agent Start-Up"). */
int32_t Agent_OnLoad(interface machine, const char *options, const void *reserved);

/* access(2) of /snap/warm/WORD; true after a start only. */
bool java_say(const char *word);

/* A file of /proc as zero-terminated words, whose list ends with NULL; NULL: it can't be read. Kept to the
 * end. */
char **java_words(const char *path, size_t *ret_count);

/* Before the program begins, whose own look at its command line would be refused. */
bool java_begin(void);
/* Before the point: finds what a start will set. False: this virtual machine isn't known so well. */
bool java_can_start(interface env, interface tools, int argument_count);
/* After it: environment, directory, terminals, seeds. Returns main's arguments, or NULL, with the words of
 * the command line from *ret_first on. */
object java_start(interface env);
/* The program as it would have been started without a helper. */
void java_start_cold(void);

/* Of a run that trains: says which classes are loaded from now on. */
void java_classes_tell(interface tools);
void java_classes_prepared(interface tools, interface env, object thread, object class);
void java_classes_load(interface env, const char *list);
object java_class_loaded(interface env, const char *name); /* by the application's loader; or NULL */
void java_dotted(char *name);                              /* each slash becomes a dot */

/* The same of methods that are compiled. */
void java_compiled_tell(interface env, interface tools);
void java_compiled(interface tools, member method);
void java_compile(interface env, interface tools, const char *list);

#endif
