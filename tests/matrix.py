#!/usr/bin/python3
"""What an image carries and what is refused: a line each, with the tests that prove it.

The lists of man/snaptrace-state.7 are made from this one (tests/matrix.py --write), and ctest fails when they
are not, when a line names no test, or when a test of a state has no line: what is claimed is what is tested. Each
state is frozen, started five times, and where nothing of it can be there only once also twice at the same time.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import snaptest as t  # noqa: E402

# group: (claim, tests: `capture.` where there is no dot; all kinds of executable of programs.NAME).
CARRIED = {
    "Trees of processes": (
        ("a working directory and umask, and descriptors, that a process shares with its parent (CLONE_FS, CLONE_FILES), also where kcmp is denied",
         "tree.family.place tree.family.numbers tree.refused.no-kcmp"),
        ("parents and children at any depth, zombies with their statuses", "tree.family.inherited tree.family.chain"),
        ("orphans, also of a session whose leader has ended; subreapers", "tree.family.orphans"),
        ("process groups and sessions, with their leaders and without", "tree.family.groups"),
        ("stopped processes, and whether their parents have heard of it", "tree.family.stopped"),
        ("pidfds of others of the tree, living and dead", "tree.family.pidfds"),
        ("job control on the caller's terminal: a shell with its jobs, of which one may be in the foreground", "tree.terminals.callers"),
        ("sessions whose controlling terminal is one that the tree made, with the job in its foreground: tmux, xterm, script",
         "tree.terminals.inside"),
        ("servers and their workers: sockets that all listen at, an epoll set in each, channels whose owner is another process",
         "tree.workers.nginx tree.workers.prefork tree.workers.accepting tree.workers.attached"),
        ("pools of Python's multiprocessing and concurrent.futures: pipes and semaphores", "tree.workers.pool tree.workers.futures"),
        ("builds in their middle: make with its jobs", "tree.workers.make"),
        ("processes that are made or end while the tree is being stopped", "tree.crowd.relay tree.crowd.ends"),
        ("processes that become other programs meanwhile, also by vfork and posix_spawn: they are frozen when they have", "tree.crowd.spawns tree.crowd.execs"),
        ("semaphores with names, and other files that were mapped by a name that is gone", "tree.workers.forkserver"),
        ("what they share of descriptors: places in files, pipes, socket pairs, eventfds, and what is in them",
         "tree.family.inherited tree.family.between tree.family.threads"),
        ("epoll sets that several have, with what both, either, or only one of them still has open", "tree.family.sets"),
        ("directories that they made, and what was closed in them, as mpirun's for its session", "tree.family.directory"),
        ("files that each has opened for itself, also locked and mapped ones that one of them made", "tree.family.files"),
        ("memory that they have alike since fork(2), which is in the image once, and is written by each for itself", "tree.family.alike"),
        ("memory that they share, anonymous, of a memfd or of a deleted file, with mutexes and semaphores in it",
         "tree.family.shared tree.family.views tree.family.deleted"),
    ),
    "Threads": (
        ("any number, running or in a system call, with names, signal masks, alternate stacks and thread-local variables",
         "programs.threads programs.crew programs.tls"),
        ("all registers, up to AVX-512", "programs.registers"),
        ("the C library's thread IDs, robust lists, held robust mutexes", "programs.tid programs.threads"),
        ("waits in epoll, poll, select, futex, sleeps, read, recv, accept, file locks, for signals", "programs.threads programs.waits"),
        ("nice value, affinity, I/O priority and time slice of each", "programs.pace state_slice"),
        ("what each has for itself: timer slack, parent-death signal, personality, no-new-privileges, keep-capabilities "
         "flag and secure bits, PR_SET_TSC, PR_MCE_KILL", "state_of_a_thread state_of_the_main_thread"),
        ("permitted and effective capabilities that it has given up; and that it lacks the no-new-privileges flag of the main thread",
         "state_capabilities"),
        ("inheritable, ambient and bounding capabilities that it has changed, where who starts it may have them",
         "state_capability_limits capabilities_not_to_be_had"),
        ("users and groups that it has changed, where who starts it may have them: as root, or as that user; snaptrace as root needs CAP_SYS_PTRACE to look at them", "state_users users_not_to_be_had tree.workers.nginx"),
        ("names with any character", "state_name_with_newline"),
        ("a main thread that has ended before the others (pthread_exit)", "state_main_ended tree.family.mains"),
        ("restartable sequences", "programs.rseq"),
        ("C++ exceptions and thread_local", "programs.exceptions"),
        ("the process and thread IDs of a program that has kept them; with `--ids=same` of any", "programs.kept programs.same-ids"),
    ),
    "Signals": (
        ("actions with flags and masks, ignored signals, mask, alternate stack", "programs.signals carried_signals"),
        ("pending signals with what was sent along, none lost or twice; those that it sent itself are from it", "programs.threads programs.crossfire state_pending_from_itself"),
    ),
    "Timers": (
        ("interval timers with what remained, also one that is just due", "state_interval_timers state_alarm_due"),
        ("alarms", "state_alarm_rings"),
        ("POSIX timers under their IDs, also those that tell a thread or run a function", "state_posix_timers programs.pace"),
        ("POSIX timers on the clocks of processor time of the process and of its threads, also those that one of several threads made for itself", "state_cpu_timers"),
        ("timerfd, also one that is due at the very moment", "object_timers object_due_timers"),
    ),
    "Descriptors": (
        ("files with position, flags and close-on-exec, shared ones still shared, append files, directories, devices without state",
         "carried_descriptors programs.files"),
        ("files by their content, wherever a copy lies; what the program had locked or open to write must be as it was",
         "file_copied file_read_changed file_patched_library file_written-in-place_changed file_written-in-place_replaced "
         "file_only-written_changed file_flock_changed file_flock_replaced file_posix-lock_changed "
         "file_all_missing file_append-under-a-lock_changed file_mapped_changed file_mapped_replaced file_log file_clock_of_uuids bad.mismatch.touched"),
        ("data that is mapped shared and only read, as it is now", "file_mapped_live"),
        ("with `--self-contained` all files that are mapped or open for reading, for a start without them or with other "
         "versions of them in their places",
         "embedded_pie embedded_static embedded_musl embedded_muslstatic embedded_python embedded_bash embedded_node embedded_sqlite "
         "embedded_from_files embedded_replaced embedded_noexec embedded_told embedded_directory embedded_info embedded_mapped "
         "embedded_second_generation"),
        ("with `--embed` files that the program opens later, under `snaprun --root=image`",
         "restore.embed"),
        ("temporary files and directories that the program, or a child of it, made and has closed: made again where they are gone",
         "file_made_by_name_python file_made_by_name_shell file_made_by_name_kept"),
        ("files that the program made and has open, up to 64 MiB each: made again where they are gone",
         "file_made_again file_own_mode file_output_again file_never_over_another file_not_left_behind file_carry file_carry_none file_scratch file_told_when_shared"),
        ("files whose first name was removed, by another that they have (link, unlink)", "object_other_names"),
        ("deleted files, with their mode, owner, times, reserved room and flags", "object_deleted_files object_deleted_files_set deleted_without_proc"),
        ("directories that were removed", "object_removed_directories"),
        ("memfds with their seals", "object_memory_files"),
        ("leases of readers", "object_leases"),
        ("pipes that were opened again through /proc/self/fd, also where nothing but an opening for both is left", "object_pipes_again object_pipes_for_both"),
        ("pipes with both ends in the process and what is in them, also by packets", "object_pipes object_pipes_for_both"),
        ("Unix socket pairs with what is in them, also empty messages, and the end after them", "object_socket_pairs object_unix_empty_messages"),
        ("Unix connections through a name, with what is in them, shut down on one side or both", "object_unix_connections"),
        ("connections that wait at a Unix socket to be accepted, with what has come through them, if who made them is in the image; connections whose ends both have a name, if somebody listens at one", "object_unix_waiting object_unix_both_named"),
        ("Unix sockets of datagrams that are connected to a name", "object_unix_datagrams"),
        ("datagrams that wait at the name of a Unix socket, of senders without a name", "object_datagrams"),
        ("descriptors on their way through Unix sockets (SCM_RIGHTS), also where they are open nowhere else: files, pipes, sockets, which may have others on their way, eventfds, timerfds, signalfds, memfds",
         "object_passed object_passed_messages object_passed_nested"),
        ("listening and bound Unix sockets, also those whose file is gone, or was given to another user", "object_unix_listeners object_unix_gone state_owner_of_socket"),
        ("listening and bound TCP sockets with their options", "object_tcp_listeners object_cleared_ports"),
        ("TCP connections whose ends are both in the image, with what is on its way in them, half closed, or not accepted yet", "object_tcp_connections object_tcp_streams object_tcp_waiting object_tcp_taken tree.workers.connected"),
        ("TCP connections whose other end was closed and is nobody's any more, as a client's whose BGSAVE redis is still busy with", "object_tcp_left"),
        ("netlink sockets, with their port, groups and options", "object_netlink"),
        ("UDP sockets, also shut for sending; UDP-Lite", "object_udp_sockets object_shut_datagrams object_udp_lite"),
        ("the options of sockets, all that the kernel shows and takes, and filters (SO_ATTACH_FILTER)", "object_socket_options object_free_bind object_socket_filters"),
        ("epoll sets: edge, one-shot, nested; an edge that was taken is not told again; also what is at another number since it was watched", "object_epolls object_epolls_left object_edges"),
        ("with `--io-uring` an io_uring with nothing under way: its counts, requests that are prepared and completions that wait, in their places", "object_uring object_uring_multishot tree.family.ring"),
        ("asynchronous I/O (io_setup) with nothing under way, and events that wait", "object_aio"),
        ("eventfd", "object_events"),
        ("signalfd", "object_signal_descriptors"),
        ("the process's own pidfd, and those of processes that have ended", "object_pid_descriptor object_ended_pid_descriptor"),
        ("descriptors of the namespaces that it is in", "object_own_namespaces"),
        ("FIFOs with what is in them, also by packets, and those whose name is gone", "object_fifos object_fifos_gone"),
        ("pseudoterminals that the program made, with their settings, also in packet mode, and what waits to be read at both ends", "object_terminals object_terminals_packets object_terminals_bytes object_terminals_states"),
        ("modes that the program set on a terminal it inherited, set on the caller's; another size is told (SIGWINCH)",
         "terminal_raw terminal_told_at_once terminal_silent terminal_silent_already terminal_put_back terminal_untouched "
         "terminal_piped"),
        ("a terminal that it inherited and opened once more: the caller's", "terminal_reopened terminal_reopened_elsewhere "
         "terminal_pager"),
        ("the terminal's foreground, for a program that has it with a process group of its own: shells with job control, editors",
         "terminal_foreground terminal_shell"),
        ("inotify watches", "object_inotify"),
        ("multicast groups", "object_memberships"),
        ("signal-driven input", "object_owners"),
        ("paths (O_PATH)", "object_paths"),
        ("files of `/proc/self`, for the new process", "object_own_files"),
        ("locks, taken again: flock, POSIX, open file description", "object_locks"),
        ("standard streams are the caller's, with the flags that the program changed and the locks that it took",
         "programs.streams object_given_flags object_given_locks"),
    ),
    "Memory": (
        ("private and shared, of files and anonymous, in any patchwork of protections",
         "programs.mappings carried_patchwork carried_shared_file"),
        ("heaps of malloc and of the break, also of programs that need it there (GNU Common Lisp, maxima)", "programs.heap programs.brk programs.brk_heap"),
        ("stacks that grow on", "programs.stack state_grows_down"),
        ("pages of files: changed, unchanged, read-only again, at the file's end",
         "carried_file_pages carried_file_read_only_again"),
        ("mapped files that are deleted, replaced, or named oddly",
         "carried_deleted_file carried_replaced_file carried_name_with_newline"),
        ("content without access", "carried_no_access"),
        ("sparse reservations of terabytes at no cost", "carried_reservation"),
        ("many thousand mappings", "state_many_mappings"),
        ("System V shared memory that only the program or its tree has: attached in several places, or read only, removed, or attached by "
         "nobody; with its id and key", "carried_sysv_segments carried_sysv_tree carried_sysv_without_next_id"),
        ("System V semaphores and message queues of the program or its tree alone: values, messages in their order, ids, keys and modes",
         "carried_sysv_semaphores carried_sysv_queues carried_sysv_tree"),
        ("open POSIX message queues, also removed ones, with their messages, sizes and modes", "carried_posix_queues carried_posix_queue_tree"),
        ("shared anonymous memory, still shared with what the program forks", "state_shared_anonymous state_shared_read_only"),
        ("POSIX shared memory, closed memfds, deleted files that are mapped shared",
         "state_posix_shm state_memfd_closed state_shared_deleted"),
        ("shared memory without a file as one memory, however many mappings show it, whole or in parts, with what none shows",
         "memory_twice memory_parts memory_only_the_end memory_protections memory_named memory_dev_zero memory_read_only_closed "
         "memory_deleted_closed memory_locked memory_many_views"),
        ("memfds, deleted files and anonymous shared memory that have mappings and descriptors, with seals, also past their end, also private",
         "memory_code memory_write_sealed memory_future_write_sealed memory_deleted memory_unnamed memory_past_the_end "
         "memory_private_view memory_private_of_anonymous memory_sparse memory_much memory_much_unmapped memory_goes_on "
         "memory_java"),
        ("files mapped for reading that may be written", "memory_file_that_may_be_written"),
        ("programs under AddressSanitizer and ThreadSanitizer", "sanitized_address sanitized_thread memory_reservation"),
        ("terabytes of reserved addresses wherever they begin or end, as V8's sandbox", "memory_reservation_up_to"),
        ("guard pages", "state_guards"),
        ("locks: mlock, mlockall, on fault", "state_locked state_locked_future state_locked_future_on_fault memory_locked_on_fault"),
        ("every advice of madvise", "state_advised memory_every_advice"),
        ("seals (mseal), memory that may be dropped (MAP_DROPPABLE)", "memory_sealed memory_droppable"),
        ("bans of memory that is written and run (PR_SET_MDWE), huge pages only where advised",
         "memory_no_write_execute memory_huge_pages_if_advised"),
    ),
    "Process": (
        ("working directory, also a removed one; umask", "carried_directory state_removed_directory programs.state"),
        ("parent-death signal, subreaper, timer slack, huge-page switch, dumpable and no-new-privileges flag",
         "carried_attributes carried_undumpable programs.state"),
        ("resource limits", "state_limits"),
        ("nice value, scheduling policy, affinity, I/O priority", "state_scheduling"),
        ("oom_score_adj, coredump_filter, personality, secure bits, keep-capabilities and memory-merge flag",
         "state_process_files"),
        ("arguments, environment, name and auxiliary vector, as `ps` sees them", "programs.args programs.proc"),
        ("new arguments also for constructors that kept main's, of the program and of its libraries (Rust)", "programs.arguments"),
        ("`/proc/self/exe` as the C library's functions show it; for root, and with `snaprun --exe`, in any way", "programs.exe programs.own-file"),
        ("the vdso, under another kernel too, and time that goes on", "programs.clock restore.other_vdso"),
        ("what the program inherited is the caller's, also what it changed and put back", "programs.inherits state_left_as_it_was"),
        ("what the program set is its own, also where its caller had the same", "state_set_to_the_same"),
        ("a session and process group of its own, also those of a leader that has gone (daemons)",
         "state_session state_session_kept state_group state_session_of_another state_group_of_another state_group_in_session_of_another"),
        ("a controlling terminal that it made and has open, and of which it has the foreground", "state_session_terminal"),
        ("the nice value of its own session (autogroup)", "state_session_nice"),
        ("its parent's ID, where it asked for it and keeps it", "programs.kept"),
        ("registrations for membarrier", "state_membarriers"),
        ("that it chooses the IDs of its timers (PR_TIMER_CREATE_RESTORE_IDS), and the slots of its futexes (PR_FUTEX_HASH)", "state_timer_ids"),
        ("what it asks about no-new-privileges and seccomp is answered as without snaptrace's own filter", "state_asks"),
    ),
    "Uniqueness": (
        ("AT_RANDOM is new in each start", "programs.random"),
        ("memory of MADV_WIPEONFORK comes back zeroed", "carried_wiped"),
        ("the vdso's getrandom seeds itself again", "programs.unique.vdso"),
        ("OpenSSL, libgcrypt, GnuTLS, NSS, SQLite, node's crypto, and Python's os.urandom, secrets, uuid and ssl, draw new random bytes, whatever the IDs",
         "programs.unique.openssl programs.unique.python programs.unique.gcrypt programs.unique.gnutls programs.unique.nss programs.unique.sqlite "
         "programs.unique.node"),
        ("generators whose handler of fork(3) does nothing but count, as Rust's rand before 0.9, seed themselves again", "programs.callbacks"),
        ("memory of a thawed image is anonymous for its program: madvise, process_madvise, mremap, userfaultfd, by name and by number",
         "thaw.anonymous.syscall thaw.anonymous.process-madvise thaw.anonymous.marks thaw.anonymous.in-place thaw.anonymous.userfaultfd"),
        ("functions of snap_on_restore() run before the point returns, the newest first", "preload.header.frozen programs.here programs.callbacks"),
    ),
}

# group: (what is refused, tests: `capture.refused_` where there is no dot).
REFUSED = {
    "Process": (
        ("with `-p` a main thread that has ended", "tree.refused.attached-main-ended"),
        ("threads that share less than threads do, also where kcmp is denied", "own_directory tree.refused.thread-files tree.refused.thread-directory tree.refused.no-kcmp"),
        ("with `--tree=root` child processes, running or not yet waited for", "child zombie"),
        ("processes that share their descriptors or their directory (CLONE_FILES, CLONE_FS), of which none made the other",
         "tree.refused.siblings tree.refused.directory tree.refused.no-kcmp"),
        ("processes that share their memory (CLONE_VM, CLONE_SIGHAND), and parents that wait in vfork for a child that sleeps before its exec", "tree.refused.memory tree.refused.handlers tree.refused.vfork"),
        ("a process in a session that its parent was never in", "tree.refused.session"),
        ("Unix sockets with a relative name in another directory than the first process's", "tree.refused.name"),
        ("seccomp filters of the program, unless `--drop-seccomp`", "own_filter"),
        ("sandboxes of landlock", "landlock capture.state_landlock_failed tracer.confined.itself tracer.confined.thread"),
        ("system calls that go to a handler (PR_SET_SYSCALL_USER_DISPATCH)", "user_dispatch"),
        ("keyrings of a thread or the process, and a session keyring of its own", "thread_keyring process_keyring session_keyring"),
        ("semaphore operations that are undone at the end (SEM_UNDO)", "semaphore_undo"),
        ("speculation that the program switched (PR_SET_SPECULATION_CTRL), and PR_SET_IO_FLUSHER", "speculation io_flusher"),
        ("access to I/O ports", "ports ports_by_level"),
        ("calls that wait with a part of their bytes done: write, send, splice, receive with MSG_WAITALL",
         "partial_write partial_send partial_receive"),
        ("seccomp's strict mode: the kernel has none beside snaptrace's filter, and a line says so", "capture.strict_mode_told"),
        ("how often a POSIX timer was late (timer_getoverrun): a line says so, and the timer is carried", "tracer.overrun"),
        ("changed root directories, namespaces", "other_root user_namespace tree.refused.namespace"),
        ("a session of its own whose controlling terminal is none of the program's or tree's, or is closed there", "session_terminal"),
        ("a child before its exec", "vfork_memory"),
        ("use of AMX", "tiles"),
        ("32-bit code, segments of its own (modify_ldt)", "code_32 own_segment"),
        ("processes that it traces (ptrace)", "tracer"),
        ("set-user-ID programs", "bad.set-user-id"),
        ("POSIX timers on the clock of another process or of a thread that has ended; with several threads, `--continue` and `-p` those on CLOCK_THREAD_CPUTIME_ID that are not set", "other_clock_timer"),
    ),
    "Memory": (
        ("with `--self-contained` files that are mapped to be written and not carried, and locks on files that are embedded",
         "embedded_written embedded_locked"),
        ("with `--embed` links, paths through them or with `..`, what is in /dev, /proc or /sys, more than 1 GiB", "restore.refused_embed"),
        ("shared memory without a file that another process has, too, or whose descriptor is the caller's",
         "memory_elsewhere memfd_elsewhere shared_inherited"),
        ("secret memory (memfd_secret)", "secret_memory"),
        ("System V shared memory, semaphores and message queues that another process has, too, or that there were before the program",
         "capture.refused_sysv_of_another capture.refused_sysv_from_before"),
        ("a start of a program with System V objects where no IPC namespace can be made", "sysv_no_namespace"),
        ("huge pages of MAP_HUGETLB", "huge_pages"),
        ("memory under userfaultfd", "watched"),
        ("protection keys", "key"),
        ("asynchronous I/O (io_setup) with requests under way, or of a program that goes on (`--continue`, `-p`)", "aio"),
        ("memory policies (set_mempolicy, mbind)", "memory_policy placed_memory"),
        ("what lies at the loader's addresses", "loaders_place"),
        ("what lies below vm.mmap_min_addr (page zero)", "low_memory"),
        ("memory of devices, named", "device_memory"),
        ("rings of perf and packet sockets, and of an io_uring that no descriptor leads to any more", "uring_memory perf_buffer packet_ring"),
        ("shadow stacks", "shadow_stack"),
    ),
    "Descriptors": (
        ("TCP sockets that are connected to elsewhere, unless `--tcp=reset`", "connected_elsewhere connect_error ended_connection"),
        ("connections from elsewhere that wait, with `--continue` and `-p` any; datagrams that wait at an Internet socket, at a Unix one those of senders with a name, or that are being made", "waiting_connection waiting_datagram corked"),
        ("empty messages that wait, if they were looked at before (MSG_PEEK, an earlier image) or their sender is closed", "empty_message"),
        ("errors and urgent data that wait in a socket, and the mark of such data that was received (SIOCATMARK)", "unix_error udp_error error_queue urgent urgent_mark"),
        ("socket options that can't be set again", "unicast_interface"),
        ("Unix connections whose ends both have a name, if nobody listens there any more; datagrams to a name whose file is gone; sockets whose file was replaced by another, left by a closed listener, or by a relative name from a directory that the program left", "unix_moved unix_both_named unix_datagrams unix_connection unix_replaced"),
        ("Unix sockets that another user or group than snaptrace's has connected or listens at", "other_maker"),
        ("netlink sockets with messages that wait, or connected; packet and other sockets", "netlink"),
        ("on their way through a Unix socket: epoll sets, pidfds, inotify instances and terminals, the caller's streams, what is locked", "passed_set passed_lock passed_stream"),
        ("pipes and sockets with an end in another process", "pipe_elsewhere socket_elsewhere"),
        ("pipes in packet mode, with other bytes in them than packets", "pipe_packets"),
        ("FIFOs whose name is gone and that nobody has written to, or with bytes that nobody reads", "fifo unread_fifo"),
        ("terminals that were neither inherited nor made by the program, that were stopped by Ctrl-S, or in which more than 3500 bytes of input wait; with `--continue` and `-p` those that hold bytes",
         "terminal_alone terminal_stopped terminal_output terminal_line"),
        ("epoll sets that watch what no descriptor of the process leads to any more, or that poll busily (EPIOCSPARAMS)", "epoll_closed epoll_busy"),
        ("deleted files with extended attributes, access lists or a write hint (F_SET_RW_HINT)", "attributed hinted"),
        ("inotify with events that wait, or whose file is not found", "inotify lost_watch"),
        ("fanotify", "fanotify"),
        ("with `--io-uring` (else the program has none) an io_uring with requests under way, of a program that goes on (`--continue`, `-p`), with SQPOLL, SINGLE_ISSUER, DEFER_TASKRUN or NO_MMAP, or with anything registered",
         "uring uring_buffers uring_worker"),
        ("perf and BPF", "perf bpf"),
        ("pidfds of living processes that are none of the tree's", "other_pidfd"),
        ("namespaces that are not its own", "namespace_descriptor"),
        ("files of `/proc/self` that have a number", "own_proc own_fdinfo"),
        ("deleted files with only a path of (O_PATH), or whose other name is in no directory that can be searched", "path_only"),
        ("leases of writers, and those that are broken just now", "lease"),
        ("signals to others (F_SETOWN)", "signal_driven"),
        ("what another process has of the same open description: eventfd, timerfd, signalfd, epoll, inotify, the place in a file",
         "eventfd_elsewhere timerfd_elsewhere signalfd_elsewhere epoll_elsewhere inotify_elsewhere place_elsewhere "
         "directory_elsewhere"),
        ("watches of directories by F_NOTIFY", "watched_directory"),
        ("POSIX message queues that another process has open, too, or that there were before the program, or with a notification (mq_notify), "
         "and with `-p` those with messages in them",
         "capture.refused_posix_queue_of_another capture.refused_posix_queue_from_before queue_notification"),
    ),
}

# Programs as Debian and npm ship them; their versions are those of the packages that the tests find.
WORKS = {
    "Servers": (
        ("redis-server, with each key", "real.server.redis"), ("nginx, with its workers too", "real.server.nginx tree.workers.nginx"),
        ("gunicorn with its workers", "tree.workers.gunicorn"),
        ("chromium in headless mode, with --no-sandbox and `--whole`", "tree.browser.chromium"),
        ("memcached", "real.server.memcached"),
        ("node: HTTP, packages of npm, worker threads, timers; its REPL, with its history", "real.server.node_http real.point.listen.node capture.terminal_history"),
        ("Python: asyncio, `http.server`, threads",
         "real.server.python_asyncio real.server.python_threads real.point.idle.asyncio real.point.accept.python"),
        ("Go: `net/http`", "real.point.idle.go"),
        ("redis, node and asyncio in a container of Docker's default profile, as process 1 too",
         "capture.contained.first.redis capture.contained.first.node capture.contained.first.asyncio"),
    ),
    "Languages": (
        ("python3", "real.python3.main real.python3.path real.python3.here real.fifty"), ("perl", "real.perl"),
        ("node with TypeScript's compiler", "real.typescript"), ("lua5.4", "real.lua"),
        ("bash and dash", "real.bash real.dash"), ("gawk", "real.gawk"), ("C++ with exceptions", "programs.exceptions"),
    ),
    "Tools": (
        ("the sqlite3 shell, in a transaction too", "real.sqlite3 real.server.sqlite_lock"), ("git", "real.git"),
        ("gcc's cc1", "real.cc1"), ("xz", "real.xz"), ("htop", "capture.terminal_monitor"),
    ),
}
TABLES = {"carried": (CARRIED, "capture."), "refused": (REFUSED, "capture.refused_"), "works": (WORKS, "real.")}
MANUAL = "man/snaptrace-state.7"
# Tests of a state, each of which must have its line.
STATES = r"capture\.(carried|state|object|refused|memory|sanitized|file|terminal)_.*|programs\.[a-z]+\.(pie|cxx)(\..*)?"
# Tests that are about more than one state.
OTHERS = {"capture.refused_together", "capture.state_lower_hard_limit", "programs.here.pie"}


def in_roff(table):
    lines = []
    for group, rows in table.items():
        lines += [".TP", group]
        lines += [re.sub("`(.*?)`", r"\\fB\1\\fR", claim).replace("-", r"\-") + ("." if claim is rows[-1][0] else ";")
                  for claim, _ in rows]
    return lines


def renewed(text):
    """The manual's text with the tables between their marks."""
    for name, (table, _) in TABLES.items():
        start, end = f'.\\" tests/matrix.py: {name}', '.\\" end'
        t.check(text.count(start + "\n") == 1, MANUAL, "has no place for the table", name)
        before, _, rest = text.partition(start + "\n")
        t.check(end in rest, MANUAL, name, "has no end")
        lines = in_roff(table)
        text = before + "\n".join([start, *lines, end]) + rest[rest.index(end) + len(end):]
    return text


