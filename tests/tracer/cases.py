"""What a program feels of the tracer until its point, and where it is stopped."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = os.path.join(t.BUILD, "tests/tracer")
TARGET = os.path.join(HERE, "target")
LIBRARY = os.path.join(HERE, "library.so")
# Where dlopen is: a library of its own before glibc 2.34.
DL = "libc.so.6" if tuple(map(int, os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))) >= (2, 34) else "libdl.so.2"
KINDS = ("target", "target-nopie", "target-musl")
# Points that are never met, by what they cost: a filter, a filter with many calls, breakpoints.
NEVER = {"call": "syscall:reboot", "path": "path:/snap/never", "code": "nonesuch.so:f"}
LIVES = ("siginfo", "traps", "group-stop", "exec-thread", "chain", "children", "threads", "copies")


def built(kind):
    path = os.path.join(HERE, kind)
    if not os.path.exists(path):
        t.skip(f"{kind} was not built (musl-tools missing?)")
    return path


def trace(argv, at="main", options=(), **more):
    return t.run([t.SNAPTRACE, "-o", "image.snap", "--at", at, *options, "--", *argv], **more)


def never_met(argv, at, **more):
    """Runs argv to its end under the tracer; the output is as without, and the end is told."""
    direct = t.run(argv, **more)
    traced = trace(argv, at=at, **more)
    t.check(traced.status == 1 and not os.path.exists("image.snap"), "wanted status 1, got", traced)
    t.check(traced.out == direct.out, "traced:", traced, "\ndirect:", direct)
    t.check(f"ended with status {direct.status} before" in traced.err.decode(), "direct", direct.status, "got", traced)
    return direct


def life(word, at):
    direct = never_met([TARGET, word], at)
    t.check(direct.status in (0, 23, 24), "direct run:", direct)


def brk(kind):
    traced = trace([built(kind), "brk"], at="syscall:reboot")
    t.check("ended with status 0 before" in traced.err.decode(), traced)


def environment(kind):
    argv = [built(kind), "environment", *("x" * 140 for _ in range(10000))]
    several = {"A": "1", "LD_PRELOAD": "", "B": "2"}
    for env in ({}, {"A": "1"}, several, {f"V{i}": "y" * 40 for i in range(5000)}):
        never_met(argv, "syscall:reboot", env=env)
    never_met([built(kind), "environment", *("z" for _ in range(100000))], "syscall:reboot", env={})
    if kind != "target-musl":
        # By way of env, since a snaptrace that is built with a sanitizer takes no LD_PRELOAD itself.
        never_met(["/usr/bin/env", f"LD_PRELOAD={LIBRARY}", *argv[:2]], "syscall:reboot")


def script():
    with open("script", "w") as file:
        file.write("#! /bin/sh\necho in a script; exit 3\n")
    os.chmod("script", 0o755)
    traced = trace(["./script"], at="syscall:reboot")
    t.check(b"in a script" in traced.out and b"status 3" in traced.err, traced)
    for argv, options in ((["./script"], ("--in", "script")), (["script"], ())):
        env = dict(t.PLAIN_ENV, PATH=os.getcwd())
        t.check(t.run([t.SNAPTRACE, "-q", *options, *argv], env=env).status == 0, argv)
        os.remove("script.snap")
    nested = trace(["./script"], options=("--in", "nonesuch"))
    t.check(nested.status == 1 and b"--in admitted none" in nested.err, nested)


def unreadable():
    """A program whose memory the kernel doesn't show passes the point, and the reason is told."""
    code = "import ctypes, os\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\nos.path.exists('/snap/here')"
    drop = ["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"] if t.IS_ROOT else []
    done = t.run([*drop, t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "/usr/bin/python3", "-c", code])
    t.one_line(done, 1, "before path:/snap/here was reached", "CAP_SYS_PTRACE")


