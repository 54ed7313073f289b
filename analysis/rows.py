"""Rows of single people reduced to the same documents that a paper's summaries come in; no statistics beyond sums.

Rows and their own summaries take one path from here on, so they cannot disagree.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from analysis.documents import Cell, CountOf, Pair, Row
from analysis.errors import Refused

Group = tuple[str | None, str | None]
"""(unit, arm)."""


@dataclass(frozen=True, slots=True)
class Reduced:
    """Rows of a measure in two waves, reduced.

    Where anyone is linked, `pairs` holds the people seen in both waves and `lost` and `unseen` count per arm those
    seen only before or only after; `unlinked` counts rows without a participant. Else `cells` holds the waves.
    """

    pairs: list[Pair]
    cells: list[Cell]
    lost: dict[str | None, int]
    unseen: dict[str | None, int]
    unlinked: int


def reduce_rows(rows: Iterable[Row], baseline: str | None, followup: str) -> Reduced:
    """Pairs of the people seen in both waves, or cells when nobody is; other waves are left out.

    Raises `Refused` when a participant has two values in one wave or changes arm or unit.
    """
    before: dict[str, Row] = {}
    after: dict[str, Row] = {}
    loose: list[Row] = []
    kept = [row for row in rows if row.wave in (baseline, followup)]
    for row in kept:
        if row.participant is None:
            loose.append(row)
            continue
        wave = before if row.wave == baseline else after
        if row.participant in wave:
            raise Refused(
                "duplicate_rows",
                f"Participant {row.participant!r} has two values in wave {row.wave!r}.",
                "Keep one value a participant and wave.",
            )
        wave[row.participant] = row
    both = before.keys() & after.keys()
    if not both:
        return Reduced([], cells_of(kept), {}, {}, 0)
    groups: dict[Group, list[tuple[float, float]]] = defaultdict(list)
    for person in sorted(both):
        first, second = before[person], after[person]
        if (first.unit, first.arm) != (second.unit, second.arm):
            raise Refused(
                "participant_moved",
                f"Participant {person!r} is in another arm or unit at follow-up than at baseline.",
                "Analyse people in the arm they were assigned to, and give that arm and unit in both waves.",
            )
        groups[second.unit, second.arm].append((first.value, second.value))
    pairs = [_pair(unit, arm, values) for (unit, arm), values in sorted(groups.items(), key=_key)]
    lost: dict[str | None, int] = defaultdict(int)
    unseen: dict[str | None, int] = defaultdict(int)
    for person in before.keys() - both:
        lost[before[person].arm] += 1
    for person in after.keys() - both:
        unseen[after[person].arm] += 1
    return Reduced(pairs, [], dict(lost), dict(unseen), len(loose))


def cells_of(rows: Iterable[Row]) -> list[Cell]:
    """n, mean and SD (n − 1) of each unit, arm and wave."""
    groups: dict[tuple[str | None, str | None, str], list[float]] = defaultdict(list)
    for row in rows:
        groups[row.unit, row.arm, row.wave].append(row.value)
    cells = []
    for (unit, arm, wave), values in sorted(groups.items(), key=lambda g: (g[0][0] or "", g[0][1] or "", g[0][2])):
        mean = sum(values) / len(values)
        ss = sum((v - mean) ** 2 for v in values)
        sd = sqrt(ss / (len(values) - 1)) if len(values) > 1 else 0.0
        cells.append(Cell(unit=unit, arm=arm, wave=wave, n=len(values), mean=mean, sd=sd))
    return cells


def counts_of(rows: Iterable[Row]) -> list[CountOf]:
    """Ones among n of each unit, arm and wave; `Refused` for a value that is neither 0 nor 1."""
    groups: dict[tuple[str | None, str | None, str], list[float]] = defaultdict(list)
    for row in rows:
        if row.value not in (0, 1):
            raise Refused(
                "not_binary",
                f"A binary measure has a value of {row.value:g}; its rows are 0 or 1.",
                "Code the event as 1 and its absence as 0, or plan the measure in another family.",
            )
        groups[row.unit, row.arm, row.wave].append(row.value)
    return [
        CountOf(unit=unit, arm=arm, wave=wave, x=int(sum(values)), n=len(values))
        for (unit, arm, wave), values in sorted(groups.items(), key=lambda g: (g[0][0] or "", g[0][1] or "", g[0][2]))
    ]


def _key(item: tuple[Group, object]) -> tuple[str, str]:
    (unit, arm), _ = item
    return unit or "", arm or ""


def _pair(unit: str | None, arm: str | None, values: list[tuple[float, float]]) -> Pair:
    n = len(values)
    mean1, mean2 = (sum(v[i] for v in values) / n for i in (0, 1))
    s11 = sum((a - mean1) ** 2 for a, _ in values)
    s22 = sum((b - mean2) ** 2 for _, b in values)
    s12 = sum((a - mean1) * (b - mean2) for a, b in values)
    # With no spread in one of them a correlation does not exist; 0 says "no cross-product", null would say "unknown".
    r = max(-1.0, min(1.0, s12 / sqrt(s11 * s22))) if s11 > 0 and s22 > 0 else 0.0
    free = max(n - 1, 1)
    return Pair(unit=unit, arm=arm, n=n, mean=(mean1, mean2), sd=(sqrt(s11 / free), sqrt(s22 / free)), r=r)
