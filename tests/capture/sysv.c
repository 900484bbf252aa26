/* As carried.c, for System V shared memory, semaphores and message queues, of one process and of a tree. A
 * last mode stands before the marker with what another process may have, too. */
#include <mqueue.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "expect.h"
#include "modes.h"

enum { PAGE = 4096, SIZE = 3 * PAGE - 5 };

/* Of this test's own: others run beside it. */
static unsigned int own_number(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned int)now.tv_nsec / 64 & 0xffffff;
}

static key_t own_key(void)
{
	return (key_t)(0x5e000000 | own_number());
}

static struct shmid_ds segment_state(int id)
{
	struct shmid_ds state = {0};
	EXPECT(shmctl(id, IPC_STAT, &state) == 0);
	return state;
}

static struct stat status_of(int fd)
{
	struct stat status = {0};
	EXPECT(fstat(fd, &status) == 0);
	return status;
}

/* A page in the middle of memory that is there twice, once not to be written; a removed one; and one with a
 * key that nobody has attached. */
static void segments(void)
{
	const key_t key = own_key();
	char *place = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int plain = need(shmget(IPC_PRIVATE, SIZE, 0600)), removed = need(shmget(IPC_PRIVATE, PAGE, 0600)),
	    keyed = need(shmget(key, 2 * PAGE, IPC_CREAT | IPC_EXCL | 0640));
	munmap(place, 16 * (size_t)PAGE);
	char *both = shmat(plain, place, 0), *read_only = shmat(plain, NULL, SHM_RDONLY);
	char *gone = shmat(removed, NULL, 0), *shortly = shmat(keyed, NULL, 0);
	EXPECT(both == place && shmctl(removed, IPC_RMID, NULL) == 0);
	memcpy(both + 2 * PAGE, "third", 6);
	memcpy(gone, "removed", 8);
	memcpy(shortly + PAGE, "keyed", 6);
	EXPECT(shmdt(shortly) == 0 && munmap(both, PAGE) == 0);
	marker();
	EXPECT(memcmp(both + 2 * PAGE, "third", 6) == 0 && memcmp(read_only + 2 * PAGE, "third", 6) == 0);
	memcpy(both + PAGE, "second", 7);
	EXPECT(strcmp(read_only + PAGE, "second") == 0 && read_only[0] == 0);
	EXPECT(mprotect(read_only, PAGE, PROT_WRITE) < 0 && errno == EACCES);
	EXPECT(segment_state(plain).shm_segsz == SIZE && segment_state(plain).shm_nattch == 2);
	EXPECT(segment_state(plain).shm_perm.__key == IPC_PRIVATE);
	EXPECT(strcmp(gone, "removed") == 0 && segment_state(removed).shm_nattch == 1 &&
	       segment_state(removed).shm_perm.mode & SHM_DEST);
	EXPECT(shmget(key, 0, 0) == keyed && segment_state(keyed).shm_nattch == 0);
	EXPECT((segment_state(keyed).shm_perm.mode & 07777) == 0640);
	shortly = shmat(keyed, NULL, 0);
	EXPECT(shortly != (char *)-1 && strcmp(shortly + PAGE, "keyed") == 0);
	EXPECT(shmdt(gone) == 0 && shmctl(removed, IPC_STAT, &(struct shmid_ds){0}) < 0);
	EXPECT(shmdt(both) == 0 && shmdt(read_only) == 0 && shmdt(shortly) == 0);
	EXPECT(shmctl(plain, IPC_RMID, NULL) == 0 && shmctl(keyed, IPC_RMID, NULL) == 0);
}

static void semaphores(void)
{
	const key_t key = own_key();
	unsigned short values[3] = {1, 0, 32767}, seen[3] = {7, 7, 7};
	struct sembuf down = {.sem_num = 0, .sem_op = -1, .sem_flg = IPC_NOWAIT};
	struct semid_ds state = {0};
	int set = need(semget(IPC_PRIVATE, 3, 0600)),
	    keyed = need(semget(key, 1, IPC_CREAT | IPC_EXCL | 0606));
	EXPECT(semctl(set, 0, SETALL, values) == 0);
	marker();
	EXPECT(semctl(set, 0, GETALL, seen) == 0 && memcmp(values, seen, sizeof(seen)) == 0);
	EXPECT(semop(set, &down, 1) == 0 && semop(set, &down, 1) < 0 && errno == EAGAIN);
	EXPECT(semget(key, 0, 0) == keyed && semctl(keyed, 0, GETVAL) == 0);
	EXPECT(semctl(keyed, 0, IPC_STAT, &state) == 0 && (state.sem_perm.mode & 0777) == 0606);
	EXPECT(state.sem_nsems == 1);
	EXPECT(semctl(set, 0, IPC_RMID) == 0 && semctl(keyed, 0, IPC_RMID) == 0);
}

