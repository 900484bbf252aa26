"""Images for other machines (--portable), and images that are alike (--reproducible)."""
import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = "path:/snap/here"
WAITS = os.path.join(t.BUILD, "tests/restore/clocks")
PYTHON = "/usr/bin/python3"
IMPORTS = "import os, json, decimal, random, email\nos.path.exists('/snap/here')\n"
DELTA_MOST = 50 << 10
AS_IT_IS = ["unshare", *([] if t.IS_ROOT else ["--map-current-user"]), "--time"]


def portable(argv, at=HERE, by=(), **more):
    """Freezes so; skips where no time namespace can be made, of which a line tells."""
    made = t.run([*by, t.SNAPTRACE, "-q", "--portable", "-o", "image.snap", "--at", at, "--", *argv], **more)
    if b"near zero" in made.err:
        t.skip(made.err.decode())
    t.same(made, t.Result(0, b"", b""))


def described(name="image.snap"):
    return json.loads(t.run([t.SNAPIMG, "info", "--json", name]).out)


def uptime():
    with open("/proc/uptime", encoding="ascii") as file:
        return float(file.read().split()[0])


def level():
    """Self-contained, of a processor level, bound at once; --cpu beside it counts, in any order."""
    portable([PYTHON, "-c", "import os; os.path.exists('/snap/here'); print(os.environ['LD_BIND_NOW'])"])
    info = described()
    t.check(info["cpu_level"] == "x86-64-v2", info.get("cpu_level"))
    t.check("self-contained" in info["required_features"], info["required_features"])
    t.same(t.restore("image.snap"), t.Result(0, b"1\n", b""))
    for options in (["--cpu=x86-64", "--portable"], ["--portable", "--cpu=x86-64"]):
        t.freeze("other.snap", [t.program("args-pie")], options=options)
        t.check(described("other.snap")["cpu_level"] == "x86-64", options)


def clock():
    """The program sees a clock that begins near zero; where a start's is ahead, its waits are over, and behind, they go on."""
    before = uptime()
    portable([PYTHON, "-c", "import os, time; began = time.monotonic(); os.path.exists('/snap/here'); "
              "print(time.monotonic() >= began)"])
    clocks = described()["clocks"]
    spent = uptime() - before
    for name in ("monotonic", "boottime"):
        t.check(9e9 < clocks[name] < (12 + spent) * 1e9, name, clocks[name], "after", spent, "s")
    t.same(t.restore("image.snap"), t.Result(0, b"True\n", b""))
    behind = [*AS_IT_IS, "--monotonic", str(2 - int(uptime())), "--boottime", str(2 - int(uptime()))]
    if t.run([*behind, "true"]).status != 0:
        t.skip("no time namespace can be made (unshare --time)")
    t.same(t.run([*behind, t.SNAPRUN, "image.snap"]), t.Result(0, b"True\n", b""))


def waits(mode):
    """A wait for a moment of the image's clock ends, with the machine's own clock and with one that is behind."""
    portable([WAITS, mode])
    t.same(t.restore("image.snap"), t.Result(0, b"", b""))
    behind = [*AS_IT_IS, "--monotonic", str(2 - int(uptime())), "--boottime", str(2 - int(uptime()))]
    if t.run([*behind, "true"]).status == 0:
        t.same(t.run([*behind, t.SNAPRUN, "image.snap"]), t.Result(0, b"", b""))


def denied():
    """Where no namespace may be made a line says so, and the image is made with the machine's clock."""
    made = t.run([t.program("denied-pie"), t.SNAPTRACE, "-q", "--portable", "-o", "image.snap", "--at", HERE, "--",
                  PYTHON, "-c", "import os; os.path.exists('/snap/here'); print('on')"])
    t.one_line(made, 0, "--portable", "clock", "no time namespace", tool="snaptrace")
    t.check(described()["clocks"]["monotonic"] > 0, "no clock")
    t.same(t.restore("image.snap"), t.Result(0, b"on\n", b""))


def names():
    """Nothing of the machine's name is in the image, nor of the directory where it was written."""
    os.makedirs("in/the-builders-own")  # Python lists the working directory
    script = IMPORTS + "print('on')"
    made = t.run([t.SNAPTRACE, "-q", "--portable", "--compress=none", "-o", "in/the-builders-own/image.snap", "--at", HERE, "--",
                  PYTHON, "-c", script])
    t.check(made.status == 0, made)
    with open("in/the-builders-own/image.snap", "rb") as file:
        data = file.read()
    t.check(b"the-builders-own" not in data, "the directory's name")
    name = socket.gethostname().encode()
    t.check(len(name) < 6 or name not in data, "the machine's name")


def alike():
    """Two images of one program differ by little; its hash seed is fixed, and one that is given stays."""
    os.mkdir("program")  # a directory that does not change: Python keeps what is in it
    for name in ("base", "new"):
        freeze_in("program", f"../{name}.snap")
    for words in (["diff", "base.snap", "new.snap", "-o", "delta"], ["patch", "base.snap", "delta", "-o", "again.snap"]):
        t.same(t.run([t.SNAPIMG, *words]), t.Result(0, b"", b""))
    size = os.path.getsize("delta")
    t.check(size <= DELTA_MOST, "the delta has", size, "bytes")
    with open("again.snap", "rb") as again, open("new.snap", "rb") as new:
        t.check(again.read() == new.read(), "not byte for byte")
    said = [t.restore(f"{name}.snap") for name in ("base", "new")]
    t.check(said[0].status == 0 and said[0] == said[1], said)


def freeze_in(directory, image, env=None):
    made = t.run([t.SNAPTRACE, "-q", "--reproducible", "-o", image, "--at", HERE, "--", PYTHON, "-c", IMPORTS + "print(hash('word'))"],
                 cwd=directory, env=env)
    t.check(made.status == 0, made)


def given_seed():
    """What the caller has set is his."""
    freeze_in(".", "image.snap", env={**t.PLAIN_ENV, "PYTHONHASHSEED": "7"})
    wanted = t.run([PYTHON, "-c", "print(hash('word'))"], env={**t.PLAIN_ENV, "PYTHONHASHSEED": "7"})
    t.same(t.restore("image.snap"), wanted)


def fresh():
    """The starts have new random bytes, and addresses that the kernel places at random, in children too."""
    t.freeze("image.snap", [t.program("random-pie")], at=HERE, options=["--reproducible"])
    t.check(len({t.restore("image.snap").out for _ in range(4)}) == 4, "AT_RANDOM is the same")
    script = ("import os, subprocess\nos.path.exists('/snap/here')\nprint(open('/proc/self/personality').read(), "
              "os.urandom(8) != os.urandom(8), subprocess.run(['cat', '/proc/self/personality'], capture_output=True).stdout)")
    direct = t.run([PYTHON, "-c", script])
    t.freeze("image.snap", [PYTHON, "-c", script], at=HERE, options=["--reproducible"])
    t.same(t.restore("image.snap"), direct)


def not_of_a_running_one():
    for option in ("--portable", "--reproducible"):
        for words in (["-p", str(os.getpid())], ["--record-hot", "image.snap"]):
            t.one_line(t.run([t.SNAPTRACE, option, *words]), 125, option, words[0])


ROWS = {
    "portable.level": level, "portable.clock": clock, "portable.condition": lambda: waits("condition"),
    "portable.timerfd": lambda: waits("timerfd"), "portable.denied": denied, "portable.names": names,
    "portable.refused": not_of_a_running_one,
    "reproducible.alike": alike, "reproducible.given_seed": given_seed, "reproducible.fresh": fresh,
}

if __name__ == "__main__":
    t.main(ROWS)
