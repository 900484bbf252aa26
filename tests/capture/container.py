"""As in a container of Docker's default profile: kcmp, pidfd_getfd, userfaultfd and namespaces are denied, clone3 is not there.
Programs are frozen there and started there: open descriptions of all kinds, and servers, in a PID namespace of its own too,
where each start is process 1, with a read-only root and a /tmp where nothing can be executed."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

DENIED = os.path.join(t.BUILD, "tests/capture/denied")
KINDS = ("pipes", "events", "timers", "signal_descriptors", "epolls", "socket_pairs", "tcp_listeners", "udp_sockets", "memory_files",
         "deleted_files", "pid_descriptor", "locks", "unix_listeners")
NAMED = ("fifos", "paths", "own_files", "owners", "inotify", "terminals", "memberships")
# In a mount and a PID namespace. The build may lie in /tmp. What sh says of the mounts is the reason to skip.
INSIDE = """build=$1; shift
mount --bind "$build" /mnt && mount -t tmpfs -o noexec tmpfs /tmp && mkdir -p "$build" && mount --bind /mnt "$build" &&
mount -t proc proc /proc && mount -o remount,ro,bind / || exit 77
exec "$@" """


def description(kind):
    program = os.path.join(t.BUILD, "tests/capture", "objects_named" if kind in NAMED else "objects")
    env = {**t.PLAIN_ENV, "ALONE": "1"}
    t.run_directly([DENIED, program, kind], env=env)
    for name in os.listdir("."):
        (shutil.rmtree if os.path.isdir(name) and not os.path.islink(name) else os.unlink)(name)
    frozen = t.run([DENIED, t.SNAPTRACE, "-q", "-o", "image.snap", "--at", "path:/snap/here", "--", program, kind], env=env)
    t.check(frozen.status == 0, "snaptrace:", frozen)
    for _ in range(3):  # what may be its ID, by accident too, no namespace can give back
        again = t.run([DENIED, t.SNAPRUN, "--ids=new", "image.snap"], env=env)
        t.check(again.status == 0 and again.err == b"", "restored:", again)


def shared_there():
    """What another process holds is found without kcmp, too; what only looks the same is not taken for it."""
    held = os.path.join(t.BUILD, "tests/capture/refused_held")
    for mode, words in (("eventfd_elsewhere", b"an eventfd shared with another process"),
                        ("place_elsewhere", b"whose place is shared with another process")):
        result = t.run([DENIED, t.SNAPTRACE, "--tree=root", "-o", "image.snap", "--at", "path:/snap/here", "--", held, mode])
        t.check(result.status == 125 and words in result.err, "wanted a refusal, got", result)


PORT_SCRIPTS = {
    "asyncio": ("/usr/bin/python3", "server.py", """import asyncio, sys
async def answer(reader, writer):
    writer.write(b"hello " + await reader.readline())
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()
asyncio.run(main())
"""),
    "node": ("node", "server.js", """require('net').createServer(c => c.on('data', d => c.end('hello ' + d)))
    .listen(Number(process.argv[2]), '127.0.0.1')
"""),
}


def command(server, port):
    if server == "redis":
        tool = shutil.which("redis-server") or t.skip("no redis-server here")
        return [tool, "--port", str(port), "--bind", "127.0.0.1", "--save", ""], b"PING\r\n", b"+PONG\r\n"
    tool, script, text = PORT_SCRIPTS[server]
    with open(script, "w", encoding="utf-8") as file:
        file.write(text)
    argv = [shutil.which(tool) or t.skip(f"no {tool} here"), os.path.abspath(script), str(port)]
    return argv, b"you\n", b"hello you\n"


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        pass
    return True


@contextlib.contextmanager
def started(argv, port):
    with open("server.log", "wb") as log, subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                           env=t.PLAIN_ENV) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
    while listens(port):  # it may be the one that unshare started, which ends a little later
        time.sleep(0.01)


def ask(port, process, question, wanted):
    while True:
        if process.poll() is not None:
            with open("server.log", encoding="utf-8", errors="replace") as log:
                said = log.read()
            if process.returncode == 77:
                t.skip(said.strip())
            raise t.Failure(f"ended with {process.returncode}: {said}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
                client.sendall(question)
                got = client.recv(100)
                t.check(got == wanted, "wanted", wanted, "got", got)
                return
        except ConnectionRefusedError:
            time.sleep(0.01)


def freeze_server(argv):
    """None of the three keeps the ID of another thread. Where a number equals one by accident, --ids=new writes over it, as its
    manual says; the next image has other IDs."""
    for _ in range(5):
        frozen = t.run([DENIED, t.SNAPTRACE, "-q", "-o", "server.snap", "--at", "idle", "--timeout", "60s", "--", *argv])
        t.check(frozen.status == 0, "snaptrace:", frozen)
        kept = json.loads(t.run([t.SNAPIMG, "info", "--json", "server.snap"]).out)["ids"]
        if not any(place["thread"] > 0 and not place["corrected"] and place["kind"].startswith("number") for place in kept):
            return


def server(name, first_process):
    port = t.free_port()
    argv, question, wanted = command(name, port)
    freeze_server(argv)
    around = []
    if first_process:
        around = ["unshare", *([] if t.IS_ROOT else ["--map-root-user"]), "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
                  INSIDE, "sh", os.path.abspath(t.BUILD)]
        able = t.run([*around, "true"])
        if able.status != 0:
            t.skip("no namespaces to be had here: " + able.err.decode(errors="replace").strip())
    for _ in range(3):
        # By its relative name: the directory is still there, below the new /tmp. No namespace can give the IDs back.
        with started([*around, DENIED, t.SNAPRUN, "--ids=new", "server.snap"], port) as process:
            ask(port, process, question, wanted)


ROWS = {f"contained.{kind}": (lambda k=kind: description(k)) for kind in KINDS + NAMED}
ROWS["contained.shared"] = shared_there
for name in ("asyncio", "node", "redis"):
    ROWS[f"contained.{name}"] = lambda n=name: server(n, False)
    ROWS[f"contained.first.{name}"] = lambda n=name: server(n, True)

if __name__ == "__main__":
    t.main(ROWS)
