#!/usr/bin/python3
"""Thawed images: what they hold, that programs start from them as from any, and that memory stays what it was."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PROGRAMS = os.path.join(t.BUILD, "tests/thaw")
HERE = "path:/snap/here"


def snapimg(*words, status=0):
    result = t.run([t.SNAPIMG, *words])
    t.check(result.status == status, "snapimg", *words, "ended with", result)
    return result


def document(command, image):
    return json.loads(snapimg(command, "--json", image).out)


def frozen(name, *words, env=None, at=HERE):
    """The program's image, and its thawed one."""
    t.freeze("frozen.snap", [os.path.join(PROGRAMS, name), *words], at=at, env=env)
    snapimg("thaw", "frozen.snap", "-o", "thawed.snap")
    return "frozen.snap", "thawed.snap"


def starts(name, *words, env=None):
    """A self-checking program is well after the start from the image, from the thawed one, and frozen again."""
    direct = t.run_directly([os.path.join(PROGRAMS, name), *words], env=env)
    frozen(name, *words, env=env)
    snapimg("freeze", "thawed.snap", "-o", "again.snap")
    for image in ("frozen.snap", "thawed.snap", "thawed.snap", "again.snap"):
        t.same(t.restore(image, env=env), direct)


def jemalloc():
    library = "libjemalloc.so.2"
    starts("jemalloc-pie", env={**t.PLAIN_ENV, "LD_PRELOAD": library, "MALLOC_CONF": "narenas:1,dirty_decay_ms:0,muzzy_decay_ms:0"})


def round_trip():
    """All pages are the same, thawed and frozen; a thawed image is sparse and names its source."""
    frozen("given_back-pie")
    snapimg("freeze", "thawed.snap", "-o", "again.snap")
    snapimg("thaw", "thawed.snap", "-o", "twice.snap")
    images = ["frozen.snap", "thawed.snap", "again.snap", "twice.snap"]
    contents = {document("verify", image)["content"] for image in images}
    t.check(len(contents) == 1, contents)
    maps = [[(row["start"], row["end"], row["permissions"], row["stored_pages"]) for row in document("maps", image)] for image in images]
    t.check(all(rows == maps[0] for rows in maps), "other mappings")
    t.check(os.path.getsize("thawed.snap") > 4 * os.path.getsize("frozen.snap"), "thawed is not larger")
    t.check(os.path.getsize("again.snap") < 1.2 * os.path.getsize("frozen.snap"), "frozen again is larger")
    t.check(os.stat("thawed.snap").st_mode & 0o777 == 0o600, "mode")
    t.check(document("verify", "thawed.snap")["digest"] == document("verify", "twice.snap")["digest"], "thawed twice differs")


def mapped(name, wanted):
    """Memory that was anonymous is mapped from the image only where the shim sees to it."""
    path = os.path.join(PROGRAMS, name)
    t.freeze("frozen.snap", [path], at=HERE)
    snapimg("thaw", "frozen.snap", "-o", "thawed.snap")
    traced = t.run(["strace", "-f", "-e", "trace=mmap,pread64,process_vm_writev", t.SNAPRUN, "thawed.snap"])
    if traced.status != 0 and b"ptrace" in traced.err:
        t.skip("strace cannot trace here")
    copied = sum(int(size) for size in re.findall(r"(?:process_vm_writev|pread64).* = (\d+)$", traced.err.decode(), flags=re.M))
    t.check((copied < 1 << 20) == wanted, copied, "bytes were copied")


def damaged():
    """The records of a thawed image are checked as any, its pages by verify."""
    frozen("given_back-pie")
    with open("thawed.snap", "r+b") as file:
        file.seek(os.path.getsize("thawed.snap") - 1)
        file.write(b"\xff")
    t.one_line(t.restore("thawed.snap"), 125, "damaged", tool="snaprun")
    snapimg("thaw", "frozen.snap", "-o", "thawed.snap")
    with open("thawed.snap", "r+b") as file:
        file.seek(3 * 4096 + 5)
        byte = file.read(1)
        file.seek(3 * 4096 + 5)
        file.write(bytes([byte[0] ^ 1]))
    t.one_line(t.run([t.SNAPIMG, "verify", "thawed.snap"]), 125, "damaged", tool="snapimg")
    t.one_line(t.run([t.SNAPIMG, "freeze", "thawed.snap", "-o", "again.snap"]), 125, "damaged", tool="snapimg")
    t.check(not os.path.exists("again.snap"), "a damaged image was frozen")


def refused():
    frozen("given_back-pie")
    before = sorted(os.listdir("."))
    for words, said in ((["thaw", "frozen.snap"], "-o"), (["freeze", "thawed.snap"], "-o"),
                        (["info", "frozen.snap", "-o", "x"], "-o"), (["thaw", "frozen.snap", "-o"], "value"),
                        (["thaw", "frozen.snap", "-o", "none/x"], "no such file"),
                        (["thaw", "frozen.snap", "-o", "."], "cannot write")):
        t.one_line(t.run([t.SNAPIMG, *words]), 125, said, tool="snapimg")
    t.one_line(t.run([t.SNAPIMG, "thaw", "none.snap", "-o", "x"]), 127, "no such image", tool="snapimg")
    t.check(sorted(os.listdir(".")) == before, "something is left:", os.listdir("."))


