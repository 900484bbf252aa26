"""Debian's own programs: frozen with some arguments and environment, started with others, compared with direct runs."""
import os
import random
import shutil
import subprocess
import sys

HERE_DIR = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE_DIR, ".."))
sys.path.insert(1, HERE_DIR)
import npm  # noqa: E402
import snaptest as t  # noqa: E402

PYTHON = "/usr/bin/python3"
POINT = "path:/snap/here"
TEXT = "".join(f"line {i}: {random.Random(i).getrandbits(64):x}\n" for i in range(20000)).encode()
EDITED = {**t.PLAIN_ENV, "ANSWER": "forty two", "ALSO": "a=b \"quoted\" $HOME", "PYTHONDONTWRITEBYTECODE": "1"}
PYTHON_ENV_PROGRAM = "import sys, os; print(sys.argv, sorted(os.environ.items())); sys.exit(len(sys.argv))"
LUA_PROGRAM = ("local n = 0 for line in io.lines() do n = n + #line end io.write(n, ' ', arg[1], ' ', "
               "os.getenv('ANSWER') or '-', '\\n') os.exit(4)")
SQL = ("create table t(a integer primary key, b text); insert into t select value, hex(value * 977) from "
       "generate_series(1, 5000); select count(*), sum(length(b)) from t; select * from t where b like '%7A%' limit 5;")

# name: (PROG and its frozen arguments, starts: (arguments, environment, stdin)...)
AT_MAIN = {
    "python3": ([PYTHON, "-c", "print('frozen')"],
                (["-c", PYTHON_ENV_PROGRAM, "a b", ""], EDITED, b""),
                (["-m", "json.tool"], t.PLAIN_ENV, b'{"b": [1, 2, {"c": null}], "a": "\\u00fc"}'),
                (["-c", "import hashlib, json, decimal, re; print(hashlib.sha256(b'x').hexdigest())"], EDITED, b""),
                (["-c", "raise SystemExit('told on stderr')"], {}, b""),
                (["-"], {"LC_ALL": "C.UTF-8"}, b"import sys\nprint(sys.stdin.encoding, sys.flags.utf8_mode)\n")),
    "perl": (["/usr/bin/perl", "-e", "print 1"],
             (["-e", "print join('|', @ARGV, map {\"$_=$ENV{$_}\"} sort keys %ENV), qq(\\n); exit 3", "x y", "z"], EDITED, b""),
             (["-ne", "$n += tr/0-9//; END { print \"$n\\n\" }"], {}, TEXT),
             (["-MPOSIX", "-MList::Util=sum", "-e", "printf qq(%.3f %d\\n), POSIX::fmod(7.5, 2), sum 1 .. 1000; die qq(end\\n)"],
              EDITED, b"")),
    "bash": (["/usr/bin/bash", "-c", "true"],
             (["-c", "for i in \"$@\"; do echo \"<$i>\"; done; echo \"$ANSWER $0\"; exit 9", "name", "a b", "*"], EDITED, b""),
             (["-c", "while read -r a b; do n=$((n + ${#b})); done; echo $n"], t.PLAIN_ENV, TEXT[:50000]),
             (["-c", "x=$(echo inner | tr a-z A-Z | cat); echo $x; ( exit 5 ); echo $?; sort | head -n 3"], t.PLAIN_ENV, TEXT),
             (["-c", "trap 'echo caught; exit 6' TERM; kill -TERM $$; echo not here"], t.PLAIN_ENV, b"")),
    "dash": (["/usr/bin/dash", "-c", ":"],
             (["-c", "for i; do echo \"<$i>\"; done; echo $ANSWER; exit 9", "name", "a b", "*"], EDITED, b""),
             (["-c", "cat | wc -c; echo $(ls / | head -n 1)"], t.PLAIN_ENV, TEXT),
             (["-s", "arg"], t.PLAIN_ENV, b"echo $1\nfalse || echo yes\n")),
    "lua": (["/usr/bin/lua5.4", "-e", "print(1)"],
            (["-e", "print(#arg, _VERSION) for i = 1, 3 do print(i ^ 2, ('x'):rep(i)) end"], {}, b""),
            (["-", "first"], EDITED, b"print(arg[1], os.getenv('ANSWER'))"),
            (["program.lua", "word"], EDITED, TEXT)),
    "sqlite3": (["/usr/bin/sqlite3", ":memory:", "select 1"],
                ([":memory:", SQL], EDITED, b""),
                (["-csv", "file.db", "create table if not exists t(x); insert into t values('a,b'); select count(*), x from t group by x"],
                 {"HOME": "/nonexistent"}, b""),
                (["-json", ":memory:"], {"HOME": "/nonexistent"}, SQL.encode() + b"select nothing;")),
    "gawk": (["/usr/bin/gawk", "BEGIN { print 1 }"],
             (["-v", "x=a b", "BEGIN { print x, ENVIRON[\"ANSWER\"]; for (i = 0; i < ARGC; i++) print ARGV[i]; exit 3 }", "p", "q r"],
              EDITED, b""),
             (["{ n += length($3); seen[substr($3, 1, 1)]++ } END { print n; for (c in seen) m++; print m, seen[\"a\"] }"], {}, TEXT)),
    "xz": (["/usr/bin/xz", "--version"],
           (["-c", "-6"], {}, TEXT),
           (["-dc"], {}, b"not xz at all"),
           (["-c", "--format=lzma", "-9e"], EDITED, TEXT[:10000]),
           (["--help"], {}, b"")),
}


