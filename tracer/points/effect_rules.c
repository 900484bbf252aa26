#include "tracer/points/effect_rules.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "tracer/caller.h"
#include "tracer/points/effect_descriptor.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/system_calls.h"
#include "tracer/ptrace/tracee.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void watch_all(struct call_rules *rules, uint32_t number, unsigned argument)
{
	(void)argument;
	call_rules_add(rules, number, number);
}

static void watch_inherited(struct call_rules *rules, uint32_t number, unsigned argument)
{
	for (size_t i = 0; i < the_caller.descriptor_count; i++)
		call_rule_when(call_rules_add(rules, number, number), argument, UINT32_MAX,
		               (uint32_t)the_caller.descriptor[i].number);
}

static bool is_shared(pid_t tid, const struct call *call, unsigned argument)
{
	return descriptor_is_shared(tid, (int)call->argument[argument]);
}

static bool is_foreign(pid_t tid, const struct call *call, unsigned argument)
{
	return !descriptor_is_own(tid, (int)call->argument[argument]);
}

/* lseek(fd, 0, SEEK_CUR) and the like move nothing. */
static void watch_moving(struct call_rules *rules, uint32_t number, unsigned argument)
{
	size_t first = rules->count;

	watch_inherited(rules, number, argument);
	for (size_t i = first; i < rules->count; i++)
		call_rule_unless(&rules->rule[i], 2, UINT32_MAX, SEEK_CUR);
}

static void watch_open(struct call_rules *rules, uint32_t number, unsigned argument)
{
	const uint32_t writes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

	call_rule_unless(call_rules_add(rules, number, number), argument, writes, 0);
}

/* Devices that writing to tells nobody of. */
static bool opens_something(pid_t tid, const struct call *call, unsigned argument)
{
	static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
	                                      "/dev/urandom"};
	char path[16];

	if (tracee_read_string(tid, call->argument[argument - 1], path, sizeof(path)) < 0)
		return true;
	for (size_t i = 0; i < COUNT(devices); i++)
		if (strcmp(devices[i], path) == 0)
			return false;
	return true;
}

/* Shared anonymous memory is the process's own until it has a child. Of a file it is an effect whichever the
 * file is, a memfd too: that stops early rather than late. */
static void watch_map(struct call_rules *rules, uint32_t number, unsigned argument)
{
	struct call_rule *rule = call_rules_add(rules, number, number);

	call_rule_when(rule, argument, MAP_SHARED, MAP_SHARED); /* MAP_SHARED_VALIDATE has its bit too */
	call_rule_unless(rule, argument, MAP_ANONYMOUS, MAP_ANONYMOUS);
	call_rule_when(rule, 2, PROT_WRITE, PROT_WRITE);
	call_rule_when(call_rules_add(rules, number, number), argument, MAP_HUGETLB, MAP_HUGETLB);
}

/* sendto(2). */
static bool sends(pid_t tid, const struct call *call, unsigned argument)
{
	return call->argument[argument] != 0 || is_foreign(tid, call, 0);
}

/* sendmsg(2): descriptors on their way through a socket no image carries. */
static bool sends_more(pid_t tid, const struct call *call, unsigned argument)
{
	struct msghdr message;

	return tracee_read(tid, call->argument[argument], &message, sizeof(message)) < 0 ||
	       message.msg_name || message.msg_controllen != 0 || is_foreign(tid, call, 0);
}

/* dup2 and dup3 onto a number that is known here lead to no unknown one. */
static bool duplicates_unseen(pid_t tid, const struct call *call, unsigned argument)
{
	bool has_target =
	        call->number == system_call_number("dup2") || call->number == system_call_number("dup3");

	return descriptor_is_inherited(tid, (int)call->argument[argument]) &&
	       !(has_target && descriptor_was_inherited((int)call->argument[1]));
}

/* Of the open file, and so of all who have it; nobody's concern where nobody else has it. */
static const uint32_t of_file[] = {F_SETPIPE_SZ, F_ADD_SEALS};
static const uint32_t of_inherited[] = {F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC};

static bool is_in(const uint32_t *commands, size_t count, uint64_t command)
{
	for (size_t i = 0; i < count; i++)
		if (commands[i] == (uint32_t)command)
			return true;
	return false;
}

static void watch_control(struct call_rules *rules, uint32_t number, unsigned argument)
{
	static const uint32_t effects[] = {F_SETLK,     F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW, F_SETOWN,
	                                   F_SETOWN_EX, F_SETSIG, F_SETLEASE,  F_NOTIFY};

	for (size_t i = 0; i < COUNT(effects); i++)
		call_rule_when(call_rules_add(rules, number, number), argument, UINT32_MAX, effects[i]);
	for (size_t i = 0; i < COUNT(of_file); i++)
		call_rule_when(call_rules_add(rules, number, number), argument, UINT32_MAX, of_file[i]);
	for (size_t i = 0; i < COUNT(of_inherited); i++) {
		size_t first = rules->count;

		watch_inherited(rules, number, 0);
		for (size_t at = first; at < rules->count; at++)
			call_rule_when(&rules->rule[at], argument, UINT32_MAX, of_inherited[i]);
	}
}

static bool controls(pid_t tid, const struct call *call, unsigned argument)
{
	if (is_in(of_inherited, COUNT(of_inherited), call->argument[argument]))
		return descriptor_is_inherited(tid, (int)call->argument[0]);
	return !is_in(of_file, COUNT(of_file), call->argument[argument]) || is_foreign(tid, call, 0);
}

