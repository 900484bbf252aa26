"""A terminal that the program inherited is the caller's of each start; its modes are the program's, if it set them."""
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

LIMIT = 30  # seconds that nothing takes unless it hangs


class Terminal:
    """A program in the foreground of a terminal of its own."""

    def __init__(self, argv, rows=24, columns=80, change=None, streams=(0, 1, 2)):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if change:
            modes = termios.tcgetattr(slave)
            change(modes)
            termios.tcsetattr(slave, termios.TCSANOW, modes)
        self.slave, self.seen = slave, b""
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
                for number in streams:
                    os.dup2(slave, number)
                os.close(self.master)
                os.closerange(3, 64)
                os.execvpe(argv[0], argv, {**t.PLAIN_ENV, "TERM": "xterm", "SNAP_CACHE": "off"})
            finally:
                os._exit(127)

    def until(self, word):
        """Reads the screen until the word is there."""
        self.seen = t.read_until(self.master, lambda seen: word in seen, self.seen)

    def type(self, text):
        os.write(self.master, text)

    def modes(self):
        return termios.tcgetattr(self.slave)

    def end(self):
        """Its exit status; all that it wrote is in `seen`."""
        end = time.monotonic() + LIMIT
        status = None
        while status is None:
            if select.select([self.master], [], [], 0.02)[0]:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    pass
            ended, found = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                status = os.waitstatus_to_exitcode(found)
            elif time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                t.check(False, "it hangs; saw", self.seen)
        while select.select([self.master], [], [], 0)[0]:
            try:
                got = os.read(self.master, 65536)
            except OSError:
                break
            self.seen += got
        os.close(self.master)
        os.close(self.slave)
        return status


def freeze(argv, at="path:/snap/here", **more):
    dump = Terminal([t.SNAPTRACE, "-q", "-o", "image.snap", "--at", at, "--timeout", "30s", "--", *argv], **more)
    status = dump.end()
    t.check(status == 0, "snaptrace:", status, dump.seen)


def start(**more):
    return Terminal([t.SNAPRUN, "image.snap"], **more)


def python(code):
    return ["/usr/bin/python3", "-c", "import os, signal, sys, termios, tty\n" + code]


RAW = ("before = termios.tcgetattr(0); resized = []\n"
       "signal.signal(signal.SIGWINCH, lambda *_: resized.append(1))\ntty.setraw(0)\nos.path.exists('/snap/here')\n"
       "os.write(1, b'READY'); key = os.read(0, 1)\nsize = os.get_terminal_size(0)\n"
       "termios.tcsetattr(0, termios.TCSANOW, before); print(key, size.columns, size.lines, bool(resized))")
# As libuv does, so that nothing of what was inherited is left.
ONCE_MORE = "".join(f"again = os.open(os.ttyname({n}), os.O_RDWR); os.dup2(again, {n}); os.close(again)\n" for n in range(3))


def raw():
    """A key is read without Enter, the new size is seen, and told if it is another."""
    for code, sizes in ((RAW, ((30, 100, b"True"), (24, 80, b"False"))), (ONCE_MORE + RAW, ((30, 100, b"True"),))):
        freeze(python(code))
        for rows, columns, told in sizes:
            program = start(rows=rows, columns=columns)
            program.until(b"READY")
            program.type(b"k")
            t.check(program.end() == 0 and b"b'k' %d %d %s" % (columns, rows, told) in program.seen, program.seen)


def told_at_once():
    """A program that waits for a key hears of the other size before there is one, whatever it waits in."""
    for wait in ("os.read(0, 1)", "import select; select.select([0], [], [])", "import select; select.poll().poll(30000)",
                 "__import__('time').sleep(30)"):
        freeze(python("def tell(*_):\n    os.write(1, b'SIZE %d ' % os.get_terminal_size(0).columns); os._exit(0)\n"
                      "signal.signal(signal.SIGWINCH, tell)\n" + wait), at="idle")
        program = start(rows=30, columns=100)
        t.check(program.end() == 0 and b"SIZE 100 " in program.seen, wait, program.seen)


