"""The log of a tree, which misses nothing: beside strace, under a storm of forks, and nothing of it is felt."""
import collections
import functools
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = os.path.join(t.BUILD, "tests/tree")
STORM = os.path.join(HERE, "storm")
NEVER = "syscall:reboot"


def read_log(path="log"):
    """The JSON log as a list of objects; arguments as bytes."""
    with open(path, encoding="utf-8", errors="strict") as file:
        lines = [json.loads(line) for line in file]
    for line in lines:
        if "argv" in line:
            line["argv"] = [os.fsencode(word) for word in line["argv"]]
            line["path"] = os.fsencode(line["path"])
    return lines


def log_of(argv, **more):
    """Runs argv as it is and under the log, which must change nothing; returns the log."""
    direct = t.run(argv, **more)
    logged = t.trace("--log-exec=log", "--json", "--", *argv, **more)
    t.same(logged, direct)
    return read_log()


# --- the log

HARD = [b"plain", b"", b"a b", b"it's", b'"$HOME`x`\\', b"two\nlines\n", b"tab\there", bytes(range(1, 256)), b"\xff\xfe",
        "\u00fc\u2713\U0001f30d".encode(), b"-n", b"~", b"*", b"#", b"a=b", b"!x", b"\x1b[31m"]


def vectors():
    yield [b"/bin/true", *HARD]
    yield [b"/bin/true", *(b"%d" % i for i in range(10000))]
    yield [b"/bin/true", *(bytes([97 + i % 26]) * 100000 + b" %d\n" % i for i in range(20))]  # 2 MB in all


def log_vectors():
    for vector in vectors():
        done = [line for line in log_of(vector) if line["event"] == "exec"]
        t.check(len(done) == 1 and done[0]["argv"] == vector and done[0]["path"] == b"/bin/true", "as JSON:", done[0]["argv"][:3])
        text = t.trace("--log-exec=log", "--", *vector)
        t.check(text.status == 0 and text.err == b"", text)
        with open("log", "rb") as file:
            lines = file.read().split(b"\n")
        t.check(len(lines) == 3 and lines[2] == b"", "wanted two lines, got", len(lines) - 1)
        # A shell takes the rest of the line back; its words are too many for an argument of its own.
        with open("words", "wb") as file:
            file.write(b"printf '%s\\0' " + lines[0].split(b" exec /bin/true ", 1)[1] + b"\n")
        again = t.run(["bash", "words"]).out.split(b"\0")
        t.check(again[:-1] == vector, "by a shell:", [word for word in zip(again, vector) if word[0] != word[1]][:3])


def log_failures():
    os.mkdir("directory")
    for name, mode, content in (("no-permission", 0o644, "#!/bin/sh\n"), ("no-format", 0o755, "\x7fELFnot"),
                                ("no-interpreter", 0o755, "#!/nonexistent/sh\n")):
        with open(name, "w", encoding="latin1") as file:
            file.write(content)
        os.chmod(name, mode)
    code = "\n".join(["import os", "for name in ('nonexistent', 'directory', 'no-permission', 'no-format', 'no-interpreter'):",
                      "    try: os.execv('./' + name, [name, 'x y'])", "    except OSError as error: print(error.errno)"])
    lines = log_of(["/usr/bin/python3", "-c", code])
    failed = [(line["error"], line["path"], line["argv"]) for line in lines if line["event"] == "failed"]
    wanted = [("ENOENT", "nonexistent"), ("EACCES", "directory"), ("EACCES", "no-permission"), ("ENOEXEC", "no-format"),
              ("ENOENT", "no-interpreter")]
    t.check(failed == [(error, b"./" + name.encode(), [name.encode(), b"x y"]) for error, name in wanted], failed)


ODD_EXECS = """
import ctypes, os, threading
libc = ctypes.CDLL(None)
libc.execve(b'/bin/true', ctypes.c_void_p(8), None)
libc.execve(ctypes.c_void_p(8), None, None)
fd = os.open('/bin', os.O_PATH)
argv = (ctypes.c_char_p * 3)(b'from', b'a thread', None)
thread = threading.Thread(target=lambda: libc.syscall(322, fd, b'true', argv, None, 0))
thread.start()
thread.join()
"""


def log_odd():
    """What can't be read is told as it fails; execveat; and the exec of a thread that is not the first."""
    lines = log_of(["/usr/bin/python3", "-c", ODD_EXECS])
    tried = [(line["event"], line.get("error"), line["path"], line["argv"], line.get("directory")) for line in lines[1:-1]]
    wanted = [("failed", "EFAULT", b"/bin/true", [], None), ("failed", "EFAULT", b"@0x8", [], None)]
    t.check(tried[:2] == wanted and tried[2][:4] == ("exec", None, b"true", [b"from", b"a thread"]) and tried[2][4] > 2, tried)
    t.check(len({line["pid"] for line in lines}) == 1, lines)


