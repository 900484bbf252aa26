"""Each state that no image can hold is refused by name when the image is made: a line each, status 125, no image."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

REFUSED = os.path.join(t.BUILD, "tests/capture/refused")
REFUSED_WAITING = os.path.join(t.BUILD, "tests/capture/refused_waiting")

# The program's mode, and the words its refusal has beside "can't be carried".
STATES = {
    "main_ended": ("main thread that has ended", "process"),
    "own_directory": ("working directory of its own", "thread"),
    "child": ("child process",),
    "zombie": ("child process",),
    "own_filter": ("seccomp filter",),
    "other_user": ("changed user", "65534"),
    "other_root": ("root directory",),
    "user_namespace": ("namespace", "user"),
    "session": ("session",),
    "group": ("process group",),
    "secret_memory": ("secret memory", "mapping"),
    "thread_clock_timer": ("POSIX timer", "timer 0"),
    "sysv_memory": ("System V shared memory", "mapping"),
    "huge_pages": ("huge pages", "mapping"),
    "watched": ("userfaultfd",),
    "key": ("protection key", "mapping"),
    "loaders_place": ("address the loader needs", "400000100000"),
    "aio": ("io_setup", "mapping"),
    "uring": ("io_uring",),
    "uring_worker": ("worker thread of the kernel", "io_uring", "process"),
    "fifo": ("a FIFO whose name is gone", "descriptor"),
    "connected": ("a connected TCP socket", "descriptor"),
    "inotify": ("inotify instance with events", "descriptor"),
    "memory_elsewhere": ("memory that another process has", "mapping"),
    "memfd_elsewhere": ("unnamed file that another process has", "descriptor", "heirloom"),
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
    "signal_driven": ("F_SETOWN", "descriptor"),
    "other_pidfd": ("pidfd of another process", "descriptor"),
    "linked_elsewhere": ("deleted or replaced file", "descriptor"),
    "lease": ("a lease", "descriptor"),
    "fanotify": ("fanotify", "descriptor"),
    "perf": ("perf event", "descriptor"),
    "bpf": ("BPF", "descriptor"),
    "path_only": ("deleted or replaced file", "descriptor"),
    "terminal": ("terminal in packet", "descriptor"),
    "own_proc": ("own /proc that has a number", "descriptor"),
    "namespace_descriptor": ("namespace", "descriptor"),
    "removed_cwd": ("working directory",),
    "tiles": ("AMX",),
    "vfork_memory": ("memory", "vfork"),
}
WAITING = {  # of the second program
    "own_fdinfo": ("own /proc that has a number", "descriptor"),
    "unix_error": ("an error that waits", "descriptor"),
    "udp_error": ("an error that waits", "descriptor"),
    "error_queue": ("an error that waits", "descriptor"),
    "connect_error": ("connected TCP socket", "descriptor"),
    "ended_connection": ("connected TCP socket", "--tcp=reset"),
    "urgent": ("urgent data", "descriptor"),
    "corked": ("datagram that is being made", "descriptor"),
    "unicast_interface": ("IP_UNICAST_IF", "descriptor"),
    "lost_watch": ("can't be found", "descriptor"),
    "unread_fifo": ("no reader", "descriptor"),
    "terminal_output": ("terminal with output", "descriptor"),
    "terminal_line": ("terminal with input", "descriptor"),
    "terminal_alone": ("terminal that was not inherited", "descriptor"),
}
STATES.update(WAITING)
SHARED_MEMORY_BY_THE_CONTROL = {"vfork_memory"}  # refused before the capture, in its own words


def check_lines(result, words):
    """One state may show in several places (a socket pair has two ends): a line each, and one has all the words."""
    t.check(result.status == 125 and result.out == b"", "wanted a refusal, got", result)
    lines = result.err.decode(errors="backslashreplace").splitlines()
    t.check(all(line.startswith("snaptrace: ") for line in lines), "wanted lines of the tool's, got", result)
    t.check(len(set(lines)) == len(lines), "wanted no line twice, got", result)
    t.check(any(all(word.lower() in line.lower() for word in words) for line in lines), "wanted", words, "got", result)


def together():
    """All that is in the way is told at once."""
    result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "--", REFUSED, "together"])
    for words in (("session",), ("deleted or replaced", "descriptor"), ("seccomp filter",)):
        check_lines(result, ("can't be carried", *words))
    t.check(result.err.count(b"\n") == 3, "wanted three lines, got", result)
    t.check(not os.path.exists("image.snap"), "an image was written")


def refused(mode):
    program = REFUSED_WAITING if mode in WAITING else REFUSED
    result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "--", program, mode])
    if result.status == 1 and b"77" in result.err:
        t.skip(result.err.decode(errors="replace").splitlines()[0])
    words = STATES[mode] if mode in SHARED_MEMORY_BY_THE_CONTROL else ("can't be carried", *STATES[mode])
    if mode in SHARED_MEMORY_BY_THE_CONTROL:
        t.one_line(result, 125, *words, tool="snaptrace: ")
    check_lines(result, words)
    t.check(not os.path.exists("image.snap"), "an image was written")
    t.check(not [name for name in os.listdir(".") if "image" in name], "left behind:", os.listdir("."))


ROWS = {f"refused_{mode}": (lambda m=mode: refused(m)) for mode in STATES}


def dropped_filter():
    """--drop-seccomp makes the image, says so, and the program goes on without its filter."""
    result = t.run([t.SNAPTRACE, "--drop-seccomp", "-o", "image.snap", "--at", "path:/snap/here", "--", REFUSED, "own_filter"])
    t.check(result.status == 0 and b"seccomp filters are left out" in result.err, "snaptrace:", result)
    again = t.restore("image.snap")
    t.check(again.status == 0 and again.err == b"", "restored:", again)


def shared_inherited():
    """Memory of the caller's, by a descriptor that is the caller's at restore."""
    memory = os.memfd_create("callers")
    os.ftruncate(memory, 4096)
    os.dup2(memory, 9)
    result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "--", REFUSED, "shared_inherited"], pass_fds=(9,))
    check_lines(result, ("can't be carried", "descriptor was inherited", "descriptor 9"))
    t.check(not os.path.exists("image.snap"), "an image was written")


ROWS["refused_shared_inherited"] = shared_inherited
ROWS["refused_together"] = together
ROWS["drop_seccomp"] = dropped_filter

if __name__ == "__main__":
    t.main(ROWS)
