"""What the figures are measured with: the tools, images, commands sampled in turn, and what is known of each.

A figure is a function that takes a Bench and gives {name: Series}; a name that can't be had here is a Missing, which
says why. A row of the table (rows.py) holds two of them against each other.
"""
import dataclasses
import json
import os
import re
import shutil
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
POINT = "path:/snap/here"
LEVEL = 3  # what zstd is compared at: snaptrace's default for a large program
MEBIBYTE = 1 << 20


class Missing(Exception):
    """What can't be measured here, and why; a value as well as an exception."""

    @property
    def reason(self):
        return str(self)


@dataclasses.dataclass
class Series:
    """values: one of each round. facts: what limits it, {name: number}."""
    values: list
    facts: dict = dataclasses.field(default_factory=dict)

    @property
    def median(self):
        return statistics.median(self.values)


@dataclasses.dataclass
class Command:
    """What bench_spawn starts. image: what snaprun starts here, if it does."""
    argv: list
    kind: str = ":end"
    image: str = None


def single(value, **facts):
    return Series([value], facts)


def difference(series, less):
    """What one costs more than the other, round by round."""
    return Series([a - b for a, b in zip(series.values, less.values)])


def total(*series):
    """What some cost together, round by round."""
    return Series([sum(values) for values in zip(*(each.values for each in series))])


def with_floors(took):
    """Of what both_codecs() says, with the floors of both frozen starts: decoding alone, and the thawed start."""
    return {**took, "frozen floor": total(took["decoding"], took["thawed"]), "lz4 floor": total(took["lz4 decoding"], took["thawed"])}


def timed(function, *arguments, **options):
    began = time.monotonic()
    function(*arguments, **options)
    return (time.monotonic() - began) * 1000


def needed(program, package=None):
    return shutil.which(program) or raise_missing(f"no {program} here" + (f" ({package})" if package else ""))


def raise_missing(reason):
    raise Missing(reason)


def value_or_missing(function, *arguments, **options):
    try:
        return function(*arguments, **options)
    except Missing as missing:
        return missing


