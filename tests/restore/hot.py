"""What a run uses is noted in the image, and made in batches at later starts."""
import json
import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402


def hot(image):
    """(records, pages written) of an image."""
    told = t.run([t.SNAPIMG, "info", "--json", image])
    t.check(told.status == 0, told)
    pages = json.loads(told.out)["hot"]
    return pages["ranges"], pages["written"]


def heap():
    t.freeze("image.snap", [t.program("heap-pie")], at="path:/snap/here")
    t.check(hot("image.snap") == (0, 0), "hot before any run")


def whole(image):
    verified = t.run([t.SNAPIMG, "verify", image])
    t.check(verified.status == 0, verified)
    again = t.restore(image)
    t.check(again.status == 0 and again.out.endswith(b" MB\n"), again)


def hot_recorded():
    """The program runs as ever; the image is as good as before and knows its pages."""
    heap()
    os.chmod("image.snap", 0o640)
    done = t.restore("image.snap", options=["--record-hot"])
    t.check(done.status == 0 and done.out.endswith(b" MB\n") and b"pages" in done.err, done)
    ranges, written = hot("image.snap")
    t.check(ranges > 0 and written > 100, "ranges", ranges, "written", written)
    t.check(os.stat("image.snap").st_mode & 0o777 == 0o640, "the image's mode")
    whole("image.snap")


def hot_kept():
    """Thawing and freezing keep what is known, and another run adds to it."""
    heap()
    t.check(t.restore("image.snap", options=["-q", "--record-hot"]).status == 0, "record")
    first = hot("image.snap")
    for command, source, target in (("thaw", "image.snap", "thawed.snap"), ("freeze", "thawed.snap", "frozen.snap")):
        done = t.run([t.SNAPIMG, command, source, "-o", target])
        t.check(done.status == 0 and hot(target) == first, command, done, hot(target), first)
        whole(target)
    t.check(t.restore("thawed.snap", options=["-q", "--record-hot"]).status == 0, "record again")
    t.check(hot("thawed.snap")[1] >= first[1], "fewer pages", hot("thawed.snap"), first)
    whole("thawed.snap")


def hot_elsewhere():
    """-o: the image stays as it was."""
    heap()
    with open("image.snap", "rb") as file:
        before = file.read()
    done = t.run([t.SNAPTRACE, "-q", "-o", "hot.snap", "--record-hot", "image.snap"])
    with open("image.snap", "rb") as file:
        t.check(done.status == 0 and file.read() == before and hot("hot.snap")[0] > 0, done)
    whole("hot.snap")


WAITS = """
import os, signal, sys
os.path.exists("/snap/here")
sys.stdout.write("up\\n"); sys.stdout.flush()
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGUSR1)
"""


def hot_for_a_time():
    """--record-for: a server is looked at while it runs, and goes on; its end is snaprun's."""
    t.freeze("image.snap", ["/usr/bin/python3", "-c", WAITS], at="path:/snap/here")
    seconds = 1
    while not was_up_at_the_look(seconds):
        seconds *= 2
    t.check(hot("image.snap")[0] > 0, "nothing was recorded")


def was_up_at_the_look(seconds):
    """Whether the program was up before the time was over, so that the look can have seen what it uses."""
    with t.subprocess.Popen([t.SNAPRUN, "-q", "--record-for", f"{seconds}s", "image.snap"], stdin=t.subprocess.PIPE,
                            stdout=t.subprocess.PIPE, env=t.PLAIN_ENV) as server:
        t.check(server.stdout.readline() == b"up\n", "it did not start")
        up_before = not looked(server.pid)
        while server.poll() is None and not looked(server.pid):
            time.sleep(0.01)
        server.stdin.write(b"\n")
        server.stdin.close()
        t.check(server.wait(60) == -signal.SIGUSR1, server.returncode)
    return up_before


def looked(pid):
    """No tracer holds the program any more."""
    children = f"/proc/{pid}/task/{pid}/children"
    with open(children) as file:
        words = file.read().split()
    if not words:
        return False
    with open(f"/proc/{words[0]}/status") as file:
        return "TracerPid:\t0\n" in file.read()


def hot_trained():
    """--train: the first guess, with other arguments, that shows nothing of these runs."""
    done = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", "main", "--train", "one 'two words'", "--train", "",
                  t.program("args-pie")])
    t.check(done.status == 0 and done.out == b"", done)
    t.check(hot("image.snap")[0] > 0, "nothing was recorded")
    t.check(b"two words" in t.restore("image.snap", ["two words"]).out, "the image with other arguments")


def hot_descriptors():
    """The run that is recorded has the descriptors of any other."""
    t.freeze("image.snap", ["/bin/sh", "-c", "[ -e /snap/here ]; echo /proc/self/fd/*"], at="path:/snap/here")
    without, recorded = t.restore("image.snap"), t.restore("image.snap", options=["-q", "--record-hot"])
    t.check(without.status == 0 and without.out.startswith(b"/proc/self/fd/0 "), without)
    t.same(recorded, without)


def hot_refused():
    heap()
    t.one_line(t.run([t.SNAPTRACE, "--record-hot", "--at", "main", "image.snap"]), 125, "--record-hot")
    t.one_line(t.run([t.SNAPTRACE, "--record-hot", "none.snap"]), 127, "none.snap")
    with open("not.snap", "w") as file:
        file.write("no image")
    t.one_line(t.run([t.SNAPTRACE, "--record-hot", "not.snap"]), 125, "not.snap")
    for words in (["--same-ids"], ["--fd", "5=null"], ["--on-mismatch=warn"], ["--fallback"]):
        t.one_line(t.restore("image.snap", options=["--record-hot", *words]), 125, "--record-hot", "leave the others out")
    os.mkdir("alone")
    shutil.copy(t.SNAPRUN, "alone/snaprun")
    t.one_line(t.run(["alone/snaprun", "--record-hot", "image.snap"]), 125, "snaptrace", "beside")


ROWS = {row.__name__: row for row in (hot_recorded, hot_kept, hot_elsewhere, hot_for_a_time, hot_trained, hot_descriptors, hot_refused)}

if __name__ == "__main__":
    t.main(ROWS)
