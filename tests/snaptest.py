"""What the tests share: run a program, freeze it, start it from its image, and compare with a direct run.

A test file has a table of rows and ends in main(ROWS). A row is a name and a function that asserts; it passes by
returning, fails by raising, and skips by calling skip(reason).
"""
# Each row is a Python of its own: what only some need is imported where they need it.
import contextlib
import os
import select
import shutil
import subprocess
import sys
import threading
import time

BUILD = os.environ.get("SNAP_BUILD", os.path.join(os.path.dirname(__file__), "../build/release"))
SOURCE = os.environ.get("SNAP_SOURCE", os.path.join(os.path.dirname(__file__), ".."))
BIN = os.environ.get("SNAP_BIN", os.path.join(BUILD, "bin"))
PROGRAMS = os.path.join(BUILD, "tests/programs")
CC = os.environ.get("SNAP_CC", "cc")
SNAPTRACE, SNAPRUN, SNAPIMG = (os.path.join(BIN, tool) for tool in ("snaptrace", "snaprun", "snapimg"))
SHIM_EXPORTS = {
    "__libc_start_main", "brk", "sbrk", "madvise", "mremap", "process_madvise", "mprotect", "ioctl", "syscall", "realloc",
    "getpid", "getenv", "secure_getenv", "__register_atfork", "readlink", "readlinkat", "__readlink_chk", "__readlinkat_chk", "realpath",
    "__realpath_chk", "execve", "execv", "execvp", "execvpe", "execl", "execlp", "execle", "posix_spawn", "posix_spawnp",
    "snap_here", "snap_restored", "snap_argc", "snap_argv", "snap_envp", "snap_on_restore"}
# What a test gives a program unless it says otherwise: little, so that it says what matters.
PLAIN_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/games:/sbin", "LC_ALL": "C", "HOME": "/proc/nonexistent"}  # which nobody can make
IS_ROOT = os.geteuid() == 0


class Failure(Exception):
    pass


class Skipped(Exception):
    pass


def skip(reason):
    raise Skipped(reason)


def check(condition, *what):
    if not condition:
        raise Failure(" ".join(str(part) for part in what))


def skip_if_ended_so(traced):
    """Skips if the program ended with 77 before its point, as snaptrace tells; what the program said is the reason."""
    if traced.status == 1 and b" ended with status 77 before " in traced.err:
        skip(traced.err.decode(errors="replace").splitlines()[0])


def need(*tools):
    for tool in tools:
        if not shutil.which(tool, path=PLAIN_ENV["PATH"]):
            skip(f"{tool} is not installed")


def can_look_at_others():
    """Root may look at processes of other users by CAP_SYS_PTRACE alone, which containers seldom give."""
    with open("/proc/self/status", encoding="ascii") as file:
        effective = next(line.split()[1] for line in file if line.startswith("CapEff:"))
    return int(effective, 16) >> 19 & 1 == 1


