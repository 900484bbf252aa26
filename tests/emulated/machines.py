#!/usr/bin/python3
"""Images that were made here, started on processors and kernels that are not: in emulated machines.

A row boots qemu-system-x86_64 (apt-get install qemu-system-x86 busybox-static cpio) with a kernel of Debian's from the directory
SNAP_KERNELS, or build/kernels, which tests/emulated/kernels fills. The root has busybox, runnable files that need nothing, and the
files of those images that are not self-contained. It takes 20 s to 2 minutes each, so these are tests for
`cmake -DSNAP_EMULATED=ON` alone.
"""
import base64
import glob
import json
import os
import re
import shutil
import subprocess
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, TESTS)
sys.path.insert(1, os.path.join(TESTS, "real"))
import servers  # noqa: E402
import snaptest as t  # noqa: E402

ASKS = os.path.join(t.BUILD, "tests/tracer/asks")
HERE = "path:/snap/here"
PYTHON = """
import hashlib, json, os, sqlite3
try: os.stat("/snap/here")
except OSError: pass
print(hashlib.sha256(b"x" * 100000).hexdigest(), json.dumps({"a": 1.5}))
"""
BASH = """declare -A of=([a]=1 [b]=2)
read one </snap/here
echo "$((of[a] + of[b])) ${BASH_VERSINFO[0]}"
"""
SQLITE = """create table it(n);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 999) insert into it select x from c;
.read /snap/here
select sum(n), count(*) from it;
"""
JAVA = """public class Loop {
    public static void main(String[] words) throws Exception {
        long sum = 0;
        for (int i = 0; i < 100000; i++) sum += Integer.toString(i).hashCode();
        new java.io.File("/snap/here").exists();
        for (int i = 0; i < 100000; i++) sum += Integer.toString(i).hashCode();
        System.out.println("sum " + sum);
    }
}
"""
BUSYBOX = "/bin/busybox"
# What is started there from its image and its files, with what it was made with.
MADE = {
    "asks-native": ("native", [ASKS, "thread"]),
    "asks-v1": ("x86-64", [ASKS, "thread"]),
    "asks-v2": ("x86-64-v2", [ASKS, "thread"]),
    "asks-v3": ("x86-64-v3", [ASKS, "thread"]),
}
# What is started from a runnable file and nothing else.
ALONE = {
    "python": ["/usr/bin/python3", "-c", PYTHON],
    "bash": ["/bin/bash", "script.sh"],
    "sqlite": ["/usr/bin/sqlite3", "-init", "/dev/null", ":memory:", ".read fill.sql"],
    "node": ["/usr/bin/node", "-e", "try { require('fs').statSync('/snap/here') } catch (e) {}; console.log(6 * 7)"],
    "java": ["/usr/bin/java", "-Xint", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx64m", "-Xshare:off", "-cp", ".", "Loop"],
    "musl": [os.path.join(t.PROGRAMS, "here-muslstatic")],
}
AT_HERE = {"musl": "here"}
# Servers that wait for a client: what they are asked; each closes the connection then.
ASKED = {
    "redis": b"DBSIZE\r\nGET key:7\r\nQUIT\r\n",
    "go": b"GET /here HTTP/1.0\r\n\r\n",
}
# processor: the level of the runnable files; what starts there, and what is refused
MACHINES = {
    "Nehalem": ("x86-64-v2", ("asks-v1", "asks-v2"), ("asks-native", "asks-v3")),
    "Haswell": ("x86-64-v3", ("asks-v2", "asks-v3"), ("asks-native",)),
    "kvm64": ("x86-64", ("asks-v1",), ("asks-v2",)),
    "EPYC": ("x86-64-v2", ("asks-v3",), ("asks-native",)),
    "max": ("x86-64-v2", ("asks-v2", "asks-v3"), ()),
}
KERNELS = ("5.10", "6.1", "6.12")
# Made there and brought back: the options, and the program. {level}: the machine's.
BACK = {
    "made": ("--cpu=native", [ASKS]),
    "made-v2": ("--cpu=x86-64-v2", [ASKS]),
    "made-alone": ("--portable --cpu={level}", ["/bin/bash", "script.sh"]),
}
# The same of programs of many files, which the machine has, and the image has not: what of here each needs there.
RUBY = """require "json"
require "set"
words = Set.new(%w[a b a])
File.exist?("/snap/here")
puts JSON.generate("words" => words.to_a, "sum" => (1..100).sum), RUBY_VERSION
"""
JAVA_HOME = "/usr/lib/jvm/java-17-openjdk-amd64"
MANY_FILES = {
    "ruby": (["/usr/bin/ruby", "script.rb"], ["/usr/lib/ruby", "/usr/lib/x86_64-linux-gnu/ruby", "/usr/share/rubygems-integration"]),
    "java": ([JAVA_HOME + "/bin/java", *ALONE["java"][1:]], [JAVA_HOME, "/etc/java-17-openjdk"]),
    "redis": (["/usr/bin/redis-server"], []),
}
# A machine that gets little of a loaded processor: its kernel looks for no timer that is late, and says nothing of stalls.
PATIENT = "loglevel=1 no_timer_check nowatchdog rcupdate.rcu_cpu_stall_suppress=1"
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /tmp /dev
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t devtmpfs none /dev
cd /tmp
export HOME=/tmp SNAP_CACHE=off
echo
/bin/busybox ifconfig lo 127.0.0.1 up
say() { echo "== $1"; shift; "$@" 2>&1; echo "== status $?"; }
# NAME PORT REQUEST
serve() {
    ./$1.run >$1.log 2>&1 &
    until printf "$3" | /bin/busybox nc 127.0.0.1 $2 2>/dev/null; do
        kill -0 $! 2>/dev/null || { /bin/busybox cat $1.log; return 1; }
        /bin/busybox usleep 50000
    done
    echo
    kill $!
}
"""


def kernel(version):
    where = os.environ.get("SNAP_KERNELS", os.path.join(t.SOURCE, "build/kernels"))
    found = sorted(glob.glob(os.path.join(where, f"vmlinuz-{version}.*")))
    if not found or not shutil.which("qemu-system-x86_64") or not os.path.exists(BUSYBOX) or not shutil.which("cpio"):
        t.skip(f"needs qemu-system-x86, busybox-static, cpio and a kernel {version} (tests/emulated/kernels)")
    return os.path.abspath(found[-1])


def put(root, path):
    place = root + path
    if not os.path.exists(place):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copy2(os.path.realpath(path), place)


def needs_of(program):
    """The files of a dynamic program: what is run there, and not from an image."""
    out = t.run(["ldd", program]).out.decode()
    return [word for word in out.split() if word.startswith("/")]


def make(root, names):
    """Images and the files that they need, and the tools."""
    for name in names:
        level, argv = MADE[name]
        t.freeze(name + ".snap", argv, at=HERE, options=("--cpu=" + level,))
        shutil.copy(name + ".snap", root + "/tmp/")
        for file in json.loads(t.run([t.SNAPIMG, "info", "--json", name + ".snap"]).out)["files"]:
            put(root, file["path"])
    for path in (t.SNAPRUN, t.SNAPTRACE, os.path.join(t.BUILD, "preload/libsnappreload.so"), BUSYBOX, ASKS,
                 "/bin/bash", *needs_of(t.SNAPTRACE), *needs_of(ASKS), *needs_of("/bin/bash")):
        put(root, path)


def write_inputs():
    for name, text in (("script.sh", BASH), ("fill.sql", SQLITE), ("Loop.java", JAVA)):
        with open(name, "w", encoding="ascii") as file:
            file.write(text)
    if shutil.which("javac"):
        t.check(t.run(["javac", "Loop.java"]).status == 0, "javac")


def make_alone(root, level):
    """Runnable files of what is installed here; their names."""
    write_inputs()
    names = []
    for name, argv in ALONE.items():
        if not os.path.exists(argv[0]) or (name == "java" and not os.path.exists("Loop.class")):
            print("not installed:", argv[0])
            continue
        t.freeze(name + ".run", argv, at=AT_HERE.get(name, HERE), options=("--portable", "--runnable", "--cpu=" + level))
        shutil.copy(name + ".run", root + "/tmp/")
        names.append(name)
    return names


def make_servers(root, level):
    """Servers with what they hold, frozen when they wait: their ports, and what each answers, without HTTP's head."""
    ports, answers = {}, {}
    for name, argv, port in (*redis(), *go()):
        ports[name] = port
        with servers.started(argv) as process:
            said = servers.ask(port, process, ASKED[name]).decode().replace("\r", "")
            answers[name] = said.rpartition("\n\n")[2]
        t.freeze(name + ".run", argv, at="idle", options=("--portable", "--runnable", "--cpu=" + level))
        shutil.copy(name + ".run", root + "/tmp/")
    return ports, answers


def redis():
    """It reads its keys from the file when it starts."""
    server, client, port = shutil.which("redis-server"), shutil.which("redis-cli"), t.free_port()
    if not server or not client:
        print("not installed: redis-server")
        return
    argv = [server, "--port", str(port), "--bind", servers.LOOPBACK, "--save", "", "--enable-debug-command", "yes"]
    with servers.started(argv, status=0) as process:
        servers.connect(port, process).close()
        for words in (["debug", "populate", "1000", "key", "40"], ["save"]):
            t.check(t.run([client, "-p", str(port), *words]).out.strip() == b"OK", words)
    yield "redis", argv, port


def go():
    if not shutil.which("go"):
        print("not installed: go")
        return
    source, port = os.path.join(TESTS, "real/go_server.go"), t.free_port()
    made = t.run(["go", "build", "-o", "go-server", source],
                 env={**t.PLAIN_ENV, "HOME": os.getcwd(), "GOCACHE": os.path.abspath("go-cache"), "GO111MODULE": "off"})
    t.check(made.status == 0, made)
    yield "go", [os.path.abspath("go-server"), str(port)], port


def boot(root, processor, image):
    """What the machine prints until it's off."""
    archive = subprocess.run("find . | cpio -o -H newc --quiet", shell=True, cwd=root, stdout=subprocess.PIPE, check=True).stdout
    with open("initramfs", "wb") as file:
        file.write(archive)
    result = t.run(["qemu-system-x86_64", "-accel", "tcg", "-cpu", processor, "-m", "2048", "-nographic", "-no-reboot",
                    "-nic", "none", "-kernel", image, "-initrd", "initramfs", "-append",
                    f"console=ttyS0 {PATIENT} panic=-1 mitigations=off"], timeout=580)
    t.check(b"== all" in result.out, processor, t.clip(result.out[-2000:]), result.status)
    return result.out.decode(errors="replace").replace("\r", "")


def machine(processor, version):
    level, starts, refused = MACHINES[processor]
    image = kernel(version)
    root = os.path.abspath("root")
    os.makedirs(root + "/tmp")
    make(root, starts + refused)
    alone = make_alone(root, level)
    shutil.copy("script.sh", root + "/tmp/")
    ports, answers = make_servers(root, level)
    with open(root + "/init", "w", encoding="ascii") as file:
        file.write(INIT)
        for name in starts + refused:
            file.write(f"say {name} {t.SNAPRUN} {name}.snap\n")
        for name in alone:
            file.write(f"say {name} ./{name}.run\n")
        for name, port in ports.items():
            request = repr(ASKED[name])[2:-1]
            file.write(f"say {name} serve {name} {port} '{request}'\n")
        # Made there: without XSAVE on the old ones.
        for name, (options, argv) in BACK.items():
            file.write(f"say {name} {t.SNAPTRACE} -q -o {name}.snap {options.format(level=level)} --at {HERE} {' '.join(argv)}\n"
                       f"say {name}-started {t.SNAPRUN} {name}.snap\nsay {name}-image {BUSYBOX} base64 {name}.snap\n")
        file.write("echo == all\n/bin/busybox poweroff -f\n")
    os.chmod(root + "/init", 0o755)
    said = re.findall(r"^== (\S+)\n(.*?)^== status (\d+)$", boot(root, processor, image), re.MULTILINE | re.DOTALL)
    wanted_names = [*starts, *refused, *alone, *ports, *(name + end for name in BACK for end in ("", "-started", "-image"))]
    t.check([name for name, _, _ in said] == wanted_names, [(name, t.clip(text.encode(), 300), status) for name, text, status in said])
    for name, text, status in said:
        if name in refused:
            t.check(status == "125" and "this processor lacks" in text, name, status, text)
        elif name.endswith("-image"):
            back(name[:-len("-image")], base64.b64decode(text), processor)
        else:
            ended, line = (0, answers[name]) if name in answers else wanted(name.removesuffix("-started"))
            t.check(int(status) == ended and (name in BACK or line in text), name, status, text)


def put_all(root, path):
    """A directory, without what only compiles."""
    if os.path.isdir(path):
        shutil.copytree(os.path.realpath(path), root + path, symlinks=True, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("jmods", "src.zip", "legal", "man", "include", "*.a"))


def libraries_of(paths):
    """What the programs and libraries below them are linked with, beside each other."""
    binaries = [os.path.realpath(path) for path in paths if os.path.isfile(path)]
    for path in paths:
        binaries += glob.glob(path + "/**/*.so*", recursive=True) if os.path.isdir(path) else []
    return {needed for binary in binaries for needed in needs_of(binary) if not needed.startswith(JAVA_HOME)}


def many_files(processor, version):
    """Made there with files of here, which are here when they are started."""
    level, image = MACHINES[processor][0], kernel(version)
    root = os.path.abspath("root")
    os.makedirs(root + "/tmp")
    write_inputs()
    with open("script.rb", "w", encoding="ascii") as file:
        file.write(RUBY)
    made = {name: (argv, paths) for name, (argv, paths) in MANY_FILES.items()
            if os.path.exists(argv[0]) and (name != "java" or os.path.exists("Loop.class"))}
    if not made:
        t.skip("needs ruby, java or redis-server here")
    port = next(redis())[2] if "redis" in made else 0
    for path in (t.SNAPTRACE, os.path.join(t.BUILD, "preload/libsnappreload.so"), BUSYBOX, *needs_of(t.SNAPTRACE)):
        put(root, path)
    for argv, paths in made.values():
        for path in paths:
            put_all(root, path)
        for path in (argv[0], *libraries_of([argv[0], *paths])):
            put(root, path)
    for name in ("script.rb", "Loop.class", "dump.rdb"):
        if os.path.exists(name):
            shutil.copy(name, root + "/tmp/")
    if "redis" in made:
        made["redis"][0].extend(["--port", str(port), "--bind", servers.LOOPBACK, "--save", ""])
    with open(root + "/init", "w", encoding="ascii") as file:
        file.write(INIT)
        for name, (argv, _) in made.items():
            at = "idle" if name == "redis" else HERE
            file.write(f"say {name} {t.SNAPTRACE} -q -o {name}.snap --cpu={level} --at {at} --timeout 300s {' '.join(argv)}\n"
                       f"say {name}-image {BUSYBOX} base64 {name}.snap\n")
        file.write("echo == all\n/bin/busybox poweroff -f\n")
    os.chmod(root + "/init", 0o755)
    said = dict((name, (text, status)) for name, text, status in
                re.findall(r"^== (\S+)\n(.*?)^== status (\d+)$", boot(root, processor, image), re.MULTILINE | re.DOTALL))
    for name, (argv, _) in made.items():
        t.check(said[name][1] == "0" and said[name + "-image"][1] == "0", name, said[name], said[name + "-image"][1])
        with open(name + ".snap", "wb") as file:
            file.write(base64.b64decode(said[name + "-image"][0]))
        if name == "redis":
            with servers.started([t.SNAPRUN, "redis.snap"]) as process:
                answer = servers.ask(port, process, ASKED["redis"]).decode().replace("\r", "")
            t.check(answer.startswith(":1000\n$40\n"), answer)
        else:
            direct, started = t.run(argv), t.restore(name + ".snap")
            t.check(direct.status == 0, direct)
            t.same(started, direct)


def back(name, image, processor):
    """What was made there, started here: where the registers are more, or that processor had all, only what was shown a level."""
    with open(name + ".snap", "wb") as file:
        file.write(image)
    with open("/proc/cpuinfo", encoding="ascii") as file:
        more = " avx512f " in file.read()
    started = t.restore(name + ".snap")
    native = "--cpu=native" in BACK[name][0]
    if native and processor == "max":
        t.one_line(started, 125, "this processor lacks", "--cpu=x86-64-v2", tool="snaprun")
    elif native and more:
        t.one_line(started, 125, "more register state", "xcr0_opmask", tool="snaprun")
    else:
        status, line = wanted(name)
        t.check(started.status == status and last_line(started.out) == line, name, started)


def wanted(name):
    """Its status and the last line that it prints, as a direct run does."""
    if AT_HERE.get(name) == "here":
        return 0, "snap_here 1"
    direct = t.run(ALONE.get(name) or {**MADE, **BACK}[name][1])
    return direct.status, last_line(direct.out)


def last_line(text):
    return text.decode().splitlines()[-1].strip()


ROWS = {f"{processor}.{version}": (lambda p=processor, v=version: machine(p, v)) for version in KERNELS for processor in MACHINES}
ROWS.update({f"many_files.{processor}.{version}": (lambda p=processor, v=version: many_files(p, v))
             for processor, version in (("Nehalem", "5.10"), ("EPYC", "6.1"), ("max", "6.12"))})

if __name__ == "__main__":
    t.main(ROWS)
