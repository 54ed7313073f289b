"""Iterations compared in one answer, and none of them on another's measures."""

from typing import Any

import pytest

from tests.app.steps import PLAN, Finish, an_answer, analysed, in_test, intervention, move, ok, planned, refused, signed
from tests.conftest import Client, House

pytestmark = pytest.mark.anyio

ARMS = ("intervention", "control")


async def test_effects_side_by_side_and_as_a_picture(house: House, neighbour: House, finish: Finish) -> None:
    path = await in_test(house)
    first = await analysed(house, path, finish, an_answer("refine", grade="C"))
    await signed(house, path, first, "refine")
    earlier = (await ok(house.lead.get(path)))["intervention_id"]
    await move(house, path, "refine", reason="As decided.", lessons="Begin before the busy season.")
    later = await intervention(house, title="By telephone", derived_from=earlier, derivation_reason="cheaper")
    await ok(house.lead.patch(path, json={"intervention_id": later}))
    (one, two) = (await ok(house.lead.get(f"{path}/iterations")))["items"]
    assert (two["intervention_id"], two["interval"], two["effects"]) == (later, None, [])
    (effect,) = one["effects"]
    assert (effect["analysis_id"], effect["measure"], effect["role"]) == (first, "mbi_ee", "primary")
    assert (effect["grade"], effect["recommendation"], effect["gates_passed"]) == ("C", "refine", True)
    assert (effect["adjusted"]["mean"], effect["adjusted"]["interval"]["low"]) == (0.6, 0.28)
    assert (effect["p_benefit"], effect["p_meaningful"], effect["mmd"]) == (0.999, 0.99, 0.2)

    await ok(house.lead.put(f"{path}/plan", json={**PLAN, "baseline_missing_reason": "asked before"}))
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    cells = [{"arm": arm, "wave": "post", "n": 20, "mean": 25, "sd": 9} for arm in ARMS]
    await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "cells": cells}), 201)
    # What somebody tried out shows no effect of the iteration; the confirmatory one does before it is signed.
    exploratory = (await ok(house.analyst.post(f"{path}/analyses", json={"seed": 1}), 202))["id"]
    finish(exploratory, an_answer("scale"))
    assert (await ok(house.lead.get(f"{path}/iterations")))["items"][1]["effects"] == []
    second = await analysed(house, path, finish, an_answer("scale", gates_passed=False))
    items = (await ok(house.lead.get(f"{path}/iterations")))["items"]
    assert [[e["analysis_id"] for e in item["effects"]] for item in items] == [[first], [second]]
    assert items[1]["effects"][0]["gates_passed"] is False

    picture = await house.approver.get(f"{path}/iterations/effects.svg")
    assert picture.headers["content-type"].startswith("image/svg+xml")
    for said in ("iteration 1", "grade C, signed refine", "iteration 2", "grade A, recommended scale", "a gate failed"):
        assert said in picture.text
    await refused(neighbour.lead.get(f"{path}/iterations/effects.svg"), 404, "not_found")


async def rows(lead: Client, path: str, wave: str, shift: float) -> None:
    held = [{"arm": arm, "participant": f"{arm}-{i}", "value": 20 + i + shift} for arm in ARMS for i in range(6)]
    await ok(lead.post(f"{path}/measurements", json={"measure": "mbi_ee", "wave": wave, "rows": held}), 201)


async def test_no_iteration_uses_anothers_measures_although_the_people_are_the_same(
    house: House, finish: Finish
) -> None:
    path = await planned(house)
    await rows(house.lead, path, "pre", 0)
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    await rows(house.lead, path, "post", -4)
    first = await analysed(house, path, finish, an_answer("refine"))
    await signed(house, path, first, "refine")
    await move(house, path, "refine", lessons="Once more.")
    await ok(house.lead.put(f"{path}/plan", json={**PLAN, "baseline": "pre"}))
    await rows(house.lead, path, "pre", 5)
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")

    async def pairs(query: str) -> list[dict[str, Any]]:
        data: dict[str, Any] = (await ok(house.lead.get(f"{path}/cells{query}")))["data"].get("mbi_ee", {})
        return sorted(data.get("pairs") or data.get("cells") or [], key=lambda c: str(c["arm"]))

    before = await pairs("?iteration=1")
    assert [p["mean"] for p in before] == [[22.5, 18.5], [22.5, 18.5]]
    # The second iteration has its own baseline, and no follow-up from the first.
    assert {(c["wave"], c["mean"], c["n"]) for c in await pairs("")} == {("pre", 27.5, 6)}
    await rows(house.lead, path, "post", 2)
    assert [p["mean"] for p in await pairs("")] == [[27.5, 24.5], [27.5, 24.5]]
    assert await pairs("?iteration=1") == before
    second = await analysed(house, path, finish, an_answer("refine"))
    one, two = [(await ok(house.lead.get(f"/v1/analyses/{a}"))) for a in (first, second)]
    assert one["provenance"]["data_hash"] != two["provenance"]["data_hash"]
    assert not [w for a in (one, two) for w in a["warnings"] if w["code"] in {"data_changed", "data_reused"}]
