"""What the designs of units × slots ask of a family (shares, counts of events), and what they make of any of them.

`binary_cells.py` and `count_cells.py` hold the families; the designs are in `cluster_binary.py` and `waves_binary.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from analysis.designs.cell_inputs import COEFFICIENTS
from analysis.designs.count_inputs import CellInputs
from analysis.designs.prepared import Note, Question
from analysis.errors import Refused

Array = NDArray[np.float64]
INTERCEPT_PRECISION = 1.5**-2


class Adding(Protocol):
    """What a cell holds; adds up."""

    @property
    def n(self) -> int:
        """People or records."""
        ...

    def __add__(self, other: Self) -> Self: ...


class Answers(Adding, Protocol):
    """What a cell holds where one number says how it lies; `level` is where the linear predictor seems to be.

    `told` are mean and variance of the predictor by this cell alone.
    """

    @property
    def level(self) -> float:
        """Empirical predictor: finite whatever the counts."""
        ...

    @property
    def told(self) -> tuple[float, float]:
        """Mean and variance of the predictor."""
        ...

    def as_dict(self) -> dict[str, float]:
        """As an answer shows it."""
        ...


@dataclass(frozen=True, slots=True)
class Counts[T: Adding]:
    """Answers by (arm, unit) and wave; the arm stands for the unit where none is named. `names` are those given.

    `nothing` is an empty cell; `linked` tells that rows name participants.
    """

    by_unit: Mapping[tuple[str, str], Mapping[str, T]]
    names: Sequence[str | None]
    nothing: T
    linked: bool

    def at(self, arm: str, unit: str, wave: str) -> T:
        """One cell, empty where nobody answered."""
        return self.by_unit.get((arm, unit), {}).get(wave, self.nothing)

    def total(self, arm: str, wave: str | None) -> T:
        """Everyone of an arm in a wave."""
        return sum((w.get(str(wave), self.nothing) for (a, _), w in self.by_unit.items() if a == arm), self.nothing)

    def units(self, wave: str) -> dict[str, set[str]]:
        """Units of each arm that have data in a wave."""
        found: dict[str, set[str]] = {}
        for (arm, unit), waves in self.by_unit.items():
            if wave in waves:
                found.setdefault(arm, set()).add(unit)
        return found


@dataclass(frozen=True, slots=True)
class CellFamily[T: Answers]:
    """A family as the designs see it: how it is called, read, modelled and spoken of.

    `inputs` takes the question, cells (G, S), columns (G, S, c) and the layout of `shared_parts`. `kappa` is what a SD
    unit is on the scale of the predictor, signed. `spread` is the variance in multiples of what chance alone gives.
    """

    answers: str
    levels: str
    counted: Callable[[Question, Sequence[str]], Counts[T]]
    inputs: Callable[..., CellInputs]
    no_contrast: Callable[[Question, Mapping[str, T]], list[Note]]
    few: Callable[[Question, Mapping[str, T]], list[Note]]
    kappa: Callable[[Question], float]
    spread: Callable[[Question, Counts[T]], float]
    raw_unit: str | None = None


def shared_parts(
    question: Question,
    columns: Array,
    kappa: float,
    *,
    units: Sequence[str],
    treated: Array,
    exposure: Array,
    unit: bool,
    unit_time: bool,
    after: Sequence[float],
    slope: tuple[int, float, float] | None = None,
) -> dict[str, Any]:
    """What is the same in any family's inputs; `slope` is the column of a slope with mean and precision of its prior.

    Every other column in use has the prior N(0, 1.5), which a run may set flat.
    """
    wide = np.concatenate([columns, np.zeros((*columns.shape[:2], COEFFICIENTS - columns.shape[2]))], axis=2)
    used = (wide != 0).any(axis=(0, 1))
    prior = np.array([[0.0, INTERCEPT_PRECISION if u else 1.0] for u in used])
    intercepts = used.astype(np.float64)
    if slope is not None:
        column, mean, precision = slope
        prior[column], intercepts[column] = (mean, precision), 0.0
        if not used[column]:
            prior[column] = (0.0, 1.0)
    priors = question.plan.priors
    return {
        "units": tuple(units),
        "treated": treated,
        "columns": wide,
        "exposure": exposure,
        "prior": prior,
        "intercepts": intercepts,
        "kappa": kappa,
        "unit_scale": priors.unit_sd.scale,
        "unit_time_scale": priors.unit_time_sd.scale,
        "unit": float(unit),
        "unit_time": float(unit_time),
        "after": np.array(after, dtype=np.float64),
    }


def empty(question: Question, arm: str, wave: str | None) -> Refused:
    """The refusal of an arm nobody answered for in a wave that is needed."""
    return Refused(
        "arm_empty",
        f"{question.measure.measure}: arm {arm!r} has no data at wave {wave!r}.",
        "Collect or enter the missing wave; without it there is nothing to compare with.",
    )


def unlinked_note[T: Adding](question: Question, answers: str, counts: Counts[T]) -> list[Note]:
    """A warning where rows name participants and the design takes the waves for different people."""
    if not counts.linked:
        return []
    message = (
        f"The rows name participants; {answers} of two waves are taken as of different people here, which makes "
        "the interval too wide rather than too narrow."
    )
    return [Note("participants_unused", message, question.measure.measure)]


def dropped_note(question: Question, what: str) -> list[Note]:
    """The warning where unit × time cannot be told from the effect."""
    message = (
        f"{what}, so what happened there over time cannot be told from the effect: the unit × time term is dropped "
        "and the interval is too narrow for it; the grade carries it."
    )
    return [Note("unit_time_dropped", message, question.measure.measure)]
