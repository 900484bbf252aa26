"""The programs of snaptrace-languages(7), as they stand there: made, frozen and started by the commands beside them."""
import os
import re
import shlex
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

ROFF = {r"\e": "\\", r"\-": "-", r"\(aq": "'", r"\(ha": "^", r"\(ti": "~", r"\&": ""}


def examples():
    """{heading: (file, its text, the commands)}"""
    with open(os.path.join(t.SOURCE, "man/snaptrace-languages.7"), encoding="utf-8") as file:
        page = file.read()
    found = {}
    for title, section in re.findall(r'^\.SH "([^"]+)"\n(.*?)(?=^\.SH)', page, re.MULTILINE | re.DOTALL):
        name = re.search(r"^\.I (\S+)$", section, re.MULTILINE)[1]
        code, commands = (re.sub(r"\\(?:\(..|.)", lambda escape: ROFF[escape[0]], block)
                          for block in re.findall(r"^\.EX\n(.*?)^\.EE", section, re.MULTILINE | re.DOTALL))
        found[re.sub(r"\W+", "-", title.lower()).strip("-")] = name, code, commands.splitlines()
    return found


EXAMPLES = examples()


def example(name, code, commands):
    needed = re.findall(r"^#!(\S+)", code) + [command.split()[0] for command in commands]
    env = {**t.go_environment(), "PATH": t.BIN + ":" + t.PLAIN_ENV["PATH"], "HOME": os.getcwd(), "CPATH": os.path.join(t.BUILD, "include"),
           "SNAP_CACHE": "off"}
    freeze = next(i for i, command in enumerate(commands) if command.startswith("snaptrace "))
    direct = commands[freeze].split("hello.snap ")[1]
    for word in (*needed, direct.split()[0]):
        if not word.startswith("./") and not shutil.which(word, path=env["PATH"]):
            t.skip(f"needs {word}")
    with open(name, "w", encoding="utf-8") as file:
        file.write(code)
    os.chmod(name, 0o755)
    run = lambda command: t.run(shlex.split(command), env=env, timeout=t.GO_TIMEOUT)  # noqa: E731
    for command in commands[:freeze]:
        made = run(command)
        t.check(made.status == 0, command, made)
    cold = run(direct + " cold")
    t.check(cold.status == 0 and re.fullmatch(rb"cold\s-?\d+\n", cold.out), "without snaptrace:", cold)
    made = run(commands[freeze])
    t.check(made.status == 0 and made.out == b"", made)
    seen = set()
    for _ in range(3):
        started = run(commands[freeze + 1])
        t.check(started.status == 0 and re.fullmatch(rb"new words\s-?\d+\n", started.out), started)
        seen.add(started.out)
    t.check(len(seen) > 1, "the same number in each start:", seen)
    again = run(commands[freeze + 1].replace("new words", "'a  b' \"\""))
    t.check(again.status == 0 and again.out.startswith(b"a  b"), "a word with blanks, and an empty one:", again)


LANGUAGES = ("c", "python", "javascript-node", "ruby", "perl", "lua", "the-shell-bash", "go", "java", "common-lisp-sbcl", "prolog-swi")
assert set(LANGUAGES) == set(EXAMPLES), "the page has others"
ROWS = {f"language.{title}": lambda parts=EXAMPLES[title]: example(*parts) for title in LANGUAGES}

if __name__ == "__main__":
    t.main(ROWS)
