"""Whether a benchmark can be, whom it fits, and which of several is taken; pure."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

ROUNDED = 1.01
"""How far beyond the largest possible SD a published one may lie: it was rounded."""

ROUNDING = 1e-9

Fault = tuple[str, str, str]


class Fit(StrEnum):
    """By what a benchmark is a group's own, the most specific first."""

    BOTH = "specialty_and_occupation"
    SPECIALTY = "specialty"
    OCCUPATION = "occupation"
    EVERYBODY = "everybody"


@dataclass(frozen=True)
class Group:
    """A group of people: None says nothing of a specialty or an occupation."""

    specialty: str | None
    occupation: str | None


@dataclass(frozen=True)
class Period:
    """Days, both ends included."""

    starts_on: date
    ends_on: date

    def overlaps(self, other: "Period") -> bool:
        """Whether the two share a day."""
        return self.starts_on <= other.ends_on and other.starts_on <= self.ends_on

    def overlap(self, other: "Period") -> int:
        """How many days the two share."""
        return max(0, (min(self.ends_on, other.ends_on) - max(self.starts_on, other.starts_on)).days + 1)


@dataclass(frozen=True)
class Candidate:
    """What the choice of a benchmark looks at; `own`: of the organization itself, not shared."""

    id: str
    group: Group
    period: Period
    n: int
    own: bool


def same_words(one: str | None, other: str | None) -> bool:
    """Whether two names of a specialty or an occupation are the same, whatever their case and blanks."""
    return _plain(one) == _plain(other)


def _plain(words: str | None) -> str | None:
    return None if words is None else " ".join(words.split()).casefold()


def fit_of(benchmark: Group, unit: Group) -> Fit | None:
    """By what the benchmark of a group is one for a unit; None where it is of others."""
    for own, of_unit in ((benchmark.specialty, unit.specialty), (benchmark.occupation, unit.occupation)):
        if own is not None and not same_words(own, of_unit):
            return None
    if benchmark.specialty is not None:
        return Fit.BOTH if benchmark.occupation is not None else Fit.SPECIALTY
    return Fit.OCCUPATION if benchmark.occupation is not None else Fit.EVERYBODY


def chosen(candidates: Iterable[Candidate], unit: Group, days: Period) -> tuple[Candidate, Fit] | None:
    """The most specific contemporaneous benchmark for a unit; None where there is none.

    Of equally specific ones the organization's own goes first, then the longest overlap with the days, the later
    period, the larger n.
    """
    order = list(Fit)
    fitting = [
        (candidate, fit)
        for candidate in candidates
        if (fit := fit_of(candidate.group, unit)) is not None and candidate.period.overlaps(days)
    ]
    return min(
        fitting,
        key=lambda pair: (
            order.index(pair[1]),
            not pair[0].own,
            -pair[0].period.overlap(days),
            -pair[0].period.ends_on.toordinal(),
            -pair[0].n,
            pair[0].id,
        ),
        default=None,
    )


def number_faults(low: float | None, high: float | None, mean: float, sd: float, n: int) -> Iterator[Fault]:
    """Faults of the numbers against the scale of the measure: each with its field."""
    if (low is not None and mean < low) or (high is not None and mean > high):
        yield "mean", f"a mean of {mean:g} is off the scale, {_scale(low, high)}", "off_scale"
    elif low is not None and high is not None:
        largest = math.sqrt((mean - low) * (high - mean) * n / (n - 1))
        if sd > largest * ROUNDED + ROUNDING:
            yield (
                "sd",
                (
                    f"an SD of {sd:g} cannot be with a mean of {mean:g} on the scale {_scale(low, high)}; at most "
                    f"{largest:.3g}. A standard error is no SD"
                ),
                "impossible_sd",
            )


def _scale(low: float | None, high: float | None) -> str:
    return f"{'−∞' if low is None else f'{low:g}'} to {'∞' if high is None else f'{high:g}'}"


def group_words(group: Group) -> str:
    """A group as part of a sentence."""
    named = [words for words in (group.specialty, group.occupation) if words is not None]
    return ", ".join(named) or "all specialties and occupations"
