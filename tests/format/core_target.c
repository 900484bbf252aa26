/* Threads at known depths and memory of each kind; says on standard output what lies where, and comes to the
 * point. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 3, SIZE = 3 * 4096, LARGE = 64 << 20 };

int common = 12;
static pthread_barrier_t all_there;
static int never[2];

static int descend(int depth)
{
	char byte = 0;

	if (depth > 0)
		return descend(depth - 1) + 1;
	pthread_barrier_wait(&all_there);
	return (int)read(never[0], &byte, 1);
}

static void *worker(void *argument)
{
	return (void *)(long)descend((int)(long)argument);
}

static void say(const void *memory)
{
	const unsigned char *bytes = memory;

	printf("%p ", memory);
	for (int i = 0; i < 16; i++)
		printf("%02x", bytes[i]);
	putchar('\n');
}

static void *view(int file, int flags, const char *text)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, file, 0);

	if (memory == MAP_FAILED)
		exit(1);
	if (text)
		strcpy(memory + 4096, text);
	return memory + 4096;
}

int main(void)
{
	static char changed[16] = "data of a file";
	int file = memfd_create("views", MFD_CLOEXEC);
	pthread_t thread[THREADS];

	if (file < 0 || ftruncate(file, SIZE) < 0 || pipe(never) < 0)
		return 1;
	char *large = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	strcpy(large + LARGE - 4096, "after a gap");
	changed[0] = 'D';
	say(view(file, MAP_SHARED, "shared by views"));
	say(view(file, MAP_SHARED, NULL));
	say(view(file, MAP_PRIVATE, "a view's own pg"));
	say(large + LARGE - 4096);
	say(changed);
	say((char *)view(-1, MAP_PRIVATE | MAP_ANONYMOUS, NULL)); /* zeros */
	fflush(stdout);
	pthread_barrier_init(&all_there, NULL, THREADS + 1);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, worker, (void *)(i + 1));
	pthread_barrier_wait(&all_there);
	access("/snap/here", F_OK);
	return 0;
}
