"""Units × slots with a linear predictor and unit effects: what models of proportions and of counts have in common.

Values only; the integrals are in `unit_integral.py`, the posteriors in `unit_proportions.py`.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

Array = NDArray[np.float64]
Cells = NDArray[np.bool_]
SEPARATED = 1e-9
"""What a linear programme may find above 0 by rounding."""
COEFFICIENTS = 5
"""Nuisance coefficients of the linear predictor: intercepts, time effects, slope; unused ones have empty columns."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class UnitCells:
    """G units × S slots (arms of a unit, or waves) and the linear predictor of their cells.

    It is columns · coefficients + kappa Δ exposure + |kappa| (u + v): u ~ N(0, unit SD) of the unit, v ~ N(0, unit ×
    time SD) of the slot, in SD units. `columns` (G, S, 5); `exposure` (G, S) adds up to one Δ over the comparison and
    has either sign, so that priors lean to neither side; `prior` (5, 2) holds mean and precision (0: flat) of the
    coefficients, `intercepts` (5,) marks with 1 those that a run may set flat. `unit` and `unit_time` are 0 where there
    is no such effect. `treated` (G,) marks the units of the treated arm; `after` (S,) the slots at follow-up, where
    slots are waves (1), else 0.
    """

    spreads: ClassVar[int] = 2
    """Parameters of spread: the SDs of u and of v, and what a family has beyond them."""
    units: tuple[str, ...]
    treated: Array
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
    def size(self) -> Array:
        """How many answers a cell holds (G, S); 0: it is empty."""
        raise NotImplementedError

    @property
    def used(self) -> Array:
        """Which coefficients any cell has (5,)."""
        return np.asarray((self.columns != 0).any(axis=(0, 1)))

    @property
    def with_intervention(self) -> Cells:
        """Which cells had the intervention (G, S)."""
        return np.asarray((self.treated[:, None] * self.after if self.after.any() else self.exposure) > 0)

    def overlapping(self, raised: Cells, lowered: Cells) -> bool:
        """Whether flat intercepts and a flat effect leave a posterior: the cells (G, S) hold the predictor either way.

        A linear programme: is there a combination of the flat columns that is nowhere negative where events tell that
        the predictor is no lower (`raised`), nowhere positive where their absence tells that it is no higher
        (`lowered`), and not 0 everywhere (Albert and Anderson 1984)?
        """
        flat = self.used & ((self.intercepts == 1) | (self.prior[:, 1] == 0))
        design = np.concatenate([self.columns[..., flat], self.kappa * self.exposure[..., None]], axis=-1)
        rows = design.reshape(self.exposure.size, -1)
        if np.linalg.matrix_rank(rows[(self.size > 0).ravel()]) < rows.shape[1]:
            return False
        asked = np.concatenate([rows[raised.ravel()], -rows[lowered.ravel()]])
        found = linprog(-asked.sum(axis=0), A_ub=-asked, b_ub=np.zeros(len(asked)), bounds=(-1, 1))
        return bool(found.status == 0 and -found.fun < SEPARATED)

    def shared_data(self) -> dict[str, Array]:
        """Shared data of the PyMC models of such cells."""
        return {
            **{name: getattr(self, name) for name in ("columns", "exposure", "intercepts")},
            "coefficient_prior": self.prior,
            "kappa": np.array(self.kappa),
            "scales": np.array([self.unit_scale, self.unit_time_scale]),
            "multiples": np.array([self.unit, self.unit_time]),
        }
