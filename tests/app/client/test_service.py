"""The client against the service itself: pilots, data in, analyses asked for, waited for and read."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.client import (
    Analysis,
    Conflict,
    Effect,
    Invalid,
    NoEstimate,
    NotFinished,
    NotFound,
    NotSucceeded,
    Pilotlight,
    Report,
    Result,
    Unauthorized,
    Wave,
)
from tests.app.client.conftest import As
from tests.app.steps import CHANGES, PLAN, REFUSAL, Finish, an_answer, analysed, in_test, ok, planned, start
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio


def id_of(path: str) -> str:
    return path.rsplit("/", 1)[1]


@on_sqlite
async def test_pilots_over_pages_and_by_what_is_asked(house: House, service_as: As) -> None:
    paths = [await start(house, title=f"Coaching {n}") for n in range(3)]
    service = service_as(house.analyst)
    found = list(service.pilots())
    assert [pilot.id for pilot in found] == [id_of(path) for path in paths]
    assert (found[0].title, found[0].stage, found[0].iteration) == ("Coaching 0", "discover", 1)
    assert found[0].raw["driver"] == found[0].driver == "self_valuation"
    assert [pilot.title for pilot in service.pilots(q="coaching 2")] == ["Coaching 2"]
    assert list(service.pilots(stage="scale")) == []
    assert service.pilot(found[1].id) == found[1]
    assert service.get("/v1/pilots", limit=1)["items"] == [found[0].raw]


@on_sqlite
async def test_lists_are_read_to_their_end(house: House, service_as: As) -> None:
    path = await planned(house)
    rows = [{"value": n % 40, "arm": "intervention", "participant": f"p{n}"} for n in range(450)]
    pilot = service_as(house.lead).pilot(id_of(path))
    assert pilot.enter("mbi_ee", "pre", rows).accepted == 450
    found = [row["participant"] for row in pilot.measurements("mbi_ee", "pre")]
    assert sorted(found) == sorted(row["participant"] for row in rows)


async def test_rows_and_summaries_go_in(house: House, service_as: As) -> None:
    pilot = service_as(house.lead).pilot(id_of(await planned(house)))
    rows = [
        {"value": 27, "arm": "intervention", "participant": "p1"},
        {"value": 99, "arm": "control", "participant": "p2"},
    ]
    with pytest.raises(Invalid, match=r"rows\.1\.value") as raised:
        pilot.enter("mbi_ee", "pre", rows)
    assert [error["loc"] for error in raised.value.errors] == [["rows", 1, "value"]]
    report = pilot.enter("mbi_ee", "pre", rows, partial=True)
    assert (report.accepted, report.unchanged, report.rejected) == (1, 0, 1)
    assert (report.errors[0].loc, str(report)) == (["rows", 1, "value"], "1 accepted, 0 unchanged, 1 rejected")
    assert pilot.enter("mbi_ee", "pre", rows[:1]).unchanged == 1
    other = service_as(house.lead).pilot(id_of(await in_test(house)))
    assert other.enter_summary("mbi_ee", changes=CHANGES["changes"]).unchanged == 2
    assert [entry["content"]["n"] for entry in other.summaries("mbi_ee")] == [41, 41]
    assert other.cells()["mbi_ee"].keys() == {"changes"}


@on_sqlite
async def test_what_may_not_be_is_a_type(house: House, neighbour: House, address: str, service_as: As) -> None:
    pilot_id = id_of(await start(house))
    with pytest.raises(NotFound, match="Check the id"):
        service_as(neighbour.analyst).pilot(pilot_id)
    with pytest.raises(NotFound):
        service_as(house.analyst).analysis("no/../such?id")
    with pytest.raises(Conflict) as raised:
        service_as(house.lead).pilot(pilot_id).enter("mbi_ee", "pre", [{"value": 1, "arm": "control"}])
    assert raised.value.code == "no_plan"
    with Pilotlight(address, "pl_nobody") as stranger, pytest.raises(Unauthorized, match="Give a valid key"):
        stranger.pilot(pilot_id)


@on_sqlite
async def test_waves_and_what_is_next(house: House, service_as: As) -> None:
    path = await in_test(house)
    await ok(house.lead.put(f"{path}/waves/post", json={"invited": {"intervention": 44, "control": 44}}))
    pilot = service_as(house.analyst).pilot(id_of(path))
    (wave,) = [wave for wave in pilot.waves() if wave.key == "post"]
    assert (wave.invited["control"], wave.responded["control"], wave.kind) == (44, 41, "followup")
    assert wave.attrition["control"] == pytest.approx(3 / 44)
    assert pilot.plan()["locked"] is True
    assert {move["to"] for move in pilot.next()} >= {"scale", "refine"}


async def test_an_analysis_from_the_question_to_the_answer(house: House, service_as: As, finish: Finish) -> None:
    pilot = service_as(house.analyst).pilot(id_of(await in_test(house)))
    assert pilot.newest_analysis() is None
    asked = pilot.analyse()
    assert (asked.status, asked.kind, asked.look) == ("queued", "confirmatory", 1)
    with pytest.raises(NotFinished, match="wait"):
        asked.result  # noqa: B018
    told: list[tuple[float, str]] = []
    ending = threading.Timer(0.3, finish, (asked.id, an_answer()))
    ending.start()
    done = asked.wait(progress=lambda share, words: told.append((share, words)))
    ending.join()
    assert told[0] == (0, "waits for a worker")
    assert told[-1] == (1, "done")
    assert (done.status, asked.status) == ("succeeded", "queued")
    effect = done.result.effect()
    assert (effect.measure, effect.p_benefit) == ("mbi_ee", 0.999)
    assert str(effect.adjusted) == "+0.60 [+0.28, +0.92]"
    assert (done.result.recommendation.outcome, done.result.recommendation.says) == ("scale", "The program helps.")
    assert done.result.recommendation.criteria[0].met is True
    assert (done.result.grade, done.result.raw) == ("A", an_answer())
    newest = pilot.newest_analysis()
    assert newest == done
    assert done.warnings == done.raw["warnings"]
    # A list has no results; they are read when they are asked for.
    (listed,) = pilot.analyses(kind="confirmatory")
    assert listed.result == done.result
    with pytest.raises(KeyError, match="mbi_ee"):
        done.result.effect("turnover")


@on_sqlite
async def test_analyses_that_end_otherwise(
    house: House, service_as: As, finish: Finish, break_off: Callable[[str], None]
) -> None:
    pilot = service_as(house.analyst).pilot(id_of(await in_test(house)))
    refused = pilot.analyse()
    finish(refused.id, REFUSAL)
    with pytest.raises(NoEstimate, match=r"no data of the follow-up\. What would help: enter them") as raised:
        refused.wait(progress=False).result  # noqa: B018
    assert raised.value.code == "no_followup"
    broken = pilot.analyse(seed=7)
    assert broken.kind == "exploratory"
    break_off(broken.id)
    with pytest.raises(NotSucceeded, match=r"failed: The process that does the work died\. \(crashed\)"):
        broken.wait(progress=False).result  # noqa: B018
    slow = pilot.analyse(seed=8)
    with pytest.raises(NotFinished, match="it goes on at the service"):
        slow.wait(progress=False, seconds=0)
    assert slow.cancelled().status == "cancelled"
    with pytest.raises(NotSucceeded, match="has been cancelled"):
        slow.refreshed().result  # noqa: B018
    assert pilot.newest_analysis(kind="exploratory") is None


NEW = st.dictionaries(st.sampled_from(["new_a", "new_b", "new_c"]), st.none() | st.integers() | st.just([{"x": 1}]))


@settings(max_examples=40)
@given(more=NEW, cut=st.data())
def test_fields_that_are_new_or_missing_break_nothing(more: dict[str, Any], cut: st.DataObject) -> None:
    answer = an_answer()
    gone = cut.draw(st.sets(st.sampled_from(sorted(answer))))
    kept = {name: value for name, value in answer.items() if name not in gone}
    result = Result.read({**kept, **more, "effects": [{**answer["effects"][0], **more}]})
    assert result.effect().adjusted is not None
    assert result.raw.keys() >= more.keys()
    for kind in (Effect, Report):
        assert kind.read(more).raw == more
    assert Wave.of(more).raw == more
    assert "new_" not in repr(Analysis.of({"id": "1", **more}, connection=None))
    assert str(PLAN["measures"][0]["measure"]) == result.effect().measure


@on_sqlite
async def test_a_pilot_whose_analysis_was_taken_before(house: House, service_as: As, finish: Finish) -> None:
    path = await in_test(house)
    analysis_id = await analysed(house, path, finish)
    assert service_as(house.analyst).analysis(analysis_id).pilot_id == id_of(path)
