#!/usr/bin/python3
"""Signed images: what is signed starts with the key, and what is not, or was changed, does not; the cache is keyed."""
import hashlib
import json
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

CODE = "import os; data = os.urandom(1 << 19); os.path.exists('/snap/here'); print('started')"


def openssl(*words):
    made = t.run(["openssl", *words])
    t.check(made.status == 0, made)


def make_keys(*names):
    for name in names:
        openssl("genpkey", "-algorithm", "ed25519", "-out", name + ".pem")
        openssl("pkey", "-in", name + ".pem", "-pubout", "-out", name + ".pub")


def sign(image, output, key="one.pem"):
    t.same(t.run([t.SNAPIMG, "sign", "--key", key, image, "-o", output]), t.Result(0, b"", b""))


def signed(thaw=False):
    make_keys("one", "two")
    t.freeze("image.snap", ["/bin/echo", "recorded"])
    if thaw:
        t.check(t.run([t.SNAPIMG, "thaw", "image.snap", "-o", "image.snap"]).status == 0, "not thawed")
    sign("image.snap", "signed.snap")


def starts():
    """By option and by variable, with all arguments, frozen and thawed, from a pipe, and without a key."""
    for thaw in (False, True):
        signed(thaw)
        for options, env in ((["--key", "one.pub"], {}), ([], {"SNAP_KEY": "one.pub"}), ([], {})):
            said = t.run([t.SNAPRUN, *options, "signed.snap", "a", "--key"], env={**t.PLAIN_ENV, **env})
            t.same(said, t.Result(0, b"a --key\n", b""))
        t.same(t.run([t.SNAPRUN, "--key", "one.pub", "signed.snap"]), t.Result(0, b"recorded\n", b""))
        with open("signed.snap", "rb") as file:
            t.same(t.run([t.SNAPRUN, "--key=one.pub", "/dev/fd/0", "p"], stdin=file.read()), t.Result(0, b"p\n", b""))
        t.check(t.run([t.SNAPIMG, "verify", "--key", "one.pub", "signed.snap"]).status == 0, "not verified")
    # A reader that knows no signatures skips the section: it is not marked as required.
    with open("signed.snap", "rb") as file:
        last = file.read()[-40:]
    t.check(struct.unpack_from("<II", last) == (44, 0), last)


def refused():
    """Not signed, another key, changed in any part, no key; a line each, for verify too."""
    signed()
    sign("image.snap", "other.snap", "two.pem")
    with open("signed.snap", "rb") as file:
        whole = bytearray(file.read())
    cases = [("image.snap", ["not signed"]), ("other.snap", ["another key"])]
    table, = struct.unpack_from("<Q", whole, 56)
    place, = struct.unpack_from("<Q", whole, table + 40 * (struct.unpack_from("<H", whole, 14)[0] - 1) + 8)
    for name, at, words in (("data", 5000, ["damaged"]), ("header", 33, ["digest"]), ("signature", place + 40, ["checksum"]),
                            ("cut", None, ["cut off"])):
        changed = bytearray(whole)
        if at is None:
            del changed[-50:]
        else:
            changed[at] ^= 1
        with open(name, "wb") as file:
            file.write(changed)
        cases.append((name, words if name != "data" else ["does not match"]))
    for name, words in cases:
        t.one_line(t.run([t.SNAPRUN, "--key", "one.pub", name]), 125, name, *words)
        if name != "data":
            t.one_line(t.run([t.SNAPIMG, "verify", "--key", "one.pub", name]), 125, name, *words)
        t.one_line(t.run([t.SNAPRUN, "--fallback", "--key", "one.pub", name]), 125, name, *words)
    for key, words in (("none", ["no such file"]), ("one.pem", ["not such a key"]), ("image.snap", ["not such a key"])):
        t.one_line(t.run([t.SNAPRUN, "--key", key, "signed.snap"]), 125, key, *words)
    openssl("genpkey", "-algorithm", "x25519", "-out", "other.pem")
    for key in ("other.pem", "one.pub"):
        t.one_line(t.run([t.SNAPIMG, "sign", "--key", key, "image.snap", "-o", "x"]), 125, key, "not such a key")
    t.one_line(t.run([t.SNAPIMG, "sign", "image.snap", "-o", "x"]), 125, "no key")
    t.one_line(t.run([t.SNAPRUN, "--record-hot", "--key", "one.pub", "signed.snap"]), 125, "--key")
    t.one_line(t.run([t.SNAPRUN, "--verified=0:" + 64 * "0", "image.snap"]), 125, "--verified")


