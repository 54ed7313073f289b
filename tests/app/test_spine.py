"""The first walk: a pilot from discovery into the test, over HTTP, on both databases."""

import pytest

from tests.conftest import House

pytestmark = pytest.mark.anyio


async def test_walk(house: House) -> None:
    lead = house.lead
    r = await lead.post(
        "/v1/pilots", json={"title": "Coaching", "driver": "self_valuation", "unit_ids": [house.unit["id"]]}
    )
    assert r.status_code == 201, r.text
    path = r.headers["location"]
    r = await lead.get(f"{path}/next")
    print(r.json())
    r = await lead.post(f"{path}/moves", json={"to": "develop"})
    assert r.status_code == 409, r.text
    print(r.json())
