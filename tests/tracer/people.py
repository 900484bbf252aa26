"""What a person is told: what a start saves."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

SAVES = re.compile(rb"; a start saves (?:(\d+) ms|(\d+\.\d) s)(, a later point more)?\n$")


def saved(traced):
    """Seconds, and whether a later point is recommended."""
    told = SAVES.search(traced.err)
    t.check(traced.status == 0 and told, "wanted a summary that says what a start saves, got", traced)
    return (float(told[2]) if told[2] else int(told[1]) / 1000), bool(told[3])


def trace(at, *words):
    return t.run([t.SNAPTRACE, "-o", "image.snap", "--at", at, *words])


def saves():
    """The summary says what came between exec and the point: the sleep, with its shell's time but not before."""
    seconds, early = saved(trace("path:/snap/here", "sh", "-c", "sleep 0.3; test -e /snap/here"))
    t.check(seconds >= 0.3 and not early, seconds, early)
    whole, _ = saved(trace("path:/snap/here", "sh", "-c", "sleep 0.3; exec sh -c 'test -e /snap/here'"))
    t.check(whole >= 0.3, "a program that became another began with the first one:", whole)
    seconds, early = saved(trace("main", "true"))
    t.check(early == (seconds < 0.01) or seconds == 0.01, seconds, early)


ROWS = {"saves": saves}

if __name__ == "__main__":
    t.main(ROWS)
