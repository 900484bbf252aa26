#!/usr/bin/python3
"""Self-contained images: programs start where none of their files is, or where others stand in their places."""
import hashlib
import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = "path:/snap/here"
SIZE = 3 * 4096 + 2048
PYTHON = """import json, decimal, email, sqlite3, os
script = open(__file__)
first = script.readline()
os.access("/snap/here", os.F_OK)
print(first == "import json, decimal, email, sqlite3, os\\n", script.readline() == "script = open(__file__)\\n")
print(json.dumps(str(decimal.Decimal(2) ** 70)), sqlite3.connect(":memory:").execute("select 6 * 7").fetchone())
print(email.__name__)
"""
BASH = """read one < /snap/here
declare -A of=([a]=1 [b]=2)
echo "$((of[a] + of[b])) ${BASH_VERSINFO[0]}" $(echo from a child)
printf '%(%Y)T\\n' 0
"""
SQLITE = "select count(*) from it;\nselect load_extension('/snap/here');\nselect sum(n) from it;\n"


def write_data(name="data", change=0):
    with open(name, "wb") as file:
        file.write(bytes((at + change) % 251 for at in range(SIZE)))


def tool(name):
    return shutil.which(name) or t.skip(f"no {name} here")


def self_contained(argv, at=HERE, **more):
    """The program's image, and its thawed one."""
    frozen = t.freeze("image.snap", argv, at=at, options=["--self-contained"], **more)
    thawed = t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"])
    t.check(thawed.status == 0, "snapimg thaw:", thawed)
    return frozen


def into_root():
    """How to run something in a root that has the images and snaprun and nothing else; as anybody in a user namespace."""
    os.makedirs("root")
    for name in (t.SNAPRUN, "image.snap", "thawed.snap"):
        shutil.copy(name, "root")
    inside = ["chroot", "root"] if t.IS_ROOT else ["unshare", "--map-root-user", "chroot", "root"]
    probe = t.run([*inside, "/snaprun", "--version"])
    if probe.status != 0:
        t.skip("no other root to be had here: " + probe.err.decode(errors="replace").strip())
    return inside


def start_everywhere(direct, **more):
    inside = into_root()
    for image, options in (("image.snap", ["--cache=off"]), ("thawed.snap", [])):
        t.same(t.run([*inside, "/snaprun", *options, "/" + image], **more), direct)


def program(kind):
    """Mapped and open files of a program of each kind."""
    write_data()
    argv = [t.program(f"embedded-{kind}"), "data"]
    direct = t.run(argv)
    t.check(direct.status == 0 and direct.out == b"well\n", "the direct run:", direct)
    self_contained(argv)
    start_everywhere(direct)


def python():
    with open("script.py", "w", encoding="utf-8") as file:
        file.write(PYTHON)
    direct = t.run(["/usr/bin/python3", "script.py"])
    t.check(direct.status == 0, "the direct run:", direct)
    self_contained(["/usr/bin/python3", "script.py"])
    start_everywhere(direct)


def bash():
    with open("script.sh", "w", encoding="utf-8") as file:
        file.write(BASH.replace("$(echo from a child)", "").replace("/snap/here", "/snap/here 2>&-"))
    direct = t.run([tool("bash"), "script.sh"])
    self_contained([tool("bash"), "script.sh"])
    start_everywhere(direct)


def node():
    """It gives memory back, which is right without /proc, too."""
    argv = [tool("node"), "-e", "require('fs').existsSync('/snap/here'); console.log(6 * 7)"]
    direct = t.run(argv)
    self_contained(argv)
    start_everywhere(direct)


def sqlite():
    """It reads its database when it is asked: memory, filled before the point."""
    with open("fill.sql", "w", encoding="utf-8") as file:
        file.write("create table it(n);\nwith recursive c(x) as (select 1 union all select x + 1 from c where x < 9999)"
                   " insert into it select x from c;\n.read /snap/here\nselect sum(n), count(*) from it;\n")
    argv = [tool("sqlite3"), "-init", "/dev/null", ":memory:", ".read fill.sql"]
    direct = t.run(argv)
    self_contained(argv)
    start_everywhere(direct)


def replaced():
    """Other versions stand in the files' places: they are not looked at."""
    write_data()
    shutil.copy(t.program("embedded-pie"), "program")
    argv = ["./program", "data"]
    direct = t.run(argv)
    self_contained(argv)
    write_data(change=1)
    os.unlink("program")
    with open("program", "wb") as file:
        file.write(b"another")
    for image in ("image.snap", "thawed.snap"):
        asked = t.run([t.SNAPRUN, "--check", image])
        t.check(asked.status == 0, "--check:", asked)
        t.same(t.restore(image, options=["--cache=off"]), direct)


