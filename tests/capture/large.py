"""The dump of a large program: in at most 256 MiB of snaptrace's own memory, as the manual says, and in large extents."""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PROGRAM = os.path.join(t.BUILD, "tests/capture/large")
BOUND = 256  # mebibytes
WANTED, LEAST = 4096, 1024  # of the program: what the bound is stated for, and what says something about it


def room():
    """As large as the machine allows: the program, and the pages of the image in the cache."""
    with open("/proc/meminfo", encoding="utf-8") as file:
        available = int(re.search(r"^MemAvailable:\s+(\d+) kB", file.read(), re.M).group(1)) // 1024
    return min(WANTED, available // 3) if available // 3 >= LEAST else t.skip(f"only {available} MiB of memory are free")


def peak(pid):
    """The most memory that the process has had until now. What wait4 tells has its children in it."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"^VmHWM:\s+(\d+) kB", file.read(), re.M).group(1)) / 1024


def bound():
    """The program goes on after the dump and says so; by then snaptrace has had all the memory that it needs."""
    size = room()
    words = [t.SNAPTRACE, "-q", "-o", "large.snap", "--continue", "--at", "path:/snap/here", "--", PROGRAM, str(size)]
    with subprocess.Popen(words, env=t.PLAIN_ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        byte = process.stdout.read(1)
        used = peak(process.pid) if byte else 0
        process.stdin.close()
        process.wait()
    t.check(byte == b"." and process.returncode == 0, "snaptrace ended with", process.returncode)
    t.check(os.path.getsize("large.snap") > 1 << 20, "the image holds", os.path.getsize("large.snap"), "bytes")
    t.check(0 < used <= BOUND, f"{used:.0f} MiB for a program of {size}")
    print(f"{used:.0f} MiB for a program of {size}")


def extents(image):
    said = t.run([t.SNAPIMG, "info", "--json", image])
    t.check(said.status == 0, said)
    return json.loads(said.out)["memory"]["extents"]


def dense():
    """From level 13 on an extent has up to 1 MiB in place of 256 KiB, and the start is right all the same."""
    count = {}
    for level in ("12", "13"):
        t.freeze("image.snap", [PROGRAM, "16"], at="path:/snap/here", options=["--level", level])
        count[level] = extents("image.snap")
        t.same(t.restore("image.snap"), t.Result(0, b".", b""))
    t.check(16 <= count["13"] <= count["12"] / 2 and count["12"] >= 64, count)


t.main({"memory-bound": bound, "dense": dense})
