"""The points of a tree; job control, time, and other tracers: nothing is felt, nothing hangs."""
import ctypes
import functools
import json
import os
import pty
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = os.path.join(t.BUILD, "tests/tree")
EFFECTS, GOING, CHURN = (os.path.join(HERE, name) for name in ("effects", "going", "churn"))
NEVER = "syscall:reboot"


def ends_as_program():
    for script, status in (("exit 0", 0), ("exit 77", 77), ("kill -TERM $$", -15), ("kill -9 $$", -9), ("kill -SEGV $$", -11)):
        direct = t.run(["sh", "-c", script])
        t.check(direct.status == status, direct)
        t.same(t.trace("--log-exec=/dev/null", "sh", "-c", script), direct)
        going = t.trace("-q", "-o", "image.snap", "--continue", "--in", "sh", "sh", "-c", script)
        t.same(going, direct)


# --- terminals

class Terminal:
    """An interactive bash on a terminal of its own."""

    def __init__(self):
        env = {**t.PLAIN_ENV, "PS1": "READY> ", "TERM": "dumb"}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve("/bin/bash", ["bash", "--norc", "--noediting", "-i"], env)
        self.text = b""

    def wait_for(self, pattern):
        """Reads until the pattern is there; what stands before it is taken."""
        self.text = t.read_until(self.fd, lambda seen: re.search(pattern, seen), self.text)
        match = re.search(pattern, self.text)
        self.text = self.text[match.end():]
        return match

    def send(self, text):
        os.write(self.fd, text)

    def close(self):
        self.send(b"exit\n")
        os.waitpid(self.pid, 0)
        os.close(self.fd)


LOOP = "trap 'echo INTR; exit 6' INT; echo ST''ARTED; while read -r x; do echo got \\$x; done"


def jobs():
    """Ctrl-Z stops the whole tree, fg brings it back, Ctrl-C is the program's to answer."""
    terminal = Terminal()
    terminal.wait_for(rb"READY> $")
    terminal.send(f"{t.SNAPTRACE} --log-exec=log sh -c \"{LOOP}\"\n".encode())
    terminal.wait_for(rb"\nSTARTED")
    terminal.send(b"one\n")
    terminal.wait_for(rb"got one")
    for _ in range(3):
        terminal.send(b"\x1a")
        terminal.wait_for(rb"Stopped")
        terminal.wait_for(rb"READY> $")
        terminal.send(b"fg\n")
        terminal.send(b"two\n")
        terminal.wait_for(rb"got two")
    terminal.send(b"\x03")
    terminal.wait_for(rb"INTR")
    terminal.wait_for(rb"READY> $")
    terminal.send(b"echo status $?\n")
    terminal.wait_for(rb"\nstatus 6")
    terminal.close()
    with open("log", "rb") as file:
        t.check(file.read().endswith(b" exited 6\n"), "the log's end")


def shell_inside():
    """A shell with job control of its own, which gives the terminal to its jobs."""
    terminal = Terminal()
    terminal.wait_for(rb"READY> $")
    terminal.send(f"PS1='INNER> ' {t.SNAPTRACE} --log-exec=log bash --norc --noediting -i\n".encode())
    terminal.wait_for(rb"INNER> $")
    terminal.send(b"cat\n")
    terminal.send(b"echoed\n")
    terminal.wait_for(rb"echoed\r\nechoed")
    terminal.send(b"\x1a")
    terminal.wait_for(rb"Stopped")
    terminal.wait_for(rb"INNER> $")
    terminal.send(b"fg\n")
    terminal.send(b"again\n")
    terminal.wait_for(rb"again(?s:.*)again")
    terminal.send(b"\x03")
    terminal.wait_for(rb"INNER> $")
    terminal.send(b"exit 9\n")
    terminal.wait_for(rb"READY> $")
    terminal.send(b"echo status $?\n")
    terminal.wait_for(rb"\nstatus 9")
    terminal.close()


