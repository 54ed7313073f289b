"""Rows of a file on their way: written to a table of their own, in parts, by COPY where the database has it."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import batched
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlmodel import Session

from app.imports.checking import Checks
from app.imports.faults import Faults
from app.imports.models import STAGED
from app.imports.reading import Fault, Value

PART = 20_000
"""Rows written at once: some megabytes."""
COLUMNS = (
    "import_id",
    "attempt",
    "seq",
    "row",
    "column",
    "id",
    "measure",
    "wave",
    "arm",
    "unit_id",
    "participant",
    "value",
    "collected_on",
)
ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
LONGEST_COLUMN = 300

type Staged = tuple[Any, ...]


def stage(
    session: Session,
    place: tuple[str, str],
    entries: Iterable[Value | Fault],
    checks: Checks,
    faults: Faults,
    at: datetime,
    written: Callable[[int], object],
) -> int:
    """Write what is right to the table; the number of rows. `place` is the import and the attempt at it.

    `written(row)` follows each part, with the row of the file that was reached.
    """
    write = _copy if session.get_bind().dialect.name == "postgresql" else _insert
    count = 0
    for part in batched(_right(entries, checks, faults), PART, strict=False):
        ids = fresh_ids(len(part), at)
        write(
            session.connection(),
            [
                (*place, seq, row, column[:LONGEST_COLUMN], new, measure, wave, arm, unit, who, value, on)
                for seq, (((row, column, measure, wave, who, unit, _, value, on), arm), new) in enumerate(
                    zip(part, ids, strict=True), count
                )
            ],
        )
        count += len(part)
        written(part[-1][0].row)
    return count


def _right(entries: Iterable[Value | Fault], checks: Checks, faults: Faults) -> Iterator[tuple[Value, str]]:
    for entry in entries:
        if isinstance(entry, Fault):
            faults.rejected += 1
            faults.add(*entry)
        elif (arm := checks.arm_of(entry)) is not None:
            yield entry, arm


def fresh_ids(count: int, at: datetime) -> Iterator[str]:
    """UUIDv7 of one instant: among themselves in the order of chance.

    Lists are in the order of the ids: that of a file would tell whose rows stand together, and who is who.
    """
    stamp = f"{int(at.timestamp() * 1000):012x}"
    head = f"{stamp[:8]}-{stamp[8:]}-7"
    for _ in range(count):
        bits = secrets.token_hex(10)
        yield f"{head}{bits[:3]}-{'89ab'[int(bits[3], 16) & 3]}{bits[4:7]}-{bits[7:19]}"


def _insert(connection: Connection, rows: list[Staged]) -> None:
    connection.execute(sa.insert(STAGED), [dict(zip(COLUMNS, row, strict=True)) for row in rows])


def _copy(connection: Connection, rows: list[Staged]) -> None:
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY import_rows ({names}) FROM STDIN") as copy:
        copy.write("".join(map(_line, rows)))


def _line(row: Staged) -> str:
    import_id, attempt, seq, number, column, new, measure, wave, arm, unit, who, value, on = row
    column, measure, wave, arm = (text.translate(ESCAPED) for text in (column, measure, wave, arm))
    unit = r"\N" if unit is None else unit.translate(ESCAPED)
    who = r"\N" if who is None else who.translate(ESCAPED)
    on = r"\N" if on is None else on
    return (
        f"{import_id}\t{attempt}\t{seq}\t{number}\t{column}\t{new}\t{measure}\t{wave}\t{arm}\t{unit}\t{who}\t"
        f"{value!r}\t{on}\n"
    )


def clear(connection: Connection, import_id: str) -> None:
    """Remove what is staged of an import, of every attempt."""
    connection.execute(sa.delete(STAGED).where(STAGED.c.import_id == import_id))
