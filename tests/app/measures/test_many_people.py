"""Reading linked people costs what their rows cost, not its square; also of data just entered, and of those before."""

from time import perf_counter

import pytest

from tests.app.steps import ok, planned
from tests.conftest import House

pytestmark = pytest.mark.anyio

PEOPLE = 8000
PATIENCE = 5.0  # seconds; read once it takes half a second, joined with itself ten and more
ARMS = ("intervention", "control")


async def test_cells_and_corrections_of_many_people_are_read_at_once(house: House) -> None:
    path = await planned(house)
    lines = [f"p-{i:05},{ARMS[i % 2]},{i % 50},{i % 40}" for i in range(PEOPLE)]
    text = "\n".join(["participant,arm,mbi_ee_pre,mbi_ee_post", *lines])
    await ok(house.lead.post(f"{path}/measurements/import", files={"file": ("answers.csv", text, "text/csv")}), 201)
    began = perf_counter()
    before = (await ok(house.lead.get(f"{path}/cells")))["data"]
    assert [pair["n"] for pair in before["mbi_ee"]["pairs"]] == [PEOPLE // 2] * 2
    change = {"participant": "p-00001", "measure": "mbi_ee", "wave": "pre", "value": 50}
    await ok(house.lead.post(f"{path}/corrections", json={"reason": "typed", "corrections": [change]}), 201)
    assert (await ok(house.lead.get(f"{path}/cells?revision=1")))["data"] == before
    [item] = (await ok(house.analyst.get(f"{path}/corrections")))["items"]
    assert (item["before"], item["after"]) == (1, 50)
    assert perf_counter() - began < PATIENCE
