#include "restore/become/threads_x86_64.h"

#include <asm/errno.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/sched.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/signals_x86_64.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/base/thread_x86_64.h"
#include "restore/become/identity.h"
#include "restore/become/resume_x86_64.h"
#include "restore/loader.h"
#include "restore/zone.h"

enum {
	DEPARTURE_SIZE = 32,
	STACK_SIZE = 8192, /* a message's buffers, at most */
	PATIENT_ATTEMPTS = 1 << 14,
	ATTEMPTS_MAX = 1 << 16,
	THREAD_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
	               CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
};

static struct {
	uint32_t count; /* of all threads */
	uint32_t point; /* the index of the one that met the point */
	uint32_t *id;
	uint64_t slots; /* the stack of each */
	struct crew *crew;
} threads;

uint64_t threads_departure_size(void)
{
	return (uint64_t)snapimg_thread_count(&loader.image) * DEPARTURE_SIZE;
}

uint64_t threads_gone_size(void)
{
	return snapimg_thread_count(&loader.image);
}

uint32_t thread_id(uint32_t index)
{
	return index == 0 ? loader.tid : threads.id[index];
}

struct crew *threads_crew(void)
{
	return threads.crew;
}

static uint64_t departure_of(uint32_t index)
{
	return loader.area.start + loader.area.departures + (uint64_t)index * DEPARTURE_SIZE;
}

static uint8_t *gone_of(uint32_t index)
{
	return (uint8_t *)(loader.area.start + loader.area.gone + index);
}

/*
 * Where the thread goes from its frame: it tells that it is there, and jumps into the program, without a
 * change to any register or flag.
 *	c6 05 rel32 01    movb $1, gone(%rip)
 *	ff 25 00000000    jmp *0(%rip)
 *	.quad rip
 */
static void write_departure(uint32_t index)
{
	static const uint8_t template[] = {0xc6, 0x05, 0, 0, 0, 0, 0x01, 0xff, 0x25, 0, 0, 0, 0};
	uint8_t *code = (uint8_t *)departure_of(index);
	int32_t distance = (int32_t)((uint64_t)gone_of(index) - ((uint64_t)code + 7));
	memcpy(code, template, sizeof template);
	memcpy(code + 2, &distance, sizeof distance);
	memcpy(code + sizeof template, &snapimg_get_thread(&loader.image)[index].registers.rip, 8);
}

void threads_write_departures(void)
{
	for (uint32_t i = 1; i < snapimg_thread_count(&loader.image); i++)
		write_departure(i);
}

static bool takes(uint32_t index, const struct snapimg_pending *pending)
{
	int32_t number;
	memcpy(&number, pending->info, sizeof number);
	uint64_t bit = (uint64_t)1 << ((uint32_t)number - 1) % 64;
	return (pending->thread == 0 || pending->thread == index + 1) &&
	       (snapimg_get_thread(&loader.image)[index].signal_mask & bit) == 0;
}

/* Handlers of signals that the image carries run first, and may never come back: not waited for. */
static void excuse_signalled(void)
{
	const struct snapimg_pending *pending = snapimg_get_pending(&loader.image);
	for (uint32_t i = 0; i < snapimg_pending_count(&loader.image); i++)
		for (uint32_t thread = 1; thread < threads.count; thread++)
			if (takes(thread, &pending[i]))
				*gone_of(thread) = 1;
}

static void wait_while(volatile uint32_t *word, uint32_t value)
{
	while (*word == value)
		sys(__NR_futex, word, FUTEX_WAIT, value, 0);
}

static void to_stage(enum stage stage)
{
	threads.crew->stage = stage;
	sys(__NR_futex, &threads.crew->stage, FUTEX_WAKE, INT32_MAX);
}

static void add_parked(void)
{
	if (__atomic_add_fetch(&threads.crew->parked, 1, __ATOMIC_SEQ_CST) == threads.crew->wanted)
		sys(__NR_futex, &threads.crew->parked, FUTEX_WAKE, 1);
}

/* In the new thread, with the program's fs already. */
static void become(void *argument)
{
	uint32_t index = (uint32_t)(uint64_t)argument;
	const struct snapimg_thread *thread = snapimg_get_thread(&loader.image) + index;
	thread_restore_self(thread, index);
	uint64_t frame = thread_write_frame(
	        loader.area.start + loader.area.frame + index * thread_frame_size(), thread);
	((struct kernel_ucontext *)frame)->registers.rip = departure_of(index);
	if (index == threads.point) {
		add_parked(); /* it can refuse no more */
		wait_while(&threads.crew->stage, STAGE_WAIT);
		thread_call_callbacks(thread);
	}
	resume_park(loader.area.start + resume_park_offset(), threads.crew, frame, thread->robust_list,
	            thread->robust_list_size);
}

