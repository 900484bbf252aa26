"""New arguments reach those, too, who kept main's before main: constructors of a program and of its libraries; and main of a
static program is found without symbols."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

KEEPER = """
%s;
__attribute__((constructor)) static void keep(int count, char **vector, char **environment)
{
	(void)environment;
	kept_count = count;
	kept_vector = vector;
}
int get_count(void) { return (int)kept_count; }
char **get_vector(void) { return kept_vector; }
"""
# As C programs and as Rust's std declare the two.
TOGETHER = {"int": "static int kept_count; static char **kept_vector", "long": "static char **kept_vector; static long kept_count"}
MAIN = """
#include <stdio.h>
#include <stdlib.h>
int get_count(void);
char **get_vector(void);
int main(int argc, char **argv)
{
	for (int i = 1; i < get_count(); i++)
		printf("kept %s\\n", get_vector()[i]);
	for (int i = 1; i < argc; i++)
		printf("given %s\\n", argv[i]);
	printf("ANSWER %s\\n", getenv("ANSWER"));
	return argc;
}
"""


def compile_c(output, *words):
    compiler = shutil.which("cc") or t.skip("no C compiler")
    done = t.run([compiler, "-O1", "-o", output, *words])
    if done.status != 0 and "-static" in words:
        t.skip("no static C library")
    t.check(done.status == 0, done)


def write(name, text):
    with open(name, "w", encoding="ascii") as file:
        file.write(text)


def sees_new_ones(program):
    """Fewer and more than it was frozen with."""
    environment = {**t.PLAIN_ENV, "ANSWER": "42"}
    frozen = t.freeze("image.snap", [program, "old", "arguments"], env={**t.PLAIN_ENV, "ANSWER": "none"})
    t.check(frozen.err == b"", frozen)
    for arguments in (["a", "b", "c"], ["one"], []):
        wanted = t.run([program, *arguments], env=environment)
        t.same(t.restore("image.snap", arguments, env=environment), wanted)


def in_program(declared, *how):
    write("keeper.c", KEEPER % declared)
    write("main.c", MAIN)
    compile_c("program", "main.c", "keeper.c", *how)
    sees_new_ones("./program")


def in_library(declared):
    write("keeper.c", KEEPER % declared)
    write("main.c", MAIN)
    compile_c("libkeeper.so", "-shared", "-fPIC", "keeper.c")
    compile_c("program", "main.c", "./libkeeper.so")
    sees_new_ones("./program")


def apart():
    """Where the number lies elsewhere one line says what stays; the vector is new all the same."""
    write("keeper.c", KEEPER % "static int kept_count; static char between[4096], **kept_vector; char *get(void) { return between; }")
    write("main.c", MAIN)
    compile_c("libkeeper.so", "-shared", "-fPIC", "-fno-toplevel-reorder", "keeper.c")
    compile_c("program", "main.c", "./libkeeper.so")
    frozen = t.run([t.SNAPTRACE, "-o", "image.snap", "--", "./program", "old"])
    told = [line for line in frozen.err.decode().splitlines() if "libkeeper.so keeps main's arguments" in line]
    t.check(frozen.status == 0 and len(told) == 1, frozen)
    t.check(b"kept new" in t.restore("image.snap", ["new", "newer"], env={**t.PLAIN_ENV, "ANSWER": ""}).out, "the vector")


def stripped(*how):
    write("main.c", "int kept; int get_count(void) { return 0; } char **get_vector(void) { return 0; }" + MAIN)
    compile_c("program", "main.c", "-s", *how)
    sees_new_ones("./program")


def stripped_musl():
    compiler = shutil.which("musl-gcc") or t.skip("musl-tools is not installed")
    write("main.c", "int get_count(void) { return 0; } char **get_vector(void) { return 0; }" + MAIN)
    done = t.run([compiler, "-static", "-s", "-o", "program", "main.c"])
    t.check(done.status == 0, done)
    sees_new_ones("./program")


def real(program, *arguments):
    path = shutil.which(program) or t.skip(f"{program} is not installed")
    t.freeze("image.snap", [path, "--version"])
    t.same(t.restore("image.snap", list(arguments)), t.run([path, *arguments]))


def not_c():
    """An entry that calls nothing with a main is not C: the line names the other points."""
    write("start.s", ".globl _start\n_start: mov $60, %eax\n xor %edi, %edi\n syscall\n")
    compile_c("program", "start.s", "-nostdlib", "-static")
    t.one_line(t.freeze("image.snap", ["./program"], status=125), 125, "without a main that can be found", "--at entry")


INT, LONG = TOGETHER["int"], TOGETHER["long"]
ROWS = {
    "arguments.program-int": lambda: in_program(INT),
    "arguments.program-long": lambda: in_program(LONG),
    "arguments.library-int": lambda: in_library(INT),
    "arguments.library-long": lambda: in_library(LONG),
    "arguments.static-int": lambda: in_program(INT, "-static"),
    "arguments.static-long": lambda: in_program(LONG, "-static"),
    "arguments.static-pie": lambda: in_program(INT, "-static-pie"),
    "arguments.library-apart": apart,
    "arguments.stripped": lambda: stripped("-static"),
    "arguments.stripped-pie": lambda: stripped("-static-pie"),
    "arguments.stripped-musl": stripped_musl,
    "arguments.not-c": not_c,
    "arguments.ripgrep": lambda: real("rg", "-n", "root", "/etc/passwd"),
    "arguments.fd": lambda: real("fdfind", "passwd", "/etc", "--max-depth", "1"),
    "arguments.bat": lambda: real("batcat", "--plain", "/etc/passwd"),
    "arguments.rustc": lambda: real("/usr/bin/rustc", "-vV"),
}

if __name__ == "__main__":
    t.main(ROWS)
