"""States that an image must hold: a program gets into one, is frozen, and checks itself when it is started again."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

CARRIED = os.path.join(t.BUILD, "tests/capture/carried")
STATES = ("carried_deleted_file", "carried_replaced_file", "carried_file_pages", "carried_file_read_only_again", "carried_name_with_newline", "carried_shared_file",
          "carried_no_access", "carried_patchwork", "carried_reservation", "carried_wiped", "carried_descriptors", "carried_signals", "carried_attributes",
          "carried_undumpable", "carried_directory")


def carried(mode, *options):
    def quit_ignored():
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)

    at = "syscall:getppid" if mode == "undumpable" else "path:/snap/here"
    t.run_directly([CARRIED, mode], preexec_fn=quit_ignored)
    os.system("rm -rf below file")
    result = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--at", at, *options, "--", CARRIED, mode],
                   preexec_fn=quit_ignored)
    t.check(result.status == 0 and result.err == b"", "snaptrace:", result)
    t.verify("image.snap")
    t.check(os.stat("image.snap").st_mode & 0o7777 == 0o600, "the image's mode")

    changed = mode == "shared_file"  # in each start, which makes it again where it is gone

    def start():
        if changed:
            os.unlink("file")
        again = t.run([t.SNAPRUN, "image.snap"], preexec_fn=quit_ignored)
        t.check(again.status == 0 and again.err == b"", "restored:", again)

    t.every_start(start, together=not changed)


def uncompressed(mode):
    carried(mode, "--compress=none")


def again():
    """Thawed, and frozen again by the same codec, it has the same content and the same answer."""
    argv = ["/usr/bin/python3", "-c", "import os\nheap = [str(i) * 40 for i in range(30000)]\nos.path.exists('/snap/here')\nprint(hash(tuple(heap)) == hash(tuple(str(i) * 40 for i in range(30000))))"]
    t.freeze("image.snap", argv, at="path:/snap/here", options=["--compress=lz4"])
    contents = set()
    for words in (["thaw", "image.snap", "-o", "thawed.snap"], ["freeze", "thawed.snap", "-o", "again.snap"]):
        t.check(t.run([t.SNAPIMG, *words]).status == 0, words)
    for image in ("image.snap", "thawed.snap", "again.snap"):
        t.same(t.restore(image), t.Result(0, b"True\n", b""))
        contents.add(json.loads(t.run([t.SNAPIMG, "verify", "--json", image]).out)["content"])
    said = [json.loads(t.run([t.SNAPIMG, "info", "--json", image]).out)["required_features"] for image in ("image.snap", "again.snap")]
    t.check(len(contents) == 1 and all("lz4" in features for features in said), contents, said)


def large():
    """An image larger than what is written through the page cache: 100 MiB that don't compress, checked after the start."""
    code = ("import hashlib, os, random\nheap = [random.Random(i).randbytes(1 << 20) for i in range(100)]\n"
            "os.path.exists('/snap/here')\nprint(hashlib.sha256(b''.join(heap)).hexdigest())")
    argv = ["/usr/bin/python3", "-c", code]
    direct = t.run(argv)
    for options in ((), ("--compress=none",)):
        t.freeze("image.snap", argv, at="path:/snap/here", options=options)
        t.check(os.stat("image.snap").st_size > 100 << 20, "the image is small")
        t.verify("image.snap")
        t.same(t.restore("image.snap"), direct)


ROWS = {row: (lambda m=row[len("carried_"):]: carried(m)) for row in STATES}
ROWS.update({row: (lambda m=row[len("raw_"):]: uncompressed(m)) for row in ("raw_file_pages", "raw_patchwork", "raw_reservation")})
ROWS.update({row: (lambda n=row[len("level_"):]: carried("patchwork", "--level", n)) for row in ("level_1", "level_9", "level_16", "level_19")})
ROWS.update({row: (lambda m=row[len("lz4_"):]: carried(m, "--compress=lz4")) for row in ("lz4_file_pages", "lz4_patchwork", "lz4_reservation")})
ROWS["lz4_level"] = lambda: carried("patchwork", "--compress=lz4", "--level", "16")
ROWS["lz4_again"] = again
ROWS["large"] = large

if __name__ == "__main__":
    t.main(ROWS)
