"""The commit point: a start that is refused has changed nothing. With --fallback the original program begins with its
caller's directory, umask, descriptors, limits, signals, timers and all the rest, as in a direct start."""
import contextlib
import fcntl
import os
import resource
import shutil
import signal
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PROGRAM = os.path.join(t.BUILD, "tests/restore/fallback")
REPORT = dict(t.PLAIN_ENV, REPORT="1")


def caller(limits):
    """What the process has that is to become the program, all of it other than what tests have."""
    os.umask(0o027)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR1, signal.SIGRTMIN + 1})
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.setitimer(signal.ITIMER_VIRTUAL, 4000, 7)
    os.nice(1)
    for limit, most in {resource.RLIMIT_NOFILE: 600, **limits}.items():
        resource.setrlimit(limit, (most // 2, most))
    for number in map(int, os.listdir("/proc/self/fd")):  # of whoever runs the tests
        if number > 2:
            with contextlib.suppress(OSError):
                os.set_inheritable(number, False)
    os.dup2(os.open("/etc/passwd", os.O_RDONLY), 5)  # numbers that the program has, too
    os.dup2(os.open("/dev/null", os.O_RDWR | os.O_APPEND), 20)
    os.lseek(5, 3, os.SEEK_SET)
    os.set_inheritable(5, True)
    os.set_inheritable(20, True)


def start(argv, limits):
    return t.run(argv, env=REPORT, cwd="elsewhere", preexec_fn=lambda: caller(limits), close_fds=False)


def refused(mode, *words, spoil=lambda frozen: None, limits=None, prefix=(), options=("--ids=new",), look=lambda kept: None):
    """The mode's image, once `spoil` has made it impossible to start, or these limits have. `look`: at what spoiled it, afterwards."""
    limits = limits or {}
    os.mkdir("elsewhere")
    with open("file", "wb") as file:
        file.write(b"x" * 4096)
    frozen = t.freeze("image.snap", [PROGRAM, mode], at="path:/snap/here", options=["--carry=none"])
    os.unlink("place/own")  # the one that was frozen left it
    kept = spoil(frozen)  # what is to stay open
    snaprun = [*prefix, t.SNAPRUN, *options]
    image = os.path.abspath("image.snap")
    there = sorted(os.listdir("place")) if os.path.exists("place") else None
    refusal = start([*snaprun, "-q", image], limits)
    t.one_line(refusal, 125, *words, tool="snaprun: ")
    wanted = start([*prefix, PROGRAM, mode], limits)
    t.check(wanted.status == 0 and b"descriptor 20" in wanted.out, wanted)
    got = start([*snaprun, "--fallback", "-q", image], limits)
    t.same(got, wanted)
    t.check((sorted(os.listdir("place")) if os.path.exists("place") else None) == there, "left behind:", there,
            os.path.exists("place") and os.listdir("place"))
    t.check(sorted(os.listdir("elsewhere")) == [], "left behind:", os.listdir("elsewhere"))
    look(kept)
    del kept


def in_a_namespace():
    """Where the recorded IDs are wanted it is a child that begins: with its caller's timers and streams, too."""
    if t.run(["unshare", "-U", "-p", "-f", "true"]).status != 0:
        t.skip("this machine allows no new user and PID namespace")
    os.mkdir("elsewhere")
    with open("file", "wb"):
        pass
    t.freeze("image.snap", [PROGRAM, "file"], at="path:/snap/here")
    os.unlink("file")

    def told(argv):
        result = start(argv, {})
        t.check(result.status == 0, result)
        return [line for line in result.out.splitlines()
                if line.startswith((b"timer", b"descriptor", b"directory", b"Umask", b"nice", b"Max", b"SigBlk", b"SigIgn"))]

    wanted = told([PROGRAM, "file"])
    t.check(b"timer 1: 1 every 7" in wanted, wanted)
    got = told([t.SNAPRUN, "--fallback", "-q", "--ids=same", os.path.abspath("image.snap")])
    t.check(got == wanted, "direct:", wanted, "restored:", got)


def take_address(frozen):
    taken = socket.socket()
    taken.bind(("127.0.0.1", int(frozen.out)))
    taken.listen()
    return taken


def take_name(_):
    os.unlink("place/taken")
    taken = socket.socket(socket.AF_UNIX)
    taken.bind("place/taken")
    taken.listen()
    taken.setblocking(False)
    return taken


def nobody_came(listener):
    try:
        listener.accept()
    except BlockingIOError:
        return
    t.check(False, "the start that was refused connected to another program's socket")


def take_lock(_):
    file = open("place/locked", "r+b")  # pylint: disable=consider-using-with
    fcntl.flock(file, fcntl.LOCK_EX)
    fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))  # F_OFD_SETLK
    return file


