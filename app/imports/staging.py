"""Rows of a file on their way: written to a table of their own, in parts, by COPY where the database has it."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import batched
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlmodel import Session

from app.db import errors_named
from app.imports.checking import Checks
from app.imports.faults import Faults
from app.imports.models import STAGED, Import
from app.imports.reading import Fault, Value
from app.jobs.failures import AGAIN, DATABASE_AWAY
from app.jobs.models import JobStatus

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


class Lost(RuntimeError):
    """Rows that were staged are no longer all there: a database that crashed forgets them. Another attempt has them."""

    code = DATABASE_AWAY

    def __init__(self, found: int, staged: int) -> None:
        super().__init__()
        self.message = f"The database crashed and kept {found} of {staged} rows that had been read, {AGAIN}"


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
    counted_anew(session.connection(), "import_rows", count)
    return count


def _right(entries: Iterable[Value | Fault], checks: Checks, faults: Faults) -> Iterator[tuple[Value, str]]:
    for entry in entries:
        if isinstance(entry, Fault):
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
    with errors_named(), driver.cursor() as cursor, cursor.copy(f"COPY import_rows ({names}) FROM STDIN") as copy:
        copy.write("".join(_lines(rows)))


def _lines(rows: Iterable[Staged]) -> Iterator[str]:
    """Rows as COPY reads them. What stands in many of them is escaped once; pseudonyms have nothing to escape."""
    named: dict[tuple[str, str, str, str, str | None], tuple[str, str]] = {}
    for import_id, attempt, seq, row, column, new, measure, wave, arm, unit, who, value, on in rows:
        place = (column, measure, wave, arm, unit)
        if place not in named:
            first, *rest = (r"\N" if text is None else text.translate(ESCAPED) for text in place)
            named[place] = first, "\t".join(rest)
        first, where = named[place]
        person, day = who or r"\N", on or r"\N"
        yield f"{import_id}\t{attempt}\t{seq}\t{row}\t{first}\t{new}\t{where}\t{person}\t{value!r}\t{day}\n"


def counted_anew(connection: Connection, table: str, rows: int) -> None:
    """Let PostgreSQL look at a table that got many rows just now: by its old counts it plans for a small one."""
    if rows >= PART and connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ANALYZE {table}")


def require_kept(connection: Connection, place: tuple[str, str], staged: int) -> None:
    """Raise Lost unless all rows that were staged are there: in this transaction they then stay."""
    mine = (STAGED.c.import_id == place[0], STAGED.c.attempt == place[1])
    found = connection.scalar(sa.select(sa.func.count()).where(*mine)) or 0
    if found != staged:
        raise Lost(found, staged)


def clear(connection: Connection, import_id: str) -> None:
    """Remove what is staged of an import, of every attempt."""
    connection.execute(sa.delete(STAGED).where(STAGED.c.import_id == import_id))


def clear_others(connection: Connection, import_id: str) -> None:
    """Remove what is staged of an import by attempts whose worker is gone; who calls may be one of them by now."""
    row: Any = Import
    current = sa.select(sa.func.coalesce(row.claim, "")).where(row.id == import_id).scalar_subquery()
    connection.execute(sa.delete(STAGED).where(STAGED.c.import_id == import_id, STAGED.c.attempt != current))


def clear_ended(connection: Connection) -> None:
    """Remove what was staged after its import had ended: by an attempt that fell silent and woke up too late."""
    ended: Any = Import
    final = sa.select(ended.id).where(ended.status.in_([status for status in JobStatus if status.final]))
    connection.execute(sa.delete(STAGED).where(STAGED.c.import_id.in_(final)))
