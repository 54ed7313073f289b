"""Benchmarks over HTTP: shared and own ones, found again, corrected by replacing them, refused when they cannot be."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.app.steps import codes, ok, refused
from tests.conftest import Client, House, on_sqlite

pytestmark = pytest.mark.anyio
PATH = "/v1/benchmarks"
BENCHMARK: dict[str, Any] = {
    "measure": "mbi_ee",
    "specialty": "internal medicine",
    "occupation": "physician",
    "period_start": "2025-01-01",
    "period_end": "2025-12-31",
    "mean": 24.0,
    "sd": 11.0,
    "n": 800,
    "source": "Survey 2025 (synthetic)",
}


async def ids(client: Client, query: str = "") -> list[str]:
    return [item["id"] for item in (await ok(client.get(f"{PATH}?{query}")))["items"]]


async def test_shared_ones_are_everybodys_and_own_ones_are_not(root: Client, house: House, neighbour: House) -> None:
    shared = await ok(root.post(PATH, json=BENCHMARK), 201)
    own = await ok(house.administrator.post(PATH, json=BENCHMARK), 201)
    assert (shared["organization_id"], own["organization_id"]) == (None, house.id)
    assert own["replaced_by"] is None
    assert await ids(house.lead) == [shared["id"], own["id"]]
    assert await ids(neighbour.lead) == [shared["id"]]
    assert await ok(neighbour.lead.get(f"{PATH}/{shared['id']}")) == shared
    await refused(neighbour.lead.get(f"{PATH}/{own['id']}"), 404, "not_found")
    await refused(house.lead.post(PATH, json=BENCHMARK), 403, "forbidden")


async def test_they_are_found_by_measure_group_and_time(house: House) -> None:
    async def add(**fields: Any) -> str:
        return str((await ok(house.administrator.post(PATH, json={**BENCHMARK, **fields}), 201))["id"])

    first = await add()
    nurses = await add(occupation="nurse", period_start="2023-06-01", period_end="2024-02-01")
    mini_z = await add(measure="mini_z", mean=32, sd=6.5, specialty=None)
    for query, found in (
        ("measure=mbi_ee", [first, nurses]),
        ("specialty=Internal%20Medicine", [first, nurses]),
        ("occupation=NURSE", [nurses]),
        ("on=2024-01-15", [nurses]),
        ("from=2024-02-01&to=2024-12-31", [nurses]),
        ("from=2024-02-02", [first, mini_z]),
        ("to=2023-05-31", []),
        ("measure=mini_z&on=2025-12-31", [mini_z]),
    ):
        assert await ids(house.lead, query) == found, query
    problem = await refused(house.lead.get(f"{PATH}?from=2025-02-01&to=2025-01-01"), 422, "invalid")
    assert codes(problem) == [(("to",), "ends_before_it_starts")]


async def test_a_slip_is_replaced_with_a_reason_and_stays_to_be_read(house: House) -> None:
    wrong = await ok(house.administrator.post(PATH, json={**BENCHMARK, "sd": 1.1}), 201)
    again = await refused(house.administrator.post(PATH, json=BENCHMARK), 409, "duplicate")
    assert again["benchmark_id"] == wrong["id"]
    assert "replaces" in again["detail"]
    correction = {**BENCHMARK, "replaces": wrong["id"], "reason": "The table gives standard errors."}
    right = await ok(house.administrator.post(PATH, json=correction), 201)
    assert await ids(house.lead) == [right["id"]]
    both = (await ok(house.lead.get(f"{PATH}?replaced=true")))["items"]
    assert [item["replaced_by"] for item in both] == [right["id"], None]
    assert (await ok(house.lead.get(f"{PATH}/{wrong['id']}")))["replaced_by"] == right["id"]
    late = await refused(house.administrator.post(PATH, json=correction), 409, "replaced_already")
    assert late["replaced_by"] == right["id"]
    await refused(house.administrator.patch(f"{PATH}/{right['id']}", json={"sd": 9}), 405, "method_not_allowed")


async def test_only_ones_own_and_of_the_same_measure_are_replaced(root: Client, house: House) -> None:
    shared = await ok(root.post(PATH, json=BENCHMARK), 201)
    own = await ok(house.administrator.post(PATH, json=BENCHMARK), 201)
    for fields, code in (
        ({"replaces": shared["id"]}, "unknown_benchmark"),
        ({"replaces": "nothing"}, "unknown_benchmark"),
        ({"replaces": own["id"], "measure": "mini_z", "mean": 30, "sd": 6}, "other_measure"),
    ):
        body = {**BENCHMARK, "reason": "R", **fields}
        assert codes(await refused(house.administrator.post(PATH, json=body), 422, "invalid")) == [
            (("replaces",), code)
        ]


@on_sqlite
async def test_what_cannot_be_is_refused_with_its_place(house: House) -> None:
    tomorrow = str(datetime.now(UTC).date() + timedelta(days=1))
    for fields, place in (
        ({"measure": "mbi_xx"}, ("measure", "unknown_measure")),
        ({"mean": 55}, ("mean", "off_scale")),
        ({"mean": 1, "sd": 12}, ("sd", "impossible_sd")),
        ({"period_end": tomorrow}, ("period_end", "to_come")),
    ):
        problem = await refused(house.administrator.post(PATH, json={**BENCHMARK, **fields}), 422, "invalid")
        assert [(loc[-1], code) for loc, code in codes(problem)] == [place]
    for fields in ({"n": 1}, {"sd": 0}, {"period_end": "2024-12-31"}, {"reason": "R"}, {"replaces": "x"}, {"se": 1}):
        await refused(house.administrator.post(PATH, json={**BENCHMARK, **fields}), 422, "invalid")