struct message {
	long type;
	char text[4096];
};

static bool sends(int queue, long type, const char *text, size_t size)
{
	struct message message = {.type = type};
	memcpy(message.text, text, size);
	return msgsnd(queue, &message, size, IPC_NOWAIT) == 0;
}

static bool receives(int queue, long wanted, long type, const char *text, size_t size)
{
	struct message message = {0};
	return msgrcv(queue, &message, sizeof(message.text), wanted, IPC_NOWAIT) == (ssize_t)size &&
	       message.type == type && memcmp(message.text, text, size) == 0;
}

static void queues(void)
{
	const key_t key = own_key();
	struct msqid_ds state;
	char large[4000];
	int queue = need(msgget(IPC_PRIVATE, 0600)), keyed = need(msgget(key, IPC_CREAT | IPC_EXCL | 0622));
	memset(large, 'x', sizeof(large));
	EXPECT(sends(queue, 5, "five", 4) && sends(queue, 1, "", 0) && sends(queue, INT64_MAX, "last", 5) &&
	       sends(queue, 5, large, sizeof(large)));
	EXPECT(msgctl(queue, IPC_STAT, &state) == 0);
	state.msg_qbytes = 8000;
	EXPECT(msgctl(queue, IPC_SET, &state) == 0);
	marker();
	EXPECT(msgctl(queue, IPC_STAT, &state) == 0 && state.msg_qnum == 4 && state.__msg_cbytes == 4009 &&
	       state.msg_qbytes == 8000);
	EXPECT(receives(queue, 1, 1, "", 0) && receives(queue, 0, 5, "five", 4) &&
	       receives(queue, 5, 5, large, sizeof(large)) && receives(queue, 0, INT64_MAX, "last", 5));
	EXPECT(!receives(queue, 0, 0, "", 0) && errno == ENOMSG);
	EXPECT(msgget(key, 0) == keyed && msgctl(keyed, IPC_STAT, &state) == 0 && state.msg_qnum == 0 &&
	       (state.msg_perm.mode & 0777) == 0622);
	EXPECT(msgctl(queue, IPC_RMID, NULL) == 0 && msgctl(keyed, IPC_RMID, NULL) == 0);
}

/* Open three times, once read only, and removed; messages in the order of their priorities. */
static void posix_queues(void)
{
	struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 100}, seen;
	char named[64], removed[64], bytes[100];
	unsigned int priority = 0;
	snprintf(named, sizeof(named), "/snaptrace-test-%x", own_number());
	snprintf(removed, sizeof(removed), "/snaptrace-test-gone-%x", own_number());
	int gone = need(mq_open(removed, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes));
	EXPECT(mq_unlink(removed) == 0);
	int queue = need(mq_open(named, O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK, 0640, &attributes)),
	    reading = need(mq_open(named, O_RDONLY));
	EXPECT(mq_send(queue, "low", 3, 1) == 0 && mq_send(queue, "high", 4, 32767) == 0 &&
	       mq_send(queue, "", 0, 1) == 0 && mq_send(gone, "gone", 4, 0) == 0);
	marker();
	EXPECT(mq_getattr(queue, &seen) == 0 && seen.mq_flags == O_NONBLOCK && seen.mq_maxmsg == 4 &&
	       seen.mq_msgsize == 100 && seen.mq_curmsgs == 3);
	EXPECT(mq_getattr(reading, &seen) == 0 && seen.mq_flags == 0);
	EXPECT(mq_receive(queue, bytes, sizeof(bytes), NULL) < 0 && errno == EBADF);
	EXPECT(mq_receive(reading, bytes, sizeof(bytes), &priority) == 4 && priority == 32767 &&
	       memcmp(bytes, "high", 4) == 0);
	EXPECT(mq_receive(reading, bytes, sizeof(bytes), &priority) == 3 && priority == 1 &&
	       memcmp(bytes, "low", 3) == 0);
	EXPECT(mq_receive(reading, bytes, sizeof(bytes), &priority) == 0 && priority == 1);
	EXPECT(mq_receive(gone, bytes, sizeof(bytes), &priority) == 4 && memcmp(bytes, "gone", 4) == 0);
	EXPECT(mq_open(removed, O_RDWR) < 0 && errno == ENOENT);
	EXPECT((status_of(queue).st_mode & 07777) == 0640 && mq_unlink(named) == 0);
}

