/*
 * asks WHERE: asks its processor in main, in a thread, in a child, in a signal handler with all signals
 * blocked, in code that it made itself (made: and then made executable; written: into memory that was
 * executable; undumpable: in a process whose memory is closed to others; moved: to another address; beside:
 * where other code has run already), and prints which levels it heard of. Then it names /snap/here, and
 * prints that it went on.
 */
#include <cpuid.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void ask(void)
{
	unsigned a, b, c, d, e, area;

	__cpuid(1, a, b, c, d);
	printf("%s%s%s", d & bit_SSE2 ? "sse2 " : "", c & bit_SSE4_2 ? "sse4_2 " : "",
	       c & bit_AVX ? "avx " : "");
	printf("%s%s", c & bit_AES ? "aes " : "", c & bit_OSXSAVE ? "osxsave " : "");
	__cpuid_count(7, 0, a, b, c, d);
	printf("%s%s%s", b & bit_AVX2 ? "avx2 " : "", b & bit_AVX512F ? "avx512f " : "",
	       d & 1 << 4 ? "fsrm " : "");
	__cpuid_count(0xd, 0, a, area, e, d);
	printf("state %x, %s\n", a, area >= 11008 ? "room for any" : area ? "room" : "none");
	fflush(stdout);
}

static void *in_thread(void *unused)
{
	ask();
	return unused;
}

static void in_handler(int number)
{
	sigset_t mask;

	(void)number;
	ask();
	sigprocmask(SIG_SETMASK, NULL, &mask);
	puts(sigismember(&mask, SIGTRAP) ? "SIGTRAP is blocked" : "SIGTRAP is not blocked");
}

typedef unsigned function(void);

static int tell(void *memory)
{
	function *made;

	memcpy(&made, &memory, sizeof(made));
	return puts(made() & bit_AVX ? "avx" : "no avx");
}

/* mov $1, %eax; push %rbx; cpuid; pop %rbx; mov %ecx, %eax; ret */
static const unsigned char code[] = {0xb8, 1, 0, 0, 0, 0x53, 0x0f, 0xa2, 0x5b, 0x89, 0xc8, 0xc3};

/* Code that is moved after it was made executable. */
static void *moved;
static void in_moved(void)
{
	char *room = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(memory, code, sizeof(code));
	if (room == MAP_FAILED || mprotect(memory, 4096, PROT_READ | PROT_EXEC) < 0 ||
	    mremap(memory, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, room) == MAP_FAILED)
		exit(77);
	moved = room;
	tell(moved);
}

static void in_made(int protection, int beside)
{
	void *memory = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	function *made;

	if (memory == MAP_FAILED)
		exit(77);
	if (beside) { /* just the return */
		void *end = (char *)memory + 64 + sizeof(code) - 1;

		memcpy((char *)memory + 64, code, sizeof(code));
		memcpy(&made, &end, sizeof(made));
		(void)made();
		memset((char *)memory + 64, 0, sizeof(code));
	}
	memcpy((char *)memory + 256, code, sizeof(code));
	if (!(protection & PROT_EXEC) && mprotect(memory, 4096, PROT_READ | PROT_EXEC) < 0)
		exit(77);
	tell((char *)memory + 256);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *where = argc > 1 ? argv[1] : "main";
	struct sigaction action = {.sa_handler = in_handler};
	struct stat status;
	pthread_t thread;

	if (strcmp(where, "thread") == 0) {
		pthread_create(&thread, NULL, in_thread, NULL);
		pthread_join(thread, NULL);
	} else if (strcmp(where, "child") == 0) {
		if (fork() == 0) {
			ask();
			_exit(0);
		}
		wait(NULL);
	} else if (strcmp(where, "handler") == 0) {
		sigfillset(&action.sa_mask);
		sigaction(SIGUSR1, &action, NULL);
		raise(SIGUSR1);
	} else if (strcmp(where, "made") == 0) {
		in_made(PROT_READ | PROT_WRITE, 0);
	} else if (strcmp(where, "written") == 0) {
		in_made(PROT_READ | PROT_WRITE | PROT_EXEC, 0);
	} else if (strcmp(where, "undumpable") == 0) {
		prctl(PR_SET_DUMPABLE, 0);
		ask();
		in_made(PROT_READ | PROT_WRITE, 0);
		in_made(PROT_READ | PROT_WRITE | PROT_EXEC, 0);
	} else if (strcmp(where, "moved") == 0) {
		in_moved();
	} else if (strcmp(where, "beside") == 0) {
		in_made(PROT_READ | PROT_WRITE | PROT_EXEC, 1);
	} else {
		ask();
	}
	fflush(stdout);
	sched_yield(); /* a point that needs no memory to be read */
	stat("/snap/here", &status);
	if (moved)
		tell(moved);
	puts("went on");
	return 0;
}
