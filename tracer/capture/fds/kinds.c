#include "tracer/capture/fds/kinds.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tracer/capture/refuse.h"
#include "tracer/ptrace/tracee.h"

static bool is_fifo(const struct open_descriptor *it)
{
	return it->known && it->link[0] == '/' && S_ISFIFO(it->identity.st_mode);
}

static bool is_unlinked(const struct open_descriptor *it)
{
	return it->known && it->link[0] == '/' && S_ISREG(it->identity.st_mode) && it->identity.st_nlink == 0;
}

/* Of one process it's a file, which that one opens again itself. */
static bool is_shared_tty(const struct open_descriptor *it)
{
	return it->spans && strcmp(it->link, "/dev/tty") == 0;
}

static bool is_removed(const struct open_descriptor *it)
{
	return it->known && it->link[0] == '/' && S_ISDIR(it->identity.st_mode) && it->identity.st_nlink == 0;
}

static bool is_embedded(const struct open_descriptor *it)
{
	return it->embedded;
}

#define SHARED " shared with another process"
static const struct descriptor_kind kinds[] = {
        {"pipe:[", NULL, SNAPIMG_OBJECT_PIPE, HELD_FILE, "a pipe whose other end is elsewhere", take_pipe},
        {"socket:[", NULL, SNAPIMG_OBJECT_SOCKET, HELD_FILE, "a socket" SHARED, take_socket},
        {"anon_inode:[eventfd", NULL, SNAPIMG_OBJECT_EVENTFD, HELD_DESCRIPTION, "an eventfd" SHARED,
         take_eventfd},
        {"anon_inode:[timerfd]", NULL, SNAPIMG_OBJECT_TIMERFD, HELD_DESCRIPTION, "a timerfd" SHARED,
         take_timerfd},
        {"anon_inode:[signalfd]", NULL, SNAPIMG_OBJECT_SIGNALFD, HELD_DESCRIPTION, "a signalfd" SHARED,
         take_signalfd},
        {"anon_inode:[pidfd]", NULL, SNAPIMG_OBJECT_PIDFD, HELD_UNNOTICED, NULL, take_pidfd},
        {"anon_inode:[eventpoll]", NULL, SNAPIMG_OBJECT_EPOLL, HELD_DESCRIPTION, "an epoll set" SHARED,
         take_epoll},
        {"anon_inode:inotify", NULL, SNAPIMG_OBJECT_INOTIFY, HELD_DESCRIPTION, "an inotify instance" SHARED,
         take_inotify},
        {"/memfd:", NULL, SNAPIMG_OBJECT_MEMFD, HELD_FILE, "an unnamed file that another process has, too",
         take_memfd},
        {"/dev/ptmx", NULL, SNAPIMG_OBJECT_TERMINAL, HELD_DESCRIPTION,
         "a terminal that another process has open", take_terminal},
        {"/dev/pts/", NULL, SNAPIMG_OBJECT_TERMINAL, HELD_UNNOTICED, NULL, take_terminal},
        {"anon_inode:[io_uring]", NULL, SNAPIMG_OBJECT_URING, HELD_DESCRIPTION, "an io_uring" SHARED,
         take_uring},
        {NULL, is_shared_tty, SNAPIMG_OBJECT_TERMINAL, HELD_UNNOTICED, NULL, take_terminal},
        {NULL, is_fifo, SNAPIMG_OBJECT_FIFO, HELD_FILE, "a FIFO that another process has open", take_fifo},
        {NULL, is_message_queue, SNAPIMG_OBJECT_MQUEUE, HELD_FILE,
         "a POSIX message queue that another process has open", take_mqueue},
        {NULL, is_unlinked, SNAPIMG_OBJECT_UNLINKED, HELD_FILE,
         "an unnamed file that another process has, too", take_unlinked},
        {NULL, is_removed, SNAPIMG_OBJECT_REMOVED, HELD_UNNOTICED, NULL, take_removed},
        {NULL, is_embedded, SNAPIMG_OBJECT_MEMFD, HELD_DESCRIPTION,
         "a file whose place is shared with another process", take_embedded},
};

/* What a descriptor can be that no image holds: the beginning of its link, what, advice. */
static const struct {
	const char *link, *what, *advice;
} refused_links[] = {
        {"anon_inode:[fanotify]", "a fanotify group", "make it after the point"},
        {"anon_inode:[pidfd]", "a pidfd", "close it before the point"},
        {"pidfd:", "a pidfd", "close it before the point"},
        {"anon_inode:[userfaultfd]", "a userfaultfd", "make it after the point"},
        {"anon_inode:[perf_event]", "a perf event", "make it after the point"},
        {"anon_inode:bpf-", "a BPF object", "make it after the point"},
        {"anon_inode:bpf_", "a BPF object", "make it after the point"},
        {"anon_inode:seccomp notify", "a seccomp listener", "make it after the point"},
        {"anon_inode:[landlock-ruleset]", "a landlock ruleset", "close it before the point"},
        {"anon_inode:", "a kernel object", "make it after the point"},
        {"mnt:[", "a namespace", "close it before the point"},
        {"net:[", "a namespace", "close it before the point"},
        {"pid:[", "a namespace", "close it before the point"},
        {"user:[", "a namespace", "close it before the point"},
        {"ipc:[", "a namespace", "close it before the point"},
        {"uts:[", "a namespace", "close it before the point"},
        {"time:[", "a namespace", "close it before the point"},
        {"cgroup:[", "a namespace", "close it before the point"},
        {"/dmabuf:", "a graphics buffer", "make it after the point"},
};

static bool begins(const char *link, const char *with)
{
	return strncmp(link, with, strlen(with)) == 0;
}

const struct descriptor_kind *find_kind(const struct open_descriptor *it)
{
	if (it->flags & O_PATH)
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].link ? begins(it->link, kinds[i].link) : kinds[i].is_it(it))
			return &kinds[i];
	return NULL;
}

enum status refuse_by_link(const struct survey *survey, const struct open_descriptor *it)
{
	for (size_t i = 0; i < sizeof(refused_links) / sizeof(*refused_links); i++)
		if (begins(it->link, refused_links[i].link))
			return refuse_descriptor(survey, it, refused_links[i].what, refused_links[i].advice);
	return STATUS_OK;
}

enum status refuse_held(const struct survey *survey, const struct open_descriptor *it, const char *what)
{
	(void)survey;
	if (it->holder == 0)
		return STATUS_OK;
	/* It may be so new that the run has not heard of it. */
	return refuse(what,
	              process_status_number(it->holder, "TracerPid") == getpid()
	                      ? "freeze that process, too, with --whole"
	                      : "close it before the point, or say with --fd what it is to be",
	              "descriptor %d of process %d, %s, which process %d has, too", it->number, it->pid,
	              it->link, it->holder);
}
