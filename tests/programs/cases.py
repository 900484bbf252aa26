"""Small self-checking programs, frozen at a point and started from the image; a row each.

A row: name: (program, point, frozen arguments, kinds of executable). `checked` rows pass when the restored program
finds itself well (exit 0); `compared` rows are started with other arguments and another environment than they were
frozen with, and must print and end as a direct run does.
"""
import json
import os
import resource
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

GLIBC = ("pie", "nopie", "static", "staticpie")
ALL = GLIBC + ("musl", "muslstatic")
HERE = "path:/snap/here"

CHECKED = {
    # program: (points, arguments, kinds)
    "heap": ((HERE,), (), ("pie", "static", "musl")),
    "brk": ((HERE,), ("traced",), ("pie", "static")),
    "brk_tls": ((HERE,), (), ("bare",)),
    "brk_heap": ((HERE,), (), ("pie",)),
    "registers": (("stop_here",), (), ("pie", "static")),
    "tls": ((HERE, "entry"), (), ALL),
    "rseq": ((HERE, "main"), (), ("pie", "static")),
    "tid": ((HERE, "main"), (), ALL),
    "signals": ((HERE, "main"), (), ALL),
    "state": ((HERE,), (), ("pie", "static")),
    "files": ((HERE,), (), ("pie", "static")),
    "clock": ((HERE, "main", "entry"), (), ALL),
    "stack": ((HERE, "main"), (), ("pie", "static")),
    "mappings": ((HERE,), (), ("pie", "static")),
    "crew": ((HERE,), (), ALL),
    "exceptions": ((HERE,), (), ("cxx", "cxxstatic")),
}

# What a program makes and changes in each start; it finds it as it was, or makes it again.
CHANGED = {"mappings": ("shared",)}

FROZEN = (["frozen", "arguments here"], {"PATH": "/usr/bin:/bin", "ANSWER": "frozen", "ONLY_FROZEN": "1"})
# (arguments, environment) of a start: fewer, none, white space and quotes, many, long.
STARTS = (
    ([], {"PATH": "/usr/bin:/bin"}),
    (["3", "two words", "", "tab\tquote\"'$HOME\\", "\u00fc\u2713"], {"PATH": "/bin", "ANSWER": "42 is\nthe answer", "EMPTY": ""}),
    ([str(i) for i in range(10000)], {f"VARIABLE_{i}": "x" * 50 for i in range(3000)}),
    (["0", "y" * 130000, "z" * 100000], {"LONG": "w" * 120000}),
)


def checked(program, point, arguments):
    path = t.program(program)
    direct = t.run_directly([path])
    changed = CHANGED.get(program.split("-")[0], ())
    for name in changed:  # else the direct run's
        os.unlink(name)
    t.freeze("image.snap", [path, *arguments], at=point)

    def start(image="image.snap"):
        for name in changed:
            os.unlink(name)
        restored = t.restore(image)
        t.check(restored.status == 0 and restored.err == b"", "restored:", restored)
        if not arguments:
            t.same(restored, direct)

    t.every_start(start, together=not changed)
    thawed = t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"])
    t.check(thawed.status == 0, "snapimg thaw:", thawed)
    start("thawed.snap")


def compared(program, point="main", starts=STARTS):
    path = t.program(program)
    t.freeze("image.snap", [path, *FROZEN[0]], at=point, env=FROZEN[1])
    for arguments, environment in starts:
        t.same(t.restore("image.snap", arguments, env=environment), t.run([path, *arguments], env=environment))


def recorded_arguments():
    """No argument at all keeps the recorded ones; the environment is the caller's all the same."""
    path = t.program("args-pie")
    t.freeze("image.snap", [path, *FROZEN[0]], env=FROZEN[1])
    environment = {"ANSWER": "now"}
    t.same(t.restore("image.snap", None, env=environment), t.run([path, *FROZEN[0]], env=environment))
    t.same(t.run([t.SNAPRUN, "image.snap", "--", "--", "-x"], env=environment),
           t.run([path, "--", "-x"], env=environment))
    t.same(t.run([t.SNAPRUN, "image.snap", "-q", "--help"], env=environment),
           t.run([path, "-q", "--help"], env=environment))


def ends():
    path = t.program("ends-pie")
    t.freeze("image.snap", [path])
    for how in ("0", "1", "77", "255", "-6", "-9", "-11", "-15"):
        t.same(t.restore("image.snap", [how]), t.run([path, how]))


def fresh_random(program):
    """AT_RANDOM is new in each start, at main; other points keep the program's pointer, and its bytes are new too."""
    path = t.program(program)
    for point in ("main", HERE):
        t.freeze("image.snap", [path], at=point)
        seen = [t.restore("image.snap").out for _ in range(4)] + [t.run([path]).out]
        t.check(len(set(seen)) == 5 and all(len(line) == 33 for line in seen), point, seen)


