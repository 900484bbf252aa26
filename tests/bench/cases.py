"""The benchmark works, whatever it measures: one cheap row, one round, and what it writes can be read."""
import json
import os
import sys
import xml.etree.ElementTree

HERE_DIR = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE_DIR, ".."))
sys.path.insert(1, HERE_DIR)
sys.dont_write_bytecode = True
import snaptest as t  # noqa: E402

RUN = os.path.join(HERE_DIR, "run")
SVG = "{http://www.w3.org/2000/svg}"


def bench(*words):
    return t.run([sys.executable, "-B", RUN, "-b", t.BUILD, *words])


def driver():
    """A row with a peer and a bar is measured, and is in the table, in the JSON and in the plot."""
    result = bench("--runs", "1", "--only", "empty.frozen", "--json", "bench.json", "--svg", "bench.svg")
    t.check(result.status == 0, result)
    lines = [line for line in result.out.decode().splitlines() if line.startswith("empty.frozen ")]
    t.check(len(lines) == 1 and (lines[0].endswith("reached") or lines[0].endswith("MISSED")), result)
    with open("bench.json", encoding="utf-8") as file:
        said = json.load(file)
    row, = said["rows"]
    t.check(row["name"] == "empty.frozen" and row["bar"] == 2.5 and said["runs"] == 1, row)
    t.check(row["ours"]["samples"] == row["peer"]["samples"] == 10 and row["ours"]["facts"]["faults"] > 0, row)
    t.check(abs(row["ratio"] - row["ours"]["median"] / row["peer"]["median"]) < 1e-9, row)
    t.check(row["reached"] == (row["ratio"] <= 2.5), row)
    t.check(all(cost > 0 for cost in said["machine"]["costs_ns"].values()), said["machine"])
    root = xml.etree.ElementTree.parse("bench.svg").getroot()
    t.check(root.tag == SVG + "svg" and len(root.findall(SVG + "rect")) == 1, root)


def explained():
    result = bench("--runs", "1", "--only", "empty.frozen", "--explain")
    t.check(result.status == 0, result)
    for word in (b"limited by", b"faults", b"image_bytes", b"us: "):
        t.check(word in result.out, word, result)


def wrong_use():
    t.check(bench("--only", "nonesuch").status == 2, "a row that isn't there")
    t.check(bench("--runs", "0", "--only", "empty").status == 2, "no rounds")


def names():
    """Each row has a name of its own, and --only finds it by that."""
    listed = bench("--list").out.decode().split()
    t.check(len(listed) > 30 and len(set(listed)) == len(listed), listed)
    t.check(bench("--list", "--only", "size.1*").out == b"size.19\n", "a pattern")


def verdicts():
    """What the table, JSON and plot make of rows that are reached, missed, without a bar, and not measured."""
    import io

    import plot
    import report
    from bench import Missing, single
    from rows import Row

    def row(name, ours, peer, bar):
        return Row(name, f"<{name}> & more", None, ours, peer, "a \"peer\"", bar, "nothing")

    series = {"one": single(1.0, faults=3), "four": single(4.0), "none": Missing("not built yet: <no tool>")}
    rows = [row("reached", "one", "four", 0.25), row("missed", "four", "one", 3.9), row("plain", "one", "four", None),
            row("alone", "four", None, 3.0), row("missing", "none", "one", 1.0), row("no-peer", "one", "none", 1.0)]
    outcomes = [report.outcome(each, series) for each in rows]
    wanted = [report.REACHED, report.MISSED, report.NO_BAR, report.MISSED, report.NOT_MEASURED, report.NOT_MEASURED]
    t.check([one.verdict for one in outcomes] == wanted, outcomes)
    text, drawing = io.StringIO(), io.StringIO()
    report.table(outcomes, text)
    t.check("missing: not measured: not built yet: <no tool>" in text.getvalue(), text.getvalue())
    plot.draw(outcomes, drawing)
    root = xml.etree.ElementTree.fromstring(drawing.getvalue())
    classes = [rect.get("class") for rect in root.findall(SVG + "rect")]
    t.check(classes == ["reached", "missed", "plain"], classes)
    t.check(report.outcome(rows[0], Missing("all of it")).reason == "all of it", "a figure that can't be had")
    plot.draw(outcomes[4:], io.StringIO())  # nothing to show is no error


def interleaved():
    """bench_spawn gives a sample of each command in each round, in the order of its arguments, and tells a failure."""
    spawn, sh = os.path.join(t.BUILD, "tests/bench/bench_spawn"), "/bin/sh"
    server = "while [ \"$(head -c 1)\" = '?' ]; do echo c >>order; echo 7,8,9; done"
    result = t.run([spawn, "3", ":end", sh, "-c", "echo a >>order", ":byte", sh, "-c", "echo b >>order; echo x",
                    ":warm", sh, "-c", server])
    t.check(result.status == 0, result)
    rows = [line.split() for line in result.out.decode().splitlines()]
    t.check(len(rows) == 3 and all(len(row) == 3 and row[2] == "7,8,9" for row in rows), result)
    with open("order", encoding="utf-8") as file:
        t.check(file.read().split() == list("abc" "bca" "cab"), "the order of the starts")
    t.check(t.run([spawn, "1", ":end", "/bin/false"]).status == 125, "a failure is told")
    t.check(t.run([spawn, "1", ":warm", "/bin/true"]).status == 125, "no answer is told")
    t.check(t.run([spawn, "1", ":byte", "/bin/true"]).status == 125, "no output is told")
    t.check(t.run([spawn, "1", "/bin/true"]).status == 125, "wrong use is told")


def day():
    """A day of a few starts, with a cache that holds one copy, not both: all are right, and the cache stays below its limit."""
    result = t.run([sys.executable, "-B", os.path.join(HERE_DIR, "day.py"), "--minutes", "0.02", "--images", "4", "--cache-limit", "6",
                    "--json"], env={**t.PLAIN_ENV, "SNAP_BUILD": t.BUILD})
    t.check(result.status == 0, result)
    said = json.loads(result.out)
    t.check(said["starts"] == 20 and said["images"] == 4 and not said["wrong"], said)
    t.check(0 < said["p50_ms"] <= said["p99_ms"] <= said["most_ms"] and said["most_alive"] > 0, said)
    t.check(1 < said["most_cache_mib"] <= 6, said)


t.main({"driver": driver, "day": day, "explained": explained, "wrong-use": wrong_use, "names": names, "verdicts": verdicts,
        "interleaved": interleaved})
