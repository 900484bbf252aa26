/* For compilers' sanitizers, whose runtime reserves most of the address space: it is frozen with memory and a
 * thread after it, and checks after the point that all is there, and that its sanitizer still sees an error,
 * which ends it with the status the test gave (exitcode of ASAN_OPTIONS and the like). */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 100, ROUNDS = 1000 };

static int counted, uncounted;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *count(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		counted++;
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

static void *race(void *unused)
{
	uncounted++;
	return unused;
}

static void in_thread(void *(*function)(void *), void *(*meanwhile)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, NULL) != 0)
		_exit(2);
	if (meanwhile)
		meanwhile(NULL);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	char *block[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		block[i] = malloc((size_t)i * 1000 + 1);
		memset(block[i], i, (size_t)i * 1000 + 1);
	}
	in_thread(count, NULL);
	access("/snap/here", F_OK);
	for (int i = 0; i < BLOCKS; i++) {
		if (block[i][i * 1000] != (char)i)
			return 3;
		free(block[i]);
	}
	in_thread(count, count);
	if (counted != 3 * ROUNDS)
		return 4;
	puts("fine");
	fflush(stdout);
	if (argc > 1 && strcmp(argv[1], "address") == 0) {
		volatile char *freed = malloc(10);
		free((char *)freed);
		return freed[5];
	}
	if (argc > 1 && strcmp(argv[1], "thread") == 0)
		in_thread(race, race);
	return 0;
}
