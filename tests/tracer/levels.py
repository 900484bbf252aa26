"""Programs that are shown a processor of another level (--cpu), wherever they ask it."""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

ASKS = os.path.join(t.BUILD, "tests/tracer/asks")
HERE = "path:/snap/here"
# level: what it has, of what asks.c looks for; with the state that it keeps
LEVELS = {
    "x86-64": ("sse2 ", "state 0, none"),
    "x86-64-v2": ("sse2 sse4_2 ", "state 0, none"),
    "x86-64-v3": ("sse2 sse4_2 avx osxsave avx2 ", "state 7, room for any"),
}
LINKER = "/lib64/ld-linux-x86-64.so.2"
FEATURES = {"x86-64": {"sse", "sse2"}, "x86-64-v2": {"sse", "sse2", "sse3", "ssse3", "cx16", "sse4_1", "sse4_2", "popcnt", "lahf_lm"}}


def need_v3():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        flags = re.search(r"^flags\s*:(.*)", file.read(), re.MULTILINE).group(1).split()
    if not {"avx2", "bmi2", "fma", "sse4_2"} <= set(flags):
        t.skip("this processor has not all of x86-64-v3 itself")


def shown(level):
    need_v3()
    return "".join(LEVELS[level][:1]) + LEVELS[level][1] + "\n"


def freeze(level, argv, at=HERE, **more):
    return t.freeze("image.snap", argv, at=at, options=("--cpu=" + level,), **more)


def goes_on(first=""):
    restored = t.restore("image.snap")
    t.check(restored.status == 0 and restored.out.decode() == first + "went on\n", restored)


def asks(where):
    """What it hears is the level's, in each; the program started from the image needs no answers."""
    for level in LEVELS:
        want = shown(level)
        frozen = freeze(level, [ASKS, where])
        want += "SIGTRAP is blocked\n" if where == "handler" else ""
        t.check(frozen.out.decode() == want, level, where, frozen, "wanted", want)
        goes_on()


def made(where):
    """Code that the program makes: it is met when it becomes executable."""
    need_v3()
    for level in LEVELS:
        frozen = freeze(level, [ASKS, where])
        t.check(frozen.out.decode() == ("avx\n" if level == "x86-64-v3" else "no avx\n"), level, frozen)
        goes_on("avx\n" if where == "moved" else "")  # by now it hears what this processor has


def undumpable():
    """A process that made itself undumpable: its memory is closed to a tracer without privilege."""
    for level in LEVELS:
        frozen = freeze(level, [ASKS, "undumpable"], at="syscall:sched_yield")
        t.check(frozen.out.decode() == shown(level) + 2 * ("avx\n" if level == "x86-64-v3" else "no avx\n"), level, frozen)
        goes_on()


def told_beside():
    """What can't be answered is told: code that is written into a page where other code has run already."""
    result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", HERE, "--cpu=x86-64", ASKS, "beside"])
    if result.status == 1:
        t.skip("memory may not be writable and executable here")
    t.check(result.status == 0 and re.search(rb"code that it made itself asks the processor \(cpuid at 0x", result.err), result)
    goes_on()


def java():
    """A runtime that asks by code of its own, in memory that is writable and executable."""
    if not shutil.which("java"):
        t.skip("java is not installed")
    need_v3()
    argv = ["java", "-XX:-UsePerfData", "-XX:+PrintFlagsFinal", "-version"]
    frozen = freeze("x86-64-v2", argv, at="syscall:exit_group", timeout=300)
    flags = dict(re.findall(r"(UseAVX|UseSSE|UseAES) +:?= (\w+)", t.run(argv).out.decode()))
    t.check(int(flags["UseAVX"]) >= 2, "direct", flags)
    flags = dict(re.findall(r"(UseAVX|UseSSE|UseAES) +:?= (\w+)", frozen.out.decode()))
    t.check(flags["UseAVX"] == "0" and flags["UseAES"] == "false", flags)


def goes_on_untraced():
    """With --continue the program has its own code again, and asks for itself."""
    need_v3()
    t.check(t.run([ASKS, "main"]).out.startswith(shown("x86-64-v3")[:10].encode()), "direct")
    result = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--continue", "--at", HERE, "--cpu=x86-64", ASKS, "child"])
    t.check(result.status == 0 and result.out.decode() == shown("x86-64") + "went on\n", result)
    goes_on()


