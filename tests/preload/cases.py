"""The shim as a library, and snap.h as a header."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

SHIM = os.path.join(t.BUILD, "preload/libsnappreload.so")
BREAK = """
#define _DEFAULT_SOURCE
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
	char *end = sbrk(0);
	int grown = sbrk(4096) == (void *)-1 ? errno : 0, moved = brk(end + 4096) == 0 ? 0 : errno;
	printf("%d %d %d\\n", grown == ENOMEM, moved == ENOMEM, sbrk(0) == end);
	return 0;
}
"""
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wshadow", "-pedantic")
PROGRAM = """
#include <snap.h>
#include <stdio.h>
static void again(void *argument) { (void)argument; }
int main()
{
	int resumed = snap_here();
	printf("%d %d %d %d %d", resumed, snap_restored(), snap_argc(), snap_argv() == 0, snap_envp() == 0);
	int error = 0, count = 0;
	for (; count < 100 && error == 0; count++)
		error = snap_on_restore(again, &count);
	printf(" %d %d\\n", error != 0, count - 1 == SNAP_CALLBACKS_MAX);
	return 0;
}
"""
# What PROGRAM prints when nobody restored it.
UNTOUCHED = b"0 0 0 1 1 1 1\n"


def symbols(*options):
    listed = t.run(["nm", "-D", *options, SHIM])
    t.check(listed.status == 0, listed)
    return [line.split() for line in listed.out.decode().splitlines()]


def exports():
    found = {words[-1] for words in symbols("--defined-only")}
    t.check(found == t.SHIM_EXPORTS, "more:", found - t.SHIM_EXPORTS, "fewer:", t.SHIM_EXPORTS - found)


def needs_nothing():
    strong = [words for words in symbols("--undefined-only") if words[0] != "w"]
    t.check(not strong, "needs", strong)
    dynamic = t.run(["readelf", "-dW", SHIM]).out.decode()
    needed = [line for line in dynamic.splitlines() if "(NEEDED)" in line and "libdl." not in line]
    t.check(not needed and "INITFIRST" in dynamic, dynamic)


def harmless():
    """Without the tracer's order the shim does nothing but be there."""
    env = dict(t.PLAIN_ENV, LD_PRELOAD=SHIM)
    argv = ["/usr/bin/env"]
    t.same(t.run(argv, env=env), t.Result(0, "".join(f"{k}={v}\n" for k, v in env.items()).encode(), b""))
    for name in ("args-pie", "args-nopie", "args-musl"):
        path = os.path.join(t.PROGRAMS, name)
        if os.path.exists(path):
            t.check(t.run([path, "3", "a"], env=env).status == 3, name)


def refuses_brk():
    """brk() and sbrk() themselves, without the tracer's guard page: its orders alone, as the last variables."""
    with open("break.c", "w") as file:
        file.write(BREAK)
    t.check(t.run([t.CC, "-o", "break", "break.c"]).status == 0, "break.c")
    t.same(t.run(["./break"]), t.Result(0, b"0 0 0\n", b""))
    ordered = {**t.PLAIN_ENV, "LD_PRELOAD": SHIM, "SNAP_SHIM": "1:2:0"}
    t.same(t.run(["./break"], env=ordered), t.Result(0, b"1 1 1\n", b""))


def header(compiler, *flags, env=None, suffix="c"):
    if not shutil.which(compiler):
        t.skip(f"no {compiler}")
    with open(f"program.{suffix}", "w") as file:
        file.write(PROGRAM if suffix == "cc" else PROGRAM.replace("main()", "main(void)"))
    built = t.run([compiler, *WARNINGS, *flags, f"-I{t.BUILD}/include", "-o", "program", f"program.{suffix}"])
    t.check(built.status == 0, built)
    t.same(t.run(["./program"]), t.Result(0, UNTOUCHED, b""))


def both():
    """A program with the header and the shim, and two units with a block each, frozen at its own point."""
    header(t.CC, "-std=c11", "-O2")
    t.freeze("image.snap", ["./program"], at="here")
    restored = t.restore("image.snap", ["a", "b"])
    t.check(restored.status == 0 and restored.out == b"1 1 3 0 0 1 1\n", restored)


ROWS = {
    "exports": exports,
    "needs-nothing": needs_nothing,
    "harmless": harmless,
    "refuses-brk": refuses_brk,
    "header.c11": lambda: header(t.CC, "-std=c11", "-O2"),
    "header.c11-O0": lambda: header(t.CC, "-std=c11", "-O0"),
    "header.c17-lto": lambda: header("gcc", "-std=c17", "-O2", "-flto", "-fdata-sections", "-Wl,--gc-sections"),
    "header.c++11": lambda: header("g++", "-std=c++11", "-O2", suffix="cc"),
    "header.c++20": lambda: header("g++", "-std=c++20", "-O2", suffix="cc"),
    "header.clang": lambda: header("clang", "-std=c11", "-O2"),
    "header.static": lambda: header(t.CC, "-std=c11", "-O2", "-static"),
    "header.musl": lambda: header("musl-gcc", "-std=c11", "-O2", "-static"),
    "header.frozen": both,
}

if __name__ == "__main__":
    t.main(ROWS)
