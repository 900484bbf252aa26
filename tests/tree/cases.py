"""Trees of processes under snaptrace: nothing is felt, nothing hangs, the log misses nothing; and the points of a tree."""
import collections
import ctypes
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = os.path.join(t.BUILD, "tests/tree")
STORM, EFFECTS, GOING, GOING_STATIC, CHURN = (os.path.join(HERE, name) for name in
                                              ("storm", "effects", "going", "going-static", "churn"))
NEVER = "syscall:reboot"


def trace(*words, **more):
    return t.run([t.SNAPTRACE, *words], **more)


def read_log(path="log"):
    """The JSON log as a list of objects; arguments as bytes."""
    with open(path, encoding="utf-8", errors="strict") as file:
        lines = [json.loads(line) for line in file]
    for line in lines:
        if "argv" in line:
            line["argv"] = [os.fsencode(word) for word in line["argv"]]
            line["path"] = os.fsencode(line["path"])
    return lines


def log_of(argv, **more):
    """Runs argv as it is and under the log, which must change nothing; returns the log."""
    direct = t.run(argv, **more)
    logged = trace("--log-exec=log", "--json", "--", *argv, **more)
    t.same(logged, direct)
    return read_log()


# --- the log

HARD = [b"plain", b"", b"a b", b"it's", b'"$HOME`x`\\', b"two\nlines\n", b"tab\there", bytes(range(1, 256)), b"\xff\xfe",
        "\u00fc\u2713\U0001f30d".encode(), b"-n", b"~", b"*", b"#", b"a=b", b"!x", b"\x1b[31m"]


def vectors():
    yield [b"/bin/true", *HARD]
    yield [b"/bin/true", *(b"%d" % i for i in range(10000))]
    yield [b"/bin/true", *(bytes([97 + i % 26]) * 100000 + b" %d\n" % i for i in range(20))]  # 2 MB in all


def log_vectors():
    for vector in vectors():
        done = [line for line in log_of(vector) if line["event"] == "exec"]
        t.check(len(done) == 1 and done[0]["argv"] == vector and done[0]["path"] == b"/bin/true", "as JSON:", done[0]["argv"][:3])
        text = trace("--log-exec=log", "--", *vector)
        t.check(text.status == 0 and text.err == b"", text)
        with open("log", "rb") as file:
            lines = file.read().split(b"\n")
        t.check(len(lines) == 3 and lines[2] == b"", "wanted two lines, got", len(lines) - 1)
        # A shell takes the rest of the line back; its words are too many for an argument of its own.
        with open("words", "wb") as file:
            file.write(b"printf '%s\\0' " + lines[0].split(b" exec /bin/true ", 1)[1] + b"\n")
        again = t.run(["bash", "words"]).out.split(b"\0")
        t.check(again[:-1] == vector, "by a shell:", [word for word in zip(again, vector) if word[0] != word[1]][:3])


def log_failures():
    os.mkdir("directory")
    for name, mode, content in (("no-permission", 0o644, "#!/bin/sh\n"), ("no-format", 0o755, "\x7fELFnot"),
                                ("no-interpreter", 0o755, "#!/nonexistent/sh\n")):
        with open(name, "w", encoding="latin1") as file:
            file.write(content)
        os.chmod(name, mode)
    code = "\n".join(["import os", "for name in ('nonexistent', 'directory', 'no-permission', 'no-format', 'no-interpreter'):",
                      "    try: os.execv('./' + name, [name, 'x y'])", "    except OSError as error: print(error.errno)"])
    lines = log_of(["/usr/bin/python3", "-c", code])
    failed = [(line["error"], line["path"], line["argv"]) for line in lines if line["event"] == "failed"]
    wanted = [("ENOENT", "nonexistent"), ("EACCES", "directory"), ("EACCES", "no-permission"), ("ENOEXEC", "no-format"),
              ("ENOENT", "no-interpreter")]
    t.check(failed == [(error, b"./" + name.encode(), [name.encode(), b"x y"]) for error, name in wanted], failed)


