/* Records of layout.h: the process, its threads, and what they have beside memory and descriptors. */
#ifndef FORMAT_IMAGE_LAYOUT_STATE_H
#define FORMAT_IMAGE_LAYOUT_STATE_H

#include <assert.h>
#include <stdint.h>

#include "format/image/layout_limits.h"

enum snapimg_process_flag {
	SNAPIMG_PROCESS_RESUME_MAIN = 1,  /* as main(argc, argv, envp): the loader sets the three registers */
	SNAPIMG_PROCESS_NOT_DUMPABLE = 2, /* prctl(PR_SET_DUMPABLE, 0) */
	SNAPIMG_PROCESS_NO_NEW_PRIVS = 4, /* the program itself set it */
	SNAPIMG_PROCESS_SUBREAPER = 8,
	SNAPIMG_PROCESS_NO_THP = 16,         /* prctl(PR_SET_THP_DISABLE) */
	SNAPIMG_PROCESS_SELF_CONTAINED = 32, /* a start needs none of the files that it mapped and read */
	SNAPIMG_PROCESS_CWD_REMOVED = 64,    /* cwd names a directory that was removed */
};

struct snapimg_process {
	uint32_t pid; /* as it was */
	uint32_t flags;
	uint32_t executable; /* string: absolute path */
	uint32_t cwd;   /* string: absolute path the program went to; "": the caller's, as it was inherited */
	uint32_t umask; /* SNAPIMG_UMASK_INHERITED: the caller's */
	uint32_t personality;
	uint32_t parent_death_signal; /* 0: none */
	uint32_t thread_count;
	/* struct prctl_mm_map of the kernel, in its order (include/uapi/linux/prctl.h) */
	uint64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	uint64_t timer_slack_ns;  /* 0: leave the caller's */
	uint32_t fixed_arguments; /* how many leading arguments new ones don't replace: 1 (argv[0]), or up to
	                             the script's name where the kernel put an interpreter before it (#!) */
	uint32_t reserved_zero;
};
static_assert(sizeof(struct snapimg_process) == 104, "process layout");
#define SNAPIMG_UMASK_INHERITED 0xffffffffu

/* General registers in the order of the kernel's struct user_regs_struct (x86-64), ready to be resumed. */
/* clang-format off */
#define SNAPIMG_REGISTERS(X)                                                                                 \
	X(r15) X(r14) X(r13) X(r12) X(rbp) X(rbx) X(r11) X(r10) X(r9) X(r8) X(rax) X(rcx) X(rdx)             \
	X(rsi) X(rdi) X(orig_rax) X(rip) X(cs) X(eflags) X(rsp) X(ss) X(fs_base) X(gs_base)
/* clang-format on */
struct snapimg_registers {
#define X(name) uint64_t name;
	SNAPIMG_REGISTERS(X)
#undef X
};
static_assert(sizeof(struct snapimg_registers) == 23 * 8, "register layout");

struct snapimg_thread {
	struct snapimg_registers registers;
	uint64_t signal_mask;
	uint64_t altstack_address;
	uint64_t altstack_size;
	uint64_t robust_list; /* 0: none */
	uint64_t robust_list_size;
	uint64_t tid_address;  /* set_tid_address; 0: none */
	uint64_t rseq_address; /* 0: not registered */
	uint32_t rseq_size;
	uint32_t rseq_signature;
	uint32_t altstack_flags;
	uint32_t tid;           /* as it was */
	uint64_t xstate_offset; /* in XSTATE, a multiple of 64: XSAVE standard format */
	uint64_t reserved_zero;
	char comm[SNAPIMG_COMM_SIZE];
};
static_assert(sizeof(struct snapimg_thread) == 23 * 8 + 104, "thread layout");
static_assert(sizeof(struct snapimg_thread) == 288, "thread layout");