def at_main(name):
    argv, *starts = AT_MAIN[name]
    if not os.path.exists(argv[0]):
        t.skip(f"{argv[0]} is not installed")
    with open("program.lua", "w", encoding="utf-8") as file:
        file.write(LUA_PROGRAM)
    t.freeze("image.snap", argv, env={**t.PLAIN_ENV, "ANSWER": "of the frozen one", "FROZEN": "1"})
    for arguments, environment, stdin in starts:
        results = []
        for command in ([argv[0]], [t.SNAPRUN, "image.snap"]):
            if os.path.exists("file.db"):
                os.unlink("file.db")
            # A first argument `--` would be taken by snaprun; none of the rows has it.
            results.append(t.run([*command, *arguments], env=environment, stdin=stdin))
        t.same(results[1], results[0])


def xz_there_and_back():
    t.freeze("image.snap", ["/usr/bin/xz", "-c"])
    packed = t.restore("image.snap", ["-c", "-3"], stdin=TEXT)
    t.same(t.restore("image.snap", ["-dc"], stdin=packed.out), t.Result(0, TEXT, b""))


def cc1():
    """The compiler proper, on a real file after its preprocessor: the same assembly, and the same errors."""
    gcc = shutil.which("gcc") or t.skip("no gcc")
    compiler = t.run([gcc, "-print-prog-name=cc1"]).out.decode().strip()
    source = os.path.join(HERE_DIR, "../programs/mappings.c")
    preprocessed = t.run([gcc, "-E", "-D_GNU_SOURCE", source, "-o", "file.i"])
    t.check(preprocessed.status == 0, preprocessed)
    with open("empty.i", "w", encoding="utf-8") as file:
        file.write("int nothing;\n")
    with open("wrong.i", "w", encoding="utf-8") as file:
        file.write("int main(void) { return undeclared; }\n")
    t.freeze("image.snap", [compiler, "-quiet", "empty.i", "-o", "-"])
    for words in (["-O2", "file.i"], ["-O0", "-g", "file.i"], ["-O2", "-Wall", "wrong.i"]):
        words = ["-quiet", *words, "-o", "-"]
        t.same(t.restore("image.snap", words), t.run([compiler, *words]))


