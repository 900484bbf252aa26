#!/usr/bin/python3
"""One executable file of loader and image; images from pipes; options by the environment."""
import os
import shutil
import stat
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

ECHO = "/bin/echo"
LOADER_MOST = 400 << 10


def runnable(argv=(ECHO, "recorded", "words"), thaw=False):
    t.freeze("image.snap", list(argv))
    if thaw:
        t.check(t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "image.snap"]).status == 0, "not thawed")
    made = t.run([t.SNAPIMG, "runnable", "image.snap", "-o", "program.run"])
    t.same(made, t.Result(0, b"", b""))
    return "./program.run"


def start(*words, options=None, **more):
    env = dict(t.PLAIN_ENV) if options is None else {**t.PLAIN_ENV, "SNAP_OPTIONS": options}
    return t.run(words, env=env, **more)


def loader_size(path):
    """Where the image begins: its magic at a whole page."""
    with open(path, "rb") as file:
        data = file.read()
    return next(at for at in range(0, len(data), 4096) if data.startswith(b"\x89SNP\r\n\x1a\n", at))


def arguments():
    """All of them are the program's, options and -- too; none are the recorded ones; SNAP_OPTIONS ending in -- : exactly."""
    for thaw in (False, True):
        path = runnable(thaw=thaw)
        for words, options, said in (((), None, b"recorded words\n"), (("a", "b c"), None, b"a b c\n"),
                                     (("--", "x"), None, b"-- x\n"), (("--verbose",), None, b"--verbose\n"),
                                     ((), "--", b"\n"), (("a",), " --verify  --cache=off\t--", b"a\n")):
            t.same(start(path, *words, options=options), t.Result(0, said, b""))


def by_snaptrace():
    """--runnable makes the same file, under PROG's name with .run, of mode 0700, and with a small loader."""
    made = t.run([t.SNAPTRACE, "-q", "--no-cache", "--runnable", ECHO, "recorded"])
    t.same(made, t.Result(0, b"", b""))
    t.same(start("./echo.run", "hello"), t.Result(0, b"hello\n", b""))
    t.check(stat.S_IMODE(os.stat("echo.run").st_mode) == 0o700, oct(os.stat("echo.run").st_mode))
    t.check(loader_size("echo.run") <= LOADER_MOST, "the loader has", loader_size("echo.run"), "bytes")
    t.one_line(t.run([t.SNAPTRACE, "--runnable", "--train", "x", ECHO]), 125, "--train", "snapimg runnable")


def is_an_image():
    """The tools and snaprun take it as the image that is in it."""
    path = runnable()
    for command in (["info", "--json"], ["maps"], ["verify", "--json"]):
        of_file, of_image = (t.run([t.SNAPIMG, *command, name]) for name in (path, "image.snap"))
        t.check(of_file.status == 0 and of_file.out.replace(path.encode(), b"image.snap") == of_image.out, of_file)
    t.check(t.run([t.SNAPIMG, "runnable", path, "-o", "again.run"]).status == 0, "not made again")
    with open(path, "rb") as one, open("again.run", "rb") as other:
        t.check(one.read() == other.read(), "another file")
    t.same(t.run([t.SNAPRUN, path, "a"]), t.Result(0, b"a\n", b""))
    t.check(t.run([t.SNAPIMG, "thaw", path, "-o", "thawed.snap"]).status == 0, "not thawed")
    t.same(t.restore("thawed.snap", ["b"]), t.Result(0, b"b\n", b""))
    t.one_line(t.run([t.SNAPRUN, "--record-hot", path]), 125, "runnable")
    t.one_line(start(path, options="--record-hot"), 125, "runnable")
    t.one_line(t.run([t.SNAPRUN, t.SNAPRUN]), 125, "not a snapshot image")


def thawed_is_mapped():
    """The pages come from the file itself, by their place in it, and the shim knows of them."""
    program = os.path.join(t.BUILD, "tests/thaw/given_back-pie")
    t.freeze("image.snap", [program], at="path:/snap/here")
    t.check(t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"]).status == 0, "not thawed")
    t.check(t.run([t.SNAPIMG, "runnable", "thawed.snap", "-o", "program.run"]).status == 0, "not made")
    t.same(start("./program.run"), t.Result(0, b"as anonymous memory is\n", b""))
    path = runnable(("/bin/cat", "/proc/self/maps"), thaw=True)
    t.check(b"/program.run\n" in start(path).out, "nothing is mapped from it")


def damaged():
    path = runnable()
    with open(path, "rb") as file:
        whole = file.read()
    begin = loader_size(path)
    for name, data, words in (("cut", whole[:-100], ["cut off"]), ("header", whole[:begin + 10], ["cut off"]),
                              ("loader", whole[:begin], ["cut off"]),
                              ("code", whole[:5000], ["cut off"]),
                              ("twice", whole + whole[begin:], ["bytes after the image's end"]),
                              ("changed", whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], ["damaged"]),
                              ("empty", whole[:begin] + bytes(8192), ["not a snapshot image"])):
        with open(name, "wb") as file:
            file.write(data)
        os.chmod(name, 0o700)
        t.one_line(start("./" + name), 125, *words, tool="snaprun")
        t.one_line(t.run([t.SNAPRUN, name]), 125, *words, tool="snaprun")
        t.one_line(t.run([t.SNAPIMG, "verify", name]), 125, *words, tool="snapimg")
    # A note that promises an image in a file that has none.
    at = whole.index(b"snaptrace\0\0\0") + 12
    t.check(struct.unpack_from("<I", whole, at)[0] * 4096 == begin, "the note says something else")
    with open("far", "wb") as file:
        file.write(whole[:at] + struct.pack("<I", 0xffffffff) + whole[at + 4:])
    os.chmod("far", 0o700)
    t.one_line(start("./far"), 125, "cut off", tool="snaprun")


