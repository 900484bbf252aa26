/*
 * What one thread has set for itself: attributes, capabilities, users; all are carried.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "../check.h"
#include "modes.h"

static void marker(void)
{
	syscall(SYS_access, "/snap/here", 0);
}

static void skip(const char *what)
{
	perror(what);
	_exit(77);
}

/* What a second thread sets for itself before the point, and finds after it; the first and a third, which
 * began before, have nothing of it. */
struct own {
	int slack, death_signal, no_new_privs, time_stamp, memory_failure;
	unsigned int personality;
};
static pthread_barrier_t barrier;

static struct own look(void)
{
	struct own own = {.slack = prctl(PR_GET_TIMERSLACK),
	                  .no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
	                  .memory_failure = prctl(PR_MCE_KILL_GET, 0, 0, 0, 0),
	                  .personality = (unsigned int)personality(0xffffffff)};
	prctl(PR_GET_PDEATHSIG, &own.death_signal);
	prctl(PR_GET_TSC, &own.time_stamp);
	return own;
}

static bool is_same(const struct own *left, const struct own *right)
{
	return memcmp(left, right, sizeof(*left)) == 0;
}

static void *set_own(void *changes)
{
	struct own before = look(), own;
	if (changes) {
		prctl(PR_SET_TIMERSLACK, 12345);
		prctl(PR_SET_PDEATHSIG, SIGUSR2);
		personality(before.personality | ADDR_NO_RANDOMIZE);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
		prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
		before = look();
	}
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	own = look();
	EXPECT(is_same(&own, &before));
	EXPECT(!changes || (own.slack == 12345 && own.death_signal == SIGUSR2 && own.no_new_privs == 1 &&
	                    own.time_stamp == PR_TSC_SIGSEGV && own.memory_failure == PR_MCE_KILL_EARLY));
	return NULL;
}

static void of_a_thread(void)
{
	pthread_t thread[2];
	struct own before = look(), own;
	pthread_barrier_init(&barrier, NULL, 3);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, set_own, (void *)i);
	pthread_barrier_wait(&barrier);
	marker();
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	own = look();
	EXPECT(is_same(&own, &before));
}

/* Each thread has its own; and the flag that the main thread sets when the other one is there. */
static void get_capabilities(struct __user_cap_data_struct *ret_data)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	CHECK(syscall(SYS_capget, &header, ret_data) == 0);
}

static void give_up(bool all)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	get_capabilities(data);
	data[0].effective &= ~(1u << CAP_KILL);
	for (int i = 0; i < 2 && all; i++)
		data[i].permitted = data[i].effective = 0;
	CHECK(syscall(SYS_capset, &header, data) == 0);
}

static void *lose_all(void *unused)
{
	struct __user_cap_data_struct data[2];
	give_up(true);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	get_capabilities(data);
	EXPECT((data[0].permitted | data[1].permitted | data[0].effective | data[1].effective) == 0);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
	return unused;
}

static void capabilities(void)
{
	struct __user_cap_data_struct before[2], after[2];
	pthread_t thread;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		skip("a caller without the no-new-privileges flag");
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, lose_all, NULL);
	pthread_barrier_wait(&barrier);
	give_up(false);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	get_capabilities(before);
	marker();
	get_capabilities(after);
	EXPECT(memcmp(before, after, sizeof(before)) == 0 && (after[0].effective & 1u << CAP_KILL) == 0);
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

/* Likewise those that an exec could give, of which the other thread has none. */
struct limits {
	struct __user_cap_data_struct sets[2];
	int bound[2], ambient[2];
};

static void look_at_limits(struct limits *ret_limits)
{
	static const unsigned long of[] = {CAP_KILL, CAP_SETPCAP};
	memset(ret_limits, 0, sizeof(*ret_limits));
	get_capabilities(ret_limits->sets);
	for (int i = 0; i < 2; i++) {
		ret_limits->bound[i] = prctl(PR_CAPBSET_READ, of[i]);
		ret_limits->ambient[i] = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, of[i], 0, 0);
	}
}

static bool set_limits(uint32_t inheritable, uint32_t ambient, unsigned long dropped)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	get_capabilities(data);
	data[0].inheritable = inheritable;
	return syscall(SYS_capset, &header, data) == 0 &&
	       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
	       (ambient == 0 || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, ambient, 0, 0) == 0) &&
	       prctl(PR_CAPBSET_DROP, dropped) == 0;
}

static void *keep_none(void *unused)
{
	struct limits before, after;
	EXPECT(set_limits(0, 0, CAP_KILL));
	look_at_limits(&before);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	look_at_limits(&after);
	EXPECT(memcmp(&before, &after, sizeof(before)) == 0 && after.bound[0] == 0 && after.bound[1] == 1);
	return unused;
}

