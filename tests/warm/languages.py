"""--warm of the other languages' programs: each start is as a cold run with the same arguments and environment."""
import json
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
    compare("looks.rb", f"#!{path} -w\nfirst, *rest = ARGV\np first, rest, [*ARGV], ARGV.dup, ARGV.singleton_methods\n", WORDS[:2])
    differ("random.rb", f"#!{path}\nARGV.size\nputs rand, Random.rand, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].shuffle.inspect\n")


PERL = """#!/usr/bin/perl -w
use strict;
my $both = $ENV{BOTH};
$ENV{SET} = 'mine';
delete $ENV{DROPPED};
my $captured = \\@ARGV;
END { print "at end ", scalar(@ARGV), "\\n" }
print join('|', map { "<$_>" } @ARGV), " $#ARGV ", scalar(@$captured), " $0 ", __FILE__, " @INC ", join(' ', sort keys %INC), "\\n";
print "$_=$ENV{$_}\\n" for sort keys %ENV;
$| = 1;
print `echo "\\$BOTH,\\$GIVEN,\\$FROZEN,\\$SET,\\$DROPPED"`;
die "told\\n" if @ARGV && $ARGV[0] eq 'throw';
exit 7 if @ARGV && $ARGV[0] eq 'end';
while (defined(my $word = shift @ARGV)) { print "word $word\\n" }
warn 'read ', scalar <STDIN>;
"""


LOOKS = (  # each way to look first: what perl does of it, and the options of the first line
    ("shift", "", "my $first = shift; print $first, qq(@ARGV)"),
    ("list", " -w", "my ($first, @rest) = @ARGV; print qq($first,@rest)"),
    ("loop", "", "for my $word (@ARGV) { print qq(<$word>) }"),
    ("local", "", "my $y; { local @ARGV = ('x'); $y = qq(@ARGV) } print qq($y<@ARGV>)"),
    ("options", "", "use Getopt::Long; my $x = 0; GetOptions('x' => \\$x); print qq($x <@ARGV>)"),
    ("files", "", "while (<>) { print qq($ARGV:$.:$_) } print qq($.)"),
    ("one", "", "my $line = <>; print $line, <>"),
    ("subroutine", "", "sub all { return scalar @_ } print all(@ARGV)"),
    ("title", "", "$0 = 'x'; print qq($0 @ARGV)"),
    ("each", " -n", "print qq($.:$_); END { print qq(@ARGV) }"),
    ("changed", " -pi.old", "s/a/b/"),
    ("columns", " -lan", "print $F[0]"),
    ("started", " -T", "my $n = @ARGV; print time - $^T < 60 ? 'now' : $^T"),
)


def perl():
    shutil.which("perl", path=t.PLAIN_ENV["PATH"]) or t.skip("no perl")
    compare("program.pl", PERL)
    differ("random.pl", "#!/usr/bin/perl\nmy $n = @ARGV; print rand(), qq(\\n);\n")


def files_after(*words, **options):
    """A run among files of its own, and what it has left of them."""
    shutil.rmtree("place", ignore_errors=True)
    os.mkdir("place")
    for name in ("one", "two words"):
        with open(f"place/{name}", "w", encoding="utf-8") as file:
            file.write("a b\na c\n")
    run = t.run(words, cwd="place", **options)
    texts = []
    for name in sorted(os.listdir("place")):
        with open(f"place/{name}", encoding="utf-8") as file:
            texts.append((name, file.read()))
    return run, texts


def perl_looks():
    """What the interpreter itself does with the arguments, too: files that are read, changed in place."""
    shutil.which("perl", path=t.PLAIN_ENV["PATH"]) or t.skip("no perl")
    for name, switches, look in LOOKS:
        with open(f"{name}.pl", "w", encoding="utf-8") as file:
            file.write(f"#!/usr/bin/perl{switches}\n{look};\n")
        os.chmod(f"{name}.pl", 0o755)
        path, image = os.path.abspath(f"{name}.pl"), os.path.abspath("image.snap")
        made = t.run([t.SNAPTRACE, "-q", "-o", image, "--warm", "--", path, "frozen"], env=FROZEN)
        t.check(made.status == 0, (name, made))
        for words in (["two words"] if name == "changed" else [], ["one", "two words"]):  # without a file, -i warns
            cold, left = files_after(path, *words, env=GIVEN, stdin=b"given a\n")
            warm, also = files_after(t.SNAPRUN, "-q", image, "--", *words, env=GIVEN, stdin=b"given a\n")
            t.same(warm, cold)
            t.check(left == also, (name, left, also))


def perl_refused():
    """-s makes variables of the arguments before the program begins; no other letter that looks like it does."""
    shutil.which("perl", path=t.PLAIN_ENV["PATH"]) or t.skip("no perl")
    for head, before, is_made in (("#!/usr/bin/perl -ws", [], False), ("#!/usr/bin/perl -s", ["perl"], False), ("", ["perl", "-s"], False),
                                  ("#!/usr/bin/perl -w", ["perl", "-Mstrict", "-Isub", "-I", "sub"], True)):
        with open("program.pl", "w", encoding="utf-8") as file:
            file.write(head + "\nprint qq(@ARGV);\n")
        os.chmod("program.pl", 0o755)
        made = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--warm", "--", *before, "./program.pl", "-x"], env=FROZEN)
        t.check((made.status == 0 and made.err == b"") if is_made else made.status == 126 and b"option -s takes arguments" in made.err, (head, before, made))


