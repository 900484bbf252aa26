"""snaptrace is killed or interrupted at many moments: no stray process, no stray file, an older image untouched.

The test makes itself the one that orphans are given to, so every process of a run ends up as its child: one that
lives on shows as a wait that does not end.
"""
import ctypes
import os
import signal
import subprocess
import sys
import time

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


def start():
    """snaptrace on its way, in a session of its own; its output and the end that keeps the target from ending."""
    stdin, keep = os.pipe()
    process = subprocess.Popen(
        [t.SNAPTRACE, "-q", "-o", "image.snap", "--at", "path:/snap/here", "/usr/bin/python3", "-c", TARGET],
        env=t.PLAIN_ENV, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    os.close(stdin)
    return process, keep


def finish(process, keep, sent):
    """Collects the run: its status, and that nothing of it is left. True when the signal came before the end."""
    out, err = process.communicate(timeout=60)
    signal.alarm(60)  # a stray process would be waited for without an end
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    signal.alarm(0)
    os.close(keep)
    content = open("image.snap", "rb").read()
    t.check(set(os.listdir(".")) == {"image.snap"}, "left behind after", sent, os.listdir("."))
    if content != OLDER:
        t.check(t.run([t.SNAPIMG, "verify", "image.snap"]).status == 0, "a partial image after", sent)
    if process.returncode == 0:
        t.check(content != OLDER, "reported as written, but the older image is there")
        return False
    t.check(process.returncode == -sent, sent, "ended as", t.Result(process.returncode, out, err))
    t.check(err.count(b"\n") <= (0 if sent == signal.SIGKILL else 1), sent, "said", err)
    return True


def older():
    with open("image.snap", "wb") as file:
        file.write(OLDER)


def become_reaper():
    libc = ctypes.CDLL(None, use_errno=True)
    t.check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0, "prctl")


def sweep(sent, whole_group=False, steps=40):
    """The moments are spread over the time that an undisturbed run takes, so some fall into every phase of it."""
    become_reaper()
    older()
    began = time.monotonic()
    process, keep = start()
    t.check(not finish(process, keep, sent), "the undisturbed run")
    lasts = time.monotonic() - began
    cut_short = 0
    for step in range(steps):
        older()
        process, keep = start()
        time.sleep(lasts * 1.1 * step / steps)
        (os.killpg if whole_group else os.kill)(process.pid, sent)
        cut_short += finish(process, keep, sent)
    print(f"{sent.name}: {cut_short} of {steps} runs cut short, over {lasts * 1000:.0f} ms")
    t.check(cut_short >= steps // 4, "too few of the runs were cut short")


def at_events(sent):
    """At what the target itself says: it runs; it is filled and will come to the point at once."""
    become_reaper()
    for length in (0, 7, 14):
        for _ in range(4):
            older()
            process, keep = start()
            process.stdout.read(length)
            os.kill(process.pid, sent)
            finish(process, keep, sent)


def row(*arguments, function=sweep, **options):
    return lambda: function(*arguments, **options)


t.main({
    "sweep.kill": row(signal.SIGKILL),
    "sweep.interrupt": row(signal.SIGINT),
    "sweep.terminate": row(signal.SIGTERM, steps=20),
    "sweep.ctrl-c": row(signal.SIGINT, whole_group=True, steps=20),
    "events.kill": row(signal.SIGKILL, function=at_events),
    "events.interrupt": row(signal.SIGINT, function=at_events),
})