/* A message that a child waits for, in a queue that only it reads from. */
static void posix_queue_tree(void)
{
	struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = 8};
	char named[64], bytes[8];
	int both[2], status = 0;
	snprintf(named, sizeof(named), "/snaptrace-test-%x", own_number());
	int queue = need(mq_open(named, O_WRONLY | O_CREAT | O_EXCL, 0600, &attributes));
	EXPECT(pipe(both) == 0);
	pid_t child = fork();
	if (child == 0) {
		int own = mq_open(named, O_RDONLY);
		if (mq_unlink(named) < 0 || !writes(both[1], "x"))
			_exit(1);
		_exit(mq_receive(own, bytes, sizeof(bytes), NULL) == 5 && memcmp(bytes, "hello", 5) == 0 ? 7
		                                                                                         : 1);
	}
	EXPECT(reads(both[0], "x"));
	marker();
	EXPECT(mq_send(queue, "hello", 5, 0) == 0);
	EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static bool operate(int set, unsigned short number, short operation)
{
	struct sembuf change = {.sem_num = number, .sem_op = operation};
	return semop(set, &change, 1) == 0;
}

/* Waits in semop(2), then adds to what both have and answers. */
static void count_up(int set, int queue, int *both, int own)
{
	int *alone = shmat(own, NULL, 0);
	*alone = 30;
	operate(set, 1, 1);
	if (!operate(set, 0, -1) || segment_state(own).shm_nattch != 1)
		_exit(1);
	*both += *alone;
	_exit(sends(queue, 3, "counted", 7) ? 0 : 1);
}

/* A segment of both, one that only the child has, and it waits. */
static void tree(void)
{
	int set = need(semget(IPC_PRIVATE, 2, 0600)), queue = need(msgget(IPC_PRIVATE, 0600)),
	    shared = need(shmget(IPC_PRIVATE, PAGE, 0600)), own = need(shmget(IPC_PRIVATE, PAGE, 0600));
	int *both = shmat(shared, NULL, 0), status = 0;
	*both = 12;
	pid_t child = fork();
	if (child == 0)
		count_up(set, queue, both, own);
	EXPECT(operate(set, 1, -1));
	marker();
	EXPECT(*both == 12 && segment_state(shared).shm_nattch == 2 && segment_state(own).shm_nattch == 1);
	EXPECT(operate(set, 0, 1) && waitpid(child, &status, 0) == child && status == 0);
	EXPECT(*both == 42 && receives(queue, 0, 3, "counted", 7) && segment_state(shared).shm_nattch == 1);
	EXPECT(semctl(set, 0, IPC_RMID) == 0 && msgctl(queue, IPC_RMID, NULL) == 0);
	EXPECT(shmctl(shared, IPC_RMID, NULL) == 0 && shmctl(own, IPC_RMID, NULL) == 0);
}

/* An id that is in the second round of them. */
static void late_id(void)
{
	int id = -1, least = need(semget(IPC_PRIVATE, 1, 0600));
	for (int i = 0; i < 200; i++) {
		if (id >= 0)
			semctl(id, 0, IPC_RMID);
		id = need(semget(IPC_PRIVATE, 1, 0600));
	}
	EXPECT(semctl(id, 0, SETVAL, 9) == 0);
	marker();
	EXPECT(id > least + 32768 && semctl(id, 0, GETVAL) == 9);
	EXPECT(semctl(id, 0, IPC_RMID) == 0 && semctl(least, 0, IPC_RMID) == 0);
}

/* Says that it has what the test gave the key or name of, and goes on when it is told. */
static void tell_and_wait(int number)
{
	char byte;
	dprintf(STDOUT_FILENO, "%d\n", number);
	EXPECT(read(STDIN_FILENO, &byte, 1) == 1);
	marker();
}

static void given(const char *mode, const char *argument)
{
	int id;
	if (strcmp(mode, "queue") == 0) {
		tell_and_wait(need(mq_open(argument, O_RDWR | O_CREAT, 0600, NULL)));
		return;
	}
	id = need(shmget(atoi(argument), PAGE, IPC_CREAT | 0600));
	EXPECT(shmat(id, NULL, 0) != (void *)-1);
	tell_and_wait(id);
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {
	        MODE(segments), MODE(semaphores),   MODE(queues),           MODE(tree),
	        MODE(late_id),  MODE(posix_queues), MODE(posix_queue_tree),
	};
	if (argc == 3) {
		given(argv[1], argv[2]);
		return failures != 0;
	}
	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
