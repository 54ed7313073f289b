"""Hyper-parameters of normal models with unit effects or in time: their priors, and the real line they are sought on.

They live there as `z` (SDs through `ramp`, r through Φ), which is also how the PyMC models sample them: priors have
Gaussian tails there, so that quadrature and sampler meet no long ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from analysis.designs.series_inputs import PHI_PRIOR, Series
from analysis.designs.unit_inputs import AncovaUnits, Waves
from analysis.designs.wedge_inputs import WedgeMeans
from analysis.half_normal import ramp, unramped

Array = NDArray[np.float64]
UnitInputs = AncovaUnits | Waves | WedgeMeans | Series
People = AncovaUnits | Waves | Series
"""The models whose hyper-parameters are here; those of `WedgeMeans` are in `wedge_hyper.py`."""

R_MEAN, R_SD, R_HIGH = 0.65, 0.15, 0.95
CLOSEST = 1e-12
"""Least distance of r from its bounds as a share: precisions stay finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Hyper:
    """Hyper-parameters of K nodes: `sigma` (K, 2), unit SD and unit × time SD (K,), r (K,).

    A series has its σ in the first column and its autocorrelation as r, nothing else.
    """

    sigma: Array
    unit_sd: Array
    unit_time_sd: Array
    r: Array

    def __getitem__(self, part: slice) -> "Hyper":
        return Hyper(self.sigma[part], self.unit_sd[part], self.unit_time_sd[part], self.r[part])

    def __len__(self) -> int:
        return len(self.r)


NAMES = ("sigma_control", "sigma_treated", "unit_sd", "unit_time_sd", "r")


def bounds_of_r(inputs: People) -> Array:
    """Bounds, mean and precision (0: flat) of the prior of r."""
    if isinstance(inputs, Waves):
        return inputs.r_prior
    if isinstance(inputs, Series):
        return PHI_PRIOR
    return np.array([0.0, R_HIGH, R_MEAN, R_SD**-2])


@singledispatch
def scales_of(inputs: UnitInputs) -> tuple[float, float]:
    """Scales of the half-normal priors of the unit SD and of the unit × time SD."""
    raise NotImplementedError(type(inputs))


@scales_of.register
def _(inputs: AncovaUnits | Waves | Series) -> tuple[float, float]:
    if isinstance(inputs, Series):
        return 1.0, 1.0
    return inputs.unit_scale, (inputs.unit_time_scale if isinstance(inputs, Waves) else 1.0)


@singledispatch
def active(inputs: UnitInputs) -> NDArray[np.bool_]:
    """Which of `NAMES` the data or the effect depend on; the others keep their priors and need no nodes."""
    raise NotImplementedError(type(inputs))


@active.register
def _(inputs: AncovaUnits | Waves | Series) -> NDArray[np.bool_]:
    if isinstance(inputs, AncovaUnits):
        return np.array([True, True, True, False, inputs.unknown_r])
    if isinstance(inputs, Series):
        return np.array([True, False, False, False, True])
    spreads = {int(s) for a in (0, 1) for w, s in enumerate(inputs.spread[a]) if inputs.columns[a, w].any()}
    return np.array([0 in spreads, 1 in spreads, inputs.unit > 0, inputs.unit_time > 0, inputs.linked])


@singledispatch
def hyper_of(inputs: UnitInputs, z: Array) -> Any:
    """Hyper-parameters of nodes `z` (K, 5)."""
    raise NotImplementedError(type(inputs))


@hyper_of.register
def _(inputs: AncovaUnits | Waves | Series, z: Array) -> Hyper:
    low, high = bounds_of_r(inputs)[:2]
    unit, unit_time = scales_of(inputs)
    return Hyper(
        inputs.sigma_scale * ramp(z[:, :2]),
        unit * ramp(z[:, 2]),
        unit_time * ramp(z[:, 3]),
        low + (high - low) * np.clip(ndtr(z[:, 4]), CLOSEST, 1 - CLOSEST),
    )


@singledispatch
def hyper_of_draws(inputs: UnitInputs, draws: Mapping[str, Array]) -> Any:
    """Hyper-parameters of the draws (chain, draw) of a PyMC model, as K nodes."""
    raise NotImplementedError(type(inputs))


@hyper_of_draws.register
def _(inputs: AncovaUnits | Waves | Series, draws: Mapping[str, Array]) -> Hyper:
    if isinstance(inputs, Series):
        sigma, phi = (draws[name].reshape(-1) for name in ("sigma", "phi"))
        return Hyper(np.stack([sigma, sigma], axis=1), np.ones_like(phi), np.ones_like(phi), phi)
    flat = {name: draws[name].reshape(-1) for name in ("unit_sd", "r")}
    time = draws["unit_time_sd"].reshape(-1) if isinstance(inputs, Waves) else np.zeros_like(flat["r"])
    return Hyper(draws["sigma"].reshape(-1, 2), flat["unit_sd"], time, flat["r"])


@singledispatch
def log_prior(inputs: UnitInputs, z: Array) -> Array:
    """Log prior density of nodes `z` (K, 5) on the real line, up to a constant."""
    raise NotImplementedError(type(inputs))


@log_prior.register
def _(inputs: AncovaUnits | Waves | Series, z: Array) -> Array:
    h = hyper_of(inputs, z)
    _, _, mean, precision = bounds_of_r(inputs)
    value = (log_ndtr(z[:, :2]) - h.sigma**2 / (2 * inputs.sigma_scale**2)).sum(axis=1)
    for column, sd, scale in zip((2, 3), (h.unit_sd, h.unit_time_sd), scales_of(inputs), strict=True):
        value += log_ndtr(z[:, column]) - 0.5 * (sd / scale) ** 2
    value += -0.5 * precision * (h.r - mean) ** 2 - 0.5 * z[:, 4] ** 2
    return np.asarray(value)


@singledispatch
def start(inputs: UnitInputs) -> Array:
    """A point `z` (5,) near which the search for the mode begins."""
    raise NotImplementedError(type(inputs))


@start.register
def _(inputs: AncovaUnits | Waves | Series) -> Array:
    squares, free = np.zeros(2), np.zeros(2)
    if isinstance(inputs, Series):
        columns = inputs.months.columns
        left = inputs.y - columns @ np.linalg.lstsq(columns, inputs.y, rcond=None)[0]
        squares[0], free[0] = left @ left, max(len(left) - columns.shape[1], 1)
    elif isinstance(inputs, AncovaUnits):
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
