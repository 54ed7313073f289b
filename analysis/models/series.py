"""Monthly durations: log values are normal about columns · θ with AR(1) departures of stationary SD σ."""

from typing import Any

import pymc as pm
import pytensor.tensor as pt

from analysis.models.hyper import HYPER, Position, below, correlation, half_normal, position, preconditioned
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
    "reach": (2,),
}
"""What every model of months reads."""
LAYOUT: Layout = {**MONTHS, "y": ("months",)}


def build() -> pm.Model:
    """The model on `designs.series_inputs.Series`; months may be any number."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = position(d, COEFFICIENTS)
        sigma, phi = spread(d, at)
        of_months = expected(d, at, sigma, phi)
        pm.Potential("likelihood", SeriesLikelihood()(of_months, sigma, phi, d["y"], d["gaps"]))
    return model


def expected(d: dict[str, Any], at: Position, sigma: Any, phi: Any) -> Any:
    """Expectation of each month, from coefficients under their priors; the first is the intercept.

    How far the intercept may lie off its location grows with what σ and φ let a whole series depart: as φ goes to 1,
    σ. So the sampler walks it relative to that.
    """
    middle = d["location"][HYPER]
    share = (1 + phi) / (1 + phi + d["gaps"].shape[0] * (1 - phi))
    precision = d["intercept"] * d["coefficient_prior"][0, 1]
    stretch = d["reach"][1] / pt.sqrt(precision + 1 / (d["reach"][0] + sigma**2 * share))
    pm.Potential("level_log_stretch", pt.log(stretch))
    level = middle + stretch * (at.nuisance[:1] - middle)
    theta = pm.Deterministic("coefficients", pt.concatenate([level, at.nuisance[1:]]))
    mean, precision = d["coefficient_prior"][:, 0], d["coefficient_prior"][:, 1]
    in_force = pt.concatenate([precision[:1] * d["intercept"], precision[1:]])
    pm.Potential("coefficients_log_prior", -0.5 * (in_force * (theta - mean) ** 2).sum())
    return (d["columns"][:, :-1] * theta).sum(axis=1) + d["columns"][:, -1] * at.total


def spread(d: dict[str, Any], at: Position) -> tuple[Any, Any]:
    """σ and φ under their priors; a series has none of the other hyper-parameters of a position.

    The sampler walks σ √(1 − φ²), what a month adds to the one before: data tell that however near 1 φ is.
    """
    pm.Potential("idle", -0.5 * (at.sigma[1] ** 2 + at.unit**2 + at.unit_time**2))
    phi = correlation(at.last, d["phi_prior"], "phi")
    stretch = 1 / pt.sqrt(4 * below(at.last) * below(-at.last))
    return half_normal("sigma", at.sigma[0], d["sigma_scale"], stretch), phi
