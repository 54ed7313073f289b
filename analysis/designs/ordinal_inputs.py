"""Inputs of the ordinal models: people by category, the same for NUTS and the exact engine.

Values only; the models are in `models/`, their integrals in `unit_ordinal.py` and `paired_ordinal.py`.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from analysis.designs.cell_inputs import SEPARATED
from analysis.scores import MOST

Array = NDArray[np.float64]
CUTS = MOST - 1
"""Most cut-points."""


@dataclass(frozen=True, slots=True, eq=False)
class UnitOrdinal:
    """People by category in G units × S slots (arms of a unit, or waves), `counts` (G, S, C), lowest first.

    logit P(Y > c) = slope · baseline + kappa Δ exposure + |kappa| (u + v) − τ_c, u and v as in `UnitProportions`, also
    `exposure` (G, S), `treated`, `after`, `unit`, `unit_time`. `baseline` (G, S) is 0 where there is none;
    `slope_prior` holds mean and precision (0: flat). `scores` (C,) are the values of the categories.
    """

    structure: ClassVar[str] = "unit_ordinal"
    units: tuple[str, ...]
    treated: Array
    counts: Array
    scores: Array
    baseline: Array
    exposure: Array
    slope_prior: tuple[float, float]
    kappa: float
    unit_scale: float
    unit_time_scale: float
    unit: float
    unit_time: float
    after: Array

    @property
    def n(self) -> Array:
        """People (G, S)."""
        return np.asarray(self.counts.sum(axis=-1))

    @property
    def size(self) -> Array:
        """As cells of other families have it: people (G, S)."""
        return self.n

    @property
    def cuts(self) -> int:
        """Cut-points in use."""
        return int(self.counts.shape[-1]) - 1

    @property
    def steps(self) -> tuple[Array, Array]:
        """`x` of `n` (G, S, cuts): of each cut-point the people just above among those just above or just below."""
        return steps_of(self.counts)

    @property
    def has_slope(self) -> bool:
        """Whether any unit's baseline tells a slope."""
        return bool(self.baseline.any())

    @property
    def with_intervention(self) -> NDArray[np.bool_]:
        """Which cells had the intervention (G, S)."""
        return np.asarray((self.treated[:, None] * self.after if self.after.any() else self.exposure) > 0)

    @property
    def bounded(self) -> bool:
        """Whether the data bound a flat effect (and slope): no direction may separate the categories."""
        columns = [self.kappa * self.exposure]
        if self.has_slope and self.slope_prior[1] == 0:
            columns.append(self.baseline)
        cells = self.counts.reshape(-1, self.counts.shape[-1])
        return bounded(cells, np.stack(columns, axis=-1).reshape(len(cells), -1))

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model; location, factor and quadrature come from the exact engine."""
        x, n = self.steps
        named = {name: getattr(self, name) for name in ("baseline", "exposure")}
        return {
            **named,
            "x": x,
            "n": n,
            "slope_prior": np.array(self.slope_prior if self.has_slope else (0.0, 1.0)),
            "kappa": np.array(self.kappa),
            "scales": np.array([self.unit_scale, self.unit_time_scale]),
            "multiples": np.array([self.unit, self.unit_time]),
        }


@dataclass(frozen=True, slots=True, eq=False)
class PairedOrdinal:
    """The same people before and after: `table` (C, C) counts before × after, categories lowest first.

    `once` (2, C) are people seen in one wave only, before and after. `kappa` and `scores` as in `UnitOrdinal`.
    """

    structure: ClassVar[str] = "paired_ordinal"
    table: Array
    once: Array
    scores: Array
    kappa: float

    @property
    def counts(self) -> Array:
        """People by wave and category (2, C), everyone."""
        return np.stack([self.table.sum(axis=1), self.table.sum(axis=0)]) + self.once

    @property
    def cuts(self) -> int:
        """Cut-points in use."""
        return len(self.table) - 1

    @property
    def bounded(self) -> bool:
        """Whether the data bound a flat effect: the waves overlap."""
        return bounded(self.counts, np.array([[-0.5], [0.5]]))

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model; location and factor come from the exact engine."""
        return {"table": self.table, "once": self.once, "kappa": np.array(self.kappa)}


def steps_of(counts: Array) -> tuple[Array, Array]:
    """Of each cut-point the people just above it, and those just above or just below: (…, C) to (…, C − 1) twice.

    P(Y = c) = σ(τ_c − η) σ(η − τ_{c−1}) (1 − e^{τ_{c−1} − τ_c}): but for a factor without η, the likelihood of
    categories is that of binomial counts at each cut-point.
    """
    return counts[..., 1:], counts[..., 1:] + counts[..., :-1]


def bounded(cells: Array, columns: Array) -> bool:
    """Whether cut-points and coefficients of `columns` (N, P) have finite likeliest values, given `cells` (N, C).

    Linear programmes: is there a way to move coefficients and cut-points that makes no observed category less likely
    (Albert and Anderson 1984)? Cut-points alone may move, they have a prior.
    """
    cuts, free = cells.shape[1] - 1, columns.shape[1]
    asked = []
    for cell, row in zip(cells, columns, strict=True):
        for c in np.flatnonzero(cell):
            for cut, sign in ((c, 1.0), (c - 1, -1.0)):  # at most the cut-point above, at least that below
                if 0 <= cut < cuts:
                    asked.append(sign * np.concatenate([np.eye(cuts)[cut], -row]))
    ordered = np.eye(cuts)[1:] - np.eye(cuts)[:-1]
    rows = np.concatenate([np.array(asked), np.pad(ordered, ((0, 0), (0, free)))])
    for place in range(cuts, cuts + free):
        for sign in (1.0, -1.0):
            aim = sign * np.eye(cuts + free)[place]
            found = linprog(-aim, A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1))
            if found.status != 0 or -found.fun > SEPARATED:
                return False
    return True


OrdinalInputs = UnitOrdinal | PairedOrdinal
