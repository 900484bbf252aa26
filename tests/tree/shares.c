/* Trees of processes that know what they share: descriptors, files and memory. argv[1] names one, as
 * family.c's. */
#include <err.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "line.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1; not in older headers */
#endif

/* --- zombies keep their statuses, a place in a file is one for all that inherited it, a child blocks in a
 * read */
static void inherited(void)
{
	struct line ready = line(), down = line(), up = line();
	char word[8] = "";
	int file = open("numbers", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(file >= 0 && write(file, "0123456789", 10) == 10 && lseek(file, 2, SEEK_SET) == 2);
	pid_t ended = child_of(fork());
	if (ended == 0)
		_exit(7);
	pid_t killed = child_of(fork());
	if (killed == 0)
		raise(SIGKILL);
	siginfo_t info;
	CHECK(waitid(P_PID, (id_t)ended, &info, WEXITED | WNOWAIT) == 0);
	CHECK(waitid(P_PID, (id_t)killed, &info, WEXITED | WNOWAIT) == 0);
	pid_t parent = getpid(), child = child_of(fork());
	if (child == 0) {
		close(down.ends[1]);
		tell(&ready, 'r');
		CHECK(hear(&down) == 'd' && getppid() == parent && read(file, word, 3) == 3);
		CHECK(strcmp(word, "234") == 0);
		tell(&up, 'u');
		_exit(5);
	}
	close(up.ends[1]);
	hear(&ready);
	marker();
	EXPECT(getpid() == parent);
	tell(&down, 'd');
	EXPECT(hear(&up) == 'u');
	EXPECT(lseek(file, 0, SEEK_CUR) == 5);
	EXPECT(WEXITSTATUS(wait_for(child)) == 5);
	EXPECT(wait_for(ended) == 7 << 8);
	EXPECT(wait_for(killed) == SIGKILL);
	EXPECT(read(up.ends[0], word, 1) == 0); /* nobody has the other end any more */
	EXPECT(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
}

/* --- what is in pipes and sockets between others; both ends are children's */
static void between(void)
{
	struct line ready = line(), go = line(), own = line();
	int pair[2];
	char bytes[16] = "";
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	pid_t writer = child_of(fork());
	if (writer == 0) {
		CHECK(write(own.ends[1], "in the pipe", 12) == 12 && write(pair[0], "in a socket", 12) == 12);
		tell(&ready, 'w');
		hear(&go);
		CHECK(read(pair[0], bytes, 1) == 1 && *bytes == 'b');
		_exit(0);
	}
	pid_t reader = child_of(fork());
	if (reader == 0) {
		tell(&ready, 'r');
		hear(&go);
		CHECK(read(own.ends[0], bytes, 12) == 12 && strcmp(bytes, "in the pipe") == 0);
		CHECK(read(pair[1], bytes, 12) == 12 && strcmp(bytes, "in a socket") == 0);
		CHECK(write(pair[1], "b", 1) == 1);
		_exit(0);
	}
	close(pair[0]);
	close(pair[1]);
	close(own.ends[0]);
	close(own.ends[1]);
	hear(&ready);
	hear(&ready);
	marker();
	tell(&go, 'g');
	tell(&go, 'g');
	EXPECT(wait_for(writer) == 0 && wait_for(reader) == 0);
}

/* --- memory that several share, with futexes in it; one has it at another address, the first not at all */
struct shared {
	pthread_mutex_t mutex;
	sem_t semaphore;
	atomic_int count;
	char text[4096];
};

static void shared(void)
{
	struct line ready = line();
	struct shared *memory =
	        mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *theirs = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attributes;
	CHECK(memory != MAP_FAILED && theirs != MAP_FAILED);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&memory->mutex, &attributes);
	CHECK(sem_init(&memory->semaphore, 1, 0) == 0);
	strcpy(memory->text, "before");
	pthread_mutex_lock(&memory->mutex);
	pid_t child[2];
	for (int i = 0; i < 2; i++)
		if ((child[i] = child_of(fork())) == 0) {
			theirs[i] = (char)('a' + i);
			if (i == 1) {
				struct shared *moved = mremap(memory, 0, sizeof(*memory), MREMAP_MAYMOVE);
				CHECK(moved != MAP_FAILED && munmap(memory, sizeof(*memory)) == 0);
				memory = moved;
			}
			tell(&ready, 'r');
			pthread_mutex_lock(&memory->mutex);
			CHECK(strcmp(memory->text, "after") == 0);
			memory->count++;
			pthread_mutex_unlock(&memory->mutex);
			sem_wait(&memory->semaphore);
			_exit(theirs[0] == 'a' && theirs[1] == 'b' ? 0 : 1);
		}
	hear(&ready);
	hear(&ready);
	munmap(theirs, 8192);
	marker();
	EXPECT(strcmp(memory->text, "before") == 0 && memory->count == 0);
	strcpy(memory->text, "after");
	pthread_mutex_unlock(&memory->mutex);
	sem_post(&memory->semaphore);
	sem_post(&memory->semaphore);
	EXPECT(wait_for(child[0]) == 0 && wait_for(child[1]) == 0);
	EXPECT(memory->count == 2);
}

/* --- memory that both have mapped for writing, and a descriptor of it that only reads; or its seals forbid
 * what the mappings may still do */
static void kept_views(void)
{
	struct line ready = line(), go = line();
	char *view[2];
	int file[2];
	for (int i = 0; i < 2; i++) {
		int made = memfd_create("views", MFD_ALLOW_SEALING);
		char again[64];
		snprintf(again, sizeof(again), "/proc/self/fd/%d", made);
		CHECK(made >= 0 && ftruncate(made, 4096) == 0);
		view[i] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, made, 0);
		file[i] = i == 0 ? open(again, O_RDONLY | O_CLOEXEC) : made;
		CHECK(view[i] != MAP_FAILED && file[i] >= 0);
		if (i == 0)
			CHECK(close(made) == 0);
		else if (fcntl(made, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK) < 0)
			exit(77); /* not before Linux 5.1 */
		view[i][0] = 'x';
	}
	pid_t child = child_of(fork());
	if (child == 0) {
		tell(&ready, 'r');
		hear(&go);
		for (int i = 0; i < 2; i++)
			view[i][1] = view[i][0] == 'x' ? 'y' : 'n';
		_exit(0);
	}
	hear(&ready);
	marker();
	tell(&go, 'g');
	EXPECT(wait_for(child) == 0);
	for (int i = 0; i < 2; i++) {
		char bytes[2] = {0};
		EXPECT(pread(file[i], bytes, 2, 0) == 2 && bytes[0] == 'x' && bytes[1] == 'y');
		EXPECT(pwrite(file[i], "z", 1, 0) < 0);
		view[i][0] = 'z';
		EXPECT(pread(file[i], bytes, 1, 0) == 1 && bytes[0] == 'z');
	}
}

