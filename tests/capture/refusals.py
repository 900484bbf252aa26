"""Each state that no image can hold is refused by name when the image is made: a line each, status 125, no image."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

REFUSED = os.path.join(t.BUILD, "tests/capture/refused")
DENIED = os.path.join(t.BUILD, "tests/capture/denied")
REFUSED_DESCRIPTORS = os.path.join(t.BUILD, "tests/capture/refused_descriptors")
REFUSED_WAITING = os.path.join(t.BUILD, "tests/capture/refused_waiting")
REFUSED_HELD = os.path.join(t.BUILD, "tests/capture/refused_held")

# The row, which is the program's mode after refused_, and the words its refusal has beside "can't be carried".
STATES = {
    "refused_own_directory": ("working directory of its own", "thread"),
    "refused_child": ("child process",),
    "refused_zombie": ("child process",),
    "refused_own_filter": ("seccomp filter",),
    "refused_other_root": ("root directory",),
    "refused_user_namespace": ("namespace", "user"),
    "refused_session_terminal": ("controlling terminal", "process"),
    "refused_secret_memory": ("secret memory", "mapping", "of process"),
    "refused_other_clock_timer": ("POSIX timer", "timer 0"),
    "refused_huge_pages": ("huge pages", "mapping"),
    "refused_watched": ("userfaultfd",),
    "refused_key": ("protection key", "mapping"),
    "refused_loaders_place": ("address the loader needs", "400000100000"),
    "refused_low_memory": ("vm.mmap_min_addr", "8000", "setarch"),
    "refused_aio": ("io_setup", "requests under way", "mapping"),
    "refused_uring": ("io_uring", "requests under way", "descriptor"),
    "refused_uring_buffers": ("io_uring", "buffers provided", "descriptor"),
    "refused_uring_worker": ("worker thread of the kernel", "io_uring", "process"),
    "refused_memory_elsewhere": ("memory that another process has", "mapping"),
    "refused_tiles": ("AMX",),
    "refused_vfork_memory": ("memory", "vfork"),
}
DESCRIPTORS = {  # of the second program
    "refused_fifo": ("a FIFO whose name is gone", "nobody has written to", "descriptor"),
    "refused_connected_elsewhere": ("a connected TCP socket", "descriptor"),
    "refused_inotify": ("inotify instance with events", "descriptor"),
    "refused_memfd_elsewhere": ("unnamed file that another process has", "descriptor", "heirloom"),
    "refused_pipe_elsewhere": ("a pipe whose other end is elsewhere", "descriptor"),
    "refused_socket_elsewhere": ("shared with another process", "descriptor"),
    "refused_pipe_packets": ("packets (O_DIRECT) and other bytes", "descriptor"),
    "refused_unix_moved": ("relative name leads nowhere", "descriptor"),
    "refused_waiting_connection": ("waits to be accepted", "descriptor"),
    "refused_waiting_datagram": ("datagrams that wait", "descriptor"),
    "refused_passed_set": ("an epoll set, pidfd", "on its way to descriptor"),
    "refused_passed_lock": ("a lock or an owner", "on its way to descriptor"),
    "refused_passed_stream": ("a descriptor of the caller's", "on its way to descriptor"),
    "refused_unix_connection": ("not its listener's", "descriptor"),
    "refused_unix_datagrams": ("datagrams to a Unix socket whose file is gone", "descriptor"),
    "refused_unix_both_named": ("both have a name", "descriptor"),
    "refused_unix_replaced": ("file was replaced", "descriptor"),
    "refused_netlink": ("a netlink socket with messages that wait", "descriptor"),
    "refused_epoll_closed": ("closed or replaced descriptor", "descriptor"),
    "refused_signal_driven": ("F_SETOWN", "descriptor"),
    "refused_other_pidfd": ("pidfd of another process", "descriptor"),
    "refused_lease": ("a lease", "descriptor"),
    "refused_fanotify": ("fanotify", "descriptor"),
    "refused_perf": ("perf event", "descriptor"),
    "refused_bpf": ("BPF", "descriptor"),
    "refused_path_only": ("deleted or replaced file", "descriptor"),
    "refused_own_proc": ("own /proc that has a number", "descriptor"),
    "refused_namespace_descriptor": ("namespace", "descriptor"),
    "refused_attributed": ("extended attributes", "descriptor"),
    "refused_hinted": ("F_SET_RW_HINT", "descriptor"),
    "refused_epoll_busy": ("polls busily", "descriptor"),
}
STATES.update(DESCRIPTORS)
WAITING = {  # of the third
    "refused_own_fdinfo": ("own /proc that has a number", "descriptor"),
    "refused_empty_message": ("an empty message", "looked at before", "descriptor"),
    "refused_unix_error": ("an error that waits", "descriptor"),
    "refused_udp_error": ("an error that waits", "descriptor"),
    "refused_error_queue": ("an error that waits", "descriptor"),
    "refused_connect_error": ("connected TCP socket", "descriptor"),
    "refused_ended_connection": ("connected TCP socket", "--tcp=reset"),
    "refused_urgent": ("urgent data", "descriptor"),
    "refused_urgent_mark": ("mark of urgent data", "descriptor"),
    "refused_corked": ("datagram that is being made", "descriptor"),
    "refused_unicast_interface": ("IP_UNICAST_IF", "descriptor"),
    "refused_lost_watch": ("can't be found", "descriptor"),
    "refused_unread_fifo": ("no reader", "descriptor"),
    "refused_terminal_output": ("terminal with output", "descriptor"),
    "refused_terminal_stopped": ("output is stopped", "descriptor"),
    "refused_terminal_line": ("terminal with input", "descriptor"),
    "refused_terminal_alone": ("terminal that was not inherited", "descriptor"),
}
STATES.update(WAITING)
HELD = {  # of the fourth
    "refused_eventfd_elsewhere": ("an eventfd shared with another process", "descriptor"),
    "refused_timerfd_elsewhere": ("a timerfd shared with another process", "descriptor"),
    "refused_signalfd_elsewhere": ("a signalfd shared with another process", "descriptor"),
    "refused_epoll_elsewhere": ("an epoll set shared with another process", "descriptor"),
    "refused_inotify_elsewhere": ("an inotify instance shared with another process", "descriptor"),
    "refused_place_elsewhere": ("a file whose place is shared with another process", "descriptor"),
    "refused_directory_elsewhere": ("whose place is shared with another process", "descriptor"),
    "refused_watched_directory": ("F_NOTIFY", "descriptor"),
    "refused_queue_notification": ("a POSIX message queue with a notification (mq_notify)", "descriptor"),
}
STATES.update(HELD)
OTHERS = ((REFUSED_DESCRIPTORS, DESCRIPTORS), (REFUSED_WAITING, WAITING), (REFUSED_HELD, HELD))
SHARED_MEMORY_BY_THE_CONTROL = {"refused_vfork_memory"}  # refused before the capture, in its own words


def check_lines(result, words):
    """One state may show in several places (a socket pair has two ends): a line each, and one has all the words."""
    t.check(result.status == 125 and result.out == b"", "wanted a refusal, got", result)
    lines = result.err.decode(errors="backslashreplace").splitlines()
    t.check(all(line.startswith("snaptrace: ") for line in lines), "wanted lines of the tool's, got", result)
    t.check(len(set(lines)) == len(lines), "wanted no line twice, got", result)
    t.check(any(all(word.lower() in line.lower() for word in words) for line in lines), "wanted", words, "got", result)


def together():
    """All that is in the way is told at once."""
    result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "--", REFUSED_DESCRIPTORS, "together"])
    for words in (("messages that wait",), ("deleted or replaced", "descriptor"), ("seccomp filter",)):
        check_lines(result, ("can't be carried", *words))
    t.check(result.err.count(b"\n") == 3, "wanted three lines, got", result)
    t.check(not os.path.exists("image.snap"), "an image was written")


WITH_CHILD = {row for row in STATES if row.endswith("_elsewhere")} | {"refused_child", "refused_zombie"}


GOES_ON = {"refused_terminal_output", "refused_terminal_line"}


def in_container(words):
    """Where kcmp is denied, which would tell whose memory it is."""
    result = t.run([DENIED, t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "--", REFUSED, "vfork_memory"])
    t.one_line(result, 125, *words, tool="snaptrace: ")


def refused(row):
    program = next((program for program, rows in OTHERS if row in rows), REFUSED)
    mode = row[len("refused_"):]
    options = ["--tree=root"] if row in WITH_CHILD else []  # else the child is in the image, too
    options += ["--continue"] if row in GOES_ON else []  # else what waits is taken
    options += ["--io-uring"] if "uring" in row else []  # else it can make no ring
    result = t.run([t.SNAPTRACE, *options, "-o", "image.snap", "--at", "path:/snap/here", "--", program, mode])
    t.skip_if_ended_so(result)
    words = STATES[row] if row in SHARED_MEMORY_BY_THE_CONTROL else ("can't be carried", *STATES[row])
    if row in SHARED_MEMORY_BY_THE_CONTROL:
        t.one_line(result, 125, *words, tool="snaptrace: ")
        in_container(words)
    check_lines(result, words)
    t.check(not os.path.exists("image.snap"), "an image was written")
    t.check(not [name for name in os.listdir(".") if "image" in name], "left behind:", os.listdir("."))


ROWS = {row: (lambda r=row: refused(r)) for row in STATES}


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


RING = """
import ctypes, os
call = ctypes.CDLL(None, use_errno=True).syscall
def ask():
    made = call(425, 1, ctypes.create_string_buffer(120))  # io_uring_setup
    return os.strerror(ctypes.get_errno()) if made < 0 else os.readlink(f"/proc/self/fd/{made}")
before = ask()
os.path.exists("/snap/here")
print(before, ask(), sep="\\n")
"""


def hidden_ring():
    """Up to the point the kernel has no io_uring for the program, which does without, as libuv; after a start it has what it has."""
    argv = ["/usr/bin/python3", "-c", RING]
    direct = t.run_directly(argv)
    t.freeze("image.snap", argv, at="path:/snap/here")
    said = direct.out.splitlines()[1]
    t.same(t.restore("image.snap"), t.Result(0, b"Function not implemented\n" + said + b"\n", b""))


ROWS["hidden_ring"] = hidden_ring
ROWS["refused_shared_inherited"] = shared_inherited
ROWS["refused_together"] = together
ROWS["drop_seccomp"] = dropped_filter

if __name__ == "__main__":
    t.main(ROWS)
