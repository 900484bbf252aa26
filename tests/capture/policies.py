"""--fd and --tcp of snaptrace and snaprun: what descriptors become, whatever they are at the point."""
import os
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

POLICIES = os.path.join(t.BUILD, "tests/capture/policies")
READ, AGAIN, EVENTS, LISTENER, PIPE_READ, PIPE_WRITE, FIFO, UNIX, UNIX_OTHER = range(20, 29)


def freeze(*options):
    with open("data", "w") as file:
        file.write("0123456789")
    with open("other", "w") as file:
        file.write("abc")
    if not os.path.exists("fifo"):
        os.mkfifo("fifo")
        time.sleep(0.05)  # what is older than the program is not its own; processes begin at a tick of 10 ms
    t.freeze("image.snap", [POLICIES], options=options, at="path:/snap/here")


def told(*options, **more):
    result = subprocess.run([t.SNAPRUN, *options, "image.snap"], env=t.PLAIN_ENV, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, timeout=60, **more)
    t.check(result.returncode == 0 and result.stderr == b"", "restored:", result)
    return {int(number): (what, int(position)) for number, what, position in
            (line.split(" ") for line in result.stdout.decode().splitlines())}


def here(name):
    return os.path.realpath(name)


def check_all(seen):
    """AGAIN stays what it was when READ, whose description it shares, is something else."""
    t.check(seen[READ] == ("/dev/null", 0), seen)
    t.check(seen[AGAIN] == (here("data"), 3), seen)
    t.check(seen[EVENTS][0] == "closed", seen)
    t.check(seen[LISTENER] == (here("other"), 0), seen)
    t.check(seen[PIPE_READ][0] == "closed" and seen[PIPE_WRITE][0].startswith("pipe:"), seen)
    t.check(seen[UNIX][0].startswith("socket:") and seen[UNIX_OTHER][0] == "/dev/null", seen)


OPTIONS = (f"--fd={READ}=null", f"--fd={EVENTS}=close", "--fd", f"{LISTENER}=file:other", f"--fd={PIPE_READ}=close",
           f"--fd={UNIX_OTHER}=null")


def at_dump():
    freeze(*OPTIONS)
    for _ in range(2):
        check_all(told())


def at_restore():
    freeze()
    for _ in range(2):
        check_all(told(*OPTIONS))
    plain = told()
    t.check(plain[READ] == (here("data"), 3) and plain[EVENTS][0] == "anon_inode:[eventfd]", plain)


def inherit():
    """The caller's descriptor of that number; where it has none, closed."""
    freeze(f"--fd={READ}=inherit", f"--fd={EVENTS}=inherit")
    with open("other") as file:
        os.dup2(file.fileno(), READ, inheritable=True)
    seen = told(pass_fds=[READ])
    t.check(seen[READ] == (here("other"), 0) and seen[EVENTS][0] == "closed", seen)
    freeze()
    seen = told(f"--fd={READ}=inherit", f"--fd={LISTENER}=inherit", pass_fds=[READ])
    t.check(seen[READ] == (here("other"), 0) and seen[LISTENER][0] == "closed", seen)
    t.check(seen[AGAIN] == (here("data"), 3), seen)


def missing_file():
    """A file that isn't there any more is no matter where its descriptors are something else."""
    freeze()
    os.unlink("data")
    t.one_line(t.run([t.SNAPRUN, "image.snap"]), 125, "data", tool="snaprun: ")
    seen = told(f"--fd={READ}=null", f"--fd={AGAIN}=close")
    os.unlink("fifo")
    result = t.run([t.SNAPRUN, f"--fd={READ}=null", f"--fd={AGAIN}=close", "image.snap"])
    t.one_line(result, 125, "fifo", tool="snaprun: ")
    seen = told(f"--fd={READ}=null", f"--fd={AGAIN}=close", f"--fd={FIFO}=null")
    t.check(seen[READ][0] == "/dev/null" and seen[AGAIN][0] == "closed", seen)


MAKES_FIFO = """import os, socket, sys
os.umask(0o027)
os.mkfifo('own', 0o666)
end = os.open('own', os.O_RDWR | os.O_NONBLOCK)
os.write(end, b'waits')
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
os.path.exists('/snap/here')
print(oct(os.stat('own').st_mode), os.read(os.open('own', os.O_RDONLY | os.O_NONBLOCK), 100))
os.unlink('own')
"""


