"""snapimg oci and unpack: an image in an OCI layout and out of it, byte for byte; what is equal stands there once."""
import filecmp
import hashlib
import json
import os
import shutil
import sys
import tarfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

CODE = "import json, sqlite3, os\ndata = list(range(int({size})))\nos.path.exists('/snap/here')\nprint(sum(data))"
HERE = "path:/snap/here"
REF = "org.opencontainers.image.ref.name"


def snapimg(*words):
    return t.run([t.SNAPIMG, *words])


def fine(*words):
    result = snapimg(*words)
    t.check(result.status == 0 and result.err == b"", words, result)
    return result


def freeze(name, size=1000, *options):
    t.freeze(name, ["/usr/bin/python3", "-c", CODE.format(size=size)], at=HERE, options=options)


def small(name, argument="a", *options):
    t.freeze(name, [t.program("args-static"), argument], at="main", options=options)


def content(name):
    with open(name, "rb") as file:
        return file.read()


def blob(layout, digest):
    return os.path.join(layout, "blobs/sha256", digest.removeprefix("sha256:"))


def document(layout, digest):
    return json.loads(content(blob(layout, digest)))


def index(layout):
    return json.loads(content(os.path.join(layout, "index.json")))["manifests"]


def manifest(layout, tag):
    digest, = [entry["digest"] for entry in index(layout) if entry["annotations"][REF] == tag]
    return document(layout, digest)


def is_layout(layout):
    """As the specification has it, down to each digest."""
    t.check(json.loads(content(os.path.join(layout, "oci-layout"))) == {"imageLayoutVersion": "1.0.0"}, "oci-layout")
    for name in os.listdir(os.path.join(layout, "blobs/sha256")):
        t.check(hashlib.sha256(content(blob(layout, name))).hexdigest() == name, "the digest of", name)
    for entry in index(layout):
        t.check(os.path.getsize(blob(layout, entry["digest"])) == entry["size"], entry)
        its = document(layout, entry["digest"])
        for part in (its["config"], *its["layers"]):
            t.check(os.path.getsize(blob(layout, part["digest"])) == part["size"], part)


def again(name):
    """The image comes back, by the tool and by cat, and the annotations tell of it."""
    fine("oci", name, "-o", "layout:one")
    is_layout("layout")
    its = manifest("layout", "one")
    t.check(its["artifactType"] == "application/vnd.snaptrace.image.v1" and its["config"]["size"] == 2, its)
    t.check(its["annotations"]["vnd.snaptrace.image.sha256"] == hashlib.sha256(content(name)).hexdigest(), its["annotations"])
    known = json.loads(fine("info", "--json", name).out)
    t.check(its["annotations"]["vnd.snaptrace.image.digest"] == known["digest"], its["annotations"], known["digest"])
    t.check(its["annotations"]["vnd.snaptrace.image.point"] == known["point"], its["annotations"])
    t.check(b"".join(content(blob("layout", part["digest"])) for part in its["layers"]) == content(name), "its parts in a row")
    for where in ("layout:one", "layout"):
        fine("unpack", where, "-o", "again.snap")
        t.check(content("again.snap") == content(name), where, "byte for byte")
    t.check(os.stat("again.snap").st_mode & 0o777 == 0o600, "its mode")


def frozen():
    freeze("image.snap")
    again("image.snap")
    t.check(t.restore("again.snap").out == b"%d\n" % sum(range(1000)), "it starts")


def self_contained():
    freeze("image.snap", 1000, "--self-contained", "--cpu=x86-64-v2")
    again("image.snap")
    t.check(manifest("layout", "one")["annotations"]["vnd.snaptrace.image.cpu"] == "x86-64-v2", "the level")


def thawed():
    freeze("frozen.snap", 1000, "--self-contained")
    fine("thaw", "frozen.snap", "-o", "image.snap")
    again("image.snap")


def runnable():
    """Of a runnable file the image is taken."""
    small("image.snap")
    fine("runnable", "image.snap", "-o", "image.run")
    fine("oci", "image.run", "-o", "layout")
    fine("unpack", "layout", "-o", "again.snap")
    t.check(content("again.snap") == content("image.snap"), "byte for byte")


def shared():
    """Two freezes of a program, and another program with the same libraries, have blobs in common."""
    freeze("one.snap", 1000, "--self-contained")
    freeze("two.snap", 3000, "--self-contained")
    t.freeze("other.snap", ["/usr/bin/python3", "-c", "pass"], at="main", options=["--self-contained"])
    parts = {}
    for name in ("one", "two", "other"):
        fine("oci", name + ".snap", "-o", "layout:" + name)
        parts[name] = {part["digest"]: part["size"] for part in manifest("layout", name)["layers"]}
    is_layout("layout")
    for name in ("two", "other"):
        new = sum(size for digest, size in parts[name].items() if digest not in parts["one"])
        t.check(new < sum(parts[name].values()) / 2, name, "has", new, "new bytes of", sum(parts[name].values()))
    for name in ("one", "two", "other"):
        fine("unpack", "layout:" + name, "-o", "again.snap")
        t.check(content("again.snap") == content(name + ".snap"), name)


