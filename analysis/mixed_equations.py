"""Normal models with unit effects given the hyper-parameters: coefficients and unit effects are jointly normal.

Unit effects are integrated out here; `unit_effects` recovers them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from analysis.designs.unit_inputs import COEFFICIENTS, AncovaUnits, Waves
from analysis.mixed_hyper import Hyper, UnitInputs
from analysis.priors import Component, Run, total_prior

Array = NDArray[np.float64]
AT_ONCE = 4_000_000
"""Numbers an intermediate array may hold; more nodes than that allows are taken in turns."""


@dataclass(frozen=True, slots=True, eq=False)
class Equations:
    """Normal equations of the coefficients at K nodes: precision (K, p, p), shift (K, p), log rest (K,); Δ last.

    The prior of Δ is not in them, nor that of the intercepts (`intercepts` (p,) marks these with 1).
    """

    precision: Array
    shift: Array
    rest: Array
    intercepts: Array


def equations(inputs: UnitInputs, hyper: Hyper) -> Equations:
    """The normal equations, in turns where all nodes at once would take too much memory."""
    size = len(inputs.units) * (inputs.waves**2 if isinstance(inputs, Waves) else 2)
    turn = max(AT_ONCE // max(size, 1), 16)
    if len(hyper) <= turn:
        return _equations(inputs, hyper)
    parts = [_equations(inputs, hyper[i : i + turn]) for i in range(0, len(hyper), turn)]
    return Equations(
        np.concatenate([p.precision for p in parts]),
        np.concatenate([p.shift for p in parts]),
        np.concatenate([p.rest for p in parts]),
        parts[0].intercepts,
    )


@singledispatch
def _equations(inputs: UnitInputs, hyper: Hyper) -> Equations:
    raise NotImplementedError(type(inputs))


@_equations.register
def _(inputs: AncovaUnits, hyper: Hyper) -> Equations:
    """Coefficients: α, slope within units, slope between units, Δ."""
    residual, offset = residual_of(inputs, hyper)
    variance = residual**2
    w = inputs.n / variance[:, None, :]
    both = w.sum(axis=2)
    marginal = both / (1 + hyper.unit_sd[:, None] ** 2 * both)
    y = inputs.mean - offset
    x = ancova_columns(inputs)
    # A unit tells its own mean over both arms, whose variance its effect adds to, and the arms' difference, which is
    # free of it; no subtraction of large numbers, however small σ.
    share = w / both[..., None]
    between = w[..., 0] * share[..., 1]
    x_mean = share[..., :1] * x[:, 0] + share[..., 1:] * x[:, 1]
    y_mean = (share * y).sum(axis=2)
    x_gap, y_gap = x[:, 1] - x[:, 0], y[..., 1] - y[..., 0]
    # Products of matrices and not sums over many axes: a matter of speed with hundreds of units.
    weighted = marginal[..., None] * x_mean
    precision = np.swapaxes(x_mean, 1, 2) @ weighted
    precision += (between @ (x_gap[:, :, None] * x_gap[:, None, :]).reshape(len(x_gap), -1)).reshape(precision.shape)
    shift = (y_mean[:, None, :] @ weighted)[:, 0] + (between * y_gap) @ x_gap
    rest = -0.5 * ((marginal * y_mean**2).sum(axis=1) + (between * y_gap**2).sum(axis=1))
    rest -= 0.5 * np.log1p(hyper.unit_sd[:, None] ** 2 * both).sum(axis=1)
    rest -= ((inputs.n > 0).sum(axis=0) * np.log(residual)).sum(axis=1)
    # Within cells: with r unknown σ is the spread of y2 itself, else what the baseline leaves of it.
    rest -= (inputs.free * np.log(hyper.sigma) + inputs.s22 / (2 * hyper.sigma**2)).sum(axis=1)
    precision[:, 1, 1] += (inputs.s11 / variance).sum(axis=1)
    shift[:, 1] += (inputs.s12 / variance).sum(axis=1)
    slope, mean = inputs.slope_precision, inputs.slope_mean
    for i in (1, 2):
        # A slope no datum tells keeps a proper prior, also where the plan's is flat.
        told = bool(x[..., i].any()) or (i == 1 and bool(inputs.s11.any()))
        precision[:, i, i] += slope if told else (slope or 1.0)
        shift[:, i] += slope * mean
    return Equations(precision, shift, rest, np.array([1.0, 0.0, 0.0, 0.0]))


def residual_of(inputs: AncovaUnits, hyper: Hyper) -> tuple[Array, Array]:
    """SD of y2 given y1 (K, 2), and what an unknown r takes off the means (K, G, 2)."""
    if not inputs.unknown_r:
        return hyper.sigma, np.zeros((1, 1, 2))
    r = hyper.r[:, None]
    slope = r * hyper.sigma / inputs.sd1
    return hyper.sigma * np.sqrt(1 - r**2), slope[:, None, :] * inputs.within


def ancova_columns(inputs: AncovaUnits) -> Array:
    """(G, 2, 4): 1, baseline within, baseline between, treated."""
    ones = np.ones_like(inputs.n)
    within = np.zeros_like(ones) if inputs.unknown_r else inputs.within
    return np.stack([ones, within, inputs.between, ones * np.array([0.0, 1.0])], axis=-1)


@_equations.register
def _(inputs: Waves, hyper: Hyper) -> Equations:
    """Coefficients: those of `columns`."""
    people = people_of(inputs, hyper)
    root = _effects_root(inputs, hyper)
    a, h = people.precision, people.shift
    inner = np.eye(inputs.waves) + np.einsum("kws,kgwv,kvt->kgst", root, a, root, optimize=True)
    to_unit = np.einsum("kws,kgwv->kgsv", root, a)
    solved = np.linalg.solve(inner, np.concatenate([to_unit, np.einsum("kws,kgw->kgs", root, h)[..., None]], axis=-1))
    marginal = a - np.einsum("kgsw,kgsv->kgwv", to_unit, solved[..., :-1], optimize=True)
    explained = np.einsum("kgsw,kgs->kgw", to_unit, solved[..., -1], optimize=True)
    precision = np.zeros((len(hyper), COEFFICIENTS, COEFFICIENTS))
    shift = np.zeros((len(hyper), COEFFICIENTS))
    for arm in (0, 1):
        mine = inputs.treated == arm
        x = inputs.columns[arm]
        precision += np.einsum("wi,kwv,vj->kij", x, marginal[:, mine].sum(axis=1), x, optimize=True)
        shift += np.einsum("wi,kw->ki", x, (h - explained)[:, mine].sum(axis=1))
    rest = people.rest - 0.5 * np.linalg.slogdet(inner)[1].sum(axis=1)
    rest += 0.5 * np.einsum("kws,kgw,kgs->k", root, h, solved[..., -1], optimize=True)
    for i, used in enumerate(inputs.used):
        precision[:, i, i] += 1.0 - used
    return Equations(precision, shift, rest, np.array([*inputs.used, 0.0]))


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """What people say of their group's means at K nodes: precision (K, G, W, W), shift (K, G, W), log rest (K,)."""

    precision: Array
    shift: Array
    rest: Array


