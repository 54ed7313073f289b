"""Normal models with unit effects given the hyper-parameters: coefficients and unit effects are jointly normal.

Unit effects are integrated out here; `unit_effects` recovers them.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.designs.series_inputs import Series
from analysis.designs.unit_inputs import COEFFICIENTS, AncovaUnits, Waves
from analysis.designs.wedge_inputs import Wedge, WedgeMeans
from analysis.mixed_hyper import Hyper, UnitInputs
from analysis.priors import Component, Run, total_prior
from analysis.wedge_hyper import WedgeHyper

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


def equations(inputs: UnitInputs, hyper: Any) -> Equations:
    """The normal equations, in turns where all nodes at once would take too much memory."""
    turn = max(AT_ONCE // _terms(inputs), 16)
    if len(hyper) <= turn:
        return _equations(inputs, hyper)
    parts = [_equations(inputs, hyper[i : i + turn]) for i in range(0, len(hyper), turn)]
    return Equations(
        np.concatenate([p.precision for p in parts]),
        np.concatenate([p.shift for p in parts]),
        np.concatenate([p.rest for p in parts]),
        parts[0].intercepts,
    )


def _terms(inputs: UnitInputs) -> int:
    """Numbers an intermediate array holds of one node."""
    if isinstance(inputs, WedgeMeans):
        return inputs.n.size + inputs.size * len(inputs.units)
    if isinstance(inputs, Series):
        return len(inputs.months.places) ** 2
    return len(inputs.sizes.of) * inputs.waves**2 if isinstance(inputs, Waves) else inputs.sizes.moments[..., 0].size


@singledispatch
def _equations(inputs: UnitInputs, hyper: Any) -> Equations:
    raise NotImplementedError(type(inputs))


# --- two arms of units --------------------------------------------------------------------------------------------


@_equations.register
def _(inputs: AncovaUnits, hyper: Hyper) -> Equations:
    """Coefficients: α, slope within units, slope between units, Δ."""
    residual, offset = residual_of(inputs, hyper)
    variance = residual**2
    sizes = inputs.sizes
    w = sizes.n / variance[:, None, :]
    both = w.sum(axis=2)
    grown = 1 + hyper.unit_sd[:, None] ** 2 * both
    # A unit tells its own mean over both arms, whose variance its effect adds to, and the arms' difference, which is
    # free of it; no subtraction of large numbers, however small σ.
    mean, (control, treated) = both / grown, np.moveaxis(w / both[..., None], -1, 0)
    weights = np.stack([mean * control**2, mean * treated**2, mean * control * treated, w[..., 0] * treated], axis=1)
    moments = sizes.moments.reshape(-1, sizes.moments.shape[-1] ** 2)
    products = (weights.reshape(len(w), -1) @ moments).reshape(-1, *sizes.moments.shape[2:])
    columns = _columns(inputs, offset)
    told = np.swapaxes(columns, 1, 2) @ products @ columns
    precision, shift, rest = told[:, :-1, :-1], told[:, :-1, -1], -0.5 * told[:, -1, -1]
    rest -= 0.5 * np.log(grown) @ sizes.count
    rest -= ((inputs.n > 0).sum(axis=0) * np.log(residual)).sum(axis=1)
    # Within cells: with r unknown σ is the spread of y2 itself, else what the baseline leaves of it.
    rest -= (inputs.free * np.log(hyper.sigma) + inputs.s22 / (2 * hyper.sigma**2)).sum(axis=1)
    precision[:, 1, 1] += (inputs.s11 / variance).sum(axis=1)
    shift[:, 1] += (inputs.s12 / variance).sum(axis=1)
    slope, slope_mean = inputs.slope_precision, inputs.slope_mean
    for i, is_told in zip((1, 2), inputs.told, strict=True):
        # A slope no datum tells keeps a proper prior, also where the plan's is flat.
        precision[:, i, i] += slope if is_told else (slope or 1.0)
        shift[:, i] += slope * slope_mean
    return Equations(precision, shift, rest, np.array([1.0, 0.0, 0.0, 0.0]))


def _columns(inputs: AncovaUnits, offset: Array) -> Array:
    """(K, 6, 5): α, both slopes, Δ and what is left of the mean, from the columns of `Sizes.moments`."""
    columns = np.zeros((len(offset), 6, 5))
    columns[:, 0, 0] = columns[:, 3, 2] = columns[:, 4, 3] = columns[:, 5, 4] = 1.0
    columns[:, 1:3, 1] = 0.0 if inputs.unknown_r else 1.0
    columns[:, 1:3, 4] = -offset
    return columns


def residual_of(inputs: AncovaUnits, hyper: Hyper) -> tuple[Array, Array]:
    """SD of y2 given y1, and the slope on `within` that an unknown r means; (K, 2) each."""
    if not inputs.unknown_r:
        return hyper.sigma, np.zeros_like(hyper.sigma)
    r = hyper.r[:, None]
    return hyper.sigma * np.sqrt(1 - r**2), r * hyper.sigma / inputs.sd1


def ancova_columns(inputs: AncovaUnits) -> Array:
    """(G, 2, 4): 1, baseline within, baseline between, treated."""
    ones = np.ones_like(inputs.n)
    within = np.zeros_like(ones) if inputs.unknown_r else inputs.within
    return np.stack([ones, within, inputs.between, ones * np.array([0.0, 1.0])], axis=-1)


# --- people over waves --------------------------------------------------------------------------------------------


@_equations.register
def _(inputs: Waves, hyper: Hyper) -> Equations:
    """Coefficients: those of `columns`."""
    sizes, waves = inputs.sizes, inputs.waves
    totals, person = sizes.totals, person_precision(inputs, hyper)
    a = np.empty((waves, waves, len(sizes.n), len(hyper)))
    pull = np.empty((waves, len(sizes.of), len(hyper)))
    total = np.empty((waves, len(sizes.n), len(hyper)))
    for arm in (0, 1):
        mine = sizes.arm == arm
        a[:, :, mine] = told(sizes.n[mine], person[arm])
        total[:, mine] = pulled(totals[mine], person[arm])
        pull[:, mine[sizes.of]] = pulled(sizes.sums[mine[sizes.of]], person[arm])
    # Over v remain B = I + v² A, the precision B⁻¹ A and the pull B⁻¹ h; u lies along the ones.
    unit, unit_time = (inputs.unit * hyper.unit_sd) ** 2, (inputs.unit_time * hyper.unit_time_sd) ** 2
    inverse, log_determinant = inverted(np.eye(waves)[..., None, None] + unit_time * a)
    left = np.einsum("st...,tu...->su...", inverse, a)
    along, held = inverse.sum(axis=0), left.sum(axis=1)
    grown = 1 + unit * held.sum(axis=0)
    share = unit / grown
    marginal = left - share * held[:, None] * held[None]
    kept = (unit_time * inverse + share * along[:, None] * along[None])[:, :, sizes.of]
    rest = _people_rest(inputs, hyper, person) - 0.5 * sizes.count @ (log_determinant + np.log(grown))
    rest += 0.5 * np.einsum("strk,srk,trk->k", kept, pull, pull)
    moved = np.einsum("st...,t...->s...", inverse, total) - share * held * (along * total).sum(axis=0)
    precision = np.zeros((len(hyper), COEFFICIENTS, COEFFICIENTS))
    shift = np.zeros((len(hyper), COEFFICIENTS))
    for arm in (0, 1):
        mine, x = sizes.arm == arm, inputs.columns[arm]
        of_arm = np.einsum("stck,c->kst", marginal[:, :, mine], sizes.count[mine])
        precision += x.T @ of_arm @ x
        shift += moved[:, mine].sum(axis=1).T @ x
    for i, used in enumerate(inputs.used):
        precision[:, i, i] += 1.0 - used
    return Equations(precision, shift, rest, np.array([*inputs.used, 0.0]))


def person_precision(inputs: Waves, hyper: Hyper) -> Array:
    """What a person of an arm and pattern says of the waves: (2, P, W, W, K), 0 off the pattern's waves.

    A person's values have SDs σ and correlation r; k of them have C⁻¹ = (I − c J)/(1 − r).
    """
    c, left, _ = _patterns(inputs, hyper.r)
    both = inputs.masks[:, :, None] * inputs.masks[:, None]
    correlated = both[..., None] * (np.eye(inputs.waves)[..., None] - c[:, None, None]) / left[:, None, None]
    inverse = _inverse_sd(inputs, hyper)
    return np.asarray(correlated * inverse[:, None, :, None] * inverse[:, None, None])


def told(n: Array, person: Array) -> Array:
    """Precision (W, W, T, K) of the waves' means from `n` (T, P) people; `person` (P, W, W, K)."""
    return np.moveaxis(np.tensordot(n, person, (1, 0)), 0, 2)


