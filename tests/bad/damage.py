"""Damaged images are refused with status 125 and one line, by snaprun and by snapimg verify, and never run."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

DAMAGE = os.path.join(t.BUILD, "tests/bad/damage")
RUN, VERIFY = [t.SNAPRUN], [t.SNAPIMG, "verify"]


WARM = ["/usr/bin/python3", os.path.join(t.SOURCE, "tests/bench/python_start.py")]


def damage(command, how, *numbers, warm=False, compress="zstd"):
    options = {"at": "path:/snap/here"} if warm else {}
    t.freeze("image.snap", WARM if warm else [t.program("args-static")], options=[f"--compress={compress}"], **options)
    before = open("image.snap", "rb").read()
    result = t.run([DAMAGE, how, "image.snap", *map(str, numbers), "--", *command], timeout=280)
    print(result.out.decode().rstrip())
    t.check(result.status == 0, result)
    t.check(open("image.snap", "rb").read() == before, "the image itself was changed")
    t.check(t.restore("image.snap").status == 0, "the image is still good")


def row(*arguments, **options):
    return lambda: damage(*arguments, **options)


t.main({
    "cuts.run": row(RUN, "cuts"),
    "flips.verify-lz4": row(VERIFY, "flips", 500, 2, compress="lz4"),
    "flips.run-lz4": row(RUN, "flips", 2000, 4, compress="lz4"),
    "cuts.run-raw": row(RUN, "cuts", compress="none"),
    "cuts.run-large": row(RUN, "cuts", warm=True),
    "cuts.verify": row(VERIFY, "cuts"),
    "header.run": row(RUN, "header"),
    "header.verify": row(VERIFY, "header"),
    "flips.verify": row(VERIFY, "flips", 1500, 1),
    "flips.verify-raw": row(VERIFY, "flips", 500, 2, compress="none"),
    "flips.run": row(RUN, "flips", 7500, 3),
    "flips.run-raw": row(RUN, "flips", 2000, 4, compress="none"),
    "flips.run-large": row(RUN, "flips", 500, 5, warm=True),
})
