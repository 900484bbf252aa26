"""Each state that no image can hold is refused by name when the image is made: one line, status 125, no image."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

REFUSED = os.path.join(t.BUILD, "tests/capture/refused")

# The program's mode, and the words its refusal has beside "can't be carried".
STATES = {
    "main_ended": ("main thread that has ended", "process"),
    "own_directory": ("working directory of its own", "thread"),
    "child": ("child process",),
    "zombie": ("child process",),
    "posix_timer": ("POSIX timer", "timer 0"),
    "alarm_clock": ("running timer", "alarm"),
    "profiling_timer": ("running timer", "ITIMER_PROF"),
    "own_filter": ("seccomp filter",),
    "other_user": ("changed user", "65534"),
    "other_root": ("root directory",),
    "user_namespace": ("namespace", "user"),
    "session": ("session",),
    "group": ("process group",),
    "shared_anonymous": ("shared anonymous memory", "mapping"),
    "memfd_mapping": ("memfd", "mapping", "thing"),
    "sysv_memory": ("System V shared memory", "mapping"),
    "shared_deleted": ("shared memory", "gone (deleted)"),
    "huge_pages": ("huge pages", "mapping"),
    "watched": ("userfaultfd",),
    "key": ("protection key", "mapping"),
    "guard": ("guard", "0x"),
    "guard_only": ("guard", "0x"),
    "loaders_place": ("address the loader needs", "600000100000"),
    "aio": ("io_setup", "mapping"),
    "uring": ("io_uring",),
    "fifo": ("a FIFO", "descriptor"),
    "connected": ("a connected TCP socket", "descriptor"),
    "inotify": ("inotify", "descriptor"),
    "pipe_elsewhere": ("a pipe whose other end is elsewhere", "descriptor"),
    "socket_elsewhere": ("shared with another process", "descriptor"),
    "pipe_twice": ("opened more than once", "descriptor"),
    "pipe_packets": ("packets", "descriptor"),
    "waiting_connection": ("waits to be accepted", "descriptor"),
    "waiting_datagram": ("datagrams that wait", "descriptor"),
    "in_flight": ("a descriptor on its way", "descriptor"),
    "unix_connection": ("with a name", "descriptor"),
    "unix_gone": ("file is gone", "descriptor"),
    "netlink": ("a socket", "descriptor"),
    "epoll_closed": ("closed or replaced descriptor", "descriptor"),
    "signal_driven": ("O_ASYNC", "descriptor"),
    "other_pidfd": ("pidfd of another process", "descriptor"),
    "linked_elsewhere": ("deleted or replaced file", "descriptor"),
    "lease": ("a lease", "descriptor"),
    "fanotify": ("fanotify", "descriptor"),
    "perf": ("perf event", "descriptor"),
    "bpf": ("BPF", "descriptor"),
    "path_only": ("O_PATH", "descriptor"),
    "terminal": ("terminal", "descriptor"),
    "own_proc": ("/proc", "descriptor"),
    "namespace_descriptor": ("namespace", "descriptor"),
    "removed_cwd": ("working directory",),
    "tiles": ("AMX",),
    "vfork_memory": ("memory", "vfork"),
}
SHARED_MEMORY_BY_THE_CONTROL = {"vfork_memory"}  # refused before the capture, in its own words


def refused(mode):
    result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "--", REFUSED, mode])
    if result.status == 1 and b"77" in result.err:
        t.skip(result.err.decode(errors="replace").splitlines()[0])
    words = STATES[mode] if mode in SHARED_MEMORY_BY_THE_CONTROL else ("can't be carried", *STATES[mode])
    t.one_line(result, 125, *words, tool="snaptrace: ")
    t.check(not os.path.exists("image.snap"), "an image was written")
    t.check(not [name for name in os.listdir(".") if "image" in name], "left behind:", os.listdir("."))


ROWS = {f"refused_{mode}": (lambda m=mode: refused(m)) for mode in STATES}

if __name__ == "__main__":
    t.main(ROWS)
