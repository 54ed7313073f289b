"""Exact posteriors of normal models with unit effects: closed forms given the hyper-parameters, quadrature over them.

Given the SDs (and r), coefficients and unit effects are jointly normal: unit effects are integrated out and recovered
afterwards. The hyper-parameters live on the real line as `z` (SDs through `ramp`, r through Φ), which is also how the
PyMC models sample them: priors have Gaussian tails there, so that quadrature and sampler meet no long ones.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, singledispatch

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from analysis import integration
from analysis.designs.unit_inputs import COEFFICIENTS, AncovaUnits, Waves
from analysis.documents import NormalPrior
from analysis.posterior import NormalMixture
from analysis.priors import NO_BIAS, Component, Run, effect_given_total, normal, total_prior

Array = NDArray[np.float64]
UnitInputs = AncovaUnits | Waves

R_MEAN, R_SD, R_HIGH = 0.65, 0.15, 0.95
NODES = 1024
FEW = 0.2
"""Share of the nodes of a common grid that must count under a run, else the run gets a grid of its own."""
NEGLIGIBLE = 1e-12
TINY = 1e-100
"""Smallest SD, so that precisions stay finite."""
WIDE = Run("wide", normal(NormalPrior(mean=0.0, sd=0.5)), NO_BIAS)
"""The run that places the common grid."""
AT_ONCE = 4_000_000
"""Numbers an intermediate array may hold; more nodes than that allows are taken in turns."""


# --- hyper-parameters ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Hyper:
    """Hyper-parameters of K nodes: `sigma` (K, 2), unit SD and unit × time SD (K,), r (K,)."""

    sigma: Array
    unit_sd: Array
    unit_time_sd: Array
    r: Array

    def __getitem__(self, part: slice) -> "Hyper":
        return Hyper(self.sigma[part], self.unit_sd[part], self.unit_time_sd[part], self.r[part])

    def __len__(self) -> int:
        return len(self.r)


NAMES = ("sigma_control", "sigma_treated", "unit_sd", "unit_time_sd", "r")


def bounds_of_r(inputs: UnitInputs) -> Array:
    """Bounds, mean and precision (0: flat) of the prior of r."""
    if isinstance(inputs, Waves):
        return inputs.r_prior
    return np.array([0.0, R_HIGH, R_MEAN, R_SD**-2])


def scales_of(inputs: UnitInputs) -> tuple[float, float]:
    """Scales of the half-normal priors of the unit SD and of the unit × time SD."""
    return inputs.unit_scale, (inputs.unit_time_scale if isinstance(inputs, Waves) else 1.0)


def active(inputs: UnitInputs) -> Array:
    """Which of `NAMES` the data or the effect depend on; the others keep their priors and need no nodes."""
    if isinstance(inputs, AncovaUnits):
        return np.array([True, True, True, False, inputs.unknown_r])
    spreads = {int(s) for a in (0, 1) for w, s in enumerate(inputs.spread[a]) if inputs.columns[a, w].any()}
    return np.array([0 in spreads, 1 in spreads, inputs.unit > 0, inputs.unit_time > 0, inputs.linked])


def hyper_of(inputs: UnitInputs, z: Array) -> Hyper:
    """Hyper-parameters of nodes `z` (K, 5)."""
    low, high = bounds_of_r(inputs)[:2]
    unit, unit_time = scales_of(inputs)
    return Hyper(
        inputs.sigma_scale * ramp(z[:, :2]),
        unit * ramp(z[:, 2]),
        unit_time * ramp(z[:, 3]),
        low + (high - low) * ndtr(z[:, 4]),
    )


def ramp(z: Array) -> Array:
    """∫ Φ = z Φ(z) + φ(z): near z above 0, vanishing below. An SD so written has Gaussian tails on both sides."""
    return np.asarray(np.maximum(z * ndtr(z) + np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi), TINY))


def unramped(value: Array) -> Array:
    """The z whose `ramp` is `value`, by bisection."""
    low, high = np.full(np.shape(value), -30.0), np.maximum(value, 1.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = ramp(middle) < value
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2)


def hyper_of_draws(inputs: UnitInputs, draws: Mapping[str, Array]) -> Hyper:
    """Hyper-parameters of the draws (chain, draw) of a PyMC model, as K nodes."""
    flat = {name: draws[name].reshape(-1) for name in ("unit_sd", "r")}
    time = draws["unit_time_sd"].reshape(-1) if isinstance(inputs, Waves) else np.zeros_like(flat["r"])
    return Hyper(draws["sigma"].reshape(-1, 2), flat["unit_sd"], time, flat["r"])


def log_prior(inputs: UnitInputs, z: Array) -> Array:
    """Log prior density of nodes `z` (K, 5) on the real line, up to a constant."""
    h = hyper_of(inputs, z)
    _, _, mean, precision = bounds_of_r(inputs)
    value = (log_ndtr(z[:, :2]) - h.sigma**2 / (2 * inputs.sigma_scale**2)).sum(axis=1)
    for column, sd, scale in zip((2, 3), (h.unit_sd, h.unit_time_sd), scales_of(inputs), strict=True):
        value += log_ndtr(z[:, column]) - 0.5 * (sd / scale) ** 2
    value += -0.5 * precision * (h.r - mean) ** 2 - 0.5 * z[:, 4] ** 2
    return np.asarray(value)


def start(inputs: UnitInputs) -> Array:
    """A point `z` (5,) near which the search for the mode begins."""
    squares, free = np.zeros(2), np.zeros(2)
    if isinstance(inputs, AncovaUnits):
        squares, free = inputs.s22, inputs.free
    else:
        for a, w in np.ndindex(inputs.spread.shape):
            which = int(inputs.spread[a, w])
            squares[which] += inputs.squares[a, :, w, w].sum()
            free[which] += inputs.free[a] @ inputs.masks[:, w]
    found = np.sqrt(np.maximum(squares, 1e-12) / np.maximum(free, 1.0))
    z = np.zeros(5)
    z[:2] = np.where(free >= 1, unramped(found / inputs.sigma_scale), 0.0)
    return z


# --- given the hyper-parameters -----------------------------------------------------------------------------------


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


# --- posteriors ---------------------------------------------------------------------------------------------------


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
        log_evidence = (
            np.where(lost, -np.inf, eqs.rest)
            + 0.5 * np.einsum("ki,ki->k", np.where(lost[:, None], 0.0, h), theta)
            - 0.5 * np.where(lost, 0.0, log_determinant)
            + 0.5 * math.log(precision or 1.0)
            - 0.5 * precision * mean**2
            + math.log(c.weight)
        )
        yield c, log_evidence, theta, inverse


def log_posterior(inputs: UnitInputs, run: Run, z: Array) -> Array:
    """Log marginal posterior density of nodes `z` (K, 5), coefficients integrated out."""
    return _log_evidence(equations(inputs, hyper_of(inputs, z)), run) + log_prior(inputs, z)


def _log_evidence(eqs: Equations, run: Run) -> Array:
    evidence = [part[1] for part in coefficients(eqs, run)]
    return np.asarray(np.logaddexp.reduce(np.array(evidence), axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Nodes `z` (K, 5) of the hyper-parameters, the log density they come from, and what depends on them alone."""

    z: Array
    log_proposal: Array
    log_prior: Array
    equations: Equations


