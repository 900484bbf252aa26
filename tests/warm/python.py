"""--warm of Python's programs: each start is as a cold run with the same arguments, environment and streams."""
import os
import pty
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PYTHON = "/usr/bin/python3"
HEAD = f"#!{PYTHON}\n"
FROZEN = {**t.PLAIN_ENV, "FROZEN": "1", "BOTH": "old"}
GIVEN = {"BOTH": "new", "GIVEN": "a=b \"quoted\"", **t.PLAIN_ENV}


def script(name, text, first=HEAD):
    with open(name, "w", encoding="utf-8") as file:
        file.write(first + text)
    os.chmod(name, 0o755)
    return "./" + name


def warm(words, options=(), env=None, status=0, **more):
    result = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", *(options or ["--warm"]), "--", *words], env=env or FROZEN, **more)
    t.check(result.status == status, "snaptrace --warm", words, "ended with", result)
    return result


def compare(words, *starts, env=None, **more):
    """Cold and warm, with each list of arguments."""
    for arguments in starts:
        cold = t.run([*words, *arguments], env=env or GIVEN, **more)
        t.same(t.restore("image.snap", arguments, env=env or GIVEN, **more), cold)


ARGUMENTS = """
import argparse, os, sys
captured = sys.argv
name = os.path.basename(sys.argv[0])
if sys.argv:
    import json, decimal
LOADED = 'yes'

class Local:
    pass

def main():
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument('words', nargs='*')
    parser.add_argument('-n', type=int, default=3)
    given = parser.parse_args()
    print(given, sys.argv, captured, captured is sys.argv, name, len(sys.argv), isinstance(captured, list))
    print(sorted(os.environ.items()), os.environ.get('BOTH'), os.getenv('FROZEN'), 'GIVEN' in os.environ)
    os.system('echo "$BOTH,$GIVEN,$FROZEN"')
    print(__name__, __file__, __doc__, __package__, __spec__, sorted(globals()), Local)
    print(sys.path, sys.flags, sys.orig_argv if hasattr(sys, 'orig_argv') else '', sys.dont_write_bytecode)
    import copy, pickle
    print(pickle.loads(pickle.dumps(sys.argv)) == sys.argv, type(copy.copy(sys.argv)), [0] + sys.argv, sys.argv + [1], sys.argv * 2)
    print(os.getcwd(), sys.stdout.encoding, sys.stdin.read(), file=sys.stderr)

if __name__ == '__main__':
    main()
"""


def arguments():
    words = [script("program.py", ARGUMENTS)]
    warm([*words, "frozen"])
    compare(words, [], ["a b", ""], ["-n", "7", "x"], ["--help"], ["-n", "no"], ["\udcff\udc80".encode("utf-8", "surrogateescape")],
            stdin=b"given\n")


def environment():
    """What the program has set and taken away of its environment before the point stays so, whatever the caller has."""
    words = [script("set.py", "import os, sys\nos.environ['SET'] = 'mine'\nos.environ.pop('GONE', None)\nos.environ.setdefault('MAYBE', 'mine')\n"
                              "captured = getattr(sys, 'orig_argv', None) or sys.argv\nn = sys.argv\nprint(captured[-1], sorted(os.environ.items()), flush=True)\n"
                              "os.system('echo $SET,$GONE,$MAYBE')\n")]
    warm([*words, "frozen"])
    compare(words, ["x"], ["y", "z"])
    for more in ({"SET": "theirs"}, {"MAYBE": "theirs"}, {"SET": "theirs", "GONE": "x", "MAYBE": "y"}):
        warm([*words, "frozen"], env={**FROZEN, **more})
        compare(words, ["x"], env={**GIVEN, **more})


def interpreter_options():
    """As #! has them, by env(1), and before the file in the command line."""
    text = "import sys, os\nprint(sys.argv, sys.flags, sys.path, __file__, __doc__)\n"
    starts = ([], ["x", "-y"])
    for words in ([script("isolated", text, f"#!{PYTHON} -I\n")], [script("unbuffered", text, f"#! {PYTHON}  -uE \n")],
                  [script("by-env", text, "#!/usr/bin/env python3\n")], [script("split", text, "#!/usr/bin/env -S python3 -B -O\n")],
                  [PYTHON, "-W", "error", "-X", "utf8", script("given", text)], [PYTHON, "-Wignore", "./given"]):
        warm(words)
        compare(words, *starts)


