"""As carried.py, for the states of carried_state.c: each is started from its image five times, and twice at once."""
import os
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PROGRAM = os.path.join(t.BUILD, "tests/capture/carried_state")
STATES = ("state_shared_anonymous", "state_shared_read_only", "state_memfd_closed", "state_shared_deleted", "state_posix_shm", "state_guards", "state_grows_down",
          "state_locked", "state_locked_future", "state_locked_future_on_fault", "state_advised", "state_many_mappings", "state_limits", "state_scheduling",
          "state_process_files", "state_interval_timers", "state_alarm_rings", "state_posix_timers")


def freeze(mode, after_direct=lambda: None):
    t.run_directly([PROGRAM, mode])
    after_direct()
    t.freeze("image.snap", [PROGRAM, mode], at="path:/snap/here")
    t.verify("image.snap")


def start():
    again = t.restore("image.snap")
    t.check(again.status == 0 and again.err == b"", "restored:", again)


def carried(mode):
    freeze(mode)
    t.every_start(start)


def posix_shm():
    """A named segment that the program made and writes: each start makes it again where it is gone."""
    shared = f"/dev/shm/snaptest-{os.stat('.').st_ino}"
    try:
        freeze("posix_shm", after_direct=lambda: os.unlink(shared))
        for _ in range(3):
            os.unlink(shared)
            start()
        t.one_line(t.restore("image.snap"), 125, shared, "has changed", tool="snaprun: ")
    finally:
        if os.path.exists(shared):
            os.unlink(shared)


def lower_hard_limit():
    """A caller with a lower hard limit keeps it, and one line tells so."""
    def lowered():
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))

    if t.IS_ROOT:
        t.skip("root may raise a hard limit")
    freeze("limits")
    again = t.restore("image.snap", preexec_fn=lowered)
    lines = again.err.decode().splitlines()
    t.check(len([line for line in lines if line.startswith("snaprun: ")]) == 1, "one line:", again)
    t.check("hard limit is lower" in lines[0], "the line:", again)


ROWS = {row: (lambda m=row[len("state_"):]: carried(m)) for row in STATES}
ROWS["state_lower_hard_limit"] = lower_hard_limit
ROWS["state_posix_shm"] = posix_shm

if __name__ == "__main__":
    t.main(ROWS)