/* --- a deleted file that several have mapped or open; one has a part of it */
static void deleted(void)
{
	struct line ready = line(), go = line();
	int file = open("deleted", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(file >= 0 && ftruncate(file, 3 * 4096) == 0 && unlink("deleted") == 0);
	char *all = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	CHECK(all != MAP_FAILED);
	all[4096] = 'x';
	pid_t child = child_of(fork());
	if (child == 0) {
		char *part = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 4096);
		CHECK(part != MAP_FAILED && munmap(all, 3 * 4096) == 0 && close(file) == 0);
		tell(&ready, 'r');
		hear(&go);
		CHECK(*part == 'y');
		*part = 'z';
		_exit(0);
	}
	hear(&ready);
	marker();
	EXPECT(all[4096] == 'x' && all[0] == 0);
	char byte = 'y';
	EXPECT(pwrite(file, &byte, 1, 4096) == 1 && all[4096] == 'y');
	tell(&go, 'g');
	EXPECT(wait_for(child) == 0 && all[4096] == 'z');
}

/* --- files that two have open, each by its own opening, and that the first of them made before the other was
 * born: one is mapped, one is locked */
static int64_t file_clock(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void files(void)
{
	/* A busy machine's ticks are late, and files are stamped by them: none may seem older than the
	 * program. */
	for (int64_t begun = file_clock(); file_clock() < begun + 100;)
		poll(NULL, 0, 1);
	struct line ready = line(), go = line();
	const char *const name[] = {"mapped", "locked"};
	char bytes[7] = "", *view = NULL;
	for (int i = 0; i < 2; i++) {
		int file = open(name[i], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		CHECK(file >= 0 && write(file, "before", 6) == 6);
		if (i == 0) {
			view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
			CHECK(view != MAP_FAILED && close(file) == 0);
		} else {
			CHECK(flock(file, LOCK_SH) == 0);
		}
	}
	pid_t child = child_of(fork());
	if (child == 0) {
		int mapped = open(name[0], O_RDWR | O_CLOEXEC), locked = open(name[1], O_RDWR | O_CLOEXEC);
		CHECK(mapped >= 0 && locked >= 0 && flock(locked, LOCK_SH) == 0 && munmap(view, 4096) == 0);
		tell(&ready, 'r');
		hear(&go);
		CHECK(pread(locked, bytes, 6, 0) == 6 && strcmp(bytes, "before") == 0);
		CHECK(pread(mapped, bytes, 6, 0) == 6 && strcmp(bytes, "Before") == 0);
		_exit(0);
	}
	hear(&ready);
	marker();
	view[0] = 'B';
	tell(&go, 'g');
	EXPECT(wait_for(child) == 0);
	for (int i = 0; i < 2; i++) /* the next start makes them */
		EXPECT(unlink(name[i]) == 0);
}

/* --- an epoll set that two have, with what both, either, or only one of them still has open */
static void watch(int set, const struct line *line, uint64_t data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};
	CHECK(epoll_ctl(set, EPOLL_CTL_ADD, line->ends[0], &event) == 0);
}

static uint64_t next_of(int set)
{
	struct epoll_event event = {0};
	CHECK(epoll_wait(set, &event, 1, -1) == 1);
	return event.data.u64;
}

static void sets(void)
{
	struct line ready = line(), go = line(), both = line(), left = line(), own;
	int set = epoll_create1(0);
	watch(set, &both, 1);
	watch(set, &left, 2);
	pid_t child = child_of(fork());
	if (child == 0) {
		own = line(); /* of the same numbers as the parent's */
		watch(set, &own, 3);
		tell(&ready, 'r');
		hear(&go);
		tell(&own, 'o');
		hear(&go);
		CHECK(hear(&own) == 'o' && epoll_ctl(set, EPOLL_CTL_DEL, own.ends[0], NULL) == 0);
		tell(&left, 'l');
		_exit(next_of(set) == 2 && hear(&left) == 'l' ? 4 : 1);
	}
	close(left.ends[0]);
	close(left.ends[1]);
	own = line();
	watch(set, &own, 4);
	hear(&ready);
	marker();
	tell(&both, 'b');
	EXPECT(next_of(set) == 1 && hear(&both) == 'b');
	tell(&own, 'o');
	EXPECT(next_of(set) == 4 && hear(&own) == 'o');
	tell(&go, 'g');
	EXPECT(next_of(set) == 3); /* which is open in the child alone */
	tell(&go, 'g');
	EXPECT(wait_for(child) == 4 << 8);
}

/* --- a working directory and umask that three have, as threads do (CLONE_FS) */
static pid_t child_in_place(void)
{
	return child_of((pid_t)syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0));
}

