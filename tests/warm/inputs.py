"""What a warm program had read is in its image, and --inputs=check starts it only where that is as it was."""
import json
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PYTHON = "/usr/bin/python3"
# What `{}` holds is read before the arguments are.
PROGRAM = f"#!{PYTHON} -I\nimport os, sys\n{{}}\nprint('started', sys.argv[1:])\n"
ENV = {**t.PLAIN_ENV, "READ": "value", "ELSE": "1"}


def write(name, text, mode=0o644):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(name, mode)


def freeze(body, **more):
    write("program.py", PROGRAM.format(body), 0o755)
    made = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--warm", "--", os.path.abspath("program.py")], env=ENV, **more)
    t.check(made.status == 0, made)


def start(env=None, **more):
    return t.restore("image.snap", ["x"], env=env or ENV, options=["-q", "--inputs=check"], **more)


def starts(**more):
    t.same(start(**more), t.Result(0, b"started ['x']\n", b""))


def differs(*words, **more):
    t.one_line(start(**more), 125, "image.snap", *words, tool="snaprun: ")


def variables():
    freeze("os.environ.get('READ'); 'ABSENT' in os.environ; os.getenv('ALSO')")
    starts(env={**ENV, "ELSE": "2", "MORE": "3"})
    for name, value in (("READ", "other"), ("ABSENT", ""), ("ALSO", "x"), ("LANG", "xx"), ("LC_TIME", "C"), ("TZ", "UTC"), ("LOCPATH", "/")):
        differs("variable", name.split("_", maxsplit=1)[0], env={**ENV, name: value})
    differs("READ", env={name: value for name, value in ENV.items() if name != "READ"})
    freeze("import ctypes; [ctypes.CDLL(None)[name](name.encode()) for name in ('getenv', 'secure_getenv')]")  # in C
    starts(env={**ENV, "ELSE": "2"})
    for name in ("getenv", "secure_getenv"):
        differs(f"variable {name}", env={**ENV, name: "x"})
    freeze("dict(os.environ)")
    starts()
    differs("variable ELSE", env={**ENV, "ELSE": "2"})
    differs("variables' names", env={**ENV, "NEW": "2"})


def files():
    """The content counts, not its time; names that are not there, links, what a directory lists."""
    os.makedirs("directory/below")
    write("data", "one")
    write("directory/listed", "")
    os.symlink("data", "link")
    here = os.getcwd()
    freeze(f"open('{here}/data').read(); os.path.exists('{here}/absent'); os.listdir('{here}/directory'); os.readlink('{here}/link');"
           f"os.path.isdir('{here}/directory/below'); os.path.exists('{here}/no/such/directory')")
    starts()
    write("other", "")
    shutil.copy("data", "copy")
    os.rename("copy", "data")
    starts()
    os.utime("data", (1, 1))
    starts()
    for change, undo, words in (
            (lambda: write("data", "two"), lambda: write("data", "one"), ("file", "data")),
            (lambda: os.chmod("data", 0o600), lambda: os.chmod("data", 0o644), ("file", "data")),
            (lambda: os.unlink("data"), lambda: write("data", "one"), ("file", "data")),
            (lambda: write("absent", ""), lambda: os.unlink("absent"), ("absent",)),
            (lambda: os.makedirs("no/such/directory"), lambda: shutil.rmtree("no"), ("absent", "no/such")),
            (lambda: write("directory/new", ""), lambda: os.unlink("directory/new"), ("listed", "directory")),
            (lambda: os.rmdir("directory/below"), lambda: os.mkdir("directory/below"), ("directory",)),
            (lambda: (os.unlink("link"), os.symlink("other", "link")), lambda: (os.unlink("link"), os.symlink("data", "link")), ("link",)),
            (lambda: write("program.py", PROGRAM.format("pass"), 0o755), lambda: None, ("program.py",))):
        change()
        differs(*words)
        undo()
        if words != ("program.py",):
            starts()


def surroundings():
    """The working directory and the streams only where the program asked; the user always."""
    os.mkdir("elsewhere")
    freeze("pass")
    image = os.path.abspath("image.snap")
    there = t.run([t.SNAPRUN, "-q", "--inputs=check", image, "x"], cwd="elsewhere", env=ENV)
    t.check(there.status == 0, there)
    freeze("os.getcwd()")
    starts()
    there = t.run([t.SNAPRUN, "-q", "--inputs=check", image, "x"], cwd="elsewhere", env=ENV)
    t.one_line(there, 125, "working directory", tool="snaprun: ")
    freeze("sys.stdin.isatty()")
    starts()
    closed = t.run(["sh", "-c", f"exec {t.SNAPRUN} -q --inputs=check image.snap x <&-"], env=ENV)
    t.one_line(closed, 125, "stream", tool="snaprun: ")


