"""Servers and pools with workers, as one tree: idle when all of it waits, and at work again after each start."""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PYTHON = "/usr/bin/python3"
STARTS = 5
LOOPBACK = "127.0.0.1"

NGINX = """
{user} worker_processes 2; worker_shutdown_timeout 10s;
error_log {here}/error.log; pid {here}/nginx.pid; daemon off;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
    server {{ listen {address}; root {here}/files; location /said {{ return 200 "{said} $pid"; }} }}
}}
"""

# Sockets that all listen at, an epoll set in each worker, a pipe from the workers and one to them. SIGHUP: other workers.
PREFORK = """
import os, selectors, signal, socket, sys
port, count = int(sys.argv[1]), 3
listener = socket.create_server(('127.0.0.1', port), backlog=50)
listener.setblocking(False)
asleep, awake = os.pipe()
done, tell = os.pipe()
hup = []
for number in (signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, lambda number, frame: hup.append(number))
os.set_blocking(awake, False)
signal.set_wakeup_fd(awake, warn_on_full_buffer=False)
def serve(said):
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    chooser = selectors.EpollSelector()
    chooser.register(listener, selectors.EVENT_READ)
    while True:
        chooser.select()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            connection, _ = listener.accept()
            connection.setblocking(True)
            connection.recv(1000)
            os.write(tell, b'x')
            connection.sendall(said)
            connection.close()
        except BlockingIOError:
            pass
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
def begin(said):
    children = []
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    for _ in range(count):
        child = os.fork()
        if child == 0:
            serve(said)
        children.append(child)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return children
children = begin(b'first')
while True:
    os.read(asleep, 100)
    for child in children:
        os.kill(child, signal.SIGTERM)
        if os.waitpid(child, 0)[1] != signal.SIGTERM:
            sys.exit('an odd end')
    if signal.SIGTERM in hup:
        break
    children = begin(b'second')
os.write(1, b'%d answers\\n' % len(os.read(done, 65536)))
"""

# All wait in accept itself.
ACCEPTING = """
import os, socket, sys
listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))
for _ in range(2):
    if os.fork() == 0:
        while True:
            connection, _ = listener.accept()
            said = connection.recv(100)
            connection.sendall(said.upper())
            connection.close()
            if said == b'end':
                os._exit(0)
for _ in range(2):
    os.wait()
"""

POOL = """
import multiprocessing, os, sys
def work(word):
    return word[::-1], os.getpid()
if __name__ == '__main__':
    multiprocessing.set_start_method('METHOD')
    with multiprocessing.Pool(3) as pool:
        pool.map(work, ['warm'] * 30)
        children = {child.pid for child in multiprocessing.active_children()}
        lines = sys.stdin.read().split()
        answers = pool.map(work, lines, chunksize=1)
        print(*(word for word, _ in answers), {pid for _, pid in answers} <= children and len(children) == 3)
"""


def members(image):
    """What snapimg info tells of the tree: (process, parent) of all."""
    told = t.run([t.SNAPIMG, "info", image])
    t.check(told.status == 0 and b"\nprocesses:\n" in told.out, "snapimg info:", told)
    return told.out.split(b"\nprocesses:\n")[1].split(b"\n\n")[0].splitlines()


def ask(port, process, request):
    for _ in range(6000):
        t.check(process.poll() is None, "it ended with", process.returncode)
        try:
            with socket.create_connection((LOOPBACK, port), 60) as client:
                client.sendall(request)
                answer = b""
                while part := client.recv(65536):
                    answer += part
                return answer
        except (ConnectionRefusedError, ConnectionResetError):  # a worker may end before it has taken it
            time.sleep(0.01)
    raise t.Failure(f"nobody listens at port {port}")


def get(port, process, path):
    return ask(port, process, f"GET {path} HTTP/1.0\r\n\r\n".encode()).partition(b"\r\n\r\n")[2]


def until(found, what):
    end = time.monotonic() + 60
    while not found():
        t.check(time.monotonic() < end, "waited in vain for", what)
        time.sleep(0.01)


class Started:
    """A start of the image, ended by a signal or by itself with status 0."""

    def __init__(self, argv, end=None):
        self.end = end
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=t.PLAIN_ENV, **GROUPS)
        self.out = b""

    def __enter__(self):
        return self.process

    def __exit__(self, kind, *_):
        try:
            if self.end and kind is None:
                self.process.send_signal(self.end)
            if kind is None:
                self.out, said = self.process.communicate(timeout=60)
                t.check(self.process.returncode == 0 and said == b"", "ended with", self.process.returncode, said)
        finally:
            self.process.kill()
            self.process.wait()


GROUPS = {"extra_groups": [0]} if t.IS_ROOT else {}  # what nginx gives its workers


