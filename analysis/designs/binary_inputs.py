"""Inputs of the binary models with units and with linked waves: counts by cell, the same for NUTS and the exact engine.

Values only; the models are in `models/`, their integrals in `unit_proportions.py` and `paired_proportions.py`.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis.designs.cell_inputs import COEFFICIENTS, UnitCells

Array = NDArray[np.float64]
KAPPA_LOGIT = math.pi / math.sqrt(3)
"""SD of the standard logistic distribution: logits a SD unit."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class UnitProportions(UnitCells):
    """`x` of `n` people in each cell: logit p = linear predictor of `UnitCells`, `kappa` in logits."""

    structure: ClassVar[str] = "unit_proportions"
    x: Array
    n: Array

    @property
    def size(self) -> Array:
        """People in each cell (G, S)."""
        return self.n

    @property
    def bounded(self) -> bool:
        """Whether flat intercepts and a flat effect leave a posterior: nothing may separate events from the rest."""
        return self.overlapping(self.x > 0, self.x < self.n)

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model; location, factor and quadrature come from the exact engine."""
        return {"x": self.x, "n": self.n, **self.shared_data()}


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


__all__ = ["COEFFICIENTS", "KAPPA_LOGIT", "BinaryInputs", "PairedProportions", "UnitProportions"]

BinaryInputs = UnitProportions | PairedProportions
