"""Whether records vary more than chance lets counts or shares vary: Pearson's χ², and what is said of it.

Knows no model; a design hands in what each record shows and what its group expects of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from analysis.designs.count_inputs import UnitCounts
from analysis.designs.inputs import Inputs
from analysis.designs.prepared import Alternative, Note, Prepared
from analysis.designs.share_inputs import Shares

Array = NDArray[np.float64]
CERTAIN = 0.01
"""p below which records are said to vary more than chance lets them."""
TOLD = 2
"""Records a group from which on they show how they vary."""


@dataclass(frozen=True, slots=True)
class Group:
    """Records that would differ by chance alone: χ² about what they have in common, and its degrees of freedom."""

    squares: float
    free: int
    records: int


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Pearson's χ² of all groups. `ratio` is the variance in multiples of what chance gives."""

    squares: float
    free: int
    records: int

    @classmethod
    def of(cls, groups: Iterable[Group]) -> "Dispersion":
        """Groups added up; those of one record, or without any event, tell nothing."""
        told = [g for g in groups if g.free > 0]
        return cls(sum(g.squares for g in told), sum(g.free for g in told), sum(g.records for g in told))

    @property
    def known(self) -> bool:
        """Whether any group has records to compare."""
        return self.free > 0

    @property
    def ratio(self) -> float:
        """1 where records vary as chance alone has them."""
        return self.squares / self.free if self.known else 1.0

    @property
    def p(self) -> float:
        """Probability of as large a χ² by chance."""
        return float(chi2.sf(self.squares, self.free)) if self.known else 1.0

    def as_dict(self) -> dict[str, Any]:
        """As an answer shows it; null where nothing was told."""
        if not self.known:
            return {"ratio": None, "p": None, "records": self.records}
        return {"ratio": self.ratio, "p": self.p, "records": self.records}


def poisson_group(events: Array, exposure: Array, records: Array) -> Group:
    """Records of one rate; `records` says how many are alike. Without any event there is nothing to compare."""
    count = int(records.sum())
    if events @ records == 0 or count < TOLD:
        return Group(0.0, 0, count)
    expected = exposure * (events @ records) / (exposure @ records)
    return Group(float(records @ ((events - expected) ** 2 / expected)), count - 1, count)


def binomial_group(x: Array, n: Array) -> Group:
    """Records of one share."""
    p = x.sum() / n.sum()
    if p in (0.0, 1.0) or len(x) < TOLD:
        return Group(0.0, 0, len(x))
    return Group(float(((x - n * p) ** 2 / (n * p * (1 - p))).sum()), len(x) - 1, len(x))


def judged(prepared: Prepared, found: Dispersion, simple: str, general: str) -> Prepared:
    """The measure with what was found of its records: as they vary, or that nobody can tell.

    The model of record is the `general` one; the `simple` one (Poisson, binomial) has no overdispersion.
    """
    plain = _without_dispersion(prepared.inputs)
    name = prepared.measure.measure
    beside = {**prepared.beside, "dispersion": found.as_dict()}
    if not found.known:
        what = "counts" if simple == "Poisson" else "shares"
        message = (
            f"There is one record an arm and wave, or none with an event: whether {what} vary more than {simple} ones "
            "cannot be checked, and the interval may be too narrow. Enter the records of single people or units."
        )
        cap = f"{what} of one total an arm: whether they vary more than {simple} {what} cannot be checked"
        return replace(
            prepared,
            inputs=plain,
            beside=beside,
            warnings=(*prepared.warnings, Note("dispersion_unknown", message, name)),
            cap="; ".join(reason for reason in (prepared.cap, cap) if reason),
        )
    if found.p >= CERTAIN:
        return replace(prepared, beside=beside)
    message = (
        f"Records of one arm and wave vary {found.ratio:.2g} times as much as {simple} ones would (p = {found.p:.2g}); "
        f"the {general} model allows for it. The {simple} result stands beside; its interval is too narrow."
    )
    why = f"if records varied by chance alone; they vary {found.ratio:.2g} times as much"
    return replace(
        prepared,
        beside=beside,
        warnings=(*prepared.warnings, Note("overdispersed", message, name)),
        alternatives=(*prepared.alternatives, Alternative(simple, why, plain)),
    )


def _without_dispersion(inputs: Inputs) -> Inputs:
    return replace(inputs, dispersed=0.0) if isinstance(inputs, UnitCounts | Shares) else inputs
