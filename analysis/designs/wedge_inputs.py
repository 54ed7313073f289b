"""Inputs of the stepped wedge: units × periods, when each unit crossed over, and what was seen in each cell.

Values only. Coefficients, in this order: intercept, contrasts of the periods, increments of the random walk that the
effect takes over the time since the start, Δ.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis.designs.contrasts import contrasts, walk

Array = NDArray[np.float64]
MOST_PERIODS = 12
COEFFICIENTS = 2 * MOST_PERIODS
"""Coefficients of the sampled models, whose length is fixed; the exact engine has those in use alone."""
STEP_SCALE = 0.15
"""Scale of the half-normal prior of the SD of the walk's increments, SD units."""
UNEXPOSED = -1.0


@dataclass(frozen=True, eq=False)
class Wedge:
    """`n` (G, T) people of units × periods; `since` (G, T) periods since the unit's start, −1 before it.

    The effect k periods after the start is Δ + d_k, d a random walk about its own mean over k = 0 … K − 1: Δ is the
    mean over the time since start. A cell has Δ (exposed − ½), so that a prior leans to neither state.
    """

    units: tuple[str, ...]
    since: Array
    n: Array

    @property
    def periods(self) -> int:
        """How many periods."""
        return int(self.n.shape[1])

    @property
    def exposed(self) -> Array:
        """1 where the intervention was there, else 0 (G, T)."""
        return np.asarray(self.since >= 0, dtype=np.float64)

    @property
    def longest(self) -> int:
        """K: one more than the longest time since start that anybody was seen at."""
        return int(self.since[self.n > 0].max()) + 1

    @property
    def cells_since(self) -> NDArray[np.intp]:
        """Cells with people at each time since start (K,)."""
        seen = self.since[(self.n > 0) & (self.since >= 0)].astype(int)
        return np.bincount(seen, minlength=self.longest)

    @property
    def later(self) -> Array:
        """d_k as linear forms of the walk's increments, each of SD 1 (K, K − 1)."""
        return walk(self.longest)

    @cached_property
    def columns(self) -> Array:
        """The linear predictor (G, T, p) but for the SD of the walk's increments."""
        units, periods = self.n.shape
        known = np.clip(self.since, 0, self.longest - 1).astype(int)
        return np.concatenate(
            [
                np.ones((units, periods, 1)),
                np.tile(contrasts(periods), (units, 1, 1)),
                self.later[known] * self.exposed[..., None],
                self.exposed[..., None] - 0.5,
            ],
            axis=-1,
        )

    @property
    def size(self) -> int:
        """Coefficients in use, Δ included."""
        return self.periods + self.longest

    @property
    def increments(self) -> NDArray[np.bool_]:
        """Which coefficients are increments of the walk (p,)."""
        return np.arange(self.size) // self.periods * (np.arange(self.size) < self.size - 1) > 0

    @cached_property
    def places(self) -> NDArray[np.intp]:
        """Where the coefficients in use stand among `COEFFICIENTS` (p,)."""
        steps = MOST_PERIODS + np.arange(self.longest - 1)
        return np.array([*range(self.periods), *steps, COEFFICIENTS - 1])

    def padded(self, columns: Array) -> Array:
        """Columns (…, p) in their places among all (…, 24), 0 elsewhere."""
        wide = np.zeros((*columns.shape[:-1], COEFFICIENTS))
        wide[..., self.places] = columns
        return wide


@dataclass(frozen=True, eq=False)
class WedgeMeans(Wedge):
    """Normal outcomes: `mean` (G, T) of the cells; `squares` and `free` (2,) within cells, unexposed and exposed."""

    structure: ClassVar[str] = "wedge_means"
    mean: Array
    squares: Array
    free: Array
    sigma_scale: float
    unit_scale: float
    unit_time_scale: float

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model; location and factor come from the exact engine."""
        named = {name: getattr(self, name) for name in ("n", "mean", "exposed", "squares", "free")}
        scales = np.array([self.sigma_scale, self.unit_scale, self.unit_time_scale, STEP_SCALE])
        return {**named, "columns": self.padded(self.columns), "increments": _marked(self), "scales": scales}


@dataclass(frozen=True, eq=False)
class WedgeProportions(Wedge):
    """Binary outcomes: `x` (G, T) of the cells' people; `kappa` turns SD units into logits, signed by direction."""

    structure: ClassVar[str] = "wedge_proportions"
    x: Array
    kappa: float
    unit_scale: float
    unit_time_scale: float

    @property
    def logits(self) -> Array:
        """Logits to one of each coefficient (p,): effects are in SD units; all have the sign of the direction.

        So a measure that is turned round has the same coefficients, to the last digit.
        """
        return np.where(np.arange(self.size) < self.periods, np.sign(self.kappa), self.kappa)

    @property
    def active(self) -> int:
        """How many SDs the data depend on: of units, of units × periods, and of a walk if there is one."""
        return 3 if self.longest > 1 else 2

    @property
    def bounded(self) -> bool:
        """Whether a flat intercept and a flat effect leave a posterior: events, and none, with and without it."""
        for state in (0, 1):
            mine = (self.exposed == state) & (self.n > 0)
            if not 0 < self.x[mine].sum() < self.n[mine].sum():
                return False
        return True

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model; location, factor and quadrature come from the exact engine."""
        return {
            "n": self.n,
            "x": self.x,
            "columns": self.padded(self.columns * self.logits),
            "increments": _marked(self),
            "levels": self.padded(np.where(np.arange(self.size) < self.periods, 1.0, 0.0)),
            "kappa": np.array(abs(self.kappa)),
            "scales": np.array([self.unit_scale, self.unit_time_scale, STEP_SCALE]),
        }


def _marked(inputs: Wedge) -> Array:
    """1 where a coefficient is an increment of the walk (24,)."""
    return inputs.padded(inputs.increments.astype(np.float64))