ODD_EXECS = """
import ctypes, os, threading
libc = ctypes.CDLL(None)
libc.execve(b'/bin/true', ctypes.c_void_p(8), None)
libc.execve(ctypes.c_void_p(8), None, None)
fd = os.open('/bin', os.O_PATH)
argv = (ctypes.c_char_p * 3)(b'from', b'a thread', None)
thread = threading.Thread(target=lambda: libc.syscall(322, fd, b'true', argv, None, 0))
thread.start()
thread.join()
"""


def log_odd():
    """What can't be read is told as it fails; execveat; and the exec of a thread that is not the first."""
    lines = log_of(["/usr/bin/python3", "-c", ODD_EXECS])
    tried = [(line["event"], line.get("error"), line["path"], line["argv"], line.get("directory")) for line in lines[1:-1]]
    wanted = [("failed", "EFAULT", b"/bin/true", [], None), ("failed", "EFAULT", b"@0x8", [], None)]
    t.check(tried[:2] == wanted and tried[2][:4] == ("exec", None, b"true", [b"from", b"a thread"]) and tried[2][4] > 2, tried)
    t.check(len({line["pid"] for line in lines}) == 1, lines)


def log_ends():
    lines = log_of(["/bin/sh", "-c", "(exit 3); sh -c 'kill -TERM $$'; sh -c 'kill -9 $$'; true & wait; exit 5"])
    t.check(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"]) for line in lines), lines)
    ends = collections.Counter(line.get("signal", line.get("status")) for line in lines if line["event"] in ("exited", "killed"))
    t.check(ends["SIGTERM"] == 1 and ends["SIGKILL"] == 1 and ends[3] == 1 and ends[5] == 1, ends)
    root = lines[0]["pid"]
    t.check(lines[-1]["pid"] == root and lines[-1]["status"] == 5, lines[-1])
    t.check(all(line["parent"] == root for line in lines if line["pid"] != root), lines)


def log_to_stderr():
    logged = trace("--log-exec", "--", "/bin/sh", "-c", "echo out; echo err >&2; exit 4")
    lines = logged.err.decode().splitlines()
    t.check(logged.status == 4 and logged.out == b"out\n" and lines[1] == "err", logged)
    t.check(lines[0].endswith(" exec /bin/sh /bin/sh -c 'echo out; echo err >&2; exit 4'"), lines)
    t.check(lines[2].endswith(" exited 4") and len(lines) == 3, lines)


def ends_as_program():
    for script, status in (("exit 0", 0), ("exit 77", 77), ("kill -TERM $$", -15), ("kill -9 $$", -9), ("kill -SEGV $$", -11)):
        direct = t.run(["sh", "-c", script])
        t.check(direct.status == status, direct)
        t.same(trace("--log-exec=/dev/null", "sh", "-c", script), direct)
        going = trace("-q", "-o", "image.snap", "--continue", "--in", "sh", "sh", "-c", script)
        t.same(going, direct)


def log_and_point():
    """Both: the image is made, and what ran until then is in the log."""
    done = trace("-q", "--log-exec=log", "--json", "--at", "main", "--in", "true", "-o", "image.snap", "sh", "-c", "env true; true")
    t.check(done.status == 0 and t.run([t.SNAPRUN, "image.snap"]).status == 0, done)
    t.check([line["argv"][0] for line in read_log() if line["event"] == "exec"] == [b"sh", b"env", b"true"], read_log())


# --- against strace

def make_project():
    os.mkdir("project")
    for i in range(8):
        with open(f"project/f{i}.c", "w") as file:
            file.write(f"int f{i}(void) {{ return {i}; }}\n")
    with open("project/Makefile", "w") as file:
        objects = " ".join(f"f{i}.o" for i in range(8))
        file.write(f"lib.a: {objects}\n\tar rc $@ {objects}\nclean:\n\trm -f {objects} lib.a\n")


def need(*tools):
    for tool in tools:
        if not shutil.which(tool, path=t.PLAIN_ENV["PATH"]):
            t.skip(f"{tool} is not installed")


TREES = {
    # name: (tools, what to prepare, argv); each can be run again and again
    "pipeline": ((), None, ["sh", "-c", "seq 100 | sort -r | head -n 3 | tr 1 x; (exit 9) | cat"]),
    "make": (("make",), make_project, ["sh", "-c", "make -s -C project clean; make -s -j4 -C project CC=cc"]),
    "configure": (("cc",), None, ["sh", "-c", "for h in stdio nonexistent; do echo \"#include <$h.h>\" > t.c; "
                                  "if cc -c t.c 2>/dev/null; then echo \"$h yes\"; else echo \"$h no\"; fi; done; uname; rm -f t.*"]),
    "git": (("git",), None, ["sh", "-c", "rm -rf r; git init -q r && cd r && printf '#!/bin/sh\\ntrue hook' > .git/hooks/pre-commit && "
                             "chmod +x .git/hooks/pre-commit && git -c user.name=a -c user.email=a@b -c gc.auto=0 commit -q --allow-empty -m 'a b'; "
                             "git log --format=%s"]),
    "perl": (("perl",), None, ["perl", "-e", "for (1 .. 15) { print `echo $_`; system('sh', '-c', \"exit $_\"); print $? >> 8, qq(\\n) }"]),
    "python": ((), None, ["/usr/bin/python3", "-c", "import subprocess as s\nfor i in range(15):\n"
                          "  print(s.run(['sh', '-c', f'echo {i}; exit {i}'], stdout=s.PIPE), s.run(f'exit {i}', shell=True).returncode)"]),
    "xargs": ((), None, ["sh", "-c", "seq 30 | xargs -P 4 -n 3 echo | wc -l"]),
    "daemon": ((), None, ["sh", "-c", "setsid sh -c '(/bin/true; /bin/echo gone > /dev/null; exit 6) &' ; exit 2"]),
    "wrappers": ((), None, ["timeout", "20", "env", "A=b c", "nice", "-n", "1", "sh", "-c", "echo \"$A\"; timeout -s KILL 0.1 sleep 30; exit 8"]),
    "find": ((), None, ["find", "/etc/hostname", "/etc/passwd", "-exec", "basename", "{}", ";", "-exec", "wc", "-l", "{}", "+"]),
}
ESCAPES = {"n": b"\n", "t": b"\t", "r": b"\r", "v": b"\v", "f": b"\f", '"': b'"', "\\": b"\\"}


def unescape(match):
    escaped = match.group(1).decode()
    return ESCAPES[escaped] if escaped in ESCAPES else bytes([int(escaped, 8)])


def unquote(text):
    """strace's C strings: ["a", "b"] as a list of bytes."""
    return [re.sub(rb"\\([0-7]{1,3}|.)", unescape, os.fsencode(word)) for word in re.findall(r'"((?:[^"\\]|\\.)*)"', text)]


def without_random(word):
    """Names of temporary files differ from run to run."""
    return re.sub(rb"/tmp/cc\w{6}", b"/tmp/cc", word)


def by_strace(argv):
    done = t.run(["strace", "-f", "-v", "-s", "2000000", "-e", "trace=execve,execveat", "-o", "strace.log",
                  *argv], timeout=200)
    execs, ends = collections.Counter(), collections.Counter()
    with open("strace.log", encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
    unfinished = {}
    for line in text.splitlines():
        pid, rest = line.split(None, 1)
        if rest.endswith("<unfinished ...>"):
            unfinished[pid] = rest[:-len("<unfinished ...>")]
            continue
        resumed = re.match(r"<\.\.\. execve(?:at)? resumed>(.*)", rest)
        if resumed:
            rest = unfinished.pop(pid, "") + resumed.group(1)
        call = re.match(r'execve\("(?:[^"\\]|\\.)*", \[((?:"(?:[^"\\]|\\.)*"(?:, )?)*)\], .*= (-?\d+)(?: (\w+))?', rest)
        if call:
            execs[(tuple(map(without_random, unquote(call.group(1)))), call.group(3) or "")] += 1
        end = re.match(r"\+\+\+ (?:exited with (\d+)|killed by (\w+))", rest)
        if end:
            ends[end.group(2) or int(end.group(1))] += 1
    return done, execs, ends


def compared(name):
    tools, prepare, argv = TREES[name]
    need("strace", *tools)
    if prepare:
        prepare()
    seen, execs, ends = by_strace(argv)
    logged = trace("--log-exec=log", "--json", "--", *argv, timeout=200)
    t.same(logged, seen)
    lines = read_log()
    ours = collections.Counter((tuple(map(without_random, line["argv"])), line.get("error", "")) for line in lines if line["event"] in ("exec", "failed"))
    our_ends = collections.Counter(line.get("signal", line.get("status")) for line in lines if line["event"] in ("exited", "killed"))
    t.check(ours == execs, "execs: only here", ours - execs, "only strace", execs - ours)
    t.check(our_ends == ends, "ends: only here", our_ends - ends, "only strace", ends - our_ends)


# --- nothing hangs

def nothing_left(marker):
    """No process has the marker in its environment any more."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                t.check(marker + b"\0" not in file.read(), "left:", pid)  # not the beginning of another row's number
        except OSError:
            pass


def storm(count, *words):
    marker = f"SNAPTEST_STORM={os.getpid()}"
    env = {**t.PLAIN_ENV, "SNAPTEST_STORM": str(os.getpid())}
    done = trace(*words, STORM, str(count), env=env, timeout=250)
    nothing_left(marker.encode())
    t.check(done.out == b"calm\n", done)
    return done


def storm_logged():
    done = storm(20000, "--log-exec=log", "--json")
    t.check(done.status == 0 and done.err == b"", done)
    kinds = collections.Counter(line["event"] for line in read_log())
    t.check(kinds["exited"] + kinds["killed"] == 20001 and kinds["killed"] == 2500, kinds)


def storm_filtered():
    done = storm(4000, "-o", "image.snap", "--at", NEVER, "--at", "path:/snap/never")
    t.check(done.status == 1 and b"ended with status 0 before a point was reached" in done.err, done)


def storm_every_call():
    """Without a filter every call stops."""
    done = storm(2000, "-o", "image.snap", "--continue", "--at", NEVER)
    t.check(done.status == 1 and not os.path.exists("image.snap"), done)


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
    done = trace("-q", "-o", "image.snap", *(word for point in at for word in ("--at", point)), *options, "--", *argv, **more)
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
        done = trace("-v", "-o", "image.snap", "--at", at, "--", EFFECTS, "copy-read", "restored", stdin=file)
    t.check(done.status == 0 and done.out == b"" and b"at the point: " + met in done.err, done)
    again = t.run([t.SNAPRUN, "image.snap"], stdin=b"new input\n")
    t.check(again.out == b"new input\nafter copy-read\n", again)


def output_copy():
    """A program may write its output under another number."""
    writes = "import os; copy = os.dup(1); os.close(1); os.write(copy, b'told\\n')"
    done = trace("-v", "-o", "image.snap", "--at", "output", "--", "/usr/bin/python3", "-S", "-c", writes)
    t.check(done.status == 0 and done.out == b"" and b"at the point: write(" in done.err, done)
    t.check(t.run([t.SNAPRUN, "image.snap"]).out == b"told\n", "restored")


def effect_copy_moved():
    """Onto a number that was inherited, too: what 2 has become is standard input."""
    with open("input", "w", encoding="ascii") as file:
        file.write("not taken")
    with open("input", "rb") as file:
        done = trace("-v", "-o", "image.snap", "--at", "effect", "--", EFFECTS, "copy-moved", "restored", stdin=file)
        t.check(done.status == 0 and b"at the point: lseek(2" in done.err and file.tell() == 0, done)


def effect_inherited_eventfd():
    """All eventfds look the same; the caller's is an effect to write to."""
    os.dup2(ctypes.CDLL(None).eventfd(0, 0), 100)
    stops("eventfd", "write(100", pass_fds=(100,))


def effect_siblings():
    """A pipe that the tree made, between two of its processes, is not the process's own: neither to write nor to read."""
    for script, call in ((f"{EFFECTS} pipe | cat", b"write(1"), (f"echo taken | {EFFECTS} stdin", b"read(0")):
        done = trace("-v", "--at", "effect", "--in", "effects", "-o", "image.snap", "sh", "-c", script)
        t.check(done.out == b"" and b"at the point: " + call in done.err, script, done)


def effect_own_reads():
    """Reading what one has opened itself stops nothing: a hundred thousand reads are a hundred events, not that many."""
    need("strace")
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
    freeze(["after:300ms"], ["/usr/bin/python3", "-c", "import time; time.sleep(1.5); print('slept')"])
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
    never = trace("-q", "-o", "other.snap", "--at", "path:/snap/here", "--skip", "4", GOING)
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
    nothing_left(b"SNAPTEST_OTHERS=%d" % os.getpid())
    script = f"{GOING} & wait; echo end; exit 3"
    ended = freeze(["path:/snap/here"], ["sh", "-c", script], "--in", "going", "--others=continue")
    t.check(ended.out.endswith(b"end\n"), ended)


def goes_on():
    """With --continue the program ends as without us, with nothing of us in it; and the image is one."""
    direct = t.run([GOING])
    wanted = direct.out.replace(b"break 0", b"break 1")
    for at in ("path:/snap/here", "main", "syscall:openat#2", "signal:USR2", "after:1h"):
        done = trace("-q", "--continue", "-o", "image.snap", "--at", at, GOING)
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
    done = trace("-o", "image.snap", "--continue", "--at", "path:/snap/here", "/usr/bin/python3", "-c", code)
    t.check(done.status == 125 and done.out == b"on\n" and b"socket" in done.err, done)
    t.check(not os.path.exists("image.snap"), "an image")


def attached(*options):
    """A heap on the break, and a thread that waits in a call: frozen from outside."""
    with subprocess.Popen([GOING_STATIC, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=t.PLAIN_ENV) as target:
        pid = int(target.stdout.readline())
        done = trace("-q", "-o", "image.snap", *options, "-p", str(pid))
        t.check(done.status == 0, done)
        if "--continue" in options:
            out, _ = target.communicate(b"go\n")
            t.check(target.returncode == 7 and b"TracerPid:\t0" in out and b"break 1, signal 0" in out, target.returncode, out)
        else:
            t.check(target.wait(60) == -9, target.returncode)
    for _ in range(3):
        again = t.run([t.SNAPRUN, "image.snap"], stdin=b"go\n")
        t.check(again.status == 7 and b"break 1, signal 0" in again.out, again)


def attached_point():
    """Attached, and frozen at a marker: every call is looked at."""
    with subprocess.Popen([GOING_STATIC, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=t.PLAIN_ENV) as target:
        pid = int(target.stdout.readline())
        with subprocess.Popen([t.SNAPTRACE, "-v", "-o", "image.snap", "--skip", "1", "--at", "path:/snap/here", "-p", str(pid)],
                              stderr=subprocess.PIPE) as tracer:
            t.check(any(b"attached" in line for line in tracer.stderr), "it is attached to")
            target.stdin.write(b"go\n")
            target.stdin.flush()
            t.check(tracer.wait(60) == 0, tracer.stderr.read())
        t.check(target.stdout.read() == b"marker 1\nmarker 2\n", "what the program wrote until then")
    again = t.run([t.SNAPRUN, "image.snap"])
    t.check(again.out.startswith(b"marker 3\nmarker 4\n"), again)


def attached_effect():
    """Of what was attached to, 0 to 2 count as inherited: reading standard input is an effect."""
    with subprocess.Popen([GOING_STATIC, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=t.PLAIN_ENV) as target:
        pid = int(target.stdout.readline())
        done = trace("-v", "--timeout", "60s", "-o", "image.snap", "--at", "effect", "-p", str(pid))
        t.check(done.status == 0 and b"at the point: read(0" in done.err, done)
    again = t.run([t.SNAPRUN, "image.snap"], stdin=b"go\n")
    t.check(again.status == 7, again)


def attached_churn():
    """Threads that are born while it is attached to, and so many events that there is never none to wait for."""
    with subprocess.Popen([CHURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=t.PLAIN_ENV) as target:
        try:
            pid = int(target.stdout.readline())
            for _ in range(5):
                done = trace("-q", "-o", "image.snap", "--continue", "-p", str(pid))
                t.check(done.status == 0, done)
            target.communicate(b"x", timeout=60)
            t.check(target.returncode == 7, target.returncode)
        finally:
            target.kill()
    again = t.run([t.SNAPRUN, "image.snap"], stdin=b"x")
    t.check(again.status == 7, again)


def clock_churn():
    """What goes by the clock is not late for all the events."""
    with subprocess.Popen([t.SNAPTRACE, "-q", "-o", "image.snap", "--at", "after:200ms", CHURN], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as tracer:
        t.check(tracer.wait(100) == 0, tracer.returncode)
    with subprocess.Popen([t.SNAPTRACE, "--timeout", "300ms", "--at", NEVER, CHURN], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as tracer:
        t.check(tracer.wait(100) == 124, tracer.returncode)


def tracer_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"TracerPid:\t(\d+)", file.read()).group(1))


def attached_wrong():
    t.one_line(trace("-p", "999999999"), 125, "no such process")
    t.one_line(trace("-p", "x"), 125, "-p")
    with subprocess.Popen([GOING_STATIC, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as target:
        pid = int(target.stdout.readline())
        t.one_line(trace("-p", str(pid), "--at", "main"), 125, "main", "begun")
        t.one_line(trace("-p", str(pid), "true"), 125, "attach")
        t.one_line(trace("-p", str(pid), "--at", "here", "--timeout", "200ms"), 124, "0.2 s")
        with subprocess.Popen([t.SNAPTRACE, "--at", "here", "-p", str(pid)], stderr=subprocess.PIPE) as tracer:
            while tracer_of(pid) != tracer.pid:
                time.sleep(0.01)
            tracer.send_signal(signal.SIGTERM)
            t.check(b"goes on" in tracer.stderr.read() and tracer.wait(60) != 0, tracer.returncode)
        t.check(tracer_of(pid) == 0, "it is traced still")
        out, _ = target.communicate(b"go\n")
        t.check(target.returncode == 7, target.returncode, out)


def timed_out():
    marker = b"SNAPTEST_TIMEOUT=%d" % os.getpid()
    env = {**t.PLAIN_ENV, "SNAPTEST_TIMEOUT": str(os.getpid())}
    for words in (["--at", NEVER], ["--at", "main", "--in", "nonesuch"], ["--log-exec=log"]):
        done = trace("--timeout", "300ms", *words, "sh", "-c", "sleep 1000 & sleep 1000", env=env)
        t.one_line(done, 124, "0.3 s")
        nothing_left(marker)


def wrong_options():
    for words, word in ((["--skip", "x"], "--skip"), (["--timeout", "0"], "--timeout"), (["--timeout", "soon"], "--timeout"),
                        (["--others=eat"], "--others"), (["--json"], "--log-exec"), (["--log-exec=/proc/nonexistent/x"], "/nonexistent/x"),
                        (["--log-exec="], "empty"), (["--at", "read:x"], "read:x"), (["--at", "after:x"], "after:x"),
                        (["--at", "signal:KILL"], "signal:KILL")):
        t.one_line(trace(*words, "true"), 125, word)


# --- with other tracers

def under_others():
    need("strace")
    env = {**t.PLAIN_ENV, "ASAN_OPTIONS": "detect_leaks=0"}  # which is what a sanitized build can't under ptrace
    done = t.run(["strace", "-o", "strace.log", t.SNAPTRACE, "-q", "-o", "image.snap", "true"], env=env)
    t.check(done.status == 0 and t.run([t.SNAPRUN, "image.snap"]).status == 0, done)
    followed = t.run(["strace", "-f", "-o", "strace.log", t.SNAPTRACE, "-o", "other.snap", "true"], env=env)
    t.one_line(followed, 125, "traced by process", "strace -f")
    inside = trace("--log-exec=log", t.SNAPTRACE, "-o", "other.snap", "true", env=env)
    lines = inside.err.decode().splitlines()
    t.check(inside.status == 125 and sum("traced by process" in line for line in lines) == 1, inside)
    tracing = trace("--log-exec=log", "strace", "-o", "strace.log", "true")
    t.check(tracing.status != 0 and sum(b"uses ptrace" in line for line in tracing.err.splitlines()) == 1, tracing)


def row(function, *arguments):
    return lambda: function(*arguments)


ROWS = {
    "log.vectors": log_vectors, "log.failures": log_failures, "log.odd": log_odd, "log.ends": log_ends, "log.stderr": log_to_stderr,
    "log.point": log_and_point, "ends-as-program": ends_as_program,
    "storm.logged": storm_logged, "storm.filtered": storm_filtered, "storm.every-call": storm_every_call,
    "jobs": jobs, "shell-inside": shell_inside,
    "output": output, "read": read_point, "read.copy": row(copy_read, "read:0", b"read(30"), "output.copy": output_copy, "signal": signal_point, "sleeping": sleeping,
    "idle": row(waits_for_input, "idle"), "after": row(waits_for_input, "after:700ms"),
    "several": several, "skip": skip_some, "skip.breakpoint": skip_breakpoint, "others": others,
    "continue": goes_on, "continue.refused": goes_on_refused,
    "attach": attached, "attach.continue": row(attached, "--continue"), "attach.point": attached_point,
    "attach.effect": attached_effect, "attach.churn": attached_churn, "clock.churn": clock_churn,
    "attach.wrong": attached_wrong, "timeout": timed_out, "wrong-options": wrong_options, "under-others": under_others,
    "effect.stdin": effect_stdin, "effect.fork": row(stops, "fork", "("),
    "effect.unlink": row(stops, "unlink", "unlink"),
    "effect.mknod": row(effect_makes_file, "mknod", "mknod"), "effect.mkdir": row(effect_makes_file, "mkdir", "mkdir"),
    "effect.write": row(effect_makes_file, "write", "openat"),
    "effect.bind": row(stops, "bind", "bind"), "effect.connect": row(stops, "connect", "connect"),
    "effect.sendto": row(stops, "sendto", "sendto"), "effect.netlink": row(stops, "netlink", "socket"),
    "effect.rights": row(stops, "rights", "sendmsg"), "effect.old-clone": row(stops, "old-clone", "clone"),
    "effect.turned": row(stops, "turned", "write"),
    "effect.copy-read": row(copy_read, "effect", b"read("), "effect.copy-moved": effect_copy_moved, "effect.map-file": row(stops, "map-file", "mmap"),
    "effect.set-pipe": row(stops, "set-pipe", "fcntl"),
    "effect.eventfd": effect_inherited_eventfd, "effect.siblings": effect_siblings,
    "effect.own-reads": effect_own_reads,
}
ROWS.update({f"effect.{word}": row(passes, word) for word in
             ("munmap", "mprotect", "fixed", "reserve", "many", "malloc", "tid", "read", "shared", "threads", "pipe", "pair",
              "events", "timers", "memfd", "null", "socket", "copied")})
ROWS.update({f"compare.{name}": row(compared, name) for name in TREES})

if __name__ == "__main__":
    t.main(ROWS)
