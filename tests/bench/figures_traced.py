"""What it costs to run under snaptrace: up to main, as a tree of small processes, as a program of many system calls."""
import shutil

from bench import Command, Missing, Series, difference

BUILD_SCRIPT = "for i in 0 1 2 3 4 5 6 7; do cc -O2 -c f$i.c; done"
SMALL_SCRIPT = 'i=0; while [ $i -lt %d ]; do /bin/true; /bin/echo "$i" | /bin/cat >/dev/null; i=$((i + 1)); done'
READS = 1000000
# To come to the end before the point is a failure to bench_spawn, and is told; so each command has this shell around it.
ENDS_WITH = ["/bin/sh", "-c", '"$@" 2>errors; [ $? = "$0" ] || { cat errors >&2; exit 1; }']
NEVER = "1"  # snaptrace's status when the program ended before the point


def ends_with(status, *argv):
    return Command([*ENDS_WITH, status, *argv])


def to_main(bench):
    """A program that works before main (system calls, memory, processor), and one that does next to nothing."""
    work = bench.program("work")
    traced = [bench.tool["snaptrace"], "-q", "-o", "work.snap", *bench.no_cache("snaptrace"), "--at", "main", work]
    took = bench.sample({"nothing": Command([work, "0"], ":byte"), "nothing traced": Command([*traced, "0"], ":byte"),
                         "whole": Command([*traced, "0"])})
    took |= bench.sample({"work": Command([work, "300"], ":byte"), "work traced": Command([*traced, "300"], ":byte")}, 0.7)
    took["fixed part"] = difference(took["nothing traced"], took["nothing"])
    took["allowed"] = Series([value * 1.10 + 15 for value in took["work"].values])
    return took


def build_followed(bench):
    for i in range(8):
        with open(f"f{i}.c", "w", encoding="utf-8") as file:
            file.write(f"#include <stdio.h>\nint f{i}(void) {{ return printf(\"%d\", {i}); }}\n")
    return follow(bench, ["/bin/sh", "-c", BUILD_SCRIPT], 0.3)


def small_followed(bench):
    return follow(bench, ["/bin/sh", "-c", SMALL_SCRIPT % (20 if bench.quick else 200)], 0.7)


def follow(bench, script, share):
    """A shell script alone and followed. Overhead: what is more than alone."""
    trace = bench.tool["snaptrace"]
    commands = {
        "alone": ends_with("0", *script),
        "main": ends_with(NEVER, trace, "-q", "-o", "never.snap", "--at", "main", "--in", "nonesuch", *script),
        "log": ends_with("0", trace, "--log-exec=/dev/null", *script),
        "strace": ends_with("0", "strace", "-f", "-o", "/dev/null", "-e", "trace=execve,execveat", *script)
                  if shutil.which("strace") else Missing("no strace here"),
    }
    took = bench.sample(commands, share)
    for name in ("main", "log", "strace"):
        took[name + " adds"] = took[name] if isinstance(took[name], Missing) else difference(took[name], took["alone"])
    return took


def calls_followed(bench):
    """A million reads of a file. The one point met, the program's end or main, is passed over."""
    reads = [bench.program("reads"), str(READS // 10 if bench.quick else READS), "file"]
    with open("file", "wb") as file:
        file.write(bytes(1 << 20))
    commands = {"alone": ends_with("0", *reads)}
    for point in ("main", "effect"):
        commands[point] = ends_with(NEVER, bench.tool["snaptrace"], "-q", "-o", "never.snap", "--skip", "1", "--at", point,
                                    *reads)
    return bench.sample(commands, 0.7)
