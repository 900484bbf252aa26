"""Trees of processes in one image: all are as they were, to each other and to who started them."""
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = "path:/snap/here"
MODES = {
    "family": ("groups", "orphans", "stopped", "threads", "chain", "pidfds", "mains"),
    "shares": ("inherited", "between", "shared", "views", "files", "deleted", "sets", "place", "numbers", "ring"),
}


def family(program, mode):
    words = [os.path.join(t.BUILD, "tests/tree", program), mode]
    t.need_pid_namespace()
    t.run_directly(words)
    t.freeze("image.snap", words, at=HERE, options=["--io-uring"] if mode == "ring" else [])

    def start(image="image.snap"):
        started = t.restore(image)
        t.check(started.status == 0 and started.err == b"" and started.out == b"", "started:", started)

    t.every_start(start, together=mode not in ("files", "inherited", "numbers"))  # what two starts both write to is told
    thawed = t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"])
    t.check(thawed.status == 0, "snapimg thaw:", thawed)
    start("thawed.snap")


ALIKE = os.path.join(t.BUILD, "tests/tree/alike")


def alike():
    """What five processes have alike is in the image once, frozen and thawed, and what each of them writes is its own."""
    t.need_pid_namespace()
    t.run_directly([ALIKE])
    t.freeze("image.snap", [ALIKE], at=HERE)
    thawed = t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"])
    t.check(thawed.status == 0, "snapimg thaw:", thawed)
    size, once = os.path.getsize, 4 << 20
    t.check(once < size("image.snap") < 2 * once and once < size("thawed.snap") < 2 * once, "bytes:", size("image.snap"), size("thawed.snap"))

    def start(*image):
        t.same(t.restore(*image), t.Result(0, b"", b""))

    start("image.snap", None, None, ["--cache=off"])
    t.at_once(2, lambda: start("thawed.snap"))
    contents = [json.loads(t.run([t.SNAPIMG, "verify", "--json", name]).out).get("content") for name in ("image.snap", "thawed.snap")]
    t.check(contents[0] and contents[0] == contents[1], contents)


# A directory like mpirun's for its session: a file that was closed, one that a child writes, one that it only sees and its parent
# writes, and that child's own directory.
SESSION = """
import mmap, os, shutil, time
time.sleep(0.1)  # younger than the program, beyond what a clock's ticks tell
os.makedirs('session/inner/own')
os.chmod('session', 0o750)
with open('session/inner/closed', 'w') as file:
    file.write('closed')
parents = open('session/inner/parents', 'w')
parents.write('its ')
parents.flush()
go, told = os.pipe()
opened = os.open('session', os.O_RDONLY | os.O_DIRECTORY)
child = os.fork()
if child == 0:
    os.close(told)
    os.chdir('session/inner/own')
    parents.close()
    with open('../parents', 'rb') as file:
        seen = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    held = open('../held', 'w')
    held.write('one ')
    held.flush()
    os.read(go, 1)
    held.write('two')
    held.close()
    os._exit(7 if os.path.isdir('../own') and seen[:] == b'its ' else 1)
os.close(go)
while not (os.path.exists('session/inner/held') and os.path.getsize('session/inner/held') == 4):
    pass
os.path.exists('/snap/here')
os.close(told)
status = os.waitpid(child, 0)[1]
os.stat('inner', dir_fd=opened)
parents.write('own')
parents.close()
read = [open('session/inner/' + name).read() for name in ('closed', 'held', 'parents')]
print(read, oct(os.stat('session').st_mode & 0o777), status >> 8)
shutil.rmtree('session')
"""


def directory():
    """Directories that the tree made are made again with what was closed in them, but not where the start is refused."""
    t.need_pid_namespace()
    if not re.fullmatch(rb"[1-9]\d*\n", t.run(["stat", "-c", "%W", "."]).out):
        t.skip("this filesystem keeps no time of birth")
    wanted = t.Result(0, b"['closed', 'one two', 'its own'] 0o750 7\n", b"")
    t.freeze("image.snap", ["/usr/bin/python3", "-c", SESSION], at=HERE)
    with open("birth", "w") as file:
        file.flush()
    for _ in range(3):
        t.same(t.restore("image.snap"), wanted)
        t.check(not os.path.exists("session"), "the program has removed it")
    t.check(t.restore("image.snap", options=["--fd=5=birth"]).status == 125 and not os.path.exists("session"), "a refused start leaves none")


FORKED = """
import os
held = os.urandom(1 << 20) * 8
ready, go = os.pipe()
pids = [os.getpid()]
for _ in range(3):
    pids.append(os.fork())
    if pids[-1] == 0:
        os.read(ready, 1)
        os._exit(0)
def memory():
    lines = (line.split() for pid in pids for line in open(f"/proc/{pid}/smaps_rollup"))
    return sum(int(line[1]) for line in lines if line[0] == "Pss:")
before = memory()
os.path.exists("/snap/here")
print(memory() - before)
os.write(go, b"ggg")
"""


def stays_shared():
    """A freeze that a tree goes on from copies no page that its processes share since a fork."""
    frozen = t.run([t.SNAPTRACE, "-q", "--no-cache", "--continue", "--at", HERE, "-o", "image.snap", "--", "/usr/bin/python3", "-c", FORKED])
    t.check(frozen.status == 0 and frozen.err == b"", frozen)
    t.check(int(frozen.out) < 8 << 10, "KiB more:", frozen.out)


