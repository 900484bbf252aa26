"""The Python that is measured: imports much, comes to the point, then does what its argument says and ends by _exit.

exit: nothing more. work: some json, decimal and minidom. wait: reads a byte of stdin. dump: a byte to stdout tells
that the point comes next. fork-exit, fork-work, c-fork-exit: never at the point, but the peer: a warm process that
forks a child whenever it is asked, as bench_spawn's kind :warm says. until-go: until the file `go` is there.
"""
import asyncio
import decimal
import email
import http.client
import json
import os
import sqlite3
import sys
import time
import xml.dom.minidom

LOADED = (asyncio, email, http, sqlite3)


def work():
    records = [{"id": i, "name": f"record {i}", "tags": ["a", "b", str(i)], "value": i / 7} for i in range(100)]
    records = json.loads(json.dumps(records, indent=1))
    with decimal.localcontext() as context:
        context.prec = 50
        root = sum((decimal.Decimal(record["id"]).sqrt() for record in records), decimal.Decimal(0))
    page = "".join(f"<item n='{i}'>text {i}</item>" for i in range(40))
    document = xml.dom.minidom.parseString(f"<page>{page}</page>")
    return len(records), str(root), len(document.toprettyxml())


def nothing():
    pass


def serve(fork, end, job):
    """From before the fork to after the wait, measured here, where it costs least."""
    while os.read(0, 1):
        began = time.perf_counter_ns()
        child = fork()
        if child == 0:
            job()
            end(0)
        _, status, usage = os.wait4(child, 0)
        took = time.perf_counter_ns() - began
        if status != 0:
            end(1)
        cpu = int((usage.ru_utime + usage.ru_stime) * 1e6)
        os.write(1, f"{took},{usage.ru_minflt + usage.ru_majflt},{cpu}\n".encode())


def serve_from_c():
    """Without Python's own hooks around a fork: the C library's alone, the cheapest that there is."""
    import ctypes
    libc = ctypes.PyDLL(None)
    serve(libc.fork, libc._exit, nothing)


def until_go():
    with open("ready", "wb"):
        pass
    while not os.path.exists("go"):
        time.sleep(0.001)


AT_THE_POINT = {"exit": nothing, "work": work, "wait": lambda: os.read(0, 1), "dump": nothing}
PEERS = {
    "fork-exit": lambda: serve(os.fork, os._exit, nothing),
    "fork-work": lambda: serve(os.fork, os._exit, work),
    "c-fork-exit": serve_from_c,
    "until-go": until_go,
}
what = sys.argv[1]
if what in PEERS:
    PEERS[what]()
else:
    if what == "dump":
        os.write(1, b".")
    os.path.exists("/snap/here")
    AT_THE_POINT[what]()
os._exit(0)