static bool is_in(const char *wanted)
{
	char path[4096];
	return getcwd(path, sizeof(path)) != NULL && strcmp(path, wanted) == 0;
}

static void place(void)
{
	struct line ready = line(), go = line();
	CHECK(chdir("/usr") == 0);
	umask(0012);
	pid_t child = child_in_place();
	if (child == 0) {
		pid_t inner = child_in_place();
		if (inner == 0) {
			tell(&ready, 'r');
			hear(&go);
			CHECK(is_in("/etc") && umask(0025) == 0024 && chdir("/") == 0);
			_exit(3);
		}
		CHECK(wait_for(inner) == 3 << 8);
		_exit(is_in("/") ? 4 : 1);
	}
	hear(&ready);
	marker();
	EXPECT(is_in("/usr") && chdir("/etc") == 0 && umask(0024) == 0012);
	tell(&go, 'g');
	EXPECT(wait_for(child) == 4 << 8 && is_in("/") && umask(0) == 0025);
}

/* --- descriptors that three have, as threads do (CLONE_FILES), each with other memory; a child of the second
 * has its own ones */
static pid_t child_at_descriptors(void)
{
	return child_of((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0));
}

static bool is_open(int number)
{
	return fcntl(number, F_GETFD) >= 0;
}

static int count_open(void)
{
	int count = 0;
	for (int i = 0; i < 1024; i++)
		count += is_open(i);
	return count;
}

