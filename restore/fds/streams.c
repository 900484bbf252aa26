/* What the program did to terminals that are the caller's: its modes are set on the new one; another size is
 * told. */
#include "restore/fds/streams.h"

#include <asm/errno.h>
#include <linux/termios.h>

#include "restore/base/memory.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

enum { SIGNAL_WINDOW = 28, SYSCALL_INSTRUCTION = 2 };
#define SIGNAL_RESTARTS 0x10000000ull /* SA_RESTART */

static bool is_resized;

/* The caller's descriptor that a stream was before it got the program's number, or that was opened once more.
 */
static int source_of(const struct snapimg_setting *stream)
{
	const struct snapimg_descriptor *record = snapimg_get_descriptor(&loader.image);
	const struct snapimg_object *object = snapimg_get_object(&loader.image);
	for (uint32_t i = 0; i < snapimg_descriptor_count(&loader.image); i++) {
		if (record[i].number != (int32_t)stream->object)
			continue;
		if (record[i].kind == SNAPIMG_DESCRIPTOR_INHERIT)
			return record[i].source;
		if (record[i].kind == SNAPIMG_DESCRIPTOR_OBJECT &&
		    object[record[i].source].kind == SNAPIMG_OBJECT_CALLERS)
			return (int)object[record[i].source].value[SNAPIMG_CALLERS_NUMBER];
	}
	return (int)stream->object;
}

void streams_look(void)
{
	const struct snapimg_setting *stream = snapimg_get_stream(&loader.image);
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	for (uint32_t i = 0; i < snapimg_stream_count(&loader.image); i++) {
		uint8_t now[SNAPIMG_WINDOW_SIZE];
		if (stream[i].kind == SNAPIMG_SETTING_WINDOW &&
		    sys(__NR_ioctl, source_of(&stream[i]), TIOCGWINSZ, now) == 0)
			is_resized = is_resized || memcmp(now, bytes + stream[i].offset, sizeof now) != 0;
	}
}

/* signal(7): calls that a handler interrupts, X(number, whether even one with SA_RESTART does). */
#define INTERRUPTED(X)                                                                                       \
	X(__NR_read, false)                                                                                  \
	X(__NR_readv, false)                                                                                 \
	X(__NR_select, true)                                                                                 \
	X(__NR_pselect6, true)                                                                               \
	X(__NR_poll, true)                                                                                   \
	X(__NR_ppoll, true)                                                                                  \
	X(__NR_epoll_wait, true)                                                                             \
	X(__NR_epoll_pwait, true)                                                                            \
	X(__NR_epoll_pwait2, true)                                                                           \
	X(__NR_nanosleep, true)                                                                              \
	X(__NR_clock_nanosleep, true)                                                                        \
	X(__NR_pause, true)

static bool is_interrupted(uint64_t call, bool restarts)
{
	bool found = false;
#define X(number, always) found = found || (((always) || !restarts) && call == (uint64_t)(number));
	INTERRUPTED(X)
#undef X
	return found;
}

/* Whether it stands before a call that is made again. */
static bool is_at_call(uint64_t address)
{
	const struct snapimg_mapping *mapping = snapimg_get_mapping(&loader.image);
	for (uint32_t i = 0; i < snapimg_mapping_count(&loader.image); i++)
		if (address >= mapping[i].start && address + SYSCALL_INSTRUCTION <= mapping[i].end)
			return (mapping[i].protection & SNAPIMG_PROT_READ) != 0 &&
			       memcmp((const void *)address, "\x0f\x05", SYSCALL_INSTRUCTION) == 0;
	return false;
}

static const struct snapimg_sigaction *find_action(uint32_t signal)
{
	const struct snapimg_sigaction *action = snapimg_get_sigaction(&loader.image);
	for (uint32_t i = 0; i < snapimg_sigaction_count(&loader.image); i++)
		if (action[i].signal == signal)
			return &action[i];
	return NULL;
}

/* A signal that comes before the call would not be heard until that ends; so it comes in the midst of it. */
void streams_interrupt(struct kernel_sigcontext *registers)
{
	const struct snapimg_sigaction *action = is_resized ? find_action(SIGNAL_WINDOW) : NULL;
	uint64_t blocked = snapimg_get_thread(&loader.image)->signal_mask >> (SIGNAL_WINDOW - 1) & 1;
	if (action == NULL || action->handler <= 1 /* SIG_IGN */ || blocked != 0 ||
	    !is_interrupted(registers->rax, (action->flags & SIGNAL_RESTARTS) != 0) ||
	    !is_at_call(registers->rip))
		return;
	registers->rip += SYSCALL_INSTRUCTION;
	registers->rax = (uint64_t)-EINTR;
}

/* From the background it would stop the process (termios(3), SIGTTOU), as it would the program itself; which
 * sets its modes again when it is continued, as it must whenever it was stopped. */
static bool may_set(int descriptor)
{
	int32_t foreground = 0;
	return sys(__NR_ioctl, descriptor, TIOCGPGRP, &foreground) < 0 ||
	       foreground == (int32_t)sys(__NR_getpgid, 0);
}

void streams_commit(void)
{
	const struct snapimg_setting *stream = snapimg_get_stream(&loader.image);
	const uint8_t *bytes = loader.image.section[SNAPIMG_SECTION_BYTES].bytes;
	for (uint32_t i = 0; i < snapimg_stream_count(&loader.image); i++) {
		int number = (int)stream[i].object;
		if (stream[i].kind == SNAPIMG_SETTING_TERMIOS && may_set(number))
			sys(__NR_ioctl, number, TCSETS2, bytes + stream[i].offset);
	}
}

void streams_tell(void)
{
	if (is_resized)
		sys(__NR_kill, sys(__NR_getpid), SIGNAL_WINDOW);
}
