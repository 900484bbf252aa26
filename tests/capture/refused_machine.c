/* As refused.c, for states that take a certain machine, kernel or user to get into. */
#include <asm/ldt.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "modes.h"

enum { PAGE = 4096 };

static bool mapped_shared(int fd, size_t size, off_t offset)
{
	return fd >= 0 && mmap(NULL, size, PROT_READ, MAP_SHARED, fd, offset) != MAP_FAILED;
}

/* Whatever this machine has and this user may open: a disk, or the firmware's page of the memory. */
static bool device_memory(void)
{
	static const char *const paths[] = {"/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0", "/dev/mem"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		int fd = open(paths[i], O_RDONLY);
		if (fd >= 0 && mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED)
			return close(fd) == 0;
	}
	return false;
}

static bool perf_buffer(void)
{
	struct perf_event_attr attribute = {.type = PERF_TYPE_SOFTWARE,
	                                    .size = sizeof(attribute),
	                                    .config = PERF_COUNT_SW_CPU_CLOCK,
	                                    .exclude_kernel = 1};
	int fd = (int)syscall(SYS_perf_event_open, &attribute, 0, -1, -1, 0);
	return fd >= 0 && mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED &&
	       close(fd) == 0;
}

static bool packet_ring(void)
{
	struct tpacket_req request = {
	        .tp_block_size = PAGE, .tp_block_nr = 1, .tp_frame_size = PAGE / 2, .tp_frame_nr = 2};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	return fd >= 0 && setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) == 0 &&
	       mapped_shared(fd, PAGE, 0) && close(fd) == 0;
}

static bool uring_memory(void)
{
	struct io_uring_params parameters = {0};
	int fd = (int)syscall(SYS_io_uring_setup, 4, &parameters);
	return mapped_shared(fd, PAGE, IORING_OFF_SQ_RING) && close(fd) == 0;
}

static volatile uint32_t *arrived; /* below 4 GiB, like the code */

/* Tells that it is there, in 32-bit code, and stays:
 *	c7 05 ADDRESS 1    movl $1, ADDRESS
 *	eb fe              jmp . */
static void *in_32_bit_code(void *argument)
{
	unsigned char *code = argument;
	struct {
		uint32_t address;
		uint16_t segment;
	} __attribute__((packed)) target = {(uint32_t)(uintptr_t)code, 0x23 /* __USER32_CS */};
	uint32_t word = (uint32_t)(uintptr_t)arrived, one = 1;
	memcpy(code, "\xc7\x05", 2);
	memcpy(code + 2, &word, sizeof(word));
	memcpy(code + 6, &one, sizeof(one));
	memcpy(code + 10, "\xeb\xfe", 2);
	__asm__ volatile("mov %1, %%ds\n\tljmp *%0" : : "m"(target), "r"(0x2b /* __USER_DS */));
	return NULL;
}

static bool code_32(void)
{
	pthread_t id;
	char *low = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
	                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED)
		return false;
	arrived = (volatile uint32_t *)(low + PAGE);
	if (pthread_create(&id, NULL, in_32_bit_code, low) != 0)
		return false;
	while (*arrived == 0)
		sched_yield();
	return true;
}

static bool own_segment(void)
{
	struct user_desc entry = {.entry_number = 0, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1};
	if (syscall(SYS_modify_ldt, 1, &entry, sizeof(entry)) != 0)
		return false;
	__asm__ volatile("mov %0, %%ds" : : "r"(7)); /* entry 0 of the local table, by a user */
	return true;
}

static bool shadow_stack(void)
{
	enum { ARCH_SHSTK_ENABLE = 0x5001, SHSTK = 1 }; /* arch/x86/include/uapi/asm/prctl.h, Linux 6.6 */
	return syscall(SYS_arch_prctl, ARCH_SHSTK_ENABLE, SHSTK) == 0;
}

/* Of the process that the environment names, which nobody here has started. */
static bool tracer(void)
{
	const char *target = getenv("TARGET");
	return target && ptrace(PTRACE_SEIZE, atoi(target), 0, 0) == 0;
}

int main(int argc, char **argv)
{
	static const struct refused_mode modes[] = {
	        MODE(device_memory), MODE(perf_buffer), MODE(packet_ring),  MODE(uring_memory),
	        MODE(code_32),       MODE(own_segment), MODE(shadow_stack), MODE(tracer),
	};

	return run_refused(argc, argv, modes, sizeof(modes) / sizeof(*modes));
}