def freeze(argv, at, *options, **more):
    t.need_pid_namespace()
    return t.freeze("image.snap", argv, at=at, options=["--timeout", "60s", *options], **GROUPS, **more)


def workers_user(page):
    """What nginx's workers become: another user, where that one can read the page, and root may look at it (CAP_SYS_PTRACE)."""
    if not t.IS_ROOT:
        return ""
    os.chmod(".", 0o755)
    reads = t.run(["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", "test", "-r", os.path.abspath(page)])
    return "user www-data www-data;" if reads.status == 0 and t.can_look_at_others() else "user root root;"


def second_start():
    """Its port is the first one's: it says so."""
    t.one_line(t.restore("image.snap"), 125, "address already in use")


def nginx():
    """A master in sigsuspend and two workers, of another user, with an epoll set, a channel each, one socket to listen at; reloaded and ended."""
    server = shutil.which("nginx", path="/usr/sbin:" + os.environ["PATH"]) or t.skip("no nginx here")
    here, port = os.getcwd(), t.free_port()
    os.mkdir("files")
    with open("files/page", "w") as file:
        file.write("a page\n" * 1000)

    user = workers_user("files/page")

    def configure(said):
        with open("nginx.conf", "w") as file:
            file.write(NGINX.format(here=here, address=f"{LOOPBACK}:{port}", said=said, user=user))

    configure("first")
    freeze([server, "-p", here, "-c", f"{here}/nginx.conf"], "idle")
    t.check(len(members("image.snap")) == 3, members("image.snap"))
    for number in range(STARTS):
        with Started([t.SNAPRUN, "image.snap"], signal.SIGQUIT) as process:
            t.check(get(port, process, "/page") == b"a page\n" * 1000, "the page")
            t.check(get(port, process, "/said").startswith(b"first "), "the first answer")
            if number == 0:
                second_start()
                configure("second")
                process.send_signal(signal.SIGHUP)
                until(lambda: get(port, process, "/said").startswith(b"second "), "the new workers")
                t.check(get(port, process, "/page") == b"a page\n" * 1000, "the page of a new worker")


def serve_prefork(argv, port):
    run = Started(argv, signal.SIGTERM)
    with run as process:
        if t.SNAPTRACE in argv:
            until(lambda: os.path.exists("image.snap"), "the image")
        answers = 1
        for _ in range(8):
            t.check(ask(port, process, b"a") == b"first", "an answer of the first workers")
        process.send_signal(signal.SIGHUP)
        while ask(port, process, b"a") != b"second":
            answers += 1
    t.check(run.out == b"%d answers\n" % (answers + 8), run.out, answers + 8)


def prefork():
    """Frozen at idle, with --continue too: each start and what goes on answer, change the workers, and count all answers."""
    port = t.free_port()
    argv = [PYTHON, "-c", PREFORK, str(port)]
    freeze(argv, "idle")
    t.check(len(members("image.snap")) == 4, members("image.snap"))
    for _ in range(STARTS):
        serve_prefork([t.SNAPRUN, "image.snap"], port)
    os.remove("image.snap")
    serve_prefork([t.SNAPTRACE, "-q", "-o", "image.snap", "--at", "idle", "--continue", "--timeout", "60s", "--", *argv], port)
    serve_prefork([t.SNAPRUN, "image.snap"], port)


APP = """
import os
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'%s %d' % (b'APP', os.getpid())]
"""


def gunicorn():
    """A master that looks after its workers each second, and workers that tell it so by a file each; reloaded and ended."""
    server = shutil.which("gunicorn", path="/usr/bin") or t.skip("no gunicorn here")
    port = t.free_port()
    with open("app.py", "w") as file:
        file.write(APP.replace("APP", "first"))
    with open("gunicorn.conf.py", "w") as file:
        file.write("control_socket_disable = True\n")  # newer ones would have a socket in HOME; older ones pass it by
    # At level error, 23.0 tells of each worker that it ends by SIGTERM itself.
    freeze([server, "--log-level", "critical", "-w", "2", "-b", f"{LOOPBACK}:{port}", "app"], "idle")
    t.check(len(members("image.snap")) == 3, members("image.snap"))
    for number in range(STARTS):
        with open("app.py", "w") as file:
            file.write(APP.replace("APP", "second"))
        with Started([t.SNAPRUN, "image.snap"], signal.SIGTERM) as process:
            for _ in range(4):
                t.check(get(port, process, "/").startswith(b"first "), "the first answer")
            if number == 0:
                process.send_signal(signal.SIGHUP)
                until(lambda: get(port, process, "/").startswith(b"second "), "the new workers")