def pulled(sums: Array, person: Array) -> Array:
    """That precision times the means, (W, T, K), from sums of values (T, P, W)."""
    return np.moveaxis(np.tensordot(sums, person, ((1, 2), (0, 2))), 0, 1)


def inverted(matrices: Array) -> tuple[Array, Array]:
    """Inverses (W, W, …) and log determinants (…) of the identity plus something positive semi-definite.

    By sweeps: for thousands of small matrices many times as fast as LAPACK one by one.
    """
    swept, determinant = matrices, np.ones(matrices.shape[2:])
    for w in range(len(matrices)):
        pivot = swept[w, w].copy()
        row = swept[w] / pivot
        column = swept[:, w].copy()
        swept = swept - column[:, None] * row[None]
        swept[w], swept[:, w] = row, row
        swept[w, w] = -1 / pivot
        determinant = determinant * pivot
    return -swept, np.log(determinant)


def _inverse_sd(inputs: Waves, hyper: Hyper) -> Array:
    """1/σ of each arm and wave (2, W, K)."""
    return 1 / np.where(inputs.spread[..., None] > 0, hyper.sigma[:, 1], hyper.sigma[:, 0])


def _patterns(inputs: Waves, r: Array) -> tuple[Array, Array, Array]:
    """Of each pattern with C⁻¹ = (I − c J)/left: c, left and log |C|, (P, K) each."""
    size = inputs.masks.sum(axis=1)[:, None]
    several = size > 1
    c = np.where(several, r / (1 + (size - 1) * r), 0.0)
    left = np.where(several, 1 - r, 1.0)
    return c, left, np.where(several, (size - 1) * np.log(left) + np.log1p((size - 1) * r), 0.0)


