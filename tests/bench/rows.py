"""The table: what is measured, against what, and how much of it is allowed."""
import dataclasses
from typing import Callable

import figures_dump as dump
import figures_servers as servers
import figures_sharing as sharing
import figures_start as start
import figures_traced as traced
import figures_travel as travel
import figures_trees as trees


@dataclasses.dataclass(frozen=True)
class Row:
    """figure gives the series that ours and peer name. bar: the most that ours / peer may be, or without a peer ours."""
    name: str
    title: str
    figure: Callable
    ours: str
    peer: str  # or None
    against: str
    bar: float  # or None
    limits: str  # what takes the time, or the room
    unit: str = "ms"


FORK = "fork() and _exit of the same warm Python"
DECODING = "decoding the pages"
FAULTS = "page faults"
EXEC = "two execs' worth of kernel work"
COMPRESSION = "compression and the disk"
STOPS = "stops, each two switches to the tracer"
FLOOR = "decoding alone, and the thawed start"
STRACE = "strace -f -e trace=execve,execveat"

ROWS = (
    # Part 1: a start from a frozen image; dumps
    Row("main.work", "to main under snaptrace, a program that works first", traced.to_main, "work traced", "allowed",
        "1.10 of the run alone, and 15 ms", 1.0, "the fixed part"),
    Row("main.fixed", "to main under snaptrace, fixed part", traced.to_main, "fixed part", None, "less the run alone", 15,
        "exec, seize, the shim"),
    Row("main.whole", "snaptrace as a whole, a program that does nothing", traced.to_main, "whole", None, "", None, "the disk"),
    Row("empty.frozen", "near-empty static program, frozen", start.empty, "frozen", "no-op",
        "fork+exec of a no-op without libc", 2.5, EXEC),
    Row("empty.direct", "near-empty static program, frozen", start.empty, "frozen", "direct", "fork+exec of that program",
        None, EXEC),
    Row("output.frozen", "Python + imports, frozen, to its first output", start.python_output, "frozen", "cold",
        "cold start", 1 / 8, DECODING),
    Row("output.main", "Python frozen at main, to its first output", start.python_output, "at main", "cold", "cold start",
        None, "the imports, which are still to come"),
    Row("end.frozen", "Python + imports, frozen, some work and Python's own end", start.python_end, "frozen", "cold",
        "cold start", None, "Python's own end"),
    Row("heap.random", "dump of a heap, incompressible", dump.random_heap, "dump", "zstd", "zstd -T0 -3 of the bytes, and sync",
        1.3, "the disk"),
    Row("heap.text", "dump of a heap, text-like", dump.text_heap, "dump", "zstd", "zstd -T0 -3 of the bytes, and sync", 1.3,
        COMPRESSION),
    Row("heap.random.size", "image of a heap, incompressible", dump.random_heap, "size", "zstd size", "zstd -3", None,
        "the bytes", "MB"),
    Row("heap.text.size", "image of a heap, text-like", dump.text_heap, "size", "zstd size", "zstd -3", None,
        "frames that stand alone", "MB"),
    Row("size.raw", "image of that Python", dump.python_size, "default", "raw", "the pages it holds, raw", 1 / 3,
        "frames that stand alone", "MB"),

    Row("launcher.cold", "a launcher whose image doesn't fit: what it adds", start.launched_cold, "adds", None,
        "less the program alone", 5, "comparing the inputs"),
    Row("launcher.warm", "a launcher of that Python, some imports, to its end", start.launched_cold, "warm", "direct",
        "the program itself", 1 / 3, "Python's own end"),

    # Part 2: what a process has beside its memory
    Row("threads.many", "1000 threads restored, to their end", start.threads, "many", "direct", "the program itself", None,
        "a clone and a stack each"),
    Row("threads.each", "  for each of them", start.threads, "each", None, "less the restore of one", None,
        "a clone and a stack each", "us"),

    # Part 3: to be followed
    *(Row(f"follow.{what}.{name}", f"{title}, followed for {point}", figure, name, "alone", "run alone", bar, STOPS)
      for what, title, figure in (("build", "a build (8 files, cc -O2)", traced.build_followed),
                                  ("small", "600 processes that do nothing", traced.small_followed))
      for name, point, bar in (("main", "main", 1.15), ("log", "the log", None))),
    *(Row(f"follow.{what}.{name}.adds", f"{title}, what following for {point} adds", figure, f"{name} adds",
          "strace adds", STRACE, 0.2, STOPS)
      for what, title, figure in (("build", "a build (8 files, cc -O2)", traced.build_followed),
                                  ("small", "600 processes that do nothing", traced.small_followed))
      for name, point in (("main", "main"), ("log", "the log"))),
    Row("calls.main", "a million reads, followed for main", traced.calls_followed, "main", "alone", "run alone", 1.05, STOPS),
    Row("calls.effect", "a million reads, followed for effect", traced.calls_followed, "effect", "alone", "run alone", 1.3,
        STOPS),

    # Part 4: thawed, with a hot set, shared
    Row("empty.thawed", "near-empty static program, thawed", start.empty, "thawed", "no-op",
        "fork+exec of a no-op without libc", 2.0, EXEC),
    Row("empty.floor", "snaprun --version: its exec and exit alone", start.empty, "floor", "no-op",
        "fork+exec of a no-op without libc", None, "the exec of a static program"),
    Row("exit.thawed", "Python + imports, thawed, to _exit", start.python_exit, "thawed", "fork", FORK, 0.5, FAULTS),
    Row("exit.thawed.c", "Python + imports, thawed, to _exit", start.python_exit, "thawed", "C fork",
        "the same from C, without Python's hooks", 1.0, FAULTS),
    Row("exit.thawed.cold", "Python + imports, thawed, to _exit", start.python_exit, "thawed", "cold", "cold start", 1 / 65,
        FAULTS),
    Row("exit.frozen", "Python + imports, frozen, no cache, to _exit", start.python_exit, "frozen", "cold", "cold start",
        1 / 9, DECODING),
    Row("exit.frozen.lz4", "Python + imports, frozen by lz4, no cache, to _exit", start.python_exit, "lz4", "cold", "cold start",
        1 / 12, DECODING),
    Row("exit.contained.c", "Python + imports, self-contained, thawed, to _exit", start.python_exit, "contained", "C fork",
        "fork() from C, without Python's hooks", 1.0, FAULTS),
    Row("exit.contained.cold", "Python + imports, self-contained, thawed, to _exit", start.python_exit, "contained", "cold",
        "cold start", 1 / 65, FAULTS),
    Row("exit.frozen.floor", "Python + imports, frozen, no cache, to _exit", start.python_exit, "frozen", "frozen floor",
        FLOOR, None, DECODING),
    Row("exit.frozen.lz4.floor", "Python + imports, frozen by lz4, no cache, to _exit", start.python_exit, "lz4", "lz4 floor",
        FLOOR, None, DECODING),
    Row("exit.frozen.fork", "Python + imports, frozen, no cache, to _exit", start.python_exit, "frozen", "fork", FORK,
        None, DECODING),
    Row("exit.first", "Python + imports, first start with an empty cache, to _exit", start.python_first, "first", "off",
        "the same with --cache=off", 1.25, DECODING),
    Row("exit.first.floor", "Python + imports, first start with an empty cache, to _exit", start.python_first, "first", "floor",
        "decoding into a file alone, and the thawed start", None, DECODING),
    Row("exit.second", "Python + imports, the second start", start.python_first, "second", "off",
        "the same with --cache=off", None, FAULTS),
    Row("exit.criu", "Python + imports, thawed, to _exit", start.python_exit, "thawed", "criu", "criu restore, as root", None,
        FAULTS),
    Row("exit.criu.frozen", "Python + imports, frozen, no cache, to _exit", start.python_exit, "frozen", "criu",
        "criu restore, as root", None, DECODING),
    Row("work.hot", "Python + imports, hot set, some work, to _exit", start.python_work, "hot", "fork",
        "the same work in a forked warm child", 0.8, "the work"),
    Row("work.hot.floor", "Python + imports, hot set, some work, to _exit", start.python_floors, "work", "work floor",
        "the same work in the warm process itself, and an exec", 1.35, "the work"),
    Row("end.hot.floor", "Python + imports, hot set, some work and Python's own end", start.python_floors, "end", "end floor",
        "what that takes of a cold start, and an exec", 1.35, "Python's own end"),
    Row("work.hot.cold", "Python + imports, hot set, some work, to _exit", start.python_work, "hot", "cold", "cold start",
        1 / 20, "the work"),
    Row("work.thawed", "Python + imports, thawed, some work, to _exit", start.python_work, "thawed", "fork",
        "the same work in a forked warm child", None, FAULTS),
    Row("work.frozen", "Python + imports, frozen, no cache, some work, to _exit", start.python_work, "frozen", "cold", "cold start",
        None, DECODING),
    Row("numpy.thawed", "Python + numpy, thawed, to _exit", start.numpy, "thawed", "cold", "cold start", 1 / 20, FAULTS),
    Row("numpy.frozen", "Python + numpy, frozen, no cache, to _exit", start.numpy, "frozen", "cold", "cold start", None,
        DECODING),
    Row("node.exit", "node + TypeScript, thawed, to its exit", servers.node_exit, "thawed", "cold", "cold start", 1 / 15,
        FAULTS),
    Row("node.exit.frozen", "node + TypeScript, frozen, no cache, to its exit", servers.node_exit, "frozen", "cold",
        "cold start", 1 / 8, DECODING),
    Row("node.exit.frozen.lz4", "node + TypeScript, frozen by lz4, no cache, to its exit", servers.node_exit, "lz4", "cold",
        "cold start", 1 / 11, DECODING),
    Row("node.exit.frozen.floor", "node + TypeScript, frozen, no cache, to its exit", servers.node_exit, "frozen",
        "frozen floor", FLOOR, None, DECODING),
    Row("node.compile", "node + TypeScript, thawed, a small file compiled", servers.node_compile, "thawed", "cold",
        "cold start", 1 / 5, "the compilation"),
    Row("node.compile.frozen", "node + TypeScript, frozen, no cache, a small file compiled", servers.node_compile, "frozen",
        "cold", "cold start", None, DECODING),
    Row("redis.thawed", "redis-server, 1,000,000 keys, thawed, to its first PONG", servers.redis, "thawed", "cold",
        "loading the same RDB", 1 / 50, FAULTS),
    Row("redis.frozen", "redis-server, 1,000,000 keys, frozen, no cache", servers.redis, "frozen", "cold",
        "loading the same RDB", 1 / 10, DECODING),
    Row("redis.frozen.lz4", "redis-server, 1,000,000 keys, frozen by lz4, no cache", servers.redis, "lz4", "cold",
        "loading the same RDB", 1 / 14, DECODING),
    Row("redis.frozen.floor", "redis-server, 1,000,000 keys, frozen, no cache", servers.redis, "frozen", "frozen floor", FLOOR,
        None, DECODING),
    Row("sharing.thawed", "50 Pythons, thawed, sum of PSS", sharing.python_sharing, "thawed", "cold", "50 cold starts", 0.35,
        "pages that a start writes", "MiB"),
    Row("sharing.frozen", "50 Pythons, frozen, no cache, sum of PSS", sharing.python_sharing, "frozen", "cold",
        "50 cold starts", None, "nothing decoded is shared", "MiB"),
    Row("dump.python", "dump of that Python, point to image complete", dump.python_dump, "dump", "gcore and zstd",
        "gcore, then zstd -3 -T0", 0.25, COMPRESSION),
    Row("dump.memory", "snaptrace's own peak, dumping 4 GiB", dump.tracer_memory, "peak", None, "", 256, "its buffers", "MiB"),
    # Trees
    Row("tree.pair", "a shell and its Python, thawed, to _exit: what the shell adds", trees.pair, "adds", None,
        "less that Python alone", 3, "a process and its exec's worth"),
    Row("tree.forks", "ten Pythons, nine of them forks, thawed, to the first one's _exit", trees.forks, "thawed", "cold",
        "cold start", None, FAULTS),
    Row("tree.forks.frozen", "ten Pythons, nine of them forks, frozen, no cache", trees.forks, "frozen", "cold", "cold start",
        None, DECODING),
    Row("tree.forks.size", "image of ten Pythons, nine of them forks", trees.forks, "size", "one", "of one", 2,
        "pages that the forks wrote", "MB"),
    Row("tree.forks.thawed.size", "the same, thawed", trees.forks, "thawed size", "one thawed", "of one", 2,
        "pages that the forks wrote", "MB"),
    Row("tree.nginx", "nginx and two workers, thawed, to the first answer", trees.nginx, "thawed", "cold", "cold start", 1,
        "a process each, and a PID namespace"),
    Row("tree.nginx.frozen", "nginx and two workers, frozen, no cache", trees.nginx, "frozen", "cold", "cold start", None,
        "a process each, and a PID namespace"),
    Row("tree.gunicorn", "gunicorn and four workers, thawed, to the first answer", trees.gunicorn, "thawed", "cold",
        "cold start", 1 / 12, FAULTS),
    Row("tree.gunicorn.frozen", "gunicorn and four workers, frozen, no cache", trees.gunicorn, "frozen", "cold",
        "cold start", None, DECODING),

    Row("size.default", "image of that Python, default level", dump.python_size, "default", "zstd -3", "gcore, zstd -3", 0.95,
        "frames that stand alone", "MB"),
    Row("size.19", "image of that Python, --level 19", dump.python_size, "level 19", "zstd -19", "gcore, zstd -19", 1.0,
        "frames that stand alone", "MB"),
    # For other machines: the figures of snaptrace-machines(7)
    *(Row(f"travel.{name.replace(' ', '.')}", f"Python + imports, {title}, to _exit", travel.starts, name, "cold", "cold start", None, what)
      for name, title, what in (("files", "frozen, its files here", DECODING), ("files thawed", "thawed, its files here", FAULTS),
                                ("contained", "frozen, self-contained, its files here", DECODING),
                                ("contained thawed", "thawed, self-contained", FAULTS), ("runnable", "a runnable file, its files here", DECODING),
                                ("runnable thawed", "a thawed runnable file", FAULTS), ("alone", "a runnable file, a file missing", DECODING),
                                ("alone lz4", "the same, by lz4", DECODING), ("alone thawed", "the same, thawed", FAULTS))),
    *(Row(f"travel.{name}", f"Python + imports, self-contained, the {name} start with a cache, to _exit", travel.first, name, "off",
          "the same with --cache=off", None, DECODING) for name in ("first", "second")),
    Row("travel.cpu", "that Python's run and dump under --cpu=x86-64-v2", travel.levels, "v2", "native", "--cpu=native", None,
        "a stop for each cpuid"),
    *(Row(f"travel.size.{name}.{ours}", f"image of {name}, {title}", figure, ours, peer, against, None, "the bytes", "MB")
      for name, figure in travel.SIZES.items()
      for ours, title, peer, against in (("image", "its files left out", "contained", "self-contained"),
                                         ("contained", "self-contained", "zstd", "zstd -3 of its files, each alone"),
                                         ("zstd", "its files by zstd -3, each alone", "files", "its files"))),
)
