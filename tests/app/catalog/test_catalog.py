"""Organizations, the tree of their units, and catalogues that grow."""

from typing import Any

import pytest

from tests.app.steps import codes, ok, refused
from tests.conftest import Client, House

pytestmark = pytest.mark.anyio
MEASURE: dict[str, Any] = {
    "key": "room_turnover",
    "name": "Room turnover, minutes",
    "family": "normal",
    "scope": "proximal",
    "measure_class": "efficiency",
    "minimum": 0,
    "direction": "lower_is_better",
}


async def test_units_form_a_tree_within_one_organization(house: House, neighbour: House) -> None:
    admin = house.administrator
    units = f"/v1/organizations/{house.id}/units"
    department = await ok(admin.post(units, json={"name": "Medicine"}), 201)
    ward = await ok(admin.post(units, json={"name": "Ward", "parent_id": department["id"]}), 201)
    bed = await ok(admin.post(units, json={"name": "Bay", "parent_id": ward["id"]}), 201)
    for parent, code in (
        (department["id"], "cycle"),
        (ward["id"], "cycle"),
        (bed["id"], "cycle"),
        (neighbour.unit["id"], "unknown_unit"),
        ("nothing", "unknown_unit"),
    ):
        body = {"parent_id": parent}
        problem = await refused(admin.patch(f"/v1/units/{department['id']}", json=body), 422, "invalid")
        assert codes(problem) == [(("parent_id",), code)]
    moved = await ok(admin.patch(f"/v1/units/{bed['id']}", json={"parent_id": None, "name": "Bay 2"}))
    assert (moved["parent_id"], moved["name"]) == (None, "Bay 2")
    problem = await refused(admin.patch(f"/v1/units/{bed['id']}", json={"name": None}), 422, "invalid")
    assert codes(problem) == [(("name",), "missing")]
    problem = await refused(admin.post(units, json={"name": "X", "parent_id": neighbour.unit["id"]}), 422, "invalid")
    assert codes(problem) == [(("parent_id",), "unknown_unit")]
    names = [u["name"] for u in (await ok(house.lead.get(units)))["items"]]
    assert names == ["Ward 1", "Medicine", "Ward", "Bay 2"]


async def test_the_shared_catalogues(house: House) -> None:
    drivers = (await ok(house.lead.get("/v1/drivers")))["items"]
    assert {"workload", "isolation", "self_valuation"} <= {d["key"] for d in drivers}
    assert {d["organization_id"] for d in drivers} == {None}
    assert len((await ok(house.lead.get("/v1/program-dimensions")))["items"]) == 7
    (found,) = (await ok(house.lead.get("/v1/measures?key=mbi_ee")))["items"]
    assert (found["minimum"], found["maximum"], found["default_sd"]) == (0, 54, 10.3)
    binary = (await ok(house.lead.get("/v1/measures?family=binary&scope=global")))["items"]
    assert {m["family"] for m in binary} == {"binary"}
    assert "mbi_burnout" in {m["key"] for m in binary}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/drivers", {"key": "night_work", "name": "Night work", "note": "n" * 2000, "source": "s" * 200}),
        ("/v1/measures", {**MEASURE, "measure_class": "c" * 100, "note": "n" * 2000, "licence": "l" * 200}),
        ("/v1/program-dimensions", {"key": "families", "name": "N" * 200, "example_tactics": "t" * 2000}),
    ],
)
async def test_entries_of_ones_own(
    root: Client, house: House, neighbour: House, path: str, body: dict[str, Any]
) -> None:
    made = await ok(house.administrator.post(path, json=body), 201)
    assert made["organization_id"] == house.id
    assert made | body == made
    await refused(house.administrator.post(path, json=body), 409, "key_taken")
    query = f"{path}?key={body['key']}"
    assert (await ok(house.lead.get(query)))["items"] == [made]
    assert (await ok(neighbour.lead.get(query)))["items"] == []
    await ok(neighbour.administrator.post(path, json=body), 201)  # the same key in another organization
    shared = await ok(root.post(path, json={**body, "key": "for_all"}), 201)
    assert shared["organization_id"] is None
    await refused(neighbour.administrator.post(path, json={**body, "key": "for_all"}), 409, "key_taken")
    for text in ({"key": "Not a key"}, {"name": ""}, {"name": "x" * 201}):
        await refused(house.administrator.post(path, json={**body, **text}), 422, "invalid")


async def test_a_scale_has_a_bottom_and_a_top(house: House) -> None:
    body = {**MEASURE, "minimum": 5, "maximum": 5}
    problem = await refused(house.administrator.post("/v1/measures", json=body), 422, "invalid")
    assert "below" in problem["detail"]
    await refused(house.administrator.post("/v1/measures", json={**MEASURE, "default_sd": 0}), 422, "invalid")


async def test_text_too_long_for_its_column_is_refused_before_the_database(house: House) -> None:
    for field, length in (("measure_class", 101), ("note", 2001), ("sd_source", 201), ("licence", 201)):
        body = {**MEASURE, field: "x" * length}
        problem = await refused(house.administrator.post("/v1/measures", json=body), 422, "invalid")
        assert codes(problem) == [((field,), "string_too_long")]
