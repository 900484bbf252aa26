/* What is done with objects once they are made: a row for each kind of setting. */
#include "restore/fds/kinds.h"
#include "restore/fds/objects.h"
#include "restore/fds/overrides.h"

enum { UNIX_FAMILY = 1, TCP_LEVEL = 6 };

static object_setter *const setters[] = {
        [SNAPIMG_SETTING_OPTION] = socket_option,     [SNAPIMG_SETTING_BIND] = socket_bind,
        [SNAPIMG_SETTING_LISTEN] = socket_listen,     [SNAPIMG_SETTING_CONNECT] = socket_connect,
        [SNAPIMG_SETTING_INTERFACE] = inet_interface, [SNAPIMG_SETTING_TERMIOS] = terminal_modes,
        [SNAPIMG_SETTING_WINDOW] = terminal_window,   [SNAPIMG_SETTING_BIND_GONE] = socket_bind,
        [SNAPIMG_SETTING_ACCEPTED] = socket_accepted, [SNAPIMG_SETTING_FILTER] = socket_filtered,
        [SNAPIMG_SETTING_OWNER] = unix_owner,         [SNAPIMG_SETTING_FILE] = unlinked_setting,
};

static const char *const actions[] = {
        [SNAPIMG_SETTING_BIND] = "give its address to",
        [SNAPIMG_SETTING_BIND_GONE] = "give its address to",
        [SNAPIMG_SETTING_CONNECT] = "connect",
        [SNAPIMG_SETTING_OWNER] = "give the owner of its file to",
};

static const char *action_of(uint32_t kind)
{
	const char *action = kind < sizeof actions / sizeof actions[0] ? actions[kind] : NULL;
	return action != NULL ? action : "set";
}

/* Another object of the image must have the name before. */
static bool is_second(const struct snapimg_setting *setting)
{
	const uint64_t *value = snapimg_get_object(&loader.image)[setting->object].value;
	return setting->kind == SNAPIMG_SETTING_CONNECT &&
	       (value[SNAPIMG_SOCKET_DOMAIN] == UNIX_FAMILY ||
	        value[SNAPIMG_SOCKET_STATE] == SNAPIMG_SOCKET_WAITS);
}

/* Records are sorted by object. What no descriptor needs is left alone: its address or file may be taken. */
static void set_all(bool second)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	uint32_t object = UINT32_MAX;
	bool is_needed = false;
	for (uint32_t i = 0; i < snapimg_setting_count(&loader.image); i++) {
		if (setting[i].object != object)
			is_needed = overrides_leave_object(setting[i].object);
		object = setting[i].object;
		bool is_last = setting[i].level == TCP_LEVEL && socket_is_settled_last(&setting[i]);
		if (!is_needed || is_second(&setting[i]) != second || is_last)
			continue;
		long result = setters[setting[i].kind](&setting[i], objects_descriptor(object),
		                                       bytes + setting[i].offset);
		if (result < 0)
			object_die(object, action_of(setting[i].kind), result);
	}
}

void objects_settle(void)
{
	const struct snapimg_setting *setting = snapimg_get_setting(&loader.image);
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	for (uint32_t i = 0; i < snapimg_setting_count(&loader.image); i++) {
		if (!socket_is_settled_last(&setting[i]) || !overrides_leave_object(setting[i].object))
			continue;
		long result = socket_option(&setting[i], objects_descriptor(setting[i].object),
		                            bytes + setting[i].offset);
		if (result < 0)
			object_die(setting[i].object, action_of(setting[i].kind), result);
	}
}

void objects_set(void)
{
	set_all(false);
	set_all(true);
}
