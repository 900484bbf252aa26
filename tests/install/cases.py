"""The installed tree works wherever it is put, and the house keeps its own rules."""
import os
import re
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

SOURCES = os.path.abspath(t.SOURCE)
# The dependency sentence of CONTRIBUTING.md. A room's files may include with quotes: their own room's, and what begins so.
BASE = ("format/base/",)
CONTRACT = ("preload/contract.h",)
READER = ("format/image/layout.h", "format/image/error.h", "format/image/reader.h")
WRITER = (*READER, "format/image/writer.h", "format/image/loader.h")
FACTS = ("format/facts/",)
ABOUT = tuple(f"tracer/{name}.h" for name in ("caller", "description", "ipc", "made", "refusals", "rings", "unix_diag"))  # what needs no room
ASKED = ("tracer/overrides.h",)
ROOMS = {
    "format/facts": ("format/image/layout.h",),
    "format/image": FACTS,
    "format/base": (),
    "format/convert": (*WRITER, *FACTS, *BASE),
    "format/snapimg": (*WRITER, *FACTS, *BASE, "format/convert/"),
    "preload": (),
    "preload/shim": ("preload/",),
    "restore": (*READER, *FACTS, *CONTRACT, "restore/"),
    "tracer": (*WRITER, *FACTS, *BASE, *CONTRACT, "tracer/"),
    "tracer/ptrace": (*BASE, *ABOUT),
    "tracer/processor": (*FACTS, *BASE, *ABOUT, "tracer/ptrace/"),
    "tracer/points": (*BASE, *ABOUT, *CONTRACT, "tracer/ptrace/", "tracer/run.h", "tracer/options.h", "tracer/warm/"),
    "tracer/warm": (*BASE, *FACTS, "format/convert/", "tracer/ptrace/", "tracer/caller.h", "tracer/options.h", "tracer/program.h", "tracer/points/call_rules.h",
                    "tracer/capture/snapshot.h"),
    "tracer/check": (*FACTS, *BASE, "tracer/points/"),
    "tracer/follow": (*BASE, *ABOUT, *CONTRACT, "tracer/ptrace/", "tracer/processor/", "tracer/run.h", "tracer/points/",
                     "tracer/capture/snapshot.h", "tracer/check/"),
    "tracer/capture": (*WRITER, *FACTS, *BASE, *ABOUT, *ASKED, *CONTRACT, "tracer/ptrace/"),
    "tracer/hot": (*WRITER, *FACTS, *BASE, "format/convert/", "tracer/ptrace/", "tracer/options.h"),
}
# What of a room may be included from outside of it; of the others, all.
FACES = {
    "format/image": WRITER,
    "tracer/capture": ("tracer/capture/snapshot.h",),
}


def installed():
    """Installs into a prefix and moves it: nothing may remember where it was built or put first."""
    done = t.run(["cmake", "--install", t.BUILD, "--prefix", os.path.abspath("first")])
    t.check(done.status == 0, done)
    os.rename("first", "moved")
    return os.path.abspath("moved")


def relocated():
    prefix = installed()
    snaptrace, snaprun, snapimg = (os.path.join(prefix, "bin", tool) for tool in ("snaptrace", "snaprun", "snapimg"))
    t.check(os.path.exists(os.path.join(prefix, "lib/snaptrace/libsnappreload.so")), "the shim is in lib/snaptrace")
    frozen = t.run([snaptrace, "-q", "-o", "image.snap", "--at", "main", "/usr/bin/python3", "-c", "pass"])
    t.check(frozen.status == 0, frozen)
    t.check(t.run([snapimg, "verify", "image.snap"]).status == 0, "verify")
    t.same(t.run([snaprun, "image.snap", "-c", "print('moved')"]), t.Result(0, b"moved\n", b""))
    t.same(t.run(["snaprun", "image.snap", "-c", "print('by PATH')"], env={"PATH": os.path.join(prefix, "bin")}),
           t.Result(0, b"by PATH\n", b""))
    t.check(t.run(["snaptrace", "-q", "-o", "image.snap", "/bin/true"], env={"PATH": os.path.join(prefix, "bin")}).status
            == 0, "snaptrace by PATH")


