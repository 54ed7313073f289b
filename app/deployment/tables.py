"""Every table's rows, read and written as they are, in an order that keys allow."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.imports.models import STAGED
from app.tables import metadata

BATCH = 500
Row = dict[str, Any]


def tables() -> list[sa.Table]:
    """All tables whose rows are to be kept, those that others point to first. What an import staged is made anew."""
    return [table for table in metadata.sorted_tables if table is not STAGED]


def rows(connection: Connection, table: sa.Table) -> Iterator[list[Row]]:
    """All rows of a table, in batches."""
    found = connection.execute(sa.select(table), execution_options={"yield_per": BATCH}).mappings()
    for part in found.partitions(BATCH):
        yield [dict(row) for row in part]


def own_keys(table: sa.Table) -> list[str]:
    """Columns that point to other rows of the same table."""
    return [key.parent.name for key in table.foreign_keys if key.column.table is table]


def copy(source: Connection, target: Connection, table: sa.Table) -> int:
    """Write the rows of a table into an empty one; how many. Where rows point to each other that is done last."""
    pointing, keys, count = own_keys(table), [c.name for c in table.primary_key], 0
    later: list[Row] = []
    for part in rows(source, table):
        those = [row for row in part if any(row[name] is not None for name in pointing)]
        later += [{f"its_{k}": row[k] for k in keys} | {name: row[name] for name in pointing} for row in those]
        target.execute(sa.insert(table), [row | dict.fromkeys(pointing) for row in part])
        count += len(part)
    if later:
        its = [table.c[k] == sa.bindparam(f"its_{k}") for k in keys]
        values: dict[str, Any] = {name: sa.bindparam(name) for name in pointing}
        target.execute(sa.update(table).where(*its).values(values), later)
    return count


def digest(connection: Connection, table: sa.Table) -> tuple[int, str]:
    """How many rows a table has, and a hash of them all that does not depend on their order or on the database."""
    total, count = 0, 0
    for part in rows(connection, table):
        for row in part:
            text = json.dumps(row, sort_keys=True, default=_plain)
            total += int.from_bytes(hashlib.sha256(_numbers(text).encode()).digest())
            count += 1
    return count, f"{total % 2**256:064x}"


def _plain(value: object) -> object:
    if isinstance(value, bytes | memoryview):
        return hashlib.sha256(bytes(value)).hexdigest()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _numbers(text: str) -> str:
    """JSON with every number as a float: one database keeps 1.0 as 1, the other as 1.0."""
    return json.dumps(json.loads(text, parse_int=float), sort_keys=True)
