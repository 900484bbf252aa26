"""Files are recognised by their content, and those that the program made come along with the image."""
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

# Opens `data` in a way, comes to the point, and does something with it; prints what it sees.
USES = {
    "read": "f = open('data')\nMARK\nprint(f.read(), end='')",
    "written in place": "f = open('data', 'r+')\nMARK\nf.seek(0)\nf.write('W'); f.flush(); print('wrote')",
    "only written": "f = open('data', 'r+'); f.close(); fd = os.open('data', os.O_WRONLY)\nMARK\nos.write(fd, b'W'); print('wrote')",
    "appended": "f = open('data', 'a')\nMARK\nf.write('more\\n'); f.flush(); print('wrote')",
    "flock": "import fcntl\nf = open('data'); fcntl.flock(f, fcntl.LOCK_EX)\nMARK\nprint('held')",
    "posix lock": "import fcntl\nf = open('data', 'r+'); fcntl.lockf(f, fcntl.LOCK_EX)\nMARK\nprint('held')",
    "append under a lock": "import fcntl\nf = open('data', 'a'); fcntl.flock(f, fcntl.LOCK_EX)\nMARK\nprint('held')",
    "mapped": "import mmap\nf = open('data', 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close()\nMARK\nm[0:1] = b'W'; print('wrote')",
    "mapped, only read": "import mmap\nf = open('data', 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); f.close()\n"
                         "before = m[0:1]\nMARK\nprint(before.decode(), m[0:1].decode())",
}


def program(code, name="program.py"):
    with open(name, "w", encoding="utf-8") as file:
        file.write("import os, sys\n" + code.replace("MARK", "os.path.exists('/snap/here')") + "\n")
    return ["/usr/bin/python3", name]


