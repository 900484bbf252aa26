"""Images that were made here, started on processors that are not: emulated ones, with a root of busybox and their files.

A row boots qemu-system-x86_64 (apt-get install qemu-system-x86 busybox-static cpio) with the kernel that SNAP_KERNEL names,
or the newest of /boot. It takes 15 s to 2 minutes each, so these are tests for `cmake -DSNAP_EMULATED=ON` alone.
"""
import base64
import glob
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

ASKS = os.path.join(t.BUILD, "tests/tracer/asks")
HERE = "path:/snap/here"
PYTHON = """
import hashlib, json, os, sqlite3
try: os.stat("/snap/here")
except OSError: pass
print(hashlib.sha256(b"x" * 100000).hexdigest(), json.dumps({"a": 1.5}))
"""
BUSYBOX = "/bin/busybox"
# What is started there, with what it was made with.
MADE = {
    "asks-native": ("native", [ASKS, "thread"]),
    "asks-v1": ("x86-64", [ASKS, "thread"]),
    "asks-v2": ("x86-64-v2", [ASKS, "thread"]),
    "asks-v3": ("x86-64-v3", [ASKS, "thread"]),
    "python-v1": ("x86-64", ["/usr/bin/python3", "-c", PYTHON]),
    "python-v2": ("x86-64-v2", ["/usr/bin/python3", "-c", PYTHON]),
    "node-v2": ("x86-64-v2", ["/usr/bin/node", "-e", "try { require('fs').statSync('/snap/here') } catch (e) {}; console.log(6 * 7)"]),
}
# processor: what starts there, and what is refused
MACHINES = {
    "Nehalem": (("asks-v1", "asks-v2", "python-v1", "python-v2", "node-v2"), ("asks-native", "asks-v3")),
    "Haswell": (("asks-v2", "asks-v3", "python-v2"), ("asks-native",)),
    "kvm64": (("asks-v1", "python-v1"), ("asks-v2",)),
    "EPYC": (("asks-v3", "python-v2"), ("asks-native",)),
}
# Made there and brought back.
BACK = {"made": "native", "made-v2": "x86-64-v2"}
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /tmp /dev
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t devtmpfs none /dev
cd /tmp
export HOME=/tmp SNAP_CACHE=off
echo
say() { echo "== $1"; shift; "$@" 2>&1; echo "== status $?"; }
"""


def kernel():
    given = os.environ.get("SNAP_KERNEL") or max(glob.glob("/boot/vmlinuz-*"), default=None)
    if not given or not shutil.which("qemu-system-x86_64") or not os.path.exists(BUSYBOX) or not shutil.which("cpio"):
        t.skip("needs qemu-system-x86, busybox-static, cpio and a kernel (SNAP_KERNEL)")
    return given


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
        if not os.path.exists(argv[0]):
            t.skip(argv[0] + " is not installed")
        t.freeze(name + ".snap", argv, at=HERE, options=("--cpu=" + level,))
        shutil.copy(name + ".snap", root + "/tmp/")
        for file in json.loads(t.run([t.SNAPIMG, "info", "--json", name + ".snap"]).out)["files"]:
            put(root, file["path"])
    for path in (t.SNAPRUN, t.SNAPTRACE, os.path.join(t.BUILD, "preload/libsnappreload.so"), BUSYBOX, ASKS,
                 *needs_of(t.SNAPTRACE), *needs_of(ASKS)):
        put(root, path)


def boot(root, processor):
    """What the machine prints until it's off."""
    archive = subprocess.run("find . | cpio -o -H newc --quiet", shell=True, cwd=root, stdout=subprocess.PIPE, check=True).stdout
    with open("initramfs", "wb") as file:
        file.write(archive)
    result = t.run(["qemu-system-x86_64", "-accel", "tcg", "-cpu", processor, "-m", "1536", "-nographic", "-no-reboot",
                    "-nic", "none", "-kernel", kernel(), "-initrd", "initramfs", "-append",
                    "console=ttyS0 quiet panic=-1 mitigations=off"], timeout=580)
    t.check(b"== all" in result.out, processor, result)
    return result.out.decode(errors="replace").replace("\r", "")


def machine(processor):
    starts, refused = MACHINES[processor]
    kernel()
    root = os.path.abspath("root")
    os.makedirs(root + "/tmp")
    make(root, starts + refused)
    with open(root + "/init", "w", encoding="ascii") as file:
        file.write(INIT)
        for name in starts + refused:
            file.write(f"say {name} {t.SNAPRUN} {name}.snap\n")
        # Made there: without XSAVE on the old ones.
        for name, level in BACK.items():
            file.write(f"say {name} {t.SNAPTRACE} -q -o {name}.snap --cpu={level} --at {HERE} {ASKS}\n"
                       f"say {name}-started {t.SNAPRUN} {name}.snap\nsay {name}-image {BUSYBOX} base64 {name}.snap\n")
        file.write("echo == all\n/bin/busybox poweroff -f\n")
    os.chmod(root + "/init", 0o755)
    said = re.findall(r"^== (\S+)\n(.*?)^== status (\d+)$", boot(root, processor), re.MULTILINE | re.DOTALL)
    t.check([name for name, _, _ in said] == [*starts, *refused, *(name + end for name in BACK for end in ("", "-started", "-image"))], said)
    for name, text, status in said:
        if name in refused:
            t.check(status == "125" and "this processor lacks" in text, name, status, text)
        elif name.endswith("-image"):
            back(name[:-len("-image")], base64.b64decode(text))
        else:
            t.check(status == "0" and (name in BACK or wanted(name) in text), name, status, text)


def back(name, image):
    """What was made there, started here: where the registers are more, only what was shown a level."""
    with open(name + ".snap", "wb") as file:
        file.write(image)
    with open("/proc/cpuinfo", encoding="ascii") as file:
        more = " avx512f " in file.read()
    started = t.restore(name + ".snap")
    if BACK[name] == "native" and more:
        t.one_line(started, 125, "more register state", "xcr0_opmask", tool="snaprun")
    else:
        t.check(started.status == 0 and started.out == b"went on\n", name, started)


def wanted(name):
    """What it prints after its point."""
    argv = MADE.get(name, (None, [ASKS]))[1]
    return t.run(argv).out.decode().splitlines()[-1]


ROWS = {processor: (lambda p=processor: machine(p)) for processor in MACHINES}

if __name__ == "__main__":
    t.main(ROWS)
