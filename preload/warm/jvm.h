/*
 * What the helper of Java uses of a virtual machine. JNI's and JVMTI's functions
 * stand in tables, at numbers that their specifications give ("Interface
 * Function Table" of the Java Native Interface Specification, chapter 4; the
 * "Function Index" of each entry of the JVM Tool Interface), the same in all
 * versions since Java 6. So no header of a JDK is needed to build it.
 */
#ifndef PRELOAD_WARM_JVM_H
#define PRELOAD_WARM_JVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void *object;            /* a reference to a Java object; NULL: null, or an exception is pending */
typedef void *member;            /* of a method or a field */
typedef void *const **interface; /* a JNIEnv, a JavaVM or a jvmtiEnv: its first word is its table */

union value { /* jvalue */
	uint8_t truth;
	int32_t number;
	int64_t wide;
	object object;
};

/* A call of entry `number`: JNI's are counted from 0, JVMTI's from 1. */
#define JNI(env, number, type, ...) ((type(*)(interface, __VA_ARGS__))(*(env))[number])
#define JVMTI(env, number, ...)     ((int (*)(interface, __VA_ARGS__))(*(env))[(number)-1])

enum {
	JVM_GET_ENV = 6,
	JVMTI_VERSION_OF_1_2 = 0x30010200,
	JVMTI_ENABLE = 1,
	JVMTI_VM_INIT = 50,
	JVMTI_CLASS_PREPARE = 56,
	JVMTI_COMPILED = 68,
	JVMTI_FIRST_EVENT = JVMTI_VM_INIT,
	JVMTI_EVENTS = 35,
	JVMTI_IS_INITIALIZED = 4,
	JNI_CALL_STATIC_VOID = 141,
	JNI_ENTRIES_MOST = 256
};

/* Of the next ones: what isn't there, or throws, is NULL, and no exception stays pending. */
object jvm_class(interface env, const char *name);
/* A call of the method, static where `of` is NULL; its arguments are an array. */
object jvm_call(interface env, object class, object of, const char *name, const char *signature,
                const union value *arguments);
member jvm_field(interface env, object class, bool is_static, const char *name, const char *signature);
object jvm_get(interface env, object class, object of, const char *name, const char *signature);
/* As in java.lang.String, of UTF-8 without a zero (which JNI wants of a name in the program). */
object jvm_text(interface env, const char *text);
object jvm_bytes(interface env, const char *bytes);
/* What toString() says of it, or "", cut off. */
void jvm_describe(interface env, object of, char *to, size_t size);
bool jvm_cleared(interface env); /* an exception was pending, and is no more */

#endif
