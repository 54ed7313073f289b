"""Shares of the ordered categories by arm and wave: the data as they were entered, before any model."""

from collections.abc import Collection, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.colors import to_hex

from analysis.documents import Categories, Direction, Family, MeasureData, Plan, PlannedMeasure
from analysis.errors import Refused
from analysis.plots.described import Place, arm_of
from analysis.plots.style import SMALL, drawing, name, nothing_to_plot
from analysis.scores import categories_of, scores_of_categories, scores_of_rows

_LEAST_WRITTEN = 0.06
"""Shares below this have no room for their number."""
_DARK = 0.5
"""Luminance below which white text is read better."""
_BAR = 0.72


def categories(plan: Plan, measure: str, data: MeasureData, hidden: Collection[Place] = ()) -> str:
    """One bar of stacked shares, lowest category left, for each arm at each wave, with n beside; units are pooled.

    Colours go from dark for the worst category to bright for the best. `hidden` arms and waves have too few people to
    be shown. Raises `Refused` for a measure that is not ordinal or not in the plan, and for no data to show.
    """
    plan = plan.expanded()
    planned = plan.measure(measure)
    if planned is None:
        raise nothing_to_plot(f"the plan does not name {measure!r}", "Ask for a measure of the plan.")
    if planned.family is not Family.ORDINAL:
        raise nothing_to_plot(f"{measure} has no ordered categories", "Ordinal measures have.")
    scores, everyone = tallied(plan, planned, data)
    found = {place: counts for place, counts in everyone.items() if place not in hidden}
    if not found:
        what = "no data in the arms and waves of the plan" if not everyone else "too few people in every arm and wave"
        raise nothing_to_plot(f"{measure} has {what}", "Enter data of a planned wave.")
    arms = [a.key for a in sorted(plan.arms, key=lambda a: a.role != "treated")]
    places = [(arm, w.key) for arm in arms for w in plan.waves if (arm, w.key) in found]
    colours = palette(len(scores), upwards=planned.direction is Direction.HIGHER_IS_BETTER)
    with drawing(
        f"Categories of {measure} by arm and wave", 1.35 + 0.36 * len(places), f"{name(measure, 40)} ({planned.role})"
    ) as drawn:
        axes = drawn.figure.subplots()
        for row, place in enumerate(places):
            _bar(axes, row, found[place], colours)
        axes.set_yticks(range(len(places)), [f"{name(arm, 16)}, {name(wave, 12)}" for arm, wave in places])
        axes.set_ylim(len(places) - 0.5, -0.5)
        axes.set_xlim(0, 100)
        for row, place in enumerate(places):
            axes.annotate(f"n {sum(found[place])}", (100, row), xytext=(4, 0), textcoords="offset points",
                          va="center", fontsize=SMALL)  # fmt: skip
        better = "higher" if planned.direction is Direction.HIGHER_IS_BETTER else "lower"
        left_out = f"\n{len(everyone) - len(found)} not shown: too few people" if len(found) < len(everyone) else ""
        axes.set_xlabel(f"share of people, % ({better} categories are better){left_out}", fontsize=SMALL + 0.5)
        axes.tick_params(axis="y", length=0)
        handles = [
            mpl.patches.Patch(facecolor=c, edgecolor="white", label=f"{s:g}")
            for c, s in zip(colours, scores, strict=True)
        ]
        drawn.figure.legend(handles=handles, loc="outside lower center", ncols=len(scores), handlelength=1.0,
                            columnspacing=0.8, handletextpad=0.35)  # fmt: skip
    return drawn.svg


def tallied(
    plan: Plan, planned: PlannedMeasure, data: MeasureData
) -> tuple[tuple[float, ...], dict[Place, tuple[int, ...]]]:
    """The categories' values, and the people in each by arm and wave of the plan, empty ones left out."""
    try:
        if data.rows is not None:
            scores = scores_of_rows(planned, data.rows)
            entries: Sequence[Categories] = categories_of(data.rows, scores)
        else:
            entries = data.categories or []
            scores, _ = scores_of_categories(planned, entries)
    except Refused as refused:
        raise nothing_to_plot(refused.message, refused.what_would_help) from refused
    waves, arms = {w.key for w in plan.waves}, {a.key for a in plan.arms}
    found: dict[Place, tuple[int, ...]] = {}
    for entry in entries:
        place = (arm_of(plan, entry.unit, entry.arm), entry.wave)
        if place[0] in arms and entry.wave in waves:
            before = found.get(place, (0,) * len(scores))
            found[place] = tuple(a + b for a, b in zip(before, entry.counts, strict=True))
    return scores, {place: counts for place, counts in found.items() if sum(counts)}


def palette(count: int, *, upwards: bool) -> list[str]:
    """Colours of so many categories, lowest first, from viridis: even steps of lightness, told apart in grey too."""
    scale = mpl.colormaps["viridis"]
    colours = [to_hex(scale(0.08 + 0.88 * i / max(count - 1, 1))) for i in range(count)]
    return colours if upwards else colours[::-1]


def _bar(axes: Any, row: int, counts: Sequence[int], colours: Sequence[str]) -> None:
    total, left = sum(counts), 0.0
    for count, colour in zip(counts, colours, strict=True):
        share = count / total
        axes.barh(row, 100 * share, left=100 * left, height=_BAR, color=colour, edgecolor="white", linewidth=0.5)
        if share >= _LEAST_WRITTEN:
            ink = "white" if _luminance(colour) < _DARK else "black"
            axes.text(100 * (left + share / 2), row, f"{100 * share:.0f}", ha="center", va="center",
                      fontsize=SMALL, color=ink)  # fmt: skip
        left += share


def _luminance(colour: str) -> float:
    """How bright a colour looks, 0 to 1 (Rec. 709)."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
