"""A monthly series cut where its definition changes, and the months it lacks; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from app.catalog.months import between, later

Version = tuple[str, str]
"""The first month of a definition and its name."""


@dataclass(frozen=True)
class Observed:
    """A point: `month` None where nobody said in which month t is 0; `definition` None where none is known."""

    t: float
    month: str | None
    value: float
    exposure: float | None
    definition: str | None


@dataclass(frozen=True)
class Segment:
    """Points in a row that were measured by one definition: only they are comparable with each other."""

    definition: str | None
    points: Sequence[Observed]


@dataclass(frozen=True)
class Interruption:
    """The first point measured by another definition than the one before it."""

    t: float
    month: str | None
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Gap:
    """Months in a row without a point, the first and the last of them."""

    first: float
    last: float


def in_force(versions: Sequence[Version], month: str | None) -> str | None:
    """The definition of a month: the newest that had begun; None before the first, or of an unknown month."""
    begun = [version for version in versions if month is not None and version[0] <= month]
    return max(begun)[1] if begun else None


def month_at(start: str | None, t: float) -> str | None:
    """The month of a time; None where the start is unknown, or t is no whole month."""
    return later(start, int(t)) if start is not None and t == int(t) else None


def segments(points: Sequence[Observed]) -> list[Segment]:
    """A series, ordered in time, in pieces of one definition each."""
    ordered = sorted(points, key=lambda point: point.t)
    return [Segment(definition, list(run)) for definition, run in groupby(ordered, key=lambda point: point.definition)]


def interruptions(pieces: Sequence[Segment]) -> list[Interruption]:
    """Where one definition follows another."""
    return [
        Interruption(piece.points[0].t, piece.points[0].month, before.definition, piece.definition)
        for before, piece in pairwise(pieces)
    ]


def changes_between(versions: Sequence[Version], first: str, last: str) -> list[Interruption]:
    """The definitions that began after the first month and not after the last; t counts from the first."""
    begun = sorted(version for version in versions if first < version[0] <= last)
    return [
        Interruption(float(between(first, month)), month, in_force([v for v in versions if v[0] < month], month), label)
        for month, label in begun
    ]


def gaps(points: Sequence[Observed]) -> Iterator[Gap]:
    """The months without a point between the first and the last; times that are no whole months have none."""
    times = sorted(point.t for point in points)
    for before, after in pairwise(times):
        if before == int(before) and after == int(after) and after - before > 1:
            yield Gap(before + 1, after - 1)
