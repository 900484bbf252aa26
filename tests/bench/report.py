"""What came out: a verdict for each row, and the rows as a table, as an explanation and as JSON."""
import dataclasses
import json
import os
import platform
import sys

from bench import Missing, Series

REACHED, MISSED, NO_BAR, NOT_MEASURED = "reached", "MISSED", "", "-"


@dataclasses.dataclass
class Outcome:
    """ours, theirs: Series, or None. ratio: what is held against the bar. reason: of a row that wasn't measured."""
    row: object
    ours: Series = None
    theirs: Series = None
    ratio: float = None
    reason: str = None

    @property
    def verdict(self):
        if self.ratio is None:
            return NOT_MEASURED
        return NO_BAR if self.row.bar is None else REACHED if self.ratio <= self.row.bar else MISSED


def outcome(row, figure):
    """figure: {name: Series or Missing}, or one Missing for all."""
    wanted = [name for name in (row.ours, row.peer) if name]
    found = [figure if isinstance(figure, Missing) else figure[name] for name in wanted]
    reasons = dict.fromkeys(series.reason for series in found if isinstance(series, Missing))
    if reasons:
        return Outcome(row, reason="; ".join(reasons))
    ours, theirs = found[0], found[1] if len(found) > 1 else None
    return Outcome(row, ours, theirs, ours.median / theirs.median if theirs else ours.median)


def number(value):
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def quantity(series, unit):
    return f"{number(series.median)} {unit}" if series else ""


def cells(outcome_):
    row = outcome_.row
    if outcome_.reason:
        return (row.name, row.title, "", "", row.against, "", "" if row.bar is None else number(row.bar), NOT_MEASURED)
    return (row.name, row.title, quantity(outcome_.ours, row.unit), quantity(outcome_.theirs, row.unit), row.against,
            number(outcome_.ratio) if outcome_.theirs else "", "" if row.bar is None else number(row.bar), outcome_.verdict)


def table(outcomes, file=sys.stdout):
    left = (0, 1, 4, 7)
    lines = [("row", "", "snaptrace", "peer", "", "ratio", "bar", ""), *map(cells, outcomes)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) if i in left else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(line, widths))).rstrip(), file=file)
    for one in outcomes:
        if one.reason:
            print(f"{one.row.name}: not measured: {one.reason}", file=file)


def explain(outcomes, file=sys.stdout):
    """What limits each row: page faults, calls, bytes, and the phases of a restore."""
    for one in outcomes:
        if one.reason:
            continue
        print(f"\n{one.row.name}: limited by {one.row.limits}", file=file)
        for what, series in (("snaptrace", one.ours), (one.row.against, one.theirs)):
            if series and series.facts:
                print(f"  {what}: " + ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                                                for name, value in series.facts.items()), file=file)


def spread(series):
    """The median, and between what the middle four fifths lie."""
    if series is None:
        return None
    values = sorted(series.values)
    last = len(values) - 1
    return {"median": series.median, "p10": values[round(last * 0.1)], "p90": values[round(last * 0.9)],
            "samples": len(values), "facts": series.facts}


def as_json(outcomes, bench, file):
    rows = [{"name": one.row.name, "title": one.row.title.strip(), "unit": one.row.unit, "ours": spread(one.ours),
             "peer": spread(one.theirs), "against": one.row.against, "ratio": one.ratio, "bar": one.row.bar,
             "reached": {REACHED: True, MISSED: False}.get(one.verdict), "limits": one.row.limits, "reason": one.reason}
            for one in outcomes]
    json.dump({"machine": machine(bench), "runs": bench.runs, "quick": bench.quick, "rows": rows}, file, indent=1)
    file.write("\n")


def machine(bench):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
    with open("/proc/meminfo", encoding="utf-8") as file:
        kibibytes = int(file.readline().split()[1])
    return {"cpus": len(os.sched_getaffinity(0)), "cpu": model, "kernel": os.uname().release,
            "libc": " ".join(platform.libc_ver()), "memory_mib": kibibytes // 1024, "costs_ns": bench.costs()}
