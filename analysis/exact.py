"""The exact engine: one posterior a run from closed forms and quadrature, and what makes draws of NUTS exact in δ.

The formulas are in a module a family of models; here is only the table of which serves which inputs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analysis import (
    gaussian,
    mixed,
    ordinal_checks,  # noqa: F401 - its checks are found by the type of the inputs
    ordinal_effects,
    paired_ordinal,
    paired_proportions,
    proportions,
    record_checks,  # noqa: F401 - registers the predictive checks of counts and shares
    series,
    series_cautions,
    series_counts,
    series_detail,
    shares,
    unit_counts,
    unit_ordinal,
    unit_proportions,
    unit_rates,
    wedge_checks,  # noqa: F401 - its checks are found by the type of the inputs
    wedge_means,
    wedge_proportions,
    wedge_rates,
)
from analysis.designs.binary_inputs import PairedProportions, UnitProportions
from analysis.designs.count_inputs import UnitCounts
from analysis.designs.inputs import Ancova, AncovaUnknownR, Inputs, TwoMeans, TwoProportions
from analysis.designs.ordinal_inputs import PairedOrdinal, UnitOrdinal
from analysis.designs.series_inputs import Series, SeriesCounts
from analysis.designs.share_inputs import Shares
from analysis.designs.unit_inputs import AncovaUnits, Waves
from analysis.designs.wedge_inputs import WedgeMeans, WedgeProportions
from analysis.documents import PlannedMeasure
from analysis.integrated import Integrated
from analysis.mixed_hyper import UnitInputs, hyper_of_draws
from analysis.posterior import FromDraws, Posterior, Sampled, SampledAlong
from analysis.priors import Run, given_total
from analysis.series_cautions import Cautions

Array = NDArray[np.float64]
CENTRE_NODES = 161
"""Values of the intercept `centre` between which conditionals are interpolated."""


@dataclass(frozen=True, slots=True)
class Solver:
    """What the engines ask of a model; each function takes the model's inputs and a run.

    `rao_blackwell` also takes draws (chain, draw, …) by name and gives those of δ with their conditional distribution
    given the other parameters. `slope` is mean and SD of the slope on the baseline. `raw` is the effect in raw units
    where that is not a multiple of δ. `preconditioner` says where NUTS shall look, as part of the model's data.
    `detail` is what else an effect shows, given the probability of its intervals: keys of its block. `cautions` are
    what a look at the posterior of the measure warns of.
    """

    posterior: Callable[[Any, Run], Posterior]
    component_weights: Callable[[Any, Run], Array]
    rao_blackwell: Callable[[Any, Run, Mapping[str, Array]], FromDraws]
    slope: Callable[[Any, Run], tuple[float, float] | None] = lambda *_: None
    raw: Callable[[Any, Run], Posterior | None] = lambda *_: None
    preconditioner: Callable[[Any, Run], Mapping[str, Array]] = lambda *_: {}
    detail: Callable[[Any, Run, float], Mapping[str, object]] = lambda *_: {}
    cautions: Callable[[Any, Run, PlannedMeasure], Cautions] = lambda *_: Cautions()


def posterior(inputs: Inputs, run: Run) -> Posterior:
    """The exact posterior of δ under a run's prior and bias."""
    return SOLVERS[type(inputs)].posterior(inputs, run)


def component_weights(inputs: Inputs, run: Run) -> Array:
    """Posterior weight of each component of the prior on δ."""
    return SOLVERS[type(inputs)].component_weights(inputs, run)


def slope(inputs: Inputs, run: Run) -> tuple[float, float] | None:
    """Mean and SD of the slope on the baseline; None where the model has none of its own."""
    return SOLVERS[type(inputs)].slope(inputs, run)


def raw(inputs: Inputs, run: Run) -> Posterior | None:
    """The effect in raw units where that is not a multiple of δ (a marginal risk difference, say); else None."""
    return SOLVERS[type(inputs)].raw(inputs, run)


def preconditioner(inputs: Inputs, run: Run) -> Mapping[str, Array]:
    """Where NUTS shall look, for the models that ask for it: part of their data."""
    return SOLVERS[type(inputs)].preconditioner(inputs, run)


def detail(inputs: Inputs, run: Run, prob: float) -> Mapping[str, object]:
    """What else an effect shows under a run, with intervals of probability `prob`: keys of its block."""
    return SOLVERS[type(inputs)].detail(inputs, run, prob)


def cautions(inputs: Inputs, run: Run, measure: PlannedMeasure) -> Cautions:
    """Warnings that take a posterior to see, and whether they cap the outcome."""
    return SOLVERS[type(inputs)].cautions(inputs, run, measure)


def rao_blackwell(inputs: Inputs, run: Run, draws: Mapping[str, Array]) -> FromDraws:
    """Draws of δ with their conditional distribution given the other parameters of the draw."""
    return SOLVERS[type(inputs)].rao_blackwell(inputs, run, draws)


