"""Many requests at the same moment: each is answered, none stands in the way of the one that could go on."""

import asyncio
import time

import httpx
import pytest

from tests.conftest import House

CROWD = 120


@pytest.mark.anyio
async def test_a_crowd_is_served(house: House, root: httpx.AsyncClient) -> None:
    began = time.monotonic()
    asked = [
        root.post(f"/v1/organizations/{house.id}/units", json={"name": f"Ward {n}"})
        if n % 2
        else root.get("/v1/pilots", params={"limit": 1})
        for n in range(CROWD)
    ]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200, 201}
    assert time.monotonic() - began < 20  # less than a wait for a connection or a turn takes until it is given up
