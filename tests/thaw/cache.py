#!/usr/bin/python3
"""The cache of thawed copies: made at the first start, used at the next ones, and never in the way."""
import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PROGRAM = os.path.join(t.BUILD, "tests/thaw/given_back-pie")
EDIT = os.path.join(t.BUILD, "tests/restore/edit_image")
SAID = t.Result(0, b"as anonymous memory is\n", b"")


def frozen():
    t.freeze("image.snap", [PROGRAM], at="path:/snap/here")
    t.check(os.path.getsize("image.snap") > 128 << 10, "the image is too small for the cache")
    return {**t.PLAIN_ENV, "SNAP_CACHE": os.path.abspath("cache")}


def digest(image="image.snap"):
    return json.loads(t.run([t.SNAPIMG, "verify", "--json", image]).out)["digest"]


def copies(directory="cache"):
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []


def start(env, options=(), wanted=SAID):
    t.same(t.restore("image.snap", env=env, options=options), wanted)


def uses_copy(env):
    """A start reads nothing of the copy but its records; it is told by the calls."""
    traced = t.run(["strace", "-f", "-e", "trace=openat,execve", t.SNAPRUN, "image.snap"], env=env)
    if b"PTRACE" in traced.err:
        t.skip("strace cannot trace here")
    return b'.snap", O_RDONLY|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC) = ' in traced.err and b"snapimg" not in traced.err


def made_and_used():
    env = frozen()
    start(env)
    t.check(copies() == [digest() + ".snap"], copies())
    status = os.stat("cache"), os.stat("cache/" + copies()[0])
    t.check([s.st_mode & 0o777 for s in status] == [0o700, 0o600], status)
    t.check(uses_copy(env), "the copy is not used")
    start(env)
    t.check(json.loads(t.run([t.SNAPIMG, "verify", "--json", "cache/" + copies()[0]]).out)["content"] ==
            json.loads(t.run([t.SNAPIMG, "verify", "--json", "image.snap"]).out)["content"], "other content")


def made_by_snaptrace():
    """The copy is there before the first start, unless it is not wanted, and is of the image as it is after --train."""
    env = {**t.PLAIN_ENV, "SNAP_CACHE": os.path.abspath("cache")}
    t.freeze("image.snap", [PROGRAM], at="path:/snap/here", env=env, options=["--no-cache"])
    t.freeze("image.snap", [PROGRAM], at="path:/snap/here", env={**env, "SNAP_CACHE": "off"})
    t.check(copies() == [], "a copy that nobody wanted", copies())
    t.freeze("image.snap", [PROGRAM], at="path:/snap/here", env=env, options=["--train", ""])
    t.check(copies() == [digest() + ".snap"], copies())
    t.check(uses_copy(env), "the copy is not used")