# --- points

def freeze(at, argv, *options, **more):
    done = t.trace("-q", "-o", "image.snap", *(word for point in at for word in ("--at", point)), *options, "--", *argv, **more)
    t.check(done.status == 0, "snaptrace", at, argv, done)
    return done


def passes(word):
    """The call has no effect outside: the freeze is at the first line that is printed, which every start prints."""
    frozen = freeze(["effect"], [EFFECTS, word, "restored"])
    t.check(frozen.out == b"", frozen)
    said = json.loads(t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out)
    t.check("write" in json.dumps(said), said)
    for _ in range(2):
        again = t.run([t.SNAPRUN, "image.snap"])
        t.check(again.status == 0 and again.out == f"after {word}\n".encode(), again)


def stops(word, trigger, **more):
    """The call has one: the freeze is before it, and each start makes it."""
    freeze(["effect"], [EFFECTS, word, "restored"], **more)
    t.check(not os.path.exists("made"), "it was made")
    t.check(trigger in t.run([t.SNAPIMG, "info", "image.snap"]).out.decode(), "trigger:", t.run([t.SNAPIMG, "info", "image.snap"]))
    again = t.run([t.SNAPRUN, "image.snap"], **more)
    t.check(again.status == 0 and again.out.endswith(f"after {word}\n".encode()), again)
    return again


def effect_makes_file(word, trigger):
    stops(word, trigger)
    t.check(os.path.exists("made"), "the start from the image did not make it")


def effect_stdin():
    freeze(["effect"], [EFFECTS, "stdin", "restored"], stdin=b"not taken")
    again = t.run([t.SNAPRUN, "image.snap"], stdin=b"new input\n")
    t.check(again.out == b"new input\nafter stdin\n", again)


def copy_read(at, met):
    """Standard input under other numbers: a copy of a copy that is kept, after one that was closed and whose number is a file's."""
    with open("input", "w", encoding="ascii") as file:
        file.write("not taken")
    with open("input", "rb") as file:
        done = t.trace("-v", "-o", "image.snap", "--at", at, "--", EFFECTS, "copy-read", "restored", stdin=file)
    t.check(done.status == 0 and done.out == b"" and b"at the point: " + met in done.err, done)
    again = t.run([t.SNAPRUN, "image.snap"], stdin=b"new input\n")
    t.check(again.out == b"new input\nafter copy-read\n", again)


def output_copy():
    """A program may write its output under another number."""
    writes = "import os; copy = os.dup(1); os.close(1); os.write(copy, b'told\\n')"
    done = t.trace("-v", "-o", "image.snap", "--at", "output", "--", "/usr/bin/python3", "-S", "-c", writes)
    t.check(done.status == 0 and done.out == b"" and b"at the point: write(" in done.err, done)
    t.check(t.run([t.SNAPRUN, "image.snap"]).out == b"told\n", "restored")


def effect_copy_moved():
    """Onto a number that was inherited, too: what 2 has become is standard input."""
    with open("input", "w", encoding="ascii") as file:
        file.write("not taken")
    with open("input", "rb") as file:
        done = t.trace("-v", "-o", "image.snap", "--at", "effect", "--", EFFECTS, "copy-moved", "restored", stdin=file)
        t.check(done.status == 0 and b"at the point: lseek(2" in done.err and file.tell() == 0, done)


def effect_inherited_eventfd():
    """All eventfds look the same; the caller's is an effect to write to."""
    os.dup2(ctypes.CDLL(None).eventfd(0, 0), 100)
    stops("eventfd", "write(100", pass_fds=(100,))


def effect_siblings():
    """A pipe that the tree made, between two of its processes, is not the process's own: neither to write nor to read."""
    for script, call in ((f"{EFFECTS} pipe | cat", b"write(1"), (f"echo taken | {EFFECTS} stdin", b"read(0")):
        done = t.trace("-v", "--at", "effect", "--in", "effects", "-o", "image.snap", "sh", "-c", script)
        t.check(done.out == b"" and b"at the point: " + call in done.err, script, done)


