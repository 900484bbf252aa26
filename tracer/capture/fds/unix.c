/* Unix sockets: pairs with both ends in the process and what is on its way in them; bound and listening ones.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tracer/capture/fds/find_path.h"
#include "tracer/capture/fds/kinds.h"
#include "tracer/unix_diag.h"

struct found {
	struct unix_state state;
	struct sockaddr_un name;
	socklen_t name_size;
	bool named;
};

static bool get_peer_name(int copy, struct found *found)
{
	return getpeername(copy, (struct sockaddr *)&found->name, &found->name_size) == 0 &&
	       found->name_size > offsetof(struct sockaddr_un, sun_path);
}

static struct open_descriptor *find_peer(const struct survey *survey, uint32_t inode)
{
	for (size_t i = 0; i < survey->count; i++) {
		struct open_descriptor *it = &survey->open[i];
		if (is_representative(survey, it) && it->inherited < 0 && it->known &&
		    S_ISSOCK(it->identity.st_mode) && it->identity.st_ino == inode)
			return it;
	}
	return NULL;
}

static bool is_broken(int copy)
{
	struct pollfd look = {.fd = copy};

	return poll(&look, 1, 0) > 0 && (look.revents & POLLERR) != 0;
}

/* A start makes the socket's file again, and removes it where it is gone; one in its place would be in the
 * way. Relative names go by the directory that the program is in. */
static bool find_file(pid_t pid, const struct found *found, struct stat *ret_file, bool *ret_gone)
{
	const char *path = found->name.sun_path;
	char whole[sizeof(found->name.sun_path) + 64];

	snprintf(whole, sizeof(whole), "%s/%.*s", proc_path(pid, *path == '/' ? "root" : "cwd").text,
	         (int)sizeof(found->name.sun_path), path);
	int result = lstat(whole, ret_file);
	*ret_gone = result < 0 && errno == ENOENT;
	return result == 0 && S_ISSOCK(ret_file->st_mode);
}

/* A start makes what a tree shares in its first process's directory. */
static enum status check_directory(struct taking *taking, struct open_descriptor *it,
                                   const struct found *found)
{
	const struct survey *survey = taking->survey;
	pid_t first = survey->process->pid;
	struct stat file, own, other;
	bool is_gone;

	if (found->name.sun_path[0] == '/' || found->name.sun_path[0] == '\0' ||
	    (find_file(first, found, &file, &is_gone) && (uint32_t)file.st_ino == found->state.inode) ||
	    stat(proc_path(first, "cwd").text, &own) < 0)
		return STATUS_OK;
	for (size_t i = 0; i < survey->count; i++)
		if (survey->open[i].first == it->first && !is_on_its_way(survey, &survey->open[i]) &&
		    stat(proc_path(survey->open[i].pid, "cwd").text, &other) == 0 &&
		    (other.st_dev != own.st_dev || other.st_ino != own.st_ino))
			return refuse_descriptor(
			        survey, it,
			        "a Unix socket with a relative name, in another directory than the first "
			        "process's",
			        "give it a name that begins with /");
	return STATUS_OK;
}

/* For people. */
static enum status note_name(struct taking *taking, struct snapimg_object *object, const struct found *found)
{
	char text[sizeof(found->name.sun_path) + 1] = "";

	memcpy(text, found->name.sun_path, found->name_size - offsetof(struct sockaddr_un, sun_path));
	if (text[0] == '\0')
		text[0] = '@';
	return objects_name(taking->objects, text, &object->name);
}

static bool has_listener(const struct survey *survey, uint32_t file)
{
	struct unix_state state;

	for (size_t i = 0; i < survey->count; i++) {
		const struct open_descriptor *it = &survey->open[i];
		if (is_representative(survey, it) && it->inherited < 0 && it->known && !it->override &&
		    S_ISSOCK(it->identity.st_mode) && unix_diag_ask((uint32_t)it->identity.st_ino, &state) &&
		    state.state == TCP_LISTEN && state.inode == file)
			return true;
	}
	return false;
}

/* The end that has the listener's name, or, where that is closed, the other one (level 1). What stands at
 * that name when the program starts must be its own: the file of a listener that it has, or nothing. */
static enum status take_accepted(struct taking *taking, struct open_descriptor *it,
                                 struct snapimg_object *object, const struct found *accepted, bool is_closed)
{
	struct snapimg_setting setting = {
	        .kind = SNAPIMG_SETTING_ACCEPTED, .size = accepted->name_size, .level = is_closed};
	bool is_abstract = accepted->name.sun_path[0] == '\0', is_gone = false;
	struct stat file;
	enum status status = check_directory(taking, it, accepted);

