"""Launchers: from the image where that is right here and now, else cold, in silence, and made again for the next time."""
import fcntl
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PYTHON = "/usr/bin/python3"
# What it prints first is of the run that read it: the same in all starts from one image, another in each cold one.
PROGRAM = f"""#!{PYTHON} -I
import os, sys, time
born = time.monotonic_ns()
with open({{data!r}}) as file:
    data = file.read()
setting = os.environ.get('SETTING')
{{more}}
words = sys.argv[1:]
if words[:1] == ['born']:
    print(born)
print(data, setting, words, os.environ.get('LATE'), os.getcwd(), sys.stdin.read())
print('told', file=sys.stderr)
sys.exit(len(words))
"""
LIMIT = 60


def environment(**more):
    return {**t.PLAIN_ENV, "XDG_DATA_HOME": os.path.abspath("share"), "SETTING": "set", **more}


def write(name, text, mode=0o644):
    """In one step, so that nobody sees a half of it."""
    with open("new", "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod("new", mode)
    os.rename("new", name)


def program(more=""):
    write("program.py", PROGRAM.format(data=os.path.abspath("data"), more=more), 0o755)


def make(*options, words=(), status=0):
    made = t.run([t.SNAPTRACE, "-q", "--launcher", "tool", *options, "--", os.path.abspath("program.py"), *words], env=environment())
    t.check(made.status == status, made)
    return made


def both(*words, tool="./tool", **more):
    """A start by the launcher, and cold."""
    given = {"env": environment(LATE="late"), "stdin": b"given", **more}
    t.same(t.run([tool, *words], **given), t.run([os.path.abspath("program.py"), *words], **given))


def born(**more):
    return t.run(["./tool", "born"], env=environment(**more)).out.splitlines()[0]


def is_from_image(**more):
    return born(**more) == born(**more)


def listed(**more):
    return t.run([t.SNAPTRACE, "--list"], env=environment(**more)).out.decode()


def wait_for(happened):
    end = time.monotonic() + LIMIT
    while not happened():
        t.check(time.monotonic() < end, "waited in vain")
        time.sleep(.05)


DIRECTORY = "share/snaptrace/launchers"


def wait_for_makers():
    """Who makes an image again in the background holds this lock to its end, and looks at the image before."""
    directory = os.open(DIRECTORY, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    os.close(directory)


def made_again(**more):
    wait_for(lambda: "right here and now" in listed(**more))
    wait_for_makers()


def image():
    return next(os.path.join(DIRECTORY, name) for name in sorted(os.listdir(DIRECTORY)) if name.endswith(".snap"))


def setup(more="", options=(), words=()):
    write("data", "one")
    program(more)
    make(*options, words=words)


def starts():
    setup(words=["frozen"])
    for words in ([], ["a b", ""], ["--", "-x"], ["--help"], ["\u00e9"]):
        both(*words)
    t.check(is_from_image(), "the image is used")
    os.mkdir("elsewhere")
    both("x", tool="../tool", cwd="elsewhere")
    with open("tool", encoding="utf-8") as file:
        t.check(f"program {os.path.abspath('program.py')}\n" in file.read(), "the text")
    t.check(os.stat("tool").st_mode & 0o777 == 0o755 and os.stat(image()).st_mode & 0o777 == 0o600, "modes")


def interpreter():
    """Made of an interpreter and a script's relative name: found from everywhere."""
    write("data", "one")
    program()
    made = t.run([t.SNAPTRACE, "-q", "--launcher", "tool", PYTHON, "-B", "program.py", "x"], env=environment())
    t.check(made.status == 0, made)
    os.mkdir("elsewhere")
    both("x", tool="../tool", cwd="elsewhere")
    t.check(is_from_image(), "the image is used")


def changes():
    """Each input: the very next start is right, and a later one quick again."""
    setup()
    for change, more in ((lambda: write("data", "two"), {}), (lambda: None, {"SETTING": "other"}), (lambda: program("born += 1"), {}),
                         (lambda: None, {"LANG": "C.UTF-8"})):
        change()
        both("x", env=environment(**more))
        made_again(**more)
        both("x", env=environment(**more))
        t.check(is_from_image(**more), "made again")


def damaged():
    """An image that is gone, cut off or of another kind: the program itself, and a new image."""
    setup()
    for harm in (lambda: os.unlink(image_path), lambda: os.truncate(image_path, 5000), lambda: write(image_path, "no image")):
        image_path = os.path.abspath(image())
        harm()
        both("x")
        wait_for(lambda: os.path.exists(image_path) and "right here and now" in listed())
        wait_for_makers()
        t.check(is_from_image(), "made again")


def terminal():
    """A terminal that it asked about before the point: right, though nothing is made again for it."""
    setup("terminal = sys.stdout.isatty()\nsetting = terminal")
    both("x")
    t.check(is_from_image(), "the image is used")
    closed = t.run(["sh", "-c", "./tool x >&-"], env=environment(), stdin=b"")
    t.same(closed, t.run(["sh", "-c", f"{os.path.abspath('program.py')} x >&-"], env=environment(), stdin=b""))
    t.check(is_from_image(), "the image is as it was")


def refused_later():
    """The program can be frozen no more: it runs cold, and not each start tries again."""
    setup()
    program("print('early', flush=True)")
    both("x")
    wait_for(lambda: os.path.exists(image() + ".refused"))
    both("x")
    program()
    again = t.run([t.SNAPTRACE, "-q", "--refresh", "tool"], env=environment())
    t.check(again.status == 0 and not os.path.exists(image() + ".refused"), again)
    t.check(is_from_image(), "made again")
    path = os.path.abspath(image())
    program(f"os.stat({path!r})")  # which each new image changes
    both("x")
    wait_for(lambda: os.path.exists(path + ".refused"))
    wait_for_makers()
    before = os.stat(path).st_ino
    both("x")
    wait_for_makers()
    t.check(os.stat(path).st_ino == before, "made once more")


def many_at_once():
    import concurrent.futures
    setup()
    write("data", "two")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: both("x"), range(12)))
    made_again()
    t.check(is_from_image(), "made again")


