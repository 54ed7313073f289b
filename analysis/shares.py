"""Exact posteriors of shares of two arms: beta-binomial records, intercept and dispersion integrated by quadrature.

With mean share p and φ = α + β: α = pφ, β = (1 − p)φ; records correlate by ρ = 1/(1 + φ) within. Parameters on the
real line are η, the dispersion 1/√φ as `half_line` of z, Δ last.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, log_ndtr

from analysis import marginal
from analysis.designs.count_inputs import LEAST
from analysis.designs.share_inputs import Shares
from analysis.posterior import Density, NormalMixture, SampledAlong
from analysis.priors import Run
from analysis.proportions import ETA_SD
from analysis.unit_proportions import half_line, on_the_line

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
    phi = (1 / (half_line(z[:, 1]) ** 2 + LEAST**2))[:, None]
    a, b = phi * expit(logit), phi * expit(-logit)
    # Where a share is next to 0 both gammas are of next to 0, and their quotient is what it is.
    value = gammaln(x + a) - gammaln(a) + gammaln(without + b) - gammaln(b) - gammaln(inputs.n + phi) + gammaln(phi)
    return np.asarray(np.where(np.isfinite(value), value, -1e300) @ inputs.records)


def posterior(inputs: Shares, run: Run) -> Density | NormalMixture:
    """The posterior of δ."""
    return marginal.posterior(nodes_of(inputs, run), run)


def component_weights(inputs: Shares, run: Run) -> Array:
    """Posterior weight of each component of the prior."""
    return marginal.component_weights(nodes_of(inputs, run), run)


def nodes_of(inputs: Shares, run: Run) -> marginal.Marginal:
    """The nodes all runs share, or a run's own where its prior leads elsewhere."""
    common = _integrated(inputs, marginal.WIDE)
    return common if common.serves(run) else _integrated(inputs, run)


@lru_cache(maxsize=32)
def _integrated(inputs: Shares, run: Run) -> marginal.Marginal:
    return marginal.integrated(_target(inputs), run)


def active(inputs: Shares) -> Array:
    """Which of the three parameters the data depend on."""
    return np.array([True, inputs.dispersed > 0, True])


def filled(inputs: Shares, part: Array) -> Array:
    """Points `z` (K, 3) of the active parameters alone."""
    z = np.zeros((len(part), 3))
    z[:, active(inputs)] = part
    return z


def _target(inputs: Shares) -> marginal.Target:
    def log_density(part: Array) -> Array:
        z = filled(inputs, part)
        value = log_likelihood(inputs, z)
        if inputs.dispersed:
            value += -0.5 * half_line(z[:, 1]) ** 2 + log_ndtr(z[:, 1])
        return value

    def log_intercepts(part: Array) -> Array:
        return np.asarray(-0.5 * (part[:, 0] / ETA_SD) ** 2)

    return marginal.Target(log_density, log_intercepts, _start(inputs)[active(inputs)])


def _start(inputs: Shares) -> Array:
    """The arms' own logits: between them and apart."""
    arms = [inputs.records * (inputs.side < 0), inputs.records * (inputs.side > 0)]
    x, n = (np.array([part @ arm for arm in arms]) for part in (inputs.x, inputs.n))
    logits = np.log((x + 0.5) / (n - x + 0.5))
    return np.array([logits.mean(), 0.0, np.clip((logits[1] - logits[0]) / inputs.kappa, -1.0, 1.0)])


def rao_blackwell(inputs: Shares, run: Run, draws: Mapping[str, Array]) -> SampledAlong:
    """Draws of δ with the conditional distributions of Δ beside them."""
    parts = [draws["eta"], on_the_line(draws["dispersion"]), draws["total"]]
    points = np.stack(parts, axis=-1)[..., active(inputs)]
    return marginal.along_lines(_target(inputs), nodes_of(inputs, run), run, points, draws["delta"])


def difference(inputs: Shares, run: Run) -> NormalMixture:
    """Mean share with the intervention less that without, in the measure's own direction."""

    def of_points(part: Array) -> Array:
        z = filled(inputs, part)
        half = 0.5 * inputs.kappa * z[:, 2]
        return np.asarray(expit(z[:, 0] + half) - expit(z[:, 0] - half))

    return marginal.of_function(nodes_of(inputs, run), run, of_points)


def preconditioner(inputs: Shares, run: Run) -> dict[str, Array]:
    """Where NUTS shall look, `location` (3,) and `factor` (3, 3); they change how fast it mixes and nothing else."""
    mean, covariance = marginal.moments(nodes_of(inputs, run), run)
    on = active(inputs)
    location, factor = np.zeros(3), np.eye(3)
    location[on] = mean
    factor[np.ix_(on, on)] = np.linalg.cholesky(covariance)
    return {"location": location, "factor": factor}
