"""Rows of estimates with intervals, the body of a forest plot; who they are is said by the callers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.plots.style import BLUE, SMALL

ROW = 0.2
"""Inches of a row that is labelled."""


@dataclass(frozen=True, slots=True)
class Row:
    """One estimate; `label` stands to its left, `said` to its right. `hollow` and `dashed` tell kinds apart in grey."""

    label: str
    mean: float
    low: float
    high: float
    said: str = ""
    marker: str = "o"
    colour: str = BLUE
    size: float = 5.0
    width: float = 1.4
    dashed: bool = False
    hollow: bool = False


def draw(axes: Any, rows: Sequence[Row], pooled: Sequence[Row] = (), *, labelled: bool = True, step: float = 1) -> None:
    """Rows from top to bottom at y = 0, 1, …, those of `pooled` below them, `step` apart.

    Names and numbers of the rows stand only where `labelled`, those of `pooled` always.
    """
    placed = [(float(y), row) for y, row in enumerate(rows)]
    placed += [(len(rows) - 1 + step * (i + 1), row) for i, row in enumerate(pooled)]
    named = placed if labelled else placed[len(rows) :]
    for y, row in placed:
        mark(axes, y, row)
    for y, row in named:
        if row.said:
            axes.text(1.02, y, row.said, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL)
    axes.set_ylim(placed[-1][0] + 0.6 * (step if pooled else 1), -0.6)
    axes.set_yticks([y for y, _ in named], [row.label for _, row in named])
    axes.tick_params(axis="y", length=0, labelsize=SMALL)
    axes.spines["left"].set_visible(False)


def mark(axes: Any, y: float, row: Row) -> None:
    """One estimate at height y."""
    axes.plot(
        [row.low, row.high],
        [y, y],
        color=row.colour,
        linewidth=row.width,
        linestyle=(0, (2, 1)) if row.dashed else "-",
        solid_capstyle="butt",
        zorder=2,
    )
    face = "white" if row.hollow else row.colour
    axes.plot(row.mean, y, row.marker, markerfacecolor=face, markeredgecolor=row.colour, markersize=row.size, zorder=3)
