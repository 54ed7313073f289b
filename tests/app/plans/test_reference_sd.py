"""A reference SD from a benchmark: taken, frozen, told where from, and held against the baseline and the people."""

from typing import Any

import pytest

from tests.app.benchmarks.test_benchmarks import BENCHMARK
from tests.app.steps import LASTING, PLAN, codes, in_test, ok, planned, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
# Of the plan of the steps, as it was locked before plans knew benchmarks: locked plans must keep theirs.
HASH_OF_PLAN = "a0f5afbab8cedff3d253fe9aacbb53c2a936a4bdc469eca513bc2f099b4b249a"


def of(measure: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**PLAN, **fields, "measures": [{"measure": "mbi_ee", **measure}]}


async def published(house: House, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await ok(house.administrator.post("/v1/benchmarks", json={**BENCHMARK, **fields}), 201)
    return made


async def ward(house: House, specialty: str | None = "Internal medicine", occupation: str | None = "physician") -> str:
    body = {"name": f"{specialty} {occupation}", "specialty": specialty, "occupation": occupation}
    body = {k: v for k, v in body.items() if v is not None}
    return str((await ok(house.administrator.post(f"/v1/organizations/{house.id}/units", json=body), 201))["id"])


def told(plan: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in plan["warnings"] if warning["code"].startswith("benchmark")}


async def test_the_plan_takes_the_benchmarks_sd_and_says_so(house: House) -> None:
    benchmark = await published(house)
    path = await planned(house, of({"benchmark_id": benchmark["id"]}), unit_ids=[await ward(house)])
    read = await ok(house.lead.get(f"{path}/plan"))
    [measure] = read["plan"]["measures"]
    assert (measure["reference_sd"], measure["reference_mean"]) == (11.0, None)
    assert "benchmark_id" not in measure
    assert measure["reference_sd_source"] == (
        f"benchmark {benchmark['id']}: internal medicine, physician, 2025-01-01 to 2025-12-31 (n = 800), "
        "Survey 2025 (synthetic)"
    )
    assert read["reference_sds"] == [
        {
            "measure": "mbi_ee",
            "reference_sd": 11.0,
            "source": measure["reference_sd_source"],
            "origin": "benchmark",
            "benchmark_id": benchmark["id"],
        }
    ]
    assert told(read) == set()
    # Written again as it was read, it is the same plan, of the same benchmark.
    again = await ok(house.lead.put(f"{path}/plan", json=read["plan"]))
    assert (again["hash"], again["reference_sds"]) == (read["hash"], read["reference_sds"])
    centred = await ok(
        house.lead.put(f"{path}/plan", json=of({"benchmark_id": benchmark["id"], "benchmark_mean": True}))
    )
    assert centred["plan"]["measures"][0]["reference_mean"] == 24.0


async def test_where_else_a_reference_sd_comes_from_is_told_and_moves_no_hash(house: House) -> None:
    async def written(measure: dict[str, Any]) -> tuple[str, str | None, str]:
        plan = await ok(house.lead.put(f"{path}/plan", json={**PLAN, "measures": [measure]}))
        [found] = plan["reference_sds"]
        return found["origin"], found["source"], plan["hash"]

    path = await planned(house)
    origin, source, filled = await written({"measure": "mbi_ee"})
    assert (origin, source) == ("measure_default", "implied by Panagioti 2017 (3 points = 0.29 SD)")
    assert await written({"measure": "mbi_ee", "reference_sd": 10.3, "reference_sd_source": source}) == (
        "measure_default",
        source,
        filled,
    )
    origin, source, _ = await written({"measure": "mbi_ee", "reference_sd": 9.0})
    assert (origin, source) == ("stated", None)
    assert (await written({"measure": "pfi_fulfillment"}))[:2] == ("pooled_baseline", None)
    assert (await written({"measure": "mbi_burnout"}))[:2] == ("family", None)
    stated = await ok(house.lead.put(f"{path}/plan", json=PLAN))
    assert stated["hash"] == HASH_OF_PLAN


async def test_a_benchmark_that_is_none_for_this_measure_is_refused(house: House, neighbour: House) -> None:
    benchmark = await published(house)
    corrected = await published(house, sd=10.5, replaces=benchmark["id"], reason="A slip.")
    mini_z = await published(house, measure="mini_z", mean=32, sd=6)
    binary = await published(house, measure="mbi_burnout", mean=0.4, sd=0.49)
    theirs = await ok(neighbour.administrator.post("/v1/benchmarks", json=BENCHMARK), 201)
    path = await planned(house)
    for measure, place, code in (
        ({"benchmark_id": "nothing"}, "benchmark_id", "unknown_benchmark"),
        ({"benchmark_id": theirs["id"]}, "benchmark_id", "unknown_benchmark"),
        ({"benchmark_id": mini_z["id"]}, "benchmark_id", "other_measure"),
        ({"benchmark_id": benchmark["id"]}, "benchmark_id", "replaced"),
        ({"benchmark_id": corrected["id"], "reference_sd": 10.3}, "reference_sd", "differs_from_benchmark"),
        (
            {"benchmark_id": corrected["id"], "benchmark_mean": True, "reference_mean": 20},
            "reference_mean",
            "differs_from_benchmark",
        ),
        (
            {"benchmark_id": corrected["id"], "reference_sd_source": "me"},
            "reference_sd_source",
            "differs_from_benchmark",
        ),
        ({"benchmark_mean": True}, "benchmark_mean", "missing"),
        ({"measure": "mbi_burnout", "benchmark_id": binary["id"]}, "benchmark_id", "not_normal"),
    ):
        problem = await refused(house.lead.put(f"{path}/plan", json=of(measure)), 422, "invalid")
        assert codes(problem) == [(("measures", 0, place), code)], measure
    same = {"benchmark_id": corrected["id"], "reference_sd": 10.5, "reference_mean": 20}
    assert (await ok(house.lead.put(f"{path}/plan", json=of(same))))["plan"]["measures"][0]["reference_mean"] == 20


async def test_a_benchmark_of_another_time_or_of_others_is_warned_about_up_to_the_analysis(house: House) -> None:
    benchmark = await published(house)
    units = [await ward(house), await ward(house, "surgery"), house.unit["id"]]
    waves = [{**LASTING["waves"][0], "starts_on": "2026-02-01"}, LASTING["waves"][1]]
    plan = of({"benchmark_id": benchmark["id"]}, waves=waves, baseline_missing_reason="published")
    path = await in_test(house, plan, unit_ids=units)
    warnings = {w["code"]: w["message"] for w in (await ok(house.lead.get(f"{path}/plan")))["warnings"]}
    assert "baseline was collected 2026-02-01 to 2026-02-01" in warnings["benchmark_not_contemporaneous"]
    assert "surgery, physician" in warnings["benchmark_of_others"]
    assert "neither specialty nor occupation" in warnings["benchmark_of_others"]
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert told(asked) == {"benchmark_not_contemporaneous", "benchmark_of_others"}
    # As recorded goes before as planned; a correction does not touch what is locked, and is told.
    await ok(house.lead.put(f"{path}/waves/pre", json={"invited": {}, "starts_on": "2025-12-20"}))
    newer = await published(house, sd=10, replaces=benchmark["id"], reason="A slip.")
    read = await ok(house.lead.get(f"{path}/plan"))
    assert told(read) == {"benchmark_of_others", "benchmark_replaced"}
    assert read["plan"]["measures"][0]["reference_sd"] == 11.0
    assert any(newer["id"] in warning["message"] for warning in read["warnings"])


@on_sqlite
async def test_a_benchmark_that_fits_is_offered_instead_of_the_default(house: House) -> None:
    path = await planned(house, of({}), unit_ids=[await ward(house), await ward(house, "Internal medicine", "nurse")])
    await published(house)  # of physicians only: it does not fit the nurses
    assert told(await ok(house.lead.get(f"{path}/plan"))) == set()
    both = await published(house, occupation=None)
    read = await ok(house.lead.get(f"{path}/plan"))
    assert told(read) == {"benchmark_available"}
    assert any(both["id"] in warning["message"] for warning in read["warnings"])
    assert told(await ok(house.lead.put(f"{path}/plan", json=of({"benchmark_id": both["id"]})))) == set()


async def test_an_amendment_keeps_the_benchmark_although_it_was_corrected(house: House) -> None:
    benchmark = await published(house)
    plan = of({"benchmark_id": benchmark["id"]}, baseline_missing_reason="published")
    path = await in_test(house, plan, unit_ids=[await ward(house)])
    await published(house, sd=10, replaces=benchmark["id"], reason="A slip.")
    await ok(house.analyst.post(f"{path}/analyses"), 202)
    same = (await ok(house.lead.get(f"{path}/plan")))["plan"] | {"interval_reason": "As the clinic year."}
    amended = await ok(house.approver.post(f"{path}/plan/amendments", json={"reason": "Words.", "plan": same}), 201)
    assert amended["reference_sds"][0]["benchmark_id"] == benchmark["id"]
