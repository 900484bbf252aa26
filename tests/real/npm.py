"""Packages of npm's registry that the tests and the benchmark use: one version each, and only with the right contents.

package(NAME, CACHE) gives the folder of the unpacked package, from CACHE or fetched into it; where that can't
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
import urllib.request

REGISTRY = "https://registry.npmjs.org"

# name: (version, integrity as the registry and npm's lock files state it). None has dependencies or needs a build.
PACKAGES = {
    "mustache": ("4.2.0", "sha512-71ippSywq5Yb7/tVYyGbkBggbU8H3u5Rz56fH60jGFgr8uHwxs+aSKeqmluIVzM0m0kB7xQjKS6qPfd0b2ZoqQ=="),
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
            archive = fetch(name, version, directory)
            check(archive, integrity)
            unpack(archive, directory)
            put_in_place(os.path.join(directory, "package"), folder)
    return folder


def fetch(name, version, directory):
    """The archive, from the registry itself, or by npm, which knows of mirrors and proxies."""
    path = os.path.join(directory, f"{name}-{version}.tgz")
    try:
        with urllib.request.urlopen(f"{REGISTRY}/{name}/-/{name}-{version}.tgz", timeout=60) as answer, open(path, "wb") as file:
            shutil.copyfileobj(answer, file)
        return path
    except OSError as error:
        return fetch_by_npm(f"{name}@{version}", directory, error)


def fetch_by_npm(what, directory, error):
    npm = shutil.which("npm")
    if not npm:
        raise Unavailable(f"{what} can't be fetched: {error}; and no npm here")
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
