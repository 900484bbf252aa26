"""Programs that keep their IDs, each in its own way: right by default, with new IDs, and where no namespace can be made."""
import json
import os
import sys

HERE_DIR = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE_DIR, ".."))
import snaptest as t  # noqa: E402

HERE = "path:/snap/here"
RIGHT = b"right\n"
# $PPID of a child is the parent's real ID.
SHELL = '[ -e /snap/here ]; [ "$(sh -c \'echo $PPID\')" = $$ ] && echo right'
LOOP = """
import asyncio, os
async def main():
    await asyncio.sleep(0)
    os.path.exists("/snap/here")
    await asyncio.sleep(0.01)
    asyncio.get_running_loop()
    print("right")
asyncio.run(main())
"""
QUEUE = """
import multiprocessing, os, threading
queue = multiprocessing.get_context("fork").Queue()
queue.put(1)
assert queue.get() == 1
lock = threading.RLock()
lock.acquire()
own = os.getpid()
os.path.exists("/snap/here")
lock.release()
queue.put(2)
assert queue.get() == 2 and own == os.getpid()
assert threading.main_thread().native_id == threading.get_native_id()
print("right")
"""
RUBY = """
own = Process.pid
File.exist?("/snap/here")
Process.wait(fork { exit!(3) })
puts "right" if $?.exitstatus == 3 && own == Process.pid
"""
NODE = """
require("fs").existsSync("/snap/here");
if (process.pid == require("fs").readlinkSync("/proc/self"))
    console.log("right");
"""
JAVA = """
public class Own {
    public static void main(String[] words) throws Exception {
        long own = ProcessHandle.current().pid();
        new java.io.File("/snap/here").exists();
        if (own == Long.parseLong(new java.io.File("/proc/self").getCanonicalFile().getName()))
            System.out.println("right");
    }
}
"""
LISP = """
(progn
  (defvar *own* (sb-posix:getpid))
  (probe-file "/snap/here")
  (when (= *own* (sb-posix:getpid)) (format t "right~%"))
  (exit))
"""
CONSTRUCTOR = """
#include <unistd.h>
__attribute__((constructor)) static void meet(void) { access("/snap/here", F_OK); }
"""
LOADER = """
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
static void *open_late(void *name) { return dlopen(name, RTLD_NOW); }
int main(void)
{
	pthread_t thread;
	void *late = NULL, *first = dlopen("./plugin.so", RTLD_NOW);
	pthread_create(&thread, NULL, open_late, "libm.so.6");
	pthread_join(thread, &late);
	puts(first && late ? "right" : "wrong");
	return 0;
}
"""


def build(*argv):
    result = t.run(list(argv), env={**t.PLAIN_ENV, "TMPDIR": os.getcwd()})
    t.check(result.status == 0, result)


def write(name, text):
    with open(name, "w") as file:
        file.write(text)
    return name


def loader():
    """glibc's own lock, held by a thread that has met the point in a constructor."""
    t.need(t.CC)
    build(t.CC, "-shared", "-fPIC", "-o", "plugin.so", write("plugin.c", CONSTRUCTOR))
    build(t.CC, "-o", "main", write("main.c", LOADER), "-ldl", "-pthread")
    return ["./main"]


def golang():
    t.go_build("spin", os.path.join(HERE_DIR, "go_spin.go"))
    return ["./spin"]


def java():
    t.need("java", "javac")
    build("javac", "-d", ".", write("Own.java", JAVA))
    return ["java", "-XX:-UsePerfData", "-cp", ".", "Own"]


def of(*argv):
    def make():
        t.need(argv[0])
        return list(argv)
    return make


# name: (what makes the command, point, input)
PROGRAMS = {
    "bash": (of("bash", "-c", SHELL), HERE, b""),
    "dash": (of("dash", "-c", SHELL), HERE, b""),
    "perl": (of("perl", "-e", '$own = $$; -e "/snap/here"; print "right\\n" if $own == readlink "/proc/self"'), HERE, b""),
    "asyncio": (of("/usr/bin/python3", "-c", LOOP), HERE, b""),
    "multiprocessing": (of("/usr/bin/python3", "-c", QUEUE), HERE, b""),
    "loader-lock": (loader, HERE, b""),
    "go": (golang, HERE, b""),
    "java": (java, HERE, b""),
    "ruby": (of("ruby", "-e", RUBY), HERE, b""),
    "node": (of("node", "-e", NODE), HERE, b""),
    "swipl": (of("swipl"), "read:0", b"write(right), nl.\n"),
    "sbcl-number": (of("sbcl", "--noinform", "--eval", "(require :sb-posix)", "--eval", LISP), HERE, b""),
    "sbcl": (of("sbcl", "--noinform", "--eval", '(progn (format t "right~%") (exit))'), "main", b""),
}


def is_among_numbers():
    """Whether the program has its ID, by accident or not, where it has other numbers of that size."""
    info = t.run([t.SNAPIMG, "info", "--json", "image.snap"])
    t.check(info.status == 0, info)
    return any(place["kind"] == "number among others" for place in json.loads(info.out)["ids"])


# A thread had a small ID, for others had used up the rest meanwhile; or a word equals an ID, once in some hundred freezes.
BY_ACCIDENT = {"common number", "number in an odd place"}


def right(name):
    make, point, given = PROGRAMS[name]
    argv = make()
    for _ in range(3):
        t.freeze("image.snap", argv, at=point)
        if not BY_ACCIDENT & t.kept_ids("image.snap"):
            break
    denied = os.path.join(t.PROGRAMS, "denied-pie")
    starts = [[t.SNAPRUN, "image.snap"]] * 3
    if is_among_numbers():  # so it may be one of them, which is told where there is no namespace
        t.one_line(t.run([denied, t.SNAPRUN, "image.snap"], stdin=given), 125, "image.snap", "number among others", "--ids=new")
    elif name != "sbcl" or t.IS_ROOT:  # which needs its own /proc/self/exe, and nobody else can have that without a namespace
        starts += [[t.SNAPRUN, "--ids=new", "image.snap"], [denied, t.SNAPRUN, "image.snap"]]
    for start in starts:
        result = t.run(start, stdin=given)
        t.check(result.status == 0 and result.out.startswith(RIGHT), start, result)


ROWS = {f"ids.{name}": (lambda n=name: right(n)) for name in PROGRAMS}

if __name__ == "__main__":
    t.main(ROWS)