ENDS = """
import atexit, os, sys, threading, time, warnings
how = None
atexit.register(lambda: print('at exit', how))

def main():
    global how
    how = sys.argv[1]
    print('before')
    if how == 'raise':
        raise ValueError('told')
    if how == 'chained':
        try:
            raise KeyError(1)
        except KeyError as error:
            raise RuntimeError('two') from error
    if how == 'exit':
        sys.exit('words')
    if how == 'status':
        sys.exit(7)
    if how == 'large':
        sys.exit(1000)
    if how == 'none':
        sys.exit()
    if how == 'nothing':
        return
    if how == 'now':
        sys.stdout.flush()
        os._exit(9)
    if how == 'signal':
        os.kill(os.getpid(), 15)
        time.sleep(100)
    if how == 'interrupt':
        raise KeyboardInterrupt
    if how == 'thread':
        threading.Thread(target=lambda: (time.sleep(.05), print('of the thread'))).start()
    if how == 'open':
        globals()['kept'] = open('written', 'w')
        kept.write('to be flushed')
    if how == 'hook':
        sys.excepthook = lambda *words: print('hook', words[0])
        raise ValueError
    if how == 'warn':
        warnings.warn('told')

main()
"""


def ends():
    words = [script("ends.py", ENDS)]
    for options in (["--warm"], ["--warm=python", "--warm-exit=full"]):
        warm([*words, "frozen"], options)
        compare(words, *([how] for how in ("raise", "chained", "exit", "status", "large", "none", "nothing", "now", "signal",
                                           "interrupt", "thread", "hook", "warn")))
        t.check(t.restore("image.snap", ["open"]).status == 0)
        with open("written", encoding="utf-8") as file:
            t.check(file.read() == "to be flushed", "a file that nobody closed")
        os.unlink("written")
        full = t.run(["sh", "-c", f"{t.SNAPRUN} image.snap nothing >/dev/full"])
        cold = t.run(["sh", "-c", "./ends.py nothing >/dev/full"])
        t.same(full, cold)


def generators():
    """Those that seeded themselves are seeded again in each start, those with a seed go on."""
    words = [script("random.py_", "import random, sys, tempfile\nown, set_ = random.Random(), random.Random(5)\nlast = set_.random()\n"
                                  "n = len(sys.argv)\nprint(random.random(), own.random(), next(tempfile._get_candidate_names()))\n"
                                  "print(last, set_.random(), file=sys.stderr)\n")]
    warm(words)
    starts = [t.restore("image.snap", []) for _ in range(4)]
    t.check(len({start.out for start in starts}) == 4 and all(start.status == 0 for start in starts), starts)
    t.check({start.err for start in starts} == {t.run(words).err}, starts)


TEMPORARY = """import atexit, os, shutil, socket, sys, tempfile, uuid
place, gone = tempfile.mkdtemp(dir='place'), tempfile.mkdtemp(dir='place')
os.rmdir(gone)
atexit.register(shutil.rmtree, place)
try:
    socket.socket(socket.AF_UNIX).connect(os.path.abspath('place') + '/nobody')
except OSError as error:
    told = error.errno
if {cards}:
    told = told, uuid.getnode() in {cards}
words = sys.argv[1:]
print(oct(os.stat(place).st_mode), os.path.exists(gone), os.environ['GIVEN'], told, words)
print(place, file=sys.stderr)
"""


def cards():
    """The address of the network card that is up; none of several, or where the library asks for it in another way."""
    def read(name, what):
        with open(f"/sys/class/net/{name}/{what}", encoding="ascii") as file:
            return file.read().strip().replace(":", "")

    try:
        up = [name for name in os.listdir("/sys/class/net") if os.path.isdir("/sys/class/net/" + name) and int(read(name, "flags"), 16) & 1]
        found = [int(read(name, "address"), 16) for name in up if read(name, "address").strip("0")]
    except OSError:
        return []
    asked = t.run([PYTHON, "-c", "import uuid; print(uuid._generate_time_safe is not None)"])
    return found if len(found) == 1 and found[0] < 1 << 48 and asked.out == b"True\n" and os.uname().machine == "x86_64" else []