def read(path):
    with open(os.path.join(t.SOURCE, path), encoding="utf-8") as file:
        return file.read()


def tables():
    """The manual says what the list says."""
    text = read(MANUAL)
    t.check(renewed(text) == text, MANUAL, "is out of date: run tests/matrix.py --write")


def known_tests():
    listed = subprocess.run(["ctest", "-N"], cwd=t.BUILD, stdout=subprocess.PIPE, check=True).stdout.decode()
    return set(re.findall(r"^ +Test +#\d+: (\S+)$", listed, re.MULTILINE))


def tests():
    """Each line names tests that ctest runs, and each test of a state has a line."""
    known, claimed = known_tests(), set()
    t.check(known, "ctest lists no tests")
    for table, prefix in TABLES.values():
        for claim, names in (row for rows in table.values() for row in rows):
            for name in names.split():
                full = name if "." in name else prefix + name
                found = {test for test in known if re.fullmatch(re.escape(full) + r"([.-].*)?", test)}
                t.check(found, repr(claim), "is proved by no test:", full)
                claimed |= found
    unclaimed = sorted(test for test in known - claimed - OTHERS if re.fullmatch(STATES, test))
    t.check(not unclaimed, "no line of tests/matrix.py claims:", *unclaimed)


def write():
    text = renewed(read(MANUAL))
    with open(os.path.join(t.SOURCE, MANUAL), "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        t.SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
        write()
    else:
        t.main({"tables": tables, "tests": tests})
