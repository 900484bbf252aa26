#!/usr/bin/python3
"""snapimg on the golden image, whose content is known, and on what is no image."""
import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
MAKE_GOLDEN = os.path.join(t.BUILD, "tests/format/make_golden")


def golden(name="golden.snap"):
    shutil.copy(os.path.join(HERE, "golden-v1.snap"), name)
    return name


def expected(name):
    with open(os.path.join(HERE, "golden-v1." + name), "rb") as file:
        return file.read()


def snapimg(*words, **more):
    return t.run([t.SNAPIMG, *words], **more)


def text(command):
    result = snapimg(command, golden())
    t.check(result == t.Result(0, expected(command + ".txt"), b""), "wanted golden-v1." + command + ".txt, got", result)


def as_json(command):
    for words in ((command, "--json", golden()), ("--json", command, golden()), (command, golden(), "--json")):
        result = snapimg(*words)
        t.check(result.status == 0 and result.err == b"", result)
        t.check(json.loads(result.out) == json.loads(expected(command + ".json")), "another document:", result)


def strange_bytes():
    """A byte that is not UTF-8 comes back through Python's surrogateescape."""
    document = json.loads(snapimg("info", "--json", golden()).out)
    t.check(document["arguments"][4].encode(errors="surrogateescape") == b"caf\xc3\xa9 \xff", document["arguments"])
    name = golden(b"odd\xfe\n\x1b[31m.snap")
    result = snapimg("verify", name)
    t.check(result.status == 0 and result.out.startswith(rb"odd\xfe\x0a\x1b[31m.snap: ok"), result)
    document = json.loads(snapimg("verify", "--json", name).out)
    t.check(os.fsencode(document["image"]) == name, document)


TREE = (b"  100 prog\n  `- 101 prog, leads a session\n     `- 102, a zombie that ended with 7\n"
        b"  103 prog, stopped by signal 19\n")


def golden_tree():
    shutil.copy(os.path.join(HERE, "golden-v1.2-tree.snap"), "tree.snap")
    return "tree.snap"


def tree():
    """A tree as pstree shows it, and as a list of its processes."""
    told = snapimg("info", golden_tree())
    t.check(told.status == 0 and b"\nprocesses:\n" + TREE + b"\n" in told.out, told)
    told = snapimg("info", "--json", "tree.snap")
    processes = json.loads(told.out)["processes"]
    t.check([(it["pid"], it["parent"], it["state"], it["name"]) for it in processes] ==
            [(100, 0, "alive", "prog"), (101, 100, "alive", "prog"), (102, 101, "zombie", ""), (103, 0, "stopped", "prog")], told)


def damaged_tree():
    """verify reads the pages and records of every process; what is wrong in one is told."""
    told = snapimg("verify", golden_tree())
    t.check(told.status == 0, told)
    with open("tree.snap", "rb") as file:
        good = file.read()
    for place in range(4096 + 100, len(good), 997):
        with open("x.snap", "wb") as file:
            file.write(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1:])
        t.one_line(snapimg("verify", "x.snap"), 125, "x.snap", tool="snapimg: ")


def columns():
    """The columns are the kernel's own."""
    with open("/proc/self/maps") as maps:
        kernel = [line for line in maps if line.endswith("[stack]\n")][0]
    ours = [line for line in snapimg("maps", golden()).out.decode().splitlines(True) if line.endswith("[stack]\n")][0]
    t.check(kernel.index("[stack]") == ours.index("[stack]"), repr(kernel), repr(ours))
    shape = re.compile(r"[0-9a-f]{8,}-[0-9a-f]{8,} [r-][w-][x-][ps] [0-9a-f]{8,} [0-9a-f]{2,}:[0-9a-f]{2,} \d+ ")
    t.check(shape.match(kernel) and shape.match(ours), repr(kernel), repr(ours))


