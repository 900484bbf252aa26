"""Open descriptions that are no files with a name: a program opens one, is frozen, and checks it in each start: five
times, and where nothing of it can be there only once also two at once."""
import fcntl
import os
import re
import shutil
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

OBJECTS = os.path.join(t.BUILD, "tests/capture/objects")
NAMED_OBJECTS = os.path.join(t.BUILD, "tests/capture/objects_named")
NAMED = ("object_fifos", "object_paths", "object_own_files", "object_owners", "object_inotify", "object_terminals", "object_memberships")
SET_OBJECTS = os.path.join(t.BUILD, "tests/capture/objects_set")
SET = ("object_ended_pid_descriptor", "object_unix_gone", "object_leases", "object_pipes_again", "object_other_names", "object_unix_empty_messages", "object_unix_connections", "object_own_namespaces", "object_due_timers", "object_socket_options", "object_free_bind", "object_shut_datagrams", "object_deleted_files_set")
PASSED_OBJECTS = os.path.join(t.BUILD, "tests/capture/objects_passed")
PASSED = ("object_passed", "object_passed_messages", "object_passed_nested")
RARE_OBJECTS = os.path.join(t.BUILD, "tests/capture/objects_rare")
RARE = ("object_epolls_left", "object_edges", "object_socket_filters", "object_udp_lite", "object_fifos_gone", "object_pipes_for_both", "object_terminals_packets", "object_terminals_bytes", "object_terminals_states", "object_removed_directories")
CONNECTED_OBJECTS = os.path.join(t.BUILD, "tests/capture/objects_connected")
CONNECTED = ("object_tcp_connections", "object_tcp_streams", "object_tcp_waiting", "object_tcp_left", "object_unix_waiting", "object_unix_both_named", "object_netlink")
RINGS_OBJECTS = os.path.join(t.BUILD, "tests/capture/objects_rings")
RINGS = ("object_aio", "object_uring", "object_uring_multishot")
ALONE = CONNECTED + ("object_unix_listeners", "object_locks", "object_fifos", "object_unix_datagrams", "object_cleared_ports", "object_datagrams")  # one address, one lock, one FIFO
SHARED = ("object_pipes", "object_events", "object_timers", "object_signal_descriptors", "object_epolls", "object_socket_pairs", "object_tcp_listeners", "object_udp_sockets",
          "object_memory_files", "object_deleted_files", "object_pid_descriptor") + NAMED[1:] + SET + PASSED + RARE + RINGS


def clean():
    """The next run makes them again."""
    for name in os.listdir("."):
        (shutil.rmtree if os.path.isdir(name) and not os.path.islink(name) else os.unlink)(name)


def start(image, env):
    again = t.run([t.SNAPRUN, image], env=env)
    t.check(again.status == 0 and again.err == b"", "restored:", again)


def nobody_has(name):
    """Whether nobody has that file open, for which the kernel gives a lease."""
    with open(name, "rb") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except BlockingIOError:
            return False
    return True


def start_of_passed(image, env):
    """What was in flight in sockets at a process's end, also that of the freeze, the kernel closes a moment later."""
    for name in os.listdir("."):
        while os.path.isfile(name) and not nobody_has(name):
            time.sleep(0.001)
    start(image, env)


def carried(row):
    alone = {**t.PLAIN_ENV, "ALONE": "1"}
    program = NAMED_OBJECTS if row in NAMED else SET_OBJECTS if row in SET or row in ("object_unix_datagrams", "object_cleared_ports") else PASSED_OBJECTS if row in PASSED else RARE_OBJECTS if row in RARE or row == "object_datagrams" else RINGS_OBJECTS if row in RINGS else CONNECTED_OBJECTS if row in CONNECTED else OBJECTS
    mode = row[len("object_"):]
    t.run_directly([program, mode], env=alone)
    clean()
    options = ["--io-uring"] if "uring" in mode else []
    t.freeze("image.snap", [program, mode], at="path:/snap/here", env=alone, options=options)
    t.verify("image.snap")
    for form in ((), ("--json",)):
        told = t.run([t.SNAPIMG, "info", *form, "image.snap"])
        t.check(told.status == 0 and b"\"?\"" not in told.out and b" ?" not in told.out, "info:", told)
    one = start_of_passed if row in PASSED else start
    t.every_start(lambda: one("image.snap", alone), together=False)
    if row in SHARED:
        clean()
        t.freeze("two.snap", [program, mode], at="path:/snap/here", options=options)
        t.every_start(lambda: start("two.snap", t.PLAIN_ENV))


def given_flags():
    """What the program changed of the flags of its caller's streams is changed of the next caller's."""

    def give(*argv):
        read_end, write_end = os.pipe()
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 9)
        try:
            with os.fdopen(read_end, "rb") as stream:
                return t.run(argv, stdin=stream, pass_fds=(9,))
        finally:
            for fd in (write_end, log, 9):
                os.close(fd)

    program = (SET_OBJECTS, "given_flags")
    t.same(give(*program), t.Result(0, b"", b""))
    t.same(give(t.SNAPTRACE, "-q", "-o", "image.snap", "--at", "path:/snap/here", "--", *program), t.Result(0, b"", b""))
    t.every_start(lambda: t.same(give(t.SNAPRUN, "image.snap"), t.Result(0, b"", b"")), together=False)


def given_locks():
    """Locks on what the caller gave: the program's are taken again, the caller's own are the caller's matter."""
    env = {**t.PLAIN_ENV, "LOCKED": os.path.abspath("locked")}

    def give(*argv, own_is_locked=True):
        given, own, elsewhere = (os.open(name, os.O_RDWR | os.O_CREAT, 0o600) for name in ("locked", "own", "own"))
        fcntl.flock(own if own_is_locked else elsewhere, fcntl.LOCK_EX)
        os.dup2(given, 8)
        os.dup2(own, 9)
        try:
            t.same(t.run(argv, env=env, pass_fds=(8, 9)), t.Result(0, b"", b""))
        finally:
            for fd in (given, own, elsewhere, 8, 9):
                os.close(fd)

    program = (SET_OBJECTS, "given_locks")
    give(*program)
    give(t.SNAPTRACE, "-q", "-o", "image.snap", "--at", "path:/snap/here", "--", *program)
    # Taken again it would not be had.
    t.every_start(lambda: give(t.SNAPRUN, "image.snap", own_is_locked=False), together=False)


def tcp_taken():
    """An address that somebody else has by now is told; the connection has another one, and all that was on its way."""
    env = {**t.PLAIN_ENV, "TAKEN": "1"}
    t.freeze("image.snap", [CONNECTED_OBJECTS, "tcp_streams"], at="path:/snap/here", env=env)
    told = t.run([t.SNAPIMG, "info", "image.snap"]).out
    name, port = re.search(rb"(127\.\d+\.\d+\.\d+):(\d+)", told).groups()
    with socket.create_server((name.decode(), int(port))):
        again = t.run([t.SNAPRUN, "image.snap"], env=env)
    t.check(again.status == 0 and again.err.startswith(b"snaprun: %s:%s: taken" % (name, port)) and again.err.count(b"\n") == 1, again)


ROWS = {row: (lambda r=row: carried(r)) for row in SHARED + ALONE}
ROWS["object_tcp_taken"] = tcp_taken
ROWS["object_given_flags"] = given_flags
ROWS["object_given_locks"] = given_locks

if __name__ == "__main__":
    t.main(ROWS)