def pkg_config():
    """A program is built against the moved prefix with what pkg-config says, in C and in C++, and frozen at `here`."""
    prefix = installed()
    found = [os.path.dirname(os.path.join(directory, name)) for directory, _, names in os.walk(prefix)
             for name in names if name == "snaptrace.pc"]
    t.check(len(found) == 1, "one snaptrace.pc:", found)
    said = t.run(["pkg-config", "--cflags", "snaptrace"], env={**t.PLAIN_ENV, "PKG_CONFIG_PATH": found[0]})
    t.check(said.status == 0 and said.out.startswith(b"-I" + prefix.encode()), said)
    version = t.run(["pkg-config", "--modversion", "snaptrace"], env={**t.PLAIN_ENV, "PKG_CONFIG_PATH": found[0]})
    own = t.run([os.path.join(prefix, "bin/snaptrace"), "--version"])
    t.check(version.out.strip() in own.out, version, own)
    source = os.path.join(SOURCES, "tests/programs/here.c")
    for compiler, language in (("gcc", ["-std=c99"]), ("gcc", ["-std=c17"]), ("g++", ["-x", "c++", "-std=c++11"])):
        if not shutil.which(compiler):
            continue
        made = t.run([compiler, "-Wall", "-Wextra", "-Werror", *language, "-D_GNU_SOURCE", *said.out.decode().split(),
                      "-I", os.path.dirname(source), source, "-o", "program"])
        t.check(made.status == 0, compiler, language, made)
        frozen = t.run([os.path.join(prefix, "bin/snaptrace"), "-q", "-o", "image.snap", "--at", "here", "./program"])
        t.check(frozen.status == 0, frozen)
        restored = t.run([os.path.join(prefix, "bin/snaprun"), "image.snap", "x"], env={})
        t.check(restored.status == 0 and restored.out.startswith(b"snap_here 1\nargc 2\n"), restored)


def tools_speak():
    for tool in (t.SNAPTRACE, t.SNAPRUN, t.SNAPIMG):
        for option in ("--help", "--version"):
            said = t.run([tool, option])
            t.check(said.status == 0 and said.out and not said.err, tool, option, said)
        t.check(b"0.3.0" in t.run([tool, "--version"]).out, "version")
        full = t.run(["sh", "-c", '"$1" --help >/dev/full', "sh", tool])
        t.check(full.status != 0, tool, "--help to a full device reports it:", full)


def as_read(roff):
    """A line of a manual page without its fonts and escapes."""
    return re.sub(r"^\.[BIR]+ ", "", re.sub(r"\\f[BIRP]", "", roff)).replace("\\-", "-").replace("\\&", "")


def listed(lines):
    """{name: (letter, argument)} of lines like `-o, --output FILE`, `--log-exec[=FILE]`, `--help, --version`."""
    found, letter = {}, ""
    for word in (word for line in lines for word in line.split(", ") if word.startswith("-")):
        if not word.startswith("--"):
            letter = word
            continue
        name, argument = re.fullmatch(r"--([a-z-]+)(.*)", word).groups()
        found[name], letter = (letter, argument.replace("=", " ", 1) if argument.startswith("=") else argument), ""
    return found


def manual_lines(tool, section):
    """What is described in a section: the lines that follow its .TP."""
    with open(os.path.join(SOURCES, "man", tool + ".1"), encoding="utf-8") as file:
        text = file.read().split(f".SH {section}\n")[1].split("\n.SH ")[0]
    return [as_read(line) for line in re.findall(r"^\.TP\n(.*)", text, re.MULTILINE)]


def options():
    """--help is made from the table of options; the manual has the same ones, with the same letters and arguments."""
    for tool in ("snaptrace", "snaprun", "snapimg"):
        said = t.run([os.path.join(t.BIN, tool), "--help"]).out.decode()
        told = listed(line.strip().split("  ")[0] for line in said.splitlines() if re.match(r" {2}(-\S, | {4})--", line))
        written = listed(manual_lines(tool, "OPTIONS"))
        t.check(len(told) > 4 and told == written, tool, "differs:", sorted(set(told.items()) ^ set(written.items())))
        for name in told:
            tried = t.run([os.path.join(t.BIN, tool), "--" + name], stdin=b"")
            t.check(b"unknown option" not in tried.err and b"unrecognized" not in tried.err, tool, name, tried)


def points():
    """--help has the kinds of points, from their own rows; the manual has the same ones."""
    said = t.run([t.SNAPTRACE, "--help"]).out.decode().split("\nPOINT:\n")[1].split("\n\n")[0]
    told = {word for line in said.splitlines() if re.match(r" {2}\S", line) for word in line.strip().split("  ")[0].split(", ")}
    written = {word for line in manual_lines("snaptrace", "POINTS") for word in line.replace('"', "").split(", ")}
    t.check(len(told) > 10 and told == written, "differs:", sorted(told ^ written))


def room_of(path):
    """The longest of ROOMS that holds it: a folder below a room belongs to it."""
    return max((room for room in ROOMS if path.startswith(room + "/")), key=len, default=None)


