"""Trees of processes in one image: all are as they were, to each other and to who started them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

FAMILY = os.path.join(t.BUILD, "tests/tree/family")
HERE = "path:/snap/here"
MODES = ("inherited", "between", "groups", "orphans", "stopped", "shared", "deleted", "threads", "chain")


def family(mode):
    t.need_pid_namespace()
    t.run_directly([FAMILY, mode])
    t.freeze("image.snap", [FAMILY, mode], at=HERE)

    def start(image="image.snap"):
        started = t.restore(image)
        t.check(started.status == 0 and started.err == b"" and started.out == b"", "started:", started)

    t.every_start(start)
    thawed = t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"])
    t.check(thawed.status == 0, "snapimg thaw:", thawed)
    start("thawed.snap")


ODD = os.path.join(t.BUILD, "tests/tree/odd")
DENIED = os.path.join(t.BUILD, "tests/capture/denied")
# What clone(2) lets processes share, and other trees that can't be made again: the words of the refusal.
REFUSED = {
    "files": ("that share their descriptors (CLONE_FILES)", "process"),
    "directory": ("that share their working directory (CLONE_FS)", "process"),
    "siblings": ("that share their descriptors (CLONE_FILES)", "process"),
    "set": ("an epoll set that several processes have", "descriptor"),
    "session": ("in a session that its parent was never in", "a child of process"),
    "name": ("with a relative name, in another directory", "name that begins with /"),
}


def refuse(mode, *before):
    frozen = t.run([*before, t.SNAPTRACE, "-q", "--no-cache", "--at", HERE, "-o", "image.snap", "--", ODD, mode])
    t.one_line(frozen, 125, *REFUSED[mode])
    t.check(not os.path.exists("image.snap"), "there is an image")


def where_kcmp_is_denied():
    """As in containers: what is shared is found by what a change in the one does to the other."""
    for mode in ("files", "directory", "siblings"):
        refuse(mode, DENIED)
    frozen = t.run([DENIED, t.SNAPTRACE, "-q", "--at", HERE, "-o", "image.snap", "--", ODD, "alike"])
    t.check(frozen.status == 0, frozen)


def foreground():
    """A terminal's foreground that a child's group has is refused: a start would have it in the background."""
    parent, child = os.forkpty()
    if parent == 0:
        os.execve(t.SNAPTRACE, [t.SNAPTRACE, "-q", "--at", HERE, "-o", "image.snap", "--", ODD, "foreground"], t.PLAIN_ENV)
    t.read_until(child, lambda seen: b"foreground is a child's process group" in seen)
    t.check(os.waitstatus_to_exitcode(os.waitpid(parent, 0)[1]) == 125, "the exit status")
    os.close(child)


ROWS = {f"family.{mode}": (lambda m=mode: family(m)) for mode in MODES}
ROWS.update({f"refused.{mode}": (lambda m=mode: refuse(m)) for mode in REFUSED})
ROWS.update({"refused.no-kcmp": where_kcmp_is_denied, "refused.foreground": foreground})

if __name__ == "__main__":
    t.main(ROWS)
