"""People by unit, arm and the waves they answered: every shape of normal data reduced to one form. Sums only.

Rows are linked by their participant and never by their order; pairs are two linked waves; cells are people of one wave.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.cells import Sums, paired_sums_of, rounded, sums_of
from analysis.designs.prepared import Question
from analysis.documents import Cell, Change, Pair, Row
from analysis.errors import Refused

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """People of one unit and arm who answered the same `waves` (positions): n, means and squares about them (k, k).

    `known` is False where the products of two waves were not reported.
    """

    unit: str | None
    arm: str
    waves: tuple[int, ...]
    n: int
    mean: Array
    squares: Array
    known: bool = True

    def at(self, wave: int) -> Sums:
        """One wave alone."""
        i = self.waves.index(wave)
        return Sums(self.n, float(self.mean[i]), float(self.squares[i, i]))

    def standardised(self, centre: float, scale: float) -> "Seen":
        """The sums of (y − centre) / scale; a negative scale turns the direction."""
        mean = np.array([rounded((m - centre) / scale) for m in self.mean])
        squares = np.array([[rounded(s / scale**2) for s in row] for row in self.squares])
        return replace(self, mean=mean, squares=squares)

    def __add__(self, other: "Seen") -> "Seen":
        n = self.n + other.n
        gap = other.mean - self.mean
        squares = self.squares + other.squares + np.outer(gap, gap) * self.n * other.n / n
        mean = self.mean + gap * other.n / n
        return Seen(self.unit, self.arm, self.waves, n, mean, squares, self.known and other.known)


def seen(question: Question, waves: Sequence[str], *, linked: bool = True) -> list[Seen]:
    """All people of these waves, by unit, arm and pattern, in a fixed order.

    With `linked` False rows of one participant count as different people. Raises `Refused` for what contradicts itself.
    """
    data = question.data
    if data.rows is not None:
        found = _of_rows(question, data.rows, list(waves), linked=linked)
    elif data.pairs is not None:
        found = [_of_pair(question, pair) for items in question.by_arm(data.pairs).values() for pair in items]
    else:
        cells = question.by_arm(data.cells or [], waves)
        found = [_of_cell(question, c, list(waves).index(c.wave)) for items in cells.values() for c in items]
    refuse_partly_named(question, [entry.unit for entry in found])
    return added_up(found)


def refuse_partly_named(question: Question, units: Sequence[str | None]) -> None:
    """Refuse entries of which some name a unit and some none: those would be taken for a unit of their own."""
    unnamed = sum(unit is None for unit in units)
    if 0 < unnamed < len(units):
        raise Refused(
            "unit_missing",
            f"{question.measure.measure}: {unnamed} of {len(units)} entries name no unit and the others do.",
            "Name the unit of every entry, or of none.",
        )


def changes_seen(question: Question, changes: list[Change]) -> list[Seen]:
    """Changes as people of a single wave, the difference."""
    arms = question.by_arm(changes)
    found = []
    for arm, items in arms.items():
        for change in items:
            sums = sums_of(change)
            found.append(Seen(change.unit, arm, (0,), sums.n, np.array([sums.mean]), np.array([[sums.ss]])))
    refuse_partly_named(question, [entry.unit for entry in found])
    return added_up(found)


def added_up(found: Iterable[Seen], *, over_units: bool = False) -> list[Seen]:
    """One entry a unit, arm and pattern (or arm and pattern alone), sorted."""
    groups: dict[tuple[str, str, tuple[int, ...]], Seen] = {}
    for entry in found:
        item = replace(entry, unit=None) if over_units else entry
        key = (item.arm, item.unit or "", item.waves)
        groups[key] = groups[key] + item if key in groups else item
    return [groups[key] for key in sorted(groups)]


def at_wave(found: Iterable[Seen], arm: str, wave: int) -> Sums | None:
    """Everyone of an arm in a wave, linked or not; None where there is nobody."""
    result: Sums | None = None
    for entry in found:
        if entry.arm == arm and wave in entry.waves:
            sums = entry.at(wave)
            result = sums if result is None else result + sums
    return result


def _of_pair(question: Question, pair: Pair) -> Seen:
    sums = paired_sums_of(pair)
    crossed = sums.s12 or 0.0
    squares = np.array([[sums.s11, crossed], [crossed, sums.s22]])
    mean = np.array([sums.mean1, sums.mean2])
    return Seen(pair.unit, question.arm_of(pair), (0, 1), sums.n, mean, squares, sums.s12 is not None)


def _of_cell(question: Question, cell: Cell, wave: int) -> Seen:
    sums = sums_of(cell)
    return Seen(cell.unit, question.arm_of(cell), (wave,), sums.n, np.array([sums.mean]), np.array([[sums.ss]]))


def _of_rows(question: Question, rows: Iterable[Row], waves: list[str], *, linked: bool) -> list[Seen]:
    people: dict[str, dict[int, Row]] = defaultdict(dict)
    groups: dict[tuple[str | None, str, tuple[int, ...]], list[list[float]]] = defaultdict(list)
    for row in question.placed(rows):
        if row.wave not in waves:
            continue
        wave = waves.index(row.wave)
        if row.participant is None or not linked:
            groups[row.unit, str(row.arm), (wave,)].append([row.value])
            continue
        mine = people[row.participant]
        if wave in mine:
            raise Refused(
                "duplicate_rows",
                f"Participant {row.participant!r} has two values in wave {row.wave!r}.",
                "Keep one value a participant and wave.",
            )
        mine[wave] = row
    for person in sorted(people):
        mine = people[person]
        if len({(row.unit, row.arm) for row in mine.values()}) > 1:
            raise Refused(
                "participant_moved",
                f"Participant {person!r} is in another arm or unit at follow-up than at baseline.",
                "Analyse people in the arm they were assigned to, and give that arm and unit in both waves.",
            )
        order = tuple(sorted(mine))
        first = mine[order[0]]
        groups[first.unit, str(first.arm), order].append([mine[w].value for w in order])
    return [_of_values(unit, arm, order, np.array(values)) for (unit, arm, order), values in groups.items()]


def _of_values(unit: str | None, arm: str, waves: tuple[int, ...], values: Array) -> Seen:
    mean = values.mean(axis=0)
    centred = values - mean
    return Seen(unit, arm, waves, len(values), mean, centred.T @ centred)
