"""Interventions and pilots: made, changed, and what they may name."""

import pytest
import sqlalchemy as sa

from app.catalog.models import Organization
from app.db import make_engine, transaction
from app.pilots.models import Pilot
from app.pilots.service import PREDECESSORS
from tests.app.steps import codes, intervention, ok, refused, start
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio


async def test_a_pilot_begins_in_discover_led_by_who_made_it(house: House) -> None:
    body = {"title": "  Coaching  ", "driver": "self_valuation", "unit_ids": [house.unit["id"]]}
    response = await house.lead.post("/v1/pilots", json=body)
    pilot = response.json()
    assert response.headers["location"] == f"/v1/pilots/{pilot['id']}"
    assert (pilot["title"], pilot["stage"], pilot["iteration"], pilot["lead"], pilot["unit_ids"]) == (
        "Coaching",
        "discover",
        1,
        "Northfield lead",
        [house.unit["id"]],
    )
    named = await ok(house.administrator.post("/v1/pilots", json={**body, "lead": "ana.ruiz"}), 201)
    assert (named["lead"], named["created_by"]) == ("ana.ruiz", "Northfield administrator")


async def test_what_a_pilot_names_has_to_exist(house: House) -> None:
    body = {"title": "T", "driver": "self_valuation", "unit_ids": [house.unit["id"]]}
    unit = house.unit["id"]
    for change, place, code in (
        ({"driver": "nothing"}, ("driver",), "unknown_driver"),
        ({"unit_ids": [unit, "nothing"]}, ("unit_ids", 1), "unknown_unit"),
        ({"unit_ids": [unit, unit]}, ("unit_ids",), "duplicate"),
        ({"intervention_id": "nothing"}, ("intervention_id",), "unknown_intervention"),
    ):
        assert codes(await refused(house.lead.post("/v1/pilots", json=body | change), 422, "invalid")) == [
            (place, code)
        ]
    path = await start(house)
    before = await ok(house.lead.get(path))
    for change, place, code in (
        ({"driver": "nothing", "title": "Changed"}, ("driver",), "unknown_driver"),
        ({"unit_ids": ["nothing"], "title": "Changed"}, ("unit_ids", 0), "unknown_unit"),
        ({"intervention_id": "nothing"}, ("intervention_id",), "unknown_intervention"),
        ({"title": None}, ("title",), "missing"),
        ({"lead": None}, ("lead",), "missing"),
        ({"unit_ids": None}, ("unit_ids",), "missing"),
        ({"discovery_note": {"kind": "rumour", "text": "x"}}, ("discovery_note", "kind"), "enum"),
        ({"sustainability_review": {"scalable": "perhaps"}}, ("sustainability_review", "scalable"), "bool_parsing"),
    ):
        assert codes(await refused(house.lead.patch(path, json=change), 422, "invalid")) == [(place, code)]
    assert await ok(house.lead.get(path)) == before


async def test_notes_may_be_emptied_again(house: House) -> None:
    path = await start(house, discovery_note={"kind": "survey", "text": "x"})
    assert (await ok(house.lead.patch(path, json={"discovery_note": None})))["discovery_note"] is None


async def test_a_derivative_says_what_it_comes_from_and_why(house: House, neighbour: House) -> None:
    parent = await intervention(house, title="Facilitated groups", driver="isolation")
    body = {"title": "Self-facilitated groups", "description": "D", "driver": "isolation", "ownership_role": "own"}
    problem = await refused(
        neighbour.lead.post("/v1/interventions", json={**body, "derived_from": parent}), 422, "invalid"
    )
    assert codes(problem) == [(("derivation_reason",), "missing")]
    derived = {**body, "derived_from": parent, "derivation_reason": "Cheaper."}
    child = await ok(neighbour.lead.post("/v1/interventions", json=derived), 201)  # of another organization's
    found = (await ok(house.lead.get(f"/v1/interventions?derived_from={parent}")))["items"]
    assert [i["id"] for i in found] == [child["id"]]
    problem = await refused(
        house.lead.post("/v1/interventions", json={**derived, "derived_from": "nothing"}), 422, "invalid"
    )
    assert codes(problem) == [(("derived_from",), "unknown_intervention")]
    for empty in ("title", "description", "driver", "ownership_role"):
        request = neighbour.lead.patch(f"/v1/interventions/{child['id']}", json={empty: None})
        assert codes(await refused(request, 422, "invalid")) == [((empty,), "missing")]


@on_sqlite
def test_statistics_do_not_make_the_database_read_every_pilot(database_url: str) -> None:
    """Nearly no pilot has a successor; a planner that knows must find those of a page by the index all the same."""
    engine = make_engine(database_url)
    with transaction(engine) as session:
        session.info["actor"] = {"person": "root", "key_id": None}
        session.add(organization := Organization(name="House"))
        session.flush()
        of = {"organization_id": organization.id, "driver": "workload", "lead": "l", "created_by": "l"}
        session.add_all(Pilot(title=f"Pilot {number}", **of) for number in range(300))
    with engine.begin() as connection:
        connection.execute(sa.text("ANALYZE"))
    engine.dispose()  # statistics are read when a connection is opened
    asked = PREDECESSORS.params(ids=["x"]).compile(engine, compile_kwargs={"literal_binds": True})
    with engine.connect() as connection:
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}").all()
    assert any("ix_pilots_successor_id_some" in step[-1] for step in steps), steps
    engine.dispose()