static void numbers(void)
{
	int before = count_open();
	struct line ready = line(), go = line(), back = line();
	int file = open("numbers", O_RDWR | O_CREAT | O_TRUNC, 0600), far = fcntl(file, F_DUPFD, 50);
	CHECK(file >= 0 && far == 50 && write(file, "0123456789", 10) == 10 && lseek(file, 2, SEEK_SET) == 2);
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int kept = memfd_create("kept", MFD_CLOEXEC), made[2] = {-1, -1};
	CHECK(memory != MAP_FAILED && kept >= 0 && ftruncate(kept, 4096) == 0);
	char *shown = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, kept, 0);
	CHECK(shown != MAP_FAILED);
	pid_t child = child_at_descriptors();
	if (child == 0) {
		pid_t own = child_of(fork()), inner = own == 0 ? 0 : child_at_descriptors();
		if (own == 0) { /* what the others do later is nothing to it */
			int mine = count_open();
			tell(&ready, 'o');
			CHECK(hear(&go) == 'g' && is_open(far) && count_open() == mine);
			_exit(close(file) == 0 && shown[1] == 'm' ? 6 : 1);
		}
		if (inner == 0) {
			*memory = 'i';
			made[0] = open("/", O_PATH | O_DIRECTORY);
			tell(&ready, 'i');
			CHECK(hear(&back) == 'b' && !is_open(far) && is_open(far + 1) && *memory == 'i');
			CHECK(read(file, made, 3) == 3 && memcmp(made, "234", 3) == 0 && shown[1] == 'm');
			_exit(close(file) == 0 ? 3 : 1);
		}
		*memory = 'c';
		tell(&ready, 'c');
		CHECK(wait_for(inner) == 3 << 8 && !is_open(file) && *memory == 'c');
		_exit(wait_for(own) == 6 << 8 ? 4 : 1);
	}
	for (int i = 0; i < 3; i++)
		hear(&ready);
	shown[0] = 'm';
	marker();
	EXPECT(shown[0] == 'm' && *memory == 0);
	shown[1] = shown[0];
	EXPECT(dup2(far, far + 1) == far + 1 && close(far) == 0);
	tell(&back, 'b');
	tell(&go, 'g');
	EXPECT(wait_for(child) == 4 << 8 && !is_open(file) && lseek(far + 1, 0, SEEK_CUR) == 5);
	/* with what the inner one had opened, and nothing of the start's */
	EXPECT(count_open() == before + 6 + 3);
}

/* --- a ring of io_uring that a child has made, with a request that is prepared */
static void ring(void)
{
	struct line ready = line(), go = line();
	pid_t child = child_of(fork());
	if (child == 0) {
		struct io_uring_params parameters = {0};
		int made = (int)syscall(SYS_io_uring_setup, 4, &parameters);
		if (made < 0)
			err(77, "this user may make no io_uring");
		/* both queues are in one mapping since Linux 5.4 */
		size_t size = parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe);
		char *queues = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, made, IORING_OFF_SQ_RING);
		struct io_uring_sqe *request =
		        mmap(NULL, parameters.sq_entries * sizeof(*request), PROT_READ | PROT_WRITE,
		             MAP_SHARED, made, IORING_OFF_SQES);
		CHECK(queues != MAP_FAILED && request != MAP_FAILED);
		*request = (struct io_uring_sqe){.opcode = IORING_OP_NOP, .user_data = 77};
		((unsigned *)(queues + parameters.sq_off.array))[0] = 0;
		atomic_store((atomic_uint *)(queues + parameters.sq_off.tail), 1);
		tell(&ready, 'r');
		hear(&go);
		CHECK(syscall(SYS_io_uring_enter, made, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1);
		_exit(((struct io_uring_cqe *)(queues + parameters.cq_off.cqes))->user_data == 77 ? 4 : 1);
	}
	struct pollfd told = {.fd = ready.ends[0], .events = POLLIN};
	close(ready.ends[1]);
	CHECK(poll(&told, 1, -1) == 1);
	if (!(told.revents & POLLIN))
		exit(wait_for(child) >> 8);
	hear(&ready);
	marker();
	tell(&go, 'g');
	EXPECT(wait_for(child) == 4 << 8);
}

static const struct mode modes[] = {
        {"inherited", inherited}, {"between", between}, {"shared", shared}, {"views", kept_views},
        {"deleted", deleted},     {"files", files},     {"sets", sets},     {"place", place},
        {"numbers", numbers},     {"ring", ring}};

int main(int argc, char **argv)
{
	return run_mode(modes, sizeof(modes) / sizeof(*modes), argc, argv);
}
