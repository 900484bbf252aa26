#!/usr/bin/python3
"""A day of starts in some minutes: are all of them right, how long do they take, and do memory and cache stay bounded?

    tests/bench/day.py [--minutes 2] [--rate 1000] [--images 20] [--cache-limit MIB] [--json]

Twenty programs are frozen where they first read; the cache is empty then. Each start is sent a number, must answer with
what its program makes of it, stays up to two seconds, and must end with status 0. The hours of the day differ in the number
of starts, and the programs in how often they are wanted. It uses build/release's tools, or SNAP_BUILD's.
"""
import argparse
import dataclasses
import heapq
import itertools
import json
import os
import random
import selectors
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HOURS = (1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 13, 11, 9, 12, 14, 13, 11, 9, 6, 5, 4, 3, 2, 1)
STAYS = 2.0  # seconds, at most

MODULES = ("json", "decimal, fractions", "asyncio", "email, mailbox", "http.client, urllib.request", "sqlite3", "xml.dom.minidom",
           "ssl, socket", "unittest, doctest", "argparse, logging, tempfile", "zipfile, tarfile, gzip", "typing, dataclasses")


def python(modules):
    return ["/usr/bin/python3", "-c", f"import sys, {modules}\nfor line in iter(sys.stdin.readline, ''): print(int(line) * 3, flush=True)"]


# Each answers a line with three times its number. What isn't installed is left out; then there are more Pythons.
PROGRAMS = (
    ["/bin/bash", "-c", "while read n; do echo $((n * 3)); done"],
    ["/bin/dash", "-c", "while read n; do echo $((n * 3)); done"],
    ["/usr/bin/perl", "-e", "use POSIX; use Data::Dumper; $| = 1; while (<STDIN>) { print $_ * 3, qq(\\n) }"],
    ["/usr/bin/perl", "-e", "use File::Temp; use IO::Socket; $| = 1; while (<STDIN>) { print $_ * 3, qq(\\n) }"],
    ["/usr/bin/gawk", "{ print $1 * 3; fflush() }"],
    ["/usr/bin/lua5.4", "-e", "io.stdout:setvbuf('no') for l in io.lines() do print(math.tointeger(l) * 3) end"],
    ["/usr/bin/ruby", "-rset", "-rjson", "-e", "$stdout.sync = true; while l = gets; puts l.to_i * 3; end"],
    ["/usr/bin/tclsh", "multiply.tcl"],
    *(python(modules) for modules in MODULES),
)
TCL = "fconfigure stdout -buffering line\nwhile {[gets stdin line] >= 0} {puts [expr {$line * 3}]}\n"


@dataclasses.dataclass
class Start:
    image: str
    number: int
    process: subprocess.Popen = None
    began: float = 0.0
    answer: bytes = b""


@dataclasses.dataclass
class Seen:
    took: list = dataclasses.field(default_factory=list)  # milliseconds from the spawn to the answer
    wrong: list = dataclasses.field(default_factory=list)
    pss: list = dataclasses.field(default_factory=list)  # KiB of all that ran, now and then
    alive: int = 0
    cache: int = 0


def freeze(count):
    with open("multiply.tcl", "w", encoding="ascii") as file:
        file.write(TCL)
    images = []
    for program in PROGRAMS:
        if len(images) < count and os.path.exists(program[0]):
            images.append(f"{len(images)}.snap")
            t.freeze(images[-1], program, at="read:0", options=["--no-cache"])
            print(f"frozen: {os.path.basename(program[0])} {os.path.getsize(images[-1])} bytes", file=sys.stderr)
    return images