def people_of(inputs: Waves, hyper: Hyper) -> People:
    """A person's values have correlation r and SDs σ; a pattern of k waves has C⁻¹ = (I − c J)/(1 − r)."""
    r = hyper.r
    size = inputs.masks.sum(axis=1)
    c = np.where(size > 1, r[:, None] / (1 + (size - 1) * r[:, None]), 0.0)
    left = np.where(size > 1, 1 - r[:, None], 1.0)
    inverse = 1 / np.where(inputs.spread > 0, hyper.sigma[:, 1, None, None], hyper.sigma[:, 0, None, None])
    both = np.einsum("ps,pt->pst", inputs.masks, inputs.masks)
    # (K, P, W, W): C⁻¹ of the pattern, 0 off its waves.
    correlation = (np.einsum("ps,st->pst", inputs.masks, np.eye(inputs.waves)) - c[:, :, None, None] * both) / left[
        ..., None, None
    ]
    arm = inputs.treated.astype(int)
    scale = inverse[:, arm]
    precision = np.einsum("gp,kpst->kgst", inputs.n, correlation, optimize=True)
    precision *= scale[..., :, None] * scale[..., None, :]
    weighted = inputs.n[..., None] * inputs.mean
    shift = scale * np.einsum("kpst,kgt,gpt->kgs", correlation, scale, weighted, optimize=True)
    rest = -0.5 * np.einsum("kpst,kas,kat,apst->k", correlation, inverse, inverse, inputs.between, optimize=True)
    logs = np.log(inverse)
    determinant = np.where(size > 1, (size - 1) * np.log(left) + np.log1p((size - 1) * r[:, None]), 0.0)
    rest += np.einsum("ap,pw,kaw->k", inputs.groups, inputs.masks, logs, optimize=True)
    rest -= 0.5 * np.einsum("ap,kp->k", inputs.groups, determinant)
    rest += np.einsum("ap,pw,kaw->k", inputs.free, inputs.masks, logs, optimize=True)
    if inputs.known_r:
        rest -= 0.5 * np.einsum("kpst,kas,kat,apst->k", correlation, inverse, inverse, inputs.squares, optimize=True)
        rest -= 0.5 * np.einsum("ap,kp->k", inputs.free, determinant)
    else:
        # Spreads alone were reported: each wave's informs its own σ, and r keeps its prior.
        rest -= 0.5 * np.einsum("kaw,apww->k", inverse**2, inputs.squares, optimize=True)
    return People(precision, shift, rest)