def _people_rest(inputs: Waves, hyper: Hyper, person: Array) -> Array:
    """What people say of σ and r, the means of their groups apart: log density (K,)."""
    inverse = _inverse_sd(inputs, hyper)
    determinant = _patterns(inputs, hyper.r)[2]
    counted = (inputs.free + inputs.groups) @ inputs.masks
    rest = np.einsum("aw,awk->k", counted, np.log(inverse)) - 0.5 * inputs.groups.sum(axis=0) @ determinant
    products = inputs.between
    if inputs.known_r:
        products = products + inputs.squares
        rest -= 0.5 * inputs.free.sum(axis=0) @ determinant
    else:
        # Spreads alone were reported: each wave's informs its own σ, and r keeps its prior.
        rest -= 0.5 * np.einsum("apww,awk->k", inputs.squares, inverse**2)
    return np.asarray(rest - 0.5 * products.ravel() @ person.reshape(products.size, -1))


# --- units that cross over ----------------------------------------------------------------------------------------


@_equations.register
def _(inputs: WedgeMeans, hyper: WedgeHyper) -> Equations:
    """Coefficients: those of `columns`."""
    variances = hyper.sigma**2
    of_people = variances[:, inputs.exposed.astype(int)] / np.where(inputs.n > 0, inputs.n, 1.0)
    eqs = of_cells(inputs, inputs.columns, inputs.mean, of_people, hyper)
    rest = eqs.rest - 0.5 * ((inputs.squares / variances).sum(axis=1) + np.log(variances) @ inputs.free)
    intercepts = np.eye(inputs.size)[0]
    effect = np.eye(inputs.size)[-1]
    return Equations(eqs.precision + np.diag(1 - intercepts - effect), eqs.shift, rest, intercepts)


