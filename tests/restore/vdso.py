"""The kernel's vdso is another than the program's: it calls the kernel's through its own."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

EDIT = os.path.join(t.BUILD, "tests/restore/edit_image")

# What finds the vdso in each of the ways that there are, and has the clocks agree with the system calls.
PYTHON = """import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]
vdso = ctypes.CDLL("linux-vdso.so.1")
function = vdso.__vdso_clock_gettime
def right():
    for clock in (0, 1, 4, 7):
        kernel, ours = Timespec(), Timespec()
        assert libc.syscall(228, clock, ctypes.byref(kernel)) == 0 and function(clock, ctypes.byref(ours)) == 0
        apart = (ours.seconds - kernel.seconds) * 10**9 + ours.nanoseconds - kernel.nanoseconds
        assert 0 <= apart < 10 * 10**9 or clock == 0, (clock, apart)
        assert abs(time.clock_gettime(clock) - ours.seconds) < 10
    assert ctypes.CDLL("linux-vdso.so.1").__vdso_getcpu(None, None, None) == 0
    assert time.monotonic() > 0 and time.time() > 10**9
right()
for generation in range(int(sys.argv[1])):
    os.path.exists(f"/snap/{generation}")
    right()
print("right")
"""


def other(image):
    result = t.run([EDIT, image, "edited.snap", "other_vdso"])
    t.check(result.status == 0, "edit_image", result)
    os.rename("edited.snap", image)


def clocks(kind):
    """The program's own clocks, by pointers that its C library keeps."""
    path = t.program(f"clock-{kind}")
    t.freeze("image.snap", [path], at="path:/snap/here")
    other("image.snap")
    t.every_start(lambda: t.check((lambda r: r.status == 0 and r.err == b"")(t.restore("image.snap")), "restored"))
    thawed = t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "thawed.snap"])
    t.check(thawed.status == 0, thawed)
    t.check(t.restore("thawed.snap").status == 0, "thawed")


def generations():
    """An image of a program that was started from an image, and so on: each on another kernel."""
    argv = ["/usr/bin/python3", "-c", PYTHON, "4"]
    t.freeze("0.snap", argv, at="path:/snap/0")
    other("0.snap")
    for generation in range(1, 4):  # in a namespace it couldn't be frozen
        t.freeze(f"{generation}.snap", [t.SNAPRUN, "--ids=new", f"{generation - 1}.snap"], at=f"path:/snap/{generation}")
        other(f"{generation}.snap")
    for generation in range(4):
        t.same(t.restore(f"{generation}.snap"), t.Result(0, b"right\n", b""))


def told():
    t.freeze("image.snap", [t.program("clock-pie")], at="path:/snap/here")
    other("image.snap")
    result = t.restore("image.snap", options=("-v",))
    t.check(result.status == 0 and b"vdso is another" in result.err, result)


ROWS = {
    "other_vdso.pie": lambda: clocks("pie"), "other_vdso.nopie": lambda: clocks("nopie"),
    "other_vdso.static": lambda: clocks("static"), "other_vdso.staticpie": lambda: clocks("staticpie"),
    "other_vdso.musl": lambda: clocks("musl"), "other_vdso.muslstatic": lambda: clocks("muslstatic"),
    "other_vdso.generations": generations, "other_vdso.told": told,
}

if __name__ == "__main__":
    t.main(ROWS)
