"""Inputs of the model of shares: x of n trials of each record, the same for NUTS and the exact engine. Values only."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """`x` of `n` trials in each record (R,), beta-binomial: logit of the mean share = η + kappa Δ `side`.

    `side` (R,) is −½ in the control arm and ½ in the treated one. `records` (R,) says how many records are of this
    kind. `dispersed` is 0 where the records are taken as binomial. `kappa` as in `TwoProportions`.
    """

    structure: ClassVar[str] = "share"
    x: Array
    n: Array
    side: Array
    records: Array
    kappa: float
    dispersed: float

    @property
    def bounded(self) -> bool:
        """Whether a flat effect leaves a posterior: not where an arm has no event or nothing else."""
        arms = (self.side < 0, self.side > 0)
        return all(0 < self.x[arm].sum() < self.n[arm].sum() for arm in arms)

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model; location and factor come from the exact engine."""
        named = {name: getattr(self, name) for name in ("x", "n", "side", "records")}
        return {**named, "kappa": np.array(self.kappa), "dispersed": np.array(self.dispersed)}
