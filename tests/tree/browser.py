"""A browser with its processes, as one tree: frozen when all of them wait, and driven by its debugging port after a start."""
import base64
import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

CHROMIUM = "/usr/lib/chromium/chromium-headless-shell"
PAGE = "data:text/html,<body><h1>frozen</h1><script>document.title = 6 * 7</script>"
WAIT = 60


class Tab:
    """What speaks to a page of the browser: DevTools' protocol, in WebSocket frames."""

    def __init__(self, port, path):
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        t.check(b" 101 " in self.file.readline(), "no WebSocket")
        while self.file.readline().strip():
            pass
        self.number = 0

    def hear(self):
        message, last = b"", False
        while not last:
            first, size = self.file.read(2)
            last = first & 0x80
            if size >= 126:
                size, = struct.unpack(">H" if size == 126 else ">Q", self.file.read(2 if size == 126 else 8))
            message += self.file.read(size)
        return json.loads(message)

    def ask(self, method, **parameters):
        self.number += 1
        words = json.dumps({"id": self.number, "method": method, "params": parameters}).encode()
        head = bytes([0x80 | len(words)]) if len(words) < 126 else struct.pack(">BH", 0x80 | 126, len(words))
        self.socket.sendall(b"\x81" + head + bytes(4) + words)  # a mask of zeros
        while (answer := self.hear()).get("id") != self.number:
            pass
        t.check("result" in answer, method, answer)
        return answer["result"]

    def await_event(self, name):
        while self.hear().get("method") != name:
            pass


def get(port, path, process):
    end = time.monotonic() + WAIT
    while True:
        t.check(process.poll() is None and time.monotonic() < end, "no browser:", process.poll())
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
        try:
            client.request("GET", path)
            answer = client.getresponse()
            if answer.status == 200:
                return json.loads(answer.read())
        except (ConnectionRefusedError, ConnectionResetError, http.client.RemoteDisconnected):
            pass
        finally:
            client.close()
        time.sleep(0.02)


def drive(port, process):
    page = next(target for target in get(port, "/json/list", process) if target["type"] == "page")
    tab = Tab(port, "/devtools/page/" + page["id"])
    tab.ask("Page.enable")
    tab.ask("Page.navigate", url=PAGE)
    tab.await_event("Page.loadEventFired")
    t.check(tab.ask("Runtime.evaluate", expression="document.title")["result"]["value"] == "42", "the page's script")
    picture = base64.b64decode(tab.ask("Page.captureScreenshot", format="png")["data"])
    t.check(picture.startswith(b"\x89PNG\r\n\x1a\n") and struct.unpack(">II", picture[16:24]) == (800, 600), picture[:24])
    return picture


def freeze(argv, profile):
    """In one run of fifty V8 reserves a TiB and more, with an advice (MADV_DONTDUMP), where the loader will be, and is refused."""
    for _ in range(4):
        frozen = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--at", "idle", "--whole", "--timeout", "90s", "--", *argv])
        if b"memory at an address the loader needs" not in frozen.err:
            break
        shutil.rmtree(profile)
    t.check(frozen.status == 0, frozen)


def chromium():
    """A broker, zygotes, GPU and network service, a renderer: some of their threads have given up what root may do. Its profile is
    written to, so each start has a copy of what was there at the point. The picture is one that a cold browser takes."""
    if not os.access(CHROMIUM, os.X_OK):
        t.skip("no chromium-headless-shell here")
    t.need_pid_namespace()
    port, profile = t.free_port(), os.path.abspath("profile")
    argv = [CHROMIUM, "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", f"--remote-debugging-port={port}",
            "--window-size=800,600", "about:blank"]

    def run(argv):
        with open("told", "wb") as told, subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=told, stderr=told,
                                                          env=t.PLAIN_ENV) as process:
            try:
                return drive(port, process)
            except BaseException:
                with open("told", errors="replace", encoding="utf-8") as words:
                    print(t.clip(words.read().encode()), file=sys.stderr)
                raise
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(WAIT)

    cold = run(argv)
    shutil.rmtree(profile)
    freeze(argv, profile)
    os.rename(profile, "kept")
    for _ in range(2):
        shutil.copytree("kept", profile, symlinks=True)
        t.check(run([t.SNAPRUN, "image.snap"]) == cold, "another picture")
        shutil.rmtree(profile)


ROWS = {"browser.chromium": chromium}

if __name__ == "__main__":
    t.main(ROWS)