def here(program):
    path = t.program(program)
    direct = t.run([path, "direct"], env={})
    t.check(direct.status == 0 and direct.out == b"snap_here 0\n2 arguments of main, last direct\n", direct)
    t.freeze("image.snap", [path, "frozen"], at="here")
    for words in (["one", "two words"], []):
        restored = t.restore("image.snap", words, env={"A": "1", "B": "2 3"})
        lines = ["snap_here 1", f"argc {len(words) + 1}"]
        lines += [f"argv[{i}] {word}" for i, word in enumerate([path, *words])] + ["envp A=1", "envp B=2 3"]
        t.check(restored.status == 0 and restored.out.decode().splitlines() == lines, restored)


def streams(program):
    path = t.program(program)
    for point in ("main", HERE):
        t.freeze("image.snap", [path], at=point, stdin=b"not read by the frozen program")
        for text in (b"", b"one line\n", bytes(range(256)) * 5000):
            t.same(t.restore("image.snap", stdin=text), t.run([path], stdin=text))


def stages(point, said):
    """What was printed before the point belongs to the frozen run, what comes after it to each start."""
    for kind in ("pie", "static", "musl"):
        path = t.program(f"stages-{kind}")
        frozen = t.freeze(f"{kind}.snap", [path], at=point)
        lines = [f"stage {i}\n" for i in (1, 2, 3, 4)]
        t.check(frozen.out.decode() == "".join(lines[:said]), kind, "frozen:", frozen)
        # A word that is the ID by accident would ask for a PID namespace, where the parent that stages.c sees is 0.
        restored = t.restore(f"{kind}.snap", options=["--ids=new"])
        t.check(restored.status == 0 and restored.out.decode() == "".join(lines[said:]), kind, "restored:", restored)


def address():
    """0xADDR as nm prints it, of a PIE and of a fixed one."""
    for kind in ("pie", "nopie"):
        path = t.program(f"stages-{kind}" if kind == "pie" else "args-nopie")
        symbol = "stage" if kind == "pie" else "main"
        listing = t.run(["nm", path]).out.decode().splitlines()
        value = next(line.split()[0] for line in listing if line.split()[-1] == symbol)
        t.freeze(f"{kind}.snap", [path], at="0x" + value.lstrip("0"))
        restored = t.restore(f"{kind}.snap")
        t.same(restored, t.run([path]))


def gone_environment():
    """The image is all it takes: other working directory, other file modes, no environment, no trace of the maker."""
    path = t.program("args-pie")
    os.mkdir("made-here")
    t.freeze("image.snap", [path, *FROZEN[0]], env=FROZEN[1])
    os.chmod("image.snap", 0o400)
    restored = t.restore("image.snap", ["5"], env={})
    t.same(restored, t.run([path, "5"], env={}))


def inherits(program):
    """All that a process inherits is the caller's, also where it is not what the maker had; nothing of the tool's is left."""
    path = t.program(program)
    os.mkdir("elsewhere")
    image = os.path.abspath("image.snap")

    def other_caller():
        os.umask(0o027)
        os.nice(3)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    for point in ("main", HERE):
        t.freeze(image, [path], at=point)
        for how in ({}, {"cwd": "elsewhere", "preexec_fn": other_caller}):
            t.same(t.restore(image, **how), t.run([path], **how))


def at_variable():
    """SNAP_AT says the point, --at wins, the default output is PROG's name in the working directory, mode 0600."""
    path = t.program("stages-pie")
    ended = t.run([t.SNAPTRACE, path], env={**t.PLAIN_ENV, "SNAP_AT": HERE})
    t.check(ended.status == 0 and ended.out.count(b"stage") == 3, ended)
    t.check(ended.err.count(b"\n") == 1 and b"stages-pie.snap" in ended.err, "one summary line:", ended)
    t.check(os.stat("stages-pie.snap").st_mode & 0o7777 == 0o600, "mode")
    ended = t.run([t.SNAPTRACE, "-q", "--at", "main", path], env={**t.PLAIN_ENV, "SNAP_AT": HERE})
    t.check(ended.status == 0 and ended.out == b"" and ended.err == b"", ended)
    t.check(t.restore("stages-pie.snap").out.count(b"stage") == 4, "from main")


