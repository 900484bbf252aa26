"""The plot: a bar a row, ours / peer on a logarithmic scale, with a mark where the bar of the row stands.

SVG written by hand, readable on light and on dark ground (prefers-color-scheme), with nothing to load.
"""
import math
from xml.sax.saxutils import escape

from report import MISSED, REACHED, number, quantity

WIDTH, LEFT, RIGHT, TOP, STEP, THICK = 1200, 400, 430, 64, 24, 12
STYLE = """
  svg { font: 12px system-ui, sans-serif; }
  text { fill: #1f2328; } .dim { fill: #59636e; } .title { font-size: 15px; font-weight: 600; }
  .grid { stroke: #d1d9e0; } .one { stroke: #59636e; } .mark { stroke: #1f2328; stroke-width: 2; }
  .reached { fill: #1a7f37; } .missed { fill: #cf222e; } .plain { fill: #6e7781; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .dim { fill: #9198a1; } .grid { stroke: #30363d; } .one { stroke: #9198a1; }
    .mark { stroke: #e6edf3; } .reached { fill: #3fb950; } .missed { fill: #f85149; } .plain { fill: #8b949e; }
  }
"""


class Scale:
    """Powers of ten from below the smallest value to above the largest, and 1 always among them."""

    def __init__(self, values):
        self.low = math.floor(math.log10(min(*values, 1, 0.1)) - 0.05)
        self.high = math.ceil(math.log10(max(*values, 1)) + 0.05)

    def x(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def ticks(self):
        return [10 ** power for power in range(self.low, self.high + 1)]


def text(x, y, words, classes="", anchor="start"):
    return f'<text x="{x}" y="{y}" class="{classes}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x, y1, y2, classes):
    return f'<line x1="{x}" x2="{x}" y1="{y1}" y2="{y2}" class="{classes}"/>'


def draw_row(one, scale, y):
    row, left, end = one.row, scale.x(10 ** scale.low), scale.x(one.ratio)
    classes = {REACHED: "reached", MISSED: "missed"}.get(one.verdict, "plain")
    parts = [text(LEFT - 10, y + THICK - 2, row.title.strip(), anchor="end"),
             f'<rect x="{left}" y="{y}" width="{round(end - left, 1)}" height="{THICK}" rx="2" class="{classes}">'
             f'<title>{escape(f"{row.name}: {number(one.ratio)} of {row.against}")}</title></rect>']
    if row.bar is not None:
        parts.append(line(scale.x(row.bar), y - 4, y + THICK + 4, "mark"))
    said = f"{quantity(one.ours, row.unit)} : {quantity(one.theirs, row.unit)}, {row.against}"
    return parts + [text(WIDTH - RIGHT + 8, y + THICK - 2, said, "dim")]


def draw(outcomes, file):
    """Rows without a peer have no ratio to show, and rows that weren't measured nothing at all. What images cost that travel is
    for the manual (snaptrace-machines(7))."""
    shown = [one for one in outcomes if one.ratio and one.theirs and one.ratio > 0 and not one.row.name.startswith("travel.")]
    values = [value for one in shown for value in (one.ratio, one.row.bar) if value]
    scale = Scale(values or [1])
    bottom = TOP + STEP * len(shown)
    parts = [text(16, 24, "snaptrace against its peers", "title"),
             text(16, 42, "ours / peer, logarithmic, shorter is better; the mark is the bar to reach", "dim")]
    for tick in scale.ticks():
        parts += [line(scale.x(tick), TOP - 6, bottom, "one" if tick == 1 else "grid"),
                  text(scale.x(tick), bottom + 16, f"{tick:g}", "dim", "middle")]
    for i, one in enumerate(shown):
        parts += draw_row(one, scale, TOP + STEP * i)
    height = bottom + 32
    file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
               f'viewBox="0 0 {WIDTH} {height}" role="img">\n<style>{STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n")
