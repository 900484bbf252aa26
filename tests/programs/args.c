/* Prints what main was given: arguments, environment, and what the C library says of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

int main(int argc, char **argv, char **envp)
{
	printf("argc %d\n", argc);
	for (int i = 0; i < argc; i++)
		printf("argv[%d] %s\n", i, argv[i]);
	for (int i = 0; envp[i]; i++)
		printf("envp[%d] %s\n", i, envp[i]);
	for (int i = 0; environ[i]; i++) {
		if (strcmp(environ[i], envp[i]) != 0)
			printf("environ[%d] differs: %s\n", i, environ[i]);
	}
	const char *answer = getenv("ANSWER");
	printf("ANSWER %s\n", answer ? answer : "(unset)");
	return argc > 1 ? atoi(argv[1]) : 0;
}
