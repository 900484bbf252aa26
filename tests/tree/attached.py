"""Attached to with -p: what runs already is frozen from outside, and may go on."""
import functools
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = os.path.join(t.BUILD, "tests/tree")
GOING_STATIC, CHURN = (os.path.join(HERE, name) for name in ("going-static", "churn"))
NEVER = "syscall:reboot"


def attached(*options):
    """A heap on the break, and a thread that waits in a call: frozen from outside."""
    with subprocess.Popen([GOING_STATIC, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=t.PLAIN_ENV) as target:
        pid = int(target.stdout.readline())
        done = t.trace("-q", "-o", "image.snap", *options, "-p", str(pid))
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
        done = t.trace("-v", "--timeout", "60s", "-o", "image.snap", "--at", "effect", "-p", str(pid))
        t.check(done.status == 0 and b"at the point: read(0" in done.err, done)
    again = t.run([t.SNAPRUN, "image.snap"], stdin=b"go\n")
    t.check(again.status == 7, again)


def attached_churn():
    """Threads that are born while it is attached to, and so many events that there is never none to wait for."""
    with subprocess.Popen([CHURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=t.PLAIN_ENV) as target:
        try:
            pid = int(target.stdout.readline())
            for _ in range(5):
                done = t.trace("-q", "-o", "image.snap", "--continue", "-p", str(pid))
                t.check(done.status == 0, done)
            target.communicate(b"x", timeout=60)
            t.check(target.returncode == 7, target.returncode)
        finally:
            target.kill()
    again = t.run([t.SNAPRUN, "image.snap"], stdin=b"x")
    t.check(again.status == 7, again)


def tracer_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"TracerPid:\t(\d+)", file.read()).group(1))


def attached_wrong():
    t.one_line(t.trace("-p", "999999999"), 125, "no such process")
    t.one_line(t.trace("-p", "x"), 125, "-p")
    with subprocess.Popen([GOING_STATIC, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as target:
        pid = int(target.stdout.readline())
        t.one_line(t.trace("-p", str(pid), "--at", "main"), 125, "main", "begun")
        t.one_line(t.trace("-p", str(pid), "true"), 125, "attach")
        t.one_line(t.trace("-p", str(pid), "--at", "here", "--timeout", "200ms"), 124, "0.2 s")
        with subprocess.Popen([t.SNAPTRACE, "--at", "here", "-p", str(pid)], stderr=subprocess.PIPE) as tracer:
            while tracer_of(pid) != tracer.pid:
                time.sleep(0.01)
            tracer.send_signal(signal.SIGTERM)
            t.check(b"goes on" in tracer.stderr.read() and tracer.wait(60) != 0, tracer.returncode)
        t.check(tracer_of(pid) == 0, "it is traced still")
        out, _ = target.communicate(b"go\n")
        t.check(target.returncode == 7, target.returncode, out)


ROWS = {
    "attach": attached, "attach.continue": functools.partial(attached, "--continue"), "attach.point": attached_point,
    "attach.effect": attached_effect, "attach.churn": attached_churn, "attach.wrong": attached_wrong,
}

if __name__ == "__main__":
    t.main(ROWS)