def inspected():
    """snapimg tells of a real image what is known of it, to a person and as JSON."""
    path = t.program("ends-pie")
    t.freeze("image.snap", [path, "0", "two words"])
    said = {}
    for command in ("info", "maps", "verify"):
        plain = t.run([t.SNAPIMG, command, "image.snap"])
        t.check(plain.status == 0 and plain.out and not plain.err, command, plain)
        as_json = t.run([t.SNAPIMG, command, "--json", "image.snap"])
        t.check(as_json.status == 0 and not as_json.err, command, as_json)
        said[command] = plain.out.decode(), json.loads(as_json.out)
    for word in (path, "two words", "main"):
        t.check(word in said["info"][0] and word in json.dumps(said["info"][1]), word, said["info"])
    for word in (path, "/libc", "[stack]", "[vdso]", " r-xp "):
        t.check(word in said["maps"][0], word, said["maps"][0])


def stream(text, function):
    """Calls function with a stdin that holds text and has no end."""
    reader, writer = os.pipe()
    try:
        os.write(writer, text)
        with os.fdopen(reader, "rb") as file:
            return function(file)
    finally:
        os.close(writer)


def threads(program):
    """Threads in every kind of wait go on where they were; also two at once."""
    path = t.program(program)
    stream(b"", lambda file: t.freeze("image.snap", [path], at=HERE, stdin=file))

    def start():
        restored = stream(b"x", lambda file: t.restore("image.snap", stdin=file))
        t.check(restored.status == 0 and restored.out == b"all threads went on\n" and restored.err == b"", restored)

    start()
    t.at_once(6, start)  # each waits for a third of a second


def soak(program, starts, at_once):
    """Many starts in a row, and many at once. SNAP_SOAK: how many times as many."""
    times = int(os.environ.get("SNAP_SOAK", "1"))
    path = t.program(program)
    t.freeze("image.snap", [path], at=HERE)

    def start(_=None):
        restored = t.restore("image.snap")
        t.check(restored.status == 0 and restored.err == b"", restored)

    import concurrent.futures
    for _ in range(starts * times):
        start()
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        list(pool.map(start, range(at_once * times)))


def named_threads():
    """snapimg tells the threads, their names and where they stand; the summary counts them."""
    path = t.program("threads-pie")
    ended = stream(b"", lambda file: t.run([t.SNAPTRACE, "-o", "image.snap", "--at", HERE, path, "600000"], stdin=file))
    t.check(ended.status == 0 and b", 14 threads, " in ended.err, ended)
    said = json.loads(t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out)["threads"]
    calls = {thread["name"]: thread["call"] for thread in said}
    wanted = {"threads-pie": None, "poll": "poll", "spin": None, "sigtimedwait": "rt_sigtimedwait", "read": "read"}
    t.check(len(said) == 14 and wanted.items() <= calls.items(), said)
    t.check([thread["at_point"] for thread in said] == [True] + 13 * [False], said)
    plain = t.run([t.SNAPIMG, "info", "image.snap"]).out.decode()
    t.check("poll, in poll" in plain and "threads-pie, at the point" in plain, plain)


def row(function, *arguments):
    return lambda: function(*arguments)


def short(point):
    return {HERE: "path"}.get(point, point)


ROWS = {}
for _program, (_points, _arguments, _kinds) in CHECKED.items():
    for _point in _points:
        for _kind in _kinds:
            ROWS[f"{_program}.{_kind}.{short(_point)}"] = row(checked, f"{_program}-{_kind}", _point, _arguments)
for _kind in ALL:
    ROWS[f"threads.{_kind}"] = row(threads, f"threads-{_kind}")
    ROWS[f"args.{_kind}"] = row(compared, f"args-{_kind}")
    ROWS[f"proc.{_kind}.main"] = row(compared, f"proc-{_kind}", "main")
    ROWS[f"proc.{_kind}.path"] = row(compared, f"proc-{_kind}", HERE)
    ROWS[f"random.{_kind}"] = row(fresh_random, f"random-{_kind}")
    ROWS[f"here.{_kind}"] = row(here, f"here-{_kind}")
    ROWS[f"streams.{_kind}"] = row(streams, f"streams-{_kind}")
for _kind in ("pie", "static"):
    ROWS[f"inherits.{_kind}"] = row(inherits, f"inherits-{_kind}")
ROWS.update({
    "threads-named": named_threads,
    "threads-soak": row(soak, "crew-pie", 200, 32),
    "recorded-arguments": recorded_arguments,
    "ends": ends,
    "stages.symbol": row(stages, "stage", 0),
    "stages.syscall": row(stages, "syscall:getppid", 1),
    "stages.syscall-second": row(stages, "syscall:getppid#2", 2),
    "stages.path": row(stages, HERE, 3),
    "address": address,
    "gone-environment": gone_environment,
    "at-variable": at_variable,
    "inspected": inspected,
})

t.main(ROWS)
