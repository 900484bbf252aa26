"""What is drawn after the point is new in each start, by the libraries that notice a new process; what is not is known."""
import os
import shutil
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


JAVA = """
import java.security.SecureRandom; import java.util.*;
class Draw {
    static final SecureRandom own = new SecureRandom();
    static Map<String, Object> draw() {
        byte[] bytes = new byte[16]; own.nextBytes(bytes);
        return Map.of("own", new java.math.BigInteger(1, bytes).toString(16), "uuid", UUID.randomUUID(), "new", new SecureRandom().nextLong());
    }
    public static void main(String[] words) {
        draw(); new java.io.File("/snap/here").exists();
        draw().forEach((name, value) -> System.out.println(name + " " + value));
    }
}
"""


def java():
    """The usual SecureRandom of Java, one that was seeded before the point and a new one, and its UUIDs."""
    for tool in ("java", "javac"):
        if not shutil.which(tool):
            t.skip(f"no {tool} here")
    with open("Draw.java", "w", encoding="ascii") as file:
        file.write(JAVA)
    built = t.run(["javac", "Draw.java"])
    t.check(built.status == 0, built)
    t.freeze("image.snap", ["java", "-cp", ".", "Draw"], at="path:/snap/here")
    starts = [t.restore("image.snap", options=options) for options in ((), ("--cache=off",))]
    drawn = [line for start in starts for line in start.out.splitlines()]
    t.check(all(start.status == 0 for start in starts) and len(set(drawn)) == len(drawn) == 3 * len(starts), starts)


ROWS = {"unique.java": java, "unique.new-process": new_process, "unique.same-ids": same_ids}

if __name__ == "__main__":
    t.main(ROWS)