def effect_own_reads():
    """Reading what one has opened itself stops nothing: a hundred thousand reads are a hundred events, not that many."""
    t.need("strace")
    code = "import os\nf = os.open('/dev/zero', os.O_RDONLY)\nfor _ in range(10**5): os.read(f, 1)\nprint('end')"
    done = t.run(["strace", "-o", "calls", "-e", "trace=ptrace", t.SNAPTRACE, "-q", "-o", "image.snap", "--at", "effect",
                  "/usr/bin/python3", "-c", code], env={**t.PLAIN_ENV, "ASAN_OPTIONS": "detect_leaks=0"})
    t.check(done.status == 0 and done.out == b"", done)
    with open("calls", encoding="latin1") as file:
        calls = len(file.readlines())
    t.check(100 < calls < 20000, "calls of ptrace:", calls)


def output():
    for at in ("output", "effect"):
        frozen = freeze([at], ["/bin/sh", "-c", "echo one; echo two >&2"])
        t.check(frozen.out == b"" and frozen.err == b"", frozen)
        again = t.run([t.SNAPRUN, "image.snap"])
        t.check(again.out == b"one\n" and again.err == b"two\n", again)


def read_point():
    freeze(["read:0"], ["/usr/bin/python3", "-c", "import sys, json; print(json.load(sys.stdin))"], stdin=b"[1]")
    for text in (b"[2, 3]", b'{"a": 4}'):
        again = t.run([t.SNAPRUN, "image.snap"], stdin=text)
        t.check(again.status == 0 and again.out.decode().strip() == str(json.loads(text)), again)


def signal_point():
    """The program is frozen instead of getting it; after the start its handler has not run."""
    code = ("import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: print('handler'))\n"
            "os.kill(os.getpid(), signal.SIGUSR1)\nprint('after')\n")
    frozen = freeze(["signal:USR1"], ["/usr/bin/python3", "-c", code])
    t.check(frozen.out == b"", frozen)
    again = t.run([t.SNAPRUN, "image.snap"])
    t.check(again.status == 0 and again.out == b"after\n", again)


WAITING = "import sys, time\nx = list(range(1000))\nwhile len(sys.argv) < 2 or True:\n  line = sys.stdin.readline()\n  print(sum(x), line, end='')\n  break"


