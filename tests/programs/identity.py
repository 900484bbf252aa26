"""--same-ids and --exe: a program that is started with the ids it had, and what its caller sees of it."""
import os
import pty
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = "path:/snap/here"
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
             signal.SIGWINCH, signal.SIGALRM)


def freeze(kind="pie", *words):
    t.need_pid_namespace()
    path = t.program(f"ids-{kind}")
    t.freeze("image.snap", [path, *words], at=HERE)
    return path


class Started:
    """A program that tells when it is ready and then obeys."""

    def __init__(self, *options, **more):
        self.process = subprocess.Popen([t.SNAPRUN, *options, "image.snap"], stdin=subprocess.PIPE, env=t.PLAIN_ENV,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, **more)
        self.first = self.line()
        if not self.first:
            raise t.Failure(f"it did not start: {self.process.stderr.read().decode()}")

    def line(self):
        return self.process.stdout.readline().decode().rstrip("\n")

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def ends(self, status):
        self.process.stdin.close()
        rest = self.process.stdout.read()
        ended = self.process.wait(100)
        t.check(ended == status, "wanted status", status, "got", ended, self.process.stderr.read().decode())
        return rest


def same_ids(kind):
    """Five times, two at once: both have the same ids, each in its own namespace."""
    path = freeze(kind)
    for _ in range(5):
        t.check(Started("--same-ids").ends(0) == b"", "output")
    for one in [Started("--same-ids") for _ in range(2)]:
        t.check(one.first.split()[0] == path, "/proc/self/exe:", one.first)
        one.ends(0)


def statuses():
    freeze()
    for number in (0, 1, 42, 255):
        one = Started("--same-ids")
        one.tell(f"e {number}")
        one.ends(number)
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGPIPE, 40):
        one = Started("--same-ids")
        one.tell(f"k {int(number)}")
        one.ends(-number)


def signals():
    freeze()
    one = Started("--same-ids")
    for number in PASSED_ON:
        one.process.send_signal(number)
        t.check(one.line() == f"signal {int(number):02}", number)
    t.check(one.ends(0) == b"", "told twice")


def stops():
    """It stops, and its caller sees it stopped; a SIGCONT to what the caller started lets it go on. Five times."""
    freeze()
    one = Started("--same-ids")
    for _ in range(5):
        one.tell(f"k {int(signal.SIGSTOP)}")
        _, status = os.waitpid(one.process.pid, os.WUNTRACED)
        t.check(os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGSTOP, "wait status", status)
        one.process.send_signal(signal.SIGCONT)
        t.check(one.line() == "went on", "line")
    one.ends(0)


def signal_to_parent():
    """Its parent is there by the ID that it had, and what the program sends to it does not come back."""
    t.need_pid_namespace()
    code = """import os, signal
parent = os.getppid()
os.path.exists('/snap/here')
os.kill(os.getppid(), signal.SIGUSR1)
print(parent == os.getppid(), os.read(0, 1))"""
    t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at=HERE)
    t.same(t.restore("image.snap", options=("--same-ids",), stdin=b"x"), t.Result(0, b"True b'x'\n", b""))


