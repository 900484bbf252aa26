/* Three threads that do nothing but start and join others, until a byte or the end of standard input comes.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *nothing(void *argument)
{
	return argument;
}

static void *churn(void *argument)
{
	pthread_t thread;

	for (;;)
		if (pthread_create(&thread, NULL, nothing, NULL) == 0)
			pthread_join(thread, NULL);
	return argument;
}

int main(void)
{
	pthread_t thread;
	char byte;

	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, churn, NULL);
	dprintf(1, "%d\n", getpid());
	if (read(0, &byte, 1) < 0)
		return 1;
	return 7;
}
