"""Real programs made with --portable --runnable, and started in a root that has nothing but that one file: no /proc, read-only. The
output is that of a direct run."""
import os
import shutil
import subprocess
import sys

HERE_DIR = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE_DIR, ".."))
sys.path.insert(1, HERE_DIR)
import servers  # noqa: E402
import snaptest as t  # noqa: E402

HERE = "path:/snap/here"
INSIDE = ["unshare", "-m"] if t.IS_ROOT else ["unshare", "-U", "-r", "-m"]
PATH = {"PATH": t.PLAIN_ENV["PATH"], "HOME": "/nonexistent"}
# -q: a line tells what can't be restored without /proc (the JVM's coredump_filter).
BARE = ("mount --bind bare bare && { mount -o remount,bind,ro bare 2>/dev/null || true; } && cd bare && user=$1 && shift && "
        "exec env -i PATH=\"$PATH\" HOME=/nonexistent SNAP_OPTIONS=-q chroot $user . /program.run \"$@\"")

PYTHON = """
import asyncio, decimal, email, json, re, sqlite3, os
os.path.exists("/snap/here")
async def wait():
    await asyncio.sleep(0.01)
    return 3
print(asyncio.run(wait()), json.dumps(str(decimal.Decimal(2).sqrt())), re.sub("a", "b", "aaa"), os.path.basename(email.__file__),
      sqlite3.connect(":memory:").execute("select 6 * 7").fetchone())
"""
BASH = """
test -e /snap/here
declare -A of=([a]=1 [b]=2)
echo "$((of[a] + of[b])) ${BASH_VERSINFO[0]} $(echo from a child)"
for i in 1 2; do ( echo "child $i" ); done
exit 5
"""
NODE = """
const zlib = require("zlib"), crypto = require("crypto");
require("fs").existsSync("/snap/here");
const squares = new Map([...Array(100000).keys()].map((i) => [i, i * i]));
console.log(squares.size, zlib.gzipSync("aaaa").length, crypto.createHash("sha256").update("x").digest("hex"));
setTimeout(() => console.log("later"), 20);
"""
JAVA = """
import java.util.*;
public class Loop {
    public static void main(String[] words) {
        Map<Integer, String> map = new HashMap<>();
        for (int i = 0; i < 20000; i++)
            map.put(i, "v" + i);
        new java.io.File("/snap/here").exists();
        long sum = 0;
        for (int round = 0; round < 50; round++)
            for (int i = 0; i < 20000; i++)
                sum += map.get(i).length();
        System.out.println(sum + " " + String.join(",", words));
    }
}
"""
GO = """
package main
import ("fmt"; "os"; "sync"; "time")
func main() {
	os.Stat("/snap/here")
	var all sync.WaitGroup
	var lock sync.Mutex
	sum := 0
	for i := 0; i < 50; i++ {
		all.Add(1)
		go func(n int) { defer all.Done(); time.Sleep(time.Millisecond); lock.Lock(); sum += n; lock.Unlock() }(i)
	}
	all.Wait()
	fmt.Println(sum)
}
"""
SQL = "create table t(a); insert into t values(7), (8); select sum(a), hex('x') from t"


def tool(name):
    return shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin:" + os.environ.get("PATH", "")) or t.skip(f"{name} is not installed")


def write(name, text):
    with open(name, "w", encoding="ascii") as file:
        file.write(text)
    return name


def make(argv, at=HERE, options=()):
    """The file, alone in its directory."""
    if subprocess.run([*INSIDE, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        t.skip("needs a mount namespace, and this user may make none here")
    os.mkdir("bare")
    made = t.run([t.SNAPTRACE, "-q", "--no-cache", "--portable", "--runnable", "-o", "bare/program.run", "--at", at, *options, "--", *argv])
    t.check(made.status == 0, made)
    os.chmod("bare/program.run", 0o755)
    t.check(os.listdir("bare") == ["program.run"], os.listdir("bare"))


def command(*words, user=""):
    return [*INSIDE, "sh", "-c", BARE, "sh", user, *words]


def same(argv, at=HERE, words=(), another_user=False):
    """another_user: who can make no namespace in a chroot, so only for programs that have kept no ID, nor a number like one."""
    user = "--userspec=65534:65534" if another_user and t.IS_ROOT else ""
    wanted = t.run([argv[0], *words], env=PATH) if at == "main" else t.run(argv)
    make(argv, at)
    if another_user and t.kept_ids("bare/program.run"):  # a number by accident, which the next one's ID isn't
        shutil.rmtree("bare")
        make(argv, at)
    for _ in range(2):
        t.same(t.run(command(*words, user=user)), wanted)


def java():
    compiled = t.run([tool("javac"), write("Loop.java", JAVA)])
    t.check(compiled.status == 0, compiled)
    # Container support reads files of /sys now and then, which a bare root has not.
    same([tool("java"), "-XX:-UsePerfData", "-XX:-UseContainerSupport", "-cp", ".", "Loop", "a", "b"])


def go():
    t.go_build("sum", write("sum.go", GO))
    same(["./sum"])


def redis():
    """With its keys, and one that is added."""
    server, client = tool("redis-server"), tool("redis-cli")
    port = t.free_port()
    argv = [server, "--port", str(port), "--bind", servers.LOOPBACK, "--save", "", "--enable-debug-command", "yes"]

    def say(*words):
        done = t.run([client, "-p", str(port), *words])
        t.check(done.status == 0, words, done)
        return done.out.strip()

    with servers.started(argv, status=0) as process:
        servers.connect(port, process).close()
        say("debug", "populate", "1000", "key", "40")
        digest = say("debug", "digest")
        say("save")
    make(argv, at="idle", options=["--timeout", "60s"])
    for _ in range(2):
        with servers.started(command(), status=0) as process:
            servers.connect(port, process).close()
            t.check(say("dbsize") == b"1000" and say("debug", "digest") == digest, "other content")
            t.check(say("set", "new", "value") == b"OK" and say("get", "new") == b"value", "set and get")


ROWS = {
    "portable.python": lambda: same(["/usr/bin/python3", "-c", PYTHON]),
    "portable.bash": lambda: same([tool("bash"), "-c", BASH]),
    "portable.node": lambda: same([tool("node"), "-e", NODE]),
    "portable.java": java,
    "portable.go": go,
    "portable.redis": redis,
    "portable.sqlite": lambda: same([tool("sqlite3"), ":memory:", "select 1"], at="main", words=[":memory:", SQL], another_user=True),
    "portable.musl": lambda: same([t.program("args-muslstatic"), "a"], at="main", words=["b c", "d"], another_user=True),
}

if __name__ == "__main__":
    t.main(ROWS)
