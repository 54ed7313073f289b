"""Means or shares of the arms over the waves: the data as they were entered, before any model."""

from collections.abc import Collection
from typing import Any

from analysis.documents import Direction, Family, MeasureData, Plan
from analysis.plots.described import CHANGE, Described, Place, described
from analysis.plots.style import BLUE, ORANGE, SMALL, drawing, name, nothing_to_plot, zero_line

TREATED, CONTROL = (BLUE, "o", "-", BLUE), (ORANGE, "s", "--", "white")
"""Colour, marker, line and face."""
_APART = 0.06
"""Arms stand beside each other, as a share of the way to the next wave."""
_LINE = 10.0
"""Points from one line of n to the next."""


def cell_means(plan: Plan, measure: str, data: MeasureData, hidden: Collection[Place] = ()) -> str:
    """Mean (normal, unit of the measure) or share (binary) of each arm at each wave, with n below.

    `data` in any of `rows`, `cells`, `pairs`, `counts`; of `changes` the change alone is shown. Bars: mean ± 1.96 SE,
    shares Wilson's 95 %; people count as independent, units are pooled. A mean without a known SD has no bar. `hidden`
    arms and waves have too few people to be shown. Raises `Refused` for a measure not in the plan, another family, or
    no data to show in the plan's arms and waves.
    """
    plan = plan.expanded()
    planned = plan.measure(measure)
    if planned is None:
        raise nothing_to_plot(f"the plan does not name {measure!r}", "Ask for a measure of the plan.")
    all_cells = described(plan, planned, data)
    found = {place: cell for place, cell in all_cells.items() if place not in hidden}
    if not found:
        raise nothing_to_plot(f"every arm and wave of {measure} has too few people", "Enter the data of more people.")
    changes = data.changes is not None
    waves = [w for w in [*(w.key for w in plan.waves), CHANGE] if any(wave == w for _, wave in found)]
    arms = [a for a in sorted(plan.arms, key=lambda a: a.role != "treated") if any(arm == a.key for arm, _ in found)]
    binary = planned.family is Family.BINARY
    better = "higher" if planned.direction is Direction.HIGHER_IS_BETTER else "lower"
    with drawing(f"Means of {measure} by arm and wave", 3.3, f"{name(measure, 40)} ({planned.role})") as drawn:
        axes = drawn.figure.subplots()
        for row, arm in enumerate(arms):
            look = TREATED if arm.role == "treated" else CONTROL
            shift = _APART * (len(arms) - 1) * (1 if row else -1)
            _arm_line(axes, arm.key, waves, found, look, shift, 100 if binary else 1)
            _counts(axes, row, arm.key, waves, found, all_cells)
        if changes:
            zero_line(axes, vertical=False)
        axes.set_xlim(-0.5, len(waves) - 0.5)
        labels = [
            f"change to {name(plan.followup, 14)}" if w == CHANGE else name(w, 56 // max(len(waves), 4)) for w in waves
        ]
        axes.set_xticks(range(len(waves)), labels)
        what = "share, %" if binary else "change, unit of the measure" if changes else "mean, unit of the measure"
        axes.set_ylabel(f"{what}\n({better} is better)")
        kind = "Wilson 95 % interval" if binary else "mean ± 1.96 SE"
        below = "\n" * (len(arms) + 1) + f"bars: {kind}, people counted as independent"
        if any(d.low is None for d in found.values()):
            below += "\nno bar: the SD is not known"
        if left_out := len(all_cells) - len(found):
            below += f"\n{left_out} not shown: too few people"
        axes.set_xlabel(below, linespacing=1.1)
        drawn.figure.legend(loc="outside lower left", ncols=2)
    return drawn.svg


def _arm_line(
    axes: Any, arm: str, waves: list[str], found: dict[Place, Described], look: Any, shift: float, factor: float
) -> None:
    colour, marker, line, face = look
    shown = [(i + shift, found[arm, wave]) for i, wave in enumerate(waves) if (arm, wave) in found]
    for x, d in shown:
        if d.low is not None and d.high is not None:
            axes.plot([x, x], [factor * d.low, factor * d.high], color=colour, linewidth=1.4)
    axes.plot(
        [x for x, _ in shown],
        [factor * d.value for _, d in shown],
        color=colour,
        marker=marker,
        linestyle=line,
        linewidth=1.0,
        markerfacecolor=face,
        label=name(arm, 22),
    )


def _counts(
    axes: Any, row: int, arm: str, waves: list[str], found: dict[Place, Described], all_cells: Collection[Place]
) -> None:
    """A line of n below the waves, as below a survival curve; "few" where it is not shown."""
    across = axes.get_xaxis_transform()
    down = -(19 + _LINE * row)
    axes.annotate(f"n {name(arm, 13)}", (-0.5, 0), xycoords=across, xytext=(-6, down), textcoords="offset points",
                  ha="right", va="top", fontsize=SMALL)  # fmt: skip
    for i, wave in enumerate(waves):
        said = "few" if (arm, wave) in all_cells else "–"
        if (arm, wave) in found:
            said = f"{found[arm, wave].n:,}".replace(",", "\u2009")
        axes.annotate(said, (i, 0), xycoords=across, xytext=(0, down), textcoords="offset points",
                      ha="center", va="top", fontsize=SMALL)  # fmt: skip
