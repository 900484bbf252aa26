"""What a person is told: what a start saves, and what --check finds out about a machine and a program."""
import json
import os
import re
import subprocess
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


def left_out():
    """Where a child meets the point, a line says that PROG is not in the image, unless somebody asked for that."""
    line = b"image.snap: has cat, which sh started, and not sh itself: --whole takes both\n"
    for options, told in (((), True), (("--whole",), False), (("--in", "cat"), False)):
        traced = trace("read:0", *options, "sh", "-c", "cat; echo after")
        t.check(traced.status == 0 and traced.err.endswith(line) == told, options, traced)


TARGET = os.path.join(t.BUILD, "tests/tracer/target")
TALKS = """
import socket, sys
print("a word", flush=True)
sys.stdin.read()
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
client = socket.socket()
client.connect(server.getsockname())
server.accept()
sys.exit(5)
"""


def report(*words, status=0, **more):
    """What --check says as JSON, and what the program itself wrote."""
    result = t.run([t.SNAPTRACE, "--check", "--json", *words], **more)
    t.check(result.status == status and os.listdir(".") == [], "wanted status", status, "and no file, got", result, os.listdir("."))
    return json.loads(result.out), result.err


def machine():
    """Each thing is tried, as a person and as a program read it; the two agree."""
    said, _ = report()
    t.check(set(said) == {"machine"} and len(said["machine"]) > 10, said)
    for fact in said["machine"]:
        t.check(fact["works"] or (fact["text"] and not fact["needed"]), "this machine runs the tests:", fact)
    text = t.run([t.SNAPTRACE, "--check"]).out.decode()
    for fact in said["machine"]:
        t.check(re.search(rf"^  {re.escape(fact['name'])} +{'yes' if fact['works'] else 'no '}", text, re.MULTILINE), fact, text)


def timeline():
    """The points in their order, what each saves, and what stands in the way of a late one; the program runs to its end."""
    said, err = report("--at", "path:/snap/never", "--timeout", "100", "/usr/bin/python3", "-c", TALKS, status=1)
    points = {point["point"]: point for point in said["points"]}
    met = [point["point"] for point in said["points"] if point["met"]]
    t.check(met == ["entry", "main", "effect", "output", "read:0", "listen", "accept"], met)
    t.check({name for name in points if not points[name]["met"]} == {"path:/snap/never", "idle"}, points)
    saved = [points[name]["saved_milliseconds"] for name in met]
    t.check(saved == sorted(saved) and saved[0] > 0, saved)
    t.check(all(points[name]["works"] and points[name]["pages"] > 0 for name in met[:6]), points)
    t.check(not points["accept"]["works"] and "TCP socket" in points["accept"]["told"][-1], points["accept"])
    t.check(err == b"a word\n" and said["end"] == "ended with status 5", err, said["end"])
    refused, _ = report("--at", "accept", "/usr/bin/python3", "-c", TALKS, status=125)
    t.check(refused["points"][0]["point"] == "entry", refused)
    text = t.run([t.SNAPTRACE, "--check", "/usr/bin/python3", "-c", TALKS])
    t.check(text.status == 0 and b"--at effect saves most" in text.out and b"refused in python3:\n      " in text.out, text)


def lives(word):
    """A self-checking program feels nothing of the looks at it."""
    direct = t.run([TARGET, word])
    said, err = report("--timeout", "100", TARGET, word)
    t.check(said["end"] == f"ended with status {direct.status}", direct, said, err)
    t.check(err == direct.out + direct.err, "direct:", direct, "looked at:", err)


def ended_in_time():
    said, _ = report("--timeout", "1", "sh", "-c", "while :; do :; done")
    t.check(said["end"] == "was ended after 1 s", said)


def attached():
    """A process that runs is looked at and goes on."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"before ")
        process.stdin.flush()
        t.check(process.stdout.read(7) == b"before ", "it runs")
        result = t.run([t.SNAPTRACE, "--check", "--json", "-p", str(process.pid)])
        if not result.out:
            t.skip("nobody may attach here: " + result.err.decode())
        said = json.loads(result.out)
        point, = said["points"]
        t.check(point["name"] == "cat" and said["end"] == "goes on" and os.listdir(".") == [], said)
        t.check(result.status == (0 if point["works"] else 125), result)
        t.check(process.communicate(b"after")[0] == b"after" and process.returncode == 0, "it goes on")


ROWS = {"saves": saves, "left-out": left_out, "check.machine": machine, "check.timeline": timeline, "check.timeout": ended_in_time, "check.attached": attached}
ROWS |= {f"check.{word}": lambda word=word: lives(word) for word in ("siginfo", "traps", "group-stop", "exec-thread", "chain", "children", "threads")}

if __name__ == "__main__":
    t.main(ROWS)
