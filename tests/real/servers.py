"""Servers of Debian and node's: frozen when they wait for a client, started several times, and asked each time."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE_DIR = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE_DIR, ".."))
sys.path.insert(1, HERE_DIR)
import npm  # noqa: E402
import snaptest as t  # noqa: E402

LOOPBACK = "127.0.0.1"
STARTS = 3


def tool(name):
    return shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin:" + os.environ.get("PATH", "")) or t.skip(f"no {name} here")


def connect(port, process):
    """Waits until the server listens."""
    for _ in range(6000):
        t.check(process.poll() is None, "the server ended with", process.returncode)
        try:
            return socket.create_connection((LOOPBACK, port), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise t.Failure(f"nobody listens at port {port}")


def ask(port, process, request):
    with connect(port, process) as client:
        client.sendall(request)
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer


@contextlib.contextmanager
def started(argv, end=signal.SIGTERM, status=None, **options):
    """A process that is asked meanwhile, then ended. status: what it must end with; None: anything but a crash."""
    with open("server.log", "wb") as log:
        with subprocess.Popen(argv, stdout=log, stderr=log, stdin=options.pop("stdin", subprocess.DEVNULL), env=t.PLAIN_ENV,
                              **options) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(end)
            process.wait(60)
    with open("server.log", "rb") as log:
        crashed = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, 125)
        ended = process.returncode
        t.check(ended == status if status is not None else ended not in crashed, "the server ended with", ended, log.read())


def freeze(argv, at="idle", **options):
    t.freeze("server.snap", argv, at=at, options=["--timeout", "60s"], **options)


def restored(words=(), **options):
    return started([t.SNAPRUN, *words, "server.snap"], **options)


def get(port, process, path="/"):
    answer = ask(port, process, f"GET {path} HTTP/1.0\r\nHost: here\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    t.check(b" 200 " in head.splitlines()[0], answer)
    return body


# Redis: the digest is of every key and value.

KEYS = int(os.environ.get("SNAPTEST_REDIS_KEYS", "100000"))


def redis():
    server, client, benchmark = tool("redis-server"), tool("redis-cli"), tool("redis-benchmark")
    port = t.free_port()
    argv = [server, "--port", str(port), "--bind", LOOPBACK, "--save", "", "--enable-debug-command", "yes"]

    def command(*words):
        done = t.run([client, "-p", str(port), *words])
        t.check(done.status == 0, words, done)
        return done.out.strip()

    with started(argv, status=0) as process:
        connect(port, process).close()
        command("debug", "populate", str(KEYS), "key", "40")
        digest = command("debug", "digest")
        command("save")
    freeze(argv)
    for _ in range(STARTS):
        with restored(status=0) as process:
            connect(port, process).close()
            t.check(command("dbsize") == str(KEYS).encode() and command("debug", "digest") == digest, "other content")
            driven = t.run([benchmark, "-p", str(port), "-q", "-n", "2000", "-t", "set,get,lpush"])
            t.check(driven.status == 0 and driven.out.count(b"requests per second") >= 3, driven)
            t.check(command("set", "new", "value") == b"OK" and command("get", "new") == b"value", "set and get")
            before = command("lastsave")
            command("bgsave")  # a child
            while b"rdb_bgsave_in_progress:1" in command("info", "persistence"):
                time.sleep(0.01)
            t.check(b"rdb_last_bgsave_status:ok" in command("info", "persistence"), before, command("lastsave"))
    # The snapshot that the last one wrote is whole.
    with started(argv, status=0) as process:
        connect(port, process).close()
        while command("ping") != b"PONG":
            time.sleep(0.01)
        t.check(command("get", "new") == b"value", "the file that was saved")


NGINX = """
daemon off; master_process off; worker_processes 1; pid {here}/pid; error_log {here}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
    server {{ listen {address}; root {here}/files; location /said {{ return 200 "said\\n"; }} }}
}}
"""


def nginx():
    server, port, here = tool("nginx"), t.free_port(), os.getcwd()
    os.mkdir("files")
    with open("files/page", "w") as file:
        file.write("a page\n")
    with open("nginx.conf", "w") as file:
        file.write(NGINX.format(here=here, address=f"{LOOPBACK}:{port}"))
    freeze([server, "-p", here, "-c", f"{here}/nginx.conf"])
    for _ in range(STARTS):
        with restored(end=signal.SIGQUIT, status=0) as process:
            t.check(get(port, process, "/said") == b"said\n" and get(port, process, "/page") == b"a page\n", "pages")


def memcached():
    server, port = tool("memcached"), t.free_port()
    freeze([server, "-u", "root" if t.IS_ROOT else "nobody", "-l", LOOPBACK, "-p", str(port), "-U", "0"])
    for _ in range(STARTS):
        with restored() as process:
            answer = ask(port, process, b"set a 0 0 5\r\nhello\r\nget a\r\nquit\r\n")
            t.check(answer == b"STORED\r\nVALUE a 0 5\r\nhello\r\nEND\r\n", answer)


NODE_HTTP = """
const http = require('http'), { Worker } = require('worker_threads'), mustache = require(process.argv[2]);
const worker = new Worker("require('worker_threads').parentPort.on('message', function (m) { this.postMessage(m * 2); })",
                          { eval: true });