def fifo_made():
    """make removes its FIFO at its end, and each start has one again."""
    port = t.free_port()
    t.freeze("image.snap", ["/usr/bin/python3", "-c", MAKES_FIFO, str(port)], at="path:/snap/here")
    for _ in range(3):
        t.same(t.restore("image.snap"), t.Result(0, b"0o10640 b'waits'\n", b""))
        t.check(not os.path.exists("own"), "own")
    with socket.create_server(("127.0.0.1", port)):
        t.one_line(t.run([t.SNAPRUN, "image.snap"]), 125, str(port), tool="snaprun: ")
    t.check(not os.path.exists("own"), "what a refused start left")


def taken_address():
    """The same for a listening socket whose address another process has."""
    freeze()
    port = int(subprocess.run([t.SNAPIMG, "info", "image.snap"], stdout=subprocess.PIPE).stdout.decode()
               .split("127.0.0.1:")[1].split()[0])
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        t.one_line(t.run([t.SNAPRUN, "image.snap"]), 125, f"127.0.0.1:{port}", tool="snaprun: ")
        seen = told(f"--fd={LISTENER}=null")
        t.check(seen[LISTENER][0] == "/dev/null", seen)


def wrong():
    """What can't be meant is told in one line, by both."""
    freeze()
    for value in ("3", "x=null", "-1=null", "3=", "3=nulls", "3=file:", "99999999999=null", "1048576=null"):
        t.one_line(t.run([t.SNAPTRACE, "--fd", value, "true"]), 125, "--fd", value, tool="snaptrace: ")
        t.one_line(t.run([t.SNAPRUN, "--fd", value, "image.snap"]), 125, "--fd", value, tool="snaprun: ")
    t.one_line(t.run([t.SNAPTRACE, "--tcp=maybe", "true"]), 125, "--tcp", "maybe", tool="snaptrace: ")
    t.one_line(t.run([t.SNAPRUN, "--tcp=maybe", "image.snap"]), 125, "--tcp", "maybe", tool="snaprun: ")
    t.one_line(t.run([t.SNAPRUN, "--fd=77=null", "image.snap"]), 125, "77", tool="snaprun: ")
    t.one_line(t.run([t.SNAPRUN, f"--fd={READ}=file:/nowhere", "image.snap"]), 125, "/nowhere", tool="snaprun: ")
    for option in ("--fd=77=null", f"--fd={READ}=file:/nowhere"):
        t.one_line(t.run([t.SNAPTRACE, "-o", "no.snap", "--at", "path:/snap/here", option, "--", POLICIES]), 125,
                   "--fd", tool="snaptrace: ")
        t.check(not os.path.exists("no.snap"), "an image was written")


def say_at_once(listener, kept):
    while True:
        kept.append(listener.accept()[0])
        kept[-1].sendall(b"on its way")


def reset():
    """A connection to elsewhere is reset in every start; refused without --tcp=reset, and at a start that doesn't want it."""
    env, kept = dict(t.PLAIN_ENV), []
    for name, family, address in (("PORT", socket.AF_INET, "127.0.0.1"), ("PORT6", socket.AF_INET6, "::1")):
        try:
            listener = socket.create_server((address, 0), family=family)
        except OSError:
            continue
        env[name] = str(listener.getsockname()[1])
        threading.Thread(target=say_at_once, args=(listener, kept), daemon=True).start()
    for option in ((), ("--tcp=refuse",)):
        result = t.run([t.SNAPTRACE, *option, "-o", "no.snap", "--at", "path:/snap/here", "--", POLICIES, "reset"], env=env)
        t.check(result.status == 125 and b"a connected TCP socket can't be carried" in result.err, result)
    t.freeze("image.snap", [POLICIES, "reset"], options=("--tcp=reset",), at="path:/snap/here", env=env)

    def start(*option):
        again = t.run([t.SNAPRUN, *option, "image.snap"])
        t.check(again.status == 0 and again.err == b"", "restored:", again)

    start("--tcp=reset")
    t.every_start(start)
    t.one_line(t.run([t.SNAPRUN, "--tcp=refuse", "image.snap"]), 125, "--tcp=refuse", tool="snaprun: ")


def reset_waiting():
    """A connection that waits to be accepted is given up, too: the listening socket comes back without."""
    refused = os.path.join(t.BUILD, "tests/capture/refused_descriptors")
    t.freeze("image.snap", [refused, "waiting_connection"], options=("--tcp=reset",), at="path:/snap/here")
    again = t.run([t.SNAPRUN, "image.snap"])
    t.check(again.status == 0 and again.err == b"", "restored:", again)


ROWS = {"policy_at_dump": at_dump, "policy_at_restore": at_restore, "policy_inherit": inherit,
        "policy_missing_file": missing_file, "policy_taken_address": taken_address, "policy_wrong": wrong,
        "policy_fifo_made": fifo_made, "policy_reset": reset, "policy_reset_waiting": reset_waiting}

if __name__ == "__main__":
    t.main(ROWS)
