"""Faults of a file: the first are kept one by one, all are counted by kind and column."""

from dataclasses import dataclass, field

from app.imports.schemas import Counted, ImportFault

MOST = 1000
"""Faults told one by one; who has more reads the counts."""
KINDS = 500
NEAR = 20


@dataclass
class Faults:
    """What was found wrong so far; `rejected` counts the entries that it was found of."""

    first: list[ImportFault] = field(default_factory=list)
    counted: dict[tuple[str, str | None], Counted] = field(default_factory=dict)
    total: int = 0
    rejected: int = 0
    repeated: int = 0

    def add(self, row: int | None, column: str | None, code: str, msg: str) -> None:
        """Note one fault."""
        self.tell(row, column, code, msg)
        self.count(row, column, code, msg, 1)

    def tell(self, row: int | None, column: str | None, code: str, msg: str) -> None:
        """Keep a fault to be told by itself, while there is room; whoever tells it counts it too."""
        # The person of a row is wrong at each of its values, and told once.
        if any((f.row, f.column, f.code) == (row, column, code) for f in self.first[-NEAR:]):
            self.repeated += 1
        elif len(self.first) < MOST:
            loc: list[str | int] = ["file"] if row is None else ["rows", row]
            loc += [column] if column else []
            self.first.append(ImportFault(loc=loc, msg=msg, code=code, row=row, column=column))

    def count(self, row: int | None, column: str | None, code: str, msg: str, times: int) -> None:
        """Count faults of a kind in a column, of which the first is in `row`."""
        self.total += times
        key = (code, column)
        if key in self.counted:
            self.counted[key].rows += times
        elif len(self.counted) < KINDS:
            self.counted[key] = Counted(code=code, column=column, rows=times, first_row=row, msg=msg)
