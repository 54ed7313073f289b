"""How much an answer leans on its priors: power-scaling sensitivity of δ, and the prior predictive share off the scale.

Reported and warned about; neither decides anything (docs/methods.md §6).
"""

import math

import numpy as np
from numpy.typing import NDArray

from analysis.designs.prepared import Note, Prepared
from analysis.documents import Family, Plan
from analysis.posterior import Posterior
from analysis.priors import Run

Array = NDArray[np.float64]
SENSITIVE = 0.05
"""Change of the posterior with a doubling of the prior's power above which it leans on the prior."""
OUTSIDE = 0.25
ALPHAS = (0.99, 1.01)
POINTS, REACH = 151, 3.5
"""The distance depends on how far the tails are followed: as far as some thousand draws go, which is the custom."""
DRAWS, SEED = 20_000, 11


def power_scaling(posterior: Posterior, run: Run) -> float | None:
    """Sensitivity of δ to its prior raised to a power (Kallioinen et al. 2023); None for a flat prior.

    The gradient of the cumulative Jensen-Shannon distance in log2 of the power. δ's prior is a factor of its
    posterior, so that the scaled posterior is the same one reweighted, whatever else was integrated out.
    """
    if run.flat:
        return None
    if not math.isfinite(posterior.mean) or not math.isfinite(posterior.sd):
        raise ArithmeticError("a posterior has no finite mean and SD")
    edges = np.linspace(posterior.mean - REACH * posterior.sd, posterior.mean + REACH * posterior.sd, POINTS)
    mass = np.maximum(-np.diff([posterior.above(float(x)) for x in edges]), 0.0)
    log_prior = _log_prior(run, (edges[1:] + edges[:-1]) / 2)
    gradients = []
    for alpha in ALPHAS:
        scaled = mass * np.exp((alpha - 1) * (log_prior - log_prior.max()))
        distance = max(_distance(mass, scaled), _distance(mass[::-1], scaled[::-1]))
        gradients.append(distance / abs(math.log2(alpha)))
    return float(np.mean(gradients))


def _log_prior(run: Run, delta: Array) -> Array:
    parts = [
        math.log(c.weight) + 0.5 * math.log(c.precision) - 0.5 * c.precision * (delta - c.mean) ** 2 for c in run.effect
    ]
    return np.asarray(np.logaddexp.reduce(np.array(parts), axis=0))


def _distance(first: Array, second: Array) -> float:
    """Cumulative Jensen-Shannon distance of two histograms over the same even cells."""
    p, q = (np.cumsum(part)[:-1] / part.sum() for part in (first, second))
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        divergences = [
            np.where(one > 0, one * np.log2(one / middle), 0.0).sum() + (other - one).sum() / (2 * math.log(2))
            for one, other in ((p, q), (q, p))
        ]
    bound = float((p + q).sum())
    return math.sqrt(sum(max(float(d), 0.0) for d in divergences) / bound) if bound > 0 else 0.0


def prior_predictive_outside(plan: Plan, prepared: Prepared) -> float | None:
    """Share of values of treated people off the measure's scale that the priors expect before any data.

    None where the measure has no bounds, or is not normal.
    """
    measure, per_sd = prepared.measure, prepared.raw_per_sd
    if measure.family is not Family.NORMAL or per_sd is None or prepared.centre is None:
        return None
    if measure.minimum is None and measure.maximum is None:
        return None
    rng = np.random.default_rng(SEED)
    prior = plan.priors.effect
    effect = 0.0 if prior == "flat" else prior.mean + prior.sd * rng.standard_normal(DRAWS)
    sigma = plan.priors.sigma.scale * np.abs(rng.standard_normal(DRAWS))
    value = prepared.centre + per_sd * (rng.standard_normal(DRAWS) + effect + sigma * rng.standard_normal(DRAWS))
    low = -math.inf if measure.minimum is None else measure.minimum
    high = math.inf if measure.maximum is None else measure.maximum
    return float(np.mean((value < low) | (value > high)))


def notes(prepared: Prepared, prior_sensitivity: float | None, outside: float | None) -> list[Note]:
    """Warnings where an answer leans on its prior, or the priors expect impossible values."""
    name, found = prepared.measure.measure, []
    if prior_sensitivity is not None and prior_sensitivity > SENSITIVE:
        message = (
            f"The effect leans on its prior (power-scaling sensitivity {prior_sensitivity:.2f}, above {SENSITIVE}): "
            "another reasonable prior would move it. With more people it would lean less."
        )
        found.append(Note("prior_sensitive", message, name))
    if outside is not None and outside > OUTSIDE:
        message = (
            f"Before any data the priors put {100 * outside:.0f} % of the values off the scale of {name}; "
            "is the reference SD right?"
        )
        found.append(Note("prior_predictive_wide", message, name))
    return found
