"""What is drawn after the point is new in each start, by the libraries that notice a new process; what is not is known."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PYTHON = "/usr/bin/python3"
STARTS = 3
# All generators are seeded before the point, so that none is new only because it begins after it.
PROGRAM = """
import ctypes, os, random, secrets, ssl, sys, uuid
def draw():
    return {"OpenSSL": ssl.RAND_bytes(16).hex(), "uuid1": uuid.uuid1(), "uuid4": uuid.uuid4(), "secrets": secrets.token_hex(16),
            "urandom": os.urandom(16).hex(), "random": random.random(), "hash": hash("text")}
draw()
if "poll" in sys.argv:  # the program's own libcrypto, which the ssl module has loaded
    import _ssl
    poll = ctypes.CDLL(_ssl.__file__).RAND_poll
    assert ctypes.CDLL(None).snap_on_restore(ctypes.cast(poll, ctypes.c_void_p), None) == 0
os.path.exists("/snap/here")
for what in draw().items():
    print(*what)
"""
# A generator whose state is in the program's memory goes on from there, as in README's "Security".
REPEATED = {"random", "hash"}


def drawn(options, words, new):
    """The names in `new` are unlike in all starts; of the rest, those of REPEATED are alike."""
    t.freeze("image.snap", [PYTHON, "-c", PROGRAM, *words], at="path:/snap/here")
    starts = []
    for _ in range(STARTS):
        result = t.restore("image.snap", options=options)
        t.check(result.status == 0 and result.err == b"", result)
        starts.append(dict(line.split() for line in result.out.decode().splitlines()))
    for name in starts[0]:
        values = {start[name] for start in starts}
        if name in new:
            t.check(len(values) == STARTS, name, "is the same in several starts:", starts)
        elif name in REPEATED:
            t.check(len(values) == 1, name, "differs, but is described as the same:", starts)


NEW = {"OpenSSL", "uuid1", "uuid4", "secrets", "urandom"}


def new_process():
    """Each start has an ID of its own, by which OpenSSL knows that it must seed itself again."""
    drawn([], [], NEW)


def same_ids():
    """With the old ID OpenSSL can't know: the program has it told."""
    t.need_pid_namespace()
    drawn(["--same-ids"], ["poll"], NEW)


ROWS = {"unique.new-process": new_process, "unique.same-ids": same_ids}

if __name__ == "__main__":
    t.main(ROWS)
