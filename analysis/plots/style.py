"""What all plots share: size, palette, how numbers and names are written, and the one way to SVG.

Colours are of Okabe and Ito's palette, distinguishable by the colour-blind; marker and line style tell the same apart
in grey. Width and type are chosen to be read at half the width of an A4 page.
"""

import io
import math
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from analysis.errors import Refused

BLACK, BLUE, ORANGE, GREEN, PURPLE, SKY = "#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
GREY, LIGHT = "#595959", "#BBBBBB"
WIDTH = 4.6
"""Inches."""
DOTS = 200
"""An inch, of a picture."""
SMALL = 7.5
SD_UNITS = "effect in SD units, benefit to the right"
NORMAL_95 = 1.96
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pilotlight",
    "text.parse_math": False,  # a name with two $ is a name
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.use_mathtext": False,
    "axes.formatter.useoffset": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.titlesize": 8.5,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
}
_pictures: ContextVar[list[bytes] | None] = ContextVar("pictures", default=None)
"""Where drawings go as PNG instead of becoming SVG; None: they become SVG."""
_one_at_a_time = threading.RLock()
"""Matplotlib's settings are of the whole process."""


@dataclass
class Drawing:
    """A figure to draw on; `svg` is there when the block ends."""

    figure: Figure
    svg: str = ""


def png(draw: Callable[[], str]) -> bytes:
    """What `draw` draws, such as `lambda: posterior(…)`, as a PNG that prints well (200 dots an inch).

    The same input gives the same bytes. Raises what `draw` raises: `Refused` where there is nothing to draw.
    """
    pictures: list[bytes] = []
    before = _pictures.set(pictures)
    try:
        draw()
    finally:
        _pictures.reset(before)
    return pictures[-1]


@contextmanager
def drawing(title: str, height: float, heading: str = "") -> Iterator[Drawing]:
    """A figure of `height` inches in the house style; on leaving it is written as SVG.

    `title` is the document's title, read aloud by screen readers; `heading` stands above the plot.
    """
    with _one_at_a_time, warnings.catch_warnings(), mpl.rc_context(_STYLE):
        # The reader's own fonts draw the text; those here only measure it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
        drawn = Drawing(Figure(figsize=(WIDTH, height), layout="constrained"))
        if heading:
            drawn.figure.suptitle(heading, x=0.01, ha="left", linespacing=1.35)
        yield drawn
        if (pictures := _pictures.get()) is not None:
            content = io.BytesIO()
            drawn.figure.savefig(content, format="png", dpi=DOTS, metadata={"Software": None})
            pictures.append(content.getvalue())
            return
        text = io.StringIO()
        metadata = {"Date": None, "Creator": None, "Title": name(title, 200)}
        drawn.figure.savefig(text, format="svg", metadata=metadata)
        drawn.svg = text.getvalue()


def name(text: str, most: int = 24) -> str:
    """A name fit to be drawn: one line, no control characters, a long one shortened in its middle.

    Names often begin alike, and identifiers differ at their ends.
    """
    kept = "".join(" " if unicodedata.category(c) in {"Cc", "Cs", "Co", "Cn"} else c for c in str(text))
    kept = " ".join(kept.split())
    if len(kept) <= most:
        return kept
    tail = (most - 1) // 2
    return f"{kept[: most - 1 - tail]}…{kept[-tail:]}"


def number(value: float, digits: int = 2) -> str:
    """A number with `digits` decimals, a huge one with three significant digits; a true minus sign, never before 0."""
    text = f"{value:.{digits}f}" if abs(value) < 10**5 else f"{value:.3g}"
    return text.replace("-", "−") if text.strip("-0.") else text.lstrip("-")


def plain(value: float) -> str:
    """A number as short as it is exact: thresholds and counts."""
    return f"{value:.12g}".replace("-", "−")


def percent(p: float) -> str:
    """A probability in per cent; never 0 or 100, which no finite data can show."""
    return ">99.9 %" if p > 0.9995 else "<0.1 %" if p < 0.0005 else f"{100 * p:.1f} %"  # noqa: PLR2004


def digits_of(width: float) -> int:
    """Decimals that tell the ends of an interval of this width apart: 2 to 6."""
    return 2 if width <= 0 else min(max(1 - math.floor(math.log10(width)), 2), 6)


def estimate(mean: float, low: float, high: float) -> str:
    """A mean and its interval in brackets."""
    digits = digits_of(high - low)
    return f"{number(mean, digits)} [{number(low, digits)}, {number(high, digits)}]"


def nothing_to_plot(what: str, help_: str) -> Refused:
    """The refusal of a plot that would be empty."""
    return Refused("nothing_to_plot", f"There is nothing to plot: {what}.", help_)


def zero_line(axes: Any, *, vertical: bool = True) -> None:
    """The line of no effect."""
    (axes.axvline if vertical else axes.axhline)(0, color=BLACK, linewidth=0.8, zorder=0.5)


def far_span(low: float, high: float, thresholds: tuple[float, ...], reach: float = 4.0) -> tuple[float, float]:
    """Limits that hold [low, high] and each threshold that is not farther off than `reach` times its width."""
    width = (high - low) or 1.0
    near = [t for t in thresholds if low - reach * width <= t <= high + reach * width]
    low, high = min(low, *near, low), max(high, *near, high)
    margin = 0.05 * ((high - low) or 1.0)
    return low - margin, high + margin