def temporary():
    """A directory for temporary files is made by each start; where it is there, another one runs, and this one is cold."""
    os.mkdir("place")
    words = [script("temporary.py", TEMPORARY.format(cards=cards()))]
    warm(words)
    t.check(os.listdir("place") == [], os.listdir("place"))
    cold = t.run(words, env=GIVEN)
    names = []
    for _ in range(3):
        start = t.restore("image.snap", [], env=GIVEN)
        t.check((start.status, start.out) == (cold.status, cold.out) and os.listdir("place") == [], start, cold, os.listdir("place"))
        names.append(start.err.decode().strip())
        os.mkdir(names[-1])
        other = t.restore("image.snap", [], env=GIVEN)
        t.check((other.status, other.out) == (cold.status, cold.out) and other.err != start.err, other, start)
        os.rmdir(names[-1])
    t.check(len(set(names)) == 1, "started cold:", names)


def terminal():
    """A start in a terminal writes by lines and knows it; the image was made without one."""
    words = [script("tty.py", "import sys\nn = len(sys.argv)\nprint(sys.stdout.isatty(), sys.stdout.line_buffering, sys.stdin.isatty())\n"
                              "sys.stdout.write('no end')\nsys.stdout.flush()\n")]
    warm(words)
    got = []
    for command in (words, [t.SNAPRUN, "image.snap", "--"]):
        main, side = pty.openpty()
        ended = t.subprocess.run(command, stdin=side, stdout=side, stderr=side, env=t.PLAIN_ENV, check=False)
        os.close(side)
        got.append((ended.returncode, t.read_until(main, lambda seen: seen.endswith(b"no end"))))
        os.close(main)
    t.check(got[0] == got[1], got)
    compare(words, ["x"])


def effects_refused():
    """What every start would lack: written output, files, processes."""
    hidden = warm([script("hidden.py", "import sys\nopen('/proc/self/cmdline').read()\nprint(sys.argv)\n")], status=125)
    t.one_line(hidden, 125, "/proc/self/cmdline", tool="snaptrace")
    for text, word in (("print('told', flush=True)", "write"), ("print('told')", "write"), ("open('made', 'w')", "made"),
                       ("import os; os.mkdir('made')", "made"), ("import os; os.system('true')", "--warm")):
        refused = warm([script("effect.py", f"import sys\n{text}\nprint(sys.argv[1:])\n")], status=125)
        t.check(b"effect outside" in refused.err and word.encode() in refused.err, refused)
        t.check(not os.path.exists("image.snap"), "an image")


def not_a_script():
    for words in (["/bin/true"], [PYTHON, "-c", "pass"], [PYTHON, "-m", "json.tool"], [PYTHON]):
        refused = warm(words, status=126)
        t.one_line(refused, 126, "--warm", tool="snaptrace")
    never = warm([script("never.py", "pass\n")], status=1)
    t.one_line(never, 1, "arguments", tool="snaptrace")
    t.one_line(t.run([t.SNAPTRACE, "--warm=cobol", "/bin/true"]), 125, "cobol", "python", tool="snaptrace")
    t.one_line(t.run([t.SNAPTRACE, "--warm", "--at", "main", "./never.py"]), 125, "--warm", "--at", tool="snaptrace")


def fallback():
    """The image is of no use here: the program itself, cold."""
    words = [script("program.py", ARGUMENTS)]
    warm(words)
    with open("ends.py", "w", encoding="utf-8") as file:
        file.write("")
    cold = t.run([*words, "x"], env=GIVEN)
    t.check(t.restore("image.snap", ["x"], env=GIVEN, options=["--fallback"]) == cold, "with --fallback")


t.main({f"python.{name}": row for name, row in {
    "arguments": arguments, "environment": environment, "interpreter-options": interpreter_options, "ends": ends, "generators": generators, "temporary": temporary,
    "terminal": terminal, "effects-refused": effects_refused, "not-a-script": not_a_script, "fallback": fallback}.items()})
