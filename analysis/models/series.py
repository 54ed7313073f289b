"""Monthly durations: log values are normal about columns · θ with AR(1) departures of stationary SD σ."""

from typing import Any

import pymc as pm
import pytensor.tensor as pt

from analysis.models.hyper import Position, correlation, half_normal, position, preconditioned
from analysis.models.series_likelihood import SeriesLikelihood
from analysis.models.shared import Layout, unpacked

COEFFICIENTS = 15
MONTHS: Layout = {
    **preconditioned(COEFFICIENTS),
    "gaps": ("months",),
    "columns": ("months", COEFFICIENTS),
    "coefficient_prior": (COEFFICIENTS - 1, 2),
    "phi_prior": (4,),
    "sigma_scale": (),
}
"""What every model of months reads."""
LAYOUT: Layout = {**MONTHS, "y": ("months",)}


def build() -> pm.Model:
    """The model on `designs.series_inputs.Series`; months may be any number."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = position(d, COEFFICIENTS)
        pm.Potential("likelihood", SeriesLikelihood()(expected(d, at), *spread(d, at), d["y"], d["gaps"]))
    return model


def expected(d: dict[str, Any], at: Position) -> Any:
    """Expectation of each month, from coefficients under their priors; the first is the intercept."""
    theta = pm.Deterministic("coefficients", at.nuisance)
    mean, precision = d["coefficient_prior"][:, 0], d["coefficient_prior"][:, 1]
    in_force = pt.concatenate([precision[:1] * d["intercept"], precision[1:]])
    pm.Potential("coefficients_log_prior", -0.5 * (in_force * (theta - mean) ** 2).sum())
    return (d["columns"][:, :-1] * theta).sum(axis=1) + d["columns"][:, -1] * at.total


def spread(d: dict[str, Any], at: Position) -> tuple[Any, Any]:
    """σ and φ under their priors; a series has none of the other hyper-parameters of a position."""
    pm.Potential("idle", -0.5 * (at.sigma[1] ** 2 + at.unit**2 + at.unit_time**2))
    return half_normal("sigma", at.sigma[0], d["sigma_scale"]), correlation(at.last, d["phi_prior"], "phi")