def pager():
    """less, which opens the terminal again, in a larger one: it fills it, and ends by a key."""
    if not os.path.exists("/usr/bin/less"):
        t.skip("no less here")
    with open("lines", "w", encoding="utf-8") as file:
        file.writelines(f"line {i}\n" for i in range(300))
    freeze(["/usr/bin/less", "lines"], at="idle")
    program = start(rows=40, columns=132)
    program.until(b"line 38")
    program.type(b"q")
    t.check(program.end() == 0, program.seen)


def monitor():
    """htop in a larger terminal: what it draws reaches to the last row of that, and it ends by a key."""
    htop = shutil.which("htop") or t.skip("no htop here")
    freeze([htop], at="idle")
    for ids in ("auto", "new"):
        program = Terminal([t.SNAPRUN, "--ids=" + ids, "image.snap"], rows=40, columns=132)
        program.until(b"Load average")  # drawn before, so it's drawn again for the other size only
        program.type(b"q")
        t.check(program.end() == 0 and b"\x1b[40;1H" in program.seen, program.seen)


def without_terminal():
    """Through a pipe it works as far as a direct start does."""
    freeze(python("tty.setraw(0)\nos.path.exists('/snap/here')\nprint(sys.stdin.readline().strip())"))
    result = t.run(["sh", "-c", 'echo "from a pipe" | "$1" image.snap', "sh", t.SNAPRUN])
    t.check(result == t.Result(0, b"from a pipe\n", b""), result)


SILENT = python("modes = termios.tcgetattr(0); modes[3] &= ~termios.ECHO\ntermios.tcsetattr(0, termios.TCSANOW, modes)\n"
                "os.path.exists('/snap/here')\nos.write(1, b'READY'); print(len(sys.stdin.readline()))")


def silent(**dump):
    """A password is not shown on the new terminal."""
    freeze(SILENT, **dump)
    program = start()
    program.until(b"READY")
    program.type(b"secret\n")
    t.check(program.end() == 0 and b"secret" not in program.seen and b"7" in program.seen, program.seen)


def no_echo(modes):
    modes[3] &= ~termios.ECHO


def silent_already():
    """The same where the terminal was without an echo when the image was made: the program set it all the same."""
    silent(change=no_echo)


def erase_is_x(modes):
    modes[6][termios.VERASE] = b"x"


def put_back():
    """A program that has put the modes back leaves the new terminal as it is."""
    freeze(python("before = termios.tcgetattr(0); tty.setraw(0); termios.tcsetattr(0, termios.TCSANOW, before)\n"
                  "os.path.exists('/snap/here')\nprint(termios.tcgetattr(0)[6][termios.VERASE])"))
    program = start(change=erase_is_x)
    t.check(program.end() == 0 and b"b'x'" in program.seen, program.seen)


def untouched():
    freeze(python("os.path.exists('/snap/here')\nprint(termios.tcgetattr(0)[6][termios.VERASE])"))
    program = start(change=erase_is_x)
    t.check(program.end() == 0 and b"b'x'" in program.seen, program.seen)


REOPENED = python("again = os.open(os.ttyname(0), os.O_RDWR | os.O_NONBLOCK); own = os.open('/dev/tty', os.O_RDWR)\n"
                  "os.path.exists('/snap/here')\nos.write(again, b'READY\\n'); os.write(own, b'own\\n')\n"
                  "line = os.read(own, 100); import fcntl\n"
                  "print(line, fcntl.fcntl(0, fcntl.F_GETFL) & os.O_NONBLOCK, fcntl.fcntl(again, fcntl.F_GETFL) & os.O_NONBLOCK)")


def reopened():
    """The terminal that the program opened once more, by its name or as /dev/tty, is the caller's, with flags of its own."""
    freeze(REOPENED)
    program = start()
    program.until(b"own")
    program.type(b"line\n")
    t.check(program.end() == 0 and b"b'line\\n' 0 %d" % os.O_NONBLOCK in program.seen, program.seen)


