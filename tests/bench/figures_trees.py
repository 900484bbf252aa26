"""Trees: a shell and its program, ten forked Pythons, servers with their workers."""
import os
import shutil
import socket

from bench import POINT, PYTHON, Command, difference, needed, single
from figures_start import WARM

FORKS = """
import asyncio, decimal, email, http.client, json, os, sqlite3, sys, time, xml.dom.minidom
ready, come = os.pipe()
asleep, awake = os.pipe()
for _ in range(9):
    if os.fork() == 0:
        os.close(awake)
        os.write(come, b'r')
        os.read(asleep, 1)
        os._exit(0)
for _ in range(9):
    os.read(ready, 1)
os.path.exists('/snap/here')
os._exit(0)
"""

NGINX = """
{user} worker_processes 2; error_log {here}/error.log; pid {here}/nginx.pid; daemon off;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "here"; }} }}
}}
"""

# What a small application loads: modules as Django would, which Debian's gunicorn doesn't bring.
APPLICATION = """
import asyncio, decimal, email, http.client, json, sqlite3, xml.dom.minidom
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'here']
"""


def pair(bench):
    """A shell that waits for the Python that comes to the point, against that Python alone; both thawed."""
    alone = bench.thaw(bench.freeze("exit.snap", PYTHON, WARM, "exit", at=POINT))
    pair = bench.thaw(bench.freeze("pair.snap", "/bin/sh", "-c", f"{PYTHON} {WARM} exit; exit $?", at=POINT, options=["--whole"]))
    series = bench.sample({"alone": bench.start(alone), "pair": bench.start(pair)})
    return {**series, "adds": difference(series["pair"], series["alone"])}


def forks(bench):
    """Ten Pythons, of which nine are forks: to the end of the first, and the image's size against one's."""
    words = [PYTHON, "-c", FORKS]
    image = bench.freeze("forks.snap", *words, at=POINT)
    one = bench.freeze("exit.snap", PYTHON, WARM, "exit", at=POINT)

    def megabytes(path):
        return single(os.path.getsize(path) / 1e6)

    def stored(path):
        return single(os.stat(path).st_blocks * 512 / 1e6)

    thawed = bench.thaw(image)
    series = bench.sample({"frozen": bench.start(image), "thawed": bench.start(thawed), "cold": Command(words)})
    return {**series, "size": megabytes(image), "one": megabytes(one), "thawed size": stored(thawed), "one thawed": stored(bench.thaw(one))}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def server(bench, name, words, port):
    image = bench.freeze(name, *words, at="idle")
    page = f":http={port}"
    return bench.sample({**bench.starts(image, kind=page), "cold": Command(words, page)})


def nginx(bench):
    """A master and two workers, to the first answer."""
    program = shutil.which("nginx", path="/usr/sbin:" + os.environ["PATH"]) or needed("nginx")
    here, port = os.getcwd(), free_port()
    with open("nginx.conf", "w") as file:
        file.write(NGINX.format(here=here, port=port, user="user www-data www-data;" if os.getuid() == 0 else ""))
    return server(bench, "nginx.snap", [program, "-p", here, "-c", f"{here}/nginx.conf"], port)


def gunicorn(bench):
    """A master and four workers, to the first answer."""
    program, port = needed("gunicorn"), free_port()
    with open("app.py", "w") as file:
        file.write(APPLICATION)
    words = [program, "--log-level", "error", "-w", "4", "-b", f"127.0.0.1:{port}", "app:application"]
    return server(bench, "gunicorn.snap", words, port)