def change_file(_):
    with open("file", "wb") as file:
        file.write(b"other")


def damage(_):
    """A byte in the middle of the page data, which is found when that part is decoded."""
    with open("image.snap", "r+b") as file:
        file.seek(os.path.getsize("image.snap") // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def locked_memory():
    drop = ("setpriv", "--bounding-set", "-ipc_lock") if t.IS_ROOT else ()
    if drop and t.run([*drop, "true"]).status != 0:
        t.skip("setpriv cannot take away CAP_IPC_LOCK")
    refused("locked-memory", "lock the memory", "ulimit -Hl", limits={resource.RLIMIT_MEMLOCK: 1 << 16}, prefix=drop)


def namespace():
    """No namespace may be made: said where IDs are asked for that only one gives."""
    code = 'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -all "$@"'
    jail = ("unshare", "-U", "-r", "sh", "-c", code, "sh")
    if t.run([*jail, "true"]).status != 0:
        t.skip("this machine allows no user namespace to forbid them in")
    refused("nothing", "user namespace", prefix=jail, options=("--ids=same",))


def relative():
    """A Unix socket with a relative name is made in the program's directory, not in its caller's, and is told so."""
    os.mkdir("elsewhere")
    t.freeze("image.snap", [PROGRAM, "name"], at="path:/snap/here")
    for name in ("own", "taken"):
        os.unlink("place/" + name)
    for _ in range(2):
        restored = t.restore("../image.snap", cwd="elsewhere", options=("--ids=new",))
        t.check(restored.status == 0 and restored.out == b"went on\n" and restored.err == b"", restored)
        t.check(sorted(os.listdir("place")) == ["log", "own", "taken"], os.listdir("place"))
        t.check(os.listdir("elsewhere") == [], os.listdir("elsewhere"))


def handler(mode):
    """A carried signal's handler that is the first to run, and does not come back, holds nobody up."""
    t.freeze("image.snap", [os.path.join(t.BUILD, "tests/restore/handlers"), mode], at="path:/snap/here")
    edited = t.run([os.path.join(t.BUILD, "tests/restore/edit_image"), "image.snap", "edited.snap", "unmask"])
    t.check(edited.status == 0, edited)
    for _ in range(3):
        restored = t.restore("edited.snap", timeout=20)
        t.check(restored.status == 0 and restored.out == b"went on\n" and restored.err == b"", restored)


def fifo():
    """A FIFO in the place of a file is refused, and not waited for."""
    for mode in ("file", "mapped"):
        with open("file", "wb") as file:
            file.write(b"x" * 4096)
        t.freeze("image.snap", [PROGRAM, mode], at="path:/snap/here")
        os.unlink("file")
        os.mkfifo("file")
        t.one_line(t.restore("image.snap", timeout=20), 125, "file", "kind", tool="snaprun: ")
        os.unlink("file")
        os.unlink("image.snap")
        shutil.rmtree("place")


def full_pipe():
    """More bytes than a pipe holds are refused, and not waited for."""
    code = "import os; ends = os.pipe(); os.write(ends[1], b'x' * 60000); os.path.exists('/snap/here')"
    t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at="path:/snap/here")
    edited = t.run([os.path.join(t.BUILD, "tests/restore/edit_image"), "image.snap", "edited.snap", "pipe"])
    t.check(edited.status == 0, edited)
    t.one_line(t.restore("edited.snap", timeout=20), 125, "fill the pipe", tool="snaprun: ")


