"""What it costs to be followed: a tree of many small processes, and a program that makes many system calls."""
import shutil
import sys

SCRIPT = 'i=0; while [ $i -lt %d ]; do /bin/true; /bin/echo "$i" | /bin/cat >/dev/null; i=$((i + 1)); done'
READS = 1000000
# To come to the end before the point is a failure to bench_spawn, and is told; so each command has this shell around it.
ENDS_WITH = ["/bin/sh", "-c", '"$@" 2>errors; [ $? = "$0" ] || { cat errors >&2; exit 1; }']
NEVER = "1"  # snaptrace's status when the program ended before the point


def ends_with(status, *argv):
    return [*ENDS_WITH, status, *argv]


def tree(bench):
    """A build, and a shell script of 600 processes that do nothing, the worst case. Overhead: what is more than plain."""
    for i in range(8):
        with open(f"f{i}.c", "w") as file:
            file.write(f"#include <stdio.h>\nint f{i}(void) {{ return printf(\"%d\", {i}); }}\n")
    follow(bench, "a build (8 files, cc -O2)", ["/bin/sh", "-c", "for i in 0 1 2 3 4 5 6 7; do cc -O2 -c f$i.c; done"], 10)
    follow(bench, "600 processes that do nothing", ["/bin/sh", "-c", SCRIPT % (20 if bench.quick else 200)], 20)


def follow(bench, what, script, rounds):
    commands = {
        "plain": ends_with("0", *script),
        "main": ends_with(NEVER, bench.tool["snaptrace"], "-q", "-o", "never.snap", "--at", "main", "--in", "nonesuch", *script),
        "log": ends_with("0", bench.tool["snaptrace"], "--log-exec=/dev/null", *script),
    }
    if shutil.which("strace"):
        commands["strace"] = ends_with("0", "strace", "-f", "-o", "/dev/null", "-e", "trace=execve,execveat", *script)
    else:
        print("bench: no strace: following a tree is not compared with it", file=sys.stderr)
    took = dict(zip(commands, bench.spawn(bench.rounds(rounds), *commands.values())))
    for name, figure, limit in (("main", f"follow {what}, for main", 1.15), ("log", f"follow {what}, for the log", None)):
        bench.row(figure, took[name], took["plain"], "run alone", limit=limit)
        if "strace" in took:
            bench.row("  what it adds", took[name] - took["plain"], took["strace"] - took["plain"],
                      "strace -f -e trace=execve,execveat", limit=0.2)


def calls(bench):
    """A million reads of a file. The one point met, the program's end or main, is passed over."""
    reads = [f"{bench.build}/tests/bench/bench_reads", str(READS // 10 if bench.quick else READS), "file"]
    with open("file", "wb") as file:
        file.write(bytes(1 << 20))
    traced = [[bench.tool["snaptrace"], "-q", "-o", "never.snap", "--skip", "1", "--at", point] for point in ("main", "effect")]
    alone, main, effect = bench.spawn(bench.rounds(20), ends_with("0", *reads),
                                      *(ends_with(NEVER, *words, *reads) for words in traced))
    bench.row("a million reads, followed for main", main, alone, "run alone", limit=1.05)
    bench.row("a million reads, followed for effect", effect, alone, "run alone", limit=1.3)
