/* As objects.c: descriptors that are on their way through Unix sockets (SCM_RIGHTS), most of them open
 * nowhere else. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "expect.h"
#include "modes.h"

enum { MOST = 253 };

struct letter {
	struct msghdr header;
	struct iovec part;
	char bytes[16];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(MOST * sizeof(int))];
};

static struct msghdr *letter_with(struct letter *letter, size_t control)
{
	letter->part = (struct iovec){letter->bytes, sizeof(letter->bytes)};
	letter->header = (struct msghdr){.msg_iov = &letter->part,
	                                 .msg_iovlen = 1,
	                                 .msg_control = letter->control,
	                                 .msg_controllen = control};
	return &letter->header;
}

/* Sends the descriptors, and closes its own. */
static void pass(int socket, const char *text, const int *fd, int count)
{
	struct letter letter = {0};
	struct msghdr *header = letter_with(&letter, CMSG_SPACE((size_t)count * sizeof(int)));
	struct cmsghdr *head = CMSG_FIRSTHDR(header);
	memcpy(letter.bytes, text, strlen(text));
	letter.part.iov_len = strlen(text);
	head->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(head), fd, (size_t)count * sizeof(int));
	EXPECT(sendmsg(socket, header, 0) == (ssize_t)strlen(text));
	for (int i = 0; i < count; i++)
		EXPECT(close(fd[i]) == 0);
}

/* The text of a message, with so many descriptors. */
static bool receives(int socket, const char *text, int *fd, int count)
{
	struct letter letter = {0};
	struct msghdr *header = letter_with(&letter, sizeof(letter.control));
	ssize_t size = recvmsg(socket, header, MSG_DONTWAIT);
	const struct cmsghdr *head = CMSG_FIRSTHDR(header);
	size_t wanted = count ? CMSG_LEN((size_t)count * sizeof(int)) : 0, got = head ? head->cmsg_len : 0;
	if (size != (ssize_t)strlen(text) || memcmp(letter.bytes, text, strlen(text)) != 0 || got != wanted ||
	    (header->msg_flags & MSG_CTRUNC) != 0)
		return false;
	if (head)
		memcpy(fd, CMSG_DATA(head), (size_t)count * sizeof(int));
	return true;
}

static int file_with(const char *name, const char *text, int flags)
{
	int fd = need(open(name, O_RDWR | O_CREAT | O_TRUNC | flags, 0600));
	EXPECT(writes(fd, text));
	return fd;
}