def linker(level):
    """glibc's own choice: which of its directories it would search."""
    if not os.path.exists(LINKER) or b"x86-64-v2" not in t.run([LINKER, "--help"]).out:
        t.skip("no glibc that tells it (2.33)")
    need_v3()
    frozen = freeze(level, [LINKER, "--help"], at="syscall:exit_group")
    supported = set(re.findall(r"(x86-64-v\d) \(supported", frozen.out.decode()))
    t.check(supported == {f"x86-64-v{n}" for n in range(2, 5) if f"x86-64-v{n}" <= level}, supported)


def told():
    """snapimg info shows the level; the image needs what the level has, and hints never."""
    for level in ("native", *LEVELS):
        freeze(level, [ASKS], at="main")
        info = json.loads(t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out)
        features = set(info["cpu_features"])
        t.check(info["cpu_level"] == level, info["cpu_level"], level)
        t.check(not features & {"erms", "fsrm", "fzrm", "fsrs", "fsrc"}, "hints among", features)
        t.check(level not in FEATURES or features <= FEATURES[level], level, features)
        text = t.run([t.SNAPIMG, "info", "image.snap"]).out.decode()
        t.check(("level " + level in text) == (level != "native"), text)


PYTHON = """
import hashlib, json, os, sqlite3
try: os.stat("/snap/here")
except OSError: pass
print(hashlib.sha256(b"x" * 100000).hexdigest(), json.dumps({"a": 1.5}))
print(sqlite3.connect(":memory:").execute("select sum(1.5), hex(zeroblob(4))").fetchall())
"""
NODE = """try { require("fs").statSync("/snap/here") } catch (e) {}
console.log(require("crypto").createHash("sha256").update("x".repeat(1000)).digest("hex"), [1, 2].map(x => x * 1.5))"""
REAL = {
    "python": (["/usr/bin/python3", "-c", PYTHON], HERE),
    "node": (["/usr/bin/node", "-e", NODE], HERE),
    "openssl": (["/usr/bin/openssl", "dgst", "-sha256", "-r", "/usr/include/stdio.h"], "main"),
    "sqlite": (["/usr/bin/sqlite3", ":memory:", "select sum(1.5), hex(zeroblob(4)), printf('%.3f', 2.5)"], "main"),
}


def real(name, level):
    """Frozen as on a processor of that level, and started again: the output is that of a direct run."""
    argv, at = REAL[name]
    if not os.path.exists(argv[0]):
        t.skip(argv[0] + " is not installed")
    direct = t.run(argv)
    freeze(level, argv, at=at, timeout=300)
    t.same(t.restore("image.snap"), direct)


def without_xsave():
    """A processor without XSAVE, whose kernel has no such registers to show: the legacy ones are carried."""
    if not shutil.which("strace") or subprocess.run(["strace", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        t.skip("strace is not installed, or may not trace here")
    trace = [t.SNAPTRACE, "-q", "--no-cache", "-o", "image.snap", "--cpu=x86-64", "--at", HERE, ASKS]
    env = {**t.PLAIN_ENV, "ASAN_OPTIONS": "detect_leaks=0"}
    first = t.run(["strace", "-o", "calls", "-e", "trace=ptrace", *trace], env=env)
    t.check(first.status == 0, first)
    with open("calls", encoding="latin1") as file:
        calls = [line for line in file if line.startswith("ptrace(")]
    number = next(i for i, line in enumerate(calls, 1) if "NT_X86_XSTATE" in line)
    os.unlink("image.snap")
    lacking = t.run(["strace", "-o", "calls", "-e", "trace=ptrace", "-e", f"inject=ptrace:error=ENODEV:when={number}", *trace],
                    env=env)
    t.check(lacking.status == 0, lacking)
    with open("calls", encoding="latin1") as file:
        t.check("(INJECTED)" in file.read(), "ENODEV was not injected")
    goes_on()


ROWS = {f"asks.{where}": (lambda w=where: asks(w)) for where in ("main", "thread", "child", "handler")}
ROWS["asks_made"] = lambda: made("made")
ROWS["asks_written"] = lambda: made("written")
ROWS["asks_undumpable"] = undumpable
ROWS["asks_moved"] = lambda: made("moved")
ROWS["asks_beside"] = told_beside
ROWS["level_java"] = java
ROWS["level_continues"] = goes_on_untraced
ROWS["level_told"] = told
ROWS["level_without_xsave"] = without_xsave
ROWS.update({f"level_linker.{level}": (lambda v=level: linker(v)) for level in LEVELS})
ROWS.update({f"level.{name}.{level}": (lambda n=name, v=level: real(n, v)) for name in REAL for level in ("x86-64", "x86-64-v2")})

if __name__ == "__main__":
    t.main(ROWS)
