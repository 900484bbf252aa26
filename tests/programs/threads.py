"""Programs of several threads: in calls that wait for the program itself, with attributes of their own, under fire of
signals, frozen again from a start, and with IDs that others had."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = "path:/snap/here"
ALL = ("pie", "nopie", "static", "staticpie", "musl", "muslstatic")


def starts(image, out, together=True, options=()):
    def start():
        t.same(t.restore(image, options=options), t.Result(0, out, b""))

    t.every_start(start, together)


def carried(program, out, *words, together=True, options=()):
    path = t.program(program)
    t.same(t.run([path, *words]), t.Result(0, out, b""))
    t.freeze("image.snap", [path, *words], at=HERE)
    starts("image.snap", out, together, options)


def with_same_ids(program, out):
    """A lock that the C library knows the holder of by its ID is unlocked by the holder of that ID."""
    t.need_pid_namespace()
    carried(program, out, "same-ids", together=False, options=("--same-ids",))


def crossfire(program):
    """Frozen five times while signals are delivered, and the program goes on each time, too."""
    path = t.program(program)
    for _ in range(5):
        result = t.freeze("image.snap", [path], at=HERE, options=("--continue",))
        t.check(result.out == b"none lost\n", "what went on:", result)
        t.same(t.restore("image.snap"), t.Result(0, b"none lost\n", b""))
        os.unlink("image.snap")


def callbacks(program):
    """Handlers of fork are known to the shim, which static programs don't have, by glibc."""
    forks = 1 if program in ("callbacks-pie", "callbacks-nopie") else 0
    t.freeze("image.snap", [t.program(program)], at="here")
    starts("image.snap", b"called in order, %d forks\n" % forks)


def frozen_again(program, out):
    """The program that an image was started to is frozen again, and that once more; the last image starts it."""
    t.freeze("0.snap", [t.program(program)], at=HERE)
    for i in range(2):
        t.freeze(f"{i + 1}.snap", [t.SNAPRUN, "--ids=new", f"{i}.snap"], at=HERE)  # in a namespace it couldn't be
    starts("2.snap", out)


WAITING = """
import os, threading
lock = threading.Lock()
lock.acquire()
def work(number):
    with lock:
        print(number, flush=True)
threads = [threading.Thread(target=work, args=(0,)) for _ in range(4)]
for thread in threads:
    thread.start()
reader, writer = os.pipe()
os.path.exists("/snap/here")
while not os.path.exists("go"):
    select.select([], [], [], 0.05)
lock.release()
""".replace("import os", "import os, select")


def attached():
    """A start is frozen by its ID while it runs, and goes on; both end as they should. In a PID namespace, which a number
    that is an ID by accident may ask for, the program would be a child of the process that was started."""
    t.freeze("image.snap", ["/usr/bin/python3", "-c", WAITING], at=HERE)
    out = os.open("/dev/null", os.O_RDWR)
    with open("out", "wb") as file, subprocess.Popen([t.SNAPRUN, "--ids=new", "image.snap"], stdin=out, stdout=file, stderr=out,
                                                     env=t.PLAIN_ENV) as started:
        os.close(out)
        try:
            await_program(started)
            again = t.run([t.SNAPTRACE, "-q", "--continue", "-p", str(started.pid), "-o", "again.snap"])
            t.check(again.status == 0, "snaptrace -p:", again)
            os.close(os.open("go", os.O_CREAT | os.O_WRONLY))
            t.check(started.wait(100) == 0, "what went on")
        finally:
            started.kill()
    t.check(open("out", "rb").read() == b"0\n" * 4, "what went on printed", open("out", "rb").read())
    for _ in range(2):
        restored = t.restore("again.snap")
        t.check(restored.status == 0 and restored.err == b"", restored)


def await_program(started):
    """Until the loader is gone: the program's name is its own then, and its threads are there."""
    while True:
        t.check(started.poll() is None, "a start that waits, not the status", started.returncode)
        with open(f"/proc/{started.pid}/status", encoding="ascii") as file:
            status = file.read()
        if "Name:\tpython3" in status and re.search(r"^Threads:\t5$", status, re.MULTILINE) and "SigBlk:\t0000000000000000" in status:
            return
        os.sched_yield()


def reused_ids(program, out):
    """The process gets the ID that a thread had, and threads those of others: with a PID namespace, where IDs can be chosen."""
    t.freeze("image.snap", [t.program(program)], at=HERE)
    said = t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out.decode()
    ids = [int(number) for number in re.findall(r'"tid": *(\d+)', said)]
    t.check(len(ids) > 3, "ids of threads in", said)
    code = 'echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid && "$2" image.snap & wait $!'
    for wanted in (ids[1], ids[0] - 1, ids[-1]):
        result = t.run(["unshare", *([] if t.IS_ROOT else ["-U", "-r"]), "-p", "-f", "-m", "--mount-proc", "sh", "-c", code, "sh", str(wanted), t.SNAPRUN])
        if result.status != 0 and (b"unshare" in result.err or b"ns_last_pid" in result.err):
            t.skip(result.err.decode().strip())
        t.same(result, t.Result(0, out, b""))


ROWS = {}
for _kind in ALL:
    ROWS[f"waits.{_kind}"] = lambda k=_kind: carried(f"waits-{k}", b"all waits ended\n")
    ROWS[f"waits-alone.{_kind}"] = lambda k=_kind: carried(f"waits-{k}", b"all waits ended\n", "alone", together=False)
    ROWS[f"waits-same-ids.{_kind}"] = lambda k=_kind: with_same_ids(f"waits-{k}", b"all waits ended\n")
    ROWS[f"crossfire.{_kind}"] = lambda k=_kind: crossfire(f"crossfire-{k}")
    ROWS[f"callbacks.{_kind}"] = lambda k=_kind: callbacks(f"callbacks-{k}")
for _kind in ("pie", "static", "musl"):
    ROWS[f"pace.{_kind}"] = lambda k=_kind: carried(f"pace-{k}", b"")
    ROWS[f"frozen-again.{_kind}"] = lambda k=_kind: frozen_again(f"waits-{k}", b"all waits ended\n")
    ROWS[f"reused-ids.{_kind}"] = lambda k=_kind: reused_ids(f"waits-{k}", b"all waits ended\n")
ROWS["frozen-again-attached"] = attached

if __name__ == "__main__":
    t.main(ROWS)
