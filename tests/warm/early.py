"""Modules that a program loads after its first look at the arguments are loaded before it, and no start sees that."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

PYTHON = "/usr/bin/python3"


def write(name, text, mode=0o644):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(name, mode)


def freeze(*words, env=None, options=()):
    made = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--warm", *options, "--", os.path.abspath(words[0]), *words[1:]],
                 env=env or t.PLAIN_ENV)
    t.check(made.status == 0, made)


def compare(program, *starts, env=None, command=()):
    for words in starts:
        cold = t.run([*command, os.path.abspath(program), *words], env=env or t.PLAIN_ENV)
        t.same(t.run([*command, t.SNAPRUN, "-q", "--inputs=check", "image.snap", "--", *words], env=env or t.PLAIN_ENV), cold)


def holds(*names):
    """What was loaded early is among what was read before the point."""
    text = t.run([t.SNAPIMG, "info", "image.snap"]).out.decode()
    t.check(all(f"file {os.path.abspath(name)}\n" in text for name in names), "not loaded early:", names, text)


PROGRAM = f"""#!{PYTHON}
import ctypes.util, platform, sys
answers = ctypes.util.find_library('c'), platform.architecture()
words = sys.argv[1:]
print(answers, ctypes.util._findSoname_ldconfig.__module__, platform._syscmd_file.__module__)
seen = set(sys.modules)
if 'path' in words:
    sys.path.insert(0, sys.path[0] + '/other')
if 'none' not in words:
    import user
    import looks
    import sets, os
    print(user.VALUE, looks.WORDS, os.environ.get('SETS'), user.helper is sys.modules['helper'], hasattr(user.package, 'part'))
    print(user.__spec__.origin, user.__spec__.has_location, user.__file__, type(user.__loader__), user.__spec__.loader is user.__loader__)
    from package import part
    print(part.__name__)
    open('effect', 'wb').close()  # a text would import what Python 3.9 needs for one
    import after
print(sorted(set(sys.modules) - seen), sys.meta_path[-1:], len(sys.path))
"""


def python():
    """A module comes in only when it's imported, and another one where it would be another one; what the library asks other programs before."""
    write("program.py", PROGRAM, 0o755)
    write("user.py", "import helper, package\nVALUE = 'user of ' + helper.VALUE\n")
    write("helper.py", "VALUE = 'helper'\n")
    write("other/helper.py", "VALUE = 'another helper'\n")
    write("package/__init__.py", "")
    write("package/part.py", "import helper\n")
    write("looks.py", "import sys\nWORDS = sys.argv[1:]\n")
    write("sets.py", "import os\nos.environ['SETS'] = 'set'\n")
    write("after.py", "")
    compiled = t.run([PYTHON, "-m", "compileall", "-q", "."])
    t.check(compiled.status == 0, compiled)
    freeze("program.py", "x")
    holds("user.py", "helper.py", "package/part.py")
    t.check(not os.path.exists("effect"), "what has an effect was run")
    text = t.run([t.SNAPIMG, "info", "image.snap"]).out.decode()
    t.check("/after.py" not in text, "after the effect:", text)
    compare("program.py", [], ["x"], ["none"], ["path"], ["path", "none"])
    freeze("program.py", "x", options=["--warm-load=no"])
    compare("program.py", ["x"], ["path"])
    t.one_line(t.run([t.SNAPTRACE, "--warm-load=no", "./program.py"]), 125, "--warm-load", "--warm", tool="snaptrace: ")


KEEPS = f"""#!{PYTHON}
import importlib.util, sys
import keeps
def lazy(name):
    spec = importlib.util.find_spec(name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
later = lazy('later')
words = keeps.COPY
print(words, keeps.ARGUMENTS, sorted(vars(keeps)), keeps.own())
try:
    keeps.nothing
except AttributeError as error:
    print(error)
if b'path' in words:
    sys.path.insert(0, sys.path[0] + '/other')
print('helper' in sys.modules)
if b'none' not in words:
    print(later.VALUE, 'helper' in sys.modules, type(later), sorted(vars(later)))
"""

WAITS = {  # which statements of a module can wait
    "import os, sys\nA = [os.fsencode(a) for a in sys.argv]": False,  # it isn't known what os is
    "import sys\nA = [f(a) for a in sys.argv[1:]]": True,
    "import sys\nif not globals():\n  pass\nA = list(sys.argv)\ndef f(dir): return dir": True,
    "import sys\nA = list(sys.argv)\ndef f(): return A": False,
    "import sys\nA = list(sys.argv)\ndef f(): return globals()": False,
    "import sys\ntry:\n  A = list(sys.argv)\nexcept E:\n  pass": False,
    "import sys\nA = sys.argv": False,
    "import sys\nA = sys.argv[1]": False,
    "import sys\nA = [f(a) for a in sys.argv if a]": False,
    "import sys\nA = len(sys.argv) > 1": False,
}


