/*
 * going: calls its marker four times, says what is left of a tracer in it, and works. With "wait" it fills a
 * heap on the break first, tells its pid, and waits in a call that stops interrupt until a line comes.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t seen;

static void remember(int number)
{
	seen = number;
}

static void print_status(void)
{
	static const char *const keys[] = {"TracerPid:", "NoNewPrivs:", "Seccomp:"};
	char line[256];
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof(line), file))
		for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
			if (strncmp(line, keys[i], strlen(keys[i])) == 0)
				fputs(line, stdout);
	fclose(file);
}

static int break_works(void)
{
	char *end = sbrk(0);

	if (sbrk(8192) != end)
		return 0;
	memset(end, 1, 8192);
	return end[8191] == 1;
}

int main(int argc, char **argv)
{
	struct stat ignored;
	char *heap = sbrk(0), line[100];
	int waits = argc > 1 && strcmp(argv[1], "wait") == 0;

	signal(SIGUSR1, remember);
	if (waits) {
		if (sbrk(1 << 20) != heap)
			return 97;
		memset(heap, 5, 1 << 20);
		printf("%d\n", getpid());
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin))
			return 96;
		for (int i = 0; i < 1 << 20; i++)
			if (heap[i] != 5)
				return 95;
	}
	for (int i = 1; i <= 4; i++) {
		printf("marker %d\n", i);
		fflush(stdout);
		stat("/snap/here", &ignored);
	}
	print_status();
	printf("break %d, signal %d\n", break_works(), (int)seen);
	return 7;
}