def frame():
    """What is no frame as FORMAT.md has it is refused by snaprun as by snapimg verify."""
    t.freeze("image.snap", [PROGRAM, "pages"], at="path:/snap/here", options=("--compress=zstd",))
    edited = t.run([os.path.join(t.BUILD, "tests/restore/edit_image"), "image.snap", "edited.snap", "frame"])
    t.check(edited.status == 0, edited)
    t.check(t.run([t.SNAPIMG, "verify", "edited.snap"]).status == 125, "snapimg verify")
    t.one_line(t.restore("edited.snap"), 125, "frame", tool="snaprun: ")


def file_size_limit(soft, hard):
    """The caller's limit of file sizes ends no start by a signal: where it can be raised it is, else it is named."""
    code = ("import os, resource; f = os.open('.', os.O_TMPFILE | os.O_RDWR); os.write(f, b'x' * 300000); "
            "m = os.memfd_create('m'); os.write(m, b'y' * 300000); os.path.exists('/snap/here'); "
            "print(os.fstat(f).st_size, os.fstat(m).st_size, resource.getrlimit(resource.RLIMIT_FSIZE)[0])")
    t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at="path:/snap/here")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    restored = t.run([t.SNAPRUN, "image.snap"], preexec_fn=limit)
    if hard != resource.RLIM_INFINITY:
        t.one_line(restored, 125, "file sizes", "ulimit -Hf", tool="snaprun: ")
    else:
        t.check(restored.status == 0 and restored.out == b"300000 300000 %d\n" % soft, restored)


ROWS = {
    "handler.suspends": lambda: handler("suspends"),
    "handler.never-ends": lambda: handler("never-ends"),
    "handler.jumps": lambda: handler("jumps"),
    "hostile.fifo": fifo,
    "hostile.full-pipe": full_pipe,
    "hostile.frame": frame,
    "file-size-limit.soft": lambda: file_size_limit(8192, resource.RLIM_INFINITY),
    "file-size-limit.hard": lambda: file_size_limit(8192, 8192),
    "commit.address-in-use": lambda: refused("address", "address", "in use", spoil=take_address),
    "commit.name-in-use": lambda: refused("name", "address", "in use", spoil=take_name, look=nobody_came),
    "commit.lock-held.flock": lambda: refused("flock", "file lock", spoil=take_lock),
    "commit.lock-held.posix": lambda: refused("posix-lock", "file lock", spoil=take_lock),
    "commit.lock-held.description": lambda: refused("description-lock", "file lock", spoil=take_lock),
    "commit.file-gone": lambda: refused("file", "file", "put it back", spoil=lambda _: os.unlink("file")),
    "commit.file-changed": lambda: refused("mapped", "has changed", spoil=change_file),
    "commit.watched-gone": lambda: refused("watch", "watch", "put it back", spoil=lambda _: os.unlink("file")),
    "commit.directory-gone": lambda: refused("nothing", "place", spoil=lambda _: shutil.rmtree("place")),
    "commit.descriptor-limit": lambda: refused("number", "too many open files", "ulimit -Hn"),
    "commit.locked-memory": locked_memory,
    "commit.no-memory": lambda: refused("large", "map", "3221225472", limits={resource.RLIMIT_AS: 4 << 30}),
    "commit.signal-limit": lambda: refused("signals", "20 signals", "ulimit -Hi", limits={resource.RLIMIT_SIGPENDING: 8}),
    "commit.timer-limit": lambda: refused("timers", "POSIX timer", "ulimit -Hi", limits={resource.RLIMIT_SIGPENDING: 8}),
    "commit.threads-started": lambda: refused("threads", "POSIX timer", limits={resource.RLIMIT_SIGPENDING: 8}),
    "commit.damaged": lambda: refused("pages", "checksum", spoil=damage),
    "commit.no-namespace": namespace,
    "commit.in-a-namespace": in_a_namespace,
    "commit.relative-name": relative,
}

if __name__ == "__main__":
    t.main(ROWS)
