"""What has kept its IDs is found when the image is made, and right at each start: with new IDs where that is known to be
enough, else with the recorded ones, and where no namespace can be made with new ones that are written over the old."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = "path:/snap/here"
KNOWN = ("plain", "errorcheck", "recursive", "inheriting", "inheriting-recursive", "robust", "robust-recursive",
         "robust-inheriting", "rwlock", "python-int")
KEPT = {"tagged": "number of a language", "path": "path", "data": "number", "heap": "number", "register": "register", "thread": "number",
        "negative": "negative number"}
FORMS = {"forms": {"number in an odd place", "number in network order", "hexadecimal text", "text of wide characters"},
         "vector": {"number in a vector register"},
         "parents-name": {"part of a text with the parent's ID"}}
RIGHT = t.Result(0, b"right\n", b"")


def freeze(kind, way, wanted=frozenset()):
    """Returns the kinds of places in which the image has IDs that only the recorded ones are right in. Once in some hundred times a
    word equals the ID by accident; then another ID is taken, which no word equals."""
    path = t.program(f"kept-{kind}")
    t.same(t.run_directly([path, way], status=RIGHT.status), RIGHT)
    for _ in range(3):
        t.freeze("image.snap", [path, way], at=HERE)
        kept = t.kept_ids("image.snap")
        if not kept - wanted:
            break
    return kept


def every(start, together=True):
    t.every_start(lambda: t.same(start(), RIGHT), together)


def denied(*options):
    return t.run([t.program("denied-pie"), t.SNAPRUN, *options, "image.snap"])


def known(kind, way):
    kept = freeze(kind, way)
    t.check(kept == set(), "kept:", kept)
    every(lambda: t.restore("image.snap"))
    t.same(denied(), RIGHT)


def chunk(kind):
    """The sizes of chunks of memory, free or in use, are never written over. (A register may have the ID of a thread that was just made.)"""
    kept = freeze(kind, "chunk", {"register"})
    t.check(not kept - {"register"}, "kept:", kept)
    t.same(t.restore("image.snap"), RIGHT)
    t.same(denied(), RIGHT)


def unknown(kind, way):
    kept = freeze(kind, way, {KEPT[way]})
    t.check(KEPT[way] in kept, "kept:", kept)
    every(lambda: t.restore("image.snap"))
    every(denied)
    t.same(t.restore("image.snap", options=("--ids=new",)), RIGHT)


def name(kind):
    """Files that it made are there under its ID, or with it as their content: with another one it would not find them again."""
    freeze(kind, "name", {"part of a text", "name of its own", "content"})
    found = {(place["kind"], os.path.basename(place["where"])) for place in
             json.loads(t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out)["ids"]}
    locks = [file for file in os.listdir() if file.endswith(".lock")]
    t.check(any(("name of its own", lock) in found for lock in locks) and ("content", "kept.pid") in found, locks, "found:", found)
    if t.restore("image.snap", options=("--ids=same",)).status == 0:
        every(lambda: t.restore("image.snap"), together=False)  # all starts have that file, which each removes and makes again
    t.one_line(denied(), 125, "image.snap", "kept its ID", "--ids=new")
    t.same(denied("--ids=new"), RIGHT)


def text(kind):
    """A text can be written over with one that is no longer."""
    kept = freeze(kind, "text", {"text"})
    t.check("text" in kept, "kept:", kept)
    if t.restore("image.snap", options=("--ids=same",)).status == 0:
        every(lambda: t.restore("image.snap"))
    result = denied()
    if result.status == 125:
        t.one_line(result, 125, "image.snap", "kept its ID", "text", "--ids=new")
    else:
        t.same(result, RIGHT)


def forms(kind, way):
    """Found, and too seldom that it would pay to write them over: where there can be no namespace they are in the way."""
    wanted = FORMS[way]
    kept = freeze(kind, way, wanted)
    t.check(wanted <= kept, "kept:", kept)
    if t.restore("image.snap", options=("--ids=same",)).status == 0:
        every(lambda: t.restore("image.snap"))
    t.one_line(denied(), 125, "image.snap", "kept its ID", "--ids=new")


def outside():
    """Where only the kernel has it; what the program itself still has in its registers or on its stack is no matter here."""
    t.freeze("image.snap", [t.program("kept-pie"), "outside"], at=HERE)
    info = json.loads(t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out)
    found = {(place["kind"], place["where"]) for place in info["ids"]}
    for place in (("content", "pipe"), ("content", "memfd"), ("number of an entry", "epoll set"), ("number of an entry", "timer"),
                  ("number of an entry", "netlink socket"), ("name of its own", "name of a socket"),
                  ("name of its own", "name of a thread")):
        t.check(place in found, place, "found:", found)
    if t.restore("image.snap", options=("--ids=same",)).status == 0:
        every(lambda: t.restore("image.snap"), together=False)  # their sockets have one name
    t.one_line(denied(), 125, "image.snap", "kept its ID", "--ids=new")


def next_id():
    with subprocess.Popen(["true"]) as process:
        return process.pid


def parent(kind):
    """The program sees by its parent's ID, which it asked for, that the parent has ended: it is kept."""
    wanted = {"parent's number", "parent's number in a register", "parent's text", "parent's number of a language"}
    before = next_id()
    kept = freeze(kind, "parent", wanted)
    after = next_id()
    if not kept and (min(before, after) < 4096 or after < before):  # IDs begin again after the highest
        t.skip("IDs are small numbers now, which are mostly something else")
    t.check(wanted <= kept, "kept:", kept)
    every(lambda: t.restore("image.snap"))
    every(denied)