@lru_cache(maxsize=8)
def _grid(inputs: UnitInputs) -> Grid:
    """One grid serves every run of the same data: the runs differ in the prior of one coefficient."""
    return _own_grid(inputs, WIDE)


def _own_grid(inputs: UnitInputs, run: Run) -> Grid:
    on = active(inputs)
    at = start(inputs)
    density = lambda part: log_posterior(inputs, run, _filled(at, on, part))  # noqa: E731
    points, log_proposal = integration.cover(density, integration.peak(density, at[on]), NODES)
    z = _filled(at, on, points)
    return Grid(z, log_proposal, log_prior(inputs, z), equations(inputs, hyper_of(inputs, z)))


def weighed(inputs: UnitInputs, run: Run) -> tuple[Grid, Array]:
    """A grid and the weights (K,) of its nodes under a run."""
    grid = _grid(inputs)
    found = integration.weights(_log_evidence(grid.equations, run) + grid.log_prior, grid.log_proposal)
    if integration.counting(found) < FEW:
        grid = _own_grid(inputs, run)
        found = integration.weights(_log_evidence(grid.equations, run) + grid.log_prior, grid.log_proposal)
    return grid, found


def _filled(at: Array, on: Array, part: Array) -> Array:
    whole = np.tile(at, (len(part), 1))
    whole[:, on] = part
    return whole


