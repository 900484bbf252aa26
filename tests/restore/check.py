#!/usr/bin/python3
"""snaprun --check: all reasons why an image won't start here, told at once, and nothing is started or made."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

EDIT = os.path.join(t.BUILD, "tests/restore/edit_image")
CODE = ("import os; os.chdir('inside'); one = open('one'); two = open('../two'); open('/dev/null').close();"
        "os.path.exists('/snap/here'); print('started')")


def answer(image="image.snap", *options):
    said = t.run([t.SNAPRUN, "--check", "--json", *options, image])
    t.check(said.err == b"", said)
    told = json.loads(said.out)
    t.check(said.status == (0 if told["starts"] else 125) and told["starts"] == (told["reasons"] == []), said)
    t.check(told["image"] == image, said)
    return [(reason["code"], reason["text"]) for reason in told["reasons"]]


def frozen():
    os.mkdir("inside")
    for name in ("inside/one", "two"):
        with open(name, "w", encoding="utf-8") as file:
            file.write(name)
    shutil.copy("/usr/bin/python3", "python")
    t.freeze("image.snap", [os.path.abspath("python"), "-c", CODE], at="path:/snap/here", options=["--no-cache"])


def starts():
    frozen()
    t.check(answer() == [], answer())
    t.same(t.run([t.SNAPRUN, "--check", "image.snap"]), t.Result(0, b"image.snap: will start here\n", b""))
    t.same(t.restore("image.snap"), t.Result(0, b"started\n", b""))
    t.check(t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"]).status == 0, "not thawed")
    t.check(answer("thawed.snap") == [], answer("thawed.snap"))


def each_reason():
    """Several at once: what a start would tell one after the other."""
    frozen()
    shutil.rmtree("inside")
    os.remove("two")
    shutil.copy("/bin/true", "python")
    edited = t.run([EDIT, "image.snap", "edited.snap", "cpu"])
    image = "image.snap" if edited.status == 77 else "edited.snap"
    told = answer(image)
    for code, word in (("file", "/python: has changed"), ("file", "/inside/one: cannot open"), ("file", "/two: cannot open"),
                       ("directory", "/inside: "), *([("processor", "lacks")] if image == "edited.snap" else [])):
        t.check(len([1 for reason in told if reason[0] == code and word in reason[1]]) == 1, code, word, told)
    t.check(len(told) == (5 if image == "edited.snap" else 4), told)
    plain = t.run([t.SNAPRUN, "--check", image])
    t.check(plain.status == 125 and plain.out.decode().splitlines() == [": ".join(reason) for reason in told], plain)
    t.check(len(answer(image, "--on-mismatch=ignore")) == len(told) - 1, "a changed file counts that shall not")


def makes_nothing():
    """A file that a start would make again is no reason, and is not made."""
    code = ("import os; file = open('made', 'w+'); file.write('x'); file.flush(); os.path.exists('/snap/here');"
            "print(os.path.exists('made'))")
    t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at="path:/snap/here", options=["--no-cache"])
    os.remove("made")
    t.check(answer() == [], answer())
    t.check(not os.path.exists("made"), "it was made")
    t.same(t.restore("image.snap"), t.Result(0, b"True\n", b""))


def unreadable():
    """Not there, no image, damaged; a name that needs escapes; --json alone."""
    name = 'a "b"\\\n\u00e9'
    said = t.run([t.SNAPRUN, "--check", "--json", name])
    told = json.loads(said.out)
    t.check(said.status == 127 and told["image"] == name and told["reasons"][0]["code"] == "image" and not told["starts"], said)
    frozen()
    with open("image.snap", "r+b") as file:
        file.truncate(5000)
    t.check([reason[0] for reason in answer()] == ["image"], answer())
    t.one_line(t.run([t.SNAPRUN, "--json", "image.snap"]), 125, "--json", "--check")


t.main({"check.starts": starts, "check.each_reason": each_reason, "check.makes_nothing": makes_nothing,
        "check.unreadable": unreadable})
