"""Yes and no by unit, arm and wave, and what all binary designs say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cells import Sums, log_odds
from analysis.designs.arms import small_arms, wrong_shape
from analysis.designs.binary_inputs import KAPPA_LOGIT, UnitProportions
from analysis.designs.cell_families import Answers, CellFamily, Counts, shared_parts
from analysis.designs.prepared import Note, Question
from analysis.designs.seen import seen
from analysis.errors import Refused
from analysis.rows import counts_of

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Count:
    """`x` of `n` people; adds up."""

    x: int = 0
    n: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.x + other.x, self.n + other.n)

    @property
    def level(self) -> float:
        """Empirical logit: half an event and half a person without one are added, so that it is finite."""
        return float(np.log((self.x + 0.5) / (self.n - self.x + 0.5)))

    @property
    def told(self) -> tuple[float, float]:
        """Mean and variance of the logit under Beta(1, 1)."""
        return log_odds(self.x, self.n)

    def as_dict(self) -> dict[str, float]:
        """As an answer shows it; nobody has no share."""
        return {"x": self.x, "n": self.n, "share": self.x / self.n}


def counted(question: Question, waves: Sequence[str]) -> Counts[Count]:
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
    return Counts(found, [entry.unit for _, entry in kept], Count(), linked)


def units_of(question: Question, cells: Sequence[Sequence[Count]], columns: Array, **layout: Any) -> UnitProportions:
    """The model's inputs; `layout` as `cell_families.shared_parts` takes it.

    Raises `Refused` where a planned flat prior leaves no posterior.
    """
    inputs = UnitProportions(
        x=np.array([[c.x for c in row] for row in cells], dtype=np.float64),
        n=np.array([[c.n for c in row] for row in cells], dtype=np.float64),
        **shared_parts(question, columns, question.sign * KAPPA_LOGIT, **layout),
    )
    if question.plan.priors.effect == "flat" and not inputs.bounded:
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


def few_people[T: Answers](question: Question, counts: Mapping[str, T]) -> list[Note]:
    """A warning where an arm is so small that the priors decide."""
    return small_arms(question, {arm: Sums(c.n, 0.0, 0.0) for arm, c in counts.items()})


def spread_of(question: Question, counts: Counts[Count]) -> float:  # noqa: ARG001
    """Yes and no vary as binomial counts do."""
    return 1.0


def scale_of(question: Question) -> float:
    """Logits a SD unit, signed by the direction."""
    return question.sign * KAPPA_LOGIT


BINARY = CellFamily("binary answers", "shares", counted, units_of, no_contrast, few_people, scale_of, spread_of)