def falls_back():
    """A start that is refused becomes the original program, with the arguments of the command line."""
    shutil.copy("/bin/cat", "program")
    path = runnable([os.path.abspath("program"), "recorded"])
    os.remove("program")
    shutil.copy(ECHO, "program")
    t.one_line(start(path, "a"), 125, "has changed", tool="snaprun")
    t.same(start(path, "a", options="--fallback -q"), t.Result(0, b"a\n", b""))


def options_by_environment():
    """Of snaprun too, before its own; the program does not see them; what is no option is refused by name."""
    t.freeze("env.snap", ["/usr/bin/env"])
    env = {**t.PLAIN_ENV, "SNAP_OPTIONS": "-q"}
    t.check(b"SNAP_OPTIONS" not in t.restore("env.snap", env=env).out, "the program sees SNAP_OPTIONS")
    path = runnable()
    t.check(b"mappings built" in start(t.SNAPRUN, "image.snap", "x", options="-v").err, "-v does not count")
    t.one_line(start(path, options="--bogus"), 125, "--bogus", "unknown option")
    t.one_line(start(path, options="word"), 125, "SNAP_OPTIONS", "word", "not an option")
    t.one_line(start(path, options="--ids"), 125, "needs a value")
    t.one_line(start(path, options="-q " * 2000), 125, "SNAP_OPTIONS", "shorten")
    t.one_line(start(path, options="-q " * 300), 125, "SNAP_OPTIONS", "shorten")


def without_proc():
    """No /proc, no home, nothing writable: the file is found by the name that was executed."""
    path = os.path.abspath(runnable())
    inside = ["unshare", "-m"] if t.IS_ROOT else ["unshare", "-U", "-r", "-m"]
    if subprocess.run([*inside, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        t.skip("needs a mount namespace, and this user may make none here")
    for name in (path, "./program.run"):
        script = f"mount -t tmpfs none /proc && mount -o bind,ro . . 2>/dev/null; exec {name} a b"
        t.same(t.run([*inside, "sh", "-c", script], env={"PATH": t.PLAIN_ENV["PATH"]}), t.Result(0, b"a b\n", b""))


def to_a_pipe():
    """-o - : the image alone comes out, what the program says goes to standard error; nothing for a terminal."""
    said = "import os,sys; print('out', flush=True); os.write(2, b'err\\n'); os.path.exists('/snap/here'); print('later')"
    made = t.run([t.SNAPTRACE, "-q", "-o", "-", "--at", "path:/snap/here", "/usr/bin/python3", "-c", said])
    t.check(made.status == 0 and made.out.startswith(b"\x89SNP") and made.err == b"out\nerr\n", made.status, made.err)
    with open("image.snap", "wb") as file:
        file.write(made.out)
    t.same(t.restore("image.snap"), t.Result(0, b"later\n", b""))
    t.check(os.listdir(".") == ["image.snap"], os.listdir("."))
    thawed = t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "-"])
    t.same(t.run([t.SNAPRUN, "/dev/fd/0"], stdin=thawed.out), t.Result(0, b"later\n", b""))
    full = subprocess.run([t.SNAPIMG, "thaw", "image.snap", "-o", "-"], stdout=open("/dev/full", "wb"),
                          stderr=subprocess.PIPE, check=False)
    t.check(full.returncode == 125 and b"cannot write" in full.stderr, full)


def from_a_pipe():
    """Frozen, thawed and runnable, by a descriptor's name and by a FIFO, and what is cut off or empty is told."""
    path = runnable()
    t.check(t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"]).status == 0, "not thawed")
    for name in ("image.snap", "thawed.snap", path):
        with open(name, "rb") as file:
            data = file.read()
        t.same(t.run([t.SNAPRUN, "/dev/fd/0", "a"], stdin=data), t.Result(0, b"a\n", b""))
    os.mkfifo("fifo")
    writer = subprocess.Popen(["sh", "-c", "cat thawed.snap > fifo"])
    t.same(t.run([t.SNAPRUN, "fifo", "b"]), t.Result(0, b"b\n", b""))
    t.check(writer.wait() == 0, "the writer was left behind")
    t.one_line(t.run([t.SNAPRUN, "/dev/fd/0"], stdin=data[:-10]), 125, "cut off")
    t.one_line(t.run([t.SNAPRUN, "/dev/fd/0"], stdin=b""), 125, "empty")


t.main({"runnable.arguments": arguments, "runnable.by_snaptrace": by_snaptrace, "runnable.is_an_image": is_an_image,
        "runnable.thawed_is_mapped": thawed_is_mapped, "runnable.damaged": damaged, "runnable.falls_back": falls_back,
        "runnable.options_by_environment": options_by_environment, "runnable.without_proc": without_proc,
        "runnable.to_a_pipe": to_a_pipe, "runnable.from_a_pipe": from_a_pipe})
