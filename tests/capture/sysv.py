"""System V shared memory, semaphores and message queues that only the program or its tree has: the same ids, content and
counts after each start, five times and twice at once, each in a namespace of its own. Nothing of it stays in the test's."""
import ctypes
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PROGRAM = os.path.join(t.BUILD, "tests/capture/sysv")
DENIED = os.path.join(t.BUILD, "tests/capture/denied")
libc = ctypes.CDLL("librt.so.1", use_errno=True)  # glibc before 2.34 has mq_open(3) there
libc.shmat.restype = ctypes.c_void_p
libc.shmdt.argtypes = (ctypes.c_void_p,)
IPC_RMID, IPC_CREAT = 0, 0o1000
INFO = {"segments": b", mode 0640: 8.0 KiB", "semaphores": b", mode 0606: 1", "queues": b", mode 0600: 4 waiting",
        "tree": b"message queue, id "}


def need_namespace():
    probe = t.run(["unshare", "--ipc", *(() if t.IS_ROOT else ("--user",)), "true"])
    if probe.status != 0:
        t.skip(probe.err.decode(errors="replace").strip())


def made_by(keys):
    """Which of these keys are in the test's own namespace."""
    found = set()
    for kind in ("shm", "sem", "msg"):
        with open(f"/proc/sysvipc/{kind}", encoding="ascii") as file:
            found |= {int(line.split()[0]) for line in list(file)[1:]}
    return found & {int(key, 16) for key in keys}


def carried(mode):
    need_namespace()
    t.run_directly([PROGRAM, mode])
    t.freeze("image.snap", [PROGRAM, mode], at="path:/snap/here")
    t.verify("image.snap")

    def start():
        again = t.restore("image.snap")
        t.check(again.status == 0 and again.err == b"", "restored:", again)

    t.every_start(start)
    if mode not in INFO:
        return
    t.check(INFO[mode] in t.run([t.SNAPIMG, "info", "image.snap"]).out, "info:", t.run([t.SNAPIMG, "info", "image.snap"]))
    t.check(not made_by(re.findall(rb"key (0x5e......)", t.run([t.SNAPIMG, "info", "image.snap"]).out)), "stayed here")


def without_next_id():
    """Where /proc/sys can't be written, as in containers, ids are reached by making and removing. In a new namespace, for those
    of an old one may be far away."""
    need_namespace()
    inside = ["unshare", "--user", "--map-root-user", "--ipc", "--mount"]
    probe = t.run([*inside, "sh", "-c", "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys"])
    if probe.status != 0:
        t.skip(probe.err.decode(errors="replace").strip())
    made = t.run([*inside, t.SNAPTRACE, "-q", "-o", "image.snap", "--at", "path:/snap/here", "--", PROGRAM, "late_id"])
    t.check(made.status == 0, made)
    script = 'mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "$@"'
    for prefix in ([], [*inside, "sh", "-c", script, "sh"]):
        again = t.run([*prefix, t.SNAPRUN, "image.snap"])
        t.check(again.status == 0 and again.err == b"", "restored:", prefix, again)


def no_namespace():
    t.run_directly([PROGRAM, "semaphores"])
    t.freeze("image.snap", [PROGRAM, "semaphores"], at="path:/snap/here")
    result = t.run([DENIED, t.SNAPRUN, "--ids=new", "image.snap"])
    t.one_line(result, 125, "image.snap", "System V objects", "no IPC namespace can be made", "administrator", tool="snaprun: ")


def refused(kind, argument, begin, meanwhile, end, words):
    """begin, meanwhile, end: what this test, another process, does to the object before, while and after the program has it."""
    begin()
    traced = subprocess.Popen([t.SNAPTRACE, "-o", "image.snap", "--at", "path:/snap/here", "--", PROGRAM, kind, argument],
                              env=t.PLAIN_ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    number = traced.stdout.readline()
    try:
        if number:
            meanwhile(int(number))
        _, err = traced.communicate(b"x", 60)
    finally:
        if number:
            end(int(number))
    if traced.returncode == 1 and b"status 77" in err:
        t.skip(err.decode(errors="replace").splitlines()[0])
    lines = err.decode().splitlines()
    t.check(traced.returncode == 125 and len(lines) == 1 and all(word in lines[0] for word in words), traced.returncode, err)
    t.check(not os.path.exists("image.snap"), "an image was written")


def nothing(*_):
    pass


def segment(before, *words):
    key = 0x5d000000 | os.getpid() & 0xffffff
    attached = []

    def attach(number):
        attached.append(libc.shmat(number, None, 0))

    def remove(number):
        for address in attached:
            libc.shmdt(address)
        libc.shmctl(number, IPC_RMID, None)

    refused("segment", str(key), (lambda: libc.shmget(key, 4096, IPC_CREAT | 0o600)) if before else nothing,
            nothing if before else attach, remove, words)


def queue(before, *words):
    name = f"/snaptrace-test-given-{os.getpid()}"

    def open_it(*_):
        return libc.mq_open(name.encode(), os.O_RDWR | os.O_CREAT, 0o600, None)

    refused("queue", name, (lambda: os.close(open_it())) if before else nothing, nothing if before else open_it,
            lambda _: libc.mq_unlink(name.encode()), words)


ROWS = {name: (lambda mode=name.rsplit("_", 1)[1]: carried(mode)) for name in
        ("carried_sysv_segments", "carried_sysv_semaphores", "carried_sysv_queues", "carried_sysv_tree")}
ROWS["carried_posix_queues"] = lambda: carried("posix_queues")
ROWS["carried_posix_queue_tree"] = lambda: carried("posix_queue_tree")
ROWS["carried_sysv_without_next_id"] = without_next_id
ROWS["refused_sysv_no_namespace"] = no_namespace
ROWS["refused_sysv_from_before"] = lambda: segment(True, "System V shared memory that there was before", "ipcrm")
ROWS["refused_sysv_of_another"] = lambda: segment(False, "System V shared memory that another process has", "id ")
ROWS["refused_posix_queue_from_before"] = lambda: queue(True, "POSIX message queue that there was before", "descriptor ")
ROWS["refused_posix_queue_of_another"] = lambda: queue(False, "POSIX message queue that another process has open", "descriptor ")

if __name__ == "__main__":
    t.main(ROWS)
