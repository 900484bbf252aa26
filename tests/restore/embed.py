"""Files that are embedded for the program to open later (snaptrace --embed), seen with snaprun --root=image."""
import contextlib
import json
import os
import shutil
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = "path:/snap/here"
PYTHON = "/usr/bin/python3"
LARGE = 3 << 20
INSIDE = ["unshare", "-m"] if t.IS_ROOT else ["unshare", "-U", "-r", "-m"]
# What it finds after the point: each path with its kind, mode, time and content's hash.
LOOK = """
import hashlib, os, sys
os.path.exists('/snap/here')
for name in sys.argv[1:]:
    for place, directories, files in sorted(os.walk(name)) if os.path.isdir(name) else [('', [], [name])]:
        print(place, sorted(directories), sorted(files))
        for path in (os.path.join(place, file) for file in sorted(files)):
            if os.path.islink(path):
                print(path, '->', os.readlink(path))
            else:
                status = os.stat(path)
                with open(path, 'rb') as file:
                    print(path, oct(status.st_mode), status.st_size, status.st_mtime_ns, hashlib.sha256(file.read()).hexdigest())
"""


def make(name="data"):
    os.makedirs(f"{name}/below/empty")
    with open(f"{name}/text", "w", encoding="ascii") as file:
        file.write("a text\n")
    os.chmod(f"{name}/text", 0o640)
    os.utime(f"{name}/text", ns=(1, 1234567890123456789))
    with open(f"{name}/below/large", "wb") as file:
        file.write(bytes(range(256)) * (LARGE // 256))
        file.seek(LARGE, os.SEEK_CUR)  # a hole
        file.write(b"end")
    open(f"{name}/nothing", "wb").close()
    os.symlink("below/large", f"{name}/link")


def program(*names):
    return [PYTHON, "-c", LOOK, *(os.path.abspath(name) for name in names)]


def freeze(embedded, argv=None, options=(), image="image.snap"):
    argv = argv or program(*embedded)
    t.freeze(image, argv, at=HERE, options=[*options, *(f"--embed={name}" for name in embedded)])


def start(*words, image="image.snap", **more):
    """With the image's root; skips where the kernel lets this user have none."""
    started = t.restore(image, options=["--root=image", *words], **more)
    if b"no mount namespace can be made" in started.err:
        t.skip(started.err.decode())
    return started


@contextlib.contextmanager
def away(name):
    os.rename(name, "elsewhere")
    yield
    os.rename("elsewhere", name)


def directory():
    """All of a directory is there, as it was: modes, times, links, holes; from a frozen and a thawed image."""
    make()
    freeze(["data"], options=["--self-contained"])
    t.verify("image.snap")
    t.check(t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"]).status == 0, "not thawed")
    wanted = t.run(program("data"))
    with away("data"):
        t.same(start(), wanted)
        t.same(start(image="thawed.snap"), wanted)
        t.check(not os.path.exists("data"), "it is on the machine now")
        without = t.restore("image.snap")
        t.check(without.out != wanted.out, "it is there without --root=image")


def file():
    """One file; what the machine has of that name is not looked at; all else is the machine's own, and may be written."""
    make()
    os.mkdir("own")
    freeze(["data/text", "./data//below/large"], argv=program("data/text", "data/below/large"))
    wanted = t.run(program("data/text", "data/below/large"))
    with open("data/text", "w", encoding="ascii") as other:
        other.write("another\n")
    t.same(start(), wanted)
    script = ("import os\nos.path.exists('/snap/here')\nprint(open('data/text').read(), end='')\n"
              "open('own/new', 'w').write('written')\nprint(open('data/nothing').read() == '', os.listdir('own'))\n"
              "try: open('data/new', 'w')\nexcept OSError as error: print(error.strerror)\n")
    freeze(["data/text"], argv=[PYTHON, "-c", script])
    with open("data/text", "w", encoding="ascii") as other:
        other.write("a third\n")
    os.remove("data/nothing")
    open("data/nothing", "w").close()
    t.same(start(), t.Result(0, b"another\nTrue ['new']\nRead-only file system\n", b""))
    t.check(os.listdir("own") == ["new"] and not os.path.exists("data/new"), os.listdir("own"))


def others():
    """The entries of the root and of directories on the way are all there, and of their kinds."""
    make()
    script = ("import os\nos.path.exists('/snap/here')\n"
              "for at in ('/', '.', 'data'): print(sorted((e.name, e.is_symlink(), e.is_dir()) for e in os.scandir(at)))\n"
              "print(os.path.exists('/proc/self/stat'), os.path.exists('/dev/null'), open('/dev/null', 'w').write('x'), os.getcwd())")
    freeze(["data/text"], argv=[PYTHON, "-c", script])
    t.same(start(), t.run([PYTHON, "-c", script]))


def ids():
    """With the recorded IDs, too, in their own namespace."""
    make()
    t.need_pid_namespace()
    freeze(["data"])
    wanted = t.run(program("data"))
    with away("data"):
        t.same(start("--ids=same"), wanted)


def runnable():
    """The runnable file alone, in a root that has nothing else and can't be written: SNAP_OPTIONS=--root=image."""
    make()
    os.mkdir("bare")
    made = t.run([t.SNAPTRACE, "-q", "--no-cache", "--self-contained", "--runnable", "-o", "bare/program.run", "--at", HERE,
                  "--embed=data", "--", *program("data")])
    t.check(made.status == 0, made)
    wanted = t.run(program("data"))
    script = "mount --bind bare bare && cd bare && SNAP_OPTIONS=--root=image exec chroot . /program.run"
    if t.run([*INSIDE, "true"]).status != 0:
        t.skip("needs a mount namespace, and this user may make none here")
    with away("data"):
        t.same(t.run([*INSIDE, "sh", "-c", script]), wanted)


def described():
    make()
    freeze(["data"])
    text = t.run([t.SNAPIMG, "info", "image.snap"]).out.decode()
    for word in ("/data/text: 7 bytes", "/data/link, a link to below/large", "/data/below/empty/"):
        t.check(word in text, word, text)
    document = json.loads(t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out)
    found = {entry["path"][len(os.getcwd()):]: entry["kind"] for entry in document["root"]}
    t.check(found == {"/data": "directory", "/data/below": "directory", "/data/below/empty": "directory", "/data/below/large": "file",
                      "/data/link": "link", "/data/nothing": "file", "/data/text": "file"}, found)


def refused():
    """One line for each that can't be embedded; the program isn't even started."""
    make()
    os.symlink("data", "linked")
    os.symlink("nowhere", "broken")
    os.truncate(os.open("huge", os.O_CREAT | os.O_WRONLY), 5 << 30)
    os.mkfifo("fifo")
    os.mkdir("mixed")
    socket.socket(socket.AF_UNIX).bind("mixed/socket")
    for name, *words in (("../x", "`..`"), ("data/../data/text", "`..`"), ("data/..", "`..`"), ("/dev/null", "/dev", "machine"),
                         ("/proc/self/maps", "/proc"), ("/dev", "/dev"), ("/sys/kernel", "/sys"), ("linked", "symbolic link", "/data"),
                         ("linked/text", "symbolic link", "/data/text"), ("broken", "symbolic link"), ("huge", "1 GiB"),
                         ("fifo", "neither"), ("mixed", "socket", "neither"), ("missing", "No such file"), ("/", "whole root")):
        result = t.run([t.SNAPTRACE, "-o", "image.snap", f"--embed={name}", "--at", HERE, "/bin/echo", "started"])
        t.one_line(result, 125, "--embed", *words, tool="snaptrace")
        t.check(not os.path.exists("image.snap"), name)


def not_here():
    """Where it can't be shown a line says so, and the program isn't started."""
    make()
    freeze(["data"])
    denied = t.run([t.program("denied-pie"), t.SNAPRUN, "--root=image", "image.snap"])
    t.one_line(denied, 125, "--root=image", "no mount namespace", tool="snaprun")
    t.freeze("plain.snap", [PYTHON, "-c", LOOK], at=HERE)
    t.one_line(t.restore("plain.snap", options=["--root=image"]), 125, "no files are embedded", "--embed", tool="snaprun")
    t.one_line(t.restore("image.snap", options=["--root=other"]), 125, "--root", "other", tool="snaprun")
    shutil.rmtree("data")
    os.symlink("/etc", "data")
    result = start()
    t.one_line(result, 125, "--root=image", "/data", "no directory here", tool="snaprun")


def all_missing():
    """As an ordinary start: without --root=image the files that were mapped or read are named, not those embedded."""
    make()
    freeze(["data"])
    with away("data"):
        t.check(t.run([t.SNAPRUN, "--check", "image.snap"]).status == 0, "a start needs them")


ROWS = {"embed.directory": directory, "embed.file": file, "embed.others": others, "embed.ids": ids, "embed.runnable": runnable,
        "embed.info": described, "refused_embed": refused, "embed.not_here": not_here, "embed.check": all_missing}

if __name__ == "__main__":
    t.main(ROWS)
