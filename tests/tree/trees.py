"""Trees of processes in one image: all are as they were, to each other and to who started them."""
import concurrent.futures
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

FAMILY = os.path.join(t.BUILD, "tests/tree/family")
HERE = "path:/snap/here"
MODES = ("inherited", "between", "groups", "orphans", "stopped", "shared", "deleted", "threads", "chain")


def family(mode):
    t.need_pid_namespace()
    t.run_directly([FAMILY, mode])
    t.freeze("image.snap", [FAMILY, mode], at=HERE)

    def start(image="image.snap"):
        started = t.restore(image)
        t.check(started.status == 0 and started.err == b"" and started.out == b"", "started:", started)

    t.every_start(start)
    thawed = t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"])
    t.check(thawed.status == 0, "snapimg thaw:", thawed)
    start("thawed.snap")


ROWS = {f"family.{mode}": (lambda m=mode: family(m)) for mode in MODES}

if __name__ == "__main__":
    t.main(ROWS)
