"""Many instances at once: the memory that they take together, each page counted by its share (PSS)."""
import re
import subprocess

from bench import POINT, PYTHON, Missing, single
from figures_dump import wait_for_read
from figures_start import WARM

INSTANCES = 50


def python_sharing(bench):
    image = bench.freeze("wait.snap", PYTHON, WARM, "wait", at=POINT)
    cold = proportional_memory([PYTHON, WARM, "wait"])
    ways = {name: way if isinstance(way, Missing) else proportional_memory(way.argv) for name, way in bench.starts(image).items()}
    return {**ways, "cold": cold}


def proportional_memory(argv):
    """Mebibytes of all instances, once each of them waits for its input."""
    running = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(INSTANCES)]
    try:
        for process in running:
            wait_for_read(process)
        kibibytes = sum(memory_of(process.pid) for process in running)
    finally:
        for process in running:
            process.communicate(b"x")
    return single(kibibytes / 1024, instances=INSTANCES)


def memory_of(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return int(re.search(r"^Pss:\s+(\d+) kB$", file.read(), re.M).group(1))