def _given(eqs: Equations, run: Run) -> tuple[Array, Array, Array]:
    """Given hyper-parameters, δ: log weight, mean and variance, (component, K) each."""
    weights, means, variances = [], [], []
    for c, log_evidence, theta, inverse in coefficients(eqs, run):
        mean, variance = effect_given_total(c, run.bias, theta[:, -1], inverse[:, -1, -1])
        weights.append(log_evidence)
        means.append(mean)
        variances.append(variance)
    return np.array(weights), np.array(means), np.array(variances)


def conditional(inputs: UnitInputs, hyper: Hyper, run: Run) -> tuple[Array, Array, Array]:
    """Given hyper-parameters, the posterior of δ: log weight, mean and variance, (component, K) each."""
    return _given(equations(inputs, hyper), run)


def mixture(inputs: UnitInputs, run: Run) -> tuple[Array, Array, Array]:
    """Weight, mean and variance of δ, (component, K) each; the weights sum to 1."""
    grid, found = weighed(inputs, run)
    log_weights, means, variances = _given(grid.equations, run)
    relative = np.exp(log_weights - log_weights.max(axis=0))
    return found * relative / relative.sum(axis=0), means, variances


def posterior(inputs: UnitInputs, run: Run) -> NormalMixture:
    """The posterior of δ."""
    weights, means, variances = mixture(inputs, run)
    keep = weights > NEGLIGIBLE
    return NormalMixture(weights[keep] / weights[keep].sum(), means[keep], np.sqrt(variances[keep]))


def component_weights(inputs: UnitInputs, run: Run) -> Array:
    """Posterior weight of each component of the prior."""
    return np.asarray(mixture(inputs, run)[0].sum(axis=1))


def preconditioner(inputs: UnitInputs, run: Run) -> dict[str, Array]:
    """Where NUTS shall look: `location` (D,) and `factor` (D, D) of hyper-parameters and coefficients, Δ last.

    They change how fast the sampler mixes and nothing else.
    """
    grid, found = weighed(inputs, run)
    on = active(inputs)
    z, theta, covariance = moments(grid, found, run)
    centred = (grid.z - z)[:, on]
    factor = np.eye(len(z) + len(theta))
    factor[np.ix_(*[np.flatnonzero(on)] * 2)] = _cholesky((found[:, None] * centred).T @ centred)
    factor[len(z) :, len(z) :] = _cholesky(covariance)
    return {"location": np.concatenate([z, theta]), "factor": factor}


def slope(inputs: AncovaUnits, run: Run) -> tuple[float, float] | None:
    """Posterior mean and SD of the slope on the baseline: within units where people are linked, else between."""
    which = 1 if inputs.s11.any() or (inputs.within.any() and not inputs.unknown_r) else 2
    if which == 2 and not inputs.between.any():  # noqa: PLR2004
        return None
    grid, found = weighed(inputs, run)
    total = _log_evidence(grid.equations, run)
    first = second = 0.0
    for _, log_evidence, theta, inverse in coefficients(grid.equations, run):
        share = np.exp(log_evidence - total) * found
        first += float(share @ theta[:, which])
        second += float(share @ (inverse[:, which, which] + theta[:, which] ** 2))
    return first, math.sqrt(second - first**2)


def moments(grid: Grid, found: Array, run: Run) -> tuple[Array, Array, Array]:
    """Posterior mean of `z` (5,) and of the coefficients (p,), and the coefficients' covariance given `z` (p, p)."""
    total = _log_evidence(grid.equations, run)
    theta, covariance = np.zeros(grid.equations.shift.shape[1]), np.zeros(grid.equations.precision.shape[1:])
    for _, log_evidence, mean, inverse in coefficients(grid.equations, run):
        share = np.exp(log_evidence - total) * found
        theta += share @ mean
        covariance += np.einsum("k,kij->ij", share, inverse)
    return found @ grid.z, theta, covariance


def _cholesky(covariance: Array) -> Array:
    return np.asarray(np.linalg.cholesky(covariance + 1e-14 * np.diag(np.diag(covariance))))