def git():
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
           for what, value in (("NAME", "A Tester"), ("EMAIL", "tester@example.org"), ("DATE", "2024-02-03T04:05:06Z"))}
    environment = {**t.PLAIN_ENV, **who, "GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat"}
    git_path = "/usr/bin/git"
    for words in (["init", "-q", "-b", "main", "repository"], *(
            step for i in range(20) for step in (
                ["-C", "repository", "commit", "-q", "--allow-empty", "-m", f"Commit number {i}"],))):
        made = t.run([git_path, *words], env=environment)
        t.check(made.status == 0, words, made)
    t.freeze("image.snap", [git_path, "--version"])
    for words in (["log", "--oneline"], ["log", "--stat", "-p", "--format=fuller", "-n", "3"], ["status"],
                  ["rev-list", "--objects", "--all"], ["fsck", "--full"], ["show", "nothing-of-this-name"]):
        words = ["-C", "repository", *words]
        t.same(t.restore("image.snap", words, env=environment), t.run([git_path, *words], env=environment))
    made = t.restore("image.snap", ["-C", "repository", "commit", "-q", "--allow-empty", "-m", "by the restored"],
                     env=environment)
    t.check(made.status == 0, made)
    log = t.run([git_path, "-C", "repository", "log", "-n", "1", "--format=%s %an"], env=environment)
    t.check(log.out == b"by the restored A Tester\n", log)


def script_at(point, interpreter, script, starts):
    """A script loads its libraries, comes to the point, and only then reads the arguments it works on."""
    path = os.path.join(HERE_DIR, script)
    argv = [*interpreter, path]
    t.freeze("image.snap", [*argv, "frozen"], at=point, env={**EDITED, "FROZEN": "1"})
    for arguments in starts:
        words = [*argv[1:], *arguments]
        direct = t.run([argv[0], *words], env=EDITED)
        t.check(direct.status == 0, "direct run:", direct)
        t.same(t.restore("image.snap", words, env=EDITED), direct)


WORK = (["asyncio", "sqlite3"], ["http", "email"], ["minidom", "decimal", "import"], ["threads", "subprocess", "hash"])


