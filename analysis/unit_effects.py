"""Unit by unit effects with shrinkage: recovered after the hyper-parameters, given which all is jointly normal.

`departure` is how a unit lies above what the model expects of its arm (over time: how it moved more than that);
a treated unit's `effect` is Δ plus its departure. Both are of the data as observed, without bias, in SD units.
"""

from collections.abc import Iterable, Mapping
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import mixed, unit_ordinal, unit_rates
from analysis.designs.cell_inputs import UnitCells
from analysis.designs.inputs import Inputs
from analysis.designs.ordinal_inputs import UnitOrdinal
from analysis.designs.unit_inputs import AncovaUnits, Waves
from analysis.designs.wedge_inputs import WedgeMeans
from analysis.mixed_equations import (
    ancova_columns,
    coefficients,
    equations,
    inverted,
    person_precision,
    pulled,
    residual_of,
    told,
)
from analysis.mixed_hyper import Hyper, active, hyper_of, hyper_of_draws, scales_of
from analysis.posterior import NormalMixture, mixture_quantiles
from analysis.priors import Run

Array = NDArray[np.float64]
MOST = 256
"""Nodes of the hyper-parameters that the units' mixtures are made of; of draws, which are noisier, more where units are
few (`NUMBERS` in all)."""
NUMBERS = 60_000


FAR = 3.0
"""Posterior mean of an SD in scales of its half-normal prior beyond which the two disagree (the prior says 0.3 %)."""


def far_from_priors(inputs: Inputs, run: Run) -> list[str]:
    """Sentences on SDs that the data put far above their priors; these hold them down, and with them the SE of Δ."""
    if not isinstance(inputs, AncovaUnits | Waves | WedgeMeans):
        return []
    found, on = mixed.solved(inputs, run), active(inputs)
    hyper, weights = hyper_of(inputs, found.grid.z), found.weights
    unit, unit_time = scales_of(inputs)
    listed = (
        ("Units differ by an SD of about", hyper.unit_sd, unit, "unit_sd", on[2]),
        ("Units move between waves by an SD of about", hyper.unit_time_sd, unit_time, "unit_time_sd", on[3]),
        ("People differ by an SD of about", hyper.sigma.max(axis=1), inputs.sigma_scale, "sigma", True),
    )
    return [
        f"{what} {float(weights @ values):.2g} reference SDs, far above what the prior expects ({scale:g}): the prior "
        f"holds it down, and the interval may be too narrow. Check the reference SD, or plan priors.{name} wider."
        for what, values, scale, name, there in listed
        if there and float(weights @ values) > FAR * scale
    ]


