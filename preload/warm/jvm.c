#include "preload/warm/jvm.h"

#include <stdio.h>
#include <string.h>

enum {
	FIND_CLASS = 6,
	EXCEPTION_CLEAR = 17,
	GET_METHOD = 33,
	CALL_OBJECT = 36,
	GET_FIELD = 94,
	GET_OBJECT = 95,
	GET_STATIC_METHOD = 113,
	CALL_STATIC_OBJECT = 116,
	GET_STATIC_FIELD = 144,
	GET_STATIC_OBJECT = 145,
	CALL_VOID = 63,
	CALL_STATIC_VOID = 143,
	NEW_TEXT = 167,
	TEXT_OF = 169,
	RELEASE_TEXT = 170,
	NEW_BYTES = 176,
	SET_BYTES = 208,
	IS_PENDING = 228
};

bool jvm_cleared(interface env)
{
	uint8_t is_pending = ((uint8_t(*)(interface))(*env)[IS_PENDING])(env);

	if (is_pending)
		((void (*)(interface))(*env)[EXCEPTION_CLEAR])(env);
	return is_pending;
}

static object unless_thrown(interface env, object found)
{
	return jvm_cleared(env) ? NULL : found;
}

object jvm_class(interface env, const char *name)
{
	return unless_thrown(env, JNI(env, FIND_CLASS, object, const char *)(env, name));
}

object jvm_call(interface env, object class, object of, const char *name, const char *signature,
                const union value *arguments)
{
	bool is_void = strstr(signature, ")V") != NULL;
	member method;
	object result = NULL;

	if (!class)
		return NULL;
	method = unless_thrown(env, JNI(env, of ? GET_METHOD : GET_STATIC_METHOD, member, object,
	                                const char *, const char *)(env, class, name, signature));
	if (!method)
		return NULL;
	if (is_void)
		JNI(env, of ? CALL_VOID : CALL_STATIC_VOID, void, object, member, const union value *)
	(env, of ? of : class, method, arguments);
	else result = JNI(env, of ? CALL_OBJECT : CALL_STATIC_OBJECT, object, object, member,
	                  const union value *)(env, of ? of : class, method, arguments);
	return unless_thrown(env, result);
}

member jvm_field(interface env, object class, bool is_static, const char *name, const char *signature)
{
	if (!class)
		return NULL;
	return unless_thrown(env, JNI(env, is_static ? GET_STATIC_FIELD : GET_FIELD, member, object,
	                              const char *, const char *)(env, class, name, signature));
}

object jvm_get(interface env, object class, object of, const char *name, const char *signature)
{
	member field = jvm_field(env, class, !of, name, signature);

	if (!field)
		return NULL;
	return JNI(env, of ? GET_OBJECT : GET_STATIC_OBJECT, object, object, member)(env, of ? of : class,
	                                                                             field);
}

object jvm_text(interface env, const char *text)
{
	return unless_thrown(env, JNI(env, NEW_TEXT, object, const char *)(env, text));
}

object jvm_bytes(interface env, const char *bytes)
{
	int32_t length = (int32_t)strlen(bytes);
	object array = unless_thrown(env, JNI(env, NEW_BYTES, object, int32_t)(env, length));

	if (array)
		JNI(env, SET_BYTES, void, object, int32_t, int32_t, const char *)
	(env, array, 0, length, bytes);
	return array;
}

void jvm_describe(interface env, object of, char *to, size_t size)
{
	object text = of ? jvm_call(env, jvm_class(env, "java/lang/Object"), of, "toString",
	                            "()Ljava/lang/String;", NULL)
	                 : NULL;
	const char *value = text ? JNI(env, TEXT_OF, const char *, object, uint8_t *)(env, text, NULL) : NULL;

	snprintf(to, size, "%s", value ? value : "");
	if (value)
		JNI(env, RELEASE_TEXT, void, object, const char *)(env, text, value);
}
