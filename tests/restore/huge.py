#!/usr/bin/python3
"""Memory that is wholly stored comes back in huge pages, without a flag; what the program wants small stays so."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PROGRAM = os.path.join(t.BUILD, "tests/restore/huge")


def started():
    result = t.restore("image.snap")
    t.check(result.status == 0, result)
    return {words[0]: words[1:] for words in (line.split() for line in result.out.decode().splitlines())}


def pages():
    """The content is right, and nothing is flagged that was not."""
    t.freeze("image.snap", [PROGRAM], at="path:/snap/here")
    said = started()
    t.check(said["content"] == ["right"] and said["small"] == ["right", "0"], said)
    t.check("flagged" not in said["whole"] + said["sparse"], said)
    if said["can"] != ["1"]:
        t.skip("this kernel makes no huge page for who asks (MADV_COLLAPSE, Linux 6.1)")
    t.check(int(said["whole"][1]) > 0, "no huge page", said)
    with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="utf-8") as file:
        if "[always]" not in file.read():
            t.check(said["sparse"][1] == "0", "memory for pages that the program had not", said)


def switched_off():
    """A program that has switched them off has none."""
    code = "import ctypes, sys; ctypes.CDLL(None).prctl(41, 1, 0, 0, 0); b = bytearray(range(256)) * (24 << 12); " \
           "import os; os.path.exists('/snap/here'); print(sum(int(l.split()[1]) for l in open('/proc/self/smaps') " \
           "if l.startswith('AnonHugePages')), b == bytearray(range(256)) * (24 << 12))"
    t.freeze("image.snap", ["/usr/bin/python3", "-c", code], at="path:/snap/here")
    t.same(t.restore("image.snap"), t.Result(0, b"0 True\n", b""))


t.main({"huge.pages": pages, "huge.switched_off": switched_off})
