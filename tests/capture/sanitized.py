"""Programs built with a sanitizer are frozen and started, and their sanitizer goes on to find errors."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

# The sanitizer, and what it says of the error that the program makes in the end.
KINDS = {"sanitized_address": b"heap-use-after-free", "sanitized_thread": b"data race"}


def sanitized(row):
    program, kind, finding = os.path.join(t.BUILD, "tests/capture", row), row[len("sanitized_"):], KINDS[row]
    if not os.path.exists(program):
        t.skip(f"the compiler has no -fsanitize={kind}")
    env = {**t.PLAIN_ENV, "ASAN_OPTIONS": "exitcode=66", "TSAN_OPTIONS": "exitcode=66"}
    direct = t.run([program, kind], env=env)
    if finding not in direct.err:
        t.skip(f"-fsanitize={kind} does not work here: {direct}")
    t.freeze("image.snap", [program, kind], at="path:/snap/here", env=env)
    t.check(os.stat("image.snap").st_size < 8 << 20, "the image has", os.stat("image.snap").st_size, "bytes")
    for _ in range(2):
        again = t.restore("image.snap")
        t.check(again.status == direct.status == 66 and again.out == b"fine\n" and finding in again.err, "restored:", again)


ROWS = {row: (lambda r=row: sanitized(r)) for row in KINDS}

if __name__ == "__main__":
    t.main(ROWS)
