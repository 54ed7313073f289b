"""Files of many people, and what is left in the database of an import of one; looked at without a turn to write."""

import random
from typing import Any

import sqlalchemy as sa

from app.imports.models import STAGED, ImportChunk
from app.measures.models import Measurement, Revision

ARMS = ("intervention", "control")


def of_people(people: int, seed: int = 1) -> str:
    """A wide CSV file with two values a person."""
    chance = random.Random(seed)
    lines = ["participant,arm,mbi_ee_pre,mbi_ee_post"]
    lines += [f"p-{i},{ARMS[i % 2]},{chance.randint(0, 54)},{chance.randint(0, 54)}" for i in range(people)]
    return "\n".join(lines)


def rows_of(text: str) -> list[tuple[str, str, str, float]]:
    """Person, wave, arm and value of each row that the file becomes, in order."""
    rows = []
    for line in text.splitlines()[1:]:
        person, arm, pre, post = line.split(",")
        rows += [(person, "pre", arm, float(pre)), (person, "post", arm, float(post))]
    return sorted(rows)


def standing(engine: sa.Engine, pilot_id: str) -> list[tuple[str, str, str, float]]:
    """Person, wave, arm and value of each row that stands in a pilot, in order."""
    m: Any = Measurement
    with engine.execution_options(reading=True).connect() as connection:
        found = connection.execute(sa.select(m.participant, m.wave, m.arm, m.value).where(m.pilot_id == pilot_id)).all()
    return sorted(tuple(row) for row in found)


def revisions(engine: sa.Engine, pilot_id: str) -> int:
    """How many revisions the data of a pilot have."""
    r: Any = Revision
    with engine.execution_options(reading=True).connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).where(r.pilot_id == pilot_id)) or 0)


def left(engine: sa.Engine) -> tuple[int, int]:
    """Stored parts of files and staged rows, of all imports."""
    tables: tuple[Any, ...] = (ImportChunk, STAGED)
    with engine.execution_options(reading=True).connect() as connection:
        chunks, staged = (connection.scalar(sa.select(sa.func.count()).select_from(t)) for t in tables)
    return int(chunks or 0), int(staged or 0)


def attempts(engine: sa.Engine) -> set[str]:
    """The attempts of which rows are staged."""
    with engine.execution_options(reading=True).connect() as connection:
        return set(connection.scalars(sa.select(STAGED.c.attempt).distinct()))