def need_pid_namespace():
    """For what snaprun needs one for: root makes it as it is, anybody else in a user namespace, which a chroot forbids."""
    for options in (["-p", "-f"], ["-U", "-p", "-f"]):
        if subprocess.run(["unshare", *options, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return
    skip("needs a PID namespace, and this user may make none here, nor a user namespace to make it in")


class Result:
    """How a process ended: status (negative: minus the signal's number), out, err."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __eq__(self, other):
        return (self.status, self.out, self.err) == (other.status, other.out, other.err)

    def __repr__(self):
        return f"status {self.status}\n--- stdout\n{clip(self.out)}\n--- stderr\n{clip(self.err)}\n---"


def clip(text, limit=3000):
    text = text.decode(errors="backslashreplace")
    return text if len(text) <= limit else text[:limit] + f"\n... ({len(text)} characters)"


def run(argv, env=None, stdin=b"", cwd=None, timeout=100, **options):
    """Runs argv to its end. stdin: bytes, or a file."""
    given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    ended = subprocess.run([os.fspath(word) for word in argv], env=PLAIN_ENV if env is None else env, cwd=cwd,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, **given, **options)
    return Result(ended.returncode, ended.stdout, ended.stderr)


GO_TIMEOUT = 280  # seconds


def trace(*words, **more):
    return run([SNAPTRACE, *words], **more)


def go_environment():
    """From Go 1.20 on its own library comes as source: what one row has compiled of it serves the others."""
    cache = os.path.join(os.path.abspath(BUILD), "tests", "go-cache")
    try:
        os.makedirs(cache, exist_ok=True)
    except OSError:
        pass
    return {**PLAIN_ENV, "HOME": os.getcwd(), "TMPDIR": os.getcwd(), "GOCACHE": cache if os.access(cache, os.W_OK) else os.path.abspath("go-cache"),
            "GOFLAGS": "-mod=mod", "GO111MODULE": "off", "CGO_ENABLED": "0"}


def go_build(output, source):
    go = shutil.which("go", path=PLAIN_ENV["PATH"])
    if not go:
        skip("needs go")
    result = run([go, "build", "-o", output, source], env=go_environment(), timeout=GO_TIMEOUT)
    check(result.status == 0, result)


def run_directly(argv, status=0, **options):
    """A self-checking program without snaptrace. 77: this machine does not let it get there; what it said is the reason."""
    direct = run(argv, **options)
    if direct.status == 77:
        skip((direct.err or direct.out).decode(errors="replace").strip())
    check(direct.status == status, "the direct run:", direct)
    return direct


def verify(image):
    verified = run([SNAPIMG, "verify", image])
    check(verified.status == 0, "verify:", verified)


def read_until(descriptor, found, seen=b"", limit=30):
    """Reads from a terminal until found(seen), for at most so many seconds, which nothing takes unless it hangs."""
    end = time.monotonic() + limit
    while not found(seen):
        check(time.monotonic() < end, "waited in vain, saw", seen)
        if not select.select([descriptor], [], [], 1)[0]:
            continue
        try:
            got = os.read(descriptor, 65536)
        except OSError:
            got = b""
        check(got, "the terminal ended, saw", seen)
        seen += got
    return seen


HELD = []  # as long as the row runs


def free_port():
    """One of 127.0.0.1 that an image can have to itself. The kernel gives those above its range to nobody who asks for any, and no
    other row takes this one while its name is held. They are above the process IDs, too: it is none by accident."""
    import random
    import socket
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        first, last = map(int, file.read().split())
    ports = range(last + 1, 1 << 16) or range(first, last)
    while True:
        port = random.SystemRandom().choice(ports)
        name, probe = socket.socket(socket.AF_UNIX), socket.socket()
        with probe, contextlib.suppress(OSError):
            name.bind(f"\0snaptest-port-{port}")
            probe.bind(("127.0.0.1", port))
            HELD.append(name)
            return port
        name.close()


def freeze(image, argv, at="main", env=None, options=(), status=0, **more):
    """Freezes argv at a point into image."""
    result = run([SNAPTRACE, "-q", "-o", image, "--at", at, *options, "--", *argv], env=env, **more)
    check(result.status == status, "snaptrace", "--at", at, argv[0], "ended with", result)
    check(os.path.exists(image) == (status == 0), "image", image, "there:", os.path.exists(image))
    return result


def kept_ids(image):
    """The kinds of places in which the program has its IDs, or numbers that are one by accident, so that a start by default
    has the recorded ones, in a PID namespace."""
    import json
    info = run([SNAPIMG, "info", "--json", image])
    check(info.status == 0, info)
    return {place["kind"] for place in json.loads(info.out)["ids"] if not place["corrected"]} - {"executable"}


def freeze_with_nothing_kept(image, *arguments, **more):
    """Freezes a program that keeps no ID, for starts that must have, or can have, no namespace. Now and then a number in its memory
    is its ID by accident; the next one has another."""
    for _ in range(3):
        result = freeze(image, *arguments, **more)
        if not kept_ids(image):
            break
    return result


def restore(image, arguments=None, env=None, options=(), **more):
    """Starts an image. arguments: None keeps the recorded ones, [] gives none."""
    if arguments is None:
        words = []
    else:
        words = arguments if arguments and arguments[0] != "--" else ["--", *arguments]
    return run([SNAPRUN, *options, image, *words], env=env, **more)


def every_start(start, together=True):
    """Calls start(): five times one after the other, for an image is not used up, and twice at once."""
    for _ in range(5):
        start()
    if together:
        at_once(2, start)


def at_once(count, start):
    """Calls start() so many times at once, and raises what one of them has raised."""
    raised = []

    def call():
        try:
            start()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


def same(got, wanted):
    """Fails with the lines that differ: - of the direct run, + of the restored program."""
    if got != wanted:
        import difflib
        lines = difflib.unified_diff(repr(wanted).splitlines(), repr(got).splitlines(), "direct run", "restored",
                                     lineterm="", n=1)
        raise Failure("\n".join(lines) or f"differs after what is shown:\n{got}")


def one_line(result, status, *words, tool=None):
    """A refusal: the exit status, exactly one line on stderr that has these words, nothing on stdout."""
    check(result.status == status, "wanted exit status", status, "got", result)
    lines = result.err.decode(errors="backslashreplace").splitlines()
    check(len(lines) == 1, "wanted one line on stderr, got", result)
    check(lines[0].startswith((tool or "snap")), "wanted the line to name the tool, got", result)
    for word in words:
        check(word.lower() in lines[0].lower(), "wanted the word", repr(word), "got", result)
    check(result.out == b"", "wanted nothing on stdout, got", result)


def nothing_left(marker):
    """No process has the marker in its environment any more."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                check(marker + b"\0" not in file.read(), "left:", pid)  # not the beginning of another row's number
        except OSError:
            pass


def remove(directory):
    """With all that is in it; most rows leave plain files."""
    try:
        for name in os.listdir(directory):
            os.unlink(os.path.join(directory, name))
        os.rmdir(directory)
    except OSError:
        import shutil
        subprocess.run(["chmod", "-R", "u+rwX", directory], check=False)
        while os.path.exists(directory):
            with contextlib.suppress(FileNotFoundError):  # what ends now may remove its own files
                shutil.rmtree(directory)


@contextlib.contextmanager
def scratch():
    """A directory of the test's own, which is the working directory meanwhile."""
    before = os.getcwd()
    directory = os.path.join(os.path.abspath(os.environ.get("TMPDIR") or "/tmp"), "snaptest-" + os.urandom(8).hex())
    os.mkdir(directory, 0o700)
    os.chdir(directory)
    try:
        yield directory
    finally:
        os.chdir(before)
        remove(directory)


def program(name):
    path = os.path.join(PROGRAMS, name)
    if "-musl" in name and not os.path.exists(path):
        skip(f"{name} was not built: musl-tools is not installed")
    check(os.path.exists(path), path, "was not built")
    return path


def run_row(name, function):
    try:
        with scratch():
            function()
    except Skipped as reason:
        print(f"{name}: skipped: {reason}")
        return 77
    except (Failure, subprocess.TimeoutExpired) as failure:
        print(f"{name}: failed: {failure}")
        return 1
    except Exception:
        import traceback
        traceback.print_exc(file=sys.stdout)
        return 1
    return 0


def main(rows):
    """rows: {name: function}. Arguments: --list, or the names to run (all of them without)."""
    if sys.argv[1:] == ["--list"]:
        print("\n".join(rows))
        return
    os.umask(0o022)
    results = {name: run_row(name, rows[name]) for name in sys.argv[1:] or rows}
    failed = [name for name, result in results.items() if result == 1]
    if len(results) > 1:
        print(f"{len(results) - len(failed)} passed, {len(failed)} failed", *failed)
    sys.exit(1 if failed else max(results.values()))
