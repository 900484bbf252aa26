"""What must not be the same in two starts of an image: random numbers of the kernel, of OpenSSL, of Python's library."""
import ast
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

HERE = "path:/snap/here"
PYTHON = "/usr/bin/python3"
SAME_IDS = ("--same-ids",)
DRAWS = """
import ctypes, os, random, secrets, sys, uuid
try:
    import ssl
except ImportError:
    sys.exit(77)
def draw():
    return {'ssl': ssl.RAND_bytes(16), 'os': os.urandom(16), 'uuid1': uuid.uuid1().bytes, 'uuid4': uuid.uuid4().bytes,
            'secrets': secrets.token_bytes(16), 'SystemRandom': random.SystemRandom().getrandbits(128),
            'random': random.getrandbits(128)}
draw()
%s
os.path.exists('/snap/here')
%s
print(draw())
"""
# As the manual has them, UNIQUENESS.
AFTER_THE_POINT = "ssl.RAND_add(os.urandom(32), 32.0); random.seed()"
CALLBACK = """
def again(_):
    ssl.RAND_add(os.urandom(32), 32.0)
    random.seed()
again = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(again)
ctypes.CDLL(None).snap_on_restore(again, None)
"""


def need_same_ids(image):
    probe = t.restore(image, options=SAME_IDS)
    if probe.status == 125:
        t.skip(probe.err.decode(errors="replace").splitlines()[0])


def draws(start):
    """What five starts print, each of which must be well."""
    results = [start() for _ in range(5)]
    for result in results:
        if result.status == 77:
            t.skip("no ssl module, or no such kernel")
        t.check(result.status == 0 and result.err == b"", result)
    return [result.out for result in results]


def all_differ(values, *what):
    t.check(len(set(values)) == len(values), *what, "drawn twice:", values)


def openssl(*words, options=()):
    path = os.path.join(t.PROGRAMS, "openssl-pie")
    if not os.path.exists(path):
        t.skip("built without OpenSSL's headers (libssl-dev)")
    t.freeze("image.snap", [path, *words], at=HERE)
    if options:
        need_same_ids("image.snap")
    all_differ(draws(lambda: t.restore("image.snap", options=options)), "OpenSSL", *words)


def python(before, after, alike, options=()):
    """All that is drawn differs, but what `alike` names: that is Python's own state, and carried like all of it."""
    t.freeze("image.snap", [PYTHON, "-c", DRAWS % (before, after)], at=HERE)
    if options:
        need_same_ids("image.snap")
    starts = [ast.literal_eval(out.decode()) for out in draws(lambda: t.restore("image.snap", options=options))]
    for name in starts[0]:
        values = [start[name] for start in starts]
        if name in alike:
            t.check(len(set(values)) == 1, name, "differs; the manual says otherwise:", values)
        else:
            all_differ(values, name)


# A library that Python loads, drawn from before the point and after it; 77: it is not installed.
LIBRARY = """
import ctypes, os, sys
try:
    library = ctypes.CDLL(%r)
except OSError:
    sys.exit(77)
def draw():
    bytes = ctypes.create_string_buffer(16)
    library.%s
    return bytes.raw.hex()
library.%s
draw()
os.path.exists('/snap/here')
print(draw())
"""
LIBRARIES = {
    "gnutls": ("libgnutls.so.30", "gnutls_rnd(2, bytes, 16)", "gnutls_global_init()"),
    "gcrypt": ("libgcrypt.so.20", "gcry_randomize(bytes, 16, 2)", "gcry_check_version(None)"),
    "nss": ("libnss3.so", "PK11_GenerateRandom(bytes, 16)", "NSS_NoDB_Init(b'.')"),
}
SQLITE = """
import os, sys
try:
    import sqlite3
except ImportError:
    sys.exit(77)
base = sqlite3.connect(":memory:")
def draw():
    return base.execute("select hex(randomblob(16)), random()").fetchone()
draw()
os.path.exists('/snap/here')
print(*draw())
"""
NODE = """
const crypto = require("crypto");
const { Worker, isMainThread, parentPort } = require("worker_threads");
function draw() { return [crypto.randomUUID(), crypto.randomInt(2 ** 47), crypto.webcrypto.randomUUID(), crypto.randomBytes(8).toString("hex")]; }
draw();
if (process.env.NODE_OPTIONS || Object.keys(process.env).some((name) => name.startsWith("SNAP")) ||
    Object.keys(require.cache).some((name) => name.endsWith("node.cjs")))
    process.exit(3);
if (isMainThread) {
    const worker = new Worker(__filename);
    worker.once("message", () => {
        require("fs").existsSync("/snap/here");
        worker.once("message", (words) => {
            for (const word of [...draw(), ...words]) console.log(word);
            process.exit(0);
        });
        worker.postMessage("draw");
    });
} else {
    parentPort.on("message", () => parentPort.postMessage(draw()));
    parentPort.postMessage("ready");
}
"""


def program_draws(words, options=()):
    """No word that one start prints is printed by another."""
    if t.run(words, env=NO_RING).status == 77:
        t.skip("not installed: " + words[-1].split("CDLL('")[-1].split("'")[0])
    t.freeze("image.snap", words, at=HERE, env=NO_RING)
    if options:
        need_same_ids("image.snap")
    starts = draws(lambda: t.restore("image.snap", options=options))
    all_differ([word for out in starts for word in out.split()], words[-1])


NO_RING = {**t.PLAIN_ENV, "UV_USE_IO_URING": "0"}


def library(name, options=()):
    program_draws([PYTHON, "-c", LIBRARY % LIBRARIES[name]], options)


def node(options=()):
    path = shutil.which("node")
    if path is None:
        t.skip("no node")
    with open("draws.js", "w", encoding="ascii") as file:
        file.write(NODE)
    program_draws([path, "draws.js"], options)


def vdso():
    path = t.program("vdso_random-pie")
    direct = t.run_directly([path])
    t.freeze("image.snap", [path], at=HERE)
    all_differ(draws(lambda: t.restore("image.snap", env={"RESTORED": "1"})) + [direct.out], "vdso")


def row(function, *arguments, **more):
    return lambda: function(*arguments, **more)


ROWS = {name + more: row(function, *words, options=options)
        for name, function, words in (("unique.node", node, ()), ("unique.gnutls", library, ("gnutls",)),
                                      ("unique.gcrypt", library, ("gcrypt",)), ("unique.nss", library, ("nss",)))
        for more, options in (("", ()), (".same-ids", SAME_IDS))}

t.main({
    **ROWS,
    "unique.openssl": row(openssl),
    "unique.openssl.same-ids": row(openssl, options=SAME_IDS),
    "unique.openssl.reseed": row(openssl, "reseed", options=SAME_IDS),
    "unique.python.same-ids": row(python, "", "", ("random",), options=SAME_IDS),
    "unique.python": row(python, "", "", ("random",)),
    "unique.python.after": row(python, "", AFTER_THE_POINT, (), options=SAME_IDS),
    "unique.python.callback": row(python, CALLBACK, "", (), options=SAME_IDS),
    "unique.sqlite": row(program_draws, [PYTHON, "-c", SQLITE]),
    "unique.vdso": vdso,
})