# --- draws of δ given the rest ------------------------------------------------------------------------------------


def _given_centre(inputs: TwoProportions, run: Run, draws: Mapping[str, Array]) -> SampledAlong:
    """Two proportions condition on `centre`, along a grid."""
    centre = draws["centre"]
    nodes = np.linspace(centre.min(), centre.max(), CENTRE_NODES)
    total, rows = proportions.given_centre(inputs, run, nodes)
    given = [np.broadcast_to(part, (len(run.effect), len(total))) for part in given_total(run, total)]
    return SampledAlong(draws["delta"], centre, nodes, total, rows, *given)


def _given_hyper(inputs: UnitInputs, run: Run, draws: Mapping[str, Array]) -> Sampled:
    return sampled(draws["delta"], run, mixed.conditional(inputs, hyper_of_draws(inputs, draws), run))


def _given_sigma(inputs: TwoMeans | Ancova | AncovaUnknownR, run: Run, draws: Mapping[str, Array]) -> Sampled:
    """Two arms without units condition on σ, and on r where that is unknown."""
    columns = [draws["sigma"]]
    if isinstance(inputs, AncovaUnknownR):
        columns.append(draws["r"][..., None])
    hyper = np.concatenate(columns, axis=-1)
    return sampled(draws["delta"], run, gaussian.conditional(inputs, hyper.reshape(-1, hyper.shape[-1]), run))


def sampled(delta: Array, run: Run, given: tuple[Array, Array, Array]) -> Sampled:
    """Draws with what the other parameters of each say of δ: log weight, mean, variance (component, draws)."""
    log_weights, means, variances = given
    relative = np.exp(log_weights - log_weights.max(axis=0))
    shape = (len(run.effect), *delta.shape)
    weights = (relative / relative.sum(axis=0)).reshape(shape)
    return Sampled(delta, weights, means.reshape(shape), np.sqrt(variances).reshape(shape))


def _on_nodes(model: Integrated[Any]) -> Solver:
    return Solver(model.posterior, model.component_weights, model.rao_blackwell, preconditioner=model.preconditioner)


_CELLS = replace(
    _on_nodes(unit_proportions.INTEGRATED),
    slope=unit_proportions.slope,
    preconditioner=unit_proportions.preconditioner,
)
_TWO_ARMS = Solver(gaussian.posterior, gaussian.component_weights, _given_sigma)
_UNITS = Solver(mixed.posterior, mixed.component_weights, _given_hyper, preconditioner=mixed.preconditioner)

SOLVERS: Final[Mapping[type, Solver]] = {
    TwoMeans: _TWO_ARMS,
    AncovaUnknownR: _TWO_ARMS,
    Ancova: Solver(gaussian.posterior, gaussian.component_weights, _given_sigma, gaussian.slope),
    TwoProportions: Solver(proportions.posterior, proportions.component_weights, _given_centre),
    Waves: _UNITS,
    AncovaUnits: replace(_UNITS, slope=mixed.slope),
    WedgeMeans: replace(_UNITS, preconditioner=wedge_means.preconditioner, detail=wedge_means.detail),
    WedgeProportions: Solver(
        wedge_proportions.posterior,
        wedge_proportions.component_weights,
        wedge_proportions.rao_blackwell,
        raw=wedge_rates.risk_difference,
        preconditioner=wedge_proportions.preconditioner,
        detail=wedge_rates.detail,
    ),
    UnitProportions: replace(_CELLS, raw=unit_rates.risk_difference),
    UnitCounts: replace(_CELLS, raw=unit_counts.rate_difference, detail=unit_counts.detail),
    UnitOrdinal: replace(
        _on_nodes(unit_ordinal.INTEGRATED),
        slope=unit_ordinal.slope,
        raw=ordinal_effects.mean_difference,
        preconditioner=unit_ordinal.preconditioner,
        detail=ordinal_effects.detail,
    ),
    PairedOrdinal: replace(
        _on_nodes(paired_ordinal.INTEGRATED), raw=ordinal_effects.mean_difference, detail=ordinal_effects.detail
    ),
    PairedProportions: replace(_on_nodes(paired_proportions.INTEGRATED), raw=paired_proportions.risk_difference),
    Shares: replace(_on_nodes(shares.INTEGRATED), raw=shares.difference),
    SeriesCounts: Solver(
        series_counts.posterior,
        series_counts.component_weights,
        series_counts.rao_blackwell,
        raw=series_detail.rate_difference,
        preconditioner=series_counts.preconditioner,
        detail=series_detail.detail,
        cautions=series_cautions.cautions,
    ),
    Series: replace(
        _UNITS,
        preconditioner=series.preconditioner,
        detail=series_detail.detail,
        cautions=series_cautions.cautions,
    ),
}
"""Who computes what. A new model is a module and a row."""
