/* What the kernel promises and headers of Linux 5.10 or glibc 2.31 (Debian 11) do not have yet: numbers that
 * never change. Included before every file (CMakeLists.txt), so that whoever uses one need not know how old
 * it is; where the system's header has it, too, both say the same. Nothing but macros: assembly files get it
 * as well. */
#ifndef FORMAT_FACTS_KERNEL_H
#define FORMAT_FACTS_KERNEL_H

#define MADV_POPULATE_READ            22 /* Linux 5.14 */
#define MADV_POPULATE_WRITE           23
#define PR_SET_VMA                    0x53564d41 /* Linux 5.17 */
#define PR_SET_VMA_ANON_NAME          0
#define RWH_WRITE_LIFE_NOT_SET        0  /* glibc 2.32 and later has its name */
#define UFFD_USER_MODE_ONLY           1  /* Linux 5.11 */
#define PR_SET_SYSCALL_USER_DISPATCH  59 /* Linux 5.11 */
#define PR_SYS_DISPATCH_OFF           0
#define PR_SYS_DISPATCH_EXCLUSIVE_ON  1 /* PR_SYS_DISPATCH_ON, which newer headers define by this */
#define SYSCALL_DISPATCH_FILTER_ALLOW 0
#define SYSCALL_DISPATCH_FILTER_BLOCK 1
#define PR_FUTEX_HASH                 78 /* Linux 6.16 */
#define PR_FUTEX_HASH_SET_SLOTS       1
#define PR_FUTEX_HASH_GET_SLOTS       2
#define __NR_epoll_pwait2             441 /* Linux 5.11 */
#define __NR_landlock_create_ruleset  444 /* Linux 5.13 */
#define __NR_landlock_restrict_self   446
#define __NR_memfd_secret             447 /* Linux 5.14 */

/* glibc names the numbers that were there when it was made. */
#define SYS_epoll_pwait2            __NR_epoll_pwait2
#define SYS_faccessat2              __NR_faccessat2
#define SYS_landlock_create_ruleset __NR_landlock_create_ruleset
#define SYS_landlock_restrict_self  __NR_landlock_restrict_self
#define SYS_memfd_secret            __NR_memfd_secret
#define SYS_openat2                 __NR_openat2
#define SYS_pidfd_getfd             __NR_pidfd_getfd

#endif
