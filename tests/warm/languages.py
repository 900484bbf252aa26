"""--warm of the other languages' programs: each start is as a cold run with the same arguments and environment."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import snaptest as t  # noqa: E402

FROZEN = {**t.PLAIN_ENV, "DROPPED": "1", "FROZEN": "1", "BOTH": "old"}
GIVEN = {**t.PLAIN_ENV, "DROPPED": "1", "BOTH": "new", "GIVEN": "a=b \"quoted\""}
WORDS = ([], ["a b", ""], ["-x", "--", "y"], ["\u00e9"], ["throw"], ["end"])

NODE = """#!/usr/bin/env node
'use strict';
const captured = process.argv;
process.env.SET = 'mine';
delete process.env.DROPPED;
const { env } = process;
const rest = process.argv.slice(2);
const both = process.env.BOTH !== undefined;
const path = require('path');
console.log(process.argv.length, captured, rest, rest.length, [...captured], Array.isArray(captured));
console.log(Object.entries(process.env).sort(), env.BOTH, process.env.FROZEN, 'GIVEN' in env, both);
console.log(process.cwd(), process.execArgv, process.title, require.main === module, __filename, process.argv === process.argv);
console.log(require('child_process').execSync('echo "$BOTH,$GIVEN,$FROZEN"').toString());
process.on('exit', (code) => console.log('at exit', code));
if (rest[0] === 'throw')
	throw new Error('told');
if (rest[0] === 'end')
	process.exit(7);
process.stdin.on('data', (data) => console.error('read', data.toString()));
"""

RUBY = """#!{ruby}
require 'set'
captured = ARGV
ENV['SET'] = 'mine'
ENV.delete('DROPPED')
both = ENV['BOTH']
at_exit {{ puts "at exit #{{ARGV.size}}" }}
p ARGV, captured, captured.equal?(ARGV), ARGV.map(&:encoding), $0, __FILE__, $PROGRAM_NAME
p ENV.to_h.sort, ENV['BOTH'], ENV.fetch('GIVEN', nil), ENV.key?('FROZEN'), Dir.pwd
puts `echo "$BOTH,$GIVEN,$FROZEN"`
raise 'told' if ARGV[0] == 'throw'
exit 7 if ARGV[0] == 'end'
$kept = File.open('written', 'w')
$kept.write('to be flushed')
warn $stdin.read
"""


def compare(name, text, starts=WORDS):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(name, 0o755)
    path = os.path.abspath(name)
    made = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--warm", "--", path, "frozen"], env=FROZEN)
    t.check(made.status == 0, made)
    os.makedirs("elsewhere", exist_ok=True)
    for words in starts:
        for directory in (".", "elsewhere"):
            given = {"env": GIVEN, "stdin": b"given", "cwd": directory}
            cold = t.run([path, *words], **given)
            t.same(t.run([t.SNAPRUN, "-q", os.path.abspath("image.snap"), "--", *words], **given), cold)


def differ(name, text):
    """Each start draws other random numbers."""
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(name, 0o755)
    made = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--warm", "--", os.path.abspath(name)], env=FROZEN)
    t.check(made.status == 0, made)
    starts = [t.run([t.SNAPRUN, "-q", "image.snap", "--"], env=GIVEN) for _ in range(4)]
    t.check(len({start.out for start in starts}) == 4 and all(start.status == 0 for start in starts), starts)


def node():
    """Also one that looks at a stream first, and one that goes through the whole environment."""
    shutil.which("node", path=t.PLAIN_ENV["PATH"]) or t.skip("no node")
    compare("program.js", NODE)
    compare("first.js", "#!/usr/bin/env node\nconsole.log('before');\nconsole.log(process.argv.slice(2));\n", WORDS[:3])
    differ("random.js", "#!/usr/bin/env node\nconst n = process.argv.length;\nconsole.log(Math.random(), require('crypto').randomUUID());\n")


def ruby():
    path = shutil.which("ruby", path=t.PLAIN_ENV["PATH"]) or t.skip("no ruby")
    compare("program.rb", RUBY.format(ruby=path))
    with open("written", encoding="utf-8") as file:
        t.check(file.read() == "to be flushed", "a file that nobody closed")
    differ("random.rb", f"#!{path}\nARGV.size\nputs rand, Random.rand, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].shuffle.inspect\n")


t.main({"languages.node": node, "languages.ruby": ruby})