struct snapimg_sigaction { /* what rt_sigaction(2) takes */
	uint32_t signal;
	uint32_t reserved_zero;
	uint64_t handler; /* 0: SIG_DFL, 1: SIG_IGN */
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};
static_assert(sizeof(struct snapimg_sigaction) == 40, "signal action layout");

struct snapimg_auxv {
	uint64_t type;
	uint64_t value;
};
static_assert(sizeof(struct snapimg_auxv) == 16, "auxv layout");

/* A signal that was sent and not yet delivered, in the order they are to be sent again. */
enum { SNAPIMG_SIGINFO_SIZE = 128 };
struct snapimg_pending {
	uint32_t thread; /* index + 1 in THREADS; 0: of the process, any thread may take it */
	uint32_t reserved_zero;
	uint8_t info[SNAPIMG_SIGINFO_SIZE]; /* the kernel's siginfo_t; it begins with the signal's number */
};
static_assert(sizeof(struct snapimg_pending) == 136, "pending signal layout");

/* Where the thread of the same index stands. */
enum snapimg_place_flag { SNAPIMG_PLACE_POINT = 1 /* it met the point, and runs the callbacks */ };
struct snapimg_place {
	uint32_t flags;
	uint32_t call; /* string: the system call that is made again; 0: none */
};
static_assert(sizeof(struct snapimg_place) == 8, "place layout");

/* Memory that the loader writes after all pages are in place. */
enum snapimg_fixup_kind {
	SNAPIMG_FIXUP_TID = 1,     /* u32 at address: the new thread id of thread `argument` */
	SNAPIMG_FIXUP_ENVIRON = 2, /* u64 at address: the new envp (C's environ) */
	SNAPIMG_FIXUP_RESUME =
	        3, /* `argument` bytes at address: struct snap_resume blocks of preload/contract.h */
	SNAPIMG_FIXUP_ROBUST = 4, /* u32 at address: its low 30 bits become the new id of thread `argument` */
	SNAPIMG_FIXUP_ARGV = 5,   /* u64 at address: the new argv */
	SNAPIMG_FIXUP_ARGC = 6,   /* `argument` bytes at address, 4 or 8: the new argc */
};
struct snapimg_fixup {
	uint64_t address;
	uint32_t kind;
	uint32_t argument;
};
static_assert(sizeof(struct snapimg_fixup) == 16, "fix-up layout");

/* Where the IDs of the program and its threads were found when the image was made: X(NAME, number, text). */
#define SNAPIMG_KEPT_KINDS(X)                                                                                \
	X(SEARCHED, 1, "searched")     /* nothing but that: always the first record */                       \
	X(WORD, 2, "number")           /* 4 bytes at `address` */                                            \
	X(TEXT, 3, "text")             /* its decimal digits at `address` */                                 \
	X(REGISTER, 4, "register")     /* 8 bytes at `address` in THREADS */                                 \
	X(COMMON, 5, "common number")  /* in so many places that nothing can be told */                      \
	X(EXECUTABLE, 6, "executable") /* the program asks which file it runs: "/proc/self/exe" */           \
	X(SEED, 7, "seed") /* 4 bytes at `address`, by which a random generator knows a new process */       \
	X(NAME, 8, "part of a text") /* its decimal digits in a message or a name: nothing is found by it */ \
	X(PATH, 9, "path")           /* its decimal digits after "/proc/" */                                 \
	X(TAGGED, 10, "number of a language") /* 8 bytes at `address`, in a form of id_forms.h */            \
	X(UNSURE, 11,                                                                                        \
	  "number among others") /* at `address`, and mostly something else: not to be written over */       \
	X(CLOCK, 12, "number of a clock") /* 4 bytes at `address`: of a clock that belongs to the ID */      \
	X(PARENT, 13, "parent's ID") /* `address` is the parent's ID, for a parent with the recorded ones */ \
	X(PARENT_WORD, 14, "parent's number") /* 4 bytes at `address` are the parent's ID */                 \
	X(PARENT_REGISTER, 15, "parent's number in a register") /* 8 bytes at `address` in THREADS */        \
	X(NEGATIVE, 16, "negative number")                      /* 4 bytes at `address` are minus the ID */  \
	X(PACKED, 17, "number in an odd place")      /* 4 bytes at `address`, which is no multiple of 4 */   \
	X(SWAPPED, 18, "number in network order")    /* 4 bytes at `address`, the highest first */           \
	X(HEXADECIMAL, 19, "hexadecimal text")       /* its hexadecimal digits at `address` */               \
	X(WIDE, 20, "text of wide characters")       /* its decimal digits at `address`, 2 bytes each */     \
	X(VECTOR, 21, "number in a vector register") /* `where` names whose; no address */                   \
	X(CONTENT, 22, "content")                    /* of what `where` names; no address */                 \
	X(ENTRY, 23, "number of an entry")           /* the kernel has it; likewise */                       \
	X(NAMED, 24, "part of a name")               /* `where` is the name; no address */                   \
	X(PARENT_TEXT, 25, "parent's text")          /* the decimal digits of the parent's ID */             \
	X(PARENT_TAGGED, 26, "parent's number of a language") /* 8 bytes, as TAGGED */                       \
	X(OWN_NAME, 27, "name of its own")                    /* as NAMED, of what others find by it, too */ \
	X(PARENT_NAME, 28, "part of a text with the parent's ID") /* as NAME, of the parent's ID */          \
	X(PARENT_COMMON, 29, "parent's common number") /* asked for, and too small to be looked for */
