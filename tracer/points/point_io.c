/* The points at a program's dealings with others: `read:FD`, `output`, `listen` and `accept`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "tracer/points/point.h"
#include "tracer/points/stream_copies.h"
#include "tracer/ptrace/system_calls.h"
#include "tracer/run.h"

enum { DESCRIPTOR_END = 1 << 20 /* NR_OPEN's default, the most there can be (proc(5), nr_open) */ };

struct descriptor_call {
	uint32_t number;
	unsigned argument; /* which one is the descriptor */
};

static const struct descriptor_call reading[] = {
        {SYS_read, 0},     {SYS_readv, 0},    {SYS_pread64, 0}, {SYS_preadv, 0},
        {SYS_preadv2, 0},  {SYS_recvfrom, 0}, {SYS_recvmsg, 0}, {SYS_recvmmsg, 0},
        {SYS_sendfile, 1}, {SYS_splice, 0},   {SYS_tee, 0},     {SYS_copy_file_range, 0},
};
static const struct descriptor_call writing[] = {
        {SYS_write, 0},  {SYS_writev, 0},   {SYS_pwrite64, 0},        {SYS_pwritev, 0},  {SYS_pwritev2, 0},
        {SYS_sendto, 0}, {SYS_sendmsg, 0},  {SYS_sendmmsg, 0},        {SYS_sendfile, 0}, {SYS_splice, 2},
        {SYS_tee, 1},    {SYS_vmsplice, 0}, {SYS_copy_file_range, 2},
};

static void watch_all(struct point *point, const struct descriptor_call *calls, size_t count, uint32_t fd)
{
	for (size_t i = 0; i < count; i++)
		call_rule_when(call_rules_add(&point->calls, calls[i].number, calls[i].number),
		               calls[i].argument, UINT32_MAX, fd);
	stream_copies_watch(&point->calls, fd);
}

/* A shell may read its commands under another number (tcsh), as may a Lisp (clisp): that is its input still.
 */
static enum status met_stream(struct run *run, struct tracee *tracee, const struct point *point,
                              const struct call *call, bool *ret_met)
{
	(void)point;
	*ret_met = !stream_copy_asked(call);
	if (*ret_met)
		snprintf(run->trigger, sizeof(run->trigger), "%s(%d, ...)", system_call_name(call->number),
		         (int)call->argument[0]);
	else
		(void)stream_copy_begins(tracee, call);
	return STATUS_OK;
}

static enum status parse_read(struct point *point, const char *argument)
{
	char *end;
	unsigned long number = strtoul(argument, &end, 10);

	if (*argument < '0' || *argument > '9' || *end || number >= DESCRIPTOR_END)
		return fail(STATUS_FAILED, "point %s: no descriptor: write read:FD with FD from 0 to %d",
		            point->text, DESCRIPTOR_END - 1);
	point->number = (int)number;
	return STATUS_OK;
}

static void watch_read(struct point *point)
{
	watch_all(point, reading, sizeof(reading) / sizeof(*reading), (uint32_t)point->number);
}

static void watch_output(struct point *point)
{
	for (uint32_t fd = 1; fd <= 2; fd++)
		watch_all(point, writing, sizeof(writing) / sizeof(*writing), fd);
}

static void watch_listen(struct point *point)
{
	call_rules_add(&point->calls, SYS_listen, SYS_listen);
}

static void watch_accept(struct point *point)
{
	call_rules_add(&point->calls, SYS_accept, SYS_accept);
	call_rules_add(&point->calls, SYS_accept4, SYS_accept4);
}

const struct point_kind point_read = {
        .word = "read:",
        .form = "read:FD",
        .help = "at the first read of FD",
        .parse = parse_read,
        .watch = watch_read,
        .met = met_stream,
        .follows_copies = true,
        .hint = "nothing was read from that descriptor; mapped files are not read",
};

const struct point_kind point_output = {
        .word = "output",
        .form = "output",
        .help = "at the first write to stdout or stderr",
        .watch = watch_output,
        .met = met_stream,
        .follows_copies = true,
        .hint = "nothing was written to descriptors 1 and 2",
};

const struct point_kind point_listen = {
        .word = "listen",
        .form = "listen",
        .help = "at the first such call",
        .watch = watch_listen,
        .hint = "no socket was made to listen",
};

const struct point_kind point_accept = {
        .word = "accept",
        .form = "accept",
        .help = "at the first such call",
        .watch = watch_accept,
        .hint = "no connection was waited for by accept; a server may wait by poll first: see idle",
};