let ticks = 0;
setInterval(() => ticks++, 20);
http.createServer((request, response) => {
    const ticked = ticks;
    worker.once('message', doubled => setTimeout(() => response.end(
        mustache.render('{{doubled}} {{went}} {{url}}\\n', { doubled, went: ticks > ticked, url: request.url })), 50));
    worker.postMessage(21);
}).listen(Number(process.argv[3]), '127.0.0.1');
"""


def node_http():
    """A server with a package loaded, a worker thread and timers that go on."""
    node, port = tool("node"), t.free_port()
    try:
        package = npm.package("mustache", os.path.join(t.BUILD, "npm"))
    except npm.Unavailable as reason:
        t.skip(reason)
    with open("server.js", "w") as file:
        file.write(NODE_HTTP)
    freeze([node, "server.js", package, str(port)])
    for _ in range(STARTS):
        with restored() as process:
            for path in ("/a", "/b"):
                body = get(port, process, path)
                t.check(body == f"42 true {path.replace('/', '&#x2F;')}\n".encode(), body)


PYTHON_ASYNCIO = """
import asyncio, random, sqlite3, ssl, subprocess, sys, threading
database = sqlite3.connect("held.db")
database.execute("create table t(a)")
database.commit()
database.execute("begin immediate")
database.execute("insert into t values(1)")
queue, told = [], threading.Condition()

def work():
    with told:
        while True:
            told.wait_for(lambda: queue)
            loop, future, number = queue.pop()
            loop.call_soon_threadsafe(future.set_result, number * 2)

async def answer(reader, writer):
    number = int(await reader.readline())
    future = asyncio.get_running_loop().create_future()
    with told:
        queue.append((asyncio.get_running_loop(), future, number))
        told.notify()
    await asyncio.sleep(0.01)
    child = subprocess.run(["echo", "child"], stdout=subprocess.PIPE).stdout
    rows = database.execute("select count(*) from t").fetchone()[0]
    writer.write(b"%d %s %d %s\\n" % (await future, child.strip(), rows, ssl.RAND_bytes(8).hex().encode()))
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()

threading.Thread(target=work, daemon=True).start()
asyncio.run(main())
"""


def python_asyncio():
    """A server on asyncio with a thread, a database whose lock it holds, child processes and the random bytes of OpenSSL.
    A running loop of asyncio knows its process by the ID."""
    t.need_pid_namespace()
    port = t.free_port()
    freeze(["/usr/bin/python3", "-c", PYTHON_ASYNCIO, str(port)])
    seen = set()
    for _ in range(STARTS):
        with restored(["--same-ids"]) as process:
            for number in (7, 8):
                words = ask(port, process, b"%d\n" % number).split()
                t.check(words[:3] == [b"%d" % (2 * number), b"child", b"1"], words)
                seen.add(words[3])
            locked = t.run(["/usr/bin/sqlite3", "held.db", "insert into t values(2)"])
            t.check(locked.status != 0 and b"locked" in locked.err, "the lock is not held:", locked)
    t.check(len(seen) == 2 * STARTS, "the same random bytes twice", seen)


def python_threads():
    """The standard library's threading web server."""
    port = t.free_port()
    with open("page", "w") as file:
        file.write("a page\n")
    freeze(["/usr/bin/python3", "-m", "http.server", "--bind", LOOPBACK, str(port)])
    for _ in range(STARTS):
        with restored() as process:
            with contextlib.ExitStack() as stack:  # several clients at once: a thread each
                clients = [stack.enter_context(connect(port, process)) for _ in range(5)]
                t.check(get(port, process, "/page") == b"a page\n", "page")
                for client in clients:
                    client.sendall(b"GET /page HTTP/1.0\r\n\r\n")
                for client in clients:
                    t.check(client.makefile("rb").read().endswith(b"a page\n"), "page of a client that waited")


def sqlite_lock():
    """The shell of SQLite in a transaction: it holds its lock again, and commits."""
    sqlite = tool("sqlite3")
    with subprocess.Popen([t.SNAPTRACE, "-q", "-o", "server.snap", "--at", "idle", "--timeout", "60s", "--", sqlite, "-batch",
                           "file.db"], stdin=subprocess.PIPE, env=t.PLAIN_ENV) as tracer:
        tracer.stdin.write(b"create table t(a); begin exclusive; insert into t values(1);\n")
        tracer.stdin.flush()
        t.check(tracer.wait(60) == 0, tracer.returncode)
    shutil.copy("file.db", "before.db")
    shutil.copy("file.db-journal", "before.journal")
    for _ in range(STARTS):
        with restored(stdin=subprocess.PIPE, status=0) as process:
            process.stdin.write(b"insert into t values(2); select 'rows', count(*) from t;\n.output stderr\n")
            process.stdin.flush()
            while b"rows|2" not in read("server.log"):
                t.check(process.poll() is None, "it ended with", process.returncode, read("server.log"))
                time.sleep(0.01)
            other = t.run([sqlite, "file.db", "select count(*) from t"])
            t.check(b"locked" in other.err, "the lock is not held:", other)
            process.stdin.write(b"commit;\n")
            process.stdin.close()
            process.wait(60)
        done = t.run([sqlite, "file.db", "select count(*) from t"])
        t.check(done.out == b"2\n", done)
        for kept, name in (("before.db", "file.db"), ("before.journal", "file.db-journal")):  # as at the point
            with open(kept, "rb") as source, open(name, "wb") as target:
                target.write(source.read())


def read(name):
    with open(name, "rb") as file:
        return file.read()


ROWS = {"server." + row.__name__: row for row in
        (redis, nginx, memcached, node_http, python_asyncio, python_threads, sqlite_lock)}

if __name__ == "__main__":
    t.main(ROWS)
