"""The exact engine: one posterior a run from closed forms and quadrature, and what makes draws of NUTS exact in δ.

The formulas are in `gaussian.py` and `proportions.py`; here is only which of them serves which inputs.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analysis import gaussian, mixed, paired_proportions, proportions, unit_proportions, unit_rates
from analysis.designs.binary_inputs import PairedProportions, UnitProportions
from analysis.designs.inputs import Ancova, AncovaUnknownR, Inputs, TwoProportions
from analysis.designs.unit_inputs import AncovaUnits, Waves
from analysis.mixed_hyper import hyper_of_draws
from analysis.posterior import FromDraws, Posterior, Sampled, SampledAlong
from analysis.priors import Run, given_total

Array = NDArray[np.float64]
CENTRE_NODES = 161
"""Values of the intercept `centre` between which conditionals are interpolated."""


def posterior(inputs: Inputs, run: Run) -> Posterior:
    """The exact posterior of δ under a run's prior and bias."""
    if isinstance(inputs, TwoProportions):
        return proportions.posterior(inputs, run)
    if isinstance(inputs, UnitProportions):
        return unit_proportions.posterior(inputs, run)
    if isinstance(inputs, PairedProportions):
        return paired_proportions.posterior(inputs, run)
    if isinstance(inputs, AncovaUnits | Waves):
        return mixed.posterior(inputs, run)
    return gaussian.posterior(inputs, run)


def component_weights(inputs: Inputs, run: Run) -> Array:
    """Posterior weight of each component of the prior on δ."""
    if isinstance(inputs, TwoProportions):
        return proportions.component_weights(inputs, run)
    if isinstance(inputs, UnitProportions):
        return unit_proportions.component_weights(inputs, run)
    if isinstance(inputs, PairedProportions):
        return paired_proportions.component_weights(inputs, run)
    if isinstance(inputs, AncovaUnits | Waves):
        return mixed.component_weights(inputs, run)
    return gaussian.component_weights(inputs, run)


def slope(inputs: Inputs, run: Run) -> tuple[float, float] | None:
    """Mean and SD of the slope on the baseline; None where the model has none of its own."""
    if isinstance(inputs, AncovaUnits):
        return mixed.slope(inputs, run)
    if isinstance(inputs, UnitProportions):
        return unit_proportions.slope(inputs, run)
    return gaussian.slope(inputs, run) if isinstance(inputs, Ancova) else None


def risk_difference(inputs: Inputs, run: Run) -> Posterior | None:
    """The marginal risk difference of proportions with units or linked people; None for other models."""
    if isinstance(inputs, UnitProportions):
        return unit_rates.risk_difference(inputs, run)
    if isinstance(inputs, PairedProportions):
        return paired_proportions.risk_difference(inputs, run)
    return None


def preconditioner(inputs: Inputs, run: Run) -> Mapping[str, Array]:
    """Where NUTS shall look, for the models that ask for it: part of their data."""
    if isinstance(inputs, UnitProportions):
        return unit_proportions.preconditioner(inputs, run)
    if isinstance(inputs, PairedProportions):
        return paired_proportions.preconditioner(inputs, run)
    return mixed.preconditioner(inputs, run) if isinstance(inputs, AncovaUnits | Waves) else {}


def _shaped(parts: tuple[Array, Array, Array]) -> list[Array]:
    """The parts of δ given Δ in one common shape."""
    return [np.broadcast_to(part, parts[1].shape) for part in parts]


def rao_blackwell(inputs: Inputs, run: Run, draws: Mapping[str, Array]) -> FromDraws:
    """Draws of δ with their conditional distribution given the other parameters of the draw.

    `draws` holds (chain, draw, …) arrays by name. Normal outcomes condition on σ (and r), proportions on `centre`.
    """
    delta = draws["delta"]
    if isinstance(inputs, TwoProportions):
        centre = draws["centre"]
        nodes = np.linspace(centre.min(), centre.max(), CENTRE_NODES)
        total, rows = proportions.given_centre(inputs, run, nodes)
        return SampledAlong(delta, centre, nodes, total, rows, *_shaped(given_total(run, total)))
    if isinstance(inputs, UnitProportions):
        return unit_proportions.rao_blackwell(inputs, run, draws)
    if isinstance(inputs, PairedProportions):
        return paired_proportions.rao_blackwell(inputs, run, draws)
    if isinstance(inputs, AncovaUnits | Waves):
        hyper_parameters = hyper_of_draws(inputs, draws)
        return _sampled(delta, run, mixed.conditional(inputs, hyper_parameters, run))
    columns = [draws["sigma"]]
    if isinstance(inputs, AncovaUnknownR):
        columns.append(draws["r"][..., None])
    hyper = np.concatenate(columns, axis=-1)
    return _sampled(delta, run, gaussian.conditional(inputs, hyper.reshape(-1, hyper.shape[-1]), run))


def _sampled(delta: Array, run: Run, given: tuple[Array, Array, Array]) -> Sampled:
    """Draws with what the other parameters of each say of δ: log weight, mean, variance (component, draws)."""
    log_weights, means, variances = given
    relative = np.exp(log_weights - log_weights.max(axis=0))
    shape = (len(run.effect), *delta.shape)
    weights = (relative / relative.sum(axis=0)).reshape(shape)
    return Sampled(delta, weights, means.reshape(shape), np.sqrt(variances).reshape(shape))
