/* Ends at once, with no C library: what is left is the kernel's price of a process. */
__attribute__((noreturn)) void _start(void);

void _start(void)
{
	__asm__ volatile("syscall" : : "a"(231), "D"(0)); /* exit_group */
	__builtin_unreachable();
}
