#!/usr/bin/python3
"""FORMAT.md agrees with layout.h: its tables become static assertions, which the compiler checks."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402


def specification():
    with open(os.path.join(t.SOURCE, "format/image/FORMAT.md"), encoding="utf-8") as file:
        return file.read()


def compiles(lines):
    source = '#include "format/image/layout.h"\n' + "\n".join(lines) + "\n"
    ended = subprocess.run([t.CC, "-std=gnu17", "-fsyntax-only", "-I", t.SOURCE, "-x", "c", "-"], input=source.encode(),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    t.check(ended.returncode == 0, ended.stdout.decode())


def records():
    """Each field is where its table says; the fields follow each other without a gap, up to the record's end."""
    assertions, structures = [], 0
    for part in re.split(r"^### ", specification(), flags=re.M)[1:]:
        name = re.match(r".*`struct (snapimg_\w+)`", part)
        if not name:
            continue
        structures += 1
        end = 0
        for offset, size, field in re.findall(r"^\| (\d+) \| (\d+) \| `(\w+)`", part, flags=re.M):
            where = f"{name[1]}.{field}"
            t.check(int(offset) == end, where, "is at", offset, "after", end)
            end = int(offset) + int(size)
            assertions.append(f'static_assert(offsetof(struct {name[1]}, {field}) == {offset}, "{where}");')
            assertions.append(f'static_assert(sizeof(((struct {name[1]} *)0)->{field}) == {size}, "{where}");')
        assertions.append(f'static_assert(sizeof(struct {name[1]}) == {end}, "{name[1]}");')
    t.check(structures == 44, structures, "structures")
    compiles(assertions)


def sections():
    """Types, names, record sizes and counts."""
    rows = re.findall(r"^\| (\d+) \| ([A-Z]+) \| (\d+) \| (.*?) \|", specification(), flags=re.M)
    counts = {"1": "1", "at least 1": "+", "at most 1": "?"}
    wanted = [f"{number} {name} {size} {counts.get(count, '*')}" for number, name, size, count in rows]
    with open("list.c", "w") as file:
        file.write('#include "format/image/layout.h"\n#include <stdio.h>\nint main(void) {\n'
                   '#define X(name, number, record, count, text) printf("%d %s %zu %c\\n", number, #name, (size_t)(record), count);\n'
                   "SNAPIMG_SECTIONS(X)\n}\n")
    subprocess.run([t.CC, "-std=gnu17", "-I", t.SOURCE, "-o", "list", "list.c"], check=True)
    listed = subprocess.run(["./list"], check=True, stdout=subprocess.PIPE).stdout.decode().splitlines()
    t.check(listed == wanted, "layout.h:", listed, "FORMAT.md:", wanted)


ROWS = {"format-specification.records": records, "format-specification.sections": sections}

if __name__ == "__main__":
    t.main(ROWS)
