"""Gates on every fit: is the computation to be trusted (docs/methods.md §6)? Numbers in, passed or not out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, Final

import numpy as np
from arviz_stats.base.array import BaseArray
from numpy.typing import NDArray
from scipy.special import gammainc, ndtr
from scipy.stats import binom

from analysis.designs.inputs import Ancova, AncovaUnknownR, Inputs, TwoMeans, TwoProportions
from analysis.posterior import FromDraws, Posterior

Array = NDArray[np.float64]
_diagnostics: Any = BaseArray()

AT_MOST: Final[Mapping[str, float]] = {
    "rhat": 1.01,
    "divergences": 0.0,
    "agreement_mean": 0.1,
    "agreement_sd": 0.1,
    "agreement_probability": 0.02,
}
AT_LEAST: Final[Mapping[str, float]] = {"ess_bulk": 400.0, "ess_tail": 400.0, "e_bfmi": 0.3, "predictive": 0.001}
SAMPLER_GATES: Final = ("rhat", "ess_bulk", "ess_tail", "divergences", "e_bfmi")
MORE_DRAWS: Final = ("rhat", "ess_bulk", "ess_tail")
"""What four times the draws may mend."""
SHIFT_GATES: Final = ("agreement_mean", "agreement_sd", "agreement_probability")
ORDER: Final = (*SAMPLER_GATES, *SHIFT_GATES, "predictive")


@dataclass(frozen=True, slots=True)
class Reading:
    """One gate's value in one run of one measure."""

    name: str
    value: float
    measure: str
    run: str

    @property
    def passed(self) -> bool:
        """True when the value is on the right side; NaN never is."""
        if self.name in AT_MOST:
            return bool(self.value <= AT_MOST[self.name])
        return bool(self.value >= AT_LEAST[self.name])


def sampler_readings(values: Mapping[str, Array], divergences: int, energy: Array) -> dict[str, float]:
    """The worst R̂, bulk and tail ESS over all quantities (chain, draw, …), divergences, the lowest E-BFMI."""
    columns = [
        column for array in values.values() for column in np.moveaxis(array.reshape(*array.shape[:2], -1), -1, 0)
    ]
    axes = {"chain_axis": 0, "draw_axis": 1}
    return {
        "rhat": float(max(_diagnostics.rhat(c, method="rank", **axes) for c in columns)),
        "ess_bulk": float(min(_diagnostics.ess(c, method="bulk", **axes) for c in columns)),
        "ess_tail": float(min(_diagnostics.ess(c, method="tail", prob=(0.05, 0.95), **axes) for c in columns)),
        "divergences": float(divergences),
        "e_bfmi": float(np.min(_diagnostics.bfmi(energy, **axes))),
    }


def agreement_readings(sampled: FromDraws, exact: Posterior, thresholds: Iterable[float]) -> dict[str, float]:
    """How far NUTS lies from the exact engine.

    Mean (in SDs) and SD (as a share) are of the bare draws of δ, which share no formula with it; the probability is
    the worst of those reported.
    """
    return {
        "agreement_mean": abs(float(sampled.draws.mean()) - exact.mean) / exact.sd,
        "agreement_sd": abs(float(sampled.draws.std(ddof=1)) / exact.sd - 1),
        "agreement_probability": max(abs(sampled.above(t) - exact.above(t)) for t in thresholds),
    }


def predictive_reading(inputs: Inputs, draws: Mapping[str, Array]) -> float:
    """The smallest two-sided posterior predictive p-value of the arms' means and spreads."""
    return float(min(2 * min(p, 1 - p) for p in _predictive(inputs, draws)))


@singledispatch
def _predictive(inputs: Inputs, draws: Mapping[str, Array]) -> list[float]:
    raise NotImplementedError(type(inputs))


@_predictive.register
def _(inputs: TwoMeans, draws: Mapping[str, Array]) -> list[float]:
    expected = [draws["alpha"], draws["alpha"] + draws["total"]]
    return _arms(inputs.n, inputs.mean, expected, draws["sigma"], inputs.ss, inputs.n - 1)


@_predictive.register
def _(inputs: Ancova, draws: Mapping[str, Array]) -> list[float]:
    beta = draws["beta"]
    expected = [draws["alpha"] + beta * inputs.mean1[0], draws["alpha"] + beta * inputs.mean1[1] + draws["total"]]
    rss = [inputs.s22[a] - 2 * beta * inputs.s12[a] + beta**2 * inputs.s11[a] for a in (0, 1)]
    return _arms(inputs.n, inputs.mean2, expected, draws["sigma"], rss, inputs.n - 1)


@_predictive.register
def _(inputs: AncovaUnknownR, draws: Mapping[str, Array]) -> list[float]:
    tau, r = draws["sigma"], draws["r"]
    slope = [r * tau[..., a] / inputs.sd1 for a in (0, 1)]
    expected = [
        draws["alpha"] + slope[0] * inputs.mean1[0],
        draws["alpha"] + slope[1] * inputs.mean1[1] + draws["total"],
    ]
    residual = tau * np.sqrt(1 - r[..., None] ** 2)
    means = _arms(inputs.n, inputs.mean2, expected, residual, None, inputs.n - 1)
    return means + _arms(inputs.n, inputs.mean2, None, tau, inputs.s22, inputs.n - 1)


@_predictive.register
def _(inputs: TwoProportions, draws: Mapping[str, Array]) -> list[float]:
    values = []
    for arm, sign in ((0, -0.5), (1, 0.5)):
        p = 1 / (1 + np.exp(-(draws["eta"] + sign * inputs.kappa * draws["total"])))
        x, n = inputs.x[arm], inputs.n[arm]
        values.append(float(np.mean(binom.cdf(x - 1, n, p) + 0.5 * binom.pmf(x, n, p))))
    return values


def _arms(
    n: Array,
    mean: Array,
    expected: list[Array] | None,
    sigma: Array,
    squares: Array | list[Array] | None,
    free: Array,
) -> list[float]:
    """P(replicated ≤ observed) of each arm's mean and of its sum of squares, averaged over the draws."""
    values = []
    for arm in (0, 1):
        s = sigma[..., arm]
        if expected is not None:
            values.append(float(np.mean(ndtr((mean[arm] - expected[arm]) / (s / np.sqrt(n[arm]))))))
        if squares is not None:
            values.append(float(np.mean(gammainc(free[arm] / 2, squares[arm] / s**2 / 2))))
    return values


def report(readings: Iterable[Reading]) -> list[dict[str, object]]:
    """One line a gate, the worst over measures and runs; gates that no run could take are not applicable."""
    taken = list(readings)
    lines: list[dict[str, object]] = []
    for name in ORDER:
        threshold = AT_MOST.get(name, AT_LEAST.get(name))
        mine = [r for r in taken if r.name == name]
        if not mine:
            note = "not applicable: the exact engine does not sample"
            lines.append({"name": name, "value": None, "threshold": threshold, "passed": None, "note": note})
            continue
        # NaN sorts nowhere: a reading that failed goes before any that passed.
        worst = max(mine, key=lambda r: (not r.passed, r.value if name in AT_MOST else -r.value))
        value = None if np.isnan(worst.value) else worst.value
        lines.append(
            {
                "name": name,
                "value": value,
                "threshold": threshold,
                "passed": worst.passed,
                "measure": worst.measure,
                "run": worst.run,
            }
        )
    return lines
