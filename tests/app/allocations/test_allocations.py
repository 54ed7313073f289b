"""Assigning arms over HTTP: who is on the list, what is refused, and what follows for the data."""

from collections import Counter
from typing import Any

import pytest

from app.config import Settings
from tests.app.steps import (
    CHANGES,
    PLAN,
    Finish,
    an_answer,
    analysed,
    codes,
    in_test,
    move,
    ok,
    planned,
    refused,
    start,
)
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Every group is shown: what is hidden of small ones is tried in measures/test_hidden.py."""
    return settings.model_copy(update={"smallest_cell": 1})


ELSEWHERE = {"elsewhere": {"method": "Sealed envelopes", "allocated_on": "2026-01-12", "source": "Protocol, 4.2"}}
CLUSTER = {**PLAN, "design": "cluster"}


def people(n: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"participant": f"p-{i:03}", **fields} for i in range(n)]


def arms(allocation: dict[str, Any]) -> dict[str, str]:
    return {entry["subject"]: entry["arm"] for entry in allocation["entries"]}


def values(wave: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"measure": "mbi_ee", "wave": wave, "rows": [{"value": 20 + i % 9, **row} for i, row in enumerate(rows)]}


async def units(house: House, n: int) -> list[str]:
    place = f"/v1/organizations/{house.id}/units"
    made = [await ok(house.administrator.post(place, json={"name": f"Ward {i}"}), 201) for i in range(n)]
    return [unit["id"] for unit in made]


async def allocate(house: House, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = await ok(house.lead.post(f"{path}/plan/allocate", json=body or {}), 201)
    return made


async def test_people_of_a_baseline_are_assigned_and_their_rows_follow(house: House) -> None:
    path = await planned(house)
    names = [p["participant"] for p in people(13)]
    await ok(house.lead.post(f"{path}/measurements", json=values("pre", *people(13))), 201)
    assert (await ok(house.lead.get(f"{path}/cells")))["data"] == {}
    made = await allocate(house, path)
    assert (made["kind"], made["level"], made["unchanged"]) == ("here", "participant", [])
    assert sorted(Counter(arms(made).values()).values()) == [6, 7]
    assert "stratified permuted blocks of 4, intervention 1 : control 1" in made["method"]
    assert [e["position"] for e in made["entries"]] == list(range(1, 14))
    held = (await ok(house.lead.get(f"{path}/measurements")))["items"]
    assert {row["participant"]: row["arm"] for row in held} == arms(made)
    # A follow-up row takes the arm from the allocation, too.
    after = [{"participant": name} for name in names]
    assert (await ok(house.lead.post(f"{path}/measurements", json=values("post", *after)), 201))["accepted"] == 13
    pairs = (await ok(house.lead.get(f"{path}/cells")))["data"]["mbi_ee"]["pairs"]
    assert {p["arm"]: p["n"] for p in pairs} == Counter(arms(made).values())


async def test_append_only_and_the_same_for_the_same_list(house: House) -> None:
    path = await planned(house)
    body = {"participants": people(6, stratum="nurses")}
    response = await house.lead.post(f"{path}/plan/allocate", json=body, headers={"Idempotency-Key": "one"})
    first = response.json()
    again = await house.lead.post(f"{path}/plan/allocate", json=body, headers={"Idempotency-Key": "one"})
    assert (again.json(), again.headers["idempotent-replayed"]) == (first, "true")
    same = await allocate(house, path, body)
    assert (same["id"], same["entries"], same["unchanged"]) == (first["id"], [], sorted(arms(first)))
    second = await allocate(house, path, {"participants": people(10, stratum="nurses")})
    assert (set(arms(second)) & set(arms(first)), len(second["unchanged"])) == (set(), 6)
    whole = Counter([*arms(first).values(), *arms(second).values()])
    assert abs(whole["control"] - whole["intervention"]) <= 2
    listed = (await ok(house.analyst.get(f"{path}/plan/allocations")))["items"]
    assert [a["entries"] for a in listed] == [first["entries"], second["entries"]]
    page = await ok(house.analyst.get(f"{path}/plan/allocations?limit=1&iteration=1"))
    assert (page["items"][0]["id"], page["next_cursor"]) == (first["id"], first["id"])
    assert (await ok(house.analyst.get(f"{path}/plan/allocations?iteration=2")))["items"] == []


async def test_the_seed_follows_from_plan_and_list_or_is_recorded_as_given(house: House) -> None:
    one, two, other = [await planned(house) for _ in range(3)]
    body = {"participants": people(12)}
    shuffled = {"participants": people(12)[::-1]}
    first, second = await allocate(house, one, body), await allocate(house, two, shuffled)
    assert (first["seed"], arms(first)) == (second["seed"], arms(second))
    assert "follows from the plan" in first["method"]
    given = await allocate(house, other, {**body, "seed": 7, "ratio": {"control": 1, "intervention": 2}})
    assert given["seed"] == 7
    assert "the seed was given" in given["method"]
    assert Counter(arms(given).values()) == {"intervention": 8, "control": 4}


@on_sqlite
async def test_units_are_assigned_where_the_design_says_so(house: House, finish: Finish) -> None:
    wards = await units(house, 8)
    path = await planned(house, CLUSTER, unit_ids=wards)
    anonymous = [{"unit_id": ward} for ward in wards for _ in range(5)]
    await ok(house.lead.post(f"{path}/measurements", json=values("pre", *anonymous)), 201)
    strata = {ward: "north" if i < 4 else "south" for i, ward in enumerate(wards)}
    made = await allocate(house, path, {"strata": strata})
    assert made["level"] == "unit"
    for region in ("north", "south"):
        assert Counter(e["arm"] for e in made["entries"] if e["stratum"] == region) == {"intervention": 2, "control": 2}
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    await ok(house.lead.post(f"{path}/measurements", json=values("post", *anonymous)), 201)
    other = "control" if arms(made)[wards[0]] == "intervention" else "intervention"
    wrong = values("post", {"unit_id": wards[0], "arm": other})
    problem = await refused(house.lead.post(f"{path}/measurements", json=wrong), 422, "invalid")
    assert codes(problem) == [(("rows", 0, "arm"), "arm_differs")]
    cells = (await ok(house.lead.get(f"{path}/cells")))["data"]["mbi_ee"]["cells"]
    assert {c["unit"]: c["arm"] for c in cells} == arms(made)
    analysis = await analysed(house, path, finish, an_answer())
    shown = await ok(house.lead.get(f"/v1/analyses/{analysis}"))
    assert [a["id"] for a in shown["provenance"]["allocations"]] == [made["id"]]
    assert shown["provenance"]["allocations"][0]["seed"] == made["seed"]
    assert "allocation_undeclared" not in {w["code"] for w in shown["warnings"]}


async def test_rows_of_people_who_were_not_assigned(house: House) -> None:
    path = await planned(house)
    made = await allocate(house, path, {"participants": people(4)})
    assigned = arms(made)["p-000"]
    other = "control" if assigned == "intervention" else "intervention"
    rows = [
        {"participant": "p-000", "arm": other},
        {"participant": "p-001", "arm": arms(made)["p-001"]},
        {"participant": "p-777", "arm": "control"},
        {"arm": "control"},
    ]
    problem = await refused(house.lead.post(f"{path}/measurements", json=values("pre", *rows)), 422, "invalid")
    assert codes(problem) == [
        (("rows", 0, "arm"), "arm_differs"),
        (("rows", 2, "participant"), "not_allocated"),
        (("rows", 3, "participant"), "not_allocated"),
        (("rows", 3, "participant"), "mixed_linkage"),
    ]
    assert "plan/allocate" in problem["errors"][1]["msg"]


@on_sqlite
async def test_after_scaling_everybody_may_answer(house: House) -> None:
    waves = [("pre", "baseline"), ("post", "followup"), ("year", "retention")]
    path = await planned(house, {**PLAN, "waves": [{"key": key, "kind": kind} for key, kind in waves]})
    made = await allocate(house, path, {"participants": people(10)})
    rows = [*people(10), {"participant": "p-777"}, {"participant": "p-778", "arm": "intervention"}]
    problem = await refused(house.lead.post(f"{path}/measurements", json=values("year", *rows)), 422, "invalid")
    assert codes(problem) == [(("rows", 10, "arm"), "missing")]
    del rows[10]
    await ok(house.lead.post(f"{path}/measurements", json=values("year", *rows)), 201)
    held = (await ok(house.lead.get(f"{path}/measurements")))["items"]
    assert {row["participant"]: row["arm"] for row in held} == {**arms(made), "p-778": "intervention"}


async def test_rows_wait_for_an_arm_only_before_chance_has_assigned(house: House) -> None:
    path = await planned(house)
    missing = [(("rows", 0, "arm"), "missing")]
    after = house.lead.post(f"{path}/measurements", json=values("post", *people(1)))
    assert codes(await refused(after, 422, "invalid")) == missing
    nobody = house.lead.post(f"{path}/measurements", json=values("pre", {}))
    assert codes(await refused(nobody, 422, "invalid")) == missing
    await ok(house.lead.post(f"{path}/measurements", json=values("pre", *people(2))), 201)
    # Assigned elsewhere after all: the arm comes with the same row again, or with the follow-up.
    await allocate(house, path, ELSEWHERE)
    later = house.lead.post(f"{path}/measurements", json=values("pre", {"participant": "p-009"}))
    assert codes(await refused(later, 422, "invalid")) == missing
    again = await ok(house.lead.post(f"{path}/measurements", json=values("pre", *people(1, arm="control"))), 201)
    assert (again["accepted"], again["unchanged"]) == (0, 1)
    body = values("post", {"participant": "p-001", "arm": "intervention"})
    await ok(house.lead.post(f"{path}/measurements", json=body), 201)
    held = (await ok(house.lead.get(f"{path}/measurements?wave=pre")))["items"]
    assert {row["participant"]: row["arm"] for row in held} == {"p-000": "control", "p-001": "intervention"}
    not_random = await planned(house, {**PLAN, "randomised": False})
    asked = house.lead.post(f"{not_random}/measurements", json=values("pre", *people(1)))
    assert codes(await refused(asked, 422, "invalid")) == missing


@on_sqlite
async def test_values_without_an_arm_are_told_and_left_out(house: House) -> None:
    path = await planned(house)
    await ok(house.lead.post(f"{path}/measurements", json=values("pre", *people(17))), 201)
    await allocate(house, path, {"participants": people(12)})
    cells = await ok(house.lead.get(f"{path}/cells"))
    assert sum(cell["n"] for cell in cells["data"]["mbi_ee"]["cells"]) == 12
    assert "not_allocated" in {w["code"] for w in cells["warnings"]}
    await ok(house.lead.put(f"{path}/waves/pre", json={"invited": {"control": 20, "intervention": 20}}))
    wave, planned_only = (await ok(house.lead.get(f"{path}/waves")))["items"]
    assert wave["responded"] == {"control": 6, "intervention": 6}
    assert wave["total"]["responded"] == 17  # five wait for an arm
    assert planned_only["recorded"] is False


NAMED = {"participant": "ana@clinic.org"}
LATER = {"elsewhere": {**ELSEWHERE["elsewhere"], "allocated_on": "2999-01-01"}}
MISFITS: list[tuple[dict[str, Any], list[tuple[tuple[Any, ...], str]] | None]] = [
    ({"participants": [NAMED]}, [(("participants", 0, "participant"), "looks_identifying")]),
    ({"participants": [*people(1), *people(1)]}, [(("participants", 1, "participant"), "duplicate")]),
    ({"participants": people(1, unit_id="nowhere")}, [(("participants", 0, "unit_id"), "unknown_unit")]),
    ({"participants": people(2), "strata": {"nowhere": "a"}}, [(("strata", "nowhere"), "unknown_unit")]),
    ({"participants": people(2), "ratio": {"control": 1}}, [(("ratio",), "unknown_arm")]),
    ({"participants": people(2), "block_size": 5}, [(("block_size",), "not_a_multiple")]),
    ({"participants": people(2), "level": "unit"}, None),
    ({"participants": [], "level": "participant"}, None),
    ({**ELSEWHERE, "seed": 3}, None),
    (LATER, [(("elsewhere", "allocated_on"), "future")]),
    ({"seeds": 3}, [(("seeds",), "extra_forbidden")]),
]


@on_sqlite
async def test_a_list_that_does_not_fit_says_where(house: House) -> None:
    path = await planned(house)
    for body, expected in MISFITS:
        problem = await refused(house.lead.post(f"{path}/plan/allocate", json=body), 422, "invalid")
        assert expected is None or codes(problem) == expected, body
    assert (await ok(house.lead.get(f"{path}/plan/allocations")))["items"] == []


@on_sqlite
async def test_when_nothing_can_be_assigned(house: House, finish: Finish) -> None:
    async def no(path: str, code: str, body: dict[str, Any] | None = None) -> None:
        problem = await refused(house.lead.post(f"{path}/plan/allocate", json=body or {}), 409, code)
        assert len(problem["detail"]) > 30

    bare = await start(house)
    await no(bare, "no_plan")
    path = await planned(house)
    await no(path, "nobody_to_allocate")
    await no(path, "nobody_to_allocate", {"level": "participant"})
    for change, code in (
        ({"randomised": False}, "not_randomised"),
        ({"design": "paired", "control": None}, "one_arm"),
        ({"design": "cluster", "units": [{"unit_id": house.unit["id"], "arm": "control"}]}, "arms_given"),
    ):
        await ok(house.lead.put(f"{path}/plan", json={**PLAN, **change}))
        await no(path, code)
    await ok(house.lead.put(f"{path}/plan", json=PLAN))
    await ok(house.lead.post(f"{path}/measurements", json=values("pre", *people(2, arm="control"))), 201)
    await no(path, "arms_given")
    published = await in_test(house)
    await no(published, "followup_exists", {"participants": people(4)})
    await allocate(house, published, ELSEWHERE)  # published before and after: told all the same
    await analysed(house, published, finish, an_answer("refine"))
    await no(published, "after_first_look", ELSEWHERE)
    await ok(
        house.lead.post(
            f"{published}/moves",
            json={"to": "retired", "reason": "R", "lessons": "L", "retirement": "stopped"},
        ),
        201,
    )
    await no(published, "retired", ELSEWHERE)


async def test_what_chance_has_assigned_stands(house: House) -> None:
    path = await planned(house)
    await allocate(house, path, {"participants": people(4)})
    lead = house.lead
    await refused(lead.post(f"{path}/plan/allocate", json={"level": "unit"}), 409, "other_level")
    await refused(lead.post(f"{path}/plan/allocate", json=ELSEWHERE), 409, "allocated_here")
    other_arms = {**PLAN, "treated": "huddles"}
    await refused(lead.put(f"{path}/plan", json=other_arms), 409, "allocated")
    await ok(lead.post(f"{path}/plan/lock"))
    body = {"reason": "R", "plan": other_arms}
    await refused(house.approver.post(f"{path}/plan/amendments", json=body), 409, "allocated")
    elsewhere = await planned(house)
    declared = await allocate(house, elsewhere, ELSEWHERE)
    assert (declared["kind"], declared["level"], declared["seed"], declared["entries"]) == ("elsewhere", None, None, [])
    assert (declared["source"], declared["created_by"]) == ("Protocol, 4.2", "Northfield lead")
    body = {"participants": people(4)}
    await refused(lead.post(f"{elsewhere}/plan/allocate", json=body), 409, "allocated_elsewhere")


@on_sqlite
async def test_a_plan_that_says_randomised_is_told_of_when_nothing_backs_it(house: House) -> None:
    path = await planned(house)

    async def told() -> bool:
        plan = await ok(house.lead.get(f"{path}/plan"))
        return "allocation_undeclared" in {w["code"] for w in plan["warnings"]}

    assert await told()
    await ok(house.lead.put(f"{path}/plan", json={**PLAN, "randomised": False}))
    assert not await told()
    await ok(house.lead.put(f"{path}/plan", json=PLAN))
    await ok(house.lead.post(f"{path}/summaries", json=CHANGES), 201)
    await allocate(house, path, ELSEWHERE)
    assert not await told()
