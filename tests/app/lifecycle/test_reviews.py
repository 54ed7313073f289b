"""What is due after scaling: whether the effect lasts, whether a provisional scale is confirmed, what is overdue."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from app.lifecycle.follow import a_year_after
from tests.app.steps import (
    LASTING,
    REVIEW,
    Finish,
    an_answer,
    analysed,
    codes,
    in_test,
    intervention,
    move,
    ok,
    refused,
    retained,
    scaled,
    signed,
    unmet,
)
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
SOON = (datetime.now(UTC).date() + timedelta(days=200)).isoformat()
EVALUATION = {"design": "cluster", "description": "Clinics that start in March against those of June.", "due_on": SOON}
FINDING = {"finding": "As the analysis says."}


@pytest.mark.parametrize(
    ("day", "following"),
    [(date(2026, 11, 22), date(2027, 11, 22)), (date(2028, 2, 29), date(2029, 2, 28))],
)
def test_a_year_later(day: date, following: date) -> None:
    assert a_year_after(day) == following


async def reviews(house: House, path: str, query: str = "") -> list[dict[str, Any]]:
    pilot = path.rpartition("/")[2]
    found: list[dict[str, Any]] = (await ok(house.lead.get(f"/v1/reviews?pilot_id={pilot}{query}")))["items"]
    return found


async def test_scaling_asks_whether_it_lasts(house: House, finish: Finish) -> None:
    path = await scaled(house, finish)
    [review] = await reviews(house, path)
    today = datetime.now(UTC).date()
    assert (review["kind"], review["due_on"], review["overdue"]) == (
        "retention",
        a_year_after(today).isoformat(),
        False,
    )
    place = f"/v1/reviews/{review['id']}/completion"
    await refused(house.approver.post(place, json=FINDING), 409, "retention_missing")
    analysis = await retained(house, path, finish)
    done = await ok(house.approver.post(place, json=FINDING), 201)
    assert (done["outcome"], done["analysis_id"], done["completed_by"]) == ("retained", analysis, "Northfield approver")
    [_, following] = await reviews(house, path)
    assert following["completed_at"] is None
    # The next one wants an analysis of its own.
    other = f"/v1/reviews/{following['id']}/completion"
    await refused(house.approver.post(other, json=FINDING), 409, "retention_missing")


@on_sqlite
async def test_an_effect_that_is_gone_takes_the_pilot_back(house: House, finish: Finish) -> None:
    path = await scaled(house, finish)
    [review] = await reviews(house, path)
    gone = an_answer("refine")
    gone["effects"][0]["p_benefit"] = 0.5
    await retained(house, path, finish, gone)
    done = await ok(house.approver.post(f"/v1/reviews/{review['id']}/completion", json=FINDING), 201)
    assert done["outcome"] == "not_retained"
    await move(house, path, "refine", reason="The effect was not retained.")
    assert [r["outcome"] for r in await reviews(house, path)] == ["not_retained", "ended"]
    assert await reviews(house, path, "&open=true") == []


@on_sqlite
async def test_a_failed_gate_completes_nothing(house: House, finish: Finish) -> None:
    path = await scaled(house, finish)
    [review] = await reviews(house, path)
    await retained(house, path, finish, an_answer(gates_passed=False))
    await refused(house.approver.post(f"/v1/reviews/{review['id']}/completion", json=FINDING), 409, "gate_failed")
    assert (await reviews(house, path))[0]["completed_at"] is None


@on_sqlite
async def test_who_leads_does_not_complete(house: House, finish: Finish) -> None:
    path = await scaled(house, finish)
    [review] = await reviews(house, path)
    await retained(house, path, finish)
    await ok(house.lead.patch(path, json={"lead": "Northfield approver"}))
    await refused(house.approver.post(f"/v1/reviews/{review['id']}/completion", json=FINDING), 409, "same_person")


async def test_overdue_reviews_are_listed(house: House, finish: Finish) -> None:
    path = await scaled(house, finish)
    [review] = await reviews(house, path)
    assert await reviews(house, path, "&overdue=true") == []
    with time_machine.travel(datetime.now(UTC) + timedelta(days=367), tick=True):
        [late] = await reviews(house, path, "&overdue=true")
        assert (late["id"], late["overdue"]) == (review["id"], True)
        later = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
        place = f"/v1/reviews/{review['id']}"
        tag = (await house.lead.get(place)).headers["etag"]
        body = {"due_on": later, "reason": "The yearly survey moved."}
        moved = await ok(house.lead.patch(place, json=body, headers={"If-Match": tag}))
        assert (moved["overdue"], moved["postponed_because"]) == (False, "The yearly survey moved.")
        assert (await house.lead.patch(place, json=body, headers={"If-Match": tag})).status_code == 412
        assert await reviews(house, path, "&overdue=true") == []


@on_sqlite
async def test_the_planned_wave_sets_the_date(house: House, finish: Finish) -> None:
    ends = (datetime.now(UTC).date() + timedelta(days=300)).isoformat()
    plan = {**LASTING, "waves": [*LASTING["waves"][:2], {"key": "y1", "kind": "retention", "ends_on": ends}]}
    path = await in_test(house, plan)
    await signed(house, path, await analysed(house, path, finish), "scale")
    await ok(house.lead.patch(path, json={"sustainability_review": REVIEW}))
    await move(house, path, "scale")
    assert [r["due_on"] for r in await reviews(house, path)] == [ends]


async def provisional(house: House, finish: Finish, of: str) -> str:
    path = await in_test(house, LASTING, of=of)
    analysis = await analysed(house, path, finish, an_answer("scale", grade="C", provisional=True))
    assert (await signed(house, path, analysis, "scale"))["provisional"] is True
    await ok(house.lead.patch(path, json={"sustainability_review": REVIEW}))
    problem = await refused(house.lead.post(f"{path}/moves", json={"to": "scale", "reason": "R"}), 409, "move_refused")
    assert unmet(problem) == ["controlled_evaluation"]
    past = {**EVALUATION, "due_on": "2020-01-01"}
    await ok(house.lead.patch(path, json={"controlled_evaluation": past}))
    await refused(house.lead.post(f"{path}/moves", json={"to": "scale"}), 409, "move_refused")
    await ok(house.lead.patch(path, json={"controlled_evaluation": EVALUATION}))
    await move(house, path, "scale")
    return path


async def test_a_provisional_scale_is_not_scaled_before_its_evaluation(house: House, finish: Finish) -> None:
    of = await intervention(house)
    path = await provisional(house, finish, of)
    pilot = await ok(house.lead.get(path))
    assert (pilot["stage"], pilot["provisional"], pilot["scaled"]) == ("scale", True, False)
    [review] = await reviews(house, path)
    assert (review["kind"], review["due_on"]) == ("controlled_evaluation", SOON)
    place = f"/v1/reviews/{review['id']}/completion"
    await refused(house.approver.post(place, json=FINDING), 409, "evaluation_missing")
    changed = {"controlled_evaluation": {**EVALUATION, "design": "did"}}
    await refused(house.lead.patch(path, json=changed), 409, "provisional")

    evaluating = await in_test(house, of=of)
    await ok(house.lead.patch(path, json={"evaluated_by": evaluating.rpartition("/")[2]}))
    await refused(house.approver.post(place, json=FINDING), 409, "evaluation_missing")
    analysis = await analysed(house, evaluating, finish, an_answer("scale", grade="B"))
    await signed(house, evaluating, analysis, "scale")
    done = await ok(house.approver.post(place, json=FINDING), 201)
    assert (done["outcome"], done["analysis_id"]) == ("confirmed", analysis)
    pilot = await ok(house.lead.get(path))
    assert (pilot["provisional"], pilot["scaled"]) == (False, True)
    assert [r["kind"] for r in await reviews(house, path, "&open=true")] == ["retention"]


@on_sqlite
async def test_a_provisional_scale_that_fails_its_evaluation(house: House, finish: Finish) -> None:
    of = await intervention(house)
    path = await provisional(house, finish, of)
    evaluating = await in_test(house, of=of)
    await ok(house.lead.patch(path, json={"evaluated_by": evaluating.rpartition("/")[2]}))
    await signed(house, evaluating, await analysed(house, evaluating, finish, an_answer("refine")), "refine")
    [review] = await reviews(house, path)
    done = await ok(house.approver.post(f"/v1/reviews/{review['id']}/completion", json=FINDING), 201)
    assert done["outcome"] == "not_confirmed"
    assert (await ok(house.lead.get(path)))["scaled"] is False
    await move(house, path, "refine", reason="The controlled evaluation failed.")
    pilot = await ok(house.lead.get(path))
    assert (pilot["provisional"], pilot["iteration"]) == (False, 2)


@on_sqlite
async def test_an_evaluation_is_another_pilot_of_the_same_intervention(
    house: House, neighbour: House, finish: Finish
) -> None:
    of = await intervention(house)
    path = await provisional(house, finish, of)
    others = [path, await in_test(house), await in_test(neighbour, of=of), "/nowhere"]
    for other in others:
        body = {"evaluated_by": other.rpartition("/")[2]}
        problem = await refused(house.lead.patch(path, json=body), 422, "invalid")
        assert codes(problem) == [(("evaluated_by",), "unknown_pilot")]
    # A before and after is no comparison.
    uncontrolled = {"controlled_evaluation": {**EVALUATION, "design": "paired"}}
    await refused(house.lead.patch(path, json=uncontrolled), 422, "invalid")