def variable(shell):
    """A shell has its parent's ID as a text from its beginning: it is the new one's, with no namespace for it."""
    before = next_id()
    t.freeze_with_nothing_kept("image.snap", [*shell, "-c", "test -e /snap/here; echo $PPID"], at=HERE)
    after = next_id()
    if min(before, after) < 4096 or after < before:
        t.skip("IDs are small numbers now, which are not looked for")
    t.check(t.kept_ids("image.snap") == set(), t.kept_ids("image.snap"))
    t.same(t.restore("image.snap"), t.Result(0, b"%d\n" % os.getpid(), b""))


def numbers(kind, way):
    """What may be no ID is never written over."""
    kept = freeze(kind, way, {"number among others"})
    if kept == set():
        t.skip("its ID is higher than the numbers")
    t.check(kept == {"number among others"}, "kept:", kept)
    every(lambda: t.restore("image.snap"))
    t.one_line(denied(), 125, "image.snap", "kept its ID", "number among others", "--ids=new")
    t.same(denied("--ids=new"), RIGHT)


def message():
    """A longer text with the ID in it is right in a namespace; where there can be none it stays as it is, and that is told."""
    kept = freeze("pie", "message", {"part of a text"})
    t.check(kept == {"part of a text"}, "kept:", kept)
    if t.restore("image.snap", options=("--ids=same",)).status == 0:
        t.same(t.restore("image.snap"), RIGHT)
    told = denied()
    t.check(told.status == 0 and told.out == b"older\nright\n", told)
    t.check(b"a text in" in told.err and b"--ids=new" in told.err and told.err.count(b"\n") == 1, told)
    for options in (("--ids=new",), ("-q",)):
        t.same(denied(*options), t.Result(0, b"older\nright\n", b""))


def slots():
    """What is among slots of a table is no ID in other forms than its own."""
    kept = freeze("pie", "slots")
    t.check(not kept & {"negative number", "number of a language", "number among others"}, "kept:", kept)
    t.same(denied("--ids=new"), RIGHT)


def tags():
    """Python tags no numbers: what looks like one is none."""
    code = """import array, os
numbers = array.array('Q', bytes(64))
numbers[4] = 2 * os.getpid() + 1
print(hex(numbers.buffer_info()[0] + 32), flush=True)
before = bytes(numbers)
os.path.exists('/snap/here')
print(before == bytes(numbers))"""
    made = t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at=HERE)
    found = {place["address"] for place in json.loads(t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out)["ids"]}
    t.check(made.out.decode().strip() not in found, made.out, found)
    t.same(t.restore("image.snap", options=("--ids=new",)), t.Result(0, b"True\n", b""))


def nothing(kind):
    """It needs no namespace: its parent is who started it."""
    kept = freeze(kind, "nothing")
    t.check(kept == set(), "kept:", kept)
    t.same(t.restore("image.snap"), RIGHT)


