"""The making of an image: how long it takes from the point on, and how large it is."""
import os
import subprocess
import time

from bench import LEVEL, POINT, PYTHON, Missing, Series, needed, single, timed, value_or_missing
from figures_start import WARM

MEGABYTE = 1e6


def dump_time(bench, *argv):
    """From the byte that says that the point comes next to the end of snaptrace: the image is synced and in place."""
    words = [bench.tool["snaptrace"], "-q", "-o", "dump.snap", *bench.no_cache("snaptrace"), "--at", POINT, *argv]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        process.stdout.read(1)
        took = timed(process.wait)
    if process.returncode != 0:
        raise Missing("the dump failed")
    return took


def heap(bench, kind):
    """Against zstd of the same bytes, and a sync of what it wrote."""
    needed("zstd")
    size = str(128 if bench.quick else 1024)
    subprocess.run([bench.program("heap"), kind, size, "bytes"], check=True)
    ours, theirs = [], []
    for _ in range(bench.rounds(1 / 6)):
        ours.append(dump_time(bench, bench.program("heap"), kind, size))
        theirs.append(timed(subprocess.run, f"zstd -q -f -T0 -{LEVEL} bytes -o bytes.zst && sync bytes.zst",
                            shell=True, check=True))
    sizes = [single(os.path.getsize(name) / MEGABYTE) for name in ("dump.snap", "bytes.zst")]
    for name in ("bytes", "bytes.zst", "dump.snap"):
        os.unlink(name)
    return {"dump": Series(ours), "zstd": Series(theirs), "size": sizes[0], "zstd size": sizes[1]}


def random_heap(bench):
    return heap(bench, "random")


def text_heap(bench):
    return heap(bench, "text")


class WarmPython:
    """A cold-started Python that waits at the point, to take cores of."""

    def __enter__(self):
        self.process = subprocess.Popen([PYTHON, WARM, "wait"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        wait_for_read(self.process)
        return self.process.pid

    def __exit__(self, *_):
        self.process.communicate(b"x")


def wait_for_read(process):
    """Until it waits in read(0, ...), call number 0. One that has ended never does."""
    while process.poll() is None:
        with open(f"/proc/{process.pid}/syscall", "rb") as file:
            if file.read().startswith(b"0 0x0 "):
                return
        time.sleep(0.005)
    raise Missing("it ended before it waited for input")


def gcore(pid):
    needed("gcore", "gdb")
    subprocess.run(["gcore", "-o", "core", str(pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return f"core.{pid}"


def python_dump(bench):
    """Against gcore and zstd of the core, which nobody syncs."""
    needed("gcore", "gdb")
    ours, theirs, theirs_core = [], [], []
    with WarmPython() as pid:
        for _ in range(bench.rounds()):
            ours.append(dump_time(bench, PYTHON, WARM, "dump"))
            theirs_core.append(timed(gcore, pid))
            theirs.append(theirs_core[-1] + timed(subprocess.run, ["zstd", "-q", "-f", "-3", "-T0", f"core.{pid}"], check=True))
    return {"dump": Series(ours, bench.image_facts("dump.snap")), "gcore and zstd": Series(theirs), "gcore": Series(theirs_core)}


def python_size(bench):
    """At the default level and the highest, against the pages as they are and zstd of a core."""
    images = {"default": bench.freeze("wait.snap", PYTHON, WARM, "wait", at=POINT),
              "level 19": bench.freeze("wait19.snap", PYTHON, WARM, "wait", at=POINT, options=["--level", "19"]),
              "level 3": bench.freeze("wait3.snap", PYTHON, WARM, "wait", at=POINT, options=["--level", "3"])}
    sizes = {name: single(os.path.getsize(image) / MEGABYTE, **bench.image_facts(image)) for name, image in images.items()}
    sizes["raw"] = single(sizes["default"].facts["page_bytes"] / MEGABYTE)
    with WarmPython() as pid:
        core = value_or_missing(gcore, pid)
    for level in (3, 19):
        sizes[f"zstd -{level}"] = core if isinstance(core, Missing) else compressed(core, level)
    return sizes


def compressed(path, level):
    subprocess.run(["zstd", "-q", "-f", f"-{level}", path, "-o", "core.zst"], check=True)
    return single(os.path.getsize("core.zst") / MEGABYTE, raw_bytes=os.path.getsize(path))


def tracer_memory(bench):
    """The most memory that snaptrace has itself while it dumps a large heap; what wait4 tells has the target in it."""
    size = 256 if bench.quick else 4096
    words = [bench.tool["snaptrace"], "-q", "-o", "large.snap", *bench.no_cache("snaptrace"), "--at", POINT,
             bench.program("heap"), "text", str(size)]
    peak = 0
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, peak_memory(process.pid))
            time.sleep(0.01)
    if process.returncode != 0:
        raise Missing("the dump failed")
    os.unlink("large.snap")
    return {"peak": single(peak, target_mebibytes=size)}


def peak_memory(pid):
    """Mebibytes; 0 when it has just ended."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next((int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM:")), 0)