def outputs():
    """What a symbolic link leads to is replaced, by each command that writes an image; what is no regular file is not."""
    frozen("given_back-pie")
    os.mkdir("elsewhere")
    os.symlink("elsewhere/image.snap", "link.snap")
    for words in ([t.SNAPTRACE, "-q", "-o", "link.snap", "--at", HERE, os.path.join(PROGRAMS, "given_back-pie")],
                  [t.SNAPRUN, "-q", "--record-hot", "link.snap"],
                  [t.SNAPIMG, "thaw", "frozen.snap", "-o", "link.snap"],
                  [t.SNAPIMG, "freeze", "link.snap", "-o", "link.snap"]):
        before = os.stat("link.snap").st_ino if os.path.exists("link.snap") else None
        done = t.run(words)
        t.check(done.status == 0 and os.path.islink("link.snap"), words, done)
        t.check(os.stat("elsewhere/image.snap").st_ino != before, words, "wrote nothing")
    os.mkfifo("fifo")
    os.symlink("fifo", "to-fifo")
    for name in ("fifo", "to-fifo", "/dev/null", "/dev/stdout"):
        for words in ([t.SNAPTRACE, "-q", "-o", name, "/bin/true"], [t.SNAPIMG, "thaw", "frozen.snap", "-o", name]):
            t.one_line(t.run(words), 125, "not a regular file", "-o")
    t.check(sorted(os.listdir("elsewhere")) == ["image.snap"], os.listdir("elsewhere"))


def synced():
    """What gets an image's name is on the disk before: fsync(2) comes before the rename or link."""
    frozen("given_back-pie")
    for words in (["thaw", "frozen.snap", "-o", "thawed.snap"], ["freeze", "thawed.snap", "-o", "new.snap"],
                  ["cache", "add", "frozen.snap", "--dir", os.path.abspath("cache")]):
        traced = t.run(["strace", "-f", "-e", "trace=fsync,linkat,renameat,rename", t.SNAPIMG, *words])
        if traced.status != 0 and b"ptrace" in traced.err:
            t.skip("strace cannot trace here")
        calls = re.findall(r"^(?:\[pid +\d+\] )?(\w+)\(", traced.err.decode(), flags=re.M)
        t.check(traced.status == 0 and calls and calls[0] == "fsync" and len(calls) > 1, words, traced)


def huge():
    """Of a file that is no image, or whose header does not fit its size, nothing but the header is read."""
    frozen("given_back-pie")
    with open("none.snap", "wb") as file:
        file.truncate(1 << 30)
    with open("frozen.snap", "rb") as file, open("longer.snap", "wb") as longer:
        longer.write(file.read(4096))
        longer.truncate(1 << 30)
    for command in ("info", "maps", "verify", "thaw", "freeze"):
        for image, said in (("none.snap", "not a snapshot image"), ("longer.snap", "bytes after")):
            words = [t.SNAPIMG, command, image] + (["-o", "new.snap"] if command in ("thaw", "freeze") else [])
            t.one_line(limited(words), 125, said)
    for image, said in (("none.snap", "not a snapshot image"), ("longer.snap", "bytes after")):
        t.one_line(limited([t.SNAPRUN, image]), 125, said)
        t.one_line(limited([t.SNAPTRACE, "--record-hot", image]), 125, said)


def limited(words):
    """Runs words; it may not read more than 64 MiB into memory."""
    ended = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=t.PLAIN_ENV)
    out, err = ended.stdout.read(), ended.stderr.read()
    _, status, usage = os.wait4(ended.pid, 0)
    ended.returncode = os.waitstatus_to_exitcode(status)
    t.check(usage.ru_maxrss < 64 << 10, words, "took", usage.ru_maxrss, "KiB")
    return t.Result(ended.returncode, out, err)


def anonymous(row):
    """Memory that is mapped from the image is for the program what anonymous memory is."""
    return lambda: starts("anonymous-pie", row)


ROWS = {
    "outputs": outputs,
    "synced": synced,
    "huge": huge,
    "given-back.pie": lambda: starts("given_back-pie"),
    "given-back.static": lambda: starts("given_back-static"),
    "jemalloc": jemalloc,
    **{"anonymous." + row: anonymous(row) for row in ("syscall", "process-madvise", "marks", "no-file", "in-place", "wipe-on-fork",
                                                      "collapse", "userfaultfd", "realloc", "marked-before")},
    "raw-calls": lambda: starts("raw_calls-pie"),
    "raw-calls.any": lambda: starts("raw_calls_any-pie"),
    "round-trip": round_trip,
    "mapped.pie": lambda: mapped("given_back-pie", True),
    "mapped.static": lambda: mapped("given_back-static", False),
    "damaged": damaged,
    "refused": refused,
}

if __name__ == "__main__":
    t.main(ROWS)
