"""Posterior predictive check: what was observed against what the fitted model would show again."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.plots.forest import ROW
from analysis.plots.style import BLACK, LIGHT, ORANGE, SMALL, drawing, name, nothing_to_plot, plain

QUANTITIES = (("mean", "mean"), ("sd", "standard deviation"), ("share", "share, %"))
MOST_LABELLED = 40
LONGEST = 34
"""Characters of a cell: its arm, wave and what is checked of it."""
_TALLEST = 6.0
_EXTREME = 0.01


def predictive(
    checks: Sequence[Mapping[str, Any]], measure: str = "", prob: float = 0.95, unit: str = "unit of the measure"
) -> str:
    """Observed means, SDs or shares of the cells against replicated intervals, one panel a quantity.

    `checks`: [{cell, quantity: mean/sd/share, observed, low, high, p}] in `unit` (shares in 0…1);
    [low, high] holds `prob` of the replicated values, p is the two-sided posterior predictive p-value. A value below
    0.01 is marked by a filled orange triangle. Raises `Refused` without checks.
    """
    panels = [(title, [c for c in checks if c["quantity"] == key], 100 if key == "share" else 1)
              for key, title in QUANTITIES]  # fmt: skip
    panels = [p for p in panels if p[1]]
    if not panels:
        raise nothing_to_plot("no cell was checked", "Fit the measure first; a check needs a fitted model.")
    total = sum(len(rows) for _, rows, _ in panels)
    labelled = total <= MOST_LABELLED
    sizes = [0.45 + (ROW * len(rows) if labelled else _TALLEST * len(rows) / total) for _, rows, _ in panels]
    heading = (f"{name(measure, 40)}: does" if measure else "Does") + " the model reproduce the data?"
    with drawing(f"Posterior predictive check {measure}", 1.05 + sum(sizes), heading) as drawn:
        grid = drawn.figure.subplots(len(panels), 1, squeeze=False, height_ratios=sizes)
        for axes, (title, rows, factor) in zip(grid[:, 0], panels, strict=True):
            for y, row in enumerate(rows):
                _row(axes, y, row, factor, labelled=labelled)
            axes.set_title(title, fontsize=8.5, loc="left")
            axes.set_ylim(len(rows) - 0.4, -0.6)
            axes.set_yticks(
                range(len(rows)) if labelled else [], [name(r["cell"], LONGEST) for r in rows] if labelled else []
            )
            axes.tick_params(axis="y", length=0, labelsize=SMALL)
            axes.spines["left"].set_visible(False)
        axes.set_xlabel(
            f"{unit}\nbars: {plain(100 * prob)} % of replicated data\ndiamond: observed (triangle: p below 0.01)"
        )
    return drawn.svg


def _row(axes: Any, y: int, row: Mapping[str, Any], factor: float, *, labelled: bool) -> None:
    low, high, observed = (factor * row[key] for key in ("low", "high", "observed"))
    odd = row["p"] < _EXTREME
    axes.plot([low, high], [y, y], color=LIGHT, linewidth=6 if labelled else 1.5, solid_capstyle="butt")
    axes.plot(observed, y, "^" if odd else "D", color=ORANGE if odd else BLACK, markersize=4.5 if labelled else 2)
    if labelled:
        said = "p <0.001" if row["p"] < 0.001 else f"p {row['p']:.3f}"  # noqa: PLR2004
        axes.text(1.02, y, said, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL)
