"""Servers frozen at the points that are about them, before the port is taken and while a client is awaited."""
import os
import sys

HERE_DIR = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE_DIR, os.path.join(HERE_DIR, "..")]
import servers  # noqa: E402
import snaptest as t  # noqa: E402

PYTHON = "/usr/bin/python3"
ONE_BY_ONE = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = server.accept()
    with client:
        client.sendall(b"got " + client.recv(100))
"""
# A thread that has done its work, pipes of its own, OpenSSL: nothing that anybody outside could have noticed.
PREPARED = "import os, ssl, threading; r, w = os.pipe(); os.write(w, b'x'); thread = threading.Thread(target=os.read, args=(r, 1)); " \
    "thread.start(); thread.join()\n" + ONE_BY_ONE
NODE = "require('http').createServer((q, r) => r.end('node says ' + q.url)).listen(+process.argv[1], '127.0.0.1')"
ASYNCIO = """
import asyncio, ctypes, sys

async def answer(reader, writer):
    line = await reader.readline()
    child = await asyncio.create_subprocess_exec("echo", "child", stdout=asyncio.subprocess.PIPE)
    said = (await child.communicate())[0]
    writer.write(await asyncio.get_running_loop().run_in_executor(None, lambda: said + line))
    await writer.drain()
    writer.close()

async def main():
    loop = asyncio.get_running_loop()
    # The loop is known by the process's ID, which is another in each start.
    keep.append(ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: asyncio._set_running_loop(loop)))
    assert ctypes.CDLL(None).snap_on_restore(keep[0], None) == 0
    async with await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()

keep = []
asyncio.run(main())
"""


def asked(at, argv, request, answer, trigger=""):
    """Several starts of one image, each asked twice; the answer is what a direct run gives."""
    port = t.free_port()
    servers.freeze([*argv, str(port)], at=at)
    said = t.run([t.SNAPIMG, "info", "server.snap"]).out.decode()
    t.check(trigger in said, "wanted", trigger, "in", said)
    for _ in range(servers.STARTS):
        with servers.restored() as process:
            for _ in range(2):
                got = servers.ask(port, process, request)
                t.check(answer in got, got)


def python_at(at, program=ONE_BY_ONE, answer=b"got a word\n", trigger=""):
    return lambda: asked(at, [PYTHON, "-c", program], b"a word\n", answer, trigger)


def effect():
    asked("effect", [PYTHON, "-c", PREPARED], b"a word\n", b"got a word\n", trigger="bind")


def node_at(at, trigger):
    return lambda: asked(at, [servers.tool("node"), "-e", NODE, "--"], b"GET /a HTTP/1.0\r\n\r\n", b"node says /a", trigger)


def go():
    """Go's runtime: a sparse heap, signals and threads of its own, a program without a C library."""
    source = os.path.join(HERE_DIR, "go_server.go")
    t.go_build("server", source)
    asked("idle", [os.path.abspath("server")], b"GET /a HTTP/1.0\r\n\r\n", b"go says /a")


ROWS = {
    "point.listen.python": python_at("listen"),
    "point.accept.python": python_at("accept"),
    "point.effect.python": effect,
    "point.listen.node": node_at("listen", "listen"),
    "point.idle.asyncio": python_at("idle", ASYNCIO, b"child\na word\n"),
    "point.idle.go": go,
}

if __name__ == "__main__":
    t.main(ROWS)
