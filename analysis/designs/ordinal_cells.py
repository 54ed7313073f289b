"""People by ordered category, unit, arm and wave, and what all ordinal designs say of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cells import Sums
from analysis.designs.arms import small_arms, wrong_shape
from analysis.designs.cell_families import Counts
from analysis.designs.prepared import Note, Question
from analysis.designs.seen import seen
from analysis.errors import Refused
from analysis.scores import categories_of, scores_of_categories, scores_of_rows

Array = NDArray[np.float64]
ANSWERS, RAW_UNIT = "ordinal answers", "mean score"


@dataclass(frozen=True, slots=True)
class Tally:
    """People in each category, lowest first, and the scores of the categories; adds up."""

    counts: tuple[int, ...]
    scores: tuple[float, ...]

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)), self.scores)

    @property
    def n(self) -> int:
        """Everyone."""
        return sum(self.counts)

    @property
    def sums(self) -> Sums:
        """The scores as values."""
        if not self.n:
            return Sums(0, 0.0, 0.0)
        counts, scores = np.array(self.counts), np.array(self.scores)
        mean = float(counts @ scores) / self.n
        return Sums(self.n, mean, float(counts @ (scores - mean) ** 2))

    def as_dict(self) -> dict[str, object]:
        """As an answer shows it."""
        shares = [count / self.n for count in self.counts]
        return {"n": self.n, "counts": list(self.counts), "shares": shares, "mean": self.sums.mean}


@dataclass(frozen=True, slots=True)
class Tallies(Counts[Tally]):
    """Tallies by (arm, unit) and wave; `notes` are what is said of the categories."""

    notes: tuple[Note, ...] = ()

    @property
    def scores(self) -> tuple[float, ...]:
        """The values of the categories."""
        return self.nothing.scores


def tallied(question: Question, waves: Sequence[str]) -> Tallies:
    """All people of these waves by category.

    `Refused` for rows that are not whole or contradict each other, and for lists of different lengths.
    """
    data = question.data
    notes: list[Note] = []
    if data.rows is not None:
        rows = question.placed(data.rows)
        scores = scores_of_rows(question.measure, rows)
        entries = categories_of(rows, scores)
        seen(question, waves)  # refuses doubles and people who changed arms
    elif data.categories is not None:
        entries = data.categories
        scores, fits = scores_of_categories(question.measure, entries)
        notes = [] if fits else scores_by_rank(question, len(scores))
    else:
        raise wrong_shape(question, "rows of whole values or categories")
    found: dict[tuple[str, str], dict[str, Tally]] = {}
    kept = sorted(
        ((arm, entry) for arm, of_arm in question.by_arm(entries, waves).items() for entry in of_arm),
        key=lambda item: (item[0], item[1].unit or "", item[1].wave),
    )
    for arm, entry in kept:
        if sum(entry.counts):
            found.setdefault((arm, entry.unit or arm), {})[entry.wave] = Tally(tuple(entry.counts), scores)
    linked = any(row.participant is not None for row in data.rows or [])
    names = [entry.unit for _, entry in kept if sum(entry.counts)]
    return Tallies(found, names, Tally((0,) * len(scores), scores), linked, tuple(notes))


# --- what is said of them -----------------------------------------------------------------------------------------


def scores_by_rank(question: Question, count: int) -> list[Note]:
    """The warning where the plan's scale does not say what the categories are worth."""
    message = (
        f"The plan gives no scale of {count} whole numbers: in the effect on means categories count as 1 to {count}."
    )
    return [Note("scores_by_rank", message, question.measure.measure)]


def no_contrast(question: Question, tallies: Mapping[str, Tally]) -> list[Note]:
    """A warning where everyone is in one category in all that is compared."""
    seen_in = {c for tally in tallies.values() for c, count in enumerate(tally.counts) if count}
    if len(seen_in) > 1:
        return []
    message = (
        "Everyone is in the same category in all that is compared: the data can hardly tell a difference, and what "
        "is shown comes from the priors."
    )
    return [Note("no_contrast", message, question.measure.measure)]


def few_people(question: Question, tallies: Mapping[str, Tally]) -> list[Note]:
    """A warning where an arm is so small that the priors decide."""
    return small_arms(question, {arm: tally.sums for arm, tally in tallies.items()})


def separated(question: Question) -> Refused:
    """The refusal of a flat prior where no finite effect is the likeliest."""
    return Refused(
        "improper_posterior",
        f"{question.measure.measure}: what is compared does not overlap in its categories, and a flat prior leaves the "
        "effect without bound.",
        "Give the effect (and the slope) a proper prior, for example mean 0 and SD 0.5.",
    )