/* With the id that it had. A decoder's thread (fill.c) has told its end before the kernel gives its id back.
 */
static long make_with_id(uint32_t index, uint64_t stack, int32_t tid)
{
	const struct snapimg_thread *thread = snapimg_get_thread(&loader.image) + index;
	uint64_t slot = threads.slots + (uint64_t)index * STACK_SIZE;
	struct clone_args arguments = {
	        .flags = THREAD_FLAGS,
	        .stack = slot,
	        .stack_size = stack - slot,
	        .parent_tid = (uint64_t)&threads.id[index],
	        .child_tid = thread->tid_address,
	        .tls = thread->registers.fs_base,
	        .set_tid = (uint64_t)&tid,
	        .set_tid_size = 1,
	};
	const int64_t moment[2] = {0, 200000};
	long result = -EEXIST;
	for (uint32_t attempt = 0; result == -EEXIST && attempt < ATTEMPTS_MAX; attempt++) {
		if (attempt > PATIENT_ATTEMPTS) /* another process of a tree has a decoder with it */
			sys(__NR_nanosleep, moment, 0);
		else if (attempt > 0)
			sys(__NR_sched_yield);
		result = thread_clone3(&arguments, sizeof arguments);
	}
	return result;
}

static void start(uint32_t index)
{
	const struct snapimg_thread *thread = snapimg_get_thread(&loader.image) + index;
	uint64_t stack = threads.slots + (uint64_t)(index + 1) * STACK_SIZE - 16;
	uint32_t tid = identity_wanted(index);
	((uint64_t *)stack)[0] = (uint64_t)become;
	((uint64_t *)stack)[1] = index;
	long result = tid != 0 ? make_with_id(index, stack, (int32_t)tid)
	                       : thread_clone(THREAD_FLAGS, stack, &threads.id[index], thread->tid_address,
	                                      thread->registers.fs_base);
	if (result < 0)
		die(EXIT_REFUSED, "thread ", dec(index + 1), " of ", dec(threads.count),
		    ": cannot be started: ", error_text(result),
		    tid != 0 ? ": start it with --ids=new" : ": raise ulimit -u");
}

static void make_room(void)
{
	uint64_t head = page_ceil(threads.count * sizeof(uint32_t));
	uint64_t size = head + threads.count * (uint64_t)STACK_SIZE;
	long result = sys(__NR_mmap, ZONE_THREADS, size, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (result != (long)ZONE_THREADS)
		die(EXIT_REFUSED, "no memory for ", dec(threads.count), " threads: ", error_text(result));
	threads.crew = (struct crew *)(loader.area.start + loader.area.crew);
	threads.id = (uint32_t *)ZONE_THREADS;
	threads.slots = ZONE_THREADS + head;
	*threads.crew =
	        (struct crew){.wanted = threads.count - 1, .others = threads.count - 1, .gone = gone_of(1)};
	excuse_signalled();
}

void threads_start(void)
{
	const struct snapimg_place *place = snapimg_get_place(&loader.image);
	threads.count = snapimg_thread_count(&loader.image);
	if (threads.count == 1)
		return;
	for (uint32_t i = 0; i < snapimg_place_count(&loader.image); i++)
		if ((place[i].flags & SNAPIMG_PLACE_POINT) != 0)
			threads.point = i;
	make_room();
	for (uint32_t i = 1; i < threads.count; i++)
		start(i);
}

static void wait_for_parked(void)
{
	uint32_t parked;
	while ((parked = threads.crew->parked) < threads.crew->wanted)
		wait_while(&threads.crew->parked, parked);
}

void threads_wait(void)
{
	if (threads.count > 1)
		wait_for_parked();
}

/* One more parks then: the one that is counted already ran them. */
void threads_run_callbacks(void)
{
	if (threads.point == 0) {
		thread_call_callbacks(snapimg_get_thread(&loader.image));
		return;
	}
	threads.crew->wanted = threads.count;
	to_stage(STAGE_CALLBACKS);
	wait_for_parked();
}
