"""What snaptrace and snaprun are asked wrongly: one clear line, the right exit code, nothing left, nothing harmed."""
import os
import subprocess
import resource
import shutil
import signal
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

TRUE = "/bin/true"
OLDER = b"an older image, which must stay as it is"


def refused(status, *words, argv, left=(), **options):
    """Runs snaptrace with an older image at its output; the refusal, and that nothing changed."""
    with open("image.snap", "wb") as file:
        file.write(OLDER)
    before = set(os.listdir("."))
    result = t.run([t.SNAPTRACE, *argv], **options)
    t.one_line(result, status, *words, tool="snaptrace: ")
    with open("image.snap", "rb") as file:
        t.check(file.read() == OLDER, "the older image was touched")
    t.check(set(os.listdir(".")) == before | set(left), "left behind:", set(os.listdir(".")) - before)
    return result


def trace(*argv):
    return ["-o", "image.snap", *argv]


def executable(name, content, mode=0o755):
    with open(name, "wb") as file:
        file.write(content)
    os.chmod(name, mode)
    return os.path.join(".", name)


def no_program():
    refused(125, argv=trace())
    refused(125, argv=trace("--at", "main"))


def missing():
    refused(127, "no-such-program", argv=trace("no-such-program"))
    refused(127, "/no/such/program", argv=trace("/no/such/program"))
    executable("script", b"#!/no/such/interpreter\n")
    refused(126, "script", "/no/such/interpreter", argv=trace("./script"))


def not_executable():
    executable("plain", b"#!/bin/sh\n", 0o644)
    refused(126, "./plain", argv=trace("./plain"))
    os.mkdir("directory")
    refused(126, "./directory", argv=trace("./directory"))
    executable("garbage", b"\x7fELF, but no more than that")
    refused(126, "./garbage", argv=trace("./garbage"))


def set_user_id():
    """Also in place of a script's interpreter: the kernel would drop the rights, and the image would be wrong."""
    for mode in (0o4755, 0o2755):
        shutil.copy(TRUE, "privileged")
        os.chmod("privileged", mode)
        if not os.stat("privileged").st_mode & (stat.S_ISUID | stat.S_ISGID):
            t.skip("the set-user-ID bit doesn't stick here")
        refused(126, "privileged", argv=trace("./privileged"))
    executable("script", b"#!" + os.path.abspath("privileged").encode() + b"\n")
    refused(126, "script", argv=trace("./script"))


def never_reached():
    ends = t.program("ends-pie")
    refused(1, "ends-pie", "3", argv=trace("--at", "path:/never/named", ends, "3"))
    refused(1, "ends-pie", argv=trace("--at", "path:/never/named", ends, "0"))
    refused(1, "ends-pie", "signal 15", argv=trace("--at", "here", ends, "-15"))
    refused(1, argv=trace("--in", "another", "--at", "main", ends, "0"))


def unknown_point():
    for point in ("syscall:no_such_call", "syscall:getpid#0", "syscall:getpid#x", "syscall:", "path:", "", "0xnothing",
                  "0x", "sleeping beauty", "main+", "FILE:", ":symbol", "read:x"):
        refused(125, argv=trace("--at", point, TRUE))
        refused(125, argv=trace(TRUE), env={**t.PLAIN_ENV, "SNAP_AT": point})


def unknown_symbol():
    for kind in ("pie", "static", "musl"):
        refused(125, "no_such_function", argv=trace("--at", "no_such_function", t.program(f"stages-{kind}")))
    refused(125, "no_such_function", argv=trace("--at", "libc.so.6:no_such_function", t.program("stages-pie")))
    refused(125, "0x7f0000000000", argv=trace("--at", "0x7f0000000000", t.program("stages-nopie")))


def unknown_option():
    refused(125, argv=trace("--no-such-option", TRUE))
    refused(125, argv=trace("--level", "0", TRUE))
    refused(125, argv=trace("--level", "99", TRUE))
    refused(125, argv=trace("--compress=lzma", TRUE))
    refused(125, "x86-64-v9", "x86-64-v2", argv=trace("--cpu=x86-64-v9", TRUE))
    refused(125, "--check", argv=trace("--check", TRUE))  # trace() gives -o
    refused(125, "--cpu", "start it", argv=trace("--cpu=x86-64", "-p", str(os.getpid())))


def unwritable():
    """Told before the program runs: its output would show on stdout, which refused() demands to be empty."""
    args = t.program("args-pie")
    for output, words in (("no-directory/image.snap", ("no-directory",)), ("image.snap/below", ("image.snap",)),
                          (".", ()), ("/dev/null", ("/dev/null",)), ("/proc/image.snap", ("/proc",))):
        refused(125, *words, argv=["-o", output, args])
    os.mkfifo("pipe")
    refused(125, "pipe", argv=["-o", "pipe", args])
    if t.IS_ROOT:
        return  # may write everywhere
    os.mkdir("closed", 0o500)
    refused(125, "closed", argv=["-o", "closed/image.snap", args])


FULL = """
set -e
mkdir -p full
mount -t tmpfs -o size=2M tmpfs full
cp older full/image.snap
status=0
"$@" || status=$?
cmp older full/image.snap >&2
[ "$(ls -A full)" = image.snap ] || { ls -lA full >&2; exit 99; }
exit $status
"""