def perl_complains():
    """What the interpreter wrote of the environment before the program would be missing in each start. --check tells of it where it looks."""
    shutil.which("perl", path=t.PLAIN_ENV["PATH"]) or t.skip("no perl")
    with open("program.pl", "w", encoding="utf-8") as file:
        file.write("#!/usr/bin/perl -w\nmy $n = @ARGV;\nprint 'told';\n")
    os.chmod("program.pl", 0o755)
    for locale, is_right in (("C", True), ("xx_YY.UTF-8", False)):
        env = {**FROZEN, "LC_ALL": locale}
        made = t.run([t.SNAPTRACE, "-q", "-o", "image.snap", "--warm", "--", "./program.pl"], env=env)
        t.check(made.status == 0 if is_right else made.status == 125 and b"has an effect outside" in made.err, made)
        told = t.run([t.SNAPTRACE, "--check", "--json", "--warm", "--", "./program.pl"], env=env)
        points = {point["point"]: point for point in json.loads(told.out[told.out.index(b"{"):])["points"]}
        warm = points["warm"]
        t.check(warm["met"] and warm["works"] == is_right, told)
        t.check(is_right or "has an effect outside" in warm["told"][-1], warm)


JAVA = """import java.io.File; import java.nio.file.*; import java.util.*; import java.util.concurrent.ThreadLocalRandom;
public class Program {
    static double before = Math.random() + ThreadLocalRandom.current().nextInt() + new Random().nextInt();
    static String both = System.getenv("BOTH") == null ? "" : "both";
    static class Late { // compiled before main() is called, and initialized after it
        static { System.setProperty("late", "initialized"); }
        int number;
        Late(int number) { this.number = number; }
    }
    public static void main(String[] words) throws Exception {
        System.out.println("before " + System.getProperty("late"));
        for (int i = 0; i < 1000; i = new Late(i).number + 1)
            continue;
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("at exit " + words.length)));
        for (Map.Entry<String, String> pair : System.getenv().entrySet())
            System.out.println(pair);
        System.out.println(Arrays.asList(words) + both + System.getenv("GIVEN") + System.getenv("FROZEN") + System.getProperty("sun.java.command"));
        System.out.println(System.getProperty("user.dir") + new File("x").getAbsolutePath() + Paths.get("x").toAbsolutePath());
        System.out.println(new File("here").exists() + "" + Files.exists(Paths.get("here")) + new String(System.in.readAllBytes()));
        System.out.write(new ProcessBuilder("sh", "-c", "echo $BOTH; pwd").start().getInputStream().readAllBytes());
        if (words.length == 1 && words[0].equals("throw"))
            throw new Exception("told");
        if (words.length == 1 && words[0].equals("draw"))
            System.err.println(Math.random() + " " + ThreadLocalRandom.current().nextLong() + " " + UUID.randomUUID());
        System.exit(words.length);
    }
}
"""


def java():
    """Also one of the JDK's own tools, whose words for the virtual machine (-J) make a start cold."""
    for tool in ("java", "javac"):
        shutil.which(tool, path=t.PLAIN_ENV["PATH"]) or t.skip(f"no {tool}")
    with open("Program.java", "w", encoding="ascii") as file:
        file.write(JAVA)
    built = t.run(["javac", "-d", ".", "Program.java"], env=GIVEN)
    t.check(built.status == 0, built)
    program = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", os.getcwd(), "Program"]
    made = [t.run([t.SNAPTRACE, "-q", "-o", f"{image}.snap", "--warm", *words], env=FROZEN)
            for image, words in (("program", [*program, "frozen"]), ("tool", ["--warm-load=no", "javac", "-version"]))]
    t.check(all(run.status == 0 for run in made), made)
    os.makedirs("elsewhere/here")
    image = os.path.abspath("program.snap")
    for words, directory in (([], "."), (["a b", "", "\u00e9"], "elsewhere"), (["throw"], "elsewhere")):
        given = {"env": GIVEN, "stdin": b"given", "cwd": directory}
        t.same(t.run([t.SNAPRUN, "-q", image, "--", *words], **given), t.run([*program, *words], **given))
    drawn = [t.run([t.SNAPRUN, "-q", image, "draw"], env=GIVEN).err.split() for _ in range(2)]
    t.check(all(len(words) == 3 for words in drawn) and not set(drawn[0]) & set(drawn[1]), drawn)
    with open("Program.class", "rb") as file:
        cold = file.read()
    t.same(t.run([t.SNAPRUN, "-q", "../tool.snap", "-d", "here", "../Program.java"], env=GIVEN, cwd="elsewhere"), t.Result(0, b"", b""))
    with open("elsewhere/here/Program.class", "rb") as file:
        t.check(file.read() == cold, "compiled")
    t.same(t.run([t.SNAPRUN, "-q", "tool.snap", "-J-version", "x"], env=GIVEN), t.run(["javac", "-J-version", "x"], env=GIVEN))


t.main({"languages.java": java, "languages.perl-complains": perl_complains, "languages.perl": perl, "languages.perl-looks": perl_looks, "languages.perl-refused": perl_refused, "languages.node": node, "languages.ruby": ruby})
