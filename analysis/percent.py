"""An effect on a log scale as a change in per cent: any posterior of δ turned by a monotone function. No model here."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.posterior import Posterior

Array = NDArray[np.float64]
STEPS, REACH = 600, 8.0
"""Cells between which probability is counted for mean and SD, and how many SDs of δ they reach."""


@dataclass(frozen=True, eq=False)
class PercentChange:
    """100 (e^(`per_sd` δ) − 1) of a posterior of δ; `per_sd` is signed."""

    of: Posterior
    per_sd: float

    @cached_property
    def _cells(self) -> tuple[Array, Array]:
        """Changes in the middle of even cells of δ, and the probability of each cell."""
        edges = np.linspace(self.of.mean - REACH * self.of.sd, self.of.mean + REACH * self.of.sd, STEPS + 1)
        mass = np.maximum(-np.diff([self.of.above(float(x)) for x in edges]), 0.0)
        return self._percent((edges[1:] + edges[:-1]) / 2), mass / mass.sum()

    def _percent(self, delta: Array) -> Array:
        return np.asarray(100 * np.expm1(self.per_sd * delta))

    @cached_property
    def mean(self) -> float:
        """Posterior mean, per cent."""
        values, mass = self._cells
        return float(mass @ values)

    @cached_property
    def sd(self) -> float:
        """Posterior SD, per cent."""
        values, mass = self._cells
        return float(np.sqrt(mass @ (values - self.mean) ** 2))

    def above(self, threshold: float) -> float:
        """P(change > threshold)."""
        if threshold <= -100:  # noqa: PLR2004 - nothing falls by more than all of it
            return 1.0
        delta = float(np.log1p(threshold / 100)) / self.per_sd
        return self.of.above(delta) if self.per_sd > 0 else 1 - self.of.above(delta)

    def quantile(self, p: float) -> float:
        """The change below which it lies with probability p."""
        return float(self._percent(np.array(self.of.quantile(p if self.per_sd > 0 else 1 - p))))