def same_process():
    """The process that makes the copy is the program afterwards: the same process ID, arguments, descriptors and umask."""
    code = ("import os, sys; os.path.exists('/snap/here'); sys.stdout.write(f'{os.getpid()} {sys.stdin.read()} '"
            "+ open('/proc/self/cmdline').read().replace('\\0', ' ') + ' '.join(os.listdir('/proc/self/fd'))); sys.exit(os.umask(0) != 0o077)")
    t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at="path:/snap/here")
    env = {**t.PLAIN_ENV, "SNAP_CACHE": os.path.abspath("cache")}
    for _ in range(2):
        process = subprocess.Popen([t.SNAPRUN, "--ids=new", "image.snap", "-c", code, "two words", "--exec"], env=env, umask=0o077,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(b"given")
        wanted = f"{process.pid} given /usr/bin/python3 -c {code} two words --exec 0 1 2 3".encode()
        t.same(t.Result(process.returncode, out, err), t.Result(0, wanted, b""))
        t.check(len(copies()) == 1, copies())


def off():
    env = frozen()
    start({**env, "SNAP_CACHE": "off"})
    start(env, ["--cache=off"])
    t.check(copies() == [], copies())
    start({**env, "SNAP_CACHE": "off"}, ["--cache", os.path.abspath("other")])
    t.check(len(copies("other")) == 1 and copies() == [], copies("other"))
    os.mkdir("home")
    start({**t.PLAIN_ENV, "HOME": os.path.abspath("home")})
    t.check(len(copies("home/.cache/snaptrace")) == 1, "not in ~/.cache")
    os.mkdir("xdg")
    start({**t.PLAIN_ENV, "XDG_CACHE_HOME": os.path.abspath("xdg"), "HOME": "/nonexistent"})
    t.check(len(copies("xdg/snaptrace")) == 1, "not in XDG_CACHE_HOME")
    t.one_line(t.restore("image.snap", options=["--cache=relative"]), 125, "--cache", tool="snaprun")


def in_nobodys_way():
    """No home, no room, no tool, a directory that others can write to or that is a link: it starts all the same."""
    env = frozen()
    start({})
    start({**t.PLAIN_ENV, "HOME": "/nonexistent/none"})
    t.check(not os.path.exists("/nonexistent/none"), "a home was made")
    start({**env, "SNAP_CACHE_LIMIT": "1M"})
    t.check(copies() == [], "a copy above the limit", copies())
    for mode in (0o770, 0o707):
        shutil.rmtree("cache", ignore_errors=True)
        os.mkdir("cache")
        os.chmod("cache", mode)
        start(env)
        t.check(copies() == [], oct(mode), copies())
    os.rmdir("cache")
    os.mkdir("real", 0o700)
    os.symlink("real", "cache")
    start(env)
    t.check(copies("real") == [], "a link was followed")
    os.unlink("cache")
    os.mkdir("bin")
    shutil.copy(t.SNAPRUN, "bin/snaprun")
    t.same(t.run(["bin/snaprun", "image.snap"], env=env), SAID)
    t.check(copies() == [], copies())


def file_size_limit():
    """A copy that can't be written for a limit on file sizes does not end the program."""
    import resource
    env = frozen()
    limit = (1 << 20, resource.RLIM_INFINITY)
    t.same(t.run([t.SNAPRUN, "image.snap"], env=env, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)), SAID)
    t.check(copies() == [], copies())


def strange_copies():
    """A copy that is damaged, of another image, someone else's to write, a link or no file at all is not started from."""
    env = frozen()
    start(env)
    path = "cache/" + copies()[0]
    with open(path, "rb") as file:
        good = file.read()
    with open(path, "r+b") as file:
        file.seek(len(good) - 3)
        file.write(b"\xff\xff\xff")
    damaged = t.restore("image.snap", env=env)
    t.check(damaged.status == 0 and damaged.out == SAID.out and b"damaged: removed" in damaged.err, damaged)
    with open(path, "rb") as file:
        t.check(file.read() == good, "it was not made again")
    shutil.copy(path, "of-image.snap")
    t.freeze("image.snap", [PROGRAM, "another"], at="path:/snap/here")
    other = f"cache/{digest()}.snap"
    shutil.copy("of-image.snap", other)
    replaced = t.restore("image.snap", env=env)
    t.check(replaced.status == 0 and b"damaged: removed" in replaced.err, replaced)
    start(env)
    os.chmod(other, 0o622)
    t.check(not uses_copy(env), "others can write to the copy")
    os.unlink(other)
    os.rename(path, "elsewhere.snap")
    os.symlink(os.path.abspath("elsewhere.snap"), other)
    t.check(not uses_copy(env), "the copy is a link")


def other_boot():
    """A copy that nobody waited for to be on the disk is used in its own boot only, and made again in another, which needs no
    word; one that `snapimg cache add` made is synced, and goes on."""
    env = frozen()
    start(env)
    path = "cache/" + copies()[0]
    edited = t.run([EDIT, path, "edited.snap", "boot"])
    if b"no section" in edited.err:
        t.skip("this filesystem's copies are synced")
    t.check(edited.status == 0, edited)
    shutil.copy("edited.snap", path)
    t.check(not uses_copy(env), "a copy of another boot is used")
    t.check(t.run([EDIT, path, "edited.snap", "boot"]).status == 0 and uses_copy(env), "it was not made again")
    shutil.rmtree("cache")
    t.check(t.run([t.SNAPIMG, "cache", "add", "image.snap", "--dir", os.path.abspath("cache")]).status == 0, "cache add")
    t.check(b"no section" in t.run([EDIT, path, "edited.snap", "boot"]).err and uses_copy(env), "it was not synced")