def resigned():
    """With all checksums right: only the signature tells. Signing once more replaces it; what is made anew has none."""
    signed()
    edited = t.run([os.path.join(t.BUILD, "tests/restore/edit_image"), "signed.snap", "edited.snap", "pipe"])
    if edited.status == 0:
        t.one_line(t.run([t.SNAPRUN, "--key", "one.pub", "edited.snap"]), 125, "does not match")
    sign("signed.snap", "again.snap", "two.pem")
    t.same(t.run([t.SNAPRUN, "--key", "two.pub", "again.snap", "x"]), t.Result(0, b"x\n", b""))
    sign("again.snap", "back.snap")
    with open("signed.snap", "rb") as one, open("back.snap", "rb") as other:
        t.check(one.read() == other.read(), "another file")
    t.check(t.run([t.SNAPIMG, "thaw", "signed.snap", "-o", "thawed.snap"]).status == 0, "not thawed")
    t.one_line(t.run([t.SNAPRUN, "--key", "one.pub", "thawed.snap"]), 125, "not signed")
    t.check(t.run([t.SNAPIMG, "runnable", "signed.snap", "-o", "program.run"]).status == 0, "not made")
    t.same(t.run([t.SNAPRUN, "--key", "one.pub", "program.run", "r"]), t.Result(0, b"r\n", b""))
    t.one_line(t.run(["./program.run"], env={**t.PLAIN_ENV, "SNAP_KEY": "one.pub"}), 125, "--key")


def named():
    """info has the SHA-256 of the image's bytes, and whose the signature says to be."""
    signed()
    with open("signed.snap", "rb") as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    told = json.loads(t.run([t.SNAPIMG, "info", "--json", "signed.snap"]).out)
    raw = t.run(["openssl", "pkey", "-pubin", "-in", "one.pub", "-outform", "DER"]).out[-32:]
    t.check(told["sha256"] == sha256 and told["signed_with"] == raw.hex(), told["sha256"], told["signed_with"])
    plain = t.run([t.SNAPIMG, "info", "signed.snap"]).out
    t.check(sha256.encode() in plain and raw.hex().encode() in plain, plain)


def cached():
    """The copy of a start with a key is named by SHA-256; one that is put under the name of the digest is not used."""
    make_keys("one")
    for name, word in (("good", "good"), ("evil", "evil")):
        t.freeze(name + ".snap", ["/usr/bin/python3", "-c", CODE.replace("started", word)], at="path:/snap/here",
                 options=["--no-cache"])
    sign("good.snap", "signed.snap")
    env = {**t.PLAIN_ENV, "SNAP_CACHE": os.path.abspath("cache")}
    with open("signed.snap", "rb") as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    for _ in range(2):
        t.same(t.run([t.SNAPRUN, "--key", "one.pub", "signed.snap"], env=env), t.Result(0, b"good\n", b""))
        t.check(os.listdir("cache") == [sha256 + ".snap"], os.listdir("cache"))
    traced = t.run(["strace", "-f", "-e", "trace=openat", t.SNAPRUN, "--key", "one.pub", "signed.snap"], env=env)
    if b"PTRACE" not in traced.err:
        t.check(f'"{sha256}.snap", O_RDONLY|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC) = '.encode() in traced.err, traced.err)
    listed = json.loads(t.run([t.SNAPIMG, "cache", "list", "--json"], env=env).out)
    t.check([copy["name"] for copy in listed] == [sha256 + ".snap"], listed)
    # The copy of another image, which says that it is of this one's digest.
    os.remove(f"cache/{sha256}.snap")
    digest = json.loads(t.run([t.SNAPIMG, "verify", "--json", "signed.snap"]).out)["digest"]
    t.check(t.run([t.SNAPIMG, "thaw", "evil.snap", "-o", f"cache/{digest}.snap"]).status == 0, "not thawed")
    t.same(t.run([t.SNAPRUN, "--key", "one.pub", "signed.snap"], env=env), t.Result(0, b"good\n", b""))
    t.check(t.run([t.SNAPIMG, "cache", "clear"], env=env).status == 0 and os.listdir("cache") == [], os.listdir("cache"))


t.main({"signed.starts": starts, "signed.refused": refused, "signed.resigned": resigned, "signed.named": named,
        "signed.cached": cached})