def log_ends():
    lines = log_of(["/bin/sh", "-c", "(exit 3); sh -c 'kill -TERM $$'; sh -c 'kill -9 $$'; true & wait; exit 5"])
    t.check(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"]) for line in lines), lines)
    ends = collections.Counter(line.get("signal", line.get("status")) for line in lines if line["event"] in ("exited", "killed"))
    t.check(ends["SIGTERM"] == 1 and ends["SIGKILL"] == 1 and ends[3] == 1 and ends[5] == 1, ends)
    root = lines[0]["pid"]
    t.check(lines[-1]["pid"] == root and lines[-1]["status"] == 5, lines[-1])
    t.check(all(line["parent"] == root for line in lines if line["pid"] != root), lines)


def log_to_stderr():
    logged = t.trace("--log-exec", "--", "/bin/sh", "-c", "echo out; echo err >&2; exit 4")
    lines = logged.err.decode().splitlines()
    t.check(logged.status == 4 and logged.out == b"out\n" and lines[1] == "err", logged)
    t.check(lines[0].endswith(" exec /bin/sh /bin/sh -c 'echo out; echo err >&2; exit 4'"), lines)
    t.check(lines[2].endswith(" exited 4") and len(lines) == 3, lines)


def log_and_point():
    """Both: the image is made, and what ran until then is in the log."""
    done = t.trace("-q", "--log-exec=log", "--json", "--at", "main", "--in", "true", "-o", "image.snap", "sh", "-c", "env true; true")
    t.check(done.status == 0 and t.run([t.SNAPRUN, "image.snap"]).status == 0, done)
    t.check([line["argv"][0] for line in read_log() if line["event"] == "exec"] == [b"sh", b"env", b"true"], read_log())


# --- against strace

def make_project():
    os.mkdir("project")
    for i in range(8):
        with open(f"project/f{i}.c", "w") as file:
            file.write(f"int f{i}(void) {{ return {i}; }}\n")
    with open("project/Makefile", "w") as file:
        objects = " ".join(f"f{i}.o" for i in range(8))
        file.write(f"lib.a: {objects}\n\tar rc $@ {objects}\nclean:\n\trm -f {objects} lib.a\n")


TREES = {
    # name: (tools, what to prepare, argv); each can be run again and again
    "pipeline": ((), None, ["sh", "-c", "seq 100 | sort -r | head -n 3 | tr 1 x; (exit 9) | cat"]),
    "make": (("make",), make_project, ["sh", "-c", "make -s -C project clean; make -s -j4 -C project CC=cc"]),
    "configure": (("cc",), None, ["sh", "-c", "for h in stdio nonexistent; do echo \"#include <$h.h>\" > t.c; "
                                  "if cc -c t.c 2>/dev/null; then echo \"$h yes\"; else echo \"$h no\"; fi; done; uname; rm -f t.*"]),
    "git": (("git",), None, ["sh", "-c", "rm -rf r; git init -q r && cd r && printf '#!/bin/sh\\ntrue hook' > .git/hooks/pre-commit && "
                             "chmod +x .git/hooks/pre-commit && git -c user.name=a -c user.email=a@b -c gc.auto=0 commit -q --allow-empty -m 'a b'; "
                             "git log --format=%s"]),
    "perl": (("perl",), None, ["perl", "-e", "for (1 .. 15) { print `echo $_`; system('sh', '-c', \"exit $_\"); print $? >> 8, qq(\\n) }"]),
    "python": ((), None, ["/usr/bin/python3", "-c", "import subprocess as s\nfor i in range(15):\n"
                          "  print(s.run(['sh', '-c', f'echo {i}; exit {i}'], stdout=s.PIPE), s.run(f'exit {i}', shell=True).returncode)"]),
    "xargs": ((), None, ["sh", "-c", "seq 30 | xargs -P 4 -n 3 echo | wc -l"]),
    "daemon": ((), None, ["sh", "-c", "setsid sh -c '(/bin/true; /bin/echo gone > /dev/null; exit 6) &' ; exit 2"]),
    "wrappers": ((), None, ["timeout", "20", "env", "A=b c", "nice", "-n", "1", "sh", "-c", "echo \"$A\"; timeout -s KILL 0.1 sleep 30; exit 8"]),
    "find": ((), None, ["find", "/etc/hostname", "/etc/passwd", "-exec", "basename", "{}", ";", "-exec", "wc", "-l", "{}", "+"]),
}
ESCAPES = {"n": b"\n", "t": b"\t", "r": b"\r", "v": b"\v", "f": b"\f", '"': b'"', "\\": b"\\"}


def unescape(match):
    escaped = match.group(1).decode()
    return ESCAPES[escaped] if escaped in ESCAPES else bytes([int(escaped, 8)])


def unquote(text):
    """strace's C strings: ["a", "b"] as a list of bytes."""
    return [re.sub(rb"\\([0-7]{1,3}|.)", unescape, os.fsencode(word)) for word in re.findall(r'"((?:[^"\\]|\\.)*)"', text)]


def without_random(word):
    """Names of temporary files differ from run to run."""
    return re.sub(rb"/tmp/cc\w{6}", b"/tmp/cc", word)


def by_strace(argv):
    done = t.run(["strace", "-f", "-v", "-s", "2000000", "-e", "trace=execve,execveat", "-o", "strace.log",
                  *argv], timeout=200)
    execs, ends = collections.Counter(), collections.Counter()
    with open("strace.log", encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
    unfinished = {}
    for line in text.splitlines():
        pid, rest = line.split(None, 1)
        if rest.endswith("<unfinished ...>"):
            unfinished[pid] = rest[:-len("<unfinished ...>")]
            continue
        resumed = re.match(r"<\.\.\. execve(?:at)? resumed>(.*)", rest)
        if resumed:
            rest = unfinished.pop(pid, "") + resumed.group(1)
        call = re.match(r'execve\("(?:[^"\\]|\\.)*", \[((?:"(?:[^"\\]|\\.)*"(?:, )?)*)\], .*= (-?\d+)(?: (\w+))?', rest)
        if call:
            execs[(tuple(map(without_random, unquote(call.group(1)))), call.group(3) or "")] += 1
        end = re.match(r"\+\+\+ (?:exited with (\d+)|killed by (\w+))", rest)
        if end:
            ends[end.group(2) or int(end.group(1))] += 1
    return done, execs, ends


def compared(name):
    tools, prepare, argv = TREES[name]
    t.need("strace", *tools)
    if prepare:
        prepare()
    seen, execs, ends = by_strace(argv)
    logged = t.trace("--log-exec=log", "--json", "--", *argv, timeout=200)
    t.same(logged, seen)
    lines = read_log()
    ours = collections.Counter((tuple(map(without_random, line["argv"])), line.get("error", "")) for line in lines if line["event"] in ("exec", "failed"))
    our_ends = collections.Counter(line.get("signal", line.get("status")) for line in lines if line["event"] in ("exited", "killed"))
    t.check(ours == execs, "execs: only here", ours - execs, "only strace", execs - ours)
    t.check(our_ends == ends, "ends: only here", our_ends - ends, "only strace", ends - our_ends)


# --- storms of forks: nothing hangs, nothing is left

def storm(count, *words):
    marker = f"SNAPTEST_STORM={os.getpid()}"
    env = {**t.PLAIN_ENV, "SNAPTEST_STORM": str(os.getpid())}
    done = t.trace(*words, STORM, str(count), env=env, timeout=250)
    t.nothing_left(marker.encode())
    t.check(done.out == b"calm\n", done)
    return done


def storm_logged():
    done = storm(20000, "--log-exec=log", "--json")
    t.check(done.status == 0 and done.err == b"", done)
    kinds = collections.Counter(line["event"] for line in read_log())
    t.check(kinds["exited"] + kinds["killed"] == 20001 and kinds["killed"] == 2500, kinds)


def storm_filtered():
    done = storm(4000, "-o", "image.snap", "--at", NEVER, "--at", "path:/snap/never")
    t.check(done.status == 1 and b"ended with status 0 before a point was reached" in done.err, done)


def storm_every_call():
    """Without a filter every call stops."""
    done = storm(2000, "-o", "image.snap", "--continue", "--at", NEVER)
    t.check(done.status == 1 and not os.path.exists("image.snap"), done)


ROWS = {
    "log.vectors": log_vectors, "log.failures": log_failures, "log.odd": log_odd, "log.ends": log_ends, "log.stderr": log_to_stderr,
    "log.point": log_and_point,
    "storm.logged": storm_logged, "storm.filtered": storm_filtered, "storm.every-call": storm_every_call,
}
ROWS.update({f"compare.{name}": functools.partial(compared, name) for name in TREES})

if __name__ == "__main__":
    t.main(ROWS)