ODD = os.path.join(t.BUILD, "tests/tree/odd")
DENIED = os.path.join(t.BUILD, "tests/capture/denied")
# What clone(2) lets processes share, and other trees that can't be made again: the words of the refusal.
REFUSED = {
    "directory": ("that share their working directory (CLONE_FS), of which none made the other", "process"),
    "siblings": ("that share their descriptors (CLONE_FILES), of which none made the other", "process"),
    "memory": ("shares its memory with process", "later point"),
    "handlers": ("shares its memory with process", "later point"),
    "vfork": ("a thread that waits in vfork", "thread"),
    "thread-files": ("a thread with descriptors of its own", "thread"),
    "thread-directory": ("a thread with a working directory of its own", "thread"),
    "session": ("in a session that its parent was never in", "a child of process"),
    "name": ("with a relative name, in another directory", "name that begins with /"),
}


def refuse(mode, *before):
    frozen = t.run([*before, t.SNAPTRACE, "-q", "--no-cache", "--at", HERE, "-o", "image.snap", "--", ODD, mode])
    t.one_line(frozen, 125, *REFUSED[mode])
    t.check(not os.path.exists("image.snap"), "there is an image")


def where_kcmp_is_denied():
    """As in containers: what is shared is found by what a change in the one does to the other."""
    for mode in ("directory", "siblings", "thread-files", "thread-directory"):
        refuse(mode, DENIED)
    t.need_pid_namespace()
    for words in ([ODD, "alike"], *([os.path.join(t.BUILD, "tests/tree/shares"), mode] for mode in ("place", "numbers"))):
        frozen = t.run([DENIED, t.SNAPTRACE, "-q", "--no-cache", "--at", HERE, "-o", "image.snap", "--", *words])
        t.check(frozen.status == 0, frozen)
        if words[0] != ODD:
            t.same(t.restore("image.snap"), t.Result(0, b"", b""))


def crowd(mode):
    """Processes that make others or end while they are being stopped: all are in the image, or their ends."""
    t.need_pid_namespace()
    for _ in range(5):
        frozen = t.run([t.SNAPTRACE, "-q", "--no-cache", "--at", HERE, "-o", "image.snap", "--", ODD, mode])
        t.check(frozen.status == 0, frozen)
        t.same(t.restore("image.snap"), t.Result(7, b"", b""))


def namespace():
    if t.run(["unshare", "-U", "true"]).status != 0:
        t.skip("this user may make no user namespace")
    frozen = t.run([t.SNAPTRACE, "-q", "--at", HERE, "-o", "image.snap", "--", ODD, "namespace"])
    t.check(frozen.status == 125 and b"a namespace of the program's own can't be carried: user namespace of process" in frozen.err, frozen)
    t.check(not os.path.exists("image.snap"), "there is an image")


def attached_main_ended():
    """Whose main thread had ended before snaptrace came can't be traced: it is told so, and goes on."""
    with subprocess.Popen([ODD, "main"], stdout=subprocess.PIPE, env=t.PLAIN_ENV) as program:
        try:
            t.check(program.stdout.readline() == b"alone\n", "what it says")
            frozen = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "-p", str(program.pid)])
            t.one_line(frozen, 125, "main thread that has ended (pthread_exit) before snaptrace came", str(program.pid))
            t.check(program.poll() is None and not os.path.exists("image.snap"), "it goes on, and there is no image")
        finally:
            program.kill()


def of_session(session):
    """The processes that are in it, wherever their PID namespace is."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, _, _, its = file.read().rsplit(b")", 1)[1].split()[:4]
        except (OSError, ValueError):
            continue
        if name.isdigit() and int(its) == session and state not in b"ZX":
            found.append(int(name))
    return found


def kill_at_moments(argv, moments):
    """SIGKILL after each of these times: whoever was started with it ends, too."""
    for moment in moments:
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              start_new_session=True, env=t.PLAIN_ENV) as process:
            time.sleep(moment)
            process.kill()
            process.wait()
            end = time.monotonic() + 60
            while of_session(process.pid):
                t.check(time.monotonic() < end, "after", moment, "s these were left:", of_session(process.pid))
                time.sleep(0.005)


def killed():
    """snaptrace and snaprun, killed at any moment over a tree, leave no process and no file; a whole image, or none."""
    t.need_pid_namespace()
    freeze = [t.SNAPTRACE, "-q", "--no-cache", "--at", HERE, "-o", "image.snap", "--", ODD, "rest"]
    began = time.monotonic()
    t.check(t.run(freeze).status == 0, "the first one")
    took = time.monotonic() - began
    t.verify("image.snap")
    for number in range(40):
        if os.path.exists("killed.snap"):
            os.remove("killed.snap")
        kill_at_moments([word.replace("image", "killed") for word in freeze], [took * 1.2 * number / 40])
        if os.path.exists("killed.snap"):
            t.verify("killed.snap")
        t.check(set(os.listdir(".")) <= {"image.snap", "killed.snap"}, os.listdir("."))
    kill_at_moments([t.SNAPRUN, "image.snap"], [0.02 * number / 60 for number in range(60)])


ROWS = {f"family.{mode}": (lambda p=program, m=mode: family(p, m)) for program, modes in MODES.items() for mode in modes}
ROWS.update({f"refused.{mode}": (lambda m=mode: refuse(m)) for mode in REFUSED})
ROWS.update({"refused.no-kcmp": where_kcmp_is_denied, "refused.namespace": namespace,
             "refused.attached-main-ended": attached_main_ended, "killed": killed,
             "family.alike": alike, "family.directory": directory, "family.stays-shared": stays_shared,
             **{f"crowd.{mode}": (lambda m=mode: crowd(m)) for mode in ("relay", "ends", "spawns", "execs")}})

if __name__ == "__main__":
    t.main(ROWS)