def kept():
    """--list, --refresh by the image's name, --remove; a launcher that is gone."""
    setup()
    t.check(os.path.abspath("tool") in listed() and "cold here" in listed(SETTING="x"), listed())
    before = born()
    again = t.run([t.SNAPTRACE, "-q", "--refresh", os.path.abspath(image())], env=environment())
    t.check(again.status == 0 and born() != before and is_from_image(), again)
    t.check(t.run([t.SNAPTRACE, "--if-needed", "--refresh", "tool"], env=environment()) == t.Result(0, b"", b""), "nothing to do")
    t.check(t.run([t.SNAPTRACE, "--remove", "tool"], env=environment()) == t.Result(0, b"", b""), "--remove")
    t.check(not os.path.exists("tool") and os.listdir("share/snaptrace/launchers") == [], "left")
    make()
    os.unlink("tool")
    t.check("--remove" in listed(), listed())
    t.check(t.run([t.SNAPTRACE, "--remove", os.path.abspath(image())], env=environment()).status == 0, "--remove")
    t.check(os.listdir("share/snaptrace/launchers") == [] and listed() == "", "left")
    t.one_line(t.run([t.SNAPTRACE, "--remove", "program.py"], env=environment()), 127, "no launcher", tool="snaptrace")


def refusals():
    write("data", "one")
    program()
    write("tool", "mine")
    t.one_line(make(status=125), 125, "tool", "no launcher", tool="snaptrace")
    os.unlink("tool")
    program("print('early', flush=True)")
    refused = make(status=125)
    t.check(b"effect outside" in refused.err and not os.path.exists("tool"), refused)
    t.check(not [name for name in os.listdir("share/snaptrace/launchers") if name.endswith(".snap")], "an image")
    t.one_line(t.run([t.SNAPTRACE, "--launcher", "tool", "-o", "x", "./program.py"], env=environment()), 125, "-o", tool="snaptrace")
    t.one_line(t.run([t.SNAPTRACE, "--list", "./program.py"], env=environment()), 125, "--list", tool="snaptrace")
    write("tool", "#!/bin/sh\n")
    t.one_line(t.run([t.SNAPRUN, "--launcher", "tool"]), 125, "no launcher", tool="snaprun")
    t.one_line(t.run([t.SNAPRUN, "--launcher", "gone"]), 126, "gone", tool="snaprun")


t.main({f"launcher.{name}": row for name, row in {
    "starts": starts, "interpreter": interpreter, "changes": changes, "damaged": damaged, "terminal": terminal,
    "refused-later": refused_later, "many-at-once": many_at_once, "kept": kept, "refusals": refusals}.items()})