/* Each kind, in a stream between plain bytes, which come without descriptors. */
static void passed(void)
{
	int ends[2], kept[2], pipe_ends[2], fd[6], got[6];
	uint64_t count;
	struct itimerspec timer = {.it_value = {.tv_sec = 100000}}, left;
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	need(pipe(pipe_ends));
	EXPECT(writes(pipe_ends[1], "in the pipe"));
	fd[0] = file_with("named", "a named file", 0);
	fd[1] = file_with("deleted", "a deleted file", 0);
	EXPECT(lseek(fd[0], 2, SEEK_SET) == 2 && lseek(fd[1], 2, SEEK_SET) == 2 && unlink("deleted") == 0);
	fd[2] = pipe_ends[0];
	fd[3] = need(memfd_create("memory", 0));
	EXPECT(writes(fd[3], "memory") && lseek(fd[3], 1, SEEK_SET) == 1);
	fd[4] = need(eventfd(7, EFD_NONBLOCK));
	fd[5] = need(timerfd_create(CLOCK_MONOTONIC, 0));
	EXPECT(timerfd_settime(fd[5], 0, &timer, NULL) == 0);
	kept[0] = file_with("kept", "a kept file", O_APPEND);
	kept[1] = need(dup(kept[0]));
	EXPECT(lseek(kept[0], 2, SEEK_SET) == 2);
	EXPECT(writes(ends[0], "plain"));
	pass(ends[0], "six", fd, 6);
	EXPECT(writes(ends[0], "more"));
	pass(ends[0], "kept", &kept[1], 1);
	EXPECT(writes(ends[0], "last") && writes(ends[1], "back"));
	marker();
	char bytes[8];
	EXPECT(read(ends[1], bytes, 5) == 5 && memcmp(bytes, "plain", 5) == 0 &&
	       receives(ends[1], "six", got, 6));
	EXPECT(reads(got[0], "named file") && reads(got[1], "deleted file") && reads(got[3], "emory"));
	EXPECT(reads(got[2], "in the pipe") && writes(pipe_ends[1], "x") && reads(got[2], "x"));
	EXPECT(close(pipe_ends[1]) == 0 && reads(got[2], ""));
	EXPECT(read(got[4], &count, sizeof(count)) == sizeof(count) && count == 7 && would_block(got[4]));
	EXPECT(timerfd_gettime(got[5], &left) == 0 && left.it_value.tv_sec > 90000 &&
	       left.it_value.tv_sec < 100001);
	EXPECT(read(ends[1], bytes, 4) == 4 && memcmp(bytes, "more", 4) == 0 &&
	       receives(ends[1], "kept", got, 1));
	EXPECT((fcntl(got[0], F_GETFL) & O_APPEND) != 0 && read(got[0], bytes, 2) == 2 &&
	       memcmp(bytes, "ke", 2) == 0);
	EXPECT(reads(kept[0], "pt file")); /* one description, one place */
	EXPECT(reads(ends[1], "last") && reads(ends[0], "back"));
	EXPECT(recv(ends[1], bytes, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

/* In messages, also an empty one, as many as one may have; a descriptor twice; a socket shut down after. */
static void passed_messages(void)
{
	int packets[2], datagrams[2], fd[MOST], got[MOST];
	struct stat first, last;
	need(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets));
	need(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams));
	fd[0] = file_with("first", "first", 0);
	pass(packets[0], "", fd, 1);
	EXPECT(writes(packets[0], "bare"));
	fd[0] = file_with("twice", "twice", 0);
	fd[1] = need(dup(fd[0]));
	pass(packets[0], "twice", fd, 2);
	EXPECT(shutdown(packets[0], SHUT_WR) == 0);
	for (int i = 0; i < MOST; i++)
		fd[i] = need(eventfd((unsigned)i, EFD_NONBLOCK));
	pass(datagrams[1], "many", fd, MOST);
	marker();
	EXPECT(receives(packets[1], "", got, 1) && lseek(got[0], 0, SEEK_SET) == 0 && reads(got[0], "first"));
	EXPECT(receives(packets[1], "bare", got, 0) && receives(packets[1], "twice", got, 2));
	EXPECT(lseek(got[0], 1, SEEK_SET) == 1 && reads(got[1], "wice"));
	EXPECT(fstat(got[0], &first) == 0 && stat("twice", &last) == 0 && first.st_ino == last.st_ino);
	EXPECT(receives(packets[1], "", got, 0)); /* the end */
	EXPECT(receives(datagrams[0], "many", got, MOST));
	for (int i = 0; i < MOST; i++) {
		uint64_t count = 0;
		EXPECT(read(got[i], &count, sizeof(count)) == sizeof(count) || i == 0);
		EXPECT(count == (uint64_t)i);
	}
}

/* A socket on its way, in which a socket is on its way, in which a pipe is; and one on its way to itself. */
static void passed_nested(void)
{
	int outer[2], middle[2], inner[2], round[2], ends[2], got;
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, outer));
	need(socketpair(AF_UNIX, SOCK_DGRAM, 0, middle));
	need(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, inner));
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, round));
	need(pipe(ends));
	EXPECT(writes(ends[1], "deep"));
	pass(inner[0], "pipe", &ends[0], 1);
	EXPECT(close(inner[0]) == 0);
	pass(middle[0], "inner", &inner[1], 1);
	pass(outer[0], "middle", &middle[1], 1);
	got = need(dup(round[1]));
	pass(round[0], "itself", &got, 1);
	marker();
	EXPECT(receives(outer[1], "middle", &got, 1) && writes(middle[0], "more"));
	EXPECT(receives(got, "inner", &inner[1], 1) && reads(got, "more"));
	EXPECT(receives(inner[1], "pipe", &ends[0], 1) && reads(inner[1], "") && reads(ends[0], "deep"));
	EXPECT(close(ends[1]) == 0 && reads(ends[0], ""));
	EXPECT(receives(round[1], "itself", &got, 1) && close(round[1]) == 0);
	EXPECT(writes(got, "x") && reads(round[0], "x"));
}

int main(int argc, char **argv)
{
	static const struct carried_mode modes[] = {MODE(passed), MODE(passed_messages), MODE(passed_nested)};

	return run_carried(argc, argv, modes, sizeof(modes) / sizeof(*modes), &failures);
}
