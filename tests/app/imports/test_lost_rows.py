"""Rows that a database forgot on their way (staged rows are not logged): never a report of success without them."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import Session, select

from app.db import now, transaction
from app.imports import staging
from app.imports.models import STAGED, Import
from app.imports.staging import Lost, clear_others
from app.jobs.failures import DATABASE_AWAY, of
from app.measures.rows import enter_rows
from app.measures.schemas import MeasurementsIn, RowIn
from app.pilots.models import Pilot
from tests.app.imports.test_background import asked, work
from tests.app.imports.test_import import values, wide
from tests.app.steps import planned
from tests.conftest import House

__all__ = ["work"]
pytestmark = pytest.mark.anyio


def forget(app: FastAPI) -> None:
    """What a crash does to the table."""
    with transaction(app.state.engine) as session:
        session.connection().execute(sa.delete(STAGED))


async def test_lost_while_the_file_is_read(
    app: FastAPI, house: House, work: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await planned(house)
    import_id = await asked(house, path, wide())
    monkeypatch.setattr(staging, "PART", 10)
    whole, parts = staging.fresh_ids, []

    def crashing(count: int, *more: object) -> object:
        if len(parts) == 1:  # the first part is committed, the second is read
            forget(app)
        parts.append(count)
        return whole(count, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(staging, "fresh_ids", crashing)
    with pytest.raises(Lost) as lost:
        work(import_id)
    assert of(lost.value)["code"] == DATABASE_AWAY  # so it starts anew
    assert await values(house, path) == {}


async def test_lost_before_they_are_entered(app: FastAPI, house: House, work: Callable[..., object]) -> None:
    path = await planned(house)
    import_id = await asked(house, path, wide())

    def meanwhile(session: Session) -> None:
        """Another entry, so that the rows are judged anew; then the crash."""
        pilot = session.exec(select(Pilot)).one()
        row = RowIn(participant="p-900", arm="control", value=50)
        session.info["settings"] = app.state.settings
        body = MeasurementsIn(measure="mbi_ee", wave="pre", rows=[row])
        enter_rows(session, pilot, body, partial=False, person="another", at=now())
        session.connection().execute(sa.delete(STAGED))

    with pytest.raises(Lost):
        work(import_id, meanwhile)
    assert len(await values(house, path)) == 1


async def test_an_attempt_that_wakes_up_late_leaves_the_rows_of_the_next(app: FastAPI, house: House) -> None:
    import_id = await asked(house, await planned(house), wide())
    with transaction(app.state.engine) as session:
        row = session.get_one(Import, import_id)
        row.claim = "second"
        session.add(row)
        session.flush()
        some = {"import_id": import_id, "row": 1, "column": "x", "measure": "mbi_ee", "wave": "pre", "arm": "control"}
        session.connection().execute(
            sa.insert(STAGED),
            [
                {**some, "attempt": attempt, "seq": seq, "id": f"{attempt}{seq}", "value": 1.0}
                for attempt in ("first", "second")
                for seq in range(2)
            ],
        )
        clear_others(session.connection(), import_id)
        left = session.connection().scalars(sa.select(STAGED.c.attempt)).all()
        session.rollback()
    assert left == ["second", "second"]