def arrows():
    """The rooms depend on each other as ROOMS says, and nobody reaches past a room's face."""
    found, seen = set(), 0
    for top in sorted({room.split("/")[0] for room in ROOMS}):
        for directory, _, names in os.walk(os.path.join(SOURCES, top)):
            for name in (name for name in names if name.endswith((".c", ".h", ".S"))):
                path = os.path.relpath(os.path.join(directory, name), SOURCES)
                with open(os.path.join(SOURCES, path), encoding="utf-8") as file:
                    text = file.read()
                # Another header may bring it on one Debian, and not on the next.
                t.check("static_assert" not in text or "#include <assert.h>\n" in text, path, "needs <assert.h> of its own")
                for include in re.findall(r'^\s*#\s*include\s*"([^"]+)"', text, re.MULTILINE):
                    if include == "snaptrace/contract.h" and path == "preload/snap.h":
                        continue  # as it is installed
                    seen += 1
                    t.check(os.path.exists(os.path.join(SOURCES, include)), path, "includes", include, "not from the top")
                    room, other = room_of(path), room_of(include)
                    behind = other in FACES and not include.startswith(FACES[other])
                    if other != room and (behind or not include.startswith(ROOMS[room])):
                        found.add((path, include))
    t.check(seen > 500, "includes:", seen)
    t.check(not found, "the wrong way:", *(f"{path} includes {include}" for path, include in sorted(found)))


def loader_alone():
    """The loader is static without an interpreter or a dynamic section, and nothing in it is left undefined."""
    with open(t.SNAPRUN, "rb") as file:
        header = file.read(64)
        file.seek(struct.unpack_from("<Q", header, 32)[0])
        size, count = struct.unpack_from("<HH", header, 54)
        kinds = [struct.unpack_from("<I", file.read(size))[0] for _ in range(count)]
    t.check(2 not in kinds and 3 not in kinds, "PT_DYNAMIC or PT_INTERP in", kinds)
    undefined = t.run(["nm", "-u", t.SNAPRUN])
    t.check(undefined.status == 0 and not undefined.out.strip(), undefined)


def loader_objects():
    """What the loader's object files need is in themselves or in zstd's decoder: no symbol of a C library."""
    objects = [os.path.join(directory, name)
               for directory, _, names in os.walk(os.path.join(t.BUILD, "restore/CMakeFiles/snaprun.dir"))
               for name in names if name.endswith((".o", ".obj"))]
    t.check(len(objects) > 5, "objects:", objects)
    defined, needed = set(), set()
    for path in objects:
        for line in t.run(["nm", "-g", path]).out.decode().splitlines():
            *_, kind, name = line.split()
            (needed if kind in "Uw" else defined).add(name)
    foreign = {name for name in needed - defined if not name.startswith(("ZSTD_", "LZ4_decompress_", "__start_", "__stop_"))}
    # The linker's own marks, and those of no_unwind.ld.
    marks = {"_GLOBAL_OFFSET_TABLE_", "_end", "__bss_start", "_edata", "_etext", "__etext", "__executable_start", "loader_data_start",
             "loader_written_start"}
    t.check(not foreign - marks, foreign - marks)


def shim_alone():
    """The shim needs no library, so that it loads beside glibc and musl alike, and exports only what it means to."""
    prefix = installed()
    shim = os.path.join(prefix, "lib/snaptrace/libsnappreload.so")
    dynamic = t.run(["readelf", "-dW", shim]).out.decode()
    needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
    t.check(set(needed) <= {"libdl.so.2"}, needed)
    exported = {line.split()[-1].split("@")[0] for line in
                t.run(["nm", "-D", "--defined-only", shim]).out.decode().splitlines()}
    meant = t.SHIM_EXPORTS | {"__morecore"}
    t.check(exported and exported <= meant, exported - meant)



def row_names():
    """A row is found by grep in the file that makes it: its whole name stands there, or each of its parts between dots."""
    wrong, seen = [], 0
    for directory, _, names in os.walk(os.path.join(SOURCES, "tests")):
        for name in names:
            with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                text = file.read()
            if not name.endswith(".py") or "t.main(" not in text:
                continue
            rows = t.run(["/usr/bin/python3", "-B", os.path.join(directory, name), "--list"]).out.decode().split()
            seen += len(rows)
            parts = set(re.findall(r"[A-Za-z0-9_-]+", text))
            wrong += [f"{name}: {row}" for row in rows if f'"{row}"' not in text and not set(row.split(".")) <= parts]
    t.check(seen > 500 and not wrong, wrong)


t.main({"relocated": relocated, "pkg-config": pkg_config, "tools-speak": tools_speak, "options": options, "points": points, "arrows": arrows,
        "row-names": row_names, "loader-alone": loader_alone, "loader-objects": loader_objects, "shim-alone": shim_alone})
