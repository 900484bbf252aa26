"""Starts from an image, against cold starts, a fork of the same warm process, and criu."""
import os
import shutil
import subprocess
import time

from bench import HERE, POINT, PYTHON, Command, Missing, Series, difference, needed, total, value_or_missing, with_floors

SCRIPT = os.path.join(HERE, "python_start.py")
WARM = os.path.join(HERE, "python_warm.py")
NUMPY = "import numpy, os; os.path.exists('/snap/here'); os._exit(0)"


def warm(what, kind=":end"):
    return Command([PYTHON, WARM, what], kind)


def empty(bench):
    image = bench.freeze("empty.snap", bench.program("empty"))
    return bench.sample({**bench.starts(image), "no-op": Command([bench.program("noop")]),
                         "floor": Command([bench.tool["snaprun"], "--version"]), "direct": Command([bench.program("empty")])}, 10)


def python_exit(bench):
    """To _exit right after the point."""
    image = bench.freeze("exit.snap", PYTHON, WARM, "exit", at=POINT)
    fast = bench.freeze("exit.lz4.snap", PYTHON, WARM, "exit", at=POINT, options=["--compress=lz4"])
    whole = bench.freeze("exit.contained.snap", PYTHON, WARM, "exit", at=POINT, options=["--self-contained"])
    return with_floors(bench.sample({
        **bench.both_codecs(image, fast), "contained": bench.start(bench.thaw(whole)), "cold": warm("exit"), "fork": warm("fork-exit", ":warm"),
        "C fork": warm("c-fork-exit", ":warm"), "criu": value_or_missing(criu)}))


def spawned(argv, env):
    """Milliseconds of one start, to its end; all else that is there is not counted."""
    began = time.monotonic()
    pid = os.posix_spawn(argv[0], argv, env)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise Missing(f"a start ended with status {status}")
    return (time.monotonic() - began) * 1000


def python_first(bench, options=()):
    """The first start of an image, which fills the cache, and the second, against starts without one."""
    image = bench.freeze("exit.snap", PYTHON, WARM, "exit", at=POINT, options=options)
    parts = bench.sample({"written": bench.decoding(image, "decoded"), "thawed": bench.starts(image)["thawed"]})
    cache = os.path.abspath("cache")
    without = {**os.environ, "SNAP_CACHE": "off"}
    took = {"off": [], "first": [], "second": []}
    for _ in range(bench.rounds()):
        shutil.rmtree(cache, ignore_errors=True)
        for name, env in (("off", without), ("first", {**os.environ, "SNAP_CACHE": cache}), ("second", {**os.environ, "SNAP_CACHE": cache})):
            took[name].append(spawned([bench.tool["snaprun"], image], env))
    return {**{name: Series(values) for name, values in took.items()}, "floor": total(*parts.values())}


def python_work(bench):
    """The same, and some json, decimal and minidom after the point."""
    image = bench.freeze("work.snap", PYTHON, WARM, "work", at=POINT)
    return bench.sample({**bench.starts(image), "cold": warm("work"), "fork": warm("fork-work", ":warm")})


def python_floors(bench):
    """What comes after the point costs as much in a process that is warm already: a cold start with it, less one without, and
    an exec that does nothing."""
    work = bench.freeze("work.snap", PYTHON, WARM, "work", at=POINT)
    end = bench.freeze("python.snap", PYTHON, SCRIPT, at=POINT)
    took = bench.sample({"work": bench.starts(work)["hot"], "end": bench.starts(end)["hot"], "no-op": Command([bench.program("noop")]),
                         "cold work": warm("work"), "cold exit": warm("exit"), "cold end": Command([PYTHON, SCRIPT]),
                         "cold point": Command([PYTHON, SCRIPT], ":byte")})
    for name, whole, less in (("work floor", "cold work", "cold exit"), ("end floor", "cold end", "cold point")):
        took[name] = total(difference(took[whole], took[less]), took["no-op"])
    return took


def python_output(bench):
    """To the first byte of output, with new arguments, as the README shows it; and frozen at main instead."""
    image = bench.freeze("python.snap", PYTHON, SCRIPT, at=POINT)
    bare = bench.freeze("bare.snap", PYTHON, "-c", "pass")
    return bench.sample({"frozen": bench.start(image, kind=":byte"), "at main": bench.start(bare, SCRIPT, kind=":byte"),
                         "cold": Command([PYTHON, SCRIPT], ":byte")})


