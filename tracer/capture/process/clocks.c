#include "tracer/capture/process/clocks.h"

#include <time.h>

#include "tracer/ptrace/stop_threads.h"

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now = {0};

	if (clock_gettime(clock, &now) < 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Ours are the program's: one with a time namespace of its own is refused. */
void clocks_read(const struct subject *subject, struct snapimg_clocks *ret_clocks)
{
	clockid_t processor;

	*ret_clocks = (struct snapimg_clocks){
	        .realtime = read_clock(CLOCK_REALTIME),
	        .monotonic = read_clock(CLOCK_MONOTONIC),
	        .boottime = read_clock(CLOCK_BOOTTIME),
	        .processor = clock_getcpuclockid(subject->pid, &processor) == 0 ? read_clock(processor) : 0,
	};
}

/* Before main nobody has looked at a clock, and nobody waits: there it begins with any. So two images of such
 * a program are alike, too. */
enum snapimg_error clocks_write(const struct subject *subject, const struct snapimg_clocks *clocks,
                                struct snapimg_writer *writer)
{
	if (subject->request->resume_main && subject->request->threads->count == 1)
		return SNAPIMG_OK;
	return snapimg_writer_add(writer, SNAPIMG_SECTION_CLOCKS, clocks, sizeof(*clocks));
}