def same_files(one, other):
    seen = filecmp.dircmp(one, other)
    t.check(not seen.left_only and not seen.right_only, one, other, seen.left_only, seen.right_only)
    for name in seen.common_files:
        t.check(content(os.path.join(one, name)) == content(os.path.join(other, name)), name)
    for name in seen.common_dirs:
        same_files(os.path.join(one, name), os.path.join(other, name))


def deterministic():
    """File by file the same, whenever and in whatever steps it's made."""
    small("a.snap", "a", "--self-contained")
    small("b.snap", "b")
    for layout in ("one", "two"):
        fine("oci", "a.snap", "-o", layout + ":a")
        fine("oci", "--runnable", "a.snap", "-o", layout + ":run")
        fine("oci", "b.snap", "-o", layout + ":b")
    fine("oci", "b.snap", "-o", "two:b")
    same_files("one", "two")


def tags():
    for name in "abc":
        small(name + ".snap", name)
    fine("oci", "a.snap", "-o", "layout")
    t.check([entry["annotations"][REF] for entry in index("layout")] == ["latest"], index("layout"))
    fine("oci", "b.snap", "-o", "layout:v1")
    fine("oci", "c.snap", "-o", "layout:v1")
    t.check([entry["annotations"][REF] for entry in index("layout")] == ["latest", "v1"], index("layout"))
    for where, name in (("layout", "a"), ("layout:latest", "a"), ("layout:v1", "c")):
        fine("unpack", where, "-o", "again.snap")
        t.check(content("again.snap") == content(name + ".snap"), where)
    t.one_line(snapimg("unpack", "layout:v2", "-o", "x"), 125, "no such tag", "layout", tool="snapimg: ")
    fine("oci", "a.snap", "-o", "other:one")
    fine("oci", "b.snap", "-o", "other:two")
    t.one_line(snapimg("unpack", "other", "-o", "x"), 125, "several tags", tool="snapimg: ")


def damaged():
    """Whatever is changed of what a manifest names is refused by the blob's name; nothing is made."""
    small("image.snap")
    fine("oci", "image.snap", "-o", "layout")
    entry, = index("layout")
    its = manifest("layout", "latest")
    for digest in (entry["digest"], *(part["digest"] for part in its["layers"])):
        path = blob("layout", digest)
        whole = content(path)
        for name, changed, status, word in (("byte", bytes([whole[0] ^ 1]) + whole[1:], 125, "wrong digest"),
                                            ("end", whole[:-1] + bytes([whole[-1] ^ 1]), 125, "wrong digest"),
                                            ("shorter", whole[:-1], 125, "another size"), ("longer", whole + b"\0", 125, "another size"),
                                            ("missing", None, 127, "missing")):
            os.unlink(path)
            if changed is not None:
                with open(path, "wb") as file:
                    file.write(changed)
            t.one_line(snapimg("unpack", "layout", "-o", "x"), status, word, digest[7:], tool="snapimg: ")
            t.check(not os.path.exists("x"), name)
            with open(path, "wb") as file:
                file.write(whole)
    # It is put right by making it again.
    path = blob("layout", its["layers"][0]["digest"])
    with open(path, "wb") as file:
        file.write(b"something else")
    fine("oci", "image.snap", "-o", "layout")
    fine("unpack", "layout", "-o", "again.snap")


def other_documents():
    """Documents that say something else: one line each."""
    small("image.snap")
    fine("oci", "image.snap", "-o", "layout")
    whole = json.loads(content("layout/index.json"))

    def refused(text, *words, status=125):
        with open("layout/index.json", "w", encoding="utf-8") as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
        t.one_line(snapimg("unpack", "layout", "-o", "x"), status, *words, tool="snapimg: ")
        t.check(not os.path.exists("x"), "nothing is made")

    def changed(**values):
        return {**whole, "manifests": [{**whole["manifests"][0], **values}]}

    for text in ("", "{", "[]", "{}", '{"manifests": 1}', "[" * 100000, '"\\u12"', '{"manifests": [1]}', "\0", '{"a": "b\n"}'):
        refused(text, "layout")
    refused({**whole, "manifests": []}, "no such tag")
    refused(changed(digest="sha512:00"), "no SHA-256")
    refused(changed(digest="sha256:../../../../etc/passwd" + "0" * 35), "no SHA-256")
    refused(changed(digest="sha256:" + "0" * 64), "missing", "0" * 64, status=127)
    refused(changed(size=-1), "layout")
    refused(changed(size=1 << 63), "too large")
    refused(changed(size="1"), "layout")
    # A manifest of something else, and one whose parts are no image.
    its = manifest_of(whole)
    for name, other, word in (("artifact", {**its, "artifactType": "application/x"}, "not an image of snaptrace"),
                              ("none", {**its, "layers": []}, "layout"),
                              ("part", {**its, "layers": its["layers"][1:]}, "not a snapshot image"),
                              ("order", {**its, "layers": [its["layers"][0], *its["layers"][:0:-1]]}, "layout"),
                              ("huge", {**its, "layers": [{**its["layers"][0], "size": (1 << 64) - 1}] * 2}, "layout")):
        text = json.dumps(other).encode()
        digest = hashlib.sha256(text).hexdigest()
        with open(blob("layout", digest), "wb") as file:
            file.write(text)
        refused(changed(digest="sha256:" + digest, size=len(text)), word)


