"""Which endpoint hears of what, and that event and deliveries are one with the change."""

from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from app.db import now, transaction
from app.outbox.models import record
from app.pilots.events import PilotCreated
from app.pilots.models import Stage
from app.webhooks.catalogue import EVENTS
from app.webhooks.subscription import wants
from tests.app.steps import NOTES, in_test, ok, refused, start
from tests.app.webhooks.steps import deliveries, register
from tests.conftest import Client, House

pytestmark = pytest.mark.anyio
CREATED, MOVED, LOCKED = "pilot.created", "pilot.stage_changed", "plan.locked"
DRIVERS = ("workload", "teamwork", "self_valuation")


def stored(app: FastAPI) -> list[int]:
    """How many events and deliveries there are."""
    with app.state.engine.connect() as connection:
        counts = (sa.text(f"SELECT count(*) FROM {table}") for table in ("outbox_events", "webhook_deliveries"))
        return [connection.execute(count).scalar_one() for count in counts]


async def heard(client: Client, webhook: dict[str, Any]) -> list[str]:
    """What an endpoint is to be told, the oldest first."""
    return [line["event_type"] for line in reversed(await deliveries(client, webhook))]


async def test_each_endpoint_hears_what_it_asked_for(house: House, neighbour: House, root: Client) -> None:
    admin = house.administrator
    gone = await register(admin)
    await ok(admin.delete(f"/v1/webhooks/{gone['id']}"))
    expected = [
        (admin, await register(admin), [CREATED, MOVED, LOCKED, MOVED]),
        (admin, await register(admin, events=[LOCKED, "*", LOCKED]), [CREATED, MOVED, LOCKED, MOVED]),
        (admin, await register(admin, events=[MOVED]), [MOVED, MOVED]),
        # `stages` narrows moves alone, by where they lead.
        (admin, await register(admin, events=[CREATED, MOVED], stages=["test", "scale"]), [CREATED, MOVED]),
        (admin, await register(admin, events=[MOVED], stages=["discover"]), []),
        (admin, await register(admin, drivers=["self_valuation"]), [CREATED, MOVED, LOCKED, MOVED]),
        (admin, await register(admin, drivers=["workload", "teamwork"]), []),
        (admin, gone, []),
        (neighbour.administrator, await register(neighbour.administrator), [CREATED]),
        (root, await register(root), [CREATED, MOVED, LOCKED, MOVED, CREATED]),
        (root, await register(root, organization_id=neighbour.id), [CREATED]),
    ]
    await in_test(house, driver="self_valuation")
    await start(neighbour, driver="workload")
    for client, webhook, events in expected:
        assert await heard(client, webhook) == events, webhook
    # One event, many endpoints: the same id at each.
    ids = [{d["event_id"] for d in await deliveries(client, webhook)} for client, webhook, _ in expected]
    assert ids[0] == ids[1] == ids[5]
    assert ids[9] == ids[0] | ids[8]


SUBSETS = st.none() | st.sets(st.sampled_from(DRIVERS), min_size=1)
DATA = st.fixed_dictionaries(
    {},
    optional={
        "to": st.sampled_from(Stage),
        "pilot": st.fixed_dictionaries({"driver": st.sampled_from(DRIVERS)}),
        "program": st.fixed_dictionaries({"driver": st.sampled_from(DRIVERS)}),
        "webhook": st.just({"id": "019b"}),
    },
)


@given(
    st.sampled_from(sorted(EVENTS)),
    DATA,
    st.sets(st.sampled_from([*EVENTS, "*"]), min_size=1),
    st.none() | st.sets(st.sampled_from(Stage), min_size=1),
    SUBSETS,
)
def test_a_narrower_subscription_never_hears_more(
    kind: str, data: dict[str, Any], events: set[str], stages: set[Stage] | None, drivers: set[str] | None
) -> None:
    hears = wants(kind, data, events=events, stages=stages, drivers=drivers)
    wide = wants(kind, data, events=events, stages=None, drivers=None)
    assert wide == (kind in events or "*" in events)
    assert hears <= wide
    if "to" not in data and "pilot" not in data and "program" not in data:
        assert hears == wide  # nothing that could be narrowed
    everything = {"stages": set(Stage), "drivers": set(DRIVERS)}
    assert wants(kind, data, events=events, **everything) == wide


async def test_event_and_deliveries_are_one_with_the_change(app: FastAPI, house: House) -> None:
    for _ in range(2):
        await register(house.administrator)
    path = await start(house)
    assert stored(app) == [1, 2]  # before any worker ran
    await refused(house.lead.post(f"{path}/moves", json={"to": "develop"}), 409, "move_refused")
    assert stored(app) == [1, 2]
    await ok(house.lead.patch(path, json={"discovery_note": NOTES["discovery_note"]}))
    once = {"Idempotency-Key": "once"}
    for _ in range(2):
        await ok(house.lead.post(f"{path}/moves", json={"to": "develop"}, headers=once), 201)
    assert stored(app) == [2, 4]


async def test_what_is_rolled_back_tells_nobody(app: FastAPI, house: House) -> None:
    await register(house.administrator)
    before = stored(app)
    data = PilotCreated.model_validate(PilotCreated.example)

    def changed_and_failed() -> None:
        with transaction(app.state.engine) as session:
            record(session, data, at=now(), organization_id=house.id, subject_id=None)
            session.flush()
            held = session.execute(sa.text("SELECT count(*) FROM webhook_deliveries")).scalar_one()
            assert held == before[1] + 1
            raise LookupError

    with pytest.raises(LookupError):
        changed_and_failed()
    assert stored(app) == before
