"""As refusals.py, for what takes a certain machine, kernel or user to get into; skipped where it can't be had."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import refusals  # noqa: E402
import snaptest as t  # noqa: E402

PROGRAM = os.path.join(t.BUILD, "tests/capture/refused_machine")

STATES = {
    "device_memory": ("memory of a device", "mapping", " /dev/"),
    "perf_buffer": ("", "mapping", "perf_event"),
    "packet_ring": ("", "mapping", "socket"),
    "uring_memory": ("io_uring", "mapping"),
    "code_32": ("32-bit code",),
    "own_segment": ("modify_ldt",),
    "shadow_stack": ("shadow stack",),
}


def refused(mode, words, env=None):
    result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "--", PROGRAM, mode], env=env)
    if result.status == 1 and b"77" in result.err:
        t.skip(result.err.decode(errors="replace").splitlines()[0])
    refusals.check_lines(result, ("can't be carried", *words))
    t.check(not os.listdir("."), "left behind:", os.listdir("."))


def tracer():
    """The program traces a process outside of the tree."""
    with subprocess.Popen(["sleep", "1000"]) as target:
        try:
            refused("tracer", ("ptrace", f"process {target.pid} is traced by"), {**t.PLAIN_ENV, "TARGET": str(target.pid)})
        finally:
            target.kill()


ROWS = {f"refused_{mode}": (lambda m=mode, w=words: refused(m, w)) for mode, words in STATES.items()}
ROWS["refused_tracer"] = tracer

if __name__ == "__main__":
    t.main(ROWS)