def manifest_of(whole):
    return document("layout", whole["manifests"][0]["digest"])


def wrong_use():
    small("image.snap", "a", "--self-contained")
    freeze("files.snap")
    os.mkdir("full")
    open("full/file", "wb").close()
    for words, *wanted in ((("oci", "image.snap", "-o", "full"), "not an OCI image layout", "full"),
                           (("oci", "image.snap", "-o", "layout:a/b/c:?"), "not a tag"),
                           (("oci", "image.snap", "-o", "layout:" + "a" * 129), "not a tag"),
                           (("oci", "image.snap", "-o", ":tag"), "not a directory"),
                           (("oci", "image.snap", "-o", "-"), "not a directory"),
                           (("oci", "image.snap"), "no output"),
                           (("oci", "--runnable", "files.snap", "-o", "layout"), "needs files", "--self-contained", "files.snap"),
                           (("info", "--runnable", "image.snap"), "--runnable")):
        t.one_line(snapimg(*words), 125, *wanted, tool="snapimg: ")
    t.one_line(snapimg("unpack", "nowhere", "-o", "x"), 127, "nowhere", tool="snapimg: ")
    t.check(sorted(os.listdir(".")) == ["files.snap", "full", "image.snap"], "nothing is made:", os.listdir("."))
    fine("oci", "--runnable", "image.snap", "-o", "layout")
    t.one_line(snapimg("unpack", "layout", "-o", "x"), 125, "a container image", "runnable", tool="snapimg: ")


def container():
    """What a runtime needs to know, and a layer with the runnable file and the directories that it needs."""
    os.makedirs("below/it")
    script = "import os\nos.chdir('below/it')\nos.path.exists('/snap/here')\nprint(os.getcwd())"
    t.freeze("image.snap", ["/usr/bin/python3", "-c", script], at=HERE, options=["--self-contained"],
             env={**t.PLAIN_ENV, "SECRET": "x", "LANG": "C.UTF-8"})
    below = os.path.abspath("below/it")
    fine("oci", "--runnable", "image.snap", "-o", "layout:run")
    is_layout("layout")
    its = manifest("layout", "run")
    config = document("layout", its["config"]["digest"])
    layer = its["layers"][0]["digest"]
    t.check(config["rootfs"] == {"type": "layers", "diff_ids": [layer]} and config["os"] == "linux", config)
    t.check(config["config"]["Env"][1:] == ["LC_ALL=C", "LANG=C.UTF-8"] or config["config"]["Env"][1:] == ["LANG=C.UTF-8", "LC_ALL=C"],
            config["config"])
    t.check(config["config"]["WorkingDir"] == below and config["config"]["Labels"] == its["annotations"], config["config"])
    entry, = config["config"]["Entrypoint"]
    with tarfile.open(blob("layout", layer)) as tar:
        members = {"/" + member.name: member for member in tar.getmembers()}
        t.check(set(members) == {"/bin", "/tmp", entry, *parents(below)}, list(members))
        t.check(members["/tmp"].mode == 0o1777 and members[entry].mode == 0o755, members)
        t.check(all((member.uid, member.gid) == (0, 0) for member in members.values()), "root's")
        with open("program.run", "wb") as file:
            shutil.copyfileobj(tar.extractfile(members[entry]), file)
    os.chmod("program.run", 0o755)
    t.check("thawed" in json.loads(fine("info", "--json", "program.run").out)["required_features"], "nothing is to be decoded there")
    result = t.run(["./program.run"])
    t.check(result == t.Result(0, below.encode() + b"\n", b""), result)


def parents(path):
    while path != "/":
        yield path
        path = os.path.dirname(path)


ROWS = {"oci.frozen": frozen, "oci.self-contained": self_contained, "oci.thawed": thawed, "oci.runnable": runnable,
        "oci.shared": shared, "oci.deterministic": deterministic, "oci.tags": tags, "oci.damaged": damaged,
        "oci.other-documents": other_documents, "oci.wrong-use": wrong_use, "oci.container": container}

if __name__ == "__main__":
    t.main(ROWS)
