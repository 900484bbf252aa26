"""Images for other machines: what snaptrace-machines(7) says they cost, in time and in bytes."""
import json
import os
import shutil
import subprocess

from bench import LEVEL, POINT, PYTHON, Command, Missing, Series, needed, single, timed
from figures_start import WARM, python_first, warm

MEGABYTE = 1e6
JAVA = """public class Here { public static void main(String[] words) { new java.io.File("/snap/here").exists(); } }
"""
CONTAINED = ["--self-contained"]


def runnable(bench, image, output):
    subprocess.run([bench.tool["snapimg"], "runnable", image, "-o", output], check=True)
    return Command([os.path.abspath(output)])


def starts(bench):
    """To _exit at the point: with files, self-contained, as a file that runs, and where a file of its own is missing."""
    image = bench.freeze("files.snap", PYTHON, WARM, "exit", at=POINT)
    whole = bench.freeze("contained.snap", PYTHON, WARM, "exit", at=POINT, options=CONTAINED)
    shutil.copy(os.path.realpath(PYTHON), "python-alone")
    alone = [bench.freeze(f"alone{number}.snap", os.path.abspath("python-alone"), WARM, "exit", at=POINT,
                          options=[*CONTAINED, *more]) for number, more in enumerate(([], ["--compress=lz4"]))]
    os.unlink("python-alone")
    return bench.sample({
        "cold": warm("exit"), "files": bench.start(image), "files thawed": bench.start(bench.thaw(image)), "contained": bench.start(whole),
        "contained thawed": bench.start(bench.thaw(whole)), "runnable": runnable(bench, whole, "contained.run"),
        "runnable thawed": runnable(bench, bench.thaw(whole), "thawed.run"), "alone": runnable(bench, alone[0], "alone.run"),
        "alone lz4": runnable(bench, alone[1], "alone-lz4.run"), "alone thawed": runnable(bench, bench.thaw(alone[0]), "alone-thawed.run")})


def first(bench):
    return python_first(bench, CONTAINED)


def levels(bench):
    """A whole dump, with the program's run up to the point, as it sees its processor and as one of a level."""
    took = {"native": [], "v2": []}
    for _ in range(bench.rounds(1 / 2)):
        for name, level in (("native", "native"), ("v2", "x86-64-v2")):
            words = [bench.tool["snaptrace"], "-q", "-o", name, *bench.no_cache("snaptrace"), "--cpu=" + level, "--at", POINT, PYTHON, WARM, "exit"]
            took[name].append(timed(subprocess.run, words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True))
    return {name: Series(values) for name, values in took.items()}


def java():
    needed("javac", "default-jdk")
    with open("Here.java", "w", encoding="ascii") as file:
        file.write(JAVA)
    subprocess.run(["javac", "Here.java"], check=True)
    return [needed("java"), "-cp", ".", "Here"]


PROGRAMS = {
    "python3": lambda: [PYTHON, WARM, "exit"],
    "node": lambda: [needed("node"), "-e", "require('fs').existsSync('/snap/here')"],
    "java": java,
    "redis-server": lambda: [needed("redis-server"), "--port", "0", "--unixsocket", "redis.socket", "--save", ""],
    "ruby": lambda: [needed("ruby"), "-e", "require 'json'; require 'set'; File.exist?('/snap/here')"],
    "perl": lambda: [needed("perl"), "-MPOSIX", "-MList::Util", "-e", "-e '/snap/here'"],
    "sqlite3": lambda: [needed("sqlite3"), "-init", "/dev/null", ":memory:", ".read /snap/here"],
    "bash": lambda: [needed("bash"), "-c", "test -e /snap/here"],
}


def sizes(bench, name):
    """The image with files and self-contained, beside those files and what zstd makes of each alone."""
    argv = PROGRAMS[name]()
    needed("zstd")
    at = "idle" if name == "redis-server" else POINT
    images = [bench.freeze(f"{name}{number}.snap", *argv, at=at, options=more) for number, more in enumerate(([], CONTAINED))]
    described = json.loads(subprocess.run([bench.tool["snapimg"], "info", "--json", images[1]], check=True, stdout=subprocess.PIPE).stdout)
    paths = {file["path"] for file in described["files"] if file["embedded"] and os.path.isfile(file["path"])}
    if not paths:
        raise Missing(f"the image of {name} has no files")
    packed = sum(len(subprocess.run(["zstd", "-q", f"-{LEVEL}", "-c", path], check=True, stdout=subprocess.PIPE).stdout) for path in paths)
    values = {"image": os.path.getsize(images[0]), "contained": os.path.getsize(images[1]),
              "files": sum(map(os.path.getsize, paths)), "zstd": packed}
    return {name: single(value / MEGABYTE) for name, value in values.items()}


# One function for each, as a figure is measured once for all its rows.
SIZES = {name: (lambda bench, name=name: sizes(bench, name)) for name in PROGRAMS}