enum snapimg_kept_kind {
#define X(name, number, text) SNAPIMG_KEPT_##name = (number),
	SNAPIMG_KEPT_KINDS(X)
#undef X
};
struct snapimg_kept {
	uint64_t address;
	uint32_t kind;
	uint32_t thread;    /* whose ID: an index of THREADS; the process's is its first thread's */
	uint32_t where;     /* string: the file, or the kind of memory */
	uint32_t what;      /* string: what it is known as; "": it is not known */
	uint32_t corrected; /* 1: a FIXUP makes it right, so that it is not kept any more */
	uint32_t reserved_zero;
};
enum {
	SNAPIMG_PARENT_ROOM = 7
}; /* digits of a PARENT_TEXT that is corrected; a zero byte comes after them */
static_assert(sizeof(struct snapimg_kept) == 32, "kept ID layout");

/* What the program changed of what a process or thread has from its maker: X(NAME, number, text).
 * FORMAT.md says what their values are. */
#define SNAPIMG_ATTRIBUTES(X)                                                                                \
	X(LIMIT, 1, "resource limit")                                                                        \
	X(NICE, 2, "nice value")                                                                             \
	X(SCHEDULING, 3, "scheduling policy")                                                                \
	X(AFFINITY, 4, "processor affinity")                                                                 \
	X(IO_PRIORITY, 5, "I/O priority")                                                                    \
	X(PERSONALITY, 6, "personality")                                                                     \
	X(OOM_SCORE_ADJ, 7, "oom_score_adj")                                                                 \
	X(COREDUMP_FILTER, 8, "coredump_filter")                                                             \
	X(KEEP_CAPABILITIES, 9, "keep-capabilities flag")                                                    \
	X(SECURE_BITS, 10, "secure bits")                                                                    \
	X(MEMORY_MERGE, 11, "memory-merge flag")                                                             \
	X(LOCK_FUTURE, 12, "mlockall(MCL_FUTURE)")                                                           \
	X(HUGE_PAGES, 20, "huge-page switch")                                                                \
	X(DENY_WRITE_EXECUTE, 21, "write-execute ban (PR_SET_MDWE)")                                         \
	X(THREAD_TIMER_SLACK, 22, "a thread's timer slack")                                                  \
	X(THREAD_DEATH_SIGNAL, 23, "a thread's parent-death signal")                                         \
	X(THREAD_NO_NEW_PRIVS, 24, "a thread's no-new-privileges flag")                                      \
	X(THREAD_PERSONALITY, 25, "a thread's personality")                                                  \
	X(THREAD_KEEP_CAPABILITIES, 26, "a thread's keep-capabilities flag")                                 \
	X(THREAD_SECURE_BITS, 27, "a thread's secure bits")                                                  \
	X(THREAD_TIME_STAMP, 28, "access to the time-stamp counter (PR_SET_TSC)")                            \
	X(THREAD_MEMORY_FAILURE, 29, "memory-failure policy (PR_MCE_KILL)")                                  \
	X(SLICE, 30, "time slice")                                                                           \
	X(MEMBARRIER, 31, "membarrier registration")                                                         \
	X(SESSION, 32, "session and process group")                                                          \
	X(TIMER_IDS, 33, "choice of timer IDs (PR_TIMER_CREATE_RESTORE_IDS)")                                \
	X(THREAD_CAPABILITIES, 34, "a thread's capabilities")                                                \
	X(SESSION_NICE, 35, "nice value of its session (autogroup)")                                         \
	X(THREAD_USERS, 36, "a thread's users")                                                              \
	X(THREAD_GROUPS, 37, "a thread's groups")                                                            \
	X(THREAD_MORE_GROUPS, 38, "a thread's supplementary groups")                                         \
	X(THREAD_INHERITABLE, 39, "a thread's inheritable and ambient capabilities")                         \
	X(THREAD_BOUNDING, 40, "a thread's capability bounding set")                                         \
	X(FUTEX_SLOTS, 41, "slots of its own futexes (PR_FUTEX_HASH)")                                       \
	X(TERMINAL, 42, "controlling terminal")