	if (status != STATUS_OK)
		return status;
	if (!is_abstract && find_file(taking->pid, accepted, &file, &is_gone) &&
	    has_listener(taking->survey, (uint32_t)file.st_ino))
		setting.option = 1;
	else if (!is_abstract && !is_gone)
		return refuse_descriptor(
		        taking->survey, it,
		        "a Unix connection at whose name is a file that is not its listener's",
		        "close it before the point, or remove the file when the listener is closed");
	status = note_name(taking, object, accepted);
	return status == STATUS_OK ? objects_set(taking->objects, setting, &accepted->name) : status;
}

static enum status take_name(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object,
                             const struct found *found);

/* Whether somebody of the program listens at the name: who was accepted there has it, too. */
static bool is_listeners(const struct survey *survey, const struct found *found)
{
	struct sockaddr_un name;
	struct unix_state state;

	for (size_t i = 0; i < survey->count; i++) {
		const struct open_descriptor *it = &survey->open[i];
		socklen_t size = sizeof(name);
		if (it->copy >= 0 && it->known && !it->override && S_ISSOCK(it->identity.st_mode) &&
		    unix_diag_ask((uint32_t)it->identity.st_ino, &state) && state.state == TCP_LISTEN &&
		    getsockname(it->copy, (struct sockaddr *)&name, &size) == 0 && size == found->name_size &&
		    memcmp(&name, &found->name, size) == 0)
			return true;
	}
	return false;
}

/* Whom SO_PEERCRED tells the other side of: a start makes it as who starts it. */
static enum status check_maker(struct taking *taking, const struct open_descriptor *it)
{
	struct ucred maker;
	socklen_t size = sizeof(maker);

	if (getsockopt(it->copy, SOL_SOCKET, SO_PEERCRED, &maker, &size) < 0 || maker.uid == (uid_t)-1 ||
	    (maker.uid == geteuid() && maker.gid == getegid()))
		return STATUS_OK;
	return refuse_descriptor(taking->survey, it,
	                         "a Unix socket that another user or group has connected, or listens at",
	                         "choose a point before that, or start snaptrace as that user");
}

static enum status take_pair(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object,
                             const struct found *found)
{
	struct open_descriptor *peer = find_peer(taking->survey, found->state.peer);
	bool given = peer && peer->override; /* it is as good as closed (--fd) */
	int type = (int)object->value[SNAPIMG_SOCKET_TYPE];
	enum status status = STATUS_OK;
	struct found other = {.name_size = sizeof(other.name)};
	struct unix_state back;

	peer = given ? NULL : peer;
	other.named = type != SOCK_DGRAM && get_peer_name(it->copy, &other);
	if (found->state.peer != 0 && !peer && !given)
		return refuse_descriptor(taking->survey, it, "a Unix socket that is connected elsewhere",
		                         "close it before the point");
	/* One was accepted where somebody listens, the other one had a name of its own. */
	bool both = found->named && other.named, own = both && is_listeners(taking->survey, found);
	if ((found->named && type == SOCK_DGRAM) ||
	    (both && (!peer || own == is_listeners(taking->survey, &other))) ||
	    (peer &&
	     (!unix_diag_ask((uint32_t)peer->identity.st_ino, &back) || back.peer != it->identity.st_ino)))
		return refuse_descriptor(taking->survey, it,
		                         "a connection of Unix sockets whose ends both have a name",
		                         "close it before the point");
	if (!peer && is_broken(it->copy))
		return refuse_descriptor(taking->survey, it, "a Unix socket with an error to be told",
		                         "close it before the point");
	if ((status = check_maker(taking, it)) != STATUS_OK)
		return status;
	object->value[SNAPIMG_SOCKET_STATE] = SNAPIMG_SOCKET_PAIR;
	object->value[SNAPIMG_SOCKET_SHUTDOWN] = peer ? found->state.shutdown & 3 : 0;
	if (peer && peer->object >= 0)
		object->peer = (uint32_t)peer->object + 1;
	if (both && !own)
		status = take_name(taking, it, object, found);
	else if (found->named)
		status = take_accepted(taking, it, object, found, false);
	else if (other.named && !peer)
		status = take_accepted(taking, it, object, &other, true);
	return status == STATUS_OK ? take_unix_queue(taking, it, type, given ? NULL : peer) : status;
}

/* Connected to a listener that has not accepted it: what it has sent waits there. */
static enum status take_waiting(struct taking *taking, struct open_descriptor *it,
                                struct snapimg_object *object, const struct found *found,
                                struct open_descriptor *peer)
{
	struct found listener = {.name_size = sizeof(listener.name)};
	struct snapimg_setting setting = {.kind = SNAPIMG_SETTING_CONNECT};
	struct stat file;
	bool is_gone;
	enum status status;

