"""Images that go through what exists: a registry on loopback, its tools, a container runtime; encryption on the way."""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = "path:/snap/here"
# It keeps its ID, for which a container seldom allows a namespace: then the new one is written in its place.
PYTHON = """import json, os, sys
kept = os.getpid()
os.path.exists('/snap/here')
with open('/proc/self/cmdline', 'rb') as file:
    words = file.read().split(b'\\0')[1:-1]
print(json.dumps([word.decode() for word in words]), os.environ.get('LANG'), kept == os.getpid(), sys.stdin.read())
"""
# Where an own cgroup2 can't be had (a user in a namespace of their own), nothing.
OWN_CGROUP = "mount -t cgroup2 none /sys/fs/cgroup 2>&- || mount -t tmpfs none /sys/fs/cgroup && exec \"$@\""


def fine(argv, **more):
    result = t.run(argv, env={**t.PLAIN_ENV, "HOME": os.getcwd(), "XDG_RUNTIME_DIR": os.getcwd()}, **more)
    t.check(result.status == 0, argv, result)
    return result


def answers(port, server):
    """When the registry listens, which can't be waited for otherwise; False when it has ended."""
    while server.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False


@contextlib.contextmanager
def registry():
    """host:port. Somebody else may take the port meanwhile: then another."""
    for _ in range(20):
        port = t.free_port()
        with open("registry.yml", "w", encoding="ascii") as file:
            json.dump({"version": "0.1", "log": {"level": "error", "accesslog": {"disabled": True}},
                       "storage": {"filesystem": {"rootdirectory": os.path.abspath("stored")}},
                       "http": {"addr": f"127.0.0.1:{port}"}}, file)
        with open("registry.log", "wb") as log, \
                subprocess.Popen(["docker-registry", "serve", "registry.yml"], stdout=log, stderr=log) as server:
            try:
                if answers(port, server):
                    yield f"127.0.0.1:{port}"
                    return
            finally:
                server.kill()
    raise t.Failure("the registry doesn't start")


def push(layout, place):
    fine(["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", "--preserve-digests", "oci:" + layout, "docker://" + place])


def pull(place, layout):
    fine(["skopeo", "copy", "--insecure-policy", "--src-tls-verify=false", "--preserve-digests", "docker://" + place, "oci:" + layout])


def stored(top="stored"):
    """Bytes of the registry's blobs."""
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(top) for name in names if name == "data")


def snapimg(*words):
    return fine([t.SNAPIMG, *words])


def content(name):
    with open(name, "rb") as file:
        return file.read()


def artifact():
    """Two versions go through a registry, which keeps what they share once, and come back byte for byte."""
    t.need("skopeo", "docker-registry")
    for name, size in (("one", 1000), ("two", 3000)):
        code = f"import json, sqlite3, os\ndata = list(range({size}))\nos.path.exists('/snap/here')\nprint(sum(data))"
        t.freeze(name + ".snap", ["/usr/bin/python3", "-c", code], at=HERE, options=["--self-contained"])
        snapimg("oci", name + ".snap", "-o", "layout:" + name)
    with registry() as host:
        push("layout:one", host + "/prog:one")
        before = stored()
        push("layout:two", host + "/prog:two")
        t.check(stored() - before < os.path.getsize("two.snap") / 2, stored() - before, "bytes more in the registry")
        for name in ("one", "two"):
            pull(f"{host}/prog:{name}", "pulled:" + name)
    for name in ("one", "two"):
        snapimg("unpack", "pulled:" + name, "-o", "again.snap")
        t.check(content("again.snap") == content(name + ".snap"), name, "byte for byte")
    t.check(t.restore("again.snap").out == b"%d\n" % sum(range(3000)), "it starts")


def alone():
    """The beginning of a command that gives it a mount namespace, and a user one where it must be."""
    begin = ["unshare", "-m"] if t.IS_ROOT else ["unshare", "-U", "-r", "-m"]
    begin += ["sh", "-c", OWN_CGROUP, "sh"]
    probe = t.run([*begin, "true"])
    if probe.status != 0:
        t.skip("no mount namespace of its own to be had here: " + probe.err.decode(errors="replace").strip())
    return begin