def reopened_elsewhere():
    """With a pipe for what was the terminal, that is opened once more."""
    freeze(python("again = os.open(os.ttyname(1), os.O_WRONLY)\nos.path.exists('/snap/here')\nos.write(again, b'to the pipe\\n')"))
    result = t.run(["sh", "-c", '"$1" image.snap | cat', "sh", t.SNAPRUN])
    t.check(result == t.Result(0, b"to the pipe\n", b""), result)


def under_shell(*options):
    """By a shell that has no job control, which goes on to read from the terminal."""
    script = '"$@"; echo "status $?"; read -r line; echo "shell: $line"'
    return Terminal(["/bin/sh", "-c", script, "sh", t.SNAPRUN, *options, "image.snap"])


FOREGROUND = python("signal.signal(signal.SIGTTOU, signal.SIG_IGN); before = os.getpgrp(); os.setpgid(0, 0)\n"
                    "os.tcsetpgrp(0, os.getpgrp()); os.path.exists('/snap/here'); os.write(1, b'READY')\n"
                    "line = os.read(0, 100); own = os.tcgetpgrp(0) == os.getpgrp() == os.getpid(); print(line, own)")


def foreground():
    """A program in a process group of its own, as shells and editors are, has the terminal's keys; then its caller has them."""
    t.need_pid_namespace()
    freeze(FOREGROUND)
    program = start()
    program.until(b"READY")
    program.type(b"line\n")
    t.check(program.end() == 0 and b"b'line\\n' True" in program.seen, program.seen)
    program = under_shell("--ids=same")
    program.until(b"READY")
    program.type(b"line\n")
    program.until(b"status 0")
    program.type(b"again\n")
    t.check(program.end() == 0 and b"shell: again" in program.seen and b"b'line\\n' True" in program.seen, program.seen)


def shell():
    """bash with job control, at its prompt: it runs commands in the foreground, stops a job, and ends."""
    freeze(["/bin/bash", "--norc", "-i"], at="idle")
    program = start()
    for line, answer in ((b"echo $((6*7))", b"42\r\n"), (b"sh -c 'echo rea\"\"dy; exec sleep 30'", b"ready\r\n"), (b"\x1a", b"Stopped")):
        program.type(line if line == b"\x1a" else line + b"\n")
        program.until(answer)
    program.type(b"kill -9 %1\nexit 7\nexit 7\n")  # the first one may find that there was a stopped job
    t.check(program.end() == 7, program.seen)


def history():
    """node's REPL keeps what others wrote into its history, also into a new file of that name."""
    node = shutil.which("node") or t.skip("no node here")
    t.PLAIN_ENV["HOME"] = os.getcwd()
    name, wanted = ".node_repl_history", {"old"}
    with open(name, "w", encoding="utf-8") as file:
        file.write("old\n")
    freeze([node], at="idle")
    for number in (1, 2, 3):
        if number == 3:
            with open("new", "w", encoding="utf-8") as file:
                file.write("replaced\n")
            os.replace("new", name)
            wanted = {"replaced"}
        program = start()
        program.type(b"100*%d\r" % number)
        program.until(b"%d00" % number)
        program.type(b".exit\r")
        t.check(program.end() == 0, program.seen)
        wanted.add(f"100*{number}")
        with open(name, encoding="utf-8") as file:
            t.check(wanted <= set(file.read().split("\n")), "start", number, "left", open(name, "rb").read(), program.seen)


ROWS = {"terminal_history": history, "terminal_foreground": foreground, "terminal_shell": shell, "terminal_raw": raw, "terminal_told_at_once": told_at_once, "terminal_pager": pager, "terminal_monitor": monitor, "terminal_piped": without_terminal, "terminal_silent": silent,
        "terminal_silent_already": silent_already, "terminal_put_back": put_back, "terminal_untouched": untouched,
        "terminal_reopened": reopened, "terminal_reopened_elsewhere": reopened_elsewhere}

if __name__ == "__main__":
    t.main(ROWS)
