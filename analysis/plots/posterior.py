"""The posterior of one effect against zero and the MMD, and against the priors it may have begun with."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from analysis.documents import Plan
from analysis.plots.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    SD_UNITS,
    SMALL,
    digits_of,
    drawing,
    far_span,
    name,
    nothing_to_plot,
    number,
    percent,
    plain,
)
from analysis.posterior import Posterior
from analysis.priors import ENTHUSIASTIC, SCEPTICAL, Component, borrowing, effect_prior, normal

Array = NDArray[np.float64]
_POINTS = 241
_TAIL = 0.0005


def posterior(effect: Mapping[str, Any], adjusted: Posterior, observed: Posterior, mmd: float) -> str:
    """The posterior of an effect δ (SD units, benefit to the right) with zero, the MMD and its probabilities.

    `effect` is the measure's block of an answer; `adjusted` and `observed` are its posteriors with and without the
    bias of the grade (`fit.exact_posteriors`, runs `adjusted` and `as_observed`). Raises `Refused` for a measure
    that could not be fitted.
    """
    if effect.get("adjusted") is None:
        raise nothing_to_plot(
            f"{effect['measure']} has no posterior", str(effect.get("reason") or "Enter the measure's data.")
        )
    limits = _limits((adjusted, observed), mmd)
    x = _grid(adjusted, (0.0, mmd))
    y = _density(adjusted, x)
    top = float(y.max())
    heading = (
        f"{name(effect['measure'], 40)} ({effect['role']})\n"
        f"P(benefit) {percent(effect['p_benefit'])} · P(above MMD) {percent(effect['p_meaningful'])}\n"
        f"P(harm beyond margin) {percent(effect['p_harm'])}"
    )
    with drawing(f"Posterior of the effect on {effect['measure']}", 3.4, heading) as drawn:
        axes = drawn.figure.subplots()
        axes.fill_between(x, y, where=x >= mmd, color=BLUE, alpha=0.40, linewidth=0)
        axes.fill_between(x, y, where=(x >= 0) & (x <= mmd), color=BLUE, alpha=0.12, linewidth=0)
        below = axes.fill_between(x, y, where=x <= 0, facecolor="white", edgecolor=ORANGE, linewidth=0)
        below.set_hatch("////")
        axes.plot(x, y, color=BLUE, linewidth=1.8, label="adjusted for the bias of the design")
        bare = _grid(observed, ())
        bare_y = _density(observed, bare)
        room = 1.5 * top
        cut = " (peak cut off)" if bare_y.max() > room else ""
        axes.plot(bare, bare_y, color=GREY, linestyle="--", label=f"as observed{cut}")
        room = 1.08 * max(top, min(room, float(bare_y.max())))
        _thresholds(axes, mmd, limits, named=True)
        _interval_bar(axes, effect["adjusted"], -0.06 * top)
        bar = effect["adjusted"]["interval"]
        digits = digits_of(bar["high"] - bar["low"])
        axes.set_xlabel(
            f"{SD_UNITS}\nbar: mean {number(effect['adjusted']['mean'], digits)}, "
            f"{plain(100 * bar['prob'])} % {bar['kind']} interval {number(bar['low'], digits)} to "
            f"{number(bar['high'], digits)}\ndark: above the minimal meaningful difference (MMD); hatched: below 0"
        )
        _only_x(axes, limits)
        axes.set_ylim(-0.12 * top, room)
        drawn.figure.legend(loc="outside lower left", ncols=2)
    return drawn.svg


def prior_posterior(plan: Plan, measure: str, runs: Mapping[str, Posterior]) -> str:
    """Sceptical, planned and enthusiastic prior on δ, each with the posterior it leads to, one above the other.

    `runs` are the measure's posteriors by run (`fit.exact_posteriors`): `sceptical`, `adjusted`, `enthusiastic`.
    Raises `Refused` when the plan does not name the measure.
    """
    planned = plan.measure(measure)
    if planned is None:
        raise nothing_to_plot(f"the plan does not name {measure!r}", "Ask for a measure of the plan.")
    priors = plan.priors
    lent = priors.borrow if planned.role == "primary" else None
    rows = (
        ("sceptical", normal(SCEPTICAL), runs["sceptical"]),
        ("planned", borrowing(lent) if lent else effect_prior(priors), runs["adjusted"]),
        ("enthusiastic", normal(ENTHUSIASTIC), runs["enthusiastic"]),
    )
    limits = _limits([p for _, _, p in rows], planned.mmd, (-0.9, 0.9))
    heading = f"{name(measure, 40)} ({planned.role}): what each prior makes of the data"
    with drawing(f"Priors and posteriors of the effect on {measure}", 3.9, heading) as drawn:
        panels = drawn.figure.subplots(3, 1, sharex=True)
        for axes, (which, prior, after) in zip(panels, rows, strict=True):
            x = _grid(after, ())
            y = _density(after, x)
            wide = np.linspace(*limits, _POINTS)
            axes.fill_between(x, y, color=BLUE, alpha=0.25, linewidth=0)
            axes.plot(x, y, color=BLUE, linewidth=1.8, label="posterior, adjusted for bias")
            axes.plot(wide, _prior_density(prior, wide), color=GREY, linestyle="--", label="prior")
            _thresholds(axes, planned.mmd, limits, named=False)
            said = (
                f"{which}\n{_says(prior)}\nP(benefit)\n{percent(after.above(0.0))}\n"
                f"P(above MMD)\n{percent(after.above(planned.mmd))}"
            )
            axes.text(1.02, 0.95, said, transform=axes.transAxes, va="top", fontsize=SMALL)
            _only_x(axes, limits)
            axes.set_ylim(0, 1.08 * max(float(y.max()), min(1.5 * float(y.max()), _peak(prior))))
        panels[-1].set_xlabel(f"{SD_UNITS}; dotted: MMD {plain(planned.mmd)}")
        drawn.figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return drawn.svg


def _limits(shown: Any, mmd: float, at_least: tuple[float, float] | None = None) -> tuple[float, float]:
    low, high = min(p.quantile(_TAIL) for p in shown), max(p.quantile(1 - _TAIL) for p in shown)
    if at_least is not None:
        low, high = min(low, at_least[0]), max(high, at_least[1])
    return far_span(low, high, (0.0, mmd, -0.5 * mmd, 1.5 * mmd))


def _grid(of: Posterior, thresholds: tuple[float, ...]) -> Array:
    """Even steps over the bulk of a posterior, and the thresholds within, where shading begins."""
    x = np.linspace(of.quantile(_TAIL / 5), of.quantile(1 - _TAIL / 5), _POINTS)
    return np.union1d(x, [t for t in thresholds if x[0] < t < x[-1]])


def _density(of: Posterior, x: Array) -> Array:
    """Density from the tail probabilities about each point of the grid."""
    half = (x[-1] - x[0]) / (2 * _POINTS)
    return np.array([max(of.above(v - half) - of.above(v + half), 0.0) / (2 * half) for v in x])


def _prior_density(prior: tuple[Component, ...], x: Array) -> Array:
    """Density of a mixture of normals; a flat one is drawn nowhere (it has none)."""
    if any(c.precision == 0 for c in prior):
        return np.full_like(x, np.nan)
    half = (x[1] - x[0]) / 2
    parts = [c.weight * (ndtr((x + half - c.mean) * c.precision**0.5) - ndtr((x - half - c.mean) * c.precision**0.5))
             for c in prior]  # fmt: skip
    return np.asarray(np.sum(parts, axis=0) / (2 * half))


def _says(prior: tuple[Component, ...]) -> str:
    if any(c.precision == 0 for c in prior):
        return "flat"
    if len(prior) > 1:
        return f"borrowed with weight {plain(prior[0].weight)}"
    return f"N({plain(prior[0].mean)}, {plain(round(prior[0].precision ** -0.5, 6))})"


def _peak(prior: tuple[Component, ...]) -> float:
    """An upper bound of the prior's density."""
    return sum(c.weight * math.sqrt(c.precision / (2 * math.pi)) for c in prior)


