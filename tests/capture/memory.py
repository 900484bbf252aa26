"""As carried.py, for memory that is seen in several places: each is started from its image five times, twice at once."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PROGRAMS = os.path.join(t.BUILD, "tests/capture")
STATES = {
    "memory": ("memory_twice", "memory_parts", "memory_only_the_end", "memory_protections", "memory_named", "memory_dev_zero", "memory_code", "memory_write_sealed",
               "memory_future_write_sealed", "memory_read_only_closed", "memory_deleted", "memory_unnamed", "memory_deleted_closed", "memory_past_the_end",
               "memory_private_view", "memory_private_of_anonymous", "memory_sparse", "memory_much", "memory_much_unmapped", "memory_many_views", "memory_locked"),
    "memory_flags": ("memory_every_advice", "memory_sealed", "memory_droppable", "memory_locked_on_fault", "memory_huge_pages_if_advised", "memory_no_write_execute",
                     "memory_file_that_may_be_written", "memory_reservation", "memory_reservation_up_to"),
}
MOST = {"sparse": 1 << 20, "much": 10 << 20}  # bytes of the image: what is there, and once


def start():
    again = t.restore("image.snap")
    t.check(again.status == 0 and again.err == b"", "restored:", again)


def carried(program, mode):
    program = os.path.join(PROGRAMS, program)
    t.run_directly([program, mode])
    t.freeze("image.snap", [program, mode], at="path:/snap/here")
    t.verify("image.snap")
    if mode in MOST:
        t.check(os.stat("image.snap").st_size < MOST[mode], "the image has", os.stat("image.snap").st_size)
    t.every_start(start, together=mode != "file_that_may_be_written")  # two of them are told of each other


def goes_on():
    """With --continue the program runs on with its memory as it was."""
    for mode in ("parts", "private_view"):
        result = t.run([t.SNAPTRACE, "-q", "--continue", "-o", "image.snap", "--at", "path:/snap/here", "--", os.path.join(PROGRAMS, "memory"), mode])
        t.check(result.status == 0 and result.err == b"", mode, result)


JAVA = """
import java.util.*;

public class Heap {
    public static void main(String[] arguments) {
        Map<Integer, String> map = new HashMap<>();
        for (int i = 0; i < 100000; i++) map.put(i, "value " + i);
        new java.io.File("/snap/here").exists();
        for (int i = 0; i < 20000; i++) map.put(i, new String(new char[1000]).length() + " " + i);
        System.gc();
        for (int i = 0; i < 100000; i++)
            if (!map.get(i).equals((i < 20000 ? "1000 " : "value ") + i)) throw new Error("value " + i);
        System.out.println(map.size());
    }
}
"""


def java():
    """A heap that is seen in three places at once by the collector's threads (ZGC of Java 17), which goes on to work."""
    if not shutil.which("java") or not shutil.which("javac"):
        t.skip("no java and javac here")
    with open("Heap.java", "w", encoding="utf-8") as file:
        file.write(JAVA)
    argv = [shutil.which("java"), "-XX:-UsePerfData", "-Xmx128m", "-XX:+UseZGC", "Heap.java"]
    direct = t.run(argv)
    if direct.status != 0:
        t.skip(f"java does not run here: {direct}")
    t.freeze("image.snap", argv, at="path:/snap/here")
    t.every_start(lambda: t.same(t.restore("image.snap"), direct))


ROWS = {row: (lambda p=program, m=row[len("memory_"):]: carried(p, m)) for program in STATES for row in STATES[program]}
ROWS["memory_java"] = java
ROWS["memory_goes_on"] = goes_on

if __name__ == "__main__":
    t.main(ROWS)
