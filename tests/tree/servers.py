"""Servers under the points that wait for others: listen, accept, idle, read:0, output; and attached to while they serve."""
import http.client
import os
import re
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PYTHON = "/usr/bin/python3"

# Answers each request from a thread of its own, by way of a worker that was there before.
THREADED = """
import http.server, queue, sys, threading
tasks, started = queue.Queue(), threading.Barrier(4)
def work():
    started.wait()
    while True:
        word, answers = tasks.get()
        answers.put(word[::-1])
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        answers = queue.Queue()
        tasks.put((self.path[1:], answers))
        body = answers.get().encode() + b' ' + str(threading.active_count() >= 5).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path == '/end':
            threading.Thread(target=server.shutdown).start()
    def log_message(self, *_):
        pass
started.wait()
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 50
server = Server(('127.0.0.1', int(sys.argv[1])), Handler)
print('ready', flush=True)
server.serve_forever()
server.server_close()
"""
# One connection after the other, waited for in accept, while a thread waits as well.
PLAIN = """
import socket, sys, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
while True:
    connection, _ = server.accept()
    words = connection.recv(100)
    connection.sendall(words.upper())
    connection.close()
    if words == b'end':
        break
"""
READS = """
import sys, threading
lock, lines = threading.Condition(), []
def count():
    with lock:
        lock.wait_for(lambda: lines)
        print(len(lines), 'lines,', sum(map(len, lines)), 'characters', flush=True)
thread = threading.Thread(target=count)
thread.start()
%s
given = sys.stdin.readlines()
with lock:
    lines.extend(given)
    lock.notify()
thread.join()
"""


def connect(port, process):
    """Until the server listens, or has ended."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), 60)
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise t.Failure(f"nobody listens at port {port}: {process.poll()}")


def get(port, path):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        client.request("GET", path)
        return client.getresponse().read()
    finally:
        client.close()


def ask_threaded(port, process):
    import concurrent.futures
    connect(port, process).close()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        words = [f"word{i}" for i in range(40)]
        t.check(list(pool.map(lambda word: get(port, f"/{word}"), words)) == [f"{word[::-1]} True".encode() for word in words],
                "answers")
    t.check(get(port, "/end") == b"dne True", "the last answer")


def ask_plain(port, process):
    for word in (b"one", b"two", b"end"):
        with connect(port, process) as client:
            client.sendall(word)
            t.check(client.recv(100) == word.upper(), "the answer to", word)


def start_and_ask(ask, port):
    with subprocess.Popen([t.SNAPRUN, "image.snap"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=t.PLAIN_ENV) as process:
        try:
            ask(port, process)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
        t.check(process.returncode == 0 and said == b"", process.returncode, said)


def served(at, program, ask):
    """Frozen where it waits for others or is about to; each start has the port again, and answers."""
    port = t.free_port()
    t.freeze("image.snap", [PYTHON, "-c", program, str(port)], at=at)
    threads = re.search(rb"^threads +(\d+)", t.run([t.SNAPIMG, "info", "image.snap"]).out, re.MULTILINE)
    t.check(threads and int(threads.group(1)) > 1, "threads:", threads)
    for _ in range(3):
        start_and_ask(ask, port)


def effect():
    served("effect", THREADED, ask_threaded)


def reading(at, printed):
    """A thread waits for what the first one reads. Nothing is taken or printed before the point."""
    first = f"print({printed!r}, flush=True)" if printed else ""
    frozen = t.freeze("image.snap", [PYTHON, "-c", READS % first], at=at, stdin=b"not taken\n")
    t.check(frozen.out == b"", frozen)
    for text in (b"a\n", b"bc\ndef\n", b"x" * 100000):
        again = t.restore("image.snap", stdin=text)
        wanted = f"{len(text.splitlines())} lines, {len(text)} characters\n".encode()
        got = sorted(again.out.splitlines(True))
        t.check(again.status == 0 and got == sorted([wanted, *([printed.encode() + b"\n"] if printed else [])]), again)


class Load:
    """Clients that ask one request after the other until they are told to end; each answer must be right."""

    def __init__(self, port, clients=4):
        import concurrent.futures
        self.port, self.ended, self.count = port, False, 0
        self.pool = concurrent.futures.ThreadPoolExecutor(clients)
        self.clients = [self.pool.submit(self.ask, number) for number in range(clients)]

    def ask(self, number):
        while not self.ended:
            word = f"client{number}-{self.count}"
            t.check(get(self.port, "/" + word) == f"{word[::-1]} True".encode(), word)
            self.count += 1

    def end(self):
        self.ended = True
        for client in self.clients:
            client.result()
        self.pool.shutdown()


def attach(pid):
    return t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--continue", "-p", str(pid)])


def under_load():
    """Attached to again and again while it serves: an image is made, or a connection refused by name; it goes on unharmed."""
    port = t.free_port()
    with subprocess.Popen([PYTHON, "-c", THREADED, str(port)], stdout=subprocess.PIPE, env=t.PLAIN_ENV) as server:
        try:
            t.check(server.stdout.readline() == b"ready\n", "it did not start")
            load = Load(port)
            for _ in range(8):
                before = load.count
                done = attach(server.pid)
                t.check(done.status == 0 or (done.status == 125 and b"can't be carried" in done.err), done)
                while load.count == before and not any(client.done() for client in load.clients):
                    time.sleep(0.01)  # until it has answered again
            load.end()
            with open(f"/proc/{server.pid}/status") as file:
                t.check("TracerPid:\t0\n" in file.read(), "it is traced still")
            taken = attach(server.pid)
            while taken.status == 125 and b"connected TCP" in taken.err:  # until the threads have closed the last connections
                time.sleep(0.01)
                taken = attach(server.pid)
            t.check(taken.status == 0, taken)
            ask_threaded(port, server)
            t.check(server.wait(60) == 0, "the server that went on:", server.returncode)
        finally:
            server.kill()
    for _ in range(2):
        start_and_ask(ask_threaded, port)


def row(function, *arguments):
    return lambda: function(*arguments)


t.main({
    "server.listen": row(served, "listen", THREADED, ask_threaded),
    "server.idle": row(served, "idle", THREADED, ask_threaded),
    "server.accept": row(served, "accept", PLAIN, ask_plain),
    "server.listen.plain": row(served, "listen", PLAIN, ask_plain),
    "server.effect": effect,
    "threads.read": row(reading, "read:0", ""),
    "threads.output": row(reading, "output", "first"),
    "server.attached": under_load,
})
