"""What reading a file gives: values, faults, or that it cannot be read at all; and what it is read against."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

type Cell = str | float | date
"""What stands in a cell: always text in separated files; workbooks also hold numbers and dates."""


@dataclass(frozen=True)
class Known:
    """The keys that a file's words are turned into: measures, waves and arms of the plan, units (id → name).

    `scales` are the least and largest value of measures, `months` when waves are (0: the baseline), where they are
    known; a mapping is suggested by them.
    """

    measures: Collection[str]
    waves: tuple[str, ...]
    arms: tuple[str, ...]
    units: Mapping[str, str]
    scales: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    months: Mapping[str, float] = field(default_factory=dict)


class Value(NamedTuple):
    """One answer, with the row and column people see in their spreadsheet (the first row is 1)."""

    row: int
    column: str
    measure: str
    wave: str
    participant: str | None
    unit_id: str | None
    arm: str | None
    value: float
    collected_on: date | None


class Fault(NamedTuple):
    """What could not be turned into a value, where, and what would help; without a row: the file or its mapping."""

    row: int | None
    column: str | None
    code: str
    msg: str


class Wrong(NamedTuple):
    """Why a cell's text could not be used; becomes a Fault where the cell stands."""

    code: str
    msg: str


class Unreadable(Exception):
    """The file as a whole cannot be read: a stable `code`, and a sentence that says why and what would help.

    `columns` and `start`, a mapping as JSON to change and send, are there when only the mapping is missing.
    """

    def __init__(
        self, code: str, msg: str, *, columns: tuple[str, ...] = (), start: dict[str, Any] | None = None
    ) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.columns = columns
        self.start = start
