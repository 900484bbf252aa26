"""snaptrace is killed or interrupted wherever it is: no stray process, no stray file, an older image untouched.

The test makes itself the one that orphans are given to, so every process of a run ends up as its child: one that
lives on shows as a wait that does not end.
"""
import collections
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PR_SET_CHILD_SUBREAPER = 36
OLDER = b"an older image, which must stay as it is"
# Says that it runs, makes much memory, has a child for a while, comes to the point, and then never ends by itself.
TARGET = """
import os, subprocess
os.write(1, b'started')
memory = os.urandom(1 << 20) * 24
subprocess.run(['/bin/true'])
os.write(1, b'filled.')
os.path.exists('/snap/here')
os.read(0, 1)
"""


def start(under=()):
    """snaptrace on its way, in a session of its own; its output and the end that keeps the target from ending."""
    stdin, keep = os.pipe()
    process = subprocess.Popen(
        [*under, t.SNAPTRACE, "-q", "-o", "image.snap", "--at", "path:/snap/here", "/usr/bin/python3", "-c", TARGET],
        env=t.PLAIN_ENV, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    os.close(stdin)
    return process, keep


def wait_for_all():
    signal.alarm(60)  # a stray process would be waited for without an end
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    signal.alarm(0)


def finish(process, keep, sent, when):
    """Collects the run: its status, and that nothing of it is left. A signal may come when the image is written."""
    out, err = process.communicate(timeout=60)
    wait_for_all()
    os.close(keep)
    content = open("image.snap", "rb").read()
    t.check(set(os.listdir(".")) == {"image.snap"}, "left behind after", sent, when, os.listdir("."))
    if content != OLDER:
        t.check(t.run([t.SNAPIMG, "verify", "image.snap"]).status == 0, "a partial image after", sent, when)
    if process.returncode == 0:
        t.check(content != OLDER, "reported as written, but the older image is there")
        return
    t.check(process.returncode == -sent, sent, when, "ended as", t.Result(process.returncode, out, err))
    t.check(err.count(b"\n") <= (0 if sent == signal.SIGKILL else 1), sent, when, "said", err)


def older():
    with open("image.snap", "wb") as file:
        file.write(OLDER)


def become_reaper():
    libc = ctypes.CDLL(None, use_errno=True)
    t.check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0, "prctl")


def calls_of_a_run():
    """(name, how often) of each system call that snaptrace's first thread makes in an undisturbed run."""
    older()
    with tempfile.NamedTemporaryFile("r", errors="replace") as log:
        process, keep = start(["strace", "-o", log.name])
        out, err = process.communicate(timeout=60)
        os.close(keep)
        if process.returncode != 0:
            t.skip(f"strace can't run snaptrace here: {t.Result(process.returncode, out, err)}")
        return collections.Counter(re.findall(r"^(\w+)\(", log.read(), re.MULTILINE)).items()


def at_calls(sent, occurrences):
    """The signal is sent by strace as snaptrace enters a system call: some of each name, so that all it does is met."""
    if not shutil.which("strace"):
        t.skip("no strace here")
    become_reaper()
    for name, count in sorted(calls_of_a_run()):
        for occurrence in sorted({wanted(count) for wanted in occurrences}):
            older()
            process, keep = start(["strace", "-o", "/dev/null", "-e", f"trace={name}",
                                   "-e", f"inject={name}:signal={sent.name}:when={occurrence}"])
            finish(process, keep, sent, f"at call {occurrence} of {count} of {name}")


FIRST, MIDDLE, LAST = (lambda count: 1), (lambda count: (count + 1) // 2), (lambda count: count)


def at_events(sent, whole_group=False):
    """At what the target itself says: it runs; it is filled and will come to the point at once."""
    become_reaper()
    for length in (0, 7, 14):
        for _ in range(4):
            older()
            process, keep = start()
            process.stdout.read(length)
            (os.killpg if whole_group else os.kill)(process.pid, sent)
            finish(process, keep, sent, f"after {length} bytes")


def at_replacing():
    """An older file is replaced in two steps, between which the new one has a hidden name: SIGKILL comes there."""
    if not shutil.which("strace"):
        t.skip("no strace here")
    become_reaper()
    t.freeze("image.snap", ["/bin/true"])
    os.rename("image.snap", "true.snap")
    for whole_group in (False, True):
        os.makedirs("there")
        with open("there/image.run", "wb") as file:
            file.write(OLDER)
        # Long enough for this test to send its signal: were it too short, nothing would be proven, and nothing fail.
        process = subprocess.Popen(
            ["strace", "-f", "-o", "log", "-e", "trace=clone,renameat", "-e", "inject=renameat:delay_enter=1000000",
             t.SNAPIMG, "runnable", "true.snap", "-o", "there/image.run"], start_new_session=True)
        while len(os.listdir("there")) == 1 and process.poll() is None:
            pass
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            os.kill(int(open("log").read().split()[0]), signal.SIGKILL)
        process.wait()
        wait_for_all()
        t.check(os.listdir("there") == ["image.run"], "left behind", os.listdir("there"))
        t.check(open("there/image.run", "rb").read(4) == b"\x7fELF", "the new file is not in its place")
        shutil.rmtree("there")


def row(function, *arguments, **options):
    return lambda: function(*arguments, **options)


t.main({
    "calls.kill": row(at_calls, signal.SIGKILL, (FIRST, LAST)),
    "calls.interrupt": row(at_calls, signal.SIGINT, (FIRST,)),
    "calls.terminate": row(at_calls, signal.SIGTERM, (MIDDLE,)),
    "replacing.kill": at_replacing,
    "events.kill": row(at_events, signal.SIGKILL),
    "events.interrupt": row(at_events, signal.SIGINT),
    "events.ctrl-c": row(at_events, signal.SIGINT, whole_group=True),
})
