"""snapimg core: the memory, threads and files of the moment, as a debugger reads them."""
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

SOURCE = os.path.join(t.SOURCE, "tests/format/core_target.c")
PT_LOAD, PT_NOTE, NT_PRSTATUS, NT_FILE = 1, 4, 1, 0x46494c45


class Core:
    """An ELF core file, read by elf(5) alone."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        t.check(self.bytes[:7] == b"\x7fELF\x02\x01\x01" and struct.unpack_from("<HH", self.bytes, 16) == (4, 62), self.bytes[:24])
        table, = struct.unpack_from("<Q", self.bytes, 32)
        size, count = struct.unpack_from("<HH", self.bytes, 54)
        if count == 0xffff:  # PN_XNUM: the number stands in the first section header
            section, = struct.unpack_from("<Q", self.bytes, 40)
            count, = struct.unpack_from("<I", self.bytes, section + 44)
        self.segments = [struct.unpack_from("<IIQQQQQQ", self.bytes, table + i * size) for i in range(count)]
        t.check(all(s[2] + s[5] <= len(self.bytes) for s in self.segments), "a segment ends past the file")

    def notes(self):
        for kind, _, at, _, _, size, _, _ in self.segments:
            end = at + size
            while kind == PT_NOTE and at < end:
                owner, length, note = struct.unpack_from("<III", self.bytes, at)
                at += 12 + (owner + 3) // 4 * 4
                yield note, self.bytes[at:at + length]
                at += (length + 3) // 4 * 4

    def memory(self, address, size):
        for kind, _, offset, start, _, held, _, _ in self.segments:
            if kind == PT_LOAD and start <= address and address + size <= start + held:
                return self.bytes[offset + address - start:offset + address - start + size]
        return None

    def files(self):
        """Where each file is mapped from its beginning."""
        _, note = next(item for item in self.notes() if item[0] == NT_FILE)
        count, page = struct.unpack_from("<QQ", note)
        names = note[16 + 24 * count:].split(b"\0")
        t.check(page == 4096 and len(names) == count + 1, page, count, names)
        return {names[i].decode(): start for i in range(count)
                for start, _, offset in [struct.unpack_from("<QQQ", note, 16 + 24 * i)] if offset == 0}


def frozen(options=()):
    made = t.run([t.CC, "-g", "-O0", "-fno-omit-frame-pointer", "-pthread", "-D_GNU_SOURCE", "-o", "target", SOURCE])
    t.check(made.status == 0, made)
    return t.freeze("image.snap", ["./target"], at="path:/snap/here", options=options).out.decode().split("\n")[:-1]


def converted(image="image.snap"):
    made = t.run([t.SNAPIMG, "core", image, "-o", "core"])
    t.check(made == t.Result(0, b"", b"") and os.stat("core").st_mode & 0o777 == 0o600, made)
    return Core("core")


def same_memory(core, said):
    """Each line of the target: an address, and what it has there."""
    for line in said:
        address, content = line.split()
        got = core.memory(int(address, 16), len(content) // 2)
        t.check(got is not None and got.hex() == content, "at", address, "wanted", content, "got", got and got.hex())


def memory():
    said = frozen()
    t.check(len(said) == 6, said)
    core = converted()
    same_memory(core, said)
    threads = [struct.unpack_from("<i", note, 32)[0] for kind, note in core.notes() if kind == NT_PRSTATUS]
    t.check(len(threads) == len(set(threads)) == 4, "threads:", threads)
    path = os.path.realpath("target")
    with open(path, "rb") as file:
        t.check(core.memory(core.files()[path], 4096) == file.read(4096), "the executable's first page, with its build-id")
    t.check(t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"]).status == 0, "thaw")
    same_memory(converted("thawed.snap"), said)
    os.rename("target", "other")
    shutil.copy("/bin/true", "target")
    t.check(converted().memory(core.files()[path], 4096) is None, "another file's first page is not taken for its")


def gdb(program, *commands):
    if not shutil.which("gdb"):
        t.skip("needs gdb")
    words = [word for command in commands for word in ("-ex", command)]
    result = t.run(["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off", *words, program, "core"])
    t.check(result.status == 0, result)
    return result.out.decode(errors="replace")


def threads_in_gdb():
    frozen()
    converted()
    seen = gdb("target", "thread apply all bt")
    for depth in (1, 2, 3):
        t.check(f"worker (argument=0x{depth})" in seen, depth, seen)
    t.check(seen.count("in descend (depth=0)") == 3 and seen.count("in descend (depth=") == 3 + 1 + 2 + 3, seen)
    t.check("in main ()" in seen, seen)
    t.check("$1 = 12" in gdb("target", "print common"), "a variable")


def python_in_gdb():
    code = "import os\nos.path.exists('/snap/here')"
    t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at="path:/snap/here")
    converted()
    seen = gdb("/usr/bin/python3", "bt")
    order = [seen.find(name) for name in ("PyEval_EvalCode", "Py_RunMain", "Py_BytesMain", "_start")]
    t.check(-1 not in order and order == sorted(order), order, seen)


ROWS = {"core.memory": memory, "core.threads-in-gdb": threads_in_gdb, "core.python-in-gdb": python_in_gdb}

if __name__ == "__main__":
    t.main(ROWS)
