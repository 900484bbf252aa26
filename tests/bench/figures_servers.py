"""Larger programs: node with the TypeScript compiler, and a redis-server full of keys."""
import os
import socket
import subprocess
import sys
import time

from bench import HERE, POINT, Command, Missing, needed, with_floors

sys.path.insert(0, os.path.join(HERE, "../real"))
import npm  # noqa: E402

TYPESCRIPT = os.path.join(HERE, "node_typescript.js")
KEYS = 1000000


def node(bench, what):
    program = needed("node")
    try:
        package = npm.package("typescript", os.path.join(bench.build, "npm"))
    except npm.Unavailable as reason:
        raise Missing(str(reason)) from None
    cold = [program, TYPESCRIPT, package, what]
    image = bench.freeze(f"node-{what}.snap", *cold, at=POINT)
    fast = bench.freeze(f"node-{what}.lz4.snap", *cold, at=POINT, options=["--compress=lz4"])
    direct = subprocess.run(cold, stdout=subprocess.PIPE, check=True).stdout
    restored = subprocess.run(bench.start(image).argv, stdout=subprocess.PIPE, check=True).stdout
    if direct != restored:
        raise Missing("what it writes differs from a cold start")
    return with_floors(bench.sample({**bench.both_codecs(image, fast), "cold": Command(cold)}))


def node_exit(bench):
    return node(bench, "exit")


def node_compile(bench):
    """To the end, a small file compiled on the way."""
    return node(bench, "compile")


def redis(bench):
    """To the first answered PING, against loading the same keys from a file."""
    server = needed("redis-server")
    port = free_port()
    words = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", os.getcwd(),
             "--enable-debug-command", "yes", "--daemonize", "no"]
    fill(words, port)
    image = bench.freeze("redis.snap", *words, at="idle")
    fast = bench.freeze("redis.lz4.snap", *words, at="idle", options=["--compress=lz4"])
    ping = f":ping={port}"
    return with_floors(bench.sample({**bench.both_codecs(image, fast, kind=ping), "cold": Command(words, ping)}))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def fill(words, port):
    """Makes dump.rdb, with which a server starts."""
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        connection = connect(process, port)
        for request in (f"DEBUG POPULATE {KEYS}", "SAVE"):
            connection.sendall(request.encode() + b"\r\n")
            answer = connection.recv(100)
            if not answer.startswith(b"+OK"):
                process.kill()
                raise Missing(f"redis-server answers {request} with {answer.decode(errors='replace').strip()}")
        connection.sendall(b"SHUTDOWN NOSAVE\r\n")
        process.wait()


def connect(process, port):
    while process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise Missing(f"redis-server ended with {process.returncode}")
