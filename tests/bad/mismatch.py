"""A file that an image maps has changed since: --on-mismatch=fail, warn and ignore, and --fallback."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

LIBRARY = "const char *answer(void); const char *answer(void) { return \"%s\"; }\n"
PROGRAM = """#include <stdio.h>
#include <unistd.h>
const char *answer(void);
int main(int argc, char **argv)
{
	access("/snap/here", F_OK);
	printf("%d %s %s\\n", argc, argc > 1 ? argv[1] : "-", answer());
	return 7;
}
"""


def compile_library(answer, *flags):
    with open("library.c", "w", encoding="utf-8") as file:
        file.write(LIBRARY % answer)
    made = t.run([t.CC, "-shared", "-fPIC", *flags, "-o", "new.so", "library.c"])
    t.check(made.status == 0, made)
    # A new file in the old one's place, as package managers do; and never in place, which would change a running one.
    os.rename("new.so", "libanswer.so")


def frozen(*flags):
    with open("program.c", "w", encoding="utf-8") as file:
        file.write(PROGRAM)
    compile_library("first", *flags)
    made = t.run([t.CC, "program.c", "-o", "program", "-L.", "-lanswer", "-Wl,-rpath," + os.getcwd()])
    t.check(made.status == 0, made)
    t.freeze("image.snap", ["./program", "frozen"])
    t.same(t.restore("image.snap", ["word"]), t.Result(7, b"2 word first\n", b""))


def mismatch(policy, *options):
    return t.restore("image.snap", ["word"], options=[*([f"--on-mismatch={policy}"] if policy else []), *options])


def rebuilt():
    """Another build-id. Run all the same, the old code is not there: what the image holds of it is not checked."""
    frozen("-Wl,--build-id")
    compile_library("other", "-Wl,--build-id")
    for policy in (None, "fail"):
        t.one_line(mismatch(policy), 125, "libanswer.so", tool="snaprun: ")
    warned = mismatch("warn")
    t.check(warned.status == 7 and warned.out.startswith(b"2 word ") and b"libanswer.so" in warned.err, warned)
    t.check(warned.err.count(b"\n") == 1, warned)
    ignored = mismatch("ignore")
    t.check(ignored.status == 7 and ignored.out.startswith(b"2 word ") and ignored.err == b"", ignored)
    fallen = mismatch(None, "--fallback")
    t.check(fallen.status == 7 and fallen.out == b"2 word other\n" and fallen.err.count(b"\n") <= 1, fallen)
    quiet = mismatch(None, "--fallback", "-q")
    t.check(quiet == t.Result(7, b"2 word other\n", b""), quiet)


def touched():
    """The same bytes with another modification time: it is the same library, with a build-id or without one."""
    for flags in ("-Wl,--build-id", "-Wl,--build-id=none"):
        frozen(flags)
        os.utime("libanswer.so", (1, 1))
        t.same(mismatch(None), t.Result(7, b"2 word first\n", b""))


def unpacked():
    """A large file that is mapped and open, as Java's lib/modules is, is the same wherever it was unpacked anew, and no other one."""
    def make():
        with open("data", "wb") as file:
            os.truncate(file.fileno(), 65 << 20)
    make()
    script = ("import mmap, os\nfile = open('data', 'rb')\nview = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)\n"
              "os.access('/snap/here', 0)\nprint(view[-1], file.read(1))\n")
    t.freeze("image.snap", ["/usr/bin/python3", "-c", script], at="path:/snap/here")
    os.rename("data", "kept")
    make()
    t.same(t.restore("image.snap"), t.Result(0, b"0 b'\\x00'\n", b""))
    with open("data", "r+b") as file:
        file.seek(60 << 20)
        file.write(b"x")
    t.one_line(t.restore("image.snap"), 125, os.path.abspath("data"), "has changed", tool="snaprun: ")


def missing():
    """No policy can map what is not there."""
    frozen("-Wl,--build-id")
    os.unlink("libanswer.so")
    for policy in (None, "fail", "warn", "ignore"):
        t.one_line(mismatch(policy), 125, "libanswer.so", tool="snaprun: ")


def missing_fallback():
    """The program itself is gone: what --fallback would start can't be started either."""
    frozen("-Wl,--build-id")
    os.rename("libanswer.so", "kept.so")
    os.unlink("program")
    result = mismatch(None, "--fallback")
    t.check(result.status in (125, 127) and b"snaprun: " in result.err and result.out == b"", result)


def damaged_fallback():
    """A damaged image can't say what program it was: it is refused, not guessed at."""
    frozen("-Wl,--build-id")
    with open("image.snap", "r+b") as file:
        file.truncate(os.path.getsize("image.snap") // 2)
    t.one_line(mismatch(None, "--fallback"), 125, "image.snap", tool="snaprun: ")


t.main({
    "mismatch.rebuilt": rebuilt,
    "mismatch.touched": touched,
    "mismatch.unpacked": unpacked,
    "mismatch.missing": missing,
    "mismatch.missing-fallback": missing_fallback,
    "mismatch.damaged-fallback": damaged_fallback,
})