def listen():
    """What a service manager says to a process by its ID is said to the program."""
    code = """import os
pid = os.getpid()
os.path.exists('/snap/here')
now = dict(line.split('=', 1) for line in open('/proc/self/environ').read().split(chr(0)) if line)
print(pid == os.getpid(), *[int(now[name]) - os.getpid() for name in ('LISTEN_PID', 'WATCHDOG_PID', 'OTHER_PID')])"""
    t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at=HERE)
    start = 'export LISTEN_PID=$$ WATCHDOG_PID=$$ OTHER_PID=$$; exec "$@"'
    if t.restore("image.snap", options=("--ids=same",), env={"LISTEN_PID": "1", "WATCHDOG_PID": "1", "OTHER_PID": "1"}).status == 125:
        t.skip("this machine allows no new PID namespace")
    told = t.run(["sh", "-c", start, "sh", t.SNAPRUN, "--ids=same", "image.snap"])
    t.check(told.status == 0 and told.out.startswith(b"True 0 0 ") and not told.out.endswith(b" 0\n"), told)
    told = t.run(["sh", "-c", start, "sh", t.SNAPRUN, "--ids=new", "image.snap"])
    t.same(told, t.Result(0, b"True 0 0 0\n", b""))


def version():
    """The number of changes of a dict, which Python counts up from 0, is no kept ID, as itself or as Ruby writes it."""
    code = """import ctypes, os, sys
if sys.version_info >= (3, 12): sys.exit(77)
pid, tagged = os.getpid(), 2 * os.getpid() + 1
changed = [{}, {}]
for one, number in zip(changed, (pid, tagged)):
    ctypes.memmove(id(one) + 24, id(number) + 24, 4)
print(*(hex(id(place) + 24) for place in (pid, *changed)), flush=True)
os.path.exists('/snap/here')
print(changed == [{}, {}] and pid == os.getpid())"""
    made = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--at", HERE, "--", "/usr/bin/python3", "-c", code])
    t.skip_if_ended_so(made)
    t.check(made.status == 0, made)
    pid, *changed = made.out.decode().split()
    found = {place["address"] for place in json.loads(t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out)["ids"]}
    t.check(not found & set(changed) and pid in found, changed, pid, found)
    t.same(t.restore("image.snap", options=("--ids=new",)), t.Result(0, b"True\n", b""))


def forgotten():
    """Nobody has looked into an image of version 1.1: it starts as it always did, or with its IDs."""
    golden = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "format", "golden-v1.1.snap")
    t.check("ids" not in json.loads(t.run([t.SNAPIMG, "info", "--json", golden]).out), "ids")


ROWS = {f"kept.{way}.{kind}": (lambda k=kind, w=way: known(k, w)) for way in KNOWN for kind in ("pie", "static", "musl")}
ROWS.update({f"kept.{way}.{kind}": (lambda k=kind, w=way: unknown(k, w)) for way in KEPT for kind in ("pie", "static", "musl")
             if way != "negative" or kind == "pie"})
ROWS.update({f"kept.chunk.{kind}": (lambda k=kind: chunk(k)) for kind in ("pie", "static")})
ROWS.update({f"kept.text.{kind}": (lambda k=kind: text(k)) for kind in ("pie", "musl")})
ROWS.update({f"kept.name.{kind}": (lambda k=kind: name(k)) for kind in ("pie", "static", "musl")})
ROWS.update({f"kept.nothing.{kind}": (lambda k=kind: nothing(k)) for kind in ("pie", "static", "musl")})
ROWS.update({f"kept.{way}.{kind}": (lambda k=kind, w=way: numbers(k, w)) for way in ("numbers", "objects") for kind in ("pie", "static", "musl")})
ROWS.update({f"kept.{way}.pie": (lambda w=way: forms("pie", w)) for way in FORMS})
ROWS.update({f"kept.parent.{kind}": (lambda k=kind: parent(k)) for kind in ("pie", "musl")})
ROWS.update({f"kept.variable.{shell}": (lambda s=shell: variable([f"/bin/{s}"])) for shell in ("dash", "bash")})
ROWS.update({"kept.outside": outside})
ROWS.update({"kept.listen": listen, "kept.unsearched": forgotten, "kept.version": version, "kept.message": message, "kept.slots": slots, "kept.tags": tags})

if __name__ == "__main__":
    t.main(ROWS)