static void watch_ioctl(struct call_rules *rules, uint32_t number, unsigned argument)
{
	static const uint32_t asking[] = {
	        TCGETS,  0x802c542a /* TCGETS2 */, TIOCGWINSZ, TIOCGPGRP, TIOCGSID, FIONREAD, FIOCLEX,
	        FIONCLEX};
	struct call_rule *rule = call_rules_add(rules, number, number);

	for (size_t i = 0; i < COUNT(asking); i++)
		call_rule_unless(rule, argument, UINT32_MAX, asking[i]);
}

/* FIONBIO is F_SETFL's O_NONBLOCK in another word. */
static bool asks_more(pid_t tid, const struct call *call, unsigned argument)
{
	return (uint32_t)call->argument[argument] != FIONBIO || is_shared(tid, call, 0);
}

static bool signals_other(pid_t tid, const struct call *call, unsigned argument)
{
	int target = (int)call->argument[argument];

	return target <= 0 || process_status_number(target, "Tgid") != process_status_number(tid, "Tgid");
}

/* Threads that share less are no threads that an image carries; those that share memory and no thread group
 * are processes. */
enum { THREAD_FLAGS = CLONE_THREAD | CLONE_FS | CLONE_FILES };

static void watch_clone(struct call_rules *rules, uint32_t number, unsigned argument)
{
	call_rule_unless(call_rules_add(rules, number, number), argument, THREAD_FLAGS, THREAD_FLAGS);
}

static bool begins_process(pid_t tid, const struct call *call, unsigned argument)
{
	uint64_t flags; /* struct clone_args begins with them (clone(2)) */

	return tracee_read(tid, call->argument[argument], &flags, sizeof(flags)) < 0 ||
	       (flags & THREAD_FLAGS) != THREAD_FLAGS;
}

/* A first thread that has ended no image carries. */
static bool ends_program(pid_t tid, const struct call *call, unsigned argument)
{
	(void)call;
	(void)argument;
	return process_status_number(tid, "Tgid") == tid || process_status_number(tid, "Threads") <= 1;
}

static void watch_socket(struct call_rules *rules, uint32_t number, unsigned argument)
{
	static const uint32_t domains[] = {AF_UNIX, AF_INET, AF_INET6};
	static const uint32_t types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	const uint32_t type = 0xf; /* SOCK_TYPE_MASK of include/linux/net.h; the rest are flags */
	struct call_rule *rule = call_rules_add(rules, number, number);

	for (size_t i = 0; i < COUNT(domains); i++)
		call_rule_unless(rule, argument, UINT32_MAX, domains[i]);
	rule = call_rules_add(rules, number, number);
	for (size_t i = 0; i < COUNT(types); i++)
		call_rule_unless(rule, argument + 1, type, types[i]);
}

/* Joining a group, for one, is told to the network; what these levels have stays in the socket. */
static void watch_option(struct call_rules *rules, uint32_t number, unsigned argument)
{
	struct call_rule *rule;

	watch_inherited(rules, number, 0);
	rule = call_rules_add(rules, number, number);
	call_rule_unless(rule, argument, UINT32_MAX, SOL_SOCKET);
	call_rule_unless(rule, argument, UINT32_MAX, IPPROTO_TCP);
	call_rule_unless(rule, argument, UINT32_MAX, IPPROTO_IPV6);
	rule = call_rules_add(rules, number, number);
	call_rule_when(rule, argument, UINT32_MAX, IPPROTO_IPV6);
	call_rule_unless(rule, argument + 1, UINT32_MAX, IPV6_V6ONLY);
}

static bool sets_option(pid_t tid, const struct call *call, unsigned argument)
{
	uint32_t level = (uint32_t)call->argument[argument], option = (uint32_t)call->argument[argument + 1];
	bool plain = level == SOL_SOCKET || level == IPPROTO_TCP ||
	             (level == IPPROTO_IPV6 && option == IPV6_V6ONLY);

	return !plain || descriptor_is_inherited(tid, (int)call->argument[0]);
}

/* MFD_HUGETLB of memfd_create and O_DIRECT (packets) of pipe2; each is 0 or unknown to the other. */
static void watch_flags(struct call_rules *rules, uint32_t number, unsigned argument)
{
	static const uint32_t flags[] = {MFD_HUGETLB, O_DIRECT};

	for (size_t i = 0; i < COUNT(flags); i++)
		call_rule_when(call_rules_add(rules, number, number), argument, flags[i], flags[i]);
}

/* Clocks of a process or thread have negative numbers (clock_getcpuclockid(3)). */
static void watch_negative(struct call_rules *rules, uint32_t number, unsigned argument)
{
	const uint32_t sign = 1U << 31;

	call_rule_when(call_rules_add(rules, number, number), argument, sign, sign);
}

const struct effect_rule effect_never = {NULL, NULL};
const struct effect_rule effect_opens = {watch_open, opens_something};
const struct effect_rule effect_maps = {watch_map, NULL};
const struct effect_rule effect_takes = {watch_inherited, is_shared};
const struct effect_rule effect_moves = {watch_moving, is_shared};
const struct effect_rule effect_gives = {watch_all, is_foreign};
const struct effect_rule effect_sends = {watch_all, sends};
const struct effect_rule effect_sends_more = {watch_all, sends_more};
const struct effect_rule effect_duplicates = {watch_inherited, duplicates_unseen};
const struct effect_rule effect_controls = {watch_control, controls};
const struct effect_rule effect_asks = {watch_ioctl, asks_more};
const struct effect_rule effect_signals = {watch_all, signals_other};
const struct effect_rule effect_begins = {watch_clone, NULL};
const struct effect_rule effect_begins_as = {watch_all, begins_process};
const struct effect_rule effect_ends = {watch_all, ends_program};
const struct effect_rule effect_sockets = {watch_socket, NULL};
const struct effect_rule effect_options = {watch_option, sets_option};
const struct effect_rule effect_flagged = {watch_flags, NULL};
const struct effect_rule effect_negative = {watch_negative, NULL};
