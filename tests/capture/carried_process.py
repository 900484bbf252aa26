"""As carried_state.py, for the states of carried_process.c: each is started from its image five times, and twice at once."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PROGRAM = os.path.join(t.BUILD, "tests/capture/carried_process")
STATES = ("state_cpu_timers",)


def carried(mode):
    t.run_directly([PROGRAM, mode])
    t.freeze("image.snap", [PROGRAM, mode], at="path:/snap/here")
    t.verify("image.snap")

    def start():
        again = t.restore("image.snap")
        t.check(again.status == 0 and again.err == b"", "restored:", again)

    t.every_start(start)


ROWS = {row: (lambda m=row[len("state_"):]: carried(m)) for row in STATES}

if __name__ == "__main__":
    t.main(ROWS)
