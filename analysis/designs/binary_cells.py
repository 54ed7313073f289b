"""Counts of binary outcomes by unit, arm and wave, and what all binary designs say of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cells import Sums
from analysis.designs.arms import small_arms, wrong_shape
from analysis.designs.binary_inputs import COEFFICIENTS, KAPPA_LOGIT, UnitProportions
from analysis.designs.prepared import Note, Question
from analysis.designs.seen import seen
from analysis.errors import Refused
from analysis.rows import counts_of

Array = NDArray[np.float64]
INTERCEPT_PRECISION = 1.5**-2


@dataclass(frozen=True, slots=True)
class Count:
    """`x` of `n` people; adds up."""

    x: int = 0
    n: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.x + other.x, self.n + other.n)

    @property
    def logit(self) -> float:
        """Empirical logit: half an event and half a person without one are added, so that it is finite."""
        return float(np.log((self.x + 0.5) / (self.n - self.x + 0.5)))

    def as_dict(self) -> dict[str, float]:
        """As an answer shows it; nobody has no share."""
        return {"x": self.x, "n": self.n, "share": self.x / self.n}


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts by (arm, unit) and wave; the arm stands for the unit where none is named. `names` are those given."""

    by_unit: Mapping[tuple[str, str], Mapping[str, Count]]
    names: Sequence[str | None]
    linked: bool

    def total(self, arm: str, wave: str | None) -> Count:
        """Everyone of an arm in a wave."""
        return sum((w.get(str(wave), Count()) for (a, _), w in self.by_unit.items() if a == arm), Count())

    def units(self, wave: str) -> dict[str, set[str]]:
        """Units of each arm that have data in a wave."""
        found: dict[str, set[str]] = {}
        for (arm, unit), waves in self.by_unit.items():
            if wave in waves:
                found.setdefault(arm, set()).add(unit)
        return found


def counted(question: Question, waves: Sequence[str]) -> Counts:
    """All counts of these waves; `Refused` for rows that are not 0 or 1 or contradict each other."""
    data = question.data
    if data.rows is not None:
        rows = question.placed(data.rows)
        entries = counts_of(rows)
        seen(question, waves)  # refuses doubles and people who changed arms
    elif data.counts is not None:
        entries = data.counts
    else:
        raise wrong_shape(question, "rows (0 or 1) or counts")
    found: dict[tuple[str, str], dict[str, Count]] = {}
    kept = sorted(
        ((arm, entry) for arm, of_arm in question.by_arm(entries, waves).items() for entry in of_arm),
        key=lambda item: (item[0], item[1].unit or "", item[1].wave),
    )
    for arm, entry in kept:
        found.setdefault((arm, entry.unit or arm), {})[entry.wave] = Count(entry.x, entry.n)
    linked = any(row.participant is not None for row in data.rows or [])
    return Counts(found, [entry.unit for _, entry in kept], linked)


def empty(question: Question, arm: str, wave: str | None) -> Refused:
    """The refusal of an arm nobody answered for in a wave that is needed."""
    return Refused(
        "arm_empty",
        f"{question.measure.measure}: arm {arm!r} has no data at wave {wave!r}.",
        "Collect or enter the missing wave; without it there is nothing to compare with.",
    )


def units_of(
    question: Question,
    units: Sequence[str],
    treated: Array,
    cells: Sequence[Sequence[Count]],
    columns: Array,
    exposure: Array,
    *,
    unit: bool,
    unit_time: bool,
    after: Sequence[float],
    slope: tuple[int, float, float] | None = None,
) -> UnitProportions:
    """The model's inputs; `slope` is the column of a slope with mean and precision of its prior.

    Every other column in use has the prior N(0, 1.5), which a run may set flat. Raises `Refused` where a planned flat
    prior leaves no posterior.
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
    inputs = UnitProportions(
        units=tuple(units),
        treated=treated,
        x=np.array([[c.x for c in row] for row in cells], dtype=np.float64),
        n=np.array([[c.n for c in row] for row in cells], dtype=np.float64),
        columns=wide,
        exposure=exposure,
        prior=prior,
        intercepts=intercepts,
        kappa=question.sign * KAPPA_LOGIT,
        unit_scale=priors.unit_sd.scale,
        unit_time_scale=priors.unit_time_sd.scale,
        unit=float(unit),
        unit_time=float(unit_time),
        after=np.array(after, dtype=np.float64),
    )
    if priors.effect == "flat" and not inputs.bounded:
        raise improper(question)
    return inputs


def improper(question: Question) -> Refused:
    """The refusal of a flat prior where the counts bound the effect on one side at most."""
    return Refused(
        "improper_posterior",
        f"{question.measure.measure}: an arm with no event or nothing but events and a flat prior on the effect "
        "leave its log odds without bound.",
        "Give the effect a proper prior, for example mean 0 and SD 0.5.",
    )


def no_contrast(question: Question, counts: Mapping[str, Count]) -> list[Note]:
    """A warning where everybody or nobody has the event in all that is compared."""
    whole = sum(counts.values(), Count())
    if whole.x not in (0, whole.n):
        return []
    listed = " against ".join(f"{c.x} of {c.n}" for c in counts.values())
    message = (
        f"Everybody or nobody has the event in all that is compared ({listed}): the data can hardly tell a difference, "
        "and what is shown comes from the priors."
    )
    return [Note("no_contrast", message, question.measure.measure)]


def few_people(question: Question, counts: Mapping[str, Count]) -> list[Note]:
    """A warning where an arm is so small that the priors decide."""
    return small_arms(question, {arm: Sums(c.n, 0.0, 0.0) for arm, c in counts.items()})


def unlinked_note(question: Question, counts: Counts) -> list[Note]:
    """A warning where rows name participants and the design takes the waves for different people."""
    if not counts.linked:
        return []
    message = (
        "The rows name participants; binary answers of two waves are taken as of different people here, which makes "
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
