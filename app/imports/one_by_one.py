"""People whose rows in a file depend on their order: judged one row after the other, as single rows are; pure."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from app.measures.people import People, Told

HELD = -1
"""In place of the number of a row of the file: it stands already."""
TOLD = ("measure", "participant", "wave", "value", "arm", "unit_id", "collected_on")
AT_ONCE = 10_000

type Kind = tuple[str, str | None, str]


def _numbers() -> array[int]:
    return array("q")


@dataclass
class Verdicts:
    """Numbers of rows: those that stand already, and those that are wrong, by code, column and sentence.

    A duplicate has no column but its own, and the sentence of its measure and wave.
    """

    unchanged: array[int] = field(default_factory=_numbers)
    faults: dict[Kind, array[int]] = field(default_factory=dict)


def verdicts(rows: Iterable[Any]) -> Verdicts:
    """Judge rows (their number, then TOLD) that come person by person: what stands, then the file in its order."""
    found = Verdicts()
    for (measure, person), of_person in groupby(rows, key=lambda row: (row[1], row[2])):
        people = People(measure)
        for seq, _, _, wave, value, arm, unit, day in of_person:
            told = Told(value, arm or people.arm_of(person), unit, day)
            fault = people.fault(person, wave, told) if seq != HELD else None
            if fault is not None:
                column, message, code = fault
                kind = (code, None, "") if code == "duplicate" else (code, column, message)
                found.faults.setdefault(kind, _numbers()).append(seq)
            elif not people.take(person, wave, told):
                found.unchanged.append(seq)
    return found


def parts(numbers: array[int]) -> Iterator[list[int]]:
    """As many as a statement may name."""
    for start in range(0, len(numbers), AT_ONCE):
        yield numbers[start : start + AT_ONCE].tolist()