def of_draws(inputs: Inputs, run: Run, draws: Mapping[str, Array], prob: float) -> list[dict[str, Any]]:
    """Units from NUTS: an even selection of the draws of the hyper-parameters."""
    if isinstance(inputs, UnitCells):
        return _of_rates(unit_rates.departures(inputs, unit_rates.selected_draws(inputs, draws)), prob)
    if isinstance(inputs, UnitOrdinal):
        return _of_rates(unit_ordinal.departures_of_draws(inputs, draws), prob)
    if not isinstance(inputs, AncovaUnits | Waves):
        return []
    hyper = hyper_of_draws(inputs, draws)
    step = max(len(hyper) // max(NUMBERS // len(inputs.n), MOST), 1)
    picked = Hyper(*(part[::step] for part in (hyper.sigma, hyper.unit_sd, hyper.unit_time_sd, hyper.r)))
    return _listed(inputs, run, picked, np.full(len(picked), 1 / len(picked)), prob)


def of_nodes(inputs: Inputs, run: Run, prob: float) -> list[dict[str, Any]]:
    """Units from the exact engine: a selection of its nodes."""
    if isinstance(inputs, UnitCells):
        return _of_rates(unit_rates.departures(inputs, unit_rates.selected_nodes(inputs, run)), prob)
    if isinstance(inputs, UnitOrdinal):
        return _of_rates(unit_ordinal.departures_of_nodes(inputs, run), prob)
    if not isinstance(inputs, AncovaUnits | Waves):
        return []
    found = mixed.solved(inputs, run)
    z, weights = found.grid.z, found.weights
    # Even steps through the weights, nodes in the order of the SD that shrinks the units: the whole of its posterior
    # is there, while the heaviest nodes alone would lack its tails.
    order = np.argsort(z[:, 2 if isinstance(inputs, AncovaUnits) else 3])
    steps = (np.arange(MOST) + 0.5) / MOST
    picked = order[np.minimum(np.searchsorted(np.cumsum(weights[order]), steps), len(order) - 1)]
    hyper = hyper_of(inputs, z[picked])
    return _listed(inputs, run, hyper, np.full(MOST, 1 / MOST), prob)


def _of_rates(
    departures: Iterable[tuple[dict[str, Any], NormalMixture, NormalMixture]], prob: float
) -> list[dict[str, Any]]:
    return [
        {**row, "departure": _summary(own, prob), "effect": _summary(effect, prob) if row["arm"] == "treated" else None}
        for row, own, effect in departures
    ]


def _listed(inputs: AncovaUnits | Waves, run: Run, hyper: Hyper, weights: Array, prob: float) -> list[dict[str, Any]]:
    """Each unit's departure and effect, averaged over nodes and the components of the prior."""
    named = rows(inputs)
    if not named:
        return []
    parts = [
        (given.log_evidence, *_departures(inputs, hyper, given.mean, given.covariance))
        for given in coefficients(equations(inputs, hyper), run)
    ]
    relative = np.exp(np.array([p[0] for p in parts]) - np.max([p[0] for p in parts], axis=0))
    shares = (weights * relative / relative.sum(axis=0)).ravel()
    # (G, nodes of all components): of the departure, then of Δ + departure.
    means, variances = ([np.concatenate([part[i][which] for part in parts]).T for which in (0, 1)] for i in (1, 2))
    departures, effects = (
        _summaries(shares, mean, np.sqrt(variance), prob) for mean, variance in zip(means, variances, strict=True)
    )
    return [
        {**row, "departure": departures[g], "effect": effects[g] if row["arm"] == "treated" else None}
        for g, row in enumerate(named)
    ]


def _summaries(weights: Array, means: Array, sds: Array, prob: float) -> list[dict[str, Any]]:
    """What is shown of each unit's mixture; `means` and `sds` (G, K)."""
    centre = means @ weights
    spread = np.sqrt((sds**2 + (means - centre[:, None]) ** 2) @ weights)
    limits = mixture_quantiles(weights, means, sds, ((1 - prob) / 2, (1 + prob) / 2))
    return [
        _shown(mean, sd, low, high, prob)
        for mean, sd, (low, high) in zip(centre.tolist(), spread.tolist(), limits.tolist(), strict=True)
    ]


def _summary(of: NormalMixture, prob: float) -> dict[str, Any]:
    return _shown(of.mean, of.sd, of.quantile((1 - prob) / 2), of.quantile((1 + prob) / 2), prob)


def _shown(mean: float, sd: float, low: float, high: float, prob: float) -> dict[str, Any]:
    interval = {"low": low, "high": high, "prob": prob, "kind": "equal-tailed"}
    return {"mean": mean, "sd": sd, "interval": interval}


@singledispatch
def rows(inputs: Inputs) -> list[dict[str, Any]]:
    """Name, arm (`treated`, `control`, None: both) and people of the units that have effects; empty: there are none."""
    raise NotImplementedError(type(inputs))


@rows.register
def _(inputs: AncovaUnits) -> list[dict[str, Any]]:
    sides = (inputs.n > 0) @ np.array([1, 2])
    arms = {1: "control", 2: "treated", 3: None}
    return [
        {"unit": name, "arm": arms[int(sides[g])], "n": int(inputs.n[g].sum())} for g, name in enumerate(inputs.units)
    ]


@rows.register
def _(inputs: Waves) -> list[dict[str, Any]]:
    if inputs.unit_time == 0:
        return []
    last = inputs.n @ inputs.masks[:, -1]
    arms = ("control", "treated")
    return [
        {"unit": name, "arm": arms[int(inputs.treated[g])], "n": int(last[g])} for g, name in enumerate(inputs.units)
    ]


@singledispatch
def _departures(inputs: Inputs, hyper: Hyper, theta: Array, covariance: Array) -> tuple[list[Array], list[Array]]:
    """Means and variances (K, G) of the departure and of Δ + departure, the coefficients N(theta, covariance)."""
    raise NotImplementedError(type(inputs))


@_departures.register
def _(inputs: AncovaUnits, hyper: Hyper, theta: Array, covariance: Array) -> tuple[list[Array], list[Array]]:
    residual, offset = residual_of(inputs, hyper)
    w = inputs.n / residual[:, None, :] ** 2
    given = hyper.unit_sd[:, None] ** 2 / (1 + hyper.unit_sd[:, None] ** 2 * w.sum(axis=2))
    x = ancova_columns(inputs)
    level = given * (w * (inputs.mean - offset[:, None] * inputs.within)).sum(axis=2)
    loading = -given[..., None] * (w[..., :1] * x[:, 0] + w[..., 1:] * x[:, 1])
    return _combined(level, loading, given, theta, covariance)


@_departures.register
def _(inputs: Waves, hyper: Hyper, theta: Array, covariance: Array) -> tuple[list[Array], list[Array]]:
    """The unit × time effect of the last wave less the mean of those before."""
    waves = inputs.waves
    person = person_precision(inputs, hyper)
    contrast = np.full(waves, -1.0 / max(waves - 1, 1))
    contrast[-1] = 1.0
    unit, unit_time = (inputs.unit * hyper.unit_sd) ** 2, (inputs.unit_time * hyper.unit_time_sd) ** 2
    shape = (len(hyper), len(inputs.n))
    level, variance = np.empty(shape), np.empty(shape)
    loading = np.empty((*shape, theta.shape[1]))
    for arm in (0, 1):
        mine = inputs.treated == arm
        a, pull = told(inputs.n[mine], person[arm]), pulled(inputs.sums[mine], person[arm])
        # Given the rest E[v] = v² (I + A R)⁻¹ (h − A X θ), R = u² J + v² I; I + A R = B + (A 1) u² 1ᵀ, B = I + v² A.
        inverse, _ = inverted(np.eye(waves)[..., None, None] + unit_time * a)
        left = np.einsum("s,st...->t...", contrast, inverse)
        held = np.einsum("st...,tu...->s...", inverse, a)
        share = unit * np.einsum("s,s...->...", contrast, held) / (1 + unit * held.sum(axis=0))
        left = unit_time * (left - share * inverse.sum(axis=0))
        level[:, mine] = (left * pull).sum(axis=0).T
        told_by = np.einsum("s...,st...->t...", left, a)
        loading[:, mine] = -np.einsum("tgk,ti->kgi", told_by, inputs.columns[arm], optimize=True)
        variance[:, mine] = (unit_time * ((contrast**2).sum() - np.einsum("t...,t->...", told_by, contrast))).T
    return _combined(level, loading, variance, theta, covariance)


def _combined(
    level: Array, loading: Array, variance: Array, theta: Array, covariance: Array
) -> tuple[list[Array], list[Array]]:
    means, variances = [], []
    for with_effect in (0.0, 1.0):
        row = loading.copy()
        row[..., -1] += with_effect
        means.append(level + np.einsum("kgi,ki->kg", row, theta))
        variances.append(np.maximum(variance, 0.0) + np.einsum("kgi,kij,kgj->kg", row, covariance, row, optimize=True))
    return means, variances
