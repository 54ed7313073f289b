"""Gates on every fit: is the computation to be trusted (docs/methods.md §6)? Numbers in, passed or not out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from arviz_stats.base.array import BaseArray
from numpy.typing import NDArray

from analysis.posterior import FromDraws, Posterior
from analysis.predictive import Check

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


def predictive_reading(checks: Iterable[Check]) -> float:
    """The smallest two-sided posterior predictive p-value; 1 where there is nothing to check."""
    return float(min((check.two_sided for check in checks), default=1.0))


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