def deleted():
    """A deleted file that was open to be read only: root starts it without /proc, others are told what is missing."""
    with open("script.sh", "w", encoding="ascii") as file:
        file.write("echo well >gone; exec 3<gone; rm gone; test -e /snap/here; read -r line <&3; echo $line\n")
    argv = [tool("bash"), "script.sh"]
    direct = t.run(argv)
    self_contained(argv)
    inside = into_root()
    os.makedirs("root/tmp")
    started = t.run([*inside, "/snaprun", "/thawed.snap"])
    if t.IS_ROOT:
        t.same(started, direct)
    else:
        t.one_line(started, 125, "the deleted file", "mount /proc", tool="snaprun")


def no_exec():
    """Code comes from a thawed image on a filesystem without execution, too."""
    write_data()
    argv = [t.program("embedded-pie"), "data"]
    direct = t.run(argv)
    self_contained(argv)
    script = "mount -t tmpfs -o noexec tmpfs /mnt && cp thawed.snap /mnt || exit 77; exec \"$@\""
    got = t.run(["unshare", *([] if t.IS_ROOT else ["--map-root-user"]), "--mount", "sh", "-c", script, "sh", t.SNAPRUN,
                 "/mnt/thawed.snap"])
    if got.status in (1, 77) and b"well" not in got.out:
        t.skip("no mount namespace to be had here: " + got.err.decode(errors="replace").strip())
    t.same(got, direct)


def refused():
    """What only the file itself can hold is refused by name, unless it is carried."""
    write_data()
    script = ("import mmap, os, sys\nfile = open('data', 'r+b')\nview = mmap.mmap(file.fileno(), 4096)\nfile.close()\n"
              "os.access('/snap/here', 0)\nprint(view[1])\n")
    argv = ["/usr/bin/python3", "-c", script]
    result = t.freeze("image.snap", argv, at=HERE, options=["--self-contained", "--carry", "none"], status=125)
    t.one_line(result, 125, os.path.abspath("data"), "mapped to be written", "--carry", tool="snaptrace")
    t.freeze("image.snap", argv, at=HERE, options=["--self-contained", "--carry", "data"])
    os.unlink("data")
    result = t.restore("image.snap")
    t.check((result.status, result.out) == (0, b"1\n"), result)


def once():
    """A file that is mapped, in several ways, and open is in the image once."""
    size = 16 << 20
    with open("data", "wb") as file:
        file.write(os.urandom(size - 1000))
    script = ("import hashlib, mmap, os\nfile = open('data', 'rb')\nplace = file.seek(5000)\n"
              "shown = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)\nown = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)\n"
              "part = mmap.mmap(file.fileno(), 8192, access=mmap.ACCESS_READ, offset=1 << 20)\nown[4096:4099] = b'new'\n"
              "os.access('/snap/here', 0)\nshown.madvise(mmap.MADV_DONTNEED)\nown[0:3] = b'two'\n"
              "for text in (file.read(), shown, own, part): print(len(text), hashlib.md5(text).hexdigest())\n")
    argv = ["/usr/bin/python3", "-c", script]
    direct = t.run(argv)
    t.check(direct.status == 0, direct)
    self_contained(argv)
    taken = os.path.getsize("image.snap")
    t.check(taken < 2 * size, taken, "bytes")
    text = t.run([t.SNAPIMG, "info", "image.snap"]).out.decode()
    t.check("needs these files" not in text and re.search(r"^  .*/data: 16\.0 MiB", text, flags=re.M), text)
    start_everywhere(direct)


def locked():
    write_data()
    script = "import fcntl, os\nfile = open('data')\nfcntl.flock(file, fcntl.LOCK_SH)\nos.access('/snap/here', 0)\n"
    result = t.freeze("image.snap", ["/usr/bin/python3", "-c", script], at=HERE, options=["--self-contained"], status=125)
    t.one_line(result, 125, os.path.abspath("data"), "lock", "--self-contained", tool="snaptrace")


def told():
    """What a start needs all the same is told when the image is made: a directory, a file open for writing."""
    os.mkdir("directory")
    write_data()
    script = ("import os\nd = os.open('directory', os.O_RDONLY)\nw = open('data', 'r+b')\nr = open('data', 'rb')\n"
              "os.access('/snap/here', 0)\nw.write(b'new')\nw.flush()\nprint(r.read(3))\n")
    result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", HERE, "--self-contained", "--carry", "none", "--",
                    "/usr/bin/python3", "-c", script])
    t.check(result.status == 0, result)
    for name in ("directory", "data"):
        words = f"snaptrace: {os.path.abspath(name)}: is not in the image".encode()
        t.check(result.err.count(words) >= 1, "wanted", words, "got", result)
    # Whoever reads what another descriptor of the program writes reads the file.
    result = t.restore("image.snap")
    t.check((result.status, result.out) == (0, b"b'new'\n"), result)


