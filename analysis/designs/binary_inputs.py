"""Inputs of the binary models with units and with linked waves: counts by cell, the same for NUTS and the exact engine.

Values only; the models are in `models/`, their integrals in `unit_proportions.py` and `paired_proportions.py`.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
COEFFICIENTS = 5
"""Nuisance coefficients of the linear predictor: intercepts, time effects, slope; unused ones have empty columns."""


@dataclass(frozen=True, slots=True, eq=False)
class UnitProportions:
    """`x` of `n` people in G units × S slots (arms of a unit, or waves); n = 0 where a slot is empty.

    logit p = columns · coefficients + kappa Δ exposure + |kappa| (u + v): u ~ N(0, unit SD) of the unit, v ~ N(0, unit
    × time SD) of the slot, in SD units. `columns` (G, S, 5), `exposure` (G, S); `prior` (5, 2) holds mean and precision
    (0: flat) of the coefficients, `intercepts` (5,) marks with 1 those that a run may set flat. `unit` and `unit_time`
    are 0 where there is no such effect. `treated` (G,) marks the units of the treated arm; `after` (S,) the slots at
    follow-up, where slots are waves (1), else 0.
    """

    structure: ClassVar[str] = "unit_proportions"
    units: tuple[str, ...]
    treated: Array
    x: Array
    n: Array
    columns: Array
    exposure: Array
    prior: Array
    intercepts: Array
    kappa: float
    unit_scale: float
    unit_time_scale: float
    unit: float
    unit_time: float
    after: Array

    @property
    def used(self) -> Array:
        """Which coefficients any cell has (5,)."""
        return np.asarray((self.columns != 0).any(axis=(0, 1)))

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model; location, factor and quadrature come from the exact engine."""
        named = {name: getattr(self, name) for name in ("x", "n", "columns", "exposure", "intercepts")}
        return {
            **named,
            "coefficient_prior": self.prior,
            "kappa": np.array(self.kappa),
            "scales": np.array([self.unit_scale, self.unit_time_scale]),
            "multiples": np.array([self.unit, self.unit_time]),
        }


@dataclass(frozen=True, slots=True, eq=False)
class PairedProportions:
    """The same people before and after: `table` (2, 2) counts [no, yes] before × [no, yes] after.

    `once_x`, `once_n` (2,) count people seen in one wave only, before and after. `kappa` as in `TwoProportions`.
    """

    structure: ClassVar[str] = "paired_proportions"
    table: Array
    once_x: Array
    once_n: Array
    kappa: float

    @property
    def x(self) -> Array:
        """Events before and after (2,), everyone."""
        return np.array([self.table[1].sum(), self.table[:, 1].sum()]) + self.once_x

    @property
    def n(self) -> Array:
        """People before and after (2,), everyone."""
        return self.table.sum() + self.once_n

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model; location and factor come from the exact engine."""
        named = {name: getattr(self, name) for name in ("table", "once_x", "once_n")}
        return {**named, "kappa": np.array(self.kappa)}


BinaryInputs = UnitProportions | PairedProportions
