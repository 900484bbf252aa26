"""Open descriptions that are no files with a name: a program opens one, is frozen, and checks it in each start: five
times, and where nothing of it can be there only once also two at once."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

OBJECTS = os.path.join(t.BUILD, "tests/capture/objects")
NAMED_OBJECTS = os.path.join(t.BUILD, "tests/capture/objects_named")
NAMED = ("object_fifos", "object_paths", "object_own_files", "object_owners", "object_notices", "object_terminals", "object_memberships")
ALONE = ("object_unix_listeners", "object_locks", "object_fifos")  # one address, one lock, one FIFO
SHARED = ("object_pipes", "object_events", "object_timers", "object_signal_descriptors", "object_epolls", "object_socket_pairs", "object_tcp_listeners", "object_udp_sockets",
          "object_memory_files", "object_deleted_files", "object_pid_descriptor") + NAMED[1:]


def clean():
    """The next run makes them anew."""
    for name in os.listdir("."):
        (shutil.rmtree if os.path.isdir(name) and not os.path.islink(name) else os.unlink)(name)


def start(image, env):
    again = t.run([t.SNAPRUN, image], env=env)
    t.check(again.status == 0 and again.err == b"", "restored:", again)


def carried(row):
    alone = {**t.PLAIN_ENV, "ALONE": "1"}
    program, mode = NAMED_OBJECTS if row in NAMED else OBJECTS, row[len("object_"):]
    direct = t.run([program, mode], env=alone)
    if direct.status == 77:
        t.skip(direct.err.decode(errors="replace").strip())
    t.check(direct.status == 0, "the direct run:", direct)
    clean()
    t.freeze("image.snap", [program, mode], at="path:/snap/here", env=alone)
    verified = t.run([t.SNAPIMG, "verify", "image.snap"])
    t.check(verified.status == 0, "verify:", verified)
    for form in ((), ("--json",)):
        told = t.run([t.SNAPIMG, "info", *form, "image.snap"])
        t.check(told.status == 0 and b"\"?\"" not in told.out and b" ?" not in told.out, "info:", told)
    t.every_start(lambda: start("image.snap", alone), together=False)
    if row in SHARED:
        clean()
        t.freeze("two.snap", [program, mode], at="path:/snap/here")
        t.every_start(lambda: start("two.snap", t.PLAIN_ENV))


ROWS = {row: (lambda r=row: carried(r)) for row in SHARED + ALONE}

if __name__ == "__main__":
    t.main(ROWS)
