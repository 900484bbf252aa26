"""The shells complete options, their values, points and commands; the Debian package and the CMake package are right."""
import glob
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

MADE = os.path.join(t.BUILD, "share/completions")
# What is typed, and some of what is offered; nothing of the last is.
TYPED = [
    ("snaptrace --o", {"--output", "--others"}, {"--at"}),
    ("snaptrace --at ", {"main", "effect", "read:", "idle"}, {"--at"}),
    ("snaptrace -o x.snap --compress ", {"zstd", "lz4", "none"}, {"main"}),
    ("snaprun --ids ", {"auto", "new", "same"}, {"--ids"}),
    ("snaprun --same", {"--same-ids"}, {"--ids"}),
    ("snapimg th", {"thaw"}, {"info"}),
    ("snapimg --k", {"--key"}, {"--json"}),
    ("snapimg verify im", {"image.snap"}, {"other"}),
]
BASH = r"""
. "$1/bash/${2%% *}"
read -ra COMP_WORDS <<<"$2"
[[ $2 != *" " ]] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$2 COMP_POINT=${#2}
compopt() { :; }
"_${COMP_WORDS[0]}" && printf '%s\n' "${COMPREPLY[@]}"
"""
# zsh completes for an editor only: compadd says what it would offer, and that an option's value is due.
ZSH = r"""
import os, pty, sys
directory, line = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(TERM="dumb", PS1="", ZDOTDIR=os.getcwd(), COLUMNS="200", LINES="200")
    os.execvp("zsh", ["zsh", "-f", "-i"])
seen = b""
def said(until):
    global seen
    while until not in seen:
        seen += os.read(terminal, 65536)
    before, _, seen = seen.partition(until)
    return before
setup = f'''fpath=({directory}/zsh $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep; LISTMAX=10000
zstyle ':completion:*' list-prompt ''; setopt no_always_last_prompt list_rows_first; unsetopt auto_menu menu_complete auto_list
zle -C list-them list-choices _main_complete; bindkey '^T' list-them; echo rea""dy'''
os.write(terminal, setup.encode() + b"\n")
said(b"\nready")
said(b"\x1b[?2004h")  # the editor is there: before, the terminal itself would take the keys
os.write(terminal, line.encode() + b"\x14")
os.write(terminal, b"\x15echo do\"\"ne\n")
sys.stdout.write(said(b"\ndone").decode(errors="replace"))
os.write(terminal, b"exit\n")
"""


def complete(shell, line):
    """The words that the shell offers."""
    if shell == "bash":
        argv = ["bash", "--norc", "-c", BASH, "bash", MADE, line]
    elif shell == "fish":
        argv = ["fish", "--no-config", "-c", f"source {MADE}/fish/{line.split()[0]}.fish; complete -C '{line}'"]
    else:
        argv = [sys.executable, "-c", ZSH, MADE, line]
    result = t.run(argv, env={**t.PLAIN_ENV, "HOME": os.getcwd()})
    t.check(result.status == 0, line, result)
    text = result.out.decode(errors="replace")
    return {word.rstrip("\r") for word in (text.split() if shell == "zsh" else [part.split("\t")[0] for part in text.splitlines()])}


def completion(shell):
    if not shutil.which(shell):
        t.skip(f"needs {shell}")
    for name in ("image.snap", "other"):
        with open(name, "w", encoding="utf-8"):
            pass
    for line, wanted, unwanted in TYPED:
        offered = complete(shell, line)
        unwanted = unwanted - set(line.split())
        t.check(wanted <= offered and not unwanted & offered, shell, repr(line), "wanted", wanted, "not", unwanted, "got", offered)


def cmake_version():
    return tuple(map(int, re.search(rb"version (\d+)\.(\d+)", t.run(["cmake", "--version"]).out).groups()))


def debian_package():
    for tool in ("cpack", "dpkg-deb", "dpkg-shlibdeps"):
        if not shutil.which(tool):
            t.skip(f"needs {tool}")
    made = t.run(["cpack", "-G", "DEB", "--config", os.path.join(t.BUILD, "CPackConfig.cmake"), "-B", os.path.abspath("made")])
    t.check(made.status == 0, made)
    package, = glob.glob("made/*.deb")
    listed = t.run(["dpkg-deb", "-c", package]).out.decode()
    if " ./usr/share/doc/snaptrace/changelog" not in listed and cmake_version() < (3, 19):
        t.skip("the package is there; this cmake lets no script add what Debian's policy wants of it")
    for wanted in ("bin/snaptrace", "bin/snaprun", "lib/snaptrace/libsnappreload.so", "share/man/man1/snapimg.1.gz",
                   "share/bash-completion/completions/snaprun", "share/cmake/snaptrace/snaptrace-config.cmake", "share/doc/snaptrace/copyright"):
        t.check(f" ./usr/{wanted}\n" in listed, wanted, "in", listed)
    if not shutil.which("lintian"):
        t.skip("the package is there; lintian is not")
    said = t.run(["lintian", "--fail-on", "error,warning", "--allow-root", package])
    t.check(said.status == 0 and said.out == b"", said)


def cmake_package():
    """A project finds snap.h and the tools by find_package() in a prefix that was moved."""
    done = t.run(["cmake", "--install", t.BUILD, "--prefix", os.path.abspath("first")])
    t.check(done.status == 0, done)
    os.rename("first", "moved")
    with open("CMakeLists.txt", "w", encoding="utf-8") as file:
        file.write("cmake_minimum_required(VERSION 3.18)\nproject(user LANGUAGES C)\nfind_package(snaptrace 0.3 REQUIRED)\n"
                   "add_executable(user user.c)\ntarget_link_libraries(user PRIVATE snaptrace::snap)\n"
                   'file(WRITE tools "${snaptrace_PROGRAM}\\n${snaptrace_SNAPRUN}\\n${snaptrace_SNAPIMG}")\n')
    with open("user.c", "w", encoding="utf-8") as file:
        file.write("#include <snap.h>\nint main(void)\n{\n\treturn snap_here() == 0 ? 3 : 0;\n}\n")
    for argv in (["cmake", "-S", ".", "-B", "build", "-DCMAKE_PREFIX_PATH=" + os.path.abspath("moved")], ["cmake", "--build", "build"]):
        made = t.run(argv, env={**t.PLAIN_ENV, "CC": t.CC})
        t.check(made.status == 0, argv, made)
    with open("tools", encoding="utf-8") as file:
        snaptrace, snaprun, snapimg = file.read().split("\n")
    t.check(t.run([snaptrace, "-q", "-o", "image.snap", "--at", "here", "build/user"]).status == 0, "snaptrace")
    t.check(t.run([snapimg, "verify", "image.snap"]).status == 0, "snapimg")
    t.check(t.run([snaprun, "image.snap"]) == t.Result(0, b"", b""), "snaprun")


ROWS = {"completion-bash": lambda: completion("bash"), "completion-zsh": lambda: completion("zsh"),
        "completion-fish": lambda: completion("fish"), "debian-package": debian_package, "cmake-package": cmake_package}

if __name__ == "__main__":
    t.main(ROWS)
