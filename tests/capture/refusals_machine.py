"""As refusals.py, for what takes a certain machine, kernel or user to get into; skipped where it can't be had."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import refusals  # noqa: E402
import snaptest as t  # noqa: E402

PROGRAM = os.path.join(t.BUILD, "tests/capture/refused_machine")

STATES = {
    "refused_device_memory": ("memory of a device", "mapping", " /dev/"),
    "refused_perf_buffer": ("", "mapping", "perf_event"),
    "refused_packet_ring": ("", "mapping", "socket"),
    "refused_uring_memory": ("io_uring", "mapping"),
    "refused_code_32": ("32-bit code",),
    "refused_own_segment": ("modify_ldt",),
    "refused_shadow_stack": ("shadow stack",),
}


def refused(mode, words, env=None):
    options = ["--io-uring"] if "uring" in mode else []  # else it can make no ring
    result = t.run([t.SNAPTRACE, *options, "-o", "image.snap", "--at", "path:/snap/here", "--", PROGRAM, mode], env=env)
    t.skip_if_ended_so(result)
    refusals.check_lines(result, ("can't be carried", *words))
    t.check(not os.listdir("."), "left behind:", os.listdir("."))


def tracer():
    """The program traces a process outside of the tree."""
    with subprocess.Popen(["sleep", "1000"]) as target:
        try:
            refused("tracer", ("ptrace", f"process {target.pid} is traced by"), {**t.PLAIN_ENV, "TARGET": str(target.pid)})
        finally:
            target.kill()


ROWS = {row: (lambda m=row[len("refused_"):], w=words: refused(m, w)) for row, words in STATES.items()}
ROWS["refused_tracer"] = tracer

if __name__ == "__main__":
    t.main(ROWS)
