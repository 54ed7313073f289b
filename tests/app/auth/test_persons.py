"""One person under several spellings."""

import pytest

from app.auth.persons import identity
from tests.app.steps import Finish, analysed, in_test, ok, refused
from tests.conftest import House

SPELLINGS = ["ana ruiz", "Ana Ruiz", "ANA  RUIZ", " ana\u00a0ruiz ", "ana\u200b ruiz", "\uff41na ruiz"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_one_person_are_one(spelling: str) -> None:
    assert identity(spelling) == "ana ruiz"


def test_two_people_stay_two() -> None:
    assert identity("ana ruiz") != identity("anna ruiz")


@pytest.mark.anyio
async def test_a_capital_letter_is_no_second_pair_of_eyes(house: House, finish: Finish) -> None:
    path = await in_test(house, lead="NORTHFIELD  approver")
    analysis = await analysed(house, path, finish)
    body = {"analysis_id": analysis, "outcome": "scale", "rationale": "It helps."}
    await refused(house.approver.post(f"{path}/decisions", json=body), 409, "same_person")


@pytest.mark.anyio
async def test_being_named_as_lead_for_a_moment_bars_nobody(house: House, finish: Finish) -> None:
    path = await in_test(house)
    for lead in ("Northfield approver", "Northfield lead"):
        await ok(house.lead.patch(path, json={"lead": lead}))
    analysis = await analysed(house, path, finish)
    body = {"analysis_id": analysis, "outcome": "scale", "rationale": "It helps."}
    await ok(house.approver.post(f"{path}/decisions", json=body), 201)