	if (!get_peer_name(it->copy, &listener))
		return refuse_descriptor(taking->survey, it, "a Unix socket", "close it before the point");
	if (listener.name.sun_path[0] != '\0' && (!find_file(taking->pid, &listener, &file, &is_gone) ||
	                                          !has_listener(taking->survey, (uint32_t)file.st_ino)))
		return refuse_descriptor(taking->survey, it,
		                         "a connection that waits at a Unix socket whose file is gone or "
		                         "replaced",
		                         "choose a point where none does");
	setting.size = listener.name_size;
	object->value[SNAPIMG_SOCKET_STATE] = SNAPIMG_SOCKET_WAITS;
	object->value[SNAPIMG_SOCKET_SHUTDOWN] = found->state.shutdown & 3;
	if ((status = check_directory(taking, it, &listener)) != STATUS_OK ||
	    (status = note_name(taking, object, &listener)) != STATUS_OK ||
	    (found->named && (status = take_name(taking, it, object, found)) != STATUS_OK) ||
	    (status = objects_set(taking->objects, setting, &listener.name)) != STATUS_OK)
		return status;
	return take_unix_queue(taking, peer, (int)object->value[SNAPIMG_SOCKET_TYPE], it);
}

/* Where it was given to another user or group. */
static enum status take_owner_of_file(struct taking *taking, const struct stat *file)
{
	const uint32_t callers = UINT32_MAX;
	uint32_t owner[2] = {file->st_uid == geteuid() ? callers : file->st_uid,
	                     file->st_gid == getegid() ? callers : file->st_gid};
	struct snapimg_setting setting = {.kind = SNAPIMG_SETTING_OWNER, .size = sizeof(owner)};

	return owner[0] == callers && owner[1] == callers ? STATUS_OK
	                                                  : objects_set(taking->objects, setting, owner);
}

/* Of a file that is not where its relative name leads from: whether it is gone, and not somewhere else as the
 * program has changed its directory since. The kernel shows it to root (net/unix/af_unix.c, SIOCUNIXFILE);
 * others look for it. */
static enum status check_gone(struct taking *taking, const struct open_descriptor *it,
                              const struct found *found)
{
	enum { SHOW_FILE = 0x89e0 }; /* SIOCUNIXFILE of linux/un.h, which libc's header excludes */
	struct wanted_path wanted = {.inode = found->state.inode};
	int shown = ioctl(it->copy, SHOW_FILE);
	struct stat file = {0};
	enum status status = STATUS_OK;
	bool is_there = false;

	if (shown >= 0) {
		is_there = fstat(shown, &file) == 0 && file.st_nlink > 0;
		close(shown);
	} else if (stat(proc_path(taking->pid, "cwd").text, &file) == 0) {
		wanted.device = file.st_dev;
		if ((status = find_paths(taking->survey, taking->pid, &wanted, 1)) != STATUS_OK)
			return status;
		is_there = wanted.path && lstat(wanted.path, &file) == 0 && S_ISSOCK(file.st_mode);
		free(wanted.path);
	}
	return is_there ? refuse_descriptor(
	                          taking->survey, it,
	                          "a Unix socket whose relative name leads nowhere from the program's "
	                          "directory",
	                          "give it a name that begins with /")
	                : STATUS_OK;
}

static enum status take_name(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object,
                             const struct found *found)
{
	struct snapimg_setting setting = {.kind = SNAPIMG_SETTING_BIND, .size = found->name_size};
	struct stat file;
	enum status status;

	if (!found->named)
		return STATUS_OK;
	bool is_abstract = found->name.sun_path[0] == '\0', is_gone = false;
	if ((status = check_directory(taking, it, found)) != STATUS_OK ||
	    (status = note_name(taking, object, found)) != STATUS_OK)
		return status;
	bool is_there = is_abstract || (find_file(taking->pid, found, &file, &is_gone) &&
	                                (uint32_t)file.st_ino == found->state.inode);
	if (!is_there && !is_gone)
		return refuse_descriptor(taking->survey, it, "a Unix socket whose file was replaced",
		                         "close it before the point");
	if (is_gone && found->name.sun_path[0] != '/' &&
	    (status = check_gone(taking, it, found)) != STATUS_OK)
		return status;
	if (is_gone)
		setting.kind = SNAPIMG_SETTING_BIND_GONE;
	else if (!is_abstract)
		setting.option = (int32_t)(file.st_mode & 07777);
	status = objects_set(taking->objects, setting, &found->name);
	return status == STATUS_OK && setting.option != 0 ? take_owner_of_file(taking, &file) : status;
}

static bool has_message(const struct survey *survey, const struct open_descriptor *it)
{
	const struct waiting_queue *queue = survey_queue(survey, it->identity.st_ino);

	return queue && (queue->count > 0 || queue->refused);
}

