"""Exact posteriors of counts in cells of units: the negative binomial in the binomial form that unit effects need.

NB(k; μ, φ) = p^k (1 − p)^φ Γ(k + φ) / (Γ(φ) k!) with logit p = log μ − log φ. So m records of a cell with events S in
all are x = S of n = S + mφ, their logit shifted by log exposure − log φ, and Σ log Γ(k + φ) − log Γ(φ) beside.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from analysis.designs.cell_inputs import COEFFICIENTS
from analysis.designs.count_inputs import LEAST, UnitCounts
from analysis.half_normal import ramp
from analysis.percent import PercentChange
from analysis.posterior import NormalMixture
from analysis.priors import Run
from analysis.unit_proportions import INTEGRATED, TOTAL, BinomialForm, binomial_form, empirical, logit_sds

Array = NDArray[np.float64]
DISPERSION = COEFFICIENTS + 2
AT_ONCE = 2_000_000
"""Log gamma functions taken at once."""


def phi_of(inputs: UnitCounts, z: Array) -> Array:
    """φ (K,) at points `z` (K, 9): 1/φ is the square of the dispersion and of its least value added up."""
    if not inputs.dispersed:
        return np.full(len(z), inputs.poisson)
    return np.asarray(1 / (ramp(z[:, DISPERSION]) ** 2 + LEAST**2))


def log_gammas(inputs: UnitCounts, phi: Array) -> Array:
    """Σ log Γ(k + φ) − log Γ(φ) over the records (K,)."""
    counts, records = inputs.kinds.T
    turn = max(AT_ONCE // len(counts), 1)
    parts = (phi[i : i + turn, None] for i in range(0, len(phi), turn))
    return np.concatenate([(gammaln(counts + part) - gammaln(part)) @ records for part in parts])


@binomial_form.register
def _(inputs: UnitCounts, z: Array) -> BinomialForm:
    phi = phi_of(inputs, z)
    n = inputs.events.T + phi[:, None, None] * inputs.records.T
    shift = log_expected(inputs).T - np.log(phi)[:, None, None]
    return BinomialForm(inputs.events.T, n, shift, log_gammas(inputs, phi) if inputs.dispersed else np.zeros(len(z)))


@empirical.register
def _(inputs: UnitCounts) -> tuple[Array, Array]:
    total = inputs.records * inputs.expected
    # A cell's weight is what its log rate is known by; records vary, so that many events tell no more than some.
    return np.log((inputs.events + 0.5) / (total + 0.5)), np.minimum(inputs.events + 0.5, 10.0) * (inputs.records > 0)


def log_expected(inputs: UnitCounts) -> Array:
    """Log of the exposure of each record in events at the pooled rate (G, S); 0 where a cell is empty."""
    return np.log(np.where(inputs.records > 0, inputs.expected, 1.0))


def rate_difference(inputs: UnitCounts, run: Run) -> NormalMixture:
    """The rate with the intervention less the rate without, events per unit of exposure, in the measure's direction.

    Over the exposure of the treated cells, units being new ones of the same kind: the mean of e^(η + u + v) over u, v.
    """
    exposed = inputs.with_intervention & (inputs.records > 0)
    rows = np.concatenate([inputs.columns[exposed], inputs.exposure[exposed][:, None]], axis=1)
    kinds, which = np.unique(rows, axis=0, return_inverse=True)
    exposure = np.bincount(which.ravel(), (inputs.records * inputs.expected)[exposed])
    share = exposure / exposure.sum()

    def difference(z: Array) -> Array:
        su, sv = logit_sds(inputs, z)
        level = kinds[:, :-1] @ z[:, :COEFFICIENTS].T + 0.5 * (su**2 + sv**2)
        moved = inputs.kappa * z[:, TOTAL]
        of_each = np.exp(level + kinds[:, -1:] * moved) - np.exp(level + (kinds[:, -1:] - 1.0) * moved)
        return np.asarray(inputs.rate * (share @ of_each))

    return INTEGRATED.of_function(inputs, run, difference)


def detail(inputs: UnitCounts, run: Run, prob: float) -> Mapping[str, object]:
    """The ratio of the rate with the intervention to the rate without."""
    change = PercentChange(INTEGRATED.posterior(inputs, run), inputs.kappa)
    ends = [1 + change.quantile(p) / 100 for p in ((1 - prob) / 2, (1 + prob) / 2)]
    interval = {"low": ends[0], "high": ends[1], "prob": prob, "kind": "equal-tailed"}
    return {"rate_ratio": {"mean": 1 + change.mean / 100, "sd": change.sd / 100, "interval": interval}}
