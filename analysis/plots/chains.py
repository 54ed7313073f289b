"""Draws of sampled quantities chain by chain, to see whether the chains saw the same posterior."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.stats import rankdata

from analysis.errors import Refused
from analysis.plots.style import BLACK, BLUE, GREEN, GREY, LIGHT, ORANGE, PURPLE, SKY, SMALL, drawing, name
from analysis.plots.style import nothing_to_plot as nothing

Array = NDArray[np.float64]
MOST_QUANTITIES = 16
MOST_POINTS = 400
"""Points drawn of a chain; a longer one is thinned evenly, and the plot says so."""
LINES: Any = (
    (BLUE, "-"),
    (ORANGE, "--"),
    (SKY, "-."),
    (BLACK, ":"),
    (GREEN, (0, (5, 1, 1, 1, 1, 1))),
    (PURPLE, (0, (1, 3))),
)
_BAND = 0.95
_GRID = np.linspace(0, 1, 101)


def trace(draws: Mapping[str, Array]) -> str:
    """The draws of each quantity in their order, one panel a quantity, one line a chain; name → (chain, draw).

    Raises `Refused` without draws, with more than 16 quantities, or where a draw is not finite.
    """
    checked = _checked(draws)
    length = max(a.shape[1] for a in checked.values())
    every = max(1, math.ceil(length / MOST_POINTS))
    with drawing("Trace of the draws", 0.8 + 0.95 * len(checked), "Draws by chain") as drawn:
        panels = drawn.figure.subplots(len(checked), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (quantity, values) in zip(panels, checked.items(), strict=True):
            for chain, row in enumerate(values):
                colour, _ = LINES[chain % len(LINES)]
                axes.plot(np.arange(0, row.size, every), row[::every], color=colour, linewidth=0.4, alpha=0.8)
            axes.set_title(name(quantity, 40), fontsize=8.5, loc="left")
            axes.locator_params(axis="y", nbins=3)
        panels[-1].set_xlabel("draw" + (f" (every {_ordinal(every)} is drawn)" if every > 1 else ""))
        _legend(drawn.figure, max(a.shape[0] for a in checked.values()), lines=False)
    return drawn.svg


def rank(draws: Mapping[str, Array]) -> str:
    """Each chain's ECDF of the ranks among all draws, less the uniform one: name → (chain, draw).

    Chains of independent draws of one posterior stay within the band with 95 % for all chains at once (Dvoretzky,
    Kiefer and Wolfowitz, Bonferroni over chains); after Säilynoja, Bürkner and Vehtari 2022. A chain outside saw
    another posterior, or its draws hang together.
    Refusals as of `trace`.
    """
    checked = _checked(draws)
    with drawing(
        "Rank plot of the draws", 1.0 + 1.05 * len(checked), "Do the chains agree? Ranks of each chain"
    ) as drawn:
        panels = drawn.figure.subplots(len(checked), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (quantity, values) in zip(panels, checked.items(), strict=True):
            differences, band = ecdf_differences(values)
            axes.set_title(name(quantity, 40), fontsize=8.5, loc="left")
            if band is None:
                axes.text(0.5, 0, "one value throughout: there is nothing to rank", ha="center", fontsize=SMALL)
                axes.set_ylim(-1, 1)
                axes.set_yticks([0])
                continue
            axes.fill_between([0, 1], -band, band, color=LIGHT, alpha=0.5, linewidth=0)
            axes.axhline(0, color=GREY, linewidth=0.6)
            for chain, difference in enumerate(differences):
                colour, line = LINES[chain % len(LINES)]
                axes.plot(_GRID, difference, color=colour, linestyle=line, linewidth=1.1)
            axes.set_ylim(*(np.array([-1.15, 1.15]) * max(band, float(np.abs(differences).max()))))
            axes.locator_params(axis="y", nbins=3)
        panels[-1].set_xlabel(
            "rank among all draws, as a share\nvertical: ECDF less uniform; band: 95 % of independent draws"
        )
        _legend(drawn.figure, max(a.shape[0] for a in checked.values()), lines=True)
    return drawn.svg


def ecdf_differences(values: Array) -> tuple[Array, float | None]:
    """ECDF of each chain's fractional ranks less z, at z = 0, 0.01, …, 1: (chain, 101); and the half-width of the band.

    The band is None where all draws are one value.
    """
    if np.ptp(values) == 0:
        return np.zeros((values.shape[0], _GRID.size)), None
    ranks = (rankdata(values.ravel()) - 0.5).reshape(values.shape) / values.size
    differences = (ranks[:, :, None] <= _GRID).mean(axis=1) - _GRID
    chains, length = values.shape
    return differences, math.sqrt(math.log(2 * chains / (1 - _BAND)) / (2 * length))


def _checked(draws: Mapping[str, Array]) -> dict[str, Array]:
    if not draws:
        raise nothing("no quantity was sampled", "The exact engine draws nothing; ask for the NUTS engine.")
    if len(draws) > MOST_QUANTITIES:
        raise Refused(
            "too_many_quantities",
            f"{len(draws)} quantities do not fit on one plot; {MOST_QUANTITIES} do.",
            "Ask for those that matter: the effect, the spreads.",
        )
    checked = {}
    for quantity, values in draws.items():
        array = np.asarray(values, dtype=float)
        if array.ndim != 2 or array.size == 0:  # noqa: PLR2004
            raise nothing(f"{quantity} has no chains of draws", "Give draws of the form (chain, draw).")
        if not np.isfinite(array).all():
            raise Refused(
                "not_finite", f"{quantity} has draws that are no numbers.", "Check the sampler's diagnostics."
            )
        checked[quantity] = array
    return checked


def _ordinal(n: int) -> str:
    ending = "th" if 10 < n % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")  # noqa: PLR2004
    return f"{n}{ending}"


def _legend(figure: Any, chains: int, *, lines: bool) -> None:
    handles = [
        Line2D([], [], color=LINES[i % len(LINES)][0], linestyle=LINES[i % len(LINES)][1] if lines else "-",
                      label=f"chain {i + 1}")
        for i in range(min(chains, 8))
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
