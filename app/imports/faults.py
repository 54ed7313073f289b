"""Faults of a file: the first are kept one by one, all are counted by kind and column."""

from collections import deque
from dataclasses import dataclass, field

from app.imports.schemas import Counted, ImportFault

MOST = 1000
"""Faults told one by one; who has more reads the counts."""
KINDS = 500
NEAR = 20


type Key = tuple[int | None, str | None, str, str]


@dataclass
class Faults:
    """What was found wrong so far; `rejected` counts the values that are lost by it."""

    first: list[ImportFault] = field(default_factory=list)
    counted: dict[tuple[str, str | None], Counted] = field(default_factory=dict)
    total: int = 0
    rejected: int = 0

    def __post_init__(self) -> None:
        self._told: set[Key] = {(fault.row, fault.column, fault.code, fault.msg) for fault in self.first}
        self._near: deque[Key] = deque(maxlen=NEAR)

    def add(self, row: int | None, column: str | None, code: str, msg: str) -> None:
        """Note one fault; once, where it is one of a whole row and found at each of its values."""
        if self.tell(row, column, code, msg):
            self.count(row, column, code, msg, 1)

    def tell(self, row: int | None, column: str | None, code: str, msg: str) -> bool:
        """Keep a fault to be told by itself, while there is room; False for one that was told already.

        Whoever tells it counts it too.
        """
        key = (row, column, code, msg)
        if key in self._told or key in self._near:
            return False
        self._near.append(key)
        if len(self.first) < MOST:
            loc: list[str | int] = ["file"] if row is None else ["rows", row]
            loc += [column] if column else []
            self.first.append(ImportFault(loc=loc, msg=msg, code=code, row=row, column=column))
            self._told.add(key)
        return True

    def count(self, row: int | None, column: str | None, code: str, msg: str, times: int) -> None:
        """Count faults of a kind in a column, of which the first is in `row`."""
        self.total += times
        key = (code, column)
        if not times:
            return
        if key in self.counted:
            self.counted[key].rows += times
        elif len(self.counted) < KINDS:
            self.counted[key] = Counted(code=code, column=column, rows=times, first_row=row, msg=msg)
