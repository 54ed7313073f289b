"""Inputs of the binary models with units and with linked waves: counts by cell, the same for NUTS and the exact engine.

Values only; the models are in `models/`, their integrals in `unit_proportions.py` and `paired_proportions.py`.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

Array = NDArray[np.float64]
KAPPA_LOGIT = math.pi / math.sqrt(3)
"""SD of the standard logistic distribution: logits a SD unit."""
SEPARATED = 1e-9
"""What a linear programme may find above 0 by rounding."""
COEFFICIENTS = 5
"""Nuisance coefficients of the linear predictor: intercepts, time effects, slope; unused ones have empty columns."""


@dataclass(frozen=True, slots=True, eq=False)
class UnitProportions:
    """`x` of `n` people in G units × S slots (arms of a unit, or waves); n = 0 where a slot is empty.

    logit p = columns · coefficients + kappa Δ exposure + |kappa| (u + v): u ~ N(0, unit SD) of the unit, v ~ N(0, unit
    × time SD) of the slot, in SD units. `columns` (G, S, 5); `exposure` (G, S) adds up to one Δ over the comparison and
    has either sign, so that priors lean to neither side; `prior` (5, 2) holds mean and precision (0: flat) of the
    coefficients, `intercepts` (5,) marks with 1 those that a run may set flat. `unit` and `unit_time` are 0 where there
    is no such effect. `treated` (G,) marks the units of the treated arm; `after` (S,) the slots at follow-up, where
    slots are waves (1), else 0.
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

    @property
    def with_intervention(self) -> NDArray[np.bool_]:
        """Which cells had the intervention (G, S)."""
        return np.asarray((self.treated[:, None] * self.after if self.after.any() else self.exposure) > 0)

    @property
    def bounded(self) -> bool:
        """Whether flat intercepts and a flat effect leave a posterior: no direction may separate events from the rest.

        A linear programme: is there a combination of the flat columns that is nowhere negative where there is an
        event, nowhere positive where there is none, and not 0 everywhere (Albert and Anderson 1984)?
        """
        flat = self.used & ((self.intercepts == 1) | (self.prior[:, 1] == 0))
        design = np.concatenate([self.columns[..., flat], self.kappa * self.exposure[..., None]], axis=-1)
        rows = design.reshape(self.x.size, -1)
        if np.linalg.matrix_rank(rows[(self.n > 0).ravel()]) < rows.shape[1]:
            return False
        asked = np.concatenate([rows[(self.x > 0).ravel()], -rows[(self.x < self.n).ravel()]])
        found = linprog(-asked.sum(axis=0), A_ub=-asked, b_ub=np.zeros(len(asked)), bounds=(-1, 1))
        return bool(found.status == 0 and -found.fun < SEPARATED)

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

    @property
    def bounded(self) -> bool:
        """Whether a flat effect leaves a posterior: not where a wave has no event or nothing else."""
        return bool(((self.x > 0) & (self.x < self.n)).all())

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model; location and factor come from the exact engine."""
        named = {name: getattr(self, name) for name in ("table", "once_x", "once_n")}
        return {**named, "kappa": np.array(self.kappa)}


BinaryInputs = UnitProportions | PairedProportions
