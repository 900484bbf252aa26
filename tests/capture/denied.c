/* denied CMD…: runs CMD without the calls that containers deny: kcmp, pidfd_getfd, userfaultfd, namespaces
 * and mounts fail with EPERM, clone3 with ENOSYS. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#define NAMESPACES                                                                                           \
	(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |           \
	 CLONE_NEWCGROUP)
#define LOAD(field)     BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define DENY(number, e) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), ANSWER(e)
#define ANSWER(e)       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (e))

int main(int argc, char **argv)
{
	struct sock_filter filter[] = {
	        LOAD(nr),
	        DENY(SYS_clone3, ENOSYS),
	        DENY(SYS_kcmp, EPERM),
	        DENY(SYS_pidfd_getfd, EPERM),
	        DENY(SYS_userfaultfd, EPERM),
	        DENY(SYS_unshare, EPERM),
	        DENY(SYS_setns, EPERM),
	        DENY(SYS_mount, EPERM),
	        DENY(SYS_umount2, EPERM),
	        DENY(SYS_pivot_root, EPERM),
	        DENY(SYS_keyctl, EPERM),
	        DENY(SYS_add_key, EPERM),
	        DENY(SYS_perf_event_open, EPERM),
	        DENY(SYS_bpf, EPERM),
	        DENY(SYS_get_mempolicy, EPERM),
	        DENY(SYS_set_mempolicy, EPERM),
	        DENY(SYS_mbind, EPERM),
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
	        LOAD(args[0]),
	        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 0, 1),
	        ANSWER(EPERM),
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	if (argc < 2)
		return 2;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		perror("denied");
		return 77;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
