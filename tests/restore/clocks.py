"""A program goes on where the monotonic clock is behind what it has seen, as after a reboot: its waits keep what remained. The
image is made in a time namespace that is ten days ahead; a wait that is wrong would last as long, and the test's limit ends it."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

WAITS = os.path.join(t.BUILD, "tests/restore/clocks")
TEN_DAYS = "864000"
AHEAD = ["unshare", *([] if t.IS_ROOT else ["--map-current-user"]), "--time", "--monotonic", TEN_DAYS, "--boottime", TEN_DAYS]

PYTHON = """
import os, queue, threading
asked = queue.Queue()
def wait():
    try:
        asked.get(timeout=1)
    except queue.Empty:
        pass
waiting = threading.Thread(target=wait)
waiting.start()
os.path.exists("/snap/here")
waiting.join()
"""
NODE = """
let ticks = 0;
const timer = setInterval(() => { if (++ticks === 3) clearInterval(timer); }, 500);
require("fs").existsSync("/snap/here");
"""
JAVA = """
import java.util.concurrent.*;
public class Waits {
    public static void main(String[] words) throws Exception {
        ScheduledExecutorService service = Executors.newScheduledThreadPool(1);
        Future<?> later = service.schedule(() -> { }, 1, TimeUnit.SECONDS);
        new java.io.File("/snap/here").exists();
        later.get();
        service.shutdown();
    }
}
"""
GO = """
package main
import ("os"; "time")
func main() {
	ticker := time.NewTicker(500 * time.Millisecond)
	os.Stat("/snap/here")
	<-ticker.C
	<-ticker.C
}
"""


def freeze_ahead(argv, at="path:/snap/here"):
    if t.run([*AHEAD, "true"]).status != 0:
        t.skip("no time namespace can be made (unshare --time)")
    made = t.run([*AHEAD, t.SNAPTRACE, "-q", "-o", "image.snap", "--at", at, "--", *argv])
    t.check(made.status == 0, made)


def goes_on(argv):
    freeze_ahead(argv)

    def start():
        again = t.restore("image.snap")
        t.check(again.status == 0 and again.err == b"", "restored:", again)
    start()
    t.at_once(6, start)  # each waits for a second


def waits(mode):
    goes_on([WAITS, mode])


def tool(name):
    return shutil.which(name) or t.skip(f"{name} is not installed")


def write(name, text):
    with open(name, "w", encoding="ascii") as file:
        file.write(text)
    return name


def java():
    compiled = t.run([tool("javac"), write("Waits.java", JAVA)])
    t.check(compiled.status == 0, compiled)
    goes_on([tool("java"), "-XX:-UsePerfData", "-Xshare:auto", "-cp", ".", "Waits"])


def go():
    t.go_build("waits", write("waits.go", GO))
    goes_on(["./waits"])


def same_ids():
    """In the namespace of the IDs, too."""
    freeze_ahead([WAITS, "waiting"])
    again = t.restore("image.snap", options=("--ids=same",))
    if b"namespace can be made" in again.err:
        t.skip(again.err.decode())
    t.check(again.status == 0 and again.err == b"", "restored:", again)


def told():
    """-v says where the program is, and that its processor time begins again."""
    freeze_ahead([WAITS, "onward"])
    again = t.restore("image.snap", options=("-v",))
    t.check(again.status == 0 and b"goes on in a time namespace" in again.err and b"begins at 0 again" in again.err, again)


def refused():
    """Where no namespace may be made a line says so; --on-mismatch lets it go on."""
    freeze_ahead([WAITS, "timerfd"])  # which keeps what remains by itself
    start = [t.program("denied-pie"), t.SNAPRUN, "--ids=new"]
    denied = t.run([*start, "image.snap"])
    t.one_line(denied, 125, "monotonic clock is", "behind", "--on-mismatch=warn")
    warned = t.run([*start, "--on-mismatch=warn", "image.snap"])
    t.check(warned.status == 0 and b"behind" in warned.err, warned)
    ignored = t.run([*start, "--on-mismatch=ignore", "image.snap"])
    t.check(ignored.status == 0 and ignored.err == b"", ignored)


def ahead():
    """Where the clock is ahead, or at main, no namespace is made. (A number that is an ID by accident may ask for one.)"""
    namespace = ["/bin/sh", "-c", "test -e /snap/here; readlink /proc/self/ns/time /proc/self/ns/user"]
    wanted = t.run(namespace)
    t.freeze("image.snap", namespace, at="path:/snap/here")
    t.same(t.restore("image.snap", options=("--ids=new",)), wanted)
    described = json.loads(t.run([t.SNAPIMG, "info", "--json", "image.snap"]).out)
    t.check(described["clocks"]["monotonic"] > 0 and described["clocks"]["boottime"] > 0, described["clocks"])
    freeze_ahead(namespace, at="main")
    t.same(t.restore("image.snap", options=("--ids=new",)), wanted)


ROWS = {
    "clock.condition": lambda: waits("condition"),
    "clock.sleeping": lambda: waits("sleeping"),
    "clock.boot_time": lambda: waits("boot_time"),
    "clock.timerfd": lambda: waits("timerfd"),
    "clock.timer": lambda: waits("timer"),
    "clock.computed": lambda: waits("computed"),
    "clock.waiting": lambda: waits("waiting"),
    "clock.onward": lambda: waits("onward"),
    "clock.python": lambda: goes_on(["/usr/bin/python3", "-c", PYTHON]),
    "clock.node": lambda: goes_on([tool("node"), "-e", NODE]),
    "clock.java": java,
    "clock.go": go,
    "clock.same_ids": same_ids,
    "clock.told": told,
    "clock.refused": refused,
    "clock.ahead": ahead,
}

if __name__ == "__main__":
    t.main(ROWS)