def left_to_run():
    """Only the process of the point is taken; the shell around it goes on to its end, still with the filter."""
    traced = trace(["sh", "-c", f"{TARGET} exit 0; echo after $?; {TARGET} exit 5; echo $?"], at="syscall:exit_group",
                   options=("-q", "--others=continue", "--in", "target"))
    t.check(traced.status == 0 and b"after 137\n5\n" in traced.out, traced)


def copies():
    for _ in range(3):
        traced = trace([TARGET, "copies"], at="target:here", options=("-q",))
        t.check(traced.status == 0 and traced.err == b"", traced)


def met(*points, argv=(TARGET, "load", LIBRARY)):
    for at in points:
        traced = trace(argv, at=at, options=("-v",))
        t.check(traced.status == 0 and b"is at the point" in traced.err, at, traced)


def address():
    lines = t.run(["nm", built("target")]).out.decode().splitlines()
    value = next(line.split()[0] for line in lines if line.endswith(" t test_load"))
    met("0x" + value)
    lines = t.run(["nm", built("target-nopie")]).out.decode().splitlines()
    value = next(line.split()[0] for line in lines if line.endswith(" t test_load"))
    met("0x" + value, argv=(built("target-nopie"), "load", LIBRARY))


def refused(at, *words, status=125):
    t.one_line(trace([TARGET, "load", LIBRARY], at=at), status, *words)
    t.check(not os.path.exists("image.snap"))


def symbol_of_link():
    """A library has the name that it was linked by, too."""
    os.symlink(LIBRARY, "other.so.1")
    path = os.path.abspath("other.so.1")
    met("other.so.1:library_function", "other.so:library_function", f"{path}:library_function", argv=(TARGET, "load", path))


def symbols_refused():
    refused("nonesuch", "unknown symbol", "nonesuch")
    refused("target:nonesuch", "unknown symbol")
    refused("libc.so.6:nonesuch", "unknown symbol", "libc.so.6")
    refused("library.so:nonesuch", "unknown symbol", "library.so")
    refused("strlen", "STT_GNU_IFUNC")
    refused("0x1", "no code")
    refused("data_start", "no code")


def here_and_sh():
    """The point in one program of several, by name, with the marker any language has."""
    program = t.program("here-pie")
    met("here", argv=(program,))
    met("here", argv=("sh", "-c", f"cd / && {program}; true"))


def signals():
    """SIGINT while the program waits: snaptrace ends by it, and nothing stays."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        argv = [t.SNAPTRACE, "--at", "syscall:reboot", "-o", "image.snap", "sh", "-c", "echo $$; read x; echo $x"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tracer:
            pid = int(tracer.stdout.readline())
            tracer.send_signal(number)
            error = tracer.stderr.read().decode().splitlines()
            t.check(tracer.wait(60) == -number and len(error) == 1 and "signal" in error[0], tracer.returncode, error)
            t.check(not os.path.exists(f"/proc/{pid}") and os.listdir(".") == [], "left:", pid, os.listdir("."))


ROWS = {f"life.{word}.{name}": lambda word=word, at=at: life(word, at) for word in LIVES for name, at in NEVER.items()}
ROWS |= {f"brk.{kind}": lambda kind=kind: brk(kind) for kind in ("target", "target-nopie")}
ROWS |= {f"environment.{kind}": lambda kind=kind: environment(kind) for kind in KINDS}
ROWS |= {
    "script": script,
    "unreadable": unreadable,
    "left-to-run": left_to_run,
    "copies": copies,
    "symbol.executable": lambda: met("test_load", "target:test_load", "main+0", "test_load+0x0"),
    "symbol.library": lambda: met("dlopen", f"{DL}:dlopen", f"{DL[:-2]}:dlsym", "__libc_start_main", "libc.so.6:__libc_start_main"),
    "symbol.loaded-later": lambda: met("library.so:library_function", f"{LIBRARY}:library_function"),
    "symbol.link": symbol_of_link,
    "symbol.address": address,
    "symbol.refused": symbols_refused,
    "here": here_and_sh,
    "signals": signals,
}

if __name__ == "__main__":
    t.main(ROWS)
