"""Packages of npm's registry that the tests and the benchmark use: one version each, and only with the right contents.

package(NAME, CACHE) gives the folder of the unpacked package, from CACHE or fetched by npm into it; where that can't
be, it raises Unavailable, and the caller skips. As a program: npm.py CACHE NAME... prints the folders; 77 when one
can't be had.
"""
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

# name: (version, integrity as the registry and npm's lock files state it). None has dependencies or needs a build.
PACKAGES = {
    "typescript": ("5.6.3", "sha512-hjcS1mhfuyi4WW8IWtjP7brDrG2cuDZukyrYrSauoXGNgx0S7zceP07adYkJycEr56BOUTNPzbInooiN3fn1qw=="),
}


class Unavailable(Exception):
    pass


def package(name, cache):
    version, integrity = PACKAGES[name]
    folder = os.path.join(os.path.abspath(cache), f"{name}-{version}")
    if not os.path.exists(folder):
        os.makedirs(cache, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=cache) as directory:
            archive = fetch(f"{name}@{version}", directory)
            check(archive, integrity)
            unpack(archive, directory)
            put_in_place(os.path.join(directory, "package"), folder)
    return folder


def fetch(what, directory):
    npm = shutil.which("npm")
    if not npm:
        raise Unavailable("no npm here")
    words = [npm, "pack", what, "--json", "--ignore-scripts", "--fetch-retries=0", "--pack-destination", directory]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          env={**os.environ, "npm_config_cache": os.path.join(directory, "cache")})
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise Unavailable(f"{what} can't be fetched: {lines[0]}")
    return os.path.join(directory, json.loads(done.stdout)[0]["filename"])


def check(archive, integrity):
    """Another content is no reason to skip: something is wrong."""
    with open(archive, "rb") as file:
        found = "sha512-" + base64.b64encode(hashlib.sha512(file.read()).digest()).decode()
    if found != integrity:
        raise ValueError(f"{os.path.basename(archive)} has the integrity {found}, not {integrity}")


def unpack(archive, directory):
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            if not (member.isfile() or member.isdir()) or not os.path.normpath(member.name).startswith("package"):
                raise ValueError(f"{os.path.basename(archive)} has a strange member: {member.name}")
        tar.extractall(directory)


def put_in_place(made, folder):
    try:
        os.rename(made, folder)
    except OSError:
        if not os.path.exists(folder):  # or else another was quicker
            raise


def main():
    try:
        for name in sys.argv[2:]:
            print(package(name, sys.argv[1]))
    except Unavailable as reason:
        print(reason, file=sys.stderr)
        sys.exit(77)


if __name__ == "__main__":
    main()
