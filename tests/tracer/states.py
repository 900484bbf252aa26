"""What happens to the target or to snaptrace in between: each end is defined, and nothing hangs."""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

STATES = os.path.join(t.BUILD, "tests/tracer/states")
TARGET = os.path.join(t.BUILD, "tests/tracer/target")
DONE = 7
NEVER = "syscall:reboot"
UNDER_STRACE = {**t.PLAIN_ENV, "ASAN_OPTIONS": "detect_leaks=0"}


def need_strace():
    if subprocess.run(["strace", "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        t.skip("strace is not installed, or may not trace here")


def start(*argv, **more):
    """A program that says its process id first."""
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=t.PLAIN_ENV, **more)
    return process, int(process.stdout.readline())


def state_of(pid):
    with open(f"/proc/{pid}/status") as file:
        text = file.read()
    return re.search(r"State:\t(\S)", text).group(1), int(re.search(r"TracerPid:\t(\d+)", text).group(1))


def until(condition, *what):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    t.check(False, "waited in vain for", *what)


def attached_killed(call):
    """SIGKILL to snaptrace -p at its Nth call of a kind, for many N: the process goes on as if nothing had been."""
    need_strace()
    target, pid = start(STATES, "waits")
    trace = [t.SNAPTRACE, "-q", "--no-cache", "--continue", "-o", "image.snap", "-p", str(pid)]
    done = t.run(["strace", "-o", "calls", "-e", f"trace={call}", *trace], env=UNDER_STRACE)
    t.check(done.status == 0, done)
    with open("calls", encoding="latin1") as file:
        count = sum(line.startswith(call + "(") for line in file)
    t.check(count > 20, "calls of", call, count)
    for number in range(1, count, max(1, count // 50)):
        t.run(["strace", "-o", "calls", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}", *trace],
              env=UNDER_STRACE)
        t.check(target.poll() is None, "killed at call", number, "of", count, "the target ended with", target.returncode)
        until(lambda: state_of(pid)[1] == 0, "the end of tracing")
    target.communicate(b"x", timeout=60)
    t.check(target.returncode == DONE, target.returncode)


def target_killed():
    """SIGKILL to a program with threads while it is frozen: one line says that it ended, and nothing hangs."""
    for delay in range(24):
        with subprocess.Popen([t.SNAPTRACE, "-v", "--no-cache", "--at", "path:/snap/here", "-o", "image.snap", STATES, "large"],
                              env=t.PLAIN_ENV, stderr=subprocess.PIPE) as tracer:
            line = tracer.stderr.readline()
            while b"is at the point" not in line:
                t.check(line, "it never came to the point")
                line = tracer.stderr.readline()
            time.sleep(delay * 0.002)
            with contextlib.suppress(ProcessLookupError):  # the image was made before
                os.kill(int(line.split()[2]), signal.SIGKILL)
            rest = tracer.stderr.read()
            status = tracer.wait(60)
            t.check(status in (0, 125), status, rest)
            if status == 125:
                # -v and warnings have lines of their own.
                t.check(rest.count(b"the program ended") == 1 and b"can't" not in rest, rest)


def first_stops(sent):
    """A signal to snaptrace just when wait has told of something, at each of its waits: it ends by it, at once."""
    need_strace()
    script = "for i in 1 2; do sh -c 'sleep 1000' & done; sleep 1000"
    for number in range(2, 26):
        done = t.run(["strace", "-o", "calls", "-e", "trace=waitid,wait4", "-e", f"inject=waitid,wait4:signal={sent.name}:when={number}",
                      t.SNAPTRACE, "-q", "--at", NEVER, "-o", "image.snap", "--timeout", "5s", "sh", "-c", script],
                     env=UNDER_STRACE, timeout=60)
        t.check(done.status in (-sent, 124), "at wait", number, done)


def train(sent):
    """A training run that never ends is ended with snaptrace."""
    with subprocess.Popen([t.SNAPTRACE, "-q", "--no-cache", "--at", "path:/snap/here", "--train", "x", "-o", "image.snap", STATES,
                           "trained"], env=t.PLAIN_ENV, stderr=subprocess.PIPE) as tracer:
        until(lambda: os.path.exists("trained"), "the training run")
        tracer.send_signal(sent)
        t.check(tracer.wait(60) == -sent and b"was written before" in tracer.stderr.read(), tracer.returncode)
    t.check(t.run([t.SNAPIMG, "verify", "image.snap"]).status == 0, "the image")


def breakpoint_killed(group):
    """SIGKILL to snaptrace -p, or to all of its process group, leaves no breakpoint in the process, which goes on."""
    code = "import os; print(os.getpid(), flush=True); os.read(0, 1); [os.getppid() for _ in range(1000)]; os._exit(7)"
    target, pid = start("/usr/bin/python3", "-c", code)
    with subprocess.Popen([t.SNAPTRACE, "-v", "--at", "libc.so.6:getppid", "--skip", "5000", "-o", "image.snap", "-p", str(pid)],
                          stderr=subprocess.PIPE, start_new_session=True) as tracer:
        told = [tracer.stderr.readline()]
        while told[-1] and b"a breakpoint at" not in told[-1]:
            told.append(tracer.stderr.readline())
        t.check(told[-1], told)
        (os.killpg if group else os.kill)(tracer.pid, signal.SIGKILL)
        rest = tracer.stderr.read()
        t.check(tracer.wait(60) == -signal.SIGKILL and b"goes on" in rest, tracer.returncode, rest)
    until(lambda: state_of(pid)[1] == 0, "the end of tracing")
    target.communicate(b"x", timeout=60)
    t.check(target.returncode == DONE, target.returncode)


def breakpoint_ended():
    """What waits for the tracer passes on the signals that it gets, and ends by them; it stops with it, too."""
    code = "import os; print(os.getpid(), flush=True); os.read(0, 1); [os.getppid() for _ in range(1000)]; os._exit(7)"
    target, pid = start("/usr/bin/python3", "-c", code)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with subprocess.Popen([t.SNAPTRACE, "-v", "--at", "libc.so.6:getppid", "--skip", "5000", "-o", "image.snap", "-p", str(pid)],
                              stderr=subprocess.PIPE) as tracer:
            while b"a breakpoint at" not in tracer.stderr.readline():
                t.check(tracer.poll() is None, tracer.returncode)
            if number == signal.SIGTERM:
                tracer.send_signal(signal.SIGTSTP)
                t.check(os.WIFSTOPPED(os.waitpid(tracer.pid, os.WUNTRACED)[1]), "the stop")
                tracer.send_signal(signal.SIGCONT)
            tracer.send_signal(number)
            rest = tracer.stderr.read()
            t.check(tracer.wait(60) == -number and b"goes on" in rest, tracer.returncode, rest)
        t.check(state_of(pid)[1] == 0, "it is traced still")
    done = t.run([t.SNAPTRACE, "-q", "--at", "libc.so.6:getppid", "--timeout", "100ms", "-o", "image.snap", "-p", str(pid)])
    t.check(done.status == 124, done)
    target.communicate(b"x", timeout=60)
    t.check(target.returncode == DONE, target.returncode)


def child_of_thread():
    """A child is seen whichever thread forked it."""
    refused = t.run([t.SNAPTRACE, "-q", "--tree=root", "--at", "path:/snap/here", "-o", "image.snap", STATES, "child-of-thread"])
    t.one_line(refused, 125, "a child process")


def stopped():
    """A process that is stopped is refused, and stays as it is; SIGCONT finds it well."""
    target, pid = start(STATES, "waits")
    os.kill(pid, signal.SIGSTOP)
    until(lambda: state_of(pid)[0] == "T", "the stop")
    for options in ((), ("--continue",)):
        refused = t.run([t.SNAPTRACE, "-q", *options, "-o", "image.snap", "-p", str(pid)], timeout=60)
        t.check(refused.status == 125 and b"a stopped program" in refused.err, refused)
        until(lambda: state_of(pid) == ("T", 0), "the stopped process as it was")
    os.kill(pid, signal.SIGCONT)
    target.communicate(b"x", timeout=60)
    t.check(target.returncode == DONE, target.returncode)


def in_vfork():
    """A thread that waits in vfork can't be stopped: it is refused, not waited for, and what was stopped goes on."""
    reader, writer = os.pipe()
    if reader != 3:
        os.dup2(reader, 3)
    target, pid = start(STATES, "in-vfork", pass_fds=(3,))
    t.check(target.stdout.readline() == b"vfork\n", "the vfork")
    for options in ((), ("--continue",)):
        refused = t.run([t.SNAPTRACE, "-q", *options, "--fd", "3=close", "-o", "image.snap", "-p", str(pid)], timeout=60)
        t.check(refused.status == 125 and b"vfork" in refused.err, refused)
        t.check(state_of(pid)[1] == 0, "it is traced still")
    os.close(writer)
    target.communicate(b"x", timeout=60)
    t.check(target.returncode == DONE, target.returncode)


def confined(who):
    """A sandbox that was made before the attach is found, whichever thread is in it; and none where there is none."""
    target = subprocess.Popen([STATES, "confined", who], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=t.PLAIN_ENV)
    said = target.stdout.readline().decode().strip()
    if not said.isdigit():
        t.skip(said)
    done = t.run([t.SNAPTRACE, "--no-cache", "--continue", "-o", "image.snap", "-p", said])
    if b"can't be seen" in done.err:
        t.check(done.status == 0, done)
        target.communicate(b"x", timeout=60)
        t.skip("this machine's rules for kcmp(2) hide it, which is told")
    if who == "nobody":
        t.check(done.status == 0 and b"landlock" not in done.err, done)
    else:
        t.one_line(done, 125, "a sandbox of landlock", f"of process {said}", "choose a point")
    target.communicate(b"x", timeout=60)
    t.check(target.returncode == DONE, target.returncode)


def overrun():
    """How often a timer was late is told, for it is not in the image; the timer is."""
    done = t.run([t.SNAPTRACE, "--no-cache", "--at", "path:/snap/here", "-o", "image.snap", STATES, "overrun"])
    t.check(done.status == 0 and b"overruns are not in the image" in done.err, done)
    t.same(t.restore("image.snap"), t.Result(DONE, b"", b""))


def attached_execs():
    """What a process that was attached to starts, or becomes, gets nothing of ours."""
    target, pid = start("/bin/sh", "-c", "echo $$; read x; env; exec env")
    with subprocess.Popen([t.SNAPTRACE, "-q", "--at", NEVER, "-o", "image.snap", "-p", str(pid)], stderr=subprocess.PIPE) as tracer:
        until(lambda: state_of(pid)[1] == tracer.pid, "the attach")
        out, _ = target.communicate(b"go\n", timeout=60)
        t.check(target.returncode == 0 and out.count(b"PATH=") == 2, out)
        t.check(b"SNAP" not in out and b"LD_PRELOAD" not in out, out)
        t.check(tracer.wait(60) == 1, tracer.returncode)


def attached_idle():
    """A shell whose child was there before isn't idle before that ended; and it is the shell that is frozen."""
    target, pid = start("/bin/sh", "-c", "echo $$; sleep 1.5; sleep 0.7; read x; echo got $x; exit 7")
    done = t.run([t.SNAPTRACE, "-q", "--no-cache", "--at", "idle", "-o", "image.snap", "-p", str(pid)], timeout=60)
    t.check(done.status == 0, done)
    target.communicate(timeout=60)
    again = t.run([t.SNAPRUN, "image.snap"], stdin=b"it\n")
    t.same(again, t.Result(DONE, b"got it\n", b""))


def after_execs():
    """A clock that has long to go isn't due between two programs of one process."""
    script = "i=$1; [ $i = 0 ] && exit 7; exec /bin/sh script $((i - 1))"
    with open("script", "w") as file:
        file.write(script + "\n")
    done = t.run([t.SNAPTRACE, "--at", "after:100s", "-o", "image.snap", "/bin/sh", "script", "250"])
    t.check(done.status == 1 and b"ended with status 7 before" in done.err, done)


# By the kernel's own list: the number, and which argument is the path.
CALLS = {"open_tree": (428, 1), "move_mount.from": (429, 1), "move_mount.to": (429, 3), "fspick": (433, 1), "fsconfig": (431, 3),
         "mount_setattr": (442, 1), "fanotify_mark": (301, 4), "setxattrat": (463, 1), "getxattrat": (464, 1),
         "listxattrat": (465, 1), "removexattrat": (466, 1), "open_tree_attr": (467, 1), "file_getattr": (468, 1),
         "file_setattr": (469, 1), "swapon": (167, 0), "swapoff": (168, 0), "acct": (163, 0), "quotactl": (179, 1),
         "pivot_root.put_old": (155, 1)}


def paths():
    """path: sees every call that takes one."""
    for name, (number, index) in CALLS.items():
        done = t.run([t.SNAPTRACE, "-v", "--no-cache", "--at", "path:/snap/here", "-o", "image.snap", STATES, "call", str(number),
                      str(index), "/snap/here"])
        t.check(done.status == 0 and f'{name.split(".")[0]}("/snap/here")'.encode() in done.err, name, done)



def odd_name():
    """The name of an executable is any bytes."""
    for name in (b"new\nline", b"a) R 1 (b", b"x (deleted)", b"\xff\xfe", b"[heap]"):
        with open(STATES, "rb") as source, open(name, "wb") as copy:
            copy.write(source.read())
        os.chmod(name, 0o755)
        image = os.fsencode(os.getcwd()) + b"/image.snap"
        done = t.run([t.SNAPTRACE, "-q", "--no-cache", "--at", "path:/snap/here", "-o", image, b"./" + name, "call", "21", "0", "/snap/here"])
        t.check(done.status == 0, name, done)
        t.check(t.run([t.SNAPRUN, image]).status == DONE, name)


FAKE = """#include <time.h>
#include <sys/stat.h>
time_t time(time_t *to) { if (to) *to = 1; return 1; }
int clock_gettime(clockid_t clock, struct timespec *to) { (void)clock; to->tv_sec = 1; to->tv_nsec = 0; return 0; }
int unlinkat(int directory, const char *path, int flags) { (void)directory; (void)path; (void)flags; return -1; }
"""
ASKS = """#include <stdio.h>
#include <time.h>
#include <unistd.h>
int main(void) { access("/snap/here", F_OK); printf("%ld\\n", (long)time(NULL)); return 0; }
"""


def preloaded():
    """A library that the caller preloads, as faketime does, is the program's; snaptrace itself hears the kernel."""
    for name, text, flags in (("fake", FAKE, ["-shared", "-fPIC", "-o", "fake.so"]), ("asks", ASKS, ["-o", "asks"])):
        with open(name + ".c", "w", encoding="utf-8") as file:
            file.write(text)
        made = t.run([t.CC, "-O1", "-w", *flags, name + ".c"])
        t.check(made.status == 0, made)
    env = {**t.PLAIN_ENV, "LD_PRELOAD": os.path.abspath("fake.so"),
           "ASAN_OPTIONS": "verify_asan_link_order=0"}
    t.freeze("image.snap", ["./asks"], at="path:/snap/here", env=env)
    t.same(t.restore("image.snap"), t.Result(0, b"1\n", b""))
    made = json.loads(t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out)
    t.check(made["created"] > 1_000_000_000, made["created"])


def traps():
    """The breakpoint after the calls that are made in a program takes nothing from what it has made of SIGTRAP."""
    for kind in ("ignored", "caught", "pending"):
        frozen = t.run([t.SNAPTRACE, "-q", "--no-cache", "--continue", "-o", kind, "--at", "path:/snap/here", STATES, "traps", kind])
        t.same(frozen, t.Result(DONE, b"", b""))
        t.same(t.restore(kind), t.Result(DONE, b"", b""))


t.main({
    "traps": traps,
    "attached-killed.ptrace": lambda: attached_killed("ptrace"),
    "attached-killed.wait": lambda: attached_killed("waitid"),
    "breakpoint-killed.alone": lambda: breakpoint_killed(False),
    "breakpoint-killed.group": lambda: breakpoint_killed(True),
    "breakpoint-ended": breakpoint_ended,
    "target-killed": target_killed,
    "first-stops.terminate": lambda: first_stops(signal.SIGTERM),
    "first-stops.hang-up": lambda: first_stops(signal.SIGHUP),
    "train.terminate": lambda: train(signal.SIGTERM),
    "train.hang-up": lambda: train(signal.SIGHUP),
    "train.interrupt": lambda: train(signal.SIGINT),
    "child-of-thread": child_of_thread,
    "stopped": stopped,
    "in-vfork": in_vfork,
    "confined.itself": lambda: confined("itself"),
    "confined.thread": lambda: confined("thread"),
    "confined.nobody": lambda: confined("nobody"),
    "overrun": overrun,
    "attached-execs": attached_execs,
    "attached-idle": attached_idle,
    "after-execs": after_execs,
    "paths": paths,
    "odd-name": odd_name,
    "preloaded": preloaded,
})