def keeps():
    """A module that keeps the arguments can be loaded before anybody needs them; one that is lazy is loaded no sooner than it is used."""
    helper = os.path.join(os.path.dirname(t.SNAPTRACE), "..", "preload", "warm", "python_later.py")
    names = {"__name__": "later"}
    with open(helper, encoding="utf-8") as file:
        exec(compile(file.read(), helper, "exec"), names)
    for source, waits in WAITS.items():
        code = compile(source, "x", "exec")
        t.check((names["changed"](code, source.encode(), "x") is not None) == waits, source)
    write("program.py", KEEPS, 0o755)
    write("keeps.py", "import os, sys\nfsencode = os.fsencode\nARGUMENTS = list(sys.argv)\nif os.name != 'nt':\n"
          "    COPY = [fsencode(a) for a in sys.argv[1:]]\ndef own(): return len(sys.argv)\n")
    write("later.py", "import helper\nVALUE = helper.VALUE\n")
    write("helper.py", "VALUE = 'helper'\n")
    write("other/helper.py", "VALUE = 'another helper'\n")
    compiled = t.run([PYTHON, "-m", "compileall", "-q", "."])
    t.check(compiled.status == 0, compiled)
    freeze("program.py", "x")
    holds("keeps.py", "later.py", "helper.py")
    compare("program.py", [], ["x", "\u00e4"], ["none"], ["path"])


NODE = """#!/usr/bin/env node
'use strict';
if (process.argv.includes('--set'))
	globalThis.SET = 'set before the rest is loaded';
const words = process.argv.slice(2);
try {
	require('fs').unlinkSync('not-there'); // no effect
} catch (error) {
	console.log(error.code);
}
if (!words.includes('none')) {
	console.log(require('./user').value, require('./looks'), require('./parent'), words);
	import('./imported.mjs').then((module) => console.log(module.value, process.argv.length));
}
"""


def node():
    """What asked for a word or a terminal is right for all that have the same answer, and loaded again for others."""
    shutil.which("node", path=t.PLAIN_ENV["PATH"]) or t.skip("no node")
    write("program.js", NODE, 0o755)
    write("user.js", "const flag = require('./flag');\nexports.value = ['user', flag, globalThis.SET, Object.keys(process.env).length > 0];\n")
    write("flag.js", "const tty = require('tty');\nmodule.exports = [process.argv.indexOf('--flag') > 0, tty.isatty(1), process.stderr.isTTY];\n")
    write("looks.js", "module.exports = process.argv.slice(2);\n")
    write("parent.js", "module.exports = [module.parent && module.parent.filename, require.main === module];\n")
    write("imported.mjs", "import { deep } from './deep.mjs';\nexport const value = deep + 1;\n")
    write("deep.mjs", "export const deep = 1;\n")
    freeze("program.js", "x")
    holds("user.js", "flag.js", "parent.js")
    compare("program.js", ["x"], ["--flag"], ["--set"], ["none"], [], ["none", "--flag"])


RUBY = """#!{ruby}
words = ARGV.dup
Dir.mkdir('cache') unless Dir.exist?('cache')
unless words.include?('none')
  require_relative 'library'
  p RubyVM::InstructionSequence.respond_to?(:load_iseq) if words.include?('x')
  p Library::PLACE, words, $LOADED_FEATURES.last
  begin
    require_relative 'fails'
  rescue RuntimeError => error
    puts error.message, error.backtrace
  end
  load File.join(__dir__, 'named.rb')
  $VERBOSE = true if words.include?('loud')
  require_relative 'warns'
end
"""


def ruby():
    """What is required later is compiled before, and executed when it's asked for; a directory that the training run makes is gone again."""
    path = shutil.which("ruby", path=t.PLAIN_ENV["PATH"]) or t.skip("no ruby")
    write("program.rb", RUBY.format(ruby=path), 0o755)
    write("library.rb", "# encoding: us-ascii\nmodule Library\n  PLACE = [__FILE__, __dir__, __LINE__, __FILE__.encoding, caller, $0]\nend\n")
    write("fails.rb", "raise 'told'\n")
    write("named.rb", "puts 'by its name'\n")
    write("warns.rb", "unused = {a: 1, a: 2}\nprivate\nx = 1\n")
    freeze("program.rb", "x")
    t.check(not os.path.exists("cache"), "the training run's directory")  # and what is loaded after it
    holds("library.rb", "fails.rb", "warns.rb")
    t.check("/named.rb" not in t.run([t.SNAPIMG, "info", "image.snap"]).out.decode(), "what is loaded by its name")
    compare("program.rb", [], ["loud"], ["none"])
    used = t.run([t.SNAPRUN, "-q", "image.snap", "--", "x"], env=t.PLAIN_ENV)
    t.check(used.status == 0 and used.out.startswith(b"true\n"), used)


t.main({"early.python": python, "early.keeps": keeps, "early.node": node, "early.ruby": ruby})