def ignored_child_signal():
    """A caller that ignores SIGCHLD hands that on, and yet the program's end is not lost."""
    freeze()

    def ignoring():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    one = subprocess.Popen([t.SNAPRUN, "--same-ids", "image.snap"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           preexec_fn=ignoring, stderr=subprocess.DEVNULL)
    out, _ = one.communicate(b"e 5\n", timeout=100)
    # The program itself then finds no child to wait for, which is what ends it.
    t.check(one.returncode == 1 and out == b"", one.returncode, out)


def keeper_killed():
    """Who kills what he started kills the program: its streams close."""
    freeze()
    one = Started("--same-ids")
    one.process.kill()
    t.check(one.process.stdout.read() == b"" and one.process.wait(100) == -signal.SIGKILL, "end")


def left_behind():
    """What the program leaves running goes on after its end."""
    freeze()
    one = Started("--same-ids")
    one.tell("d")
    t.check(one.ends(3) == b"left\n", "the child's line")


def streams_close():
    """Neither the keeper nor init holds the program's streams: its reader sees their end while it runs on."""
    t.need_pid_namespace()
    code = "import os\nos.path.exists('/snap/here')\nos.close(1)\nos.read(0, 1)"
    t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at=HERE)
    one = subprocess.Popen([t.SNAPRUN, "--same-ids", "image.snap"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    t.check(one.stdout.read() == b"", "the stream's end")
    t.check(one.poll() is None, "it runs still")
    one.communicate(b"x", timeout=100)
    t.check(one.returncode == 0, one.returncode)


def terminal_interrupt():
    """Ctrl-C and a new window size reach it once, in a session of its own."""
    freeze()
    pid, master = pty.fork()
    if pid == 0:
        os.execv(t.SNAPRUN, [t.SNAPRUN, "--same-ids", "image.snap"])
    with os.fdopen(master, "rb+", buffering=0) as terminal:
        terminal.readline()
        terminal.write(b"\x03")
        lines = [read_until(terminal, b"signal 02\r\n")]
        terminal.write(b"e 6\n")
        lines.append(read_all(terminal))
    _, status = os.waitpid(pid, 0)
    t.check(os.waitstatus_to_exitcode(status) == 6, status, lines)
    t.check(b"".join(lines).count(b"signal 02") == 1, lines)


def read_all(terminal):
    """Up to the end of a terminal that nobody has open any more (EIO)."""
    data = b""
    try:
        while part := terminal.read(1000):
            data += part
    except OSError:
        pass
    return data


def read_until(terminal, wanted):
    data = b""
    while not data.endswith(wanted):
        part = terminal.read(1)
        t.check(part, "the terminal closed after", data)
        data += part
    return data


SERVER = """
import asyncio, os
async def serve(reader, writer):
    writer.write(b"%d " % os.getpid() + await reader.readline())
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    os.path.exists("/snap/here")
    try:
        asyncio.get_running_loop()
        print("the loop")
    except RuntimeError as reason:
        print(reason)
        asyncio._set_running_loop(loop)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"answer\\n")
    pid, answer = (await reader.readline()).split()
    print(int(pid) == os.getpid(), answer)
    writer.close()
    server.close()
asyncio.run(main())
"""


def asyncio_server():
    """CPython remembers the process that a loop runs in: it goes on inside of a coroutine with the same ID and with another."""
    t.freeze("image.snap", ["/usr/bin/python3", "-c", SERVER], at=HERE)
    for options in ((), ("--ids=new",)) * 3:
        t.same(t.restore("image.snap", options=options), t.Result(0, b"the loop\nTrue b'answer'\n", b""))
    t.need_pid_namespace()
    t.same(t.restore("image.snap", options=("--same-ids",)), t.Result(0, b"the loop\nTrue b'answer'\n", b""))


SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], [sys.argv[1], "--same-ids", "image.snap"])
for times in range(3):
    _, status = os.waitpid(job, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpid())
    if not os.WIFSTOPPED(status):
        break
    os.write(1, b"stopped\\n")
    os.tcsetpgrp(0, job)
    os.kill(-job, signal.SIGCONT)
os.write(1, b"ended %d\\n" % os.waitstatus_to_exitcode(status))
"""


def terminal_stop():
    """Ctrl-Z stops the job for the shell, fg lets it go on and it reads from the terminal again. Twice."""
    freeze()
    pid, master = pty.fork()
    if pid == 0:
        os.execv("/usr/bin/python3", ["python3", "-c", SHELL, t.SNAPRUN])
    with os.fdopen(master, "rb+", buffering=0) as terminal:
        terminal.readline()
        for _ in range(2):
            terminal.write(b"\x1a")
            read_until(terminal, b"stopped\r\n")
            terminal.write(b"k 10\n")
            read_until(terminal, b"went on\r\n")
        terminal.write(b"e 4\n")
        rest = read_all(terminal)
    os.waitpid(pid, 0)
    t.check(rest.endswith(b"ended 4\r\n"), rest)


def forbidden(options, *said):
    """Where no user namespace may be made, one line tells so, and --fallback starts the program all the same."""
    freeze("pie", "exe")
    code = 'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -all "$@"'
    jail = ["unshare", "-U", "-r", "sh", "-c", code, "sh", t.SNAPRUN, *options]
    made = t.run(jail[:6] + ["sh", "true"])
    if made.status != 0:
        t.skip("this machine allows no user namespace to forbid them in")
    t.one_line(t.run([*jail, "image.snap"]), 125, *said, "user namespace", "max_user_namespaces", tool="snaprun: ")
    result = t.run([*jail, "--fallback", "-q", "image.snap"], stdin=b"e 3\n")
    t.check(result.status == 3, "--fallback:", result)


def exe(kind):
    """--exe: /proc/self/exe is the program's own, its identity and its one process are as they were."""
    path = freeze(kind, "exe")
    one = Started("--ids=new", "--exe")
    t.check(one.first.split()[0] == path, "/proc/self/exe:", one.first)
    t.check(re.search(r"^PPid:\s*%d$" % os.getpid(), open(f"/proc/{one.process.pid}/status").read(), re.M), "its parent")
    t.check(os.readlink(f"/proc/{one.process.pid}/exe") == path, "/proc/PID/exe")
    one.tell("e 8")
    one.ends(8)


