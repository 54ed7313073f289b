"""Inputs of the model of counts: records of events over an exposure by cell, the same for NUTS and the exact engine.

Values only; the model is in `models/unit_counts.py`, its exact twin in `unit_counts.py`.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis.designs.binary_inputs import UnitProportions
from analysis.designs.cell_inputs import UnitCells

Array = NDArray[np.float64]
KAPPA_LOG = 0.70
"""SD of log values between people as it usually is: log units a SD unit (docs/methods.md §2)."""
LEAST = 1e-3
"""Least 1/√φ: a variance μ (1 + 10⁻⁶ μ), and φ small enough for differences of log gamma functions."""
POISSON = 1e6
"""φ in mean events of the largest record where counts are taken as Poisson: their variance is within 10⁻⁶ of that."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class UnitCounts(UnitCells):
    """Records of events in G units × S slots, negative binomial: mean expected · e^predictor, `kappa` in logs.

    A cell holds `records` (G, S) of one exposure each, `events` (G, S) in all, `squares` (G, S) the sum of
    their squares. `expected` (G, S) is what each record
    would have at the rate of everybody pooled, `rate` in events per unit of exposure: the intercepts are about it, and
    the unit of exposure is nowhere else. `kinds` (K, 2) lists the different counts and how many records have them.
    `dispersed` is 0 where records are taken as Poisson.
    """

    structure: ClassVar[str] = "unit_counts"
    spreads: ClassVar[int] = 3
    events: Array
    squares: Array
    records: Array
    expected: Array
    kinds: Array
    rate: float
    dispersed: float

    @property
    def size(self) -> Array:
        """Records of each cell (G, S)."""
        return self.records

    @property
    def poisson(self) -> float:
        """φ that makes these counts as good as Poisson."""
        return POISSON * max(1.0, float(self.kinds[:, 0].max()))

    @property
    def bounded(self) -> bool:
        """Whether flat intercepts and a flat effect leave a posterior; counts have no upper end, only 0 is one."""
        return self.overlapping(self.events > 0, self.records > 0)

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model; location, factor and quadrature come from the exact engine."""
        named = {name: getattr(self, name) for name in ("events", "records", "kinds")}
        # An empty cell has no exposure; any will do.
        log_expected = np.log(np.where(self.records > 0, self.expected, 1.0))
        return {
            **named,
            "log_expected": log_expected,
            "dispersed": np.array(self.dispersed),
            "poisson": np.array(self.poisson),
            **self.shared_data(),
        }


CellInputs = UnitProportions | UnitCounts
