"""The effects of all iterations as one picture; pure text, since the web process draws nothing with Matplotlib.

The palette is that of the analyses' plots (Okabe and Ito); marker and line style tell the same apart in grey. On a dark
page the colours turn round.
"""

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LEFT, PLOT, TOP, ROW, BOTTOM = 760, 210, 330, 70, 46, 52
NAMESPACE = "http://www.w3.org/2000/svg"
HEAD = f'xmlns="{NAMESPACE}" font-family="Helvetica, Arial, sans-serif" role="img" aria-labelledby="t d"'
LONGEST = 30
"""Characters of a name that fit beside the plot."""
STYLE = """
  svg { color-scheme: light dark; background: #fff; --ink: #000; --soft: #595959; --line: #bbb; --blue: #0072b2; --orange: #d55e00; --page: #fff }
  @media (prefers-color-scheme: dark) { svg { background: #16181d; --ink: #f2f2f2; --soft: #b8bcc4; --line: #4a4f59; --blue: #56b4e9; --orange: #f0a35e; --page: #16181d } }
  text { fill: #000; fill: var(--ink); font-size: 12px } .soft { fill: #595959; fill: var(--soft); font-size: 11px } .head { font-size: 14px; font-weight: bold }
  .page { fill: #fff; fill: var(--page) } .zero { stroke: #000; stroke: var(--ink); stroke-width: 1 } .grid { stroke: #bbb; stroke: var(--line); stroke-width: 1 }
  .mmd { stroke: #d55e00; stroke: var(--orange); stroke-width: 1.4; stroke-dasharray: 5 3 } .mmdtext { fill: #d55e00; fill: var(--orange); font-size: 11px }
  .bar { stroke: #0072b2; stroke: var(--blue); stroke-width: 2.4 } .dot { fill: #0072b2; fill: var(--blue); stroke: #0072b2; stroke: var(--blue); stroke-width: 1.6 }
  .hollow { fill: #fff; fill: var(--page) }
"""  # noqa: E501 - one rule a line


@dataclass(frozen=True)
class EffectRow:
    """The adjusted effect of an iteration on its primary measure, in SD units; `said` is how it was judged."""

    iteration: int
    said: str
    measure: str | None = None
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    mmd: float | None = None
    trusted: bool = True


def draw(title: str, rows: Sequence[EffectRow]) -> str:
    """An SVG document with a row an iteration; one that has no effect says so."""
    low, high = _limits(rows)
    scale = _Scale(low, high)
    height = TOP + ROW * max(len(rows), 1) + BOTTOM
    described = "; ".join(f"iteration {r.iteration}, {r.said}: {_numbers(r) or 'no effect to show'}" for r in rows)
    parts = [
        f'<svg {HEAD} viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f'<title id="t">{_text(title, 200)}: effects of the iterations</title>',
        f'<desc id="d">{_text(described, 4000)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        f'<text class="head" x="16" y="26">{_text(title, 80)}</text>',
        '<text class="soft" x="16" y="45">adjusted effect on the primary measure, with its interval</text>',
        *_axis(scale, height),
        *_thresholds(scale, rows),
    ]
    previous: str | None = None
    for place, row in enumerate(rows):
        parts += _row(scale, TOP + ROW * place + ROW / 2, row, renamed=row.measure not in (None, previous))
        previous = row.measure or previous
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    def x(self, value: float) -> float:
        return LEFT + PLOT * (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """At most seven round values."""
        rough = (self.high - self.low) / 6
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough)
        first = math.ceil(self.low / step)
        return [step * i for i in range(first, math.floor(self.high / step) + 1)]


def _limits(rows: Sequence[EffectRow]) -> tuple[float, float]:
    shown = [v for r in rows for v in (r.low, r.mean, r.high, r.mmd) if v is not None]
    low, high = min(0.0, *shown, 0.0), max(0.0, *shown, 0.0)
    margin = 0.06 * ((high - low) or 1.0)
    return low - margin, high + margin


def _axis(scale: _Scale, height: int) -> Iterator[str]:
    y = height - BOTTOM
    yield f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{LEFT + PLOT}" y2="{y}"/>'
    for tick in scale.ticks():
        x = scale.x(tick)
        yield f'<line class="grid" x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + 4}"/>'
        yield f'<text class="soft" text-anchor="middle" x="{x:.1f}" y="{y + 17}">{_number(tick)}</text>'
    middle = LEFT + PLOT / 2
    yield f'<text class="soft" text-anchor="middle" x="{middle}" y="{y + 36}">SD units, benefit to the right</text>'
    yield f'<line class="zero" x1="{scale.x(0):.1f}" y1="{TOP - 4}" x2="{scale.x(0):.1f}" y2="{y}"/>'


def _thresholds(scale: _Scale, rows: Sequence[EffectRow]) -> Iterator[str]:
    """The minimal meaningful difference of each row: one line as long as it stays the same."""
    named: float | None = None
    for place, row in enumerate(rows):
        if row.mmd is None:
            continue
        x, y = scale.x(row.mmd), TOP + ROW * place
        yield f'<line class="mmd" x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + ROW}"/>'
        if row.mmd != named:
            yield f'<text class="mmdtext" x="{x + 4:.1f}" y="{y + 4}">meaningful {_number(row.mmd)}</text>'
            named = row.mmd


def _row(scale: _Scale, y: float, row: EffectRow, *, renamed: bool) -> Iterator[str]:
    lines = [f"iteration {row.iteration}", row.said, *([f"on {row.measure}"] if renamed else [])]
    top = y - 7 * (len(lines) - 1) + 4
    for i, line in enumerate(lines):
        kind = ' class="soft"' if i else ""
        yield f'<text{kind} text-anchor="end" x="{LEFT - 14}" y="{top + 14 * i:.1f}">{_text(line, LONGEST)}</text>'
    if row.mean is None or row.low is None or row.high is None:
        yield f'<text class="soft" x="{LEFT + PLOT + 14}" y="{y + 4}">no effect to show</text>'
        return
    yield f'<line class="bar" x1="{scale.x(row.low):.1f}" y1="{y}" x2="{scale.x(row.high):.1f}" y2="{y}"/>'
    kind = "dot" if row.trusted else "dot hollow"
    yield f'<circle class="{kind}" cx="{scale.x(row.mean):.1f}" cy="{y}" r="5"/>'
    below = "" if row.trusted else "a gate failed"
    yield f'<text x="{LEFT + PLOT + 14}" y="{y + (4 if row.trusted else -2)}">{_numbers(row)}</text>'
    if below:
        yield f'<text class="soft" x="{LEFT + PLOT + 14}" y="{y + 13}">{below}</text>'


def _numbers(row: EffectRow) -> str:
    if row.mean is None or row.low is None or row.high is None:
        return ""
    return f"{_number(row.mean)} [{_number(row.low)}, {_number(row.high)}]"


def _number(value: float) -> str:
    """Two decimals, three significant digits where it is huge; a true minus sign, never before 0."""
    text = f"{value:.2f}" if abs(value) < 10**5 else f"{value:.3g}"
    return text.replace("-", "−") if text.strip("-0.") else text.lstrip("-")


def _text(text: str, most: int) -> str:
    """Text fit to be drawn: escaped, one line, no control characters, a long one shortened."""
    kept = "".join(" " if unicodedata.category(c) in {"Cc", "Cs", "Co", "Cn"} else c for c in text)
    kept = " ".join(kept.split())
    return escape(kept if len(kept) <= most else f"{kept[: most - 1]}…")