def verify():
    """--verify finds a changed page of a copy, removes that, and starts from the image."""
    env = frozen()
    start(env)
    path = "cache/" + copies()[0]
    with open(path, "r+b") as file:
        file.seek(3 * 4096 + 5)
        byte = file.read(1)
        file.seek(3 * 4096 + 5)
        file.write(bytes([byte[0] ^ 1]))
    result = t.restore("image.snap", env=env, options=["--verify"])
    t.check(result.status == 0 and result.out == SAID.out and b"damaged: removed" in result.err, result)
    start(env, ["--verify"])
    t.check(len(copies()) == 1, copies())


def generations():
    """A program that was started from a copy is frozen again: the new image needs neither the old one nor the copy."""
    env = frozen()
    start(env)
    t.freeze("second.snap", [t.SNAPRUN, "--ids=new", "image.snap"], at="syscall:mlock", env=env)  # in a namespace it couldn't be
    os.unlink("image.snap")
    shutil.rmtree("cache")
    for _ in range(3):
        t.same(t.restore("second.snap", env=env), SAID)
    t.check(copies() == [digest("second.snap") + ".snap"], copies())


def first_starts_at_once():
    env = frozen()
    running = [subprocess.Popen([t.SNAPRUN, "image.snap"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for _ in range(8)]
    for process in running:
        out, err = process.communicate(timeout=100)
        t.same(t.Result(process.returncode, out, err), SAID)
    t.check(copies() == [digest() + ".snap"], copies())


def limit():
    """What was used longest ago goes first; list and clear."""
    env = frozen()
    names = []
    for i in range(3):
        t.freeze("image.snap", [PROGRAM, str(i)], at="path:/snap/here")
        names.append(digest() + ".snap")
        start(env)
        os.utime("cache/" + names[-1], (1000 + i, 1000))
    listed = json.loads(t.run([t.SNAPIMG, "cache", "list", "--json"], env=env).out)
    t.check([row["name"] for row in listed] == names, listed)
    one = listed[0]["bytes"]
    t.freeze("image.snap", [PROGRAM, "last"], at="path:/snap/here")
    start({**env, "SNAP_CACHE_LIMIT": f"{(3 * one + one // 2) // 1024}K"})
    t.check(copies() == sorted([*names[1:], digest() + ".snap"]), copies())
    shutil.copy("image.snap", "cache/kept")
    t.check(t.run([t.SNAPIMG, "cache", "clear"], env=env) == t.Result(0, b"", b""), "clear")
    t.check(copies() == ["kept"], copies())
    t.check(t.run([t.SNAPIMG, "cache", "add", "image.snap"], env=env) == t.Result(0, b"", b""), "add")
    t.check(copies() == sorted(["kept", digest() + ".snap"]), copies())
    for words in ([], ["add"], ["list", "x"], ["remove"], ["add", "--nothing", "image.snap"]):
        t.one_line(t.run([t.SNAPIMG, "cache", *words], env=env), 125, "cache", tool="snapimg")


def left_over():
    """What interrupted fills left, also those of 0.2.0, is listed, and goes with the next fill or `clear`; a killed
    one leaves nothing that stays."""
    env = frozen()
    name = digest() + ".snap"

    def leave():
        os.makedirs("cache", mode=0o700, exist_ok=True)
        for left in (name + ".lock", name + ".4711.0.tmp", f".{name}.0.part"):
            with open(os.path.join("cache", left), "w") as file:
                file.write("x" * 10000)

    leave()
    with open("cache/of-mine.lock", "w"):
        pass
    listed = t.run([t.SNAPIMG, "cache", "list"], env=env)
    t.check(listed.out.count(b"\n") == 3 and name.encode() + b".lock" in listed.out, listed)
    t.check(t.run([t.SNAPIMG, "cache", "clear"], env=env).status == 0, "clear")
    t.check(os.listdir("cache") == ["of-mine.lock"], os.listdir("cache"))
    leave()
    start(env)
    t.check(sorted(os.listdir("cache")) == [name, "of-mine.lock"], os.listdir("cache"))
    t.check(uses_copy(env), "the copy is not used")


def killed():
    """A fill that is killed when it has begun leaves nothing."""
    env = frozen()
    filling = t.run(["strace", "-f", "-e", "trace=fsync", "-e", "inject=fsync:signal=KILL", t.SNAPIMG, "cache", "add",
                     "image.snap"], env=env)
    if b"ptrace" in filling.err:
        t.skip("strace cannot trace here")
    t.check(filling.status != 0, filling)
    t.check(os.listdir("cache") == [], os.listdir("cache"))
    start(env)
    t.check(uses_copy(env), "the copy is not used")


def damaged():
    """Damaged page data end the making of a copy, by whichever thread they are met, with the line that `thaw` has; nothing is left."""
    env = frozen()
    with open("image.snap", "rb") as file:
        sound = file.read()
    for where in (4096 + 100, len(sound) // 3, len(sound) // 2):
        with open("image.snap", "wb") as file:
            file.write(sound[:where] + bytes([sound[where] ^ 1]) + sound[where + 1:])
        said = t.run([t.SNAPIMG, "cache", "add", "image.snap"], env=env)
        t.one_line(said, 125, "page data is damaged", "extents", tool="snapimg: ")
        t.same(said, t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed"]))
        t.check(copies() == [] and not os.path.exists("thawed"), copies())


# A heap of which each twelfth page is in use, as garbage collectors leave it.
SCATTERED = """import hashlib, mmap, os
heap = mmap.mmap(-1, 12 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for place in range(0, len(heap), 12 * 4096): heap[place:place + 4096] = os.urandom(4096)
before = hashlib.sha1(heap).digest()
os.path.exists("/snap/here")
print(hashlib.sha1(heap).digest() == before)"""


def scattered():
    """The zeros between pages are in no copy, nor in a thawed image, but holes of its file; read again they are zeros."""
    env = {**t.PLAIN_ENV, "SNAP_CACHE": os.path.abspath("cache")}
    t.freeze("image.snap", ["/usr/bin/python3", "-S", "-c", SCATTERED], at="path:/snap/here", env=env, options=["--no-cache"])
    for _ in range(2):
        start(env, wanted=t.Result(0, b"True\n", b""))
    t.check(t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"]).status == 0, "snapimg thaw")
    copy, = copies()
    for name in ("cache/" + copy, "thawed.snap"):
        status = os.stat(name)
        t.check(status.st_size > 12 << 20 and status.st_blocks * 512 < status.st_size - (8 << 20), name, status)
        t.check(t.run([t.SNAPIMG, "verify", name]).status == 0, "its checksums")


def restamped():
    """The copy knows a file that was copied since as it is here, so that a start need not read it to know it again."""
    shutil.copy("/usr/bin/python3", "program")
    with open("lines.py", "w", encoding="utf-8") as file:
        file.write("import os\nos.path.exists('/snap/here')\nprint('right')\n")
    t.freeze("image.snap", ["./program", "lines.py"], at="path:/snap/here")
    shutil.copy("program", "again")
    os.rename("again", "program")
    os.utime("program", (5, 5))
    while time.time_ns() - os.stat("program").st_ctime_ns < 100_000_000:
        pass  # until its change time is not that of the file system's clock any more
    env = {**t.PLAIN_ENV, "SNAP_CACHE": os.path.abspath("cache")}
    start(env, wanted=t.Result(0, b"right\n", b""))
    path = os.path.abspath("program")

    def recorded(image):
        return [entry for entry in json.loads(t.run([t.SNAPIMG, "info", "--json", image]).out)["files"] if entry["path"] == path][0]

    here = os.stat(path)
    t.check(recorded("image.snap")["inode"] != here.st_ino and recorded("cache/" + copies()[0])["inode"] == here.st_ino,
            recorded("image.snap"), recorded("cache/" + copies()[0]), here)
    start(env, wanted=t.Result(0, b"right\n", b""))
    with open("program", "ab") as file:
        file.write(b"\0")
    t.one_line(t.restore("image.snap", env=env), 125, path, "has changed", tool="snaprun: ")


ROWS = {f"cache.{function.__name__}": function for function in (
    made_and_used, made_by_snaptrace, same_process, off, in_nobodys_way, file_size_limit, strange_copies, other_boot, verify, generations, first_starts_at_once, limit,
    left_over, killed, damaged, scattered, restamped)}

if __name__ == "__main__":
    t.main(ROWS)