def runtime():
    """Java opens more of its own files later: the line names them, until they are embedded. Here it is its place that tells."""
    os.makedirs("home/lib/server")
    os.makedirs("home/conf")
    os.mkdir("settings")
    write_data("home/lib/server/libjvm.so")
    write_data("settings/net.properties")
    os.symlink("../../settings/net.properties", "home/conf/net.properties")
    home, settings = (os.path.realpath(name) for name in ("home", "settings"))
    for embeds in ([], [f"--embed={home}/lib", f"--embed={home}/conf", "--embed=" + settings], ["--embed=" + home]):
        result = t.run([t.SNAPTRACE, "-o", "image.snap", "--at", HERE, "--self-contained", *embeds, "--",
                        t.program("embedded-pie"), "home/lib/server/libjvm.so"])
        words = f"{home}: Java opens files there later".encode(), f" give --embed={home}/lib --embed={home}/conf --embed={settings}, ".encode()
        t.check(result.status == 0 and all((part in result.err) == (not embeds) for part in words), embeds, result)


def directory():
    """A working directory that is not there is told; another image is refused."""
    os.mkdir("below")
    script = "import os\nos.chdir('below')\nos.access('/snap/here', 0)\nprint(os.getcwd())\n"
    argv = ["/usr/bin/python3", "-c", script]
    t.freeze("image.snap", argv, at=HERE, options=["--self-contained"])
    t.freeze("other.snap", argv, at=HERE)
    below = os.path.abspath("below")
    result = t.restore("image.snap")
    t.check((result.status, result.out, result.err) == (0, below.encode() + b"\n", b""), result)
    os.rmdir("below")
    result = t.restore("image.snap")
    t.check((result.status, result.out) == (0, os.getcwd().encode() + b"\n"), result)
    lines = result.err.decode().splitlines()
    t.check(len(lines) == 1 and below in lines[0] and "caller's" in lines[0], result)
    t.one_line(t.restore("other.snap"), 125, below, "directory", tool="snaprun")


def all_missing():
    """An image that needs files names all that are missing, a line each."""
    for name in ("one", "two", "three"):
        write_data(name)
    script = ("import mmap, os\nfiles = [open(n, 'rb') for n in ('one', 'two', 'three')]\n"
              "views = [mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_READ) for f in files[:2]]\nos.access('/snap/here', 0)\n"
              "print('on')\n")
    t.freeze("image.snap", ["/usr/bin/python3", "-c", script], at=HERE)
    os.unlink("one")
    os.unlink("three")
    result = t.restore("image.snap")
    t.check(result.status == 125 and result.out == b"", result)
    lines = sorted(result.err.decode().splitlines())
    t.check(len(lines) == 2, "wanted two lines, got", result)
    for line, name in zip(lines, ("one", "three")):
        t.check(line.startswith(f"snaprun: {os.path.abspath(name)}: cannot open a file that the image needs"), result)


def info():
    """What is in the image and what is needed, with sizes."""
    write_data()
    self_contained([t.program("embedded-pie"), "data"])
    for image in ("image.snap", "thawed.snap"):
        text = t.run([t.SNAPIMG, "info", image]).out.decode()
        t.check("self-contained" in text and "needs these files" not in text, text)
        t.check(re.search(r"^  .*/data: 14\.0 KiB", text, flags=re.M), text)
        document = json.loads(t.run([t.SNAPIMG, "info", "--json", image]).out)
        t.check("self-contained" in document["required_features"] and "files" not in document["required_features"], document)
        files = {os.path.basename(file["path"]): file for file in document["files"]}
        t.check(files["data"]["embedded"] and files["data"]["size"] == SIZE and files["embedded-pie"]["embedded"], files)


