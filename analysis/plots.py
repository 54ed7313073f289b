"""Plots of an answer as SVG text; what they show is computed elsewhere, here it is only drawn.

Colours are of Okabe and Ito's palette, distinguishable by the colour-blind and in grey; text stays text.
"""

import io
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from analysis.posterior import Posterior

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#555555"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pilotlight",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}
_POINTS = 241


def posterior(effect: dict[str, Any], adjusted: Posterior, observed: Posterior, mmd: float) -> str:
    """The posterior of one effect with zero, the MMD and its probabilities, as SVG.

    `effect` is the measure's block of an answer; `adjusted` and `observed` are its posteriors with and without the
    bias of the grade.
    """
    low = min(p.quantile(0.0005) for p in (adjusted, observed))
    high = max(p.quantile(0.9995) for p in (adjusted, observed))
    low, high = min(low, -1.5 * mmd), max(high, 1.5 * mmd)
    x = np.linspace(low, high, _POINTS)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 3.7), layout="constrained")
        axes = figure.subplots()
        y = _density(adjusted, x)
        axes.plot(x, y, color=BLUE, linewidth=1.8, label="adjusted for the bias of the design")
        axes.plot(x, _density(observed, x), color=GREY, linewidth=1.2, linestyle="--", label="as observed")
        axes.fill_between(x, y, where=x >= mmd, color=BLUE, alpha=0.30, linewidth=0)
        axes.fill_between(x, y, where=(x >= 0) & (x <= mmd), color=BLUE, alpha=0.12, linewidth=0)
        axes.fill_between(x, y, where=x <= 0, color=ORANGE, alpha=0.35, linewidth=0)
        axes.axvline(0, color="black", linewidth=0.9)
        axes.axvline(mmd, color="black", linewidth=0.9, linestyle=":")
        top = float(y.max())
        axes.text(0, 1.04 * top, "0 ", ha="right", va="bottom")
        axes.text(mmd, 1.04 * top, f" MMD {mmd:g}", ha="left", va="bottom")
        interval = effect["adjusted"]["interval"]
        axes.plot(
            [interval["low"], interval["high"]], [-0.05 * top] * 2, color=BLUE, linewidth=3, solid_capstyle="butt"
        )
        axes.plot(effect["adjusted"]["mean"], -0.05 * top, "o", color=BLUE, markersize=5)
        figure.suptitle(
            f"{effect['measure']} ({effect['role']})\nP(benefit) {_share(effect['p_benefit'])} · "
            f"P(above MMD) {_share(effect['p_meaningful'])} · P(harm beyond margin) {_share(effect['p_harm'])}",
            fontsize=9.5,
        )
        axes.set_xlabel(
            f"effect in SD units, benefit to the right; bar: {100 * interval['prob']:g} % {interval['kind']} interval"
        )
        axes.set_yticks([])
        axes.set_ylim(-0.12 * top, 1.18 * top)
        figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=2)
        return _svg(figure)


def _density(of: Posterior, x: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Density on an even grid from the tail probabilities."""
    half = (x[1] - x[0]) / 2
    return np.array([(of.above(v - half) - of.above(v + half)) / (2 * half) for v in x])


def _share(p: float) -> str:
    return ">99.9 %" if p > 0.9995 else "<0.1 %" if p < 0.0005 else f"{100 * p:.1f} %"  # noqa: PLR2004


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()