def planned(images, minutes, rate):
    """[(second, image)], in order: hour after hour, the first images more often; which these are changes every six hours."""
    chance = random.Random(1)
    weights = [1 / (rank + 1) for rank in range(len(images))]
    hour_length, total, plan = minutes * 60 / len(HOURS), round(minutes * rate), []
    for hour, weight in enumerate(HOURS):
        wanted = round(total * sum(HOURS[:hour + 1]) / sum(HOURS)) - round(total * sum(HOURS[:hour]) / sum(HOURS))
        by_rank = images[hour // 6:] + images[:hour // 6]
        plan += [((hour + chance.random()) * hour_length, chance.choices(by_rank, weights)[0]) for _ in range(wanted)]
    return sorted(plan)


class Day:
    def __init__(self, env):
        self.env, self.seen, self.chance = env, Seen(), random.Random(2)
        self.selector, self.ends, self.order = selectors.DefaultSelector(), [], itertools.count()

    def begin(self, start):
        start.began = time.monotonic()
        start.process = subprocess.Popen([t.SNAPRUN, start.image], env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT)
        os.write(start.process.stdin.fileno(), b"%d\n" % start.number)
        self.selector.register(start.process.stdout, selectors.EVENT_READ, start)

    def answered(self, start):
        piece = os.read(start.process.stdout.fileno(), 4096)
        start.answer += piece
        if piece and not start.answer.endswith(b"\n"):
            return
        self.seen.took.append((time.monotonic() - start.began) * 1000)
        if start.answer != b"%d\n" % (start.number * 3):
            self.seen.wrong.append(f"{start.image}: {start.number}: {start.answer!r}")
        self.selector.unregister(start.process.stdout)
        heapq.heappush(self.ends, (time.monotonic() + self.chance.random() * STAYS, next(self.order), start))

    def end(self, start):
        rest, _ = start.process.communicate()
        if rest or start.process.returncode != 0:
            self.seen.wrong.append(f"{start.image}: ended with {start.process.returncode}: {rest!r}")

    def look(self, cache):
        """What all of them take at this moment."""
        alive = [start for _, _, start in self.ends]
        self.seen.alive = max(self.seen.alive, len(alive))
        self.seen.pss.append(sum(pss_of(start.process.pid) for start in alive))
        self.seen.cache = max(self.seen.cache, size_of(cache))

    def live(self, plan, cache):
        dawn, looked, numbers = time.monotonic(), 0.0, iter(range(len(plan)))
        plan = list(reversed(plan))
        while plan or self.ends or self.selector.get_map():
            now = time.monotonic()
            while self.ends and self.ends[0][0] <= now:
                self.end(heapq.heappop(self.ends)[2])
            if plan and dawn + plan[-1][0] <= now:
                self.begin(Start(plan.pop()[1], next(numbers)))
            if now - looked > 1:
                looked = now
                self.look(cache)
            due = min(([dawn + plan[-1][0]] if plan else []) + ([self.ends[0][0]] if self.ends else []) + [now + 1])
            for key, _ in self.selector.select(max(0.0, due - time.monotonic())):
                self.answered(key.data)


def pss_of(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def size_of(directory):
    """Bytes on the disk; what goes meanwhile is gone."""
    total = 0
    for entry in os.scandir(directory) if os.path.isdir(directory) else ():
        try:
            total += entry.stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            pass
    return total


def measure(words):
    images = freeze(words.images)
    cache = os.path.abspath("cache")
    env = {**os.environ, "SNAP_CACHE": cache, "SNAP_CACHE_LIMIT": str(words.cache_limit << 20)}
    day = Day(env)
    day.live(planned(images, words.minutes, words.rate), cache)
    shutil.rmtree(cache, ignore_errors=True)
    took = sorted(day.seen.took)
    return {"images": len(images), "starts": len(took), "wrong": day.seen.wrong, "p50_ms": statistics.median(took),
            "p99_ms": took[min(len(took) - 1, len(took) * 99 // 100)], "most_ms": took[-1], "most_alive": day.seen.alive,
            "most_pss_mib": max(day.seen.pss) / 1024, "most_cache_mib": day.seen.cache / 2**20, "cache_limit_mib": words.cache_limit}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--rate", type=int, default=1000, help="starts a minute")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--cache-limit", type=int, default=2048, metavar="MIB")
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    with t.scratch():
        result = measure(words)
    if words.json:
        json.dump(result, sys.stdout, indent=2)
        print()
    else:
        for wrong in result["wrong"]:
            print("wrong:", wrong)
        print("{starts} starts of {images} images: {wrong} wrong; to the answer p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, at most "
              "{most_ms:.1f} ms\nat most {most_alive} at once in {most_pss_mib:.1f} MiB (PSS); the cache {most_cache_mib:.0f} MiB of "
              "{cache_limit_mib}".format(**{**result, "wrong": len(result["wrong"])}))
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
