"""Job control in trees: on the caller's terminal, and on those that the tree has itself."""
import os
import pty
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

BASH = ["bash", "--norc", "--noediting", "-i"]
ENV = {**t.PLAIN_ENV, "PS1": "READY> ", "TERM": "dumb", "SNAP_CACHE": "off"}
# A job in the background, which is another program and sleeps when the shell's prompt comes.
SLEEPER = b"sleep 1000 & until read -r stat </proc/$!/stat && [[ $stat == *'(sleep) S'* ]]; do :; done\n"
# A job that reads the terminal; the second `test` is where it is frozen.
JOB = "sh -c 'echo at the point; test -e /snap/here; while read -r x; do echo got $x; done'"


class Terminal:
    """A program that leads the session of a terminal, in whose foreground it is."""

    def __init__(self, argv):
        self.seen = b""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                os.execvpe(argv[0], argv, ENV)
            finally:
                os._exit(127)

    def expect(self, pattern):
        """Reads until it is there; returns what stands before its end."""
        self.seen = t.read_until(self.master, lambda seen: re.search(pattern, seen), self.seen)
        end = re.search(pattern, self.seen).end()
        before, self.seen = self.seen[:end], self.seen[end:]
        return before

    def send(self, line):
        os.write(self.master, line)

    def end(self):
        """Its status; `seen` has what was not looked at. No more comes when the session's leader has ended."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        try:
            while more := os.read(self.master, 4096):
                self.seen += more
        except OSError:
            pass
        os.close(self.master)
        return status


def use_jobs(shell):
    """The job in the foreground answers, is stopped, goes on and is interrupted; the one in the background is ended."""
    shell.send(b"one\n")
    shell.expect(rb"got one\r\n")
    shell.send(b"\x1a")
    shell.expect(rb"\[2\]\+  Stopped .*\r\n(.*\r\n)*READY> ")
    shell.send(b"jobs\n")
    shell.expect(rb"\[1\]-  Running +sleep 1000 &\r\n\[2\]\+  Stopped .*\r\n(.*\r\n)*READY> ")
    shell.send(b"fg\n")
    shell.send(b"two\n")
    shell.expect(rb"got two\r\n")
    shell.send(b"\x03")
    shell.expect(rb"READY> ")
    shell.send(b"kill %1; wait $!; echo status $?\n")  # bash 5.3 may have forgotten %1 when it has told of its end
    shell.expect(rb"\nstatus 143\r\nREADY> ")
    shell.send(b"exit 4\n")


def callers():
    """bash -i with a job in the background and one in the foreground: the caller's terminal has the same one there."""
    t.need_pid_namespace()
    shell = Terminal([t.SNAPTRACE, "-q", "--whole", "-o", "image.snap", "--at", "path:/snap/here", "--", *BASH])
    shell.expect(rb"READY> ")
    shell.send(SLEEPER)
    shell.expect(rb"READY> ")
    shell.send(JOB.encode() + b"\n")
    status = shell.end()
    t.check(status == 0 and os.path.exists("image.snap"), "the freeze", status, shell.seen)
    info = t.run([t.SNAPIMG, "info", "image.snap"])
    t.check(info.out.count(b", in the foreground\n") == 1, info)
    for _ in range(2):
        shell = Terminal([t.SNAPRUN, "image.snap"])
        use_jobs(shell)
        t.check(shell.end() == 4, "the shell's end")
    outer = Terminal(BASH)  # it has its terminal back when the tree has ended
    outer.expect(rb"READY> ")
    outer.send(f"{t.SNAPRUN} image.snap\n".encode())
    use_jobs(outer)
    outer.expect(rb"READY> ")
    outer.send(b"echo ended $?\n")
    outer.expect(rb"\nended 4\r\nREADY> ")
    outer.send(b"exit 0\n")
    t.check(outer.end() == 0, "the outer shell's end")


# A shell on a terminal that the first process made: it drives that one's jobs after the start.
INSIDE = """
import os, pty, sys
sys.path.insert(0, sys.argv[1])
os.environ['SNAP_BUILD'] = sys.argv[2]
import terminals
shell = terminals.Terminal(terminals.BASH)
shell.expect(rb'READY> ')
shell.send(terminals.SLEEPER)
shell.expect(rb'READY> ')
shell.send(b'stty -echo\\n')
shell.expect(rb'READY> ')
shell.send(b'cat\\n')
shell.send(b'before\\n')
shell.expect(rb'before\\r\\n')
os.access('/snap/here', 0)
shell.send(b'one\\n')
shell.expect(rb'one\\r\\n')
shell.send(b'\\x1a')
shell.expect(rb'Stopped +cat\\r\\nREADY> ')
shell.send(b'jobs\\n')
shell.expect(rb'\\[1\\]-  Running +sleep 1000 &\\r\\n\\[2\\]\\+  Stopped +cat\\r\\nREADY> ')
shell.send(b'fg\\n')
shell.send(b'two\\n')
shell.expect(rb'two\\r\\n')
shell.send(b'\\x03')
shell.expect(rb'READY> ')
shell.send(b'kill %1; wait $!; echo status $?; exit 4\\n')
shell.expect(rb'status 143\\r\\n')
print('ended with', shell.end())
"""


def inside():
    """A shell whose controlling terminal is one of the tree's, as in tmux, xterm or script: it is so in each start."""
    t.need_pid_namespace()
    argv = ["/usr/bin/python3", "-B", "-c", INSIDE, os.path.dirname(os.path.abspath(__file__)), t.BUILD]
    t.same(t.run(argv), t.Result(0, b"ended with 4\n", b""))
    t.freeze("image.snap", argv, at="path:/snap/here")
    t.every_start(lambda: t.same(t.restore("image.snap"), t.Result(0, b"ended with 4\n", b"")))


ROWS = {"terminals.callers": callers, "terminals.inside": inside}

if __name__ == "__main__":
    t.main(ROWS)