def _effects_root(inputs: Waves, hyper: Hyper) -> Array:
    """Cholesky-like factor (K, W, W) of the covariance of a group's effects: unit SD² J + unit × time SD² I."""
    w = inputs.waves
    u, v = inputs.unit * hyper.unit_sd, inputs.unit_time * hyper.unit_time_sd
    # Symmetric root: v on what sums to zero, √(w u² + v²) along the mean.
    along = np.ones((w, w)) / w
    return v[:, None, None] * (np.eye(w) - along) + np.sqrt(w * u**2 + v**2)[:, None, None] * along


def coefficients(eqs: Equations, run: Run) -> Iterator[tuple[Component, Array, Array, Array]]:
    """Of each component of the prior: itself, log evidence (K,), mean (K, p) and covariance (K, p, p)."""
    base = eqs.precision + run.intercept * np.diag(eqs.intercepts)
    for c in run.effect:
        mean, precision = total_prior(c, run.bias)
        a = base.copy()
        a[:, -1, -1] += precision
        h = eqs.shift.copy()
        h[:, -1] += precision * mean
        sign, log_determinant = np.linalg.slogdet(a)
        # Far out, where one σ all but vanishes, rounding can leave no inverse; such nodes have no weight.
        lost = ~((sign > 0) & np.isfinite(log_determinant))
        a[lost] = np.eye(a.shape[1])
        inverse = np.linalg.inv(a)
        theta = np.einsum("kij,kj->ki", inverse, np.where(lost[:, None], 0.0, h))
        log_part = (
            np.where(lost, -np.inf, eqs.rest)
            + 0.5 * np.einsum("ki,ki->k", np.where(lost[:, None], 0.0, h), theta)
            - 0.5 * np.where(lost, 0.0, log_determinant)
            + 0.5 * math.log(precision or 1.0)
            - 0.5 * precision * mean**2
            + math.log(c.weight)
        )
        yield c, log_part, theta, inverse


def log_evidence(eqs: Equations, run: Run) -> Array:
    """Log marginal likelihood (K,) of the nodes under a run, coefficients integrated out."""
    evidence = [part[1] for part in coefficients(eqs, run)]
    return np.asarray(np.logaddexp.reduce(np.array(evidence), axis=0))