def attached():
    """-p takes the process's tree, workers that were there before too: it goes on, and each start does the same."""
    t.need_pid_namespace()
    port = t.free_port()
    argv = [PYTHON, "-c", PREFORK, str(port)]
    run = Started(argv, signal.SIGTERM)
    with run as process:
        for _ in range(2):
            t.check(ask(port, process, b"a") == b"first", "an answer")
            while len(children_of(process.pid)) < 3:  # the first may have answered before the last was made
                pass
            taken = attach(process.pid)
            t.check(taken.status == 0 and len(members("image.snap")) == 4, taken)
        process.send_signal(signal.SIGHUP)
        while ask(port, process, b"a") != b"second":
            pass
        for member in [process.pid, *children_of(process.pid)]:
            with open(f"/proc/{member}/status") as file:
                t.check("TracerPid:\t0\n" in file.read(), member, "is traced still")
    for _ in range(STARTS):
        run = Started([t.SNAPRUN, "image.snap"], signal.SIGTERM)
        with run as process:
            for _ in range(4):
                t.check(ask(port, process, b"a") == b"first", "an answer of a start")


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def attach(pid):
    """Until no connection is open: a worker may be about to close the last one."""
    while True:
        taken = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--continue", "-p", str(pid)], **GROUPS)
        if taken.status != 125 or b"connected TCP" not in taken.err:
            return taken


def accepting():
    """The process at the point is a worker: the whole tree only with --whole, else what it shares is named."""
    port = t.free_port()
    argv = [PYTHON, "-c", ACCEPTING, str(port)]
    freeze(argv, "accept", "--whole")
    for _ in range(STARTS):
        with Started([t.SNAPRUN, "image.snap"]) as process:
            for word in (b"one", b"two", b"end", b"end"):
                t.check(ask(port, process, word) == word.upper(), "the answer to", word)
    os.remove("image.snap")
    t.one_line(freeze(argv, "accept", status=125), 125, "a socket shared with another process", "with --whole")


REAPER = """import os, sys, threading
end, write = os.pipe()
child = os.fork()
if child == 0:
    os.close(write)
    os.read(end, 1)
    os._exit(7)
ended = []
reaper = threading.Thread(target=lambda: ended.append(os.waitpid(child, 0)[1]))
reaper.start()
line = sys.stdin.readline()
os.write(write, b"x")
reaper.join()
print(line.strip(), ended[0] >> 8)
"""


def reaper():
    """A thread that waits for a child, as Java has one for each, is not what the process does: both are idle, as one tree."""
    silent, kept = os.pipe()
    try:
        with open(silent, "rb") as stdin:
            freeze([PYTHON, "-c", REAPER], "idle", stdin=stdin)
    finally:
        os.close(kept)
    t.check(len(members("image.snap")) == 2, members("image.snap"))
    t.every_start(lambda: t.same(t.run([t.SNAPRUN, "image.snap"], stdin=b"go\n"), t.Result(0, b"go 7\n", b"")))


def pool():
    """A pool of multiprocessing waits for what is read: pipes and semaphores between its processes."""
    with open("pool.py", "w") as file:
        file.write(POOL.replace("METHOD", "fork"))
    for at in ("read:0", "idle"):
        silent, kept = os.pipe()
        try:
            with open(silent, "rb") as stdin:
                freeze([PYTHON, "pool.py"], at, stdin=stdin)
        finally:
            os.close(kept)
        t.check(len(members("image.snap")) == 4, members("image.snap"))

        def start():
            words = [f"word{i}" for i in range(60)]
            got = t.restore("image.snap", stdin=" ".join(words).encode())
            t.same(got, t.Result(0, (" ".join(word[::-1] for word in words) + " True\n").encode(), b""))

        t.every_start(start)


def forkserver():
    """As Python 3.14 makes a pool unless it is told otherwise: the semaphores keep their names, under which the workers have opened
    them; who made them has them mapped by another name, which glibc has removed. The program takes its names away when it ends."""
    with open("pool.py", "w") as file:
        file.write(POOL.replace("METHOD", "forkserver"))
    silent, kept = os.pipe()
    try:
        with open(silent, "rb") as stdin:
            freeze([PYTHON, "pool.py"], "read:0", stdin=stdin)
    finally:
        os.close(kept)
    t.check(len(members("image.snap")) == 6, members("image.snap"))
    t.same(t.restore("image.snap", stdin=b"one two three"), t.Result(0, b"eno owt eerht True\n", b""))


FUTURES = """
import concurrent.futures, multiprocessing, sys
def work(word):
    return word[::-1]
if __name__ == '__main__':
    with concurrent.futures.ProcessPoolExecutor(3, multiprocessing.get_context('fork')) as pool:
        list(pool.map(work, ['warm'] * 30))
        print(*pool.map(work, sys.stdin.read().split()))
"""