def _thresholds(axes: Any, mmd: float, limits: tuple[float, float], *, named: bool) -> None:
    """Lines at zero and the MMD, named above the plot; one beyond the limits gets an arrow."""
    lines = [(0.0, "0", "-", "right", 2), (mmd, f"MMD {plain(mmd)}", ":", "left", -2)]
    for value, text, style, side, nudge in lines if mmd > 0 else [(0.0, "0 = MMD", "-", "center", 0)]:
        if value < limits[0]:
            at, said, where = limits[0], f"← {text}", ("left", 0)
        elif value > limits[1]:
            at, said, where = limits[1], f"{text} →", ("right", 0)
        else:
            axes.axvline(value, color=BLACK, linewidth=0.9, linestyle=style)
            at, said, where = value, text, (side, nudge)
        if named:
            axes.annotate(said, (at, 1), xycoords=axes.get_xaxis_transform(), xytext=(where[1], 2),
                          textcoords="offset points", ha=where[0], va="bottom")  # fmt: skip


def _interval_bar(axes: Any, summary: Mapping[str, Any], at: float) -> None:
    low, high = summary["interval"]["low"], summary["interval"]["high"]
    axes.plot([low, high], [at, at], color=BLUE, linewidth=3, solid_capstyle="butt")
    axes.plot(summary["mean"], at, "o", color=BLUE, markeredgecolor="white")


def _only_x(axes: Any, limits: tuple[float, float]) -> None:
    axes.set_xlim(*limits)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
