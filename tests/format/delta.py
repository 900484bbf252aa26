"""snapimg diff and patch: the new image is made again byte for byte, or nothing is."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

CODE = "import json\ndata = list(range(int({size})))\nimport os\nos.path.exists('/snap/here')\nprint(sum(data))"


def snapimg(*words):
    return t.run([t.SNAPIMG, *words])


def fine(*words):
    result = snapimg(*words)
    t.check(result == t.Result(0, b"", b""), words, result)


def freeze(name, size, *options):
    t.freeze(name, ["/usr/bin/python3", "-c", CODE.format(size=size)], at="path:/snap/here", options=options)


def content(name):
    with open(name, "rb") as file:
        return file.read()


def same_again(*options, thaw=False):
    freeze("base.snap", 1000, *options)
    freeze("new.snap", 3000, *options)
    if thaw:
        fine("thaw", "new.snap", "-o", "thawed.snap")
        os.rename("thawed.snap", "new.snap")
    fine("diff", "base.snap", "new.snap", "-o", "delta")
    t.check(os.path.getsize("delta") < os.path.getsize("new.snap") * 0.7, "the delta is small:", os.path.getsize("delta"))
    fine("patch", "base.snap", "delta", "-o", "again.snap")
    t.check(content("again.snap") == content("new.snap"), "byte for byte")
    t.check(os.stat("again.snap").st_mode & 0o777 == 0o600, "its mode")
    t.check(t.restore("again.snap").out == b"%d\n" % sum(range(3000)), "it starts")


def tiny_images():
    """Images of a few pages, which are stored raw."""
    for name, argument in (("base.snap", "a"), ("new.snap", "b")):
        t.freeze(name, [t.program("args-static"), argument], at="main")
    fine("diff", "base.snap", "new.snap", "-o", "delta")
    fine("patch", "base.snap", "delta", "-o", "again.snap")
    t.check(content("again.snap") == content("new.snap"), "byte for byte")


def small():
    for name, argument in (("base.snap", "a"), ("new.snap", "b")):
        t.freeze(name, [t.program("args-static"), argument], at="main")
    fine("diff", "base.snap", "new.snap", "-o", "delta")


def other_base():
    small()
    t.one_line(snapimg("patch", "new.snap", "delta", "-o", "again.snap"), 125, "another base", "delta")
    t.check(not os.path.exists("again.snap"), "nothing is made")


def damaged():
    """Every byte that is another, and each length that is shorter, is found; nothing is made then."""
    small()
    whole = content("delta")
    places = [*range(0, 96), *range(96, len(whole), max(1, len(whole) // 60))]
    cases = [(f"byte {at}", whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:]) for at in places]
    cases += [(f"length {at}", whole[:at]) for at in (1, 8, 95, 96, len(whole) - 1)] + [("longer", whole + b"\0")]
    for name, changed in cases:
        with open("damaged", "wb") as file:
            file.write(changed)
        t.one_line(snapimg("patch", "base.snap", "damaged", "-o", "again.snap"), 125, "damaged", tool="snapimg: ")
        t.check(not os.path.exists("again.snap"), name)


def wrong_files():
    small()
    t.one_line(snapimg("patch", "base.snap", "new.snap", "-o", "x"), 125, "not a delta", "new.snap")
    t.one_line(snapimg("patch", "base.snap", "missing", "-o", "x"), 127, "missing")
    t.one_line(snapimg("diff", "base.snap", "delta", "-o", "x"), 125, "delta")
    t.one_line(snapimg("diff", "base.snap", "-o", "x"), 125, "second file")
    open("empty", "wb").close()
    t.one_line(snapimg("patch", "base.snap", "empty", "-o", "x"), 125, "not a delta")
    t.check(not os.path.exists("x"), "nothing is made")


ROWS = {
    "delta.zstd": same_again, "delta.level": lambda: same_again("--level", "9"),
    "delta.level-13": lambda: same_again("--level", "13"), "delta.thawed": lambda: same_again(thaw=True),
    "delta.tiny": tiny_images, "delta.other-base": other_base, "delta.damaged": damaged, "delta.wrong-files": wrong_files,
}

if __name__ == "__main__":
    t.main(ROWS)