def python_end(bench):
    """To the end, some work and Python's own end included."""
    image = bench.freeze("python.snap", PYTHON, SCRIPT, at=POINT)
    return bench.sample({**bench.starts(image), "cold": Command([PYTHON, SCRIPT])})


def launched_cold(bench):
    """A launcher whose image doesn't fit, since a module that it has loaded is another one: it compares all, and starts the program itself."""
    for name, text in (("tool.py", f"#!{PYTHON}\nimport sys, argparse, json, email, late\nlen(sys.argv)\n"), ("late.py", "")):
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)
    os.chmod("tool.py", 0o755)
    tool, launcher, data = os.path.abspath("tool.py"), os.path.abspath("tool"), os.path.abspath("data")
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    made = subprocess.run([bench.tool["snaptrace"], "-q", "--launcher", launcher, "--", tool], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env={**env, "XDG_DATA_HOME": data}, check=False, restore_signals=False)  # which are ignored is an input
    if made.returncode != 0:
        raise Missing(made.stderr.decode(errors="replace").strip().splitlines()[-1])
    took = {"warm": [], "direct": [], "cold": [], "alone": []}

    def sample(*names):
        for _ in range(bench.rounds()):
            for name, command in zip(names, (launcher, tool)):
                took[name].append(spawned([command], env))

    sample("warm", "direct")
    with open("late.py", "a", encoding="utf-8") as file:
        file.write("changed = True\n")
    with open(launcher, encoding="utf-8") as file:
        image, = [line.split(" ", 1)[1].strip() for line in file if line.startswith("image ")]
    with open(image + ".refused", "w", encoding="utf-8"):
        pass  # nor is it made again meanwhile
    sample("cold", "alone")
    series = {name: Series(values) for name, values in took.items()}
    return {**series, "adds": difference(series["cold"], series["alone"])}


def threads(bench):
    """The restore of many threads, up to their end, and of one; beside the program that makes them itself."""
    count = 100 if bench.quick else 1000
    crew = os.path.join(bench.build, "tests/programs/crew-pie")
    images = [bench.freeze(f"crew{many}.snap", crew, str(many), at=POINT) for many in (1, count)]
    took = bench.sample({"one": bench.start(images[0]), "many": bench.start(images[1]),
                         "direct": Command([crew, str(count)])}, 0.7)
    more = difference(took["many"], took["one"])
    return took | {"each": Series([value * 1000 / (count - 1) for value in more.values])}


def numpy(bench):
    if subprocess.run([PYTHON, "-c", "import numpy"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise Missing("no numpy here (python3-numpy)")
    image = bench.freeze("numpy.snap", PYTHON, "-c", NUMPY, at=POINT)
    return bench.sample({**bench.starts(image), "cold": Command([PYTHON, "-c", NUMPY])})


def criu():
    """criu's restore of that Python, or why there is none."""
    program = needed("criu")
    if os.geteuid() != 0:
        raise Missing("criu needs root")
    checked = subprocess.run([program, "check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if checked.returncode != 0:
        raise Missing("`criu check` fails: " + first_error(checked.stdout))
    os.mkdir("criu")
    target = subprocess.Popen([PYTHON, WARM, "until-go"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    while not os.path.exists("ready"):
        time.sleep(0.01)
    dumped = subprocess.run([program, "dump", "-t", str(target.pid), "-D", "criu", "-v1"], check=False, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    target.kill()
    target.wait()
    if dumped.returncode != 0:
        raise Missing("criu can't dump it: " + first_error(dumped.stdout))
    open("go", "wb").close()
    restore = [program, "restore", "-D", "criu", "-v1"]
    restored = subprocess.run(restore, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if restored.returncode != 0:
        raise Missing("criu can't restore it: " + first_error(restored.stdout))
    return Command(restore)


def first_error(text):
    """Of criu's lines; the later ones follow from it. The version tells whether another would do."""
    line = next((line for line in text.splitlines() if "Error" in line and "exited" not in line), "no reason given")
    version = subprocess.run(["criu", "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout.split()
    return f"{line.strip()} (version {version[-1] if version else '?'})"
