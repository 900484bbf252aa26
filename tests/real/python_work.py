"""Imports much, comes to the point (by naming a path, or by snap_here), then does what its arguments say."""
import asyncio
import concurrent.futures
import decimal
import email
import email.message
import email.policy
import hashlib
import http.client
import http.server
import os
import sqlite3
import subprocess
import threading
import xml.dom.minidom


def come_to_the_point():
    os.path.exists("/snap/here")


def arguments():
    """As they are now: a restored program has new ones, which sys.argv doesn't know."""
    with open("/proc/self/cmdline", "rb") as file:
        return [word.decode() for word in file.read().split(b"\0")[:-1]][2:]


def work_asyncio():
    async def child(number):
        for _ in range(10):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return number * number

    async def parent():
        process = await asyncio.create_subprocess_exec("/bin/echo", "from a child", stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        return sum(await asyncio.gather(*(child(i) for i in range(100)))), out, process.returncode

    return asyncio.run(parent())


def work_sqlite3():
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t(a integer, b text)")
    connection.executemany("insert into t values(?, ?)", ((i, f"{i:x}") for i in range(2000)))
    return connection.execute("select sum(a), max(b), count(distinct substr(b, 1, 1)) from t").fetchall()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, *_):
        pass


def work_http():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        answers = []
        for i in range(5):
            connection = http.client.HTTPConnection(*server.server_address, timeout=30)
            connection.request("POST", "/path", body=f"request {i}" * 1000)
            response = connection.getresponse()
            answers.append((response.status, hashlib.sha1(response.read()).hexdigest()))
            connection.close()
        server.shutdown()
        thread.join()
    return answers


def work_email():
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = "Gr\u00fc\u00dfe"
    message["To"] = "someone@example.org"
    message.set_content("text\n" * 3)
    message.add_attachment(b"\0\1\2", maintype="application", subtype="octet-stream", filename="b.bin")
    message.set_boundary("fixed-boundary")
    parsed = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    return parsed["subject"], [part.get_content_type() for part in parsed.walk()], len(message.as_bytes())


def work_minidom():
    document = xml.dom.minidom.parseString("<a><b c='1'>text</b><b/>\u00fc</a>".encode())
    return document.toprettyxml(), len(document.getElementsByTagName("b"))


def work_decimal():
    with decimal.localcontext() as context:
        context.prec = 60
        return decimal.Decimal(2).sqrt(), decimal.Decimal("1e-30").exp(), 0.1 + 0.2


def work_threads():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return sum(pool.map(lambda i: i * i, range(1000)))


def work_subprocess():
    return subprocess.run(["/bin/sh", "-c", "echo $ANSWER; cat; exit 3"], input=b"piped", stdout=subprocess.PIPE, check=False)


def work_hash():
    return hashlib.sha256(b"x" * 100000).hexdigest(), hashlib.blake2b(b"y").hexdigest(), len(os.urandom(32))


def work_import():
    import csv  # not loaded before the point: the import system still works
    import fractions
    return csv.__name__, fractions.Fraction(1, 3) + fractions.Fraction(1, 6)


def main():
    come_to_the_point()
    words = arguments()
    if words[:1] == ["echo"]:
        print("echo of", words[1])
        return
    for word in words:
        if word != "frozen":
            print(word, globals()["work_" + word]())


if __name__ == "__main__":
    main()
