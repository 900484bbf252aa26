/* Gets into a state of descriptors that no image holds, named by its argument, and passes the marker: mostly
 * another process has the same open description. 77 where this machine does not let it get there. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "modes.h"

static bool eventfd_elsewhere(void)
{
	/* Others alike, of its own: they are not what is told of. */
	return eventfd(5, 0) >= 0 && eventfd(5, 0) >= 0 && with_heir();
}

static bool timerfd_elsewhere(void)
{
	return timerfd_create(CLOCK_MONOTONIC, 0) >= 0 && with_heir();
}

static bool signalfd_elsewhere(void)
{
	sigset_t set;
	sigemptyset(&set);
	return signalfd(-1, &set, 0) >= 0 && with_heir();
}

static bool epoll_elsewhere(void)
{
	return epoll_create1(0) >= 0 && with_heir();
}

static bool inotify_elsewhere(void)
{
	return inotify_init1(0) >= 0 && with_heir();
}

static bool place_elsewhere(void)
{
	return open("file", O_RDWR | O_CREAT, 0600) >= 0 && with_heir();
}

static bool directory_elsewhere(void)
{
	return open(".", O_RDONLY | O_DIRECTORY) >= 0 && with_heir();
}

static bool watched_directory(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	signal(SIGIO, SIG_IGN);
	return fd >= 0 && fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT) == 0;
}

static bool queue_notification(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct mq_attr small = {.mq_maxmsg = 1, .mq_msgsize = 8};
	char name[64];
	snprintf(name, sizeof(name), "/snaptrace-test-%d", (int)getpid());
	mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &small);
	return queue >= 0 && mq_unlink(name) == 0 && mq_notify(queue, &event) == 0;
}

int main(int argc, char **argv)
{
	static const struct refused_mode modes[] = {
	        MODE(eventfd_elsewhere),   MODE(timerfd_elsewhere), MODE(signalfd_elsewhere),
	        MODE(epoll_elsewhere),     MODE(inotify_elsewhere), MODE(place_elsewhere),
	        MODE(directory_elsewhere), MODE(watched_directory), MODE(queue_notification),
	};

	return run_refused(argc, argv, modes, sizeof(modes) / sizeof(*modes));
}