def full_disk():
    """A tmpfs of 2 MiB, in a namespace of the test's own; an ordinary user makes it in a user namespace."""
    heap = t.program("heap-pie")
    unshare = ["unshare", "-m"] if t.IS_ROOT else ["unshare", "-Urm"]
    if t.run([*unshare, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status != 0:
        t.skip("may not mount a tmpfs here, not even in a user namespace")
    with open("older", "wb") as file:
        file.write(OLDER)
    for compression in ("zstd", "none"):
        result = t.run([*unshare, "sh", "-c", FULL, "sh", t.SNAPTRACE, "-q", "-o", "full/image.snap",
                        f"--compress={compression}", "--at", "path:/snap/here", heap])
        t.one_line(result, 125, "image.snap", "space", tool="snaptrace: ")


def file_size_limit():
    """RLIMIT_FSIZE: the same for any user. With SIGXFSZ ignored, and with its default, which would kill the tool."""
    heap = t.program("heap-pie")
    for action in (signal.SIG_IGN, signal.SIG_DFL):
        def limit(action=action):
            signal.signal(signal.SIGXFSZ, action)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        refused(125, "image.snap", argv=trace("-q", "--at", "path:/snap/here", heap), preexec_fn=limit)


def no_such_image():
    t.one_line(t.run([t.SNAPRUN, "no-such.snap"]), 127, "no-such.snap", tool="snaprun: ")
    t.one_line(t.run([t.SNAPRUN]), 125, tool="snaprun: ")
    t.one_line(t.run([t.SNAPRUN, "--no-such-option", "image.snap"]), 125, "--no-such-option", tool="snaprun: ")
    t.one_line(t.run([t.SNAPRUN, "--on-mismatch=maybe", "image.snap"]), 125, "maybe", tool="snaprun: ")


def no_image():
    """Files that are no images, each told apart."""
    os.mkdir("directory")
    t.one_line(t.run([t.SNAPRUN, "directory"]), 126, "directory", tool="snaprun: ")
    os.mkfifo("pipe")
    for _ in range(20):  # the writer may go as soon as snaprun has opened the pipe
        with subprocess.Popen(["sh", "-c", ": >pipe"]):
            t.one_line(t.run([t.SNAPRUN, "pipe"]), 125, "pipe", "empty", tool="snaprun: ")
    t.one_line(t.run([t.SNAPRUN, "/dev/null"]), 126, "/dev/null", tool="snaprun: ")
    for name, content, words in (("empty", b"", ("empty",)), ("text", b"Dear reader,\n" * 1000, ("not",)),
                                 ("short", b"\x89SNP", ()), ("elf", open(TRUE, "rb").read(), ("not",))):
        with open(name, "wb") as file:
            file.write(content)
        t.one_line(t.run([t.SNAPRUN, name]), 125, name, *words, tool="snaprun: ")
        t.check(t.run([t.SNAPIMG, "verify", name]).status != 0, name, "passed verify")
    if not t.IS_ROOT:
        os.chmod("text", 0)
        t.one_line(t.run([t.SNAPRUN, "text"]), 126, "text", tool="snaprun: ")


def newer_version():
    t.freeze("image.snap", [t.program("args-static")])
    for byte, words in ((9, ("newer",)), (13, ("architecture",)), (17, ("page size",)), (31, ("feature",))):  # bit 62 of the features
        content = bytearray(open("image.snap", "rb").read())
        content[byte] ^= 0x40
        with open("changed.snap", "wb") as file:
            file.write(content)
        t.one_line(t.run([t.SNAPRUN, "changed.snap"]), 125, "changed.snap", *words, tool="snaprun: ")


def text_damage():
    t.freeze("image.snap", [t.program("args-static")])
    content = open("image.snap", "rb").read()
    for change in (lambda b: b.replace(b"\r\n", b"\n"), lambda b: b.replace(b"\n", b"\r\n"),
                   lambda b: bytes(byte & 0x7f for byte in b[:64]) + b[64:]):
        with open("changed.snap", "wb") as file:
            file.write(change(content))
        t.one_line(t.run([t.SNAPRUN, "changed.snap"]), 125, "changed.snap", "text", tool="snaprun: ")


def trailing():
    t.freeze("image.snap", [t.program("args-static")])
    with open("image.snap", "ab") as file:
        file.write(b"more")
    t.one_line(t.run([t.SNAPRUN, "image.snap"]), 125, "image.snap", tool="snaprun: ")


t.main({
    "no-program": no_program,
    "missing": missing,
    "not-executable": not_executable,
    "set-user-id": set_user_id,
    "never-reached": never_reached,
    "unknown-point": unknown_point,
    "unknown-symbol": unknown_symbol,
    "unknown-option": unknown_option,
    "unwritable": unwritable,
    "full-disk": full_disk,
    "file-size-limit": file_size_limit,
    "no-such-image": no_such_image,
    "no-image": no_image,
    "newer-version": newer_version,
    "text-damage": text_damage,
    "trailing": trailing,
})