def write(text, name="data"):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def in_place(text, name="data"):
    """Other bytes in the same file, with the same size and modification time."""
    before = os.stat(name)
    with open(name, "r+", encoding="utf-8") as file:
        file.write(text)
    os.utime(name, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(name="data"):
    """The same bytes in another file."""
    shutil.copy(name, "copy")
    os.rename("copy", name)


def old(name="data"):
    """Not younger than the program, whatever the clock of files can tell apart."""
    write("text\n", name)
    os.utime(name, (1, 1))


def freeze(use, *options):
    old()
    t.freeze("image.snap", program(USES[use]), at="path:/snap/here", options=options)


def start(*options):
    return t.restore("image.snap", options=options)


def refused(use, change):
    """Nobody could have changed it under the running program, so the start is refused; unless told otherwise."""
    freeze(use)
    change("T")
    t.one_line(start(), 125, "data", "has changed", "--on-mismatch", tool="snaprun: ")
    t.check(start("--on-mismatch=ignore").status == 0, "--on-mismatch=ignore")


def accepted(use, change, wanted):
    freeze(use)
    change()
    result = start()
    t.check(result == t.Result(0, wanted.encode() + b"\n", b""), result)


def shown_as_it_is():
    """What others write into a file that is mapped shared and only read is seen, as it would be seen without a start."""
    freeze("mapped, only read")
    in_place("T")
    t.same(start(), t.Result(0, b"t T\n", b""))
    replaced()
    t.one_line(start(), 125, "data", "has changed", tool="snaprun: ")


def log_of_others():
    freeze("appended")
    with open("data", "a", encoding="utf-8") as file:
        file.write("another's\n")
    t.check(start() == t.Result(0, b"wrote\n", b""), "appended")
    with open("data", encoding="utf-8") as file:
        t.check(file.read() == "text\nanother's\nmore\n", "the log")


def clock_of_uuids():
    """What libuuid reads again at each use, under a lock, may have been changed by others, such as an earlier start."""
    os.mkdir("libuuid")
    old("libuuid/clock.txt")
    code = USES["posix lock"].replace("data", "libuuid/clock.txt")
    t.freeze("image.snap", program(code), at="path:/snap/here")
    in_place("TEXT\n", "libuuid/clock.txt")
    t.same(start(), t.Result(0, b"held\n", b""))


def patched_library():
    """The build-id stays when a library's text is patched; the times can be set back."""
    with open("answer.c", "w", encoding="utf-8") as file:
        file.write("int answer(void); int answer(void) { return 0x11223344; }\n")
    with open("main.c", "w", encoding="utf-8") as file:
        file.write('#include <stdio.h>\n#include <unistd.h>\nint answer(void);\n'
                   'int main(void) { access("/snap/here", F_OK); printf("%x\\n", answer()); }\n')
    for words in (["-shared", "-fPIC", "-Wl,--build-id", "-o", "libanswer.so", "answer.c"],
                  ["-o", "program", "main.c", "-L.", "-lanswer", "-Wl,-rpath," + os.getcwd()]):
        made = t.run([t.CC, *words])
        t.check(made.status == 0, made)
    t.freeze("image.snap", ["./program"], at="path:/snap/here")
    replaced("libanswer.so")
    t.same(start(), t.Result(0, b"11223344\n", b""))
    with open("libanswer.so", "rb") as file:
        whole = file.read()
    where = [found.start() for found in re.finditer(re.escape(b"\x44\x33\x22\x11"), whole)]
    t.check(len(where) == 1, where)
    times = os.stat("libanswer.so")
    with open("libanswer.so", "r+b") as file:
        file.seek(where[0])
        file.write(b"\x45")
    os.utime("libanswer.so", ns=(times.st_atime_ns, times.st_mtime_ns))
    t.one_line(start(), 125, "libanswer.so", "has changed", tool="snaprun: ")


def locale_data():
    """Files without a build-id, copied elsewhere and back, as an unpacked container has them."""
    freeze("read")
    replaced()
    os.utime("data", (5, 5))
    t.same(start(), t.Result(0, b"text\n", b""))


MAKES = ("f = open('made', 'w+')\nf.write('one\\n' * 3); f.flush(); os.chmod('made', 0o640)\nMARK\n"
         "f.write('two\\n'); f.seek(0); print(f.read().count('\\n'), oct(os.fstat(f.fileno()).st_mode & 0o777))")
MADE = t.Result(0, b"4 0o640\n", b"")


def freeze_maker(*options):
    t.freeze("image.snap", program(MAKES), at="path:/snap/here", options=options)


def made_again():
    """What the program made and has open is made again where it is gone: five times."""
    freeze_maker()
    for _ in range(5):
        os.unlink("made")
        t.same(start(), MADE)
        t.check(os.stat("made").st_mode & 0o777 == 0o640 and os.path.getsize("made") == 16, os.stat("made"))


def own_mode():
    """A file whose mode keeps its own user out, who has it open all the same; there, gone, and with another mode by now."""
    t.freeze("image.snap", program("import os\nf = os.open('made', os.O_RDWR | os.O_CREAT, 0)\nos.write(f, b'one'); os.utime(f, (5, 7))\nMARK\n"
                                   "print(os.pread(f, 3, 0), oct(os.fstat(f).st_mode), os.fstat(f).st_mtime)"), at="path:/snap/here")
    for action in (lambda: None, lambda: os.unlink("made"), lambda: None):
        action()
        t.same(start(), t.Result(0, b"b'one' 0o100000 7.0\n", b""))
    os.chmod("made", 0o1)
    t.check(os.getuid() == 0 or start().status == 125, "another mode")


def output_again():
    """An output file that an earlier run had made, and that this one writes from its start."""
    write("of an earlier run\n", "out")
    os.utime("out", (1, 1))
    t.freeze("image.snap", program("f = open('out', 'w'); f.write('start\\n'); f.flush()\nMARK\nf.write('end\\n')"),
             at="path:/snap/here")
    for _ in range(2):
        os.unlink("out")
        t.same(start(), t.Result(0, b"", b""))
        with open("out", encoding="utf-8") as file:
            t.check(file.read() == "start\nend\n", "its content")


def never_over_another():
    freeze_maker()
    os.unlink("made")
    write("somebody's\n", "made")
    t.one_line(start(), 125, "made", "remove it", tool="snaprun: ")
    with open("made", encoding="utf-8") as file:
        t.check(file.read() == "somebody's\n", "it is as it was")


def not_left_behind():
    """A start that is refused removes what it has made."""
    code = MAKES.replace("MARK", "data = open('data')\nMARK")
    old()
    t.freeze("image.snap", program(code), at="path:/snap/here")
    for name in ("made", "data"):
        os.unlink(name)
    t.one_line(start(), 125, "data", tool="snaprun: ")
    t.check(not os.path.exists("made"), "made is left behind")


# Removed by who made them, or for whom they were made, at their end: each start needs them again.
TEMPORARY = {
    "python": ["/usr/bin/python3", "-c", "import atexit, os, shutil, tempfile\n"
               "d = tempfile.mkdtemp(dir='.'); os.mkdir(d + '/sub'); print('content', file=open(d + '/sub/f', 'w'), flush=True)\n"
               "fd, name = tempfile.mkstemp(dir='.'); os.write(fd, b'plain'); os.close(fd)\n"
               "atexit.register(lambda: (shutil.rmtree(d), os.unlink(name)))\n"
               "os.path.exists('/snap/here')\n"
               "print(open(d + '/sub/f').read() + open(name).read(), oct(os.stat(d).st_mode), oct(os.stat(name).st_mode))"],
    "shell": ["/bin/sh", "-c", "d=$(mktemp -d -p .) && f=$(mktemp -p .) && echo content >$d/f && echo plain >$f && trap 'rm -r $d $f' EXIT\n"
              "[ -e /snap/here ]\ncat $d/f $f"],
}


def made_by_name(which):
    """Temporary directories and files that the program, or a child of it, made and closed are made again where they are gone."""
    before = set(os.listdir())
    wanted = t.run(TEMPORARY[which])
    t.check(wanted.status == 0 and b"content" in wanted.out and b"plain" in wanted.out and set(os.listdir()) == before, wanted)
    t.freeze("image.snap", TEMPORARY[which], at="path:/snap/here")
    for _ in range(3):
        t.same(start(), wanted)
        t.check(set(os.listdir()) == before | {"image.snap"}, os.listdir())


def made_by_name_kept():
    """Never over one that is there; and none of them with --carry=none."""
    for options in ((), ("--carry=none",)):
        before = set(os.listdir())
        t.freeze("image.snap", TEMPORARY["python"], at="path:/snap/here", options=options)
        for name in set(os.listdir()) - before - {"image.snap"}:
            if os.path.isfile(name):
                write("another's", name)
            elif options:
                shutil.rmtree(name)
        result = start()
        t.check((result.status == 0 and b"another's" in result.out and b"content" in result.out) != bool(options), options, result)


def carry_none():
    freeze_maker("--carry=none")
    os.unlink("made")
    t.one_line(start(), 125, "made", tool="snaprun: ")


def carry_file():
    """A file that others made, on demand; and a wrong word."""
    freeze("written in place", "--carry=data")
    os.unlink("data")
    t.same(start(), t.Result(0, b"wrote\n", b""))
    with open("data", encoding="utf-8") as file:
        t.check(file.read() == "Wext\n", "its content")
    t.one_line(t.run([t.SNAPTRACE, "--carry=nothing-there", "/bin/true"]), 125, "nothing-there")


def scratch():
    """The JVM's counters: gone, or another one's by now, and several at once."""
    import concurrent.futures
    os.mkdir("hsperfdata_me")
    t.freeze("image.snap", program(
        "import mmap, time\nf = open('hsperfdata_me/77', 'w+b'); f.truncate(8192); m = mmap.mmap(f.fileno(), 0); f.close()\n"
        "m[5000:5004] = b'mine'\nMARK\nassert m[5000:5004] == b'mine' and m[0:1] == b'\\0'\nm[0:1] = b'x'; time.sleep(0.1)\n"
        "assert m[0:1] == b'x'; print('right')"), at="path:/snap/here")
    os.unlink("hsperfdata_me/77")
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for result in pool.map(lambda _: start(), range(3)):
            t.same(result, t.Result(0, b"right\n", b""))
    write("another's", "hsperfdata_me/77")
    t.same(start(), t.Result(0, b"right\n", b""))
    with open("hsperfdata_me/77", encoding="utf-8") as file:
        t.check(file.read() == "another's", "the other's file")


def told_when_shared():
    """Another process that has the file open is told of in one line."""
    freeze("written in place")
    with open("data", encoding="utf-8"):
        result = start()
    lines = result.err.decode().splitlines()
    t.check(result.status == 0 and result.out == b"wrote\n" and len(lines) == 1 and "data" in lines[0] and
            "another process" in lines[0], result)


ROWS = {
    "file_written-in-place_changed": lambda: refused("written in place", in_place),
    "file_only-written_changed": lambda: refused("only written", in_place),
    "file_flock_changed": lambda: refused("flock", in_place),
    "file_posix-lock_changed": lambda: refused("posix lock", in_place),
    "file_append-under-a-lock_changed": lambda: refused("append under a lock", in_place),
    "file_mapped_changed": lambda: refused("mapped", in_place),
    "file_read_changed": lambda: refused("read", in_place),
    "file_written-in-place_replaced": lambda: accepted("written in place", replaced, "wrote"),
    "file_flock_replaced": lambda: accepted("flock", replaced, "held"),
    "file_mapped_replaced": lambda: accepted("mapped", replaced, "wrote"),
    "file_mapped_live": shown_as_it_is, "file_log": log_of_others, "file_clock_of_uuids": clock_of_uuids, "file_patched_library": patched_library,
    "file_copied": locale_data, "file_made_again": made_again, "file_output_again": output_again, "file_own_mode": own_mode, "file_never_over_another": never_over_another,
    "file_not_left_behind": not_left_behind, "file_carry_none": carry_none, "file_carry": carry_file,
    "file_made_by_name_python": lambda: made_by_name("python"), "file_made_by_name_shell": lambda: made_by_name("shell"),
    "file_made_by_name_kept": made_by_name_kept,
    "file_scratch": scratch, "file_told_when_shared": told_when_shared,
}

if __name__ == "__main__":
    t.main(ROWS)
