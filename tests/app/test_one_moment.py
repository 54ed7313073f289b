"""What a request sees when others write while it reads, or while it waits for its turn."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select

from app.auth.access import fetch
from app.auth.deps import Caller
from app.auth.permissions import Role
from app.db import now, transaction
from app.measures import routes
from app.measures.rows import enter_rows
from app.measures.schemas import MeasurementsIn, RowIn
from app.pilots.models import Pilot
from tests.app.steps import PLAN, ok, planned
from tests.conftest import House, on_postgresql

pytestmark = pytest.mark.anyio


@pytest.fixture
def enter(app: FastAPI) -> Callable[[range], None]:
    """Enters baseline values of people of the control arm, beside whatever request is under way."""

    def rows(people: range) -> None:
        with transaction(app.state.engine) as session:
            session.info["settings"] = app.state.settings
            pilot = session.exec(select(Pilot)).one()
            given = [RowIn(participant=f"p-{i}", arm="control", value=20 + i) for i in people]
            body = MeasurementsIn(measure="mbi_ee", wave="pre", rows=given)
            enter_rows(session, pilot, body, partial=False, person="another", at=now())

    return rows


def before(monkeypatch: pytest.MonkeyPatch, name: str, do: Callable[[], None]) -> None:
    """Have something done by another just before the route calls this."""
    real = getattr(routes, name)

    def late(*words: Any, **named: Any) -> Any:
        do()
        return real(*words, **named)

    monkeypatch.setattr(routes, name, late)


async def test_rows_that_come_between_are_not_shown_before_they_are_counted(
    house: House, enter: Callable[[range], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await planned(house)
    before(monkeypatch, "page_of", lambda: enter(range(3)))
    listed = await ok(house.lead.get(f"{path}/measurements"))
    assert listed["items"] == []
    later = await ok(house.lead.get(f"{path}/measurements"))
    assert [item.get("value") for item in later["items"]] == [None]


async def test_a_mean_of_few_is_not_shown_since_more_have_come(
    house: House, enter: Callable[[range], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await planned(house)
    await ok(house.lead.put(f"{path}/plan", json=PLAN))
    enter(range(3))
    before(monkeypatch, "suppressed_of", lambda: enter(range(3, 6)))
    shown = await ok(house.lead.get(f"{path}/cells"))
    assert '"n":3' not in str(shown["data"]).replace(" ", "").replace("'", '"')
    assert "cells_suppressed" in [w["code"] for w in shown["warnings"]]


@on_postgresql
async def test_who_waited_for_a_row_sees_what_became_of_it(app: FastAPI, house: House) -> None:
    await planned(house)
    caller = Caller("key", "Ana Ruiz", Role.LEAD, house.id)
    with transaction(app.state.engine) as session:
        seen = session.exec(select(Pilot)).one()
        with transaction(app.state.engine) as other:
            changed = other.get_one(Pilot, seen.id)
            changed.title = "Changed meanwhile"
            other.add(changed)
        assert fetch(session, caller, Pilot, seen.id, for_update=True).title == "Changed meanwhile"
