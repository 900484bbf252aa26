/* Gets into a state that no image can hold, named by its argument, and then to the marker. Ends with 77 where
 * this machine does not let it get there. */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "modes.h"

enum { PAGE = 4096 };

static void *sleeper(void *unused)
{
	pause();
	return unused;
}

static bool mapped(void *memory)
{
	if (memory == MAP_FAILED)
		return false;
	*(volatile char *)memory = 1;
	return true;
}

static int own_directory_made;

static void *unshared(void *unused)
{
	(void)unused;
	__atomic_store_n(&own_directory_made, unshare(CLONE_FS) == 0 ? 1 : -1, __ATOMIC_SEQ_CST);
	return sleeper(NULL);
}

static bool own_directory(void)
{
	pthread_t id;
	int made;
	if (pthread_create(&id, NULL, unshared, NULL) != 0)
		return false;
	while ((made = __atomic_load_n(&own_directory_made, __ATOMIC_SEQ_CST)) == 0)
		sched_yield();
	return made > 0;
}

static bool child(void)
{
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			pause();
		_exit(0);
	}
	return pid > 0;
}

static bool zombie(void)
{
	siginfo_t info;
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0;
}

static bool own_filter(void)
{
	return with_filter();
}

static bool other_root(void)
{
	return chroot(".") == 0;
}

static bool user_namespace(void)
{
	return unshare(CLONE_NEWUSER) == 0;
}

static bool session_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	return setsid() >= 0 && master >= 0 && unlockpt(master) == 0 &&
	       close(open(ptsname(master), O_RDWR)) == 0; /* no descriptor leads there any more */
}

/* Descriptor 9 is a memfd of the one who runs snaptrace. */
static bool shared_inherited(void)
{
	return mapped(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 9, 0));
}

static bool secret_memory(void)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);
	return fd >= 0 && ftruncate(fd, PAGE) == 0 &&
	       mapped(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) && close(fd) == 0;
}

static bool other_clock_timer(void)
{
	timer_t timer;
	struct sigevent event = {.sigev_notify = SIGEV_NONE};
	clockid_t clock;
	return clock_getcpuclockid(getppid(), &clock) == 0 && timer_create(clock, &event, &timer) == 0;
}

static bool huge_pages(void)
{
	return mapped(mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
	                   -1, 0));
}

static bool watched(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = {.api = UFFD_API};
	void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register range = {
	        .range = {.start = (unsigned long)memory, .len = PAGE},
	        .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	return fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 && ioctl(fd, UFFDIO_REGISTER, &range) == 0;
}

static bool key(void)
{
	void *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int number = pkey_alloc(0, 0);
	return number >= 0 && pkey_mprotect(memory, PAGE, PROT_READ | PROT_WRITE, number) == 0;
}

static bool loaders_place(void)
{
	return mapped(mmap((void *)0x400000100000, PAGE, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
}

/* Where only those with CAP_SYS_RAWIO may map. */
static bool low_memory(void)
{
	return mapped(mmap((void *)0x8000, PAGE, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
}

/* A poll of a pipe, which nobody will write to. */
static bool aio(void)
{
	int ends[2];
	aio_context_t context = 0;
	struct iocb request = {.aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = 1 /* POLLIN */}, *all = &request;
	if (pipe(ends) != 0 || syscall(SYS_io_setup, 8, &context) != 0)
		return false;
	request.aio_fildes = (uint32_t)ends[0];
	return syscall(SYS_io_submit, context, 1, &all) == 1;
}

/* Submits one request to a new ring. */
static bool submitted(struct io_uring_sqe request)
{
	struct io_uring_params parameters = {0};
	int fd = (int)syscall(SYS_io_uring_setup, 4, &parameters);
	char *queues = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	struct io_uring_sqe *entry =
	        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
	if (fd < 0 || queues == MAP_FAILED || entry == MAP_FAILED)
		return false;
	*entry = request;
	*(uint32_t *)(void *)(queues + parameters.sq_off.tail) = 1;
	return syscall(SYS_io_uring_enter, fd, 1, 0, 0, NULL, 0) == 1;
}

/* A read of a pipe that nobody will write to. */
static bool uring(void)
{
	static char byte;
	int ends[2];
	if (pipe(ends) != 0)
		return false;
	return submitted((struct io_uring_sqe){
	        .opcode = IORING_OP_READ, .fd = ends[0], .addr = (uint64_t)(uintptr_t)&byte, .len = 1});
}

static bool uring_buffers(void)
{
	static char buffers[4096];
	return submitted((struct io_uring_sqe){.opcode = IORING_OP_PROVIDE_BUFFERS,
	                                       .fd = 4,
	                                       .addr = (uint64_t)(uintptr_t)buffers,
	                                       .len = 1024,
	                                       .buf_group = 40000});
}

/* A worker of the kernel's stands among the threads (IORING_SETUP_SQPOLL without root since Linux 5.11). */
static bool uring_worker(void)
{
	struct io_uring_params parameters = {.flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 1000};
	return syscall(SYS_io_uring_setup, 4, &parameters) >= 0;
}

static bool memory_elsewhere(void)
{
	return mapped(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) &&
	       with_heir();
}

static bool tiles(void)
{
	enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
	static const unsigned char configuration[64] = {1, [16] = 64, [48] = 16};
	if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) != 0)
		return false;
	__asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0x00"
	                 :
	                 : "a"(configuration)
	                 : "memory"); /* ldtilecfg (%rax) */
	return true;
}

static bool vfork_memory(void)
{
	return vfork() == 0; /* the child goes on to the marker */
}

int main(int argc, char **argv)
{
	static const struct refused_mode modes[] = {
	        MODE(own_directory),
	        MODE(child),
	        MODE(zombie),
	        MODE(own_filter),
	        MODE(other_root),
	        MODE(user_namespace),
	        MODE(session_terminal),
	        MODE(shared_inherited),
	        MODE(secret_memory),
	        MODE(other_clock_timer),
	        MODE(huge_pages),
	        MODE(watched),
	        MODE(key),
	        MODE(loaders_place),
	        MODE(low_memory),
	        MODE(aio),
	        MODE(uring),
	        MODE(uring_buffers),
	        MODE(uring_worker),
	        MODE(memory_elsewhere),
	        MODE(tiles),
	        MODE(vfork_memory),
	};

	return run_refused(argc, argv, modes, sizeof(modes) / sizeof(*modes));
}