def crun(begin, bundle, words, **more):
    """Runs the bundle with more arguments, as a runtime is asked to."""
    path = os.path.join(bundle, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["process"]["terminal"] = False
    config["process"]["args"] = config["process"]["args"][:1] + words
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    return t.run([*begin, "crun", "--root", os.path.abspath("state"), "--cgroup-manager=disabled", "run", "-b", bundle,
                  f"snaptest-{os.getpid()}"], env={**t.PLAIN_ENV, "XDG_RUNTIME_DIR": os.getcwd()}, **more)


def container():
    """A container image is pushed, pulled, unpacked and run by tools that know nothing of snaptrace."""
    t.need("skopeo", "docker-registry", "umoci", "crun")
    begin = alone()
    t.freeze_with_nothing_kept("image.snap", ["/usr/bin/python3", "-c", PYTHON], at=HERE, options=["--self-contained"],
                               env={**t.PLAIN_ENV, "LANG": "C.UTF-8"})
    snapimg("oci", "--runnable", "image.snap", "-o", "layout")
    with registry() as host:
        push("layout:latest", host + "/prog:v1")
        pull(host + "/prog:v1", "pulled:v1")
    fine([*begin, "umoci", "unpack", "--rootless", "--image", "pulled:v1", "bundle"])
    # A runtime that can't run anything here says so of any container: one with nothing but busybox, if that is here.
    for words in ([], ["some", "words"]):
        got = crun(begin, "bundle", words, stdin=b"input")
        if got.status != 0 and b"snap" not in got.err and not can_run(begin):
            t.skip("crun can run no container here: " + got.err.decode(errors="replace").strip())
        given = words or ["-c", PYTHON]
        t.check(got.status == 0 and got.out == (json.dumps(given) + " C.UTF-8 True input\n").encode(), got)


def bundle(name, program, like, links=(), mounts=()):
    """A container with another root, which has what snaprun and programs of the host need, and its mounts: (where, what, how)."""
    with open(os.path.join(like, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    for directory in ("bin", "dev", "proc", "sys", "tmp", "var/tmp", *(where[1:] for where, _, _ in mounts)):
        os.makedirs(os.path.join(name, "rootfs", directory))
    for link in links:
        os.symlink("usr/" + link, os.path.join(name, "rootfs", link))
    config["process"].update(args=[program], cwd="/")
    config["mounts"] += [{"destination": where, "source": os.path.abspath(what), "type": "bind", "options": ["rbind", *how]}
                         for where, what, how in mounts]
    with open(os.path.join(name, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    return name


def volumes():
    """The arrangements of Kubernetes for a container that has an image of its own: the container image is mounted in it, as
    image volumes are (read-only, in some versions noexec); an init container fetches the artifact into a directory of both."""
    t.need("skopeo", "umoci", "crun")
    begin = alone()
    t.freeze_with_nothing_kept("image.snap", ["/usr/bin/python3", "-c", PYTHON], at=HERE, options=["--self-contained"],
                               env={**t.PLAIN_ENV, "LANG": "C.UTF-8"})
    snapimg("thaw", "image.snap", "-o", "thawed.snap")
    snapimg("oci", "--runnable", "thawed.snap", "-o", "layout:run")
    snapimg("oci", "image.snap", "-o", "layout:artifact")
    fine([*begin, "umoci", "unpack", "--rootless", "--image", "layout:run", "prog"])
    program, = os.listdir("prog/rootfs/bin")
    wanted = (json.dumps(["some", "words"]) + " C.UTF-8 True input\n").encode()
    worker = bundle("worker", "/bin/snaprun", "prog", mounts=[("/snap", "prog/rootfs", ("ro", "noexec"))])
    shutil.copy(t.SNAPRUN, "worker/rootfs/bin/")
    got = crun(begin, worker, ["/snap/bin/" + program, "some", "words"], stdin=b"input")
    if got.status != 0 and b"snap" not in got.err and not can_run(begin, "prog"):
        t.skip("crun can run no container here: " + got.err.decode(errors="replace").strip())
    t.check(got.status == 0 and got.out == wanted, got)
    os.mkdir("empty")
    links = [name for name in ("lib", "lib64") if os.path.islink("/" + name)]
    fetch = bundle("fetch", "/usr/bin/sh", "prog", links,
                   [("/usr", "/usr", ()), ("/opt", t.BIN, ()), ("/registry", "layout", ()), ("/snap", "empty", ())])
    script = ("skopeo copy --insecure-policy --preserve-digests oci:/registry:artifact oci:/tmp/l:v1 && "
              "/opt/snapimg unpack /tmp/l:v1 -o /tmp/prog.snap && /opt/snapimg runnable /tmp/prog.snap -o /snap/prog")
    got = crun(begin, fetch, ["-c", script])
    t.check(got.status == 0, got)
    second = bundle("second", "/snap/prog", "prog", mounts=[("/snap", "empty", ())])
    got = crun(begin, second, ["some", "words"], stdin=b"input")
    t.check(got.status == 0 and got.out == wanted, got)


def can_run(begin, its="bundle"):
    """Whether crun runs a static program at all."""
    shutil.copytree(its, "other", symlinks=True)
    for name in os.listdir("other/rootfs/bin"):
        shutil.copy(t.program("args-static"), "other/rootfs/bin/" + name)
    return crun(begin, "other", []).status == 0


def encrypted():
    """As the manual has it: nothing of the image but what is encrypted is ever in a file."""
    t.need("age", "age-keygen", "bash")
    fine(["age-keygen", "-o", "key.txt"])
    public, = [line.split()[-1] for line in content("key.txt").decode().splitlines() if line.startswith("# public key:")]
    script = ("set -o pipefail; \"$1\" -q -o - \"$4\" secret | age -r \"$3\" -o image.age && age -d -i key.txt image.age | \"$2\" /dev/stdin && "
              "echo input | \"$2\" <(age -d -i key.txt image.age) other words")
    got = fine(["bash", "-c", script, "bash", t.SNAPTRACE, t.SNAPRUN, public, t.program("args-static")])
    t.check(b"secret" in got.out and b"words" in got.out, got)
    t.check(sorted(os.listdir(".")) == ["image.age", "key.txt"], os.listdir("."))
    t.check(b"secret" not in content("image.age"), "it's encrypted")


ROWS = {f"registry.{function.__name__}": function for function in (artifact, container, volumes, encrypted)}

if __name__ == "__main__":
    t.main(ROWS)