def refused(status, *words):
    """Each command refuses with one line, and the same status with --json."""
    for command in ("info", "maps", "verify"):
        t.one_line(snapimg(command, "x.snap"), status, *words, tool="snapimg: ")
        t.check(snapimg(command, "--json", "x.snap").status == status, command)


def missing():
    refused(127, "x.snap")


def directory():
    os.mkdir("x.snap")
    refused(126, "regular file")


def fifo():
    os.mkfifo("x.snap")
    refused(126, "regular file")


def unreadable():
    if t.IS_ROOT:
        t.skip("root reads every file")
    os.chmod(golden("x.snap"), 0)
    refused(126, "permission denied")


def empty():
    open("x.snap", "w").close()
    refused(125, "empty")


def not_an_image():
    with open("x.snap", "w") as file:
        file.write("#!/bin/sh\n" * 1000)
    refused(125, "not a snapshot image")


def cut():
    os.truncate(golden("x.snap"), 9000)
    refused(125, "cut off")
    document = json.loads(snapimg("verify", "--json", "x.snap").out)
    t.check(document == {"image": "x.snap", "ok": False, "error": "the image is cut off"}, document)


def flip(offset):
    with open(golden("x.snap"), "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def bad_page_data():
    """verify reads the page data, the others don't need them."""
    flip(4096 + 3)
    t.one_line(snapimg("verify", "x.snap"), 125, "page data", "extents", "record 0", tool="snapimg: ")
    t.check(snapimg("info", "x.snap").status == 0, "info")
    document = json.loads(snapimg("verify", "--json", "x.snap").out)
    t.check((document["ok"], document["section"], document["record"]) == (False, "extents", 0), document)


def bad_section():
    flip(os.path.getsize(golden("x.snap")) - 17 * 40 - 64)
    refused(125, "checksum")


def bad_frame():
    t.check(t.run([MAKE_GOLDEN, "x.snap", "frame"]).status == 0, "make_golden")
    t.one_line(snapimg("verify", "x.snap"), 125, "zstd frame", "record 0", tool="snapimg: ")


def usage():
    golden("x.snap")
    for words in ((), ("thaw-it", "x.snap"), ("info",), ("info", "x.snap", "x.snap"), ("info", "--jsn", "x.snap"),
                  ("info", "-x", "x.snap")):
        t.one_line(snapimg(*words), 125, "snapimg --help", tool="snapimg: ")
    for words in (("--help",), ("info", "--help")):
        result = snapimg(*words)
        t.check(result.status == 0 and b"verify" in result.out and b"--json" in result.out, result)
    t.check(re.fullmatch(rb"snapimg \d+\.\d+\.\d+\n", snapimg("--version").out), "--version")


def full_disk():
    if not os.path.exists("/dev/full"):
        t.skip("there is no /dev/full")
    with open("/dev/full", "wb") as full:
        ended = t.subprocess.run([t.SNAPIMG, "info", golden()], stdout=full, stderr=t.subprocess.PIPE)
    t.check(ended.returncode == 125 and b"cannot write" in ended.stderr, ended)


def bad_padding():
    """The zeros after the page data are looked at too, though they belong to no section."""
    with open(golden("x.snap"), "r+b") as file:
        file.seek(48)  # metadata_offset
        file.seek(int.from_bytes(file.read(8), "little") - 1)
        file.write(b"\1")
    refused(125, "must be zero")


ROWS = {f"snapimg.{command}": lambda command=command: text(command) for command in ("info", "maps", "verify")}
ROWS.update({f"snapimg.json.{command}": lambda command=command: as_json(command) for command in ("info", "maps", "verify")})
ROWS.update({f"snapimg.{function.__name__}": function for function in (
    strange_bytes, columns, missing, directory, fifo, unreadable, empty, not_an_image, cut, bad_page_data, bad_section,
    bad_frame, bad_padding, usage, full_disk, tree, damaged_tree)})

if __name__ == "__main__":
    t.main(ROWS)
