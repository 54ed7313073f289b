"""Fills the shared catalogues from the packaged CSV files; run after every migration, it only adds what is new."""

import csv
from importlib.resources import files

import sqlalchemy as sa
from sqlmodel import Session, SQLModel

from app.catalog.models import Driver, Measure, ProgramDimension

SOURCES: dict[str, type[SQLModel]] = {
    "drivers.csv": Driver,
    "measures.csv": Measure,
    "program_dimensions.csv": ProgramDimension,
}


def seed(session: Session) -> int:
    """Add the shared entries that are missing; the number added."""
    added = 0
    for name, model in SOURCES.items():
        text = files("app.catalog").joinpath("data", name).read_text(encoding="utf-8")
        column = sa.column("key", sa.String)
        known = set(
            session.connection().scalars(
                sa.select(column)
                .select_from(sa.table(str(model.__tablename__)))
                .where(sa.column("organization_id").is_(None))
            )
        )
        fresh = [row for row in csv.DictReader(text.splitlines()) if row["key"] not in known]
        for row in fresh:
            session.add(model.model_validate({k: v for k, v in row.items() if v != ""}))
        added += len(fresh)
    session.flush()
    return added
