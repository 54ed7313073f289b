"""How often a plan scales, refines or replaces, over what may be true."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.plots.style import (
    BLACK,
    BLUE,
    GREY,
    NORMAL_95,
    ORANGE,
    SMALL,
    drawing,
    nothing_to_plot,
    plain,
    zero_line,
)

OUTCOMES = (("scale", BLUE, "o", "-"), ("refine", GREY, "s", "--"), ("replace", ORANGE, "^", ":"))
REFUSED = ("refused", BLACK, "x", "-.")
"""Drawn only where an analysis of the simulated data was refused; else the shares would not add up."""


def operating_characteristics(points: Sequence[Mapping[str, Any]], mmd: float) -> str:
    """Shares of simulated pilots by outcome over the true effect, with ±1.96 Monte-Carlo standard errors.

    `points`: [{effect, scale: {share, mcse}, refine: {…}, replace: {…}, refused?}], effect in SD units, shares in 0…1.
    An outcome that is missing at a point (or null) is left out there. Raises `Refused` without points.
    """
    if not points:
        raise nothing_to_plot("no true effects were simulated", "Simulate at least one true effect.")
    ordered = sorted(points, key=lambda p: p["effect"])
    with drawing("Operating characteristics", 3.2, "How often the plan leads to each outcome") as drawn:
        axes = drawn.figure.subplots()
        zero_line(axes)
        axes.axvline(mmd, color=BLACK, linewidth=0.9, linestyle=":")
        axes.text(mmd, 1.02, f" MMD {plain(mmd)}", transform=axes.get_xaxis_transform(), fontsize=SMALL)
        refusals = any(p.get("refused") and p["refused"]["share"] > 0 for p in points)
        for outcome, colour, marker, line in (*OUTCOMES, *([REFUSED] if refusals else [])):
            shown = [(p["effect"], p[outcome]) for p in ordered if p.get(outcome) is not None]
            if not shown:
                continue
            drawn_as = axes.errorbar(
                [x for x, _ in shown],
                [100 * s["share"] for _, s in shown],
                yerr=[100 * NORMAL_95 * s["mcse"] for _, s in shown],
                color=colour,
                marker=marker,
                linestyle=line,
                capsize=2.5,
                label=outcome,
            )
            drawn_as.lines[0].set_gid(outcome)
        axes.set_ylim(-3, 103)
        axes.set_yticks(range(0, 101, 20))
        axes.set_ylabel("share of simulated pilots, %")
        axes.set_xlabel("true effect in SD units, benefit to the right\nbars: ±1.96 Monte-Carlo standard errors")
        drawn.figure.legend(loc="outside lower left", ncols=4)
    return drawn.svg