def inherited():
    """What a caller hands down, where the program asked for it; the ignored signals and the stack's limit always."""
    freeze("import resource; os.umask(os.umask(0)); resource.getrlimit(resource.RLIMIT_CORE); os.sched_getaffinity(0); os.uname()")
    starts()
    for before, word in (("umask 057", "umask"), ("ulimit -c 7", "resource limit"), ("ulimit -s 1000", "resource limit"),
                         ("trap '' USR2", "ignored signals")):
        start_so = t.run(["sh", "-c", f"{before}; exec {t.SNAPRUN} -q --inputs=check image.snap x"], env=ENV)
        t.one_line(start_so, 125, word, tool="snaprun: ")
    spawned = os.posix_spawn(t.SNAPRUN, ["snaprun", "-q", "--check", "--inputs=check", "image.snap"], ENV,
                             setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])  # which leaves glibc's own signals ignored
    t.check(os.waitstatus_to_exitcode(os.waitpid(spawned, 0)[1]) == 0, "by posix_spawn")
    if len(os.sched_getaffinity(0)) > 1:
        alone = t.run(["taskset", "-c", str(min(os.sched_getaffinity(0))), t.SNAPRUN, "-q", "--inputs=check", "image.snap", "x"], env=ENV)
        t.one_line(alone, 125, "affinity", tool="snaprun: ")
    freeze("pass")
    other = t.run(["sh", "-c", f"umask 057; ulimit -c 7; exec {t.SNAPRUN} -q --inputs=check image.snap x"], env=ENV)
    t.check(other.status == 0, "nobody asked:", other)


def places():
    """Who something belongs to and what kind it is; what is found earlier in PATH; a file that becomes a link to itself."""
    os.makedirs("listed/plug")
    os.makedirs("early")
    os.mkdir("directory")
    write("data", "one")
    here = os.getcwd()
    env = {**ENV, "PATH": f"{here}/early:{t.PLAIN_ENV['PATH']}"}
    write("program.py", f"#!/usr/bin/env python3\nimport os, sys\nos.path.realpath('{here}/data'); os.listdir('{here}/listed')\n"
          f"os.access('{here}/directory', os.W_OK)\nprint('started', sys.argv[1:])\n", 0o755)
    made = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--warm", "--", f"{here}/program.py"], env=env)
    t.check(made.status == 0, made)
    starts(env=env)
    for change, undo, words in (
            (lambda: (os.rmdir("listed/plug"), write("listed/plug", "")), lambda: (os.unlink("listed/plug"), os.mkdir("listed/plug")), ("listed",)),
            (lambda: write("early/python3", "", 0o755), lambda: os.unlink("early/python3"), ("absent", "early/python3")),
            (lambda: os.chmod("directory", 0o500), lambda: os.chmod("directory", 0o755), ("present", "directory")),
            (lambda: (os.rename("data", "moved"), os.symlink("moved", "data")), lambda: os.rename("moved", "data"), ("link", "data"))):
        change()
        differs(*words, env=env)
        undo()
        starts(env=env)


def listed():
    """info names each; an image without them says so, and --check and --fallback know them."""
    freeze("os.environ.get('READ')")
    text = t.run([t.SNAPIMG, "info", "image.snap"]).out.decode()
    t.check("variable READ\n" in text and f"file {os.path.abspath('program.py')}\n" in text, text)
    inputs = json.loads(t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out)["inputs"]
    t.check({"kind": "variable", "name": "READ", "value": 1} in inputs, inputs)
    changed = {**ENV, "READ": "x"}
    told = t.run([t.SNAPRUN, "--check", "--inputs=check", "image.snap"], env=changed)
    t.check(told.status == 125 and told.out.startswith(b"input: ") and b"READ" in told.out, told)
    t.check(t.run([t.SNAPRUN, "--check", "--inputs=check", "image.snap"], env=ENV).status == 0, "--check")
    t.same(t.restore("image.snap", ["x"], env=changed, options=["-q", "--inputs=check", "--fallback"]),
           t.Result(0, b"started ['x']\n", b""))
    t.freeze("plain.snap", ["/bin/true"])
    t.one_line(t.restore("plain.snap", options=["--inputs=check"]), 125, "--warm", tool="snaprun: ")


def temporary():
    """What was made and is gone again leaves nothing that a start lacks."""
    freeze("import tempfile\nwith tempfile.NamedTemporaryFile() as file: file.write(b'x')")
    starts()
    os.mkdir("there")
    freeze("os.makedirs('there', exist_ok=True)")
    starts()
    write("program.py", PROGRAM.format("import tempfile\ntempfile.mkstemp(dir='.')"), 0o755)
    t.one_line(t.run([t.SNAPTRACE, "-o", "other.snap", "--warm", os.path.abspath("program.py")]), 125, "lack", tool="snaptrace: ")
    write("data", "")
    os.mkdir("of-it")
    write("program.py", PROGRAM.format("import tempfile\ntempfile.mkstemp(dir='of-it')\nos.rename('data', 'of-it/data')"), 0o755)
    refused = t.run([t.SNAPTRACE, "-o", "other.snap", "--warm", os.path.abspath("program.py")])
    t.check(refused.status == 125 and b"rename" in refused.err and os.listdir("of-it") == [], "left behind:", os.listdir("of-it"))


t.main({f"inputs.{name}": row for name, row in {
    "variables": variables, "files": files, "surroundings": surroundings, "inherited": inherited, "places": places, "listed": listed, "temporary": temporary}.items()})