def exe_asked():
    """A program that is frozen at main and has the name /proc/self/exe in its file finds its own there, in one process."""
    path = t.program("ids-pie")
    t.freeze("image.snap", [path, "exe"], at="main")
    one = Started()
    if one.first.split()[0] != path and t.run(["unshare", "-U", "true"]).status != 0:
        t.skip("this machine allows no user namespace")
    t.check(one.first.split()[0] == path, "/proc/self/exe:", one.first)
    t.check(re.search(r"^PPid:\s*%d$" % os.getpid(), open(f"/proc/{one.process.pid}/status").read(), re.M), "its parent")
    one.ends(0)


def exe_told():
    """Whether /proc/self/exe is the program's own or not, -v says so: stat(2) of it is the kernel's to answer."""
    code = "import os\nown = os.stat('/proc/self/exe')\nos.path.exists('/snap/here')\nprint(own == os.stat('/proc/self/exe'))"
    t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at=HERE)
    result = t.restore("image.snap", options=("-v", "--ids=new"))
    told = b"/proc/self/exe shows" in result.err
    t.check(result.status == 0 and result.out == (b"False\n" if told else b"True\n"), result)


def own_file(kind):
    """Without any capability or namespace, the C library's functions know the program's own file, and execute it."""
    path = t.program(f"own_file-{kind}")
    direct = t.run([path])
    t.check(direct.status == 0 and direct.out.count(b" started\n") == 9, direct)
    t.freeze("image.snap", [path], at=HERE)
    drop = ["setpriv", "--bounding-set", "-all"] if t.IS_ROOT else []
    started = t.run([*drop, t.SNAPRUN, "--ids=new", "image.snap"])
    t.check((started.status, sorted(started.out.split()), started.err) ==
            (0, sorted(direct.out.split()), b""), started)


def distinct():
    """The program's ID is one that is seldom another number; others may take it, so one of several will do."""
    with open("/proc/sys/kernel/pid_max", encoding="ascii") as file:
        if int(file.read()) < 0x4100:
            t.skip("kernel.pid_max is too low for such an ID")
    code = "import os\nprint(os.getpid(), flush=True)\nos.path.exists('/snap/here')"
    seen = []
    for _ in range(20):
        result = t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at=HERE)
        seen.append(int(result.out))
        if seen[-1] >= 0x10000 or seen[-1] >= 0x4000 and seen[-1] % 256 in range(0x85, 0x100, 8):
            return
        os.unlink("image.snap")
    t.check(False, "IDs:", seen)


KINDS = ("pie", "static", "musl", "muslstatic")
ROWS = {f"same-ids.{kind}": (lambda k=kind: same_ids(k)) for kind in KINDS}
ROWS.update({f"exe.{kind}": (lambda k=kind: exe(k)) for kind in KINDS})
ROWS.update({f"own-file.{kind}": (lambda k=kind: own_file(k)) for kind in ("pie", "nopie", "musl")})
ROWS.update({f"{name}.forbidden": (lambda o=options, s=said: forbidden(o, s))
             for name, options, said in (("same-ids", ["--same-ids"], "--ids=same"), ("exe", ["--ids=new", "--exe"], "--exe"))})
ROWS.update({
    "exe.asked": exe_asked,
    "exe.told": exe_told,
    "ids-distinct": distinct,
    "same-ids-asyncio": asyncio_server,
    "same-ids-status": statuses,
    "same-ids-signals": signals,
    "same-ids-stops": stops,
    "same-ids-parent": signal_to_parent,
    "same-ids-ignored": ignored_child_signal,
    "same-ids-killed": keeper_killed,
    "same-ids-left": left_behind,
    "same-ids-streams": streams_close,
    "same-ids-interrupt": terminal_interrupt,
    "same-ids-stop-key": terminal_stop,
})

if __name__ == "__main__":
    t.main(ROWS)
