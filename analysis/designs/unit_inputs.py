"""Inputs of the normal models with units: per-unit means, and what varies within units added up over them.

Values only. Given the hyper-parameters a unit enters by n and means alone, and everything within units by sums of fixed
size; so the cost of a fit grows with the number of units at most (docs/methods.md §1).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
COEFFICIENTS = 6
"""Intercepts of the arms, time effects of the later waves, Δ last."""


@dataclass(frozen=True, eq=False)
class AncovaUnits:
    """Two arms of units, y2 given y1 (or alone); cells (G, 2) of unit × arm, control first, n 0 where there is none.

    `within` and `between` are the columns of the two baseline slopes: a cell's baseline mean about its unit's, and the
    unit's about everyone's. `s11, s12, s22` (2,) are squares and products within cells, added up over the arm's cells;
    `cells` (2,) counts these. With `unknown_r` the first slope is r σ/`sd1` and σ the SD of y2.
    """

    structure: ClassVar[str] = "ancova_units"
    units: tuple[str, ...]
    n: Array
    mean: Array
    within: Array
    between: Array
    s11: Array
    s12: Array
    s22: Array
    slope_mean: float
    slope_precision: float
    sigma_scale: float
    unit_scale: float
    unknown_r: bool = False
    sd1: float = 1.0

    @property
    def people(self) -> Array:
        """People of each arm (2,)."""
        return self.n.sum(axis=0)

    @property
    def free(self) -> Array:
        """Degrees of freedom within cells, of each arm (2,)."""
        return self.people - (self.n > 0).sum(axis=0)

    @cached_property
    def sizes(self) -> "Sizes":
        """The units by how many people they have in each arm."""
        sizes, which = np.unique(self.n, axis=0, return_inverse=True)
        here = self.n > 0
        ones, zeros = np.ones(len(self.n)), np.zeros(len(self.n))
        of_arm = [
            np.stack([ones, own * (1 - a), own * a, between, zeros + a, mean], axis=1) * present[:, None]
            for a, own, between, mean, present in zip(
                (0, 1), self.within.T, self.between.T, self.mean.T, here.T, strict=True
            )
        ]
        control, treated = of_arm
        both = control[:, :, None] * treated[:, None]
        gap = treated - control
        products = np.stack(
            [
                control[:, :, None] * control[:, None],
                treated[:, :, None] * treated[:, None],
                both + both.transpose(0, 2, 1),
                gap[:, :, None] * gap[:, None],
            ]
        )
        moments = np.zeros((len(products), len(sizes), *products.shape[2:]))
        for total, of_kind in zip(moments, products, strict=True):
            np.add.at(total, which.ravel(), of_kind)
        return Sizes(sizes, np.bincount(which.ravel(), minlength=len(sizes)).astype(np.float64), moments)

    @property
    def told(self) -> Array:
        """Whether a datum tells the slope within units and the slope between them, 0 or 1 (2,)."""
        within = not self.unknown_r and bool(self.within.any() or self.s11.any())
        return np.array([float(within), float(self.between.any())])

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model."""
        return {
            "squares": np.stack([self.s11, self.s12, self.s22], axis=1),
            **{name: getattr(self, name) for name in ("free", "told")},
            "filled": (self.n > 0).sum(axis=0).astype(np.float64),
            "sizes": self.sizes.n,
            "count": self.sizes.count,
            "moments": self.sizes.moments.reshape(*self.sizes.moments.shape[:2], -1),
            "slope_prior": np.array([self.slope_mean, self.slope_precision]),
            "scales": np.array([self.sigma_scale, self.unit_scale]),
            "unknown_r": np.array(float(self.unknown_r)),
            "sd1": np.array(self.sd1),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Sizes:
    """Units of the same size are one term of a likelihood: `n` (C, 2) people in each arm, `count` (C,) units.

    `moments` (4, C, 6, 6) are sums over these units of products of their columns in an arm (1, `within` in the control
    arm, `within` in the treated arm, `between`, treated, mean): control by control, treated by treated, one by the
    other and the reverse, and of the treated cell less the control cell by itself. 0 where an arm has nobody.
    """

    n: Array
    count: Array
    moments: Array


@dataclass(frozen=True, eq=False)
class Waves:
    """People over waves, linked or not: groups (unit × arm) × patterns (which waves a person answered).

    `n` (G, P), `mean` (G, P, W), 0 where a pattern lacks the wave; `masks` (P, W). Within groups, added up over an
    arm's groups: `squares` (2, P, W, W) of deviations and `free` (2, P) their degrees of freedom. `columns` (2, W, 6)
    gives the expectation of each arm and wave as a linear form of the coefficients, Δ last. `spread` (2, W) says which
    of two σ an arm and wave have. A person's values correlate by r wherever two waves lie apart.

    `unit` and `unit_time` multiply the SDs of these effects: 0 where there are none, √2 for differences of two waves.
    `known_r` is False where correlations were not reported: r keeps its prior.
    """

    structure: ClassVar[str] = "waves"
    units: tuple[str, ...]
    treated: Array
    n: Array
    mean: Array
    masks: Array
    squares: Array
    free: Array
    columns: Array
    spread: Array
    sigma_scale: float
    unit_scale: float
    unit_time_scale: float
    unit: float
    unit_time: float
    known_r: bool = True
    r_low: float = -1.0

    @property
    def waves(self) -> int:
        """How many waves."""
        return int(self.masks.shape[1])

    @cached_property
    def arms(self) -> Array:
        """1 where a group is in an arm, control first (2, G)."""
        return np.stack([1 - self.treated, self.treated])

    @cached_property
    def sums(self) -> Array:
        """Sums of values, (G, P, W)."""
        return self.n[..., None] * self.mean

    @property
    def linked(self) -> bool:
        """True where anybody was seen twice, so that r matters."""
        return bool((self.masks.sum(axis=1) > 1).any())

    @property
    def used(self) -> Array:
        """Which coefficients but Δ any cell has, 0 or 1 (5,)."""
        return np.asarray((self.columns[..., :-1] != 0).any(axis=(0, 1)), dtype=np.float64)

    @property
    def r_prior(self) -> Array:
        """Bounds, mean and precision of the prior of r: flat where data tell it, else N(0.65, 0.15) on (0, 0.95)."""
        if self.linked and self.known_r:
            return np.array([self.r_low, 1.0, 0.0, 0.0])
        return np.array([0.0, 0.95, 0.65, 0.15**-2])

    @cached_property
    def between(self) -> Array:
        """Σ n mean meanᵀ over an arm's groups, (2, P, W, W)."""
        return np.asarray(np.einsum("ag,gps,gpt->apst", self.arms, self.sums, self.mean, optimize=True))

    @cached_property
    def groups(self) -> Array:
        """How many groups have a pattern, by arm (2, P)."""
        return np.asarray(self.arms @ (self.n > 0))

    @cached_property
    def sizes(self) -> "GroupSizes":
        """The groups by arm and size."""
        keys = np.column_stack([self.treated, self.n])
        found, which, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        parts = []
        for c in range(len(found)):
            mine = np.column_stack([np.ones(count[c]), self.sums[which.ravel() == c].reshape(count[c], -1)])
            used = mine.any(axis=0)
            if len(mine) > used.sum():
                factor = np.zeros((int(used.sum()), mine.shape[1]))
                factor[:, used] = np.linalg.qr(mine[:, used], mode="r")
                mine = factor
            parts.append(mine)
        rows = np.concatenate(parts)
        return GroupSizes(
            arm=found[:, 0],
            n=found[:, 1:],
            count=count.astype(np.float64),
            ones=rows[:, 0],
            sums=rows[:, 1:].reshape(-1, *self.sums.shape[1:]),
            of=np.repeat(np.arange(len(found)), [len(part) for part in parts]),
        )

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model."""
        return {
            **{name: getattr(self.sizes, name) for name in ("arm", "n", "count", "ones", "sums")},
            "of": self.sizes.of.astype(np.float64),
            "people": self.arms @ self.n,
            "totals": np.einsum("ag,gpw->apw", self.arms, self.sums),
            **{name: getattr(self, name) for name in ("masks", "squares", "between", "free", "groups")},
            **{name: getattr(self, name) for name in ("columns", "spread", "used", "r_prior")},
            "scales": np.array([self.sigma_scale, self.unit_scale, self.unit_time_scale]),
            "multiples": np.array([self.unit, self.unit_time]),
            "known_r": np.array(float(self.known_r)),
        }


@dataclass(frozen=True, slots=True, eq=False)
class GroupSizes:
    """Groups of one arm and size are one term: `arm` (C,), `n` (C, P) and `count` (C,) of the sizes.

    Rows stand for the groups, those of size c where `of` (R,) is c: as many as it takes to have the groups' sums of
    squares and products of 1, in the rows `ones` (R,), and of their sums of values, in the rows `sums` (R, P, W).
    """

    arm: Array
    n: Array
    count: Array
    ones: Array
    sums: Array
    of: NDArray[np.intp]

    @property
    def totals(self) -> Array:
        """Sums of values of all groups of a size (C, P, W)."""
        totals = np.zeros((len(self.n), *self.sums.shape[1:]))
        np.add.at(totals, self.of, self.ones[:, None, None] * self.sums)
        return totals