def fifty(freeze_argv, point, start_words, expected):
    """Fifty starts of one image at the same time, each with arguments of its own."""
    t.freeze("image.snap", freeze_argv, at=point)
    running = [subprocess.Popen([t.SNAPRUN, "image.snap", *start_words(i)], env={**t.PLAIN_ENV, "NUMBER": str(i)},
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for i in range(50)]
    ended = [(process.communicate(timeout=200), process.returncode) for process in running]
    for i, ((out, err), status) in enumerate(ended):
        t.same(t.Result(status, out, err), t.Result(*expected(i)))


def fifty_at_main():
    code = "import sys, os, time; time.sleep(.2); print(sys.argv[1:], os.environ['NUMBER']); sys.exit(int(sys.argv[1]))"
    fifty([PYTHON, "-c", "pass"], "main", lambda i: ["-c", code, str(i), "x" * i],
          lambda i: (i, f"{[str(i), 'x' * i]} {i}\n".encode(), b""))


def fifty_warm():
    script = os.path.join(HERE_DIR, "python_work.py")
    fifty([PYTHON, script], POINT, lambda i: [script, "echo", f"number {i}"],
          lambda i: (0, f"echo of number {i}\n".encode(), b""))


def maker_gone():
    """What the maker had is gone: environment, directory, script, even the user's own files; the start does not ask."""
    os.mkdir("home")
    shutil.copy(os.path.join(HERE_DIR, "python_work.py"), "home/work.py")
    home = os.path.abspath("home")
    t.freeze(os.path.abspath("image.snap"), [PYTHON, "work.py"], at=POINT, cwd=home,
             env={"HOME": home, "TMPDIR": home, "SECRET": "of the maker", "LC_ALL": "C"})
    shutil.rmtree(home)
    os.mkdir("elsewhere")
    restored = t.restore(os.path.abspath("image.snap"), ["work.py", "echo", "still here"], env={}, cwd="elsewhere")
    t.same(restored, t.Result(0, b"echo of still here\n", b""))


def typescript():
    """node with the TypeScript compiler loaded: the threads of V8 and libuv come back, and the compiler works."""
    node = shutil.which("node") or t.skip("no node here")
    try:
        package = npm.package("typescript", os.path.join(t.BUILD, "npm"))
    except npm.Unavailable as reason:
        t.skip(reason)
    argv = [node, os.path.join(HERE_DIR, "../bench/node_typescript.js"), package, "compile"]
    direct = t.run(argv)
    t.check(direct.status == 0 and b"AsyncGenerator" not in direct.out and b"walk()" in direct.out, "direct run:", direct)
    t.freeze("image.snap", argv, at=POINT)
    for _ in range(3):
        t.same(t.restore("image.snap"), direct)


def npm_integrity():
    """A package with other contents than the pinned ones is an error, not a reason to skip, and is not left behind."""
    def fetch(_name, _version, directory):
        with open(os.path.join(directory, "package.tgz"), "wb") as file:
            file.write(b"other contents")
        return file.name

    usual, npm.fetch = npm.fetch, fetch
    try:
        for name in npm.PACKAGES:
            try:
                npm.package(name, "cache")
            except ValueError as error:
                t.check("integrity" in str(error), error)
            else:
                t.check(False, name, "was taken")
    finally:
        npm.fetch = usual
    t.check(os.listdir("cache") == [], os.listdir("cache"))


def row(function, *arguments):
    return lambda: function(*arguments)


def generations():
    """A program started from an image is frozen again, and that once more: its vdso has moved, its break has grown."""
    work = '$x = 7; -e "/snap/here"; print "x is $x, @ARGV\n"; exit 3'
    t.freeze("first.snap", ["/usr/bin/perl"])
    start = [t.SNAPRUN, "--ids=new"]  # in a namespace it couldn't be frozen
    t.freeze("second.snap", [*start, "first.snap", "-e", work, "a"], at=POINT)
    t.freeze("third.snap", [*start, "second.snap"], at="syscall:write")
    for image in ("second.snap", "third.snap"):
        for _ in range(2):
            t.same(t.restore(image), t.Result(3, b"x is 7, a\n", b""))


def thawed(function, *arguments):
    """The same with every image thawed before it is started."""
    freeze = t.freeze

    def freeze_and_thaw(image, *more, **options):
        result = freeze(image, *more, **options)
        done = t.run([t.SNAPIMG, "thaw", image, "-o", image])
        t.check(done.status == 0, "snapimg thaw:", done)
        return result

    def run():
        t.freeze = freeze_and_thaw
        try:
            function(*arguments)
        finally:
            t.freeze = freeze
    return run


ROWS = {f"{name}.main": row(at_main, name) for name in AT_MAIN}
ROWS.update({
    "xz.round-trip": xz_there_and_back,
    "cc1.main": cc1,
    "git.main": git,
    "python3.path": row(script_at, POINT, [PYTHON], "python_work.py", WORK),
    "python3.here": row(script_at, "here", [PYTHON], "python_work_here.py", WORK),
    "perl.path": row(script_at, POINT, ["/usr/bin/perl"], "perl_work.pl", (["a", "b c"], [])),
    "fifty.main": fifty_at_main,
    "fifty.warm": fifty_warm,
    "maker-gone": maker_gone,
    "generations": generations,
    "npm-integrity": npm_integrity,
    "typescript.path": typescript,
    "thawed.python3": thawed(script_at, POINT, [PYTHON], "python_work.py", WORK),
    "thawed.perl": thawed(script_at, POINT, ["/usr/bin/perl"], "perl_work.pl", (["a", "b c"], [])),
    "thawed.cc1": thawed(cc1),
    "thawed.git": thawed(git),
    "thawed.fifty": thawed(fifty_warm),
    "thawed.maker-gone": thawed(maker_gone),
    "thawed.generations": thawed(generations),
})
ROWS.update({f"thawed.{name}": thawed(at_main, name) for name in AT_MAIN if name != "python3"})

t.main(ROWS)