/* Datagrams go to a name, whose socket need not know of it. */
static enum status take_connected(struct taking *taking, struct open_descriptor *it,
                                  struct snapimg_object *object, const struct found *found,
                                  const struct found *other)
{
	const struct open_descriptor *peer = find_peer(taking->survey, found->state.peer);
	struct snapimg_setting setting = {.kind = SNAPIMG_SETTING_CONNECT, .size = other->name_size};
	struct unix_state state;
	struct stat file;
	bool is_gone;
	enum status status;

	if (!peer || peer->override || !unix_diag_ask((uint32_t)peer->identity.st_ino, &state))
		return refuse_descriptor(taking->survey, it, "a Unix socket that is connected elsewhere",
		                         "close it before the point");
	if (has_message(taking->survey, it))
		return refuse_descriptor(taking->survey, it,
		                         "a message that waits at a Unix socket with a name",
		                         "receive it before the point");
	if (other->name.sun_path[0] != '\0' &&
	    (!find_file(taking->pid, other, &file, &is_gone) || (uint32_t)file.st_ino != state.inode))
		return refuse_descriptor(taking->survey, it,
		                         "datagrams to a Unix socket whose file is gone or replaced",
		                         "close it before the point");
	object->value[SNAPIMG_SOCKET_SHUTDOWN] = found->state.shutdown & 3;
	if ((status = take_name(taking, it, object, found)) != STATUS_OK)
		return status;
	return objects_set(taking->objects, setting, &other->name);
}

/* Datagrams that wait at a name are sent there again, by somebody without one: so were those that are known
 * (in_flight.c). */
static bool can_be_sent_again(const struct taking *taking, const struct open_descriptor *it,
                              const struct found *found)
{
	struct stat file;
	bool is_gone;

	if (!found->named || !has_message(taking->survey, it))
		return false;
	return found->name.sun_path[0] == '\0' ||
	       (find_file(taking->pid, found, &file, &is_gone) &&
	        (uint32_t)file.st_ino == found->state.inode && (file.st_mode & S_IWUSR) != 0);
}

enum status take_unix_socket(struct taking *taking, struct open_descriptor *it, struct snapimg_object *object)
{
	int type = (int)object->value[SNAPIMG_SOCKET_TYPE];
	struct found found = {.name_size = sizeof(found.name)}, other = {.name_size = sizeof(other.name)};
	struct pollfd readable = {.fd = it->copy, .events = POLLIN};
	enum status status;

	if (!unix_diag_ask((uint32_t)it->identity.st_ino, &found.state) ||
	    getsockname(it->copy, (struct sockaddr *)&found.name, &found.name_size) < 0)
		return refuse_descriptor(taking->survey, it, "a Unix socket that sock_diag(7) doesn't know",
		                         "close it before the point, or load the module unix_diag");
	found.named = found.name_size > offsetof(struct sockaddr_un, sun_path);
	if ((status = take_socket_options(taking, it, AF_UNIX, type, 0)) != STATUS_OK)
		return status;
	/* One that others are connected to counts as connected, too. */
	bool is_connected = found.state.peer != 0 || found.state.state == TCP_ESTABLISHED;
	bool goes_to_name = type == SOCK_DGRAM && get_peer_name(it->copy, &other);
	if (goes_to_name && found.state.peer != 0)
		return take_connected(taking, it, object, &found, &other);
	if (found.state.peer == 0 && type == SOCK_DGRAM && found.named && !goes_to_name)
		is_connected = false;
	struct open_descriptor *peer = is_connected ? find_peer(taking->survey, found.state.peer) : NULL;
	if (peer && peer->waits)
		return take_waiting(taking, it, object, &found, peer);
	if (is_connected)
		return take_pair(taking, it, object, &found);
	if (found.state.state == TCP_LISTEN && ((status = check_maker(taking, it)) != STATUS_OK ||
	                                        (status = check_waiting(taking, it)) != STATUS_OK))
		return status;
	bool has_queue = type == SOCK_DGRAM && can_be_sent_again(taking, it, &found);
	if (!has_queue && poll(&readable, 1, 0) > 0 && readable.revents & POLLIN &&
	    (type == SOCK_DGRAM || found.state.state == TCP_LISTEN))
		return refuse_descriptor(taking->survey, it,
		                         "a message or connection that waits at a Unix socket",
		                         "receive it before the point");
	if ((status = take_name(taking, it, object, &found)) != STATUS_OK)
		return status;
	if (has_queue)
		return take_unix_queue(taking, it, type, NULL);
	if (found.state.state != TCP_LISTEN)
		return STATUS_OK;
	return objects_set(taking->objects,
	                   (struct snapimg_setting){.kind = SNAPIMG_SETTING_LISTEN,
	                                            .option = (int32_t)found.state.backlog},
	                   NULL);
}
