#!/usr/bin/python3
"""What moves when images are sent to many machines: whole images, blobs that are not there yet, or deltas.

    tests/bench/distribution.py [--versions 10] [--made 10] [--machines 1000] [--json]

Versions of a program (with --made fewer of them: the rest are taken to be as their mean), and ten programs, are really frozen (with build/release's tools, or SNAP_BUILD's), put into an OCI layout
and compared; the machines are arithmetic: each fetches each version, and keeps what it has fetched.
"""
import argparse
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

# A program of which each version has other code and other data beside the same libraries.
APPLICATION = """import decimal, json, os, sqlite3
{functions}
table = {{n: str(n * {version}) for n in range(20000)}}
os.path.exists("/snap/here")
print(len(table), f{version}(1))
"""
HERE = "path:/snap/here"
# Of Debian's packages: what isn't installed is left out, and said so.
PROGRAMS = {
    "python": (HERE, ["/usr/bin/python3", "-c", "import asyncio, sqlite3, ssl, os; os.path.exists('/snap/here')"]),
    "python-json": (HERE, ["/usr/bin/python3", "-c", "import json, os; os.path.exists('/snap/here')"]),
    "perl": ("main", ["/usr/bin/perl", "-e", "1"]),
    "bash": ("main", ["/bin/bash", "-c", "true"]),
    "sqlite3": ("main", ["/usr/bin/sqlite3"]),
    "git": ("main", ["/usr/bin/git", "version"]),
    "redis-server": ("main", ["/usr/bin/redis-server"]),
    "lua": ("main", ["/usr/bin/lua5.4", "-v"]),
    "ruby": ("main", ["/usr/bin/ruby", "-e", "1"]),
    "node": (HERE, ["/usr/bin/node", "-e", "try { require('fs').statSync('/snap/here') } catch (e) {}"]),
}


def tool(*words):
    result = t.run([t.SNAPIMG, *words], timeout=600)
    t.check(result.status == 0, words, result)


def blobs(layout, tag):
    """{digest: size} of what a fetch of the tag asks for, the manifest among them."""
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
        entry, = [one for one in json.load(file)["manifests"] if one["annotations"]["org.opencontainers.image.ref.name"] == tag]
    found = {entry["digest"]: entry["size"]}
    with open(os.path.join(layout, "blobs/sha256", entry["digest"].split(":")[1]), encoding="utf-8") as file:
        manifest = json.load(file)
    found.update((part["digest"], part["size"]) for part in (manifest["config"], *manifest["layers"]))
    return found


def write_application(version):
    functions = "\n".join(f"def f{n}(x):\n    return x + {n}" for n in range(version + 1))
    with open("application.py", "w", encoding="ascii") as file:
        file.write(APPLICATION.format(functions=functions, version=version))


def versions(count, options):
    """For each version: bytes of the image, of blobs that no earlier one has, of a delta from the one before."""
    rows, held = [], {}
    for version in range(count):
        name = f"v{version}.snap"
        write_application(version)
        t.freeze(name, ["/usr/bin/python3", "application.py"], at=HERE, options=["--self-contained", *options])
        tool("oci", name, "-o", f"versions:v{version}")
        its = blobs("versions", f"v{version}")
        new = sum(size for digest, size in its.items() if digest not in held)
        held.update(its)
        delta = os.path.getsize(name)
        if version > 0:
            tool("diff", f"v{version - 1}.snap", name, "-o", "delta")
            delta = os.path.getsize("delta")
            os.unlink(f"v{version - 1}.snap")
        rows.append({"image": os.path.getsize(name), "blobs": new, "delta": delta})
        print(f"version {version + 1} of {count}", *options, rows[-1], file=sys.stderr)
    shutil.rmtree("versions")
    return rows


def programs():
    """(bytes of all images, of all different blobs, {program: (image, blobs that those before it have not)}, what is left out)."""
    held, rows, missing = {}, {}, []
    for name, (point, argv) in PROGRAMS.items():
        if not os.path.exists(argv[0]):
            missing.append(name)
            continue
        t.freeze("image.snap", argv, at=point, options=["--self-contained"])
        tool("oci", "image.snap", "-o", "programs:" + name)
        its = blobs("programs", name)
        rows[name] = {"image": os.path.getsize("image.snap"),
                      "blobs": sum(size for digest, size in its.items() if digest not in held)}
        held.update(its)
        print(name, rows[name], file=sys.stderr)
    return {"images": sum(row["image"] for row in rows.values()), "blobs": sum(held.values()), "programs": rows, "missing": missing}


def megabytes(size):
    return f"{size / 1e6:.2f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def show(result, count, machines):
    for name, rows in result["versions"].items():
        print(f"{count} versions ({len(rows)} were made) of a program of Python, {name}; each on {machines} machines")
        print(f"{'':26}{'the first':>12}{'each other':>12}{'to the machines':>18}")
        for kind, label in (("image", "whole images"), ("blobs", "blobs that are not there"), ("delta", "deltas")):
            other = sum(row[kind] for row in rows[1:]) / max(1, len(rows) - 1)
            print(f"{label:26}{megabytes(rows[0][kind]):>12}{megabytes(other):>12}"
                  f"{megabytes(machines * (rows[0][kind] + (count - 1) * other)):>18}")
        print()
    shared = result["programs"]
    print(f"{len(shared['programs'])} programs: {megabytes(shared['images'])} in images, {megabytes(shared['blobs'])} in different blobs")
    for name, row in shared["programs"].items():
        print(f"  {name:14}{megabytes(row['image']):>12}, not in those before {megabytes(row['blobs'])}")
    for name in shared["missing"]:
        print(f"  {name:14} is not installed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--made", type=int, default=0)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    os.environ.setdefault("SNAP_CACHE", "off")
    with t.scratch():
        made = words.made or words.versions
        result = {"versions": {"as it comes": versions(made, []), "--reproducible": versions(made, ["--reproducible"])},
                  "programs": programs()}
    if words.json:
        json.dump(result, sys.stdout, indent=2)
        print()
    else:
        show(result, words.versions, words.machines)


if __name__ == "__main__":
    main()