def thawed_is_mapped():
    """Nothing of a file is copied by a start from a thawed image, neither code nor data."""
    self_contained(["/usr/bin/python3", "-c", "import os, json, decimal; os.access('/snap/here', 0)"])
    traced = t.run(["strace", "-f", "-e", "trace=mmap,mprotect,pread64,process_vm_writev,openat", t.SNAPRUN, "thawed.snap"])
    if traced.status != 0 and b"ptrace" in traced.err:
        t.skip("strace cannot trace here")
    text = traced.err.decode()
    copied = sum(int(size) for size in re.findall(r"(?:process_vm_writev|pread64).* = (\d+)$", text, flags=re.M))
    # What follows each other is mapped as one, and may be executed afterwards.
    parts = [range(int(at, 16), int(at, 16) + int(size))
             for at, size in re.findall(r"mmap\((0x\w+), (\d+), PROT_[A-Z_|]+, MAP_PRIVATE\|MAP_FIXED, \d+,", text)]
    code = re.findall(r"(?:mmap|mprotect)\((0x\w+), (\d+), PROT_READ\|PROT_EXEC[,)]", text)
    mapped = sum(int(size) for at, size in code if any(int(at, 16) in part for part in parts))
    opened = re.findall(r'openat\(AT_FDCWD, "([^"]*\.so[^"]*)"', text)
    t.check(copied < 1 << 20 and mapped > 2 << 20 and not opened, copied, "bytes copied,", mapped, "of code mapped", opened)


def second_generation():
    """A program that was started from a self-contained image is frozen again, and needs no files either."""
    write_data()
    script = ("import os, hashlib\nfile = open('data', 'rb')\nfile.read(3)\n"
              "for _ in range(3): os.access('/snap/here', 0)\nprint(file.read(3))\n")
    t.freeze("first.snap", ["/usr/bin/python3", "-c", script], at=HERE, options=["--self-contained"])
    thawed = t.run([t.SNAPIMG, "thaw", "first.snap", "-o", "first.thawed"])
    t.check(thawed.status == 0, thawed)
    os.unlink("data")
    direct = t.Result(0, b"b'\\x03\\x04\\x05'\n", b"")
    for start in (["first.snap"], ["first.thawed"]):
        self_contained([t.SNAPRUN, "--cache=off", "--ids=new", *start])
        t.same(t.restore("image.snap", options=["--cache=off"]), direct)
        t.same(t.restore("thawed.snap"), direct)


def from_files():
    """Where all files are the recorded ones a start maps them, by whatever inode; else what is in the image."""
    with open("data", "wb") as file:
        file.write(bytes(range(256)) * 1024)
    script = ("import hashlib, mmap, os\nfile = os.open('data', os.O_RDONLY)\nview = mmap.mmap(file, 0, access=mmap.ACCESS_COPY)\n"
              "view[8192:8195] = b'new'\nview[81920:86016] = bytes(4096)\nos.closerange(file, 20)  # the view has its own\nos.access('/snap/here', 0)\n"
              "print(hashlib.sha256(view).hexdigest(), '/data\\n' in open('/proc/self/maps').read())\n")
    t.freeze("image.snap", ["/usr/bin/python3", "-c", script], at=HERE, options=["--self-contained"])
    t.check(t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"]).status == 0, "not thawed")

    def start(mapped, image="image.snap", options=("--cache=off",)):
        started = t.restore(image, options=options)
        wanted = hashlib.sha256(changed).hexdigest().encode() + b" " + str(mapped).encode() + b"\n"
        t.same(started, t.Result(0, wanted, b""))
    content = open("data", "rb").read()
    changed = bytearray(content)
    changed[8192:8195] = b"new"
    changed[81920:86016] = bytes(4096)
    start(True)
    start(False, options=("--cache=off", "--verify"))
    start(False, image="thawed.snap")
    shutil.copy("data", "again")
    os.rename("again", "data")
    start(True)
    with open("data", "r+b") as file:
        file.seek(100000)
        file.write(b"another")
    start(False)
    os.truncate("data", 4096)
    start(False)
    os.unlink("data")
    start(False)
    os.mkfifo("data")
    start(False)


ROWS = {
    "embedded_from_files": from_files,
    "embedded_pie": lambda: program("pie"), "embedded_static": lambda: program("static"),
    "embedded_musl": lambda: program("musl"), "embedded_muslstatic": lambda: program("muslstatic"),
    "embedded_python": python, "embedded_bash": bash, "embedded_node": node,
    "embedded_sqlite": sqlite, "embedded_replaced": replaced, "deleted_without_proc": deleted,
    "embedded_noexec": no_exec, "embedded_once": once, "refused_embedded_written": refused,
    "refused_embedded_locked": locked, "embedded_told": told, "embedded_runtime": runtime,
    "embedded_directory": directory, "embedded_info": info, "embedded_mapped": thawed_is_mapped,
    "embedded_second_generation": second_generation, "file_all_missing": all_missing,
}

if __name__ == "__main__":
    t.main(ROWS)
