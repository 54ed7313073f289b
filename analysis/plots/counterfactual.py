"""The months of a series as observed, and what they would have shown without the intervention."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.plots.style import (
    BLACK,
    BLUE,
    GREY,
    LIGHT,
    ORANGE,
    SKY,
    SMALL,
    drawing,
    name,
    nothing_to_plot,
    plain,
)

Month = Mapping[str, Any]


def counterfactual(effect: Mapping[str, Any]) -> str:
    """Observed months, the fitted line, and the counterfactual with its band; start, phase-in and window are marked.

    `effect` is the measure's block of an answer; its `series` lists {t, observed, fitted, counterfactual, low, high,
    phase_in, window, control}. The band carries the uncertainty of the parameters and each month's own departure. The
    control series, where there is one, is drawn thinly at the level of the treated one before the start. Raises
    `Refused` where the effect is of no series.
    """
    series = effect.get("series")
    if not series or not series["months"]:
        raise nothing_to_plot(f"{effect['measure']} is no monthly series", "Ask for it where the plan's design is its.")
    months: Sequence[Month] = series["months"]
    t = [m["t"] for m in months]
    heading = f"{name(effect['measure'], 40)} ({effect['role']}): months with and without the intervention"
    with drawing(f"Counterfactual of {effect['measure']}", 3.4, heading) as drawn:
        axes = drawn.figure.subplots()
        _spans(axes, series)
        for run in _runs(months):
            of = [m["t"] for m in run]
            axes.fill_between(of, [m["low"] for m in run], [m["high"] for m in run], color=SKY, alpha=0.3, linewidth=0)
            axes.plot(of, [m["counterfactual"] for m in run], color=BLUE, linestyle="--", linewidth=1.1)
        axes.plot([], [], color=BLUE, linestyle="--", linewidth=1.1,
                  label=f"without it, with {plain(100 * series['prob'])} % band")  # fmt: skip
        _control(axes, months)
        after = [m for m in months if m["fitted"] is not None and m["t"] >= 0]
        axes.plot(
            [m["t"] for m in after], [m["fitted"] for m in after], color=ORANGE, linewidth=1.4, label="with it, fitted"
        )
        for inside, face, label in ((False, BLACK, "observed"), (True, "white", "observed, phase-in")):
            chosen = [m for m in months if m["phase_in"] is inside]
            if chosen:
                axes.plot([m["t"] for m in chosen], [m["observed"] for m in chosen], linestyle="", marker="o",
                          markersize=3.2, color=BLACK, markerfacecolor=face, label=label)  # fmt: skip
        axes.set_xlim(t[0] - 1, t[-1] + 1)
        axes.set_ylim(bottom=0)
        rate = series["value"] == "rate"
        axes.set_ylabel("events per unit of exposure" if rate else "geometric mean, unit of the measure")
        axes.set_xlabel("months since the start")
        drawn.figure.legend(loc="outside lower left", ncols=2, fontsize=SMALL)
    return drawn.svg


def _spans(axes: Any, series: Mapping[str, Any]) -> None:
    """The start as a line, phase-in and window as shades that say what they are."""
    months, (first, last) = series["months"], series["window"]
    axes.axvline(-0.5, color=BLACK, linewidth=0.8)
    spans = [("window", first - 0.5, last + 0.5, LIGHT, 0.25)]
    inside = [m["t"] for m in months if m["phase_in"]]
    if inside:
        spans.append(("phase-in", -0.5, inside[-1] + 0.5, ORANGE, 0.12))
    for said, begin, end, colour, alpha in spans:
        axes.axvspan(begin, end, color=colour, alpha=alpha, linewidth=0, zorder=0)
        axes.annotate(said, ((begin + end) / 2, 1), xycoords=axes.get_xaxis_transform(), xytext=(0, 2),
                      textcoords="offset points", ha="center", va="bottom", fontsize=SMALL, color=GREY)  # fmt: skip


def _runs(months: Sequence[Month]) -> list[list[Month]]:
    """Months in a row without a gap: nothing is drawn across one."""
    runs: list[list[Month]] = []
    for month in months:
        if runs and month["t"] == runs[-1][-1]["t"] + 1:
            runs[-1].append(month)
        else:
            runs.append([month])
    return runs


def _control(axes: Any, months: Sequence[Month]) -> None:
    """The control series, multiplied to the level of the treated one before the start."""
    there = [m for m in months if m["control"] is not None]
    before = [m for m in there if m["t"] < 0]
    level = sum(m["control"] for m in before)
    if not before or level <= 0:
        return
    ratio = sum(m["observed"] for m in before) / level
    axes.plot([m["t"] for m in there], [ratio * m["control"] for m in there], color=GREY, linewidth=0.7,
              linestyle=":", label="control series, at this level")  # fmt: skip
