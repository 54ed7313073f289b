"""Exact posteriors of shares of two arms: beta-binomial records, intercept and dispersion integrated by quadrature.

With mean share p and φ = α + β: α = pφ, β = (1 − p)φ; records correlate by ρ = 1/(1 + φ) within. Parameters on the
real line are η, the dispersion 1/√φ as `ramp` of z, Δ last.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln

from analysis import marginal
from analysis.designs.count_inputs import LEAST
from analysis.designs.share_inputs import Shares
from analysis.half_normal import log_half_normal, ramp, unramped
from analysis.integrated import Integrated
from analysis.posterior import NormalMixture
from analysis.priors import Run
from analysis.proportions import ETA_SD

Array = NDArray[np.float64]
AT_ONCE = 500_000
"""Log gamma functions taken at once."""


def log_likelihood(inputs: Shares, z: Array) -> Array:
    """Log likelihood (K,) at points `z` (K, 3), up to a constant."""
    turn = max(AT_ONCE // len(inputs.x), 1)
    return np.concatenate([_of_some(inputs, z[i : i + turn]) for i in range(0, len(z), turn)])


def _of_some(inputs: Shares, z: Array) -> Array:
    logit = z[:, :1] + inputs.kappa * z[:, 2:] * inputs.side
    x, without = inputs.x, inputs.n - inputs.x
    if not inputs.dispersed:
        return np.asarray((x * logit - inputs.n * np.logaddexp(0.0, logit)) @ inputs.records)
    phi = (1 / (ramp(z[:, 1]) ** 2 + LEAST**2))[:, None]
    a, b = phi * expit(logit), phi * expit(-logit)
    # Where a share is next to 0 both gammas are of next to 0, and their quotient is what it is.
    value = gammaln(x + a) - gammaln(a) + gammaln(without + b) - gammaln(b) - gammaln(inputs.n + phi) + gammaln(phi)
    return np.asarray(np.where(np.isfinite(value), value, -1e300) @ inputs.records)


def active(inputs: Shares) -> Array:
    """Which of the three parameters the data depend on."""
    return np.array([True, inputs.dispersed > 0, True])


def _target(inputs: Shares) -> marginal.Target:
    def log_density(part: Array) -> Array:
        z = INTEGRATED.filled(inputs, part)
        return log_likelihood(inputs, z) + inputs.dispersed * log_half_normal(z[:, 1])

    def log_intercepts(part: Array) -> Array:
        return np.asarray(-0.5 * (part[:, 0] / ETA_SD) ** 2)

    return marginal.Target(log_density, log_intercepts, _start(inputs)[active(inputs)])


def _start(inputs: Shares) -> Array:
    """The arms' own logits: between them and apart."""
    arms = [inputs.records * (inputs.side < 0), inputs.records * (inputs.side > 0)]
    x, n = (np.array([part @ arm for arm in arms]) for part in (inputs.x, inputs.n))
    logits = np.log((x + 0.5) / (n - x + 0.5))
    return np.array([logits.mean(), 0.0, np.clip((logits[1] - logits[0]) / inputs.kappa, -1.0, 1.0)])


def positions(inputs: Shares, draws: Mapping[str, Array]) -> Array:  # noqa: ARG001
    """Draws as points `z` (chain, draw, 3)."""
    return np.stack([draws["eta"], unramped(draws["dispersion"]), draws["total"]], axis=-1)


INTEGRATED: Final[Integrated[Shares]] = Integrated(_target, active, positions)


def difference(inputs: Shares, run: Run) -> NormalMixture:
    """Mean share with the intervention less that without, in the measure's own direction."""

    def of_points(z: Array) -> Array:
        half = 0.5 * inputs.kappa * z[:, 2]
        return np.asarray(expit(z[:, 0] + half) - expit(z[:, 0] - half))

    return INTEGRATED.of_function(inputs, run, of_points)