def waits_for_input(at):
    with subprocess.Popen([t.SNAPTRACE, "-q", "-o", "image.snap", "--at", at, "/usr/bin/python3", "-c", WAITING],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tracer:
        t.check(tracer.wait(100) == 0, at, tracer.returncode)
    again = t.run([t.SNAPRUN, "image.snap"], stdin=b"line\n")
    t.check(again.status == 0 and again.out == b"499500 line\n", again)


def sleeping():
    """A sleep that was stopped in the middle is slept again, and the program does not hear of it."""
    freeze(["after:300ms"], ["/usr/bin/python3", "-c", "import time; time.sleep(3); print('slept')"])
    again = t.run([t.SNAPRUN, "image.snap"])
    t.check(again.status == 0 and again.out == b"slept\n", again)


def several():
    freeze([NEVER, "path:/snap/here"], [GOING])
    t.check(b"marker 1" not in t.run([t.SNAPRUN, "image.snap"]).out, "the first marker was printed before")
    freeze(["main", "path:/snap/here"], [GOING])
    t.check(b"marker 1" in t.run([t.SNAPRUN, "image.snap"]).out, "main comes first")


def skip_some():
    frozen = freeze(["path:/snap/here"], [GOING], "--skip", "2")
    t.check(frozen.out == b"marker 1\nmarker 2\nmarker 3\n", frozen)
    t.check(t.run([t.SNAPRUN, "image.snap"]).out.startswith(b"marker 4\n"), "the rest")
    never = t.trace("-q", "-o", "other.snap", "--at", "path:/snap/here", "--skip", "4", GOING)
    t.check(never.status == 1 and never.out.count(b"marker") == 4, never)
    freeze(["main"], ["sh", "-c", "true; /bin/echo a; /bin/echo b"], "--in", "echo", "--skip", "1")
    t.check(t.run([t.SNAPRUN, "image.snap"]).out == b"b\n", "the second echo")


def skip_breakpoint():
    frozen = freeze(["write"], [GOING], "--skip", "2")
    t.check(b"marker 1" in frozen.out, frozen)


def others():
    script = f"sleep 1000 & {GOING} & wait; echo end; exit 3"
    ended = freeze(["path:/snap/here"], ["sh", "-c", script], "--in", "going", env={**t.PLAIN_ENV, "SNAPTEST_OTHERS": str(os.getpid())})
    t.check(b"end" not in ended.out, ended)
    t.nothing_left(b"SNAPTEST_OTHERS=%d" % os.getpid())
    script = f"{GOING} & wait; echo end; exit 3"
    ended = freeze(["path:/snap/here"], ["sh", "-c", script], "--in", "going", "--others=continue")
    t.check(ended.out.endswith(b"end\n"), ended)


def goes_on():
    """With --continue the program ends as without us, with nothing of us in it; and the image is one."""
    direct = t.run([GOING])
    wanted = direct.out.replace(b"break 0", b"break 1")
    for at in ("path:/snap/here", "main", "syscall:openat#2", "signal:USR2", "after:1h"):
        done = t.trace("-q", "--continue", "-o", "image.snap", "--at", at, GOING)
        if at in ("signal:USR2", "after:1h"):
            t.check(done.status == 1, done)
            continue
        t.check(done.status == 7 and done.out == wanted and done.err == b"", at, done, direct)
        again = t.run([t.SNAPRUN, "image.snap"])
        t.check(again.status == 7 and wanted.endswith(again.out), at, again)


def goes_on_refused():
    """A dump that is refused ends no program that was to go on, and is told by the status."""
    code = ("import socket, os; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0)); s.sendto(b'x', s.getsockname()); "
            "os.path.exists('/snap/here'); print('on')")
    done = t.trace("-o", "image.snap", "--continue", "--at", "path:/snap/here", "/usr/bin/python3", "-c", code)
    t.check(done.status == 125 and done.out == b"on\n" and b"socket" in done.err, done)
    t.check(not os.path.exists("image.snap"), "an image")


def clock_churn():
    """What goes by the clock is not late for all the events."""
    with subprocess.Popen([t.SNAPTRACE, "-q", "-o", "image.snap", "--at", "after:200ms", CHURN], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as tracer:
        t.check(tracer.wait(100) == 0, tracer.returncode)
    with subprocess.Popen([t.SNAPTRACE, "--timeout", "300ms", "--at", NEVER, CHURN], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as tracer:
        t.check(tracer.wait(100) == 124, tracer.returncode)


def timed_out():
    marker = b"SNAPTEST_TIMEOUT=%d" % os.getpid()
    env = {**t.PLAIN_ENV, "SNAPTEST_TIMEOUT": str(os.getpid())}
    for words in (["--at", NEVER], ["--at", "main", "--in", "nonesuch"], ["--log-exec=log"]):
        done = t.trace("--timeout", "300ms", *words, "sh", "-c", "sleep 1000 & sleep 1000", env=env)
        t.one_line(done, 124, "0.3 s")
        t.nothing_left(marker)


def wrong_options():
    for words, word in ((["--skip", "x"], "--skip"), (["--timeout", "0"], "--timeout"), (["--timeout", "soon"], "--timeout"),
                        (["--others=eat"], "--others"), (["--json"], "--log-exec"), (["--log-exec=/proc/nonexistent/x"], "/nonexistent/x"),
                        (["--log-exec="], "empty"), (["--at", "read:x"], "read:x"), (["--at", "after:x"], "after:x"),
                        (["--at", "signal:KILL"], "signal:KILL")):
        t.one_line(t.trace(*words, "true"), 125, word)


# --- with other tracers

def under_others():
    t.need("strace")
    env = {**t.PLAIN_ENV, "ASAN_OPTIONS": "detect_leaks=0"}  # which is what a sanitized build can't under ptrace
    done = t.run(["strace", "-o", "strace.log", t.SNAPTRACE, "-q", "-o", "image.snap", "true"], env=env)
    t.check(done.status == 0 and t.run([t.SNAPRUN, "image.snap"]).status == 0, done)
    followed = t.run(["strace", "-f", "-o", "strace.log", t.SNAPTRACE, "-o", "other.snap", "true"], env=env)
    t.one_line(followed, 125, "traced by process", "strace -f")
    inside = t.trace("--log-exec=log", t.SNAPTRACE, "-o", "other.snap", "true", env=env)
    lines = inside.err.decode().splitlines()
    t.check(inside.status == 125 and sum("traced by process" in line for line in lines) == 1, inside)
    tracing = t.trace("--log-exec=log", "strace", "-o", "strace.log", "true")
    t.check(tracing.status != 0 and sum(b"uses ptrace" in line for line in tracing.err.splitlines()) == 1, tracing)


ROWS = {
    "ends-as-program": ends_as_program, "jobs": jobs, "shell-inside": shell_inside,
    "output": output, "read": read_point, "read.copy": functools.partial(copy_read, "read:0", b"read(30"), "output.copy": output_copy, "signal": signal_point, "sleeping": sleeping,
    "idle": functools.partial(waits_for_input, "idle"), "after": functools.partial(waits_for_input, "after:700ms"),
    "several": several, "skip": skip_some, "skip.breakpoint": skip_breakpoint, "others": others,
    "continue": goes_on, "continue.refused": goes_on_refused,
    "clock.churn": clock_churn, "timeout": timed_out, "wrong-options": wrong_options, "under-others": under_others,
    "effect.stdin": effect_stdin, "effect.fork": functools.partial(stops, "fork", "("),
    "effect.unlink": functools.partial(stops, "unlink", "unlink"),
    "effect.mknod": functools.partial(effect_makes_file, "mknod", "mknod"), "effect.mkdir": functools.partial(effect_makes_file, "mkdir", "mkdir"),
    "effect.write": functools.partial(effect_makes_file, "write", "openat"),
    "effect.bind": functools.partial(stops, "bind", "bind"), "effect.connect": functools.partial(stops, "connect", "connect"),
    "effect.sendto": functools.partial(stops, "sendto", "sendto"), "effect.netlink": functools.partial(stops, "netlink", "socket"),
    "effect.rights": functools.partial(stops, "rights", "sendmsg"), "effect.old-clone": functools.partial(stops, "old-clone", "clone"),
    "effect.turned": functools.partial(stops, "turned", "write"),
    "effect.copy-read": functools.partial(copy_read, "effect", b"read("), "effect.copy-moved": effect_copy_moved, "effect.map-file": functools.partial(stops, "map-file", "mmap"),
    "effect.set-pipe": functools.partial(stops, "set-pipe", "fcntl"),
    "effect.eventfd": effect_inherited_eventfd, "effect.siblings": effect_siblings,
    "effect.own-reads": effect_own_reads,
}
ROWS.update({f"effect.{word}": functools.partial(passes, word) for word in
             ("munmap", "mprotect", "fixed", "reserve", "many", "malloc", "tid", "read", "shared", "threads", "pipe", "pair",
              "events", "timers", "memfd", "null", "socket", "copied")})

if __name__ == "__main__":
    t.main(ROWS)