class Bench:
    def __init__(self, build, runs, quick=False, explain=False):
        self.build, self.runs, self.quick, self.explain = build, runs, quick, explain
        self.tool = {name: os.path.join(build, "bin", name) for name in ("snaptrace", "snaprun", "snapimg")}
        self.help = {}

    def program(self, name):
        return os.path.join(self.build, "tests/bench", "bench_" + name)

    def rounds(self, share=1):
        """share: of the rounds that were asked for; above 1 for what takes no time, below for what takes minutes."""
        return max(1, round(self.runs * share))

    def has(self, tool, word):
        if tool not in self.help:
            self.help[tool] = subprocess.run([self.tool[tool], "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
        return re.search(rf"(?<![\w-]){re.escape(word)}\b", self.help[tool]) is not None

    def freeze(self, image, *argv, at="main", options=()):
        if os.path.exists(image):
            return image
        words = [self.tool["snaptrace"], "-q", "-o", image, "--at", at, *self.no_cache("snaptrace"), *options, "--", *argv]
        frozen = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                check=False)
        if frozen.returncode != 0:
            raise Missing(frozen.stderr.decode(errors="replace").strip().splitlines()[-1])
        return image

    def no_cache(self, tool):
        """The options that keep the tool away from the caller's cache."""
        return {("snaprun", True): ["--cache=off"], ("snaptrace", True): ["--no-cache"]}.get(
            (tool, self.has(tool, "--cache" if tool == "snaprun" else "--no-cache")), [])

    def thaw(self, image):
        if not self.has("snapimg", "thaw"):
            raise Missing("not built yet: snapimg has no `thaw`")
        thawed = image + ".thawed"
        if not os.path.exists(thawed):
            subprocess.run([self.tool["snapimg"], "thaw", image, "-o", thawed], check=True)
        return thawed

    def record_hot(self, image, *arguments):
        """A copy of the image that knows what a run of it touches."""
        if not self.has("snaprun", "--record-hot"):
            raise Missing("not built yet: snaprun has no `--record-hot`")
        hot = image + ".hot"
        if not os.path.exists(hot):
            shutil.copy(image, hot)
            subprocess.run([self.tool["snaprun"], *self.no_cache("snaprun"), "--record-hot", hot, *arguments], check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return hot

    def start(self, image, *arguments, kind=":end"):
        return Command([self.tool["snaprun"], *self.no_cache("snaprun"), image, *arguments], kind, image)

    def starts(self, image, *arguments, kind=":end"):
        """The ways there are to start an image: {frozen, thawed, hot}."""
        def way(make, source):
            made = value_or_missing(make, source) if not isinstance(source, Missing) else source
            return made if isinstance(made, Missing) else self.start(made, *arguments, kind=kind)

        thawed = value_or_missing(self.thaw, image)
        ends = not kind.startswith((":ping", ":http"))
        return {"frozen": self.start(image, *arguments, kind=kind), "thawed": way(lambda same: same, thawed),
                "hot": way(self.record_hot, thawed) if ends else Missing("a server's run has no end")}

    def both_codecs(self, image, fast, *arguments, kind=":end"):
        """The ways of starts(), and `lz4` for the image that --compress=lz4 made; and what decoding each image takes alone."""
        return {**self.starts(image, *arguments, kind=kind), "lz4": self.start(fast, *arguments, kind=kind),
                "decoding": self.decoding(image), "lz4 decoding": self.decoding(fast)}

    def decoding(self, image, *file):
        """All page data of the image decoded by all processors into fresh memory, or into a new file; no start."""
        return Command([self.program("decode"), image, *file], ":warm")

    def sample(self, commands, share=1):
        """Milliseconds of each command, started in turn. {name: Command or Missing} to {name: Series or Missing}."""
        there = {name: command for name, command in commands.items() if not isinstance(command, Missing)}
        words = [self.program("spawn"), str(self.rounds(share))]
        for command in there.values():
            words += [command.kind, *command.argv]
        done = subprocess.run(words, stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        table = [[[int(number) for number in cell.split(b",")] for cell in line.split()] for line in done.stdout.splitlines()]
        series = dict(commands)
        for name, cells in zip(there, zip(*table)):
            nanoseconds, faults, microseconds = zip(*cells)
            series[name] = Series([value / 1e6 for value in nanoseconds],
                                  {"faults": statistics.median(faults), "cpu_ms": statistics.median(microseconds) / 1e3})
            series[name].facts.update(self.facts(there[name]))
        return series

    def facts(self, command):
        facts = self.image_facts(command.image) if command.image else {}
        if self.explain and command.kind in (":end", ":byte"):
            facts.update(count_calls(command.argv))
        if self.explain and command.image and command.kind in (":end", ":byte"):
            facts.update(self.phases(command))
        return facts

    def image_facts(self, image):
        """Sizes of the image, as `snapimg info --json` says."""
        said = json.loads(subprocess.run([self.tool["snapimg"], "info", "--json", image], check=True,
                                         stdout=subprocess.PIPE).stdout)
        memory = said["memory"]
        return {"image_bytes": said["size"], "page_bytes": memory["raw_bytes"], "mappings": memory["mappings"]}

    def costs(self):
        """What the kernel takes for single things on this machine, in nanoseconds: what a floor is made of."""
        said = subprocess.run([self.program("costs")], check=True, stdout=subprocess.PIPE, text=True).stdout
        return {name: int(value) for name, value in (line.rsplit(" ", 1) for line in said.splitlines())}

    def phases(self, command):
        """Microseconds of each phase of a restore, as `snaprun -v` says: medians of nine."""
        phases = {}
        for _ in range(9):
            done = subprocess.run([command.argv[0], "-v", *command.argv[1:]], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
            for name, value in re.findall(rb"^snaprun: ([^:\n]+): (\d+) us$", done.stderr, re.M):
                phases.setdefault(f"us: {name.decode()}", []).append(int(value))
        return {name: statistics.median(values) for name, values in phases.items()}


def count_calls(argv):
    """System calls of a start, its children included, by strace."""
    strace = shutil.which("strace")
    if not strace:
        return {}
    done = subprocess.run([strace, "-c", "-U", "calls", "-f", "-o", "calls", *argv], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if done.returncode != 0:  # snaptrace: a program has one tracer
        return {}
    with open("calls", encoding="utf-8") as file:
        total = re.search(r"^\s*(\d+) total$", file.read(), re.M)
    return {"calls": int(total.group(1))} if total else {}
