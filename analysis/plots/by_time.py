"""The effect by the time since the start of a stepped wedge, and their mean as a band."""

from collections.abc import Mapping
from typing import Any

from analysis.plots.style import (
    BLUE,
    ORANGE,
    SMALL,
    drawing,
    name,
    nothing_to_plot,
    plain,
    zero_line,
)


def by_time(effect: Mapping[str, Any]) -> str:
    """Effects by the time since start with intervals, cells below, and Δ, their mean over the time, as a band.

    `effect` is the measure's block of an answer; `effect["effects_by_time"]` lists {k, cells, sd}, in SD units.
    Raises `Refused` for a design without them.
    """
    rows = effect.get("effects_by_time") or []
    if not rows:
        raise nothing_to_plot(
            f"{effect['measure']} has no effects by time since start", "The design `stepped_wedge` has them."
        )
    bar = effect["sd"]["interval"]
    heading = f"{name(effect['measure'], 40)} ({effect['role']}): effect by time since start"
    with drawing(f"Effect on {effect['measure']} by time since start", 3.1, heading) as drawn:
        axes = drawn.figure.subplots()
        zero_line(axes, vertical=False)
        axes.axhspan(bar["low"], bar["high"], color=ORANGE, alpha=0.15, linewidth=0)
        axes.axhline(effect["sd"]["mean"], color=ORANGE, linestyle="--", linewidth=1.0, label="mean over the time")
        places = [row["k"] for row in rows]
        for row in rows:
            interval = row["sd"]["interval"]
            axes.plot([row["k"]] * 2, [interval["low"], interval["high"]], color=BLUE, linewidth=1.4)
        means = [row["sd"]["mean"] for row in rows]
        axes.plot(places, means, color=BLUE, marker="o", linewidth=1.0, label="at that time")
        across = axes.get_xaxis_transform()
        for row in rows:
            axes.annotate(f"{row['cells']}", (row["k"], 0), xycoords=across, xytext=(0, -19),
                          textcoords="offset points", ha="center", va="top", fontsize=SMALL)  # fmt: skip
        axes.annotate("cells", (-0.5, 0), xycoords=across, xytext=(-6, -19), textcoords="offset points",
                      ha="right", va="top", fontsize=SMALL)  # fmt: skip
        axes.set_xlim(-0.5, len(rows) - 0.5)
        axes.set_xticks(places, [str(k) for k in places])
        axes.set_ylabel("effect in SD units\n(above 0 is benefit)")
        axes.set_xlabel(
            f"\nperiods since the unit's start (0: the first with the intervention)\n"
            f"bars and band: {plain(100 * bar['prob'])} % {bar['kind']} intervals, as observed"
        )
        drawn.figure.legend(loc="outside lower left", ncols=2)
    return drawn.svg