def of_cells(inputs: Wedge, columns: Array, y: Array, variance: Array, hyper: WedgeHyper) -> Equations:
    """What cells of mean `y` (G, T) and sampling variance (K or 1, G, T) say of coefficients, which have no prior yet.

    `columns` (G, T, p); SDs of units on the scale of `y`; the SD of the walk's steps multiplies its increments.
    """
    unit = hyper.unit_sd[:, None] ** 2
    told = np.where(inputs.n > 0, 1 / (variance + hyper.unit_time_sd[:, None, None] ** 2), 0.0)  # (K, G, T)
    x = np.concatenate([columns, y[..., None]], axis=-1)
    products = (x[..., None] * x[..., None, :]).reshape(-1, x.shape[-1] ** 2)
    both = (told.reshape(len(told), -1) @ products).reshape(-1, x.shape[-1], x.shape[-1])
    grown = 1 + unit * told.sum(axis=2)
    sums = np.matmul(told.transpose(1, 0, 2), x).transpose(1, 0, 2)  # (K, G, p + 1)
    both -= np.matmul((sums * (unit / grown)[..., None]).transpose(0, 2, 1), sums)
    size = np.ones((len(told), x.shape[-1]))
    size[:, np.flatnonzero(inputs.increments)] = hyper.step_sd[:, None]
    both *= size[:, :, None] * size[:, None, :]
    rest = -0.5 * (both[:, -1, -1] + np.log(grown).sum(axis=1))
    rest += 0.5 * np.log(np.where(told > 0, told, 1.0)).sum(axis=(1, 2))
    return Equations(both[:, :-1, :-1], both[:, :-1, -1], rest, np.zeros(columns.shape[-1]))


# --- months in a row ----------------------------------------------------------------------------------------------


@_equations.register
def _(inputs: Series, hyper: Hyper) -> Equations:
    """Coefficients: those of `columns`. AR(1): a month given the one before, k months back, has slope φ^k."""
    months = inputs.months
    rows = np.concatenate([months.columns, inputs.y[:, None]], axis=1)
    products = np.tile(rows[0, :, None] * rows[0], (len(hyper), 1, 1))
    determinant = np.zeros(len(hyper))
    for gap in np.unique(months.gaps[1:]):
        here = np.flatnonzero(months.gaps == gap)
        now, before = rows[here], rows[here - 1]
        cross = now.T @ before
        rho = hyper.r[:, None, None] ** gap
        left = 1 - rho**2
        products += (now.T @ now - rho * (cross + cross.T) + rho**2 * (before.T @ before)) / left
        determinant += len(here) * np.log(left[:, 0, 0])
    products /= hyper.sigma[:, :1, None] ** 2
    precision, shift = products[:, :-1, :-1].copy(), products[:, :-1, -1].copy()
    rest = -0.5 * products[:, -1, -1] - 0.5 * determinant - len(rows) * np.log(hyper.sigma[:, 0])
    mean, known = months.prior.T
    intercepts = months.intercepts
    for i, (m, w) in enumerate(zip(mean, known * (1 - intercepts[:-1]), strict=True)):
        precision[:, i, i] += w
        shift[:, i] += w * m
    return Equations(precision, shift, rest, intercepts)


# --- coefficients integrated out ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Coefficients given K nodes under one component of the prior: log evidence (K,), mean (K, p), covariance."""

    component: Component
    log_evidence: Array
    mean: Array
    covariance: Array


def coefficients(eqs: Equations, run: Run) -> list[Given]:
    """The coefficients under each component of a run's prior."""
    base = eqs.precision + run.intercept * np.diag(eqs.intercepts)
    found = []
    for c in run.effect:
        mean, precision = total_prior(c, run.bias)
        a = base.copy()
        a[:, -1, -1] += precision
        h = eqs.shift.copy()
        h[:, -1] += precision * mean
        sign, log_determinant = np.linalg.slogdet(a)
        # Far out, where one σ all but vanishes, rounding can leave no inverse; such nodes have no weight.
        lost = ~((sign > 0) & np.isfinite(log_determinant))
        a[lost], h[lost], log_determinant[lost] = np.eye(a.shape[1]), 0.0, 0.0
        covariance = np.linalg.inv(a)
        theta = (covariance @ h[..., None])[..., 0]
        constant = 0.5 * math.log(precision or 1.0) - 0.5 * precision * mean**2 + math.log(c.weight)
        log_evidence = eqs.rest + 0.5 * (h * theta).sum(axis=1) - 0.5 * log_determinant + constant
        found.append(Given(c, np.where(lost, -np.inf, log_evidence), theta, covariance))
    return found


def log_sum(given: Iterable[Given]) -> Array:
    """Log marginal likelihood (K,) of the nodes over all components of the prior."""
    return np.asarray(np.logaddexp.reduce([part.log_evidence for part in given], axis=0))