static void capability_limits(void)
{
	struct limits before, after;
	pthread_t thread;
	if (!set_limits(1u << CAP_KILL | 1u << CAP_CHOWN, CAP_KILL, CAP_SYS_BOOT))
		skip("capabilities to limit");
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, keep_none, NULL);
	pthread_barrier_wait(&barrier);
	EXPECT(set_limits(1u << CAP_KILL | 1u << CAP_CHOWN, CAP_KILL, CAP_SETPCAP));
	look_at_limits(&before);
	marker();
	look_at_limits(&after);
	EXPECT(memcmp(&before, &after, sizeof(before)) == 0 && after.bound[0] == 1 && after.bound[1] == 0 &&
	       after.ambient[0] == 1 && after.sets[0].inheritable == (1u << CAP_KILL | 1u << CAP_CHOWN));
	EXPECT(prctl(PR_CAPBSET_READ, CAP_SYS_BOOT) == 0);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

/* Each thread has its own, by the bare call: the C library's changes them in all. */
struct ids {
	uid_t user[4];
	gid_t group[4], more[8];
	long count;
	struct __user_cap_data_struct capabilities[2];
	int death_signal, dumpable;
};

static void look_at_ids(struct ids *ret_ids)
{
	memset(ret_ids, 0, sizeof(*ret_ids));
	syscall(SYS_getresuid, &ret_ids->user[0], &ret_ids->user[1], &ret_ids->user[2]);
	syscall(SYS_getresgid, &ret_ids->group[0], &ret_ids->group[1], &ret_ids->group[2]);
	ret_ids->user[3] = (uid_t)syscall(SYS_setfsuid, -1);
	ret_ids->group[3] = (gid_t)syscall(SYS_setfsgid, -1);
	ret_ids->count = syscall(SYS_getgroups, 8, ret_ids->more);
	get_capabilities(ret_ids->capabilities);
	prctl(PR_GET_PDEATHSIG, &ret_ids->death_signal);
	ret_ids->dumpable = prctl(PR_GET_DUMPABLE);
}

static void *become_another(void *unused)
{
	struct ids before, after;
	EXPECT(syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, 0, 71, 0) == 0 &&
	       syscall(SYS_setresuid, 0, 72, 0) == 0 && syscall(SYS_setfsuid, 0) == 72);
	prctl(PR_SET_PDEATHSIG, SIGUSR2);
	look_at_ids(&before);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	look_at_ids(&after);
	before.dumpable = after.dumpable; /* the process's: the other one changed it */
	EXPECT(memcmp(&before, &after, sizeof(before)) == 0 && after.user[1] == 72 && after.user[3] == 0);
	EXPECT(syscall(SYS_setresuid, 0, 0, 0) == 0); /* as it may */
	return unused;
}

static void users(void)
{
	const gid_t more[] = {5, 7};
	struct ids before, after;
	pthread_t thread;
	if (geteuid() != 0 || syscall(SYS_setresuid, -1, -1, 71) < 0 || syscall(SYS_setresuid, -1, -1, 0) < 0)
		skip("users that it may have");
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, become_another, NULL);
	pthread_barrier_wait(&barrier);
	EXPECT(syscall(SYS_setgroups, 2, more) == 0 && syscall(SYS_setresgid, 33, 34, 35) == 0 &&
	       syscall(SYS_setresuid, 36, 37, 38) == 0);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	look_at_ids(&before);
	marker();
	look_at_ids(&after);
	EXPECT(memcmp(&before, &after, sizeof(before)) == 0 && after.user[2] == 38 && after.count == 2);
	EXPECT(after.death_signal == SIGUSR1 && syscall(SYS_setresuid, 0, -1, -1) < 0);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

static void one_user(void)
{
	if (syscall(SYS_setresgid, 71, 71, 71) < 0 || syscall(SYS_setresuid, 72, 72, 72) < 0)
		skip("another user");
	marker();
}

/* The file of a socket that was given to another user. */
static void owner_of_socket(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat file;
	unlink("socket");
	if (bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(fd, 5) < 0 ||
	    chown("socket", 71, (gid_t)-1) < 0)
		skip("a file of another user");
	marker();
	EXPECT(stat("socket", &file) == 0 && file.st_uid == 71 && file.st_gid == getegid());
}

static void of_the_main_thread(void)
{
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_LATE, 0, 0);
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
	marker();
	struct own own = look();
	EXPECT(own.time_stamp == PR_TSC_SIGSEGV && own.memory_failure == PR_MCE_KILL_LATE);
}

int main(int argc, char **argv)
{
	static const struct carried_mode carried[] = {
	        MODE(of_a_thread),     MODE(capabilities), MODE(capability_limits),  MODE(users),
	        MODE(owner_of_socket), MODE(one_user),     MODE(of_the_main_thread),
	};

	return run_carried(argc, argv, carried, sizeof(carried) / sizeof(*carried), &failures);
}