def futures():
    """An executor of concurrent.futures: a thread of its own beside the processes, and pipes between them."""
    with open("futures.py", "w") as file:
        file.write(FUTURES)
    silent, kept = os.pipe()
    try:
        with open(silent, "rb") as stdin:
            freeze([PYTHON, "futures.py"], "read:0", stdin=stdin)
    finally:
        os.close(kept)

    def start():
        t.same(t.restore("image.snap", stdin=b"abc def ghi"), t.Result(0, b"cba fed ihg\n", b""))

    t.every_start(start)


# The server is the child; what is asked last is on its way when the point comes. No TIME-WAIT keeps an address from the next start.
CONNECTED = """
import asyncio, os, signal, socket, struct, sys
address = sys.argv[1]
ready, tell = os.pipe()
async def answer(reader, writer):
    try:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
    except ConnectionError:
        pass
async def serve():
    server = await asyncio.start_server(answer, address, 0)
    os.write(tell, b'%d' % server.sockets[0].getsockname()[1])
    await server.serve_forever()
child = os.fork()
if child == 0:
    asyncio.run(serve())
port = int(os.read(ready, 10))
def connect():
    return asyncio.open_connection(address, port, local_addr=(address, 0))
async def ask():
    links = [await connect() for _ in range(3)]
    for reader, writer in links:
        writer.write(b'first\\n')
        if await reader.readline() != b'FIRST\\n':
            sys.exit('an odd answer')
    names = [writer.get_extra_info('socket').getsockname() for _, writer in links]
    for number, (_, writer) in enumerate(links):
        writer.write(b'question %d\\n' % number)
    os.access('/snap/here', os.F_OK)
    links.append(await connect())
    links[-1][1].write(b'another\\n')
    for reader, writer in links:
        print((await reader.readline()).decode().strip(), writer.get_extra_info('socket').getpeername() == (address, port))
    print(names == [writer.get_extra_info('socket').getsockname() for _, writer in links[:3]])
    for _, writer in links:
        writer.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        writer.transport.abort()
asyncio.run(ask())
os.kill(child, signal.SIGTERM)
print(os.waitpid(child, 0)[1], flush=True)
"""


def connected():
    """A client and a server of asyncio, each in its process: the connections between them and what is on its way."""
    address = f"127.{64 + os.getpid() % 64}.{os.getpid() // 64 % 256}.{os.getpid() // 16384 % 256}"
    argv = [PYTHON, "-c", CONNECTED, address]
    out = b"".join(b"QUESTION %d True\n" % number for number in range(3)) + b"ANOTHER True\nTrue\n15\n"
    t.same(t.run(argv), t.Result(0, out, b""))
    freeze(argv, "path:/snap/here")
    t.check(len(members("image.snap")) == 2, members("image.snap"))
    for _ in range(STARTS):
        t.same(t.restore("image.snap"), t.Result(0, out, b""))


MAKEFILE = """
sum: one two three four
\tcat $^ > sum
one two three four:
\techo $@ > begun-$@; true < gate; echo $@ `cat number` > $@
"""


def make():
    """make -j4 in the middle: each start ends the four recipes that wait, and makes what needs them."""
    make = shutil.which("make", path=t.PLAIN_ENV["PATH"]) or t.skip("no make here")
    with open("Makefile", "w") as file:
        file.write(MAKEFILE)
    os.mkfifo("gate")
    names = ("one", "two", "three", "four")
    argv = ["/bin/sh", "-c", f"{make} -s -j4 & while ! test -e begun-one -a -e begun-two -a -e begun-three -a -e begun-four; "
            "do sleep 0.01; done; test -e /snap/here; wait $!"]
    freeze(argv, "path:/snap/here", "--whole")
    for number in range(3):
        for name in (*names, "sum"):
            if os.path.exists(name):
                os.remove(name)
        with open("number", "w") as file:
            file.write(f"{number}\n")
        gate = os.open("gate", os.O_RDWR)  # so the recipes' open(2) comes back
        with Started([t.SNAPRUN, "image.snap"]):
            pass
        os.close(gate)
        with open("sum") as file:
            t.check(file.read() == "".join(f"{name} {number}\n" for name in names), "what was made")


def pipeline():
    """Frozen in its middle, the shell with all that it has started: each start writes the same sum."""
    pipe = "yes | head -c 300M | sha256sum"
    direct = t.run_directly(["/bin/sh", "-c", pipe])
    freeze(["/bin/sh", "-c", pipe], "after:50ms")
    for _ in range(2):
        t.same(t.restore("image.snap"), direct)


ROWS = {f"workers.{function.__name__}": function for function in (nginx, gunicorn, prefork, attached, accepting, reaper, pool, forkserver, futures, connected, make, pipeline)}

if __name__ == "__main__":
    t.main(ROWS)