enum snapimg_attribute_kind {
#define X(name, number, text) SNAPIMG_ATTRIBUTE_##name = (number),
	SNAPIMG_ATTRIBUTES(X)
#undef X
};
struct snapimg_attribute {
	uint32_t kind;
	uint32_t argument; /* the resource, or an index of THREADS */
	uint64_t value;
	uint64_t more;
};
static_assert(sizeof(struct snapimg_attribute) == 24, "attribute layout");

enum { SNAPIMG_MORE_GROUPS_MAX = 256 };

enum snapimg_timer_kind { SNAPIMG_TIMER_INTERVAL = 1, SNAPIMG_TIMER_POSIX = 2 };
/* A clock of a thread or of the process (clock_getcpuclockid(3)): SNAPIMG_CLOCK_OWN + SNAPIMG_CLOCK_THREADS *
 * its index in THREADS, with the low bits of the kernel's number (include/linux/posix-timers.h). */
enum {
	SNAPIMG_CLOCK_OWN = 16,
	SNAPIMG_CLOCK_THREADS = 8,
	SNAPIMG_CLOCK_OF_THREAD = 4,
	SNAPIMG_CLOCK_KINDS = 3, /* PROF, VIRT, SCHED */
};
/* How a POSIX timer tells: SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD_ID (include/uapi/asm-generic/siginfo.h). */
enum snapimg_timer_notify { SNAPIMG_NOTIFY_SIGNAL = 0, SNAPIMG_NOTIFY_NONE = 1, SNAPIMG_NOTIFY_THREAD = 4 };
struct snapimg_timer {
	uint32_t kind;
	uint32_t id;    /* ITIMER_…, or the timer's id */
	uint32_t clock; /* a CLOCK_… number, or from SNAPIMG_CLOCK_OWN on one that belongs to an ID */
	uint32_t signal;
	uint32_t notify;
	uint32_t thread;    /* index of THREADS */
	uint64_t value;     /* of the signal */
	uint64_t remaining; /* nanoseconds; 0: not running */
	uint64_t interval;
};
static_assert(sizeof(struct snapimg_timer) == 48, "timer layout");

#endif
