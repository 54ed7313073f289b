"""Waves that are due, over all pilots: listed by date, and told once each, whoever looks and how often."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from fastapi import FastAPI

from app.measures import reminders
from app.measures.reminders import remind
from tests.app.measures.test_waves import DATED, WAVES, people
from tests.app.steps import CHANGES, PLAN, Finish, codes, in_test, move, ok, planned, refused, scaled
from tests.app.test_outbox import events
from tests.conftest import Client, House, on_sqlite

pytestmark = pytest.mark.anyio
NEW_YEAR = datetime(2026, 1, 1, 6, tzinfo=UTC)


def told(app: FastAPI) -> list[tuple[str, str]]:
    return [(e["data"]["wave"], e["data"]["state"]) for e in events(app) if e["type"] == "wave.due"]


def look(app: FastAPI, at: datetime) -> int:
    return remind(app.state.engine, app.state.settings, at)


async def due(client: Client, at: datetime, **query: Any) -> list[dict[str, Any]]:
    with time_machine.travel(at, tick=False):
        items: list[dict[str, Any]] = (await ok(client.get("/v1/waves/due", params=query)))["items"]
    return items


async def test_each_state_of_a_wave_is_told_once(app: FastAPI, house: House) -> None:
    path = await planned(house, DATED)
    assert look(app, NEW_YEAR) == 1
    assert look(app, NEW_YEAR + timedelta(hours=1)) == 0
    invited = {"invited": {"intervention": 40, "control": 40}}
    await ok(house.lead.put(f"{path}/waves/pre", json=invited))
    for days in (5, 6, 20, 21):
        look(app, NEW_YEAR + timedelta(days))
    assert told(app) == [("pre", "upcoming"), ("pre", "due"), ("pre", "closing")]
    await ok(house.lead.post(f"{path}/measurements", json=people("pre", 30, 20)), 201)
    assert look(app, NEW_YEAR + timedelta(30)) == 0
    event = events(app)[-1]
    assert (event["organization"], event["subject"]) == (house.id, path.rpartition("/")[2])
    assert event["timestamp"] == "2026-01-21T06:00:00Z"
    assert event["data"] | {"pilot": None} == {
        "pilot": None,
        "lead": "Northfield lead",
        "iteration": 1,
        "wave": "pre",
        "kind": "baseline",
        "state": "closing",
        "starts_on": "2026-01-05",
        "ends_on": "2026-01-23",
        "invited": 80,
        "responded": 0,
        "message": "The baseline wave pre of “Coaching” ends on 2026-01-23, nothing was entered: remind who has not "
        "answered, or give the wave a later end (PUT …/waves/pre).",
    }


async def test_only_the_present_state_is_told_after_a_time_without_service(app: FastAPI, house: House) -> None:
    await planned(house, DATED)
    assert look(app, NEW_YEAR + timedelta(60)) == 1
    assert told(app) == [("pre", "overdue")]
    assert look(app, NEW_YEAR + timedelta(366)) == 1
    assert told(app) == [("pre", "overdue"), ("post", "due")]  # it has no end


async def test_two_workers_tell_it_once(app: FastAPI, house: House) -> None:
    for _ in range(4):
        await planned(house, DATED)
    ready = threading.Barrier(4)

    def worker(_: int) -> int:
        ready.wait()
        return look(app, NEW_YEAR)

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(worker, range(4)))
    assert sum(counts) == 4
    assert told(app) == [("pre", "upcoming")] * 4


async def test_what_was_seen_but_told_by_another_is_not_told_again(
    app: FastAPI, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await planned(house, DATED)
    assert look(app, NEW_YEAR) == 1
    monkeypatch.setattr(reminders, "_told", lambda *_: set())  # as one that looked before the other told it
    assert look(app, NEW_YEAR) == 0
    assert told(app) == [("pre", "upcoming")]


@on_sqlite
async def test_one_that_fails_keeps_back_no_other(app: FastAPI, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = await planned(house, DATED, title="Broken")
    await planned(house, DATED)
    say = reminders.wave_due

    def breaking(session: Any, wave: Any, at: Any) -> None:
        if wave.pilot.title == "Broken":
            raise RuntimeError(broken)
        say(session, wave, at)

    with monkeypatch.context() as patched:
        patched.setattr(reminders, "wave_due", breaking)
        assert look(app, NEW_YEAR) == 1
    assert look(app, NEW_YEAR) == 1  # nothing of it was kept: it is told now
    assert len(told(app)) == 2


@on_sqlite
async def test_nobody_is_reminded_of_what_is_over(app: FastAPI, house: House, finish: Finish) -> None:
    retired = await planned(house, DATED)
    await move(house, retired, "retired", retirement="stopped", reason="No coaches.", lessons="Ask earlier.")
    published = {**DATED, "baseline_missing_reason": "published before and after"}
    await in_test(house, published, CHANGES)
    late = NEW_YEAR + timedelta(30)
    assert await due(house.lead, late) == []
    assert look(app, late) == 0
    pilot = await scaled(house, finish)
    await ok(house.lead.put(f"{pilot}/waves/post", json={"invited": {}, "ends_on": "2026-07-21"}))
    year = {"invited": {}, "starts_on": "2027-07-01", "ends_on": "2027-07-21"}
    await ok(house.lead.put(f"{pilot}/waves/y1", json=year))
    [wave] = await due(house.analyst, datetime(2027, 7, 2, tzinfo=UTC))
    assert (wave["key"], wave["kind"], wave["state"]) == ("y1", "retention", "due")
    assert wave["pilot"] == {
        "id": pilot.rpartition("/")[2],
        "organization_id": house.id,
        "title": "Coaching",
        "lead": "Northfield lead",
        "stage": "scale",
    }


async def test_the_list_is_by_date_in_pages_and_of_ones_own_pilots(
    house: House, neighbour: House, root: Client
) -> None:
    mine, others = await planned(house, DATED, lead="ana.ruiz"), await planned(house, DATED)
    await planned(neighbour, DATED)
    for path, days in ((mine, ("2026-01-12", "2026-01-30")), (others, ("2026-01-05", "2026-01-18"))):
        body = {"invited": {"intervention": 40, "control": 40}, "starts_on": days[0], "ends_on": days[1]}
        await ok(house.lead.put(f"{path}/waves/pre", json=body))
    await ok(house.lead.post(f"{others}/measurements", json=people("pre", 30, 18)), 201)
    at = datetime(2026, 1, 10, 8, tzinfo=UTC)
    found = await due(house.lead, at)
    assert [(w["pilot"]["id"], w["state"], w["starts_on"]) for w in found] == [
        (mine.rpartition("/")[2], "upcoming", "2026-01-12"),
        (others.rpartition("/")[2], "due", "2026-01-05"),
    ]
    assert found[1]["total"] == {"invited": 80, "responded": 48, "response_rate": 0.6, "attrition": None}
    assert "48 of 80 answered (60 %)" in found[1]["says"]
    assert [w["pilot"]["lead"] for w in await due(house.analyst, at, lead="ana.ruiz")] == ["ana.ruiz"]
    assert await due(house.lead, at, within_days=1) == found[1:]
    assert len(await due(house.lead, at, within_days=200)) == 4
    assert len(await due(root, at)) == 3
    assert len(await due(root, at, organization_id=neighbour.id)) == 1
    assert await due(house.lead, at, organization_id=neighbour.id) == []
    with time_machine.travel(at, tick=False):
        page = await ok(root.get("/v1/waves/due?limit=2&within_days=200"))
        seen = page["items"]
        while page["next_cursor"]:
            asked = {"limit": 2, "within_days": 200, "cursor": page["next_cursor"]}
            page = await ok(root.get("/v1/waves/due", params=asked))
            seen += page["items"]
    assert seen == await due(root, at, within_days=200)
    assert len(seen) == 6
    for wrong in ("x", "2026-01-10~x", "2026-01-10~x~y", "~~", "today~x~1"):
        problem = await refused(root.get("/v1/waves/due", params={"cursor": wrong}), 422, "invalid")
        assert codes(problem) == [(("cursor",), "unknown_cursor")]


async def test_a_group_of_too_few_is_not_told(app: FastAPI, house: House) -> None:
    path = await planned(house, {**PLAN, "waves": WAVES})
    await ok(house.lead.put(f"{path}/waves/pre", json={"invited": {"intervention": 6, "control": 6}}))
    await ok(house.lead.post(f"{path}/measurements", json=people("pre", 6, 3)), 201)
    [wave] = await due(house.lead, datetime(2026, 1, 22, tzinfo=UTC))
    assert (wave["state"], wave["total"]["responded"], wave["total"]["response_rate"]) == ("due", None, None)
    assert "some of it was entered" in wave["says"]
    assert look(app, datetime(2026, 1, 22, tzinfo=UTC)) == 1
    assert events(app)[-1]["data"]["responded"] is None
