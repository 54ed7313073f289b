"""What was entered can be read again, by iteration."""

import pytest

from app.config import Settings
from tests.app.steps import CHANGES, PLAN, Finish, an_answer, analysed, in_test, move, ok, planned
from tests.conftest import House

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Every group is shown: what is hidden of small ones is tried in test_hidden.py."""
    return settings.model_copy(update={"smallest_cell": 1})


ROWS = {
    "measure": "mbi_ee",
    "wave": "pre",
    "rows": [{"value": 20 + i, "arm": "control", "participant": f"p-{i}"} for i in range(3)],
}


async def test_rows_are_read_as_entered(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/measurements", json=ROWS), 201)
    items = (await ok(house.analyst.get(f"{path}/measurements")))["items"]
    # In the order of the requests, within one in none: the order of a file would tell who is who.
    assert {(i["participant"], i["value"], i["arm"], i["created_by"]) for i in items} == {
        (f"p-{i}", 20 + i, "control", "Northfield lead") for i in range(3)
    }
    assert (await ok(house.analyst.get(f"{path}/measurements", params={"wave": "post"})))["items"] == []


async def test_summaries_are_read_by_iteration(house: House, finish: Finish) -> None:
    path = await in_test(house)
    await analysed(house, path, finish, an_answer("refine"))
    await move(house, path, "refine", reason="broken off", lessons="Too few sessions.")
    await ok(house.lead.put(f"{path}/plan", json=PLAN))
    assert (await ok(house.analyst.get(f"{path}/summaries")))["items"] == []
    first = (await ok(house.analyst.get(f"{path}/summaries", params={"iteration": 1})))["items"]
    assert [{k: v for k, v in i["content"].items() if v is not None} for i in first] == CHANGES["changes"]
