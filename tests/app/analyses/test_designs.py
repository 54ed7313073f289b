"""Each design as its users go: units, plan, rows wave by wave, an analysis; fitted here by the exact engine."""

import random
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from sqlmodel import select

from analysis.documents import Engine, FitRequest
from analysis.fit import fit_with_draws
from app.analyses.models import Analysis
from app.analyses.plotting import draw
from app.analyses.service import WORK
from app.db import reading
from tests.app.steps import NOTES, Finish, intervention, move, ok, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
TWO = ("pre", "post")
THREE = ("early", "pre", "post")


class Case(NamedTuple):
    """Rows of a design, the shape they are analysed in, the grade it gives."""

    design: str
    measure: str
    waves: tuple[str, ...]
    linked: bool
    shape: str
    grade: str


async def units_of(house: House, number: int) -> list[str]:
    path = f"/v1/organizations/{house.id}/units"
    made = [await ok(house.administrator.post(path, json={"name": f"Clinic {i}"}), 201) for i in range(number)]
    return [unit["id"] for unit in made]


def plan_of(case: Case, units: list[str]) -> dict[str, Any]:
    one_group = case.design in {"paired", "cross_section"}
    return {
        "design": case.design,
        **({} if one_group else {"control": "control"}),
        "baseline": "pre",
        "waves": [{"key": key, "kind": "followup" if key == "post" else "baseline"} for key in case.waves],
        "units": [
            {"unit_id": unit, "arm": "control" if i % 2 and not one_group else "intervention"}
            for i, unit in enumerate(units)
        ],
        "measures": [{"measure": case.measure, **({"reference_sd": 10.3} if case.measure == "mbi_ee" else {})}],
        "followup_months": 6,
        "randomised": case.design in {"parallel", "cluster"},
    }


def rows_of(plan: dict[str, Any], wave: str, *, linked: bool) -> dict[str, Any]:
    """What 15 people in each unit answered at a wave; the arm is that of their unit, and some did not answer."""
    rows = []
    for u, unit in enumerate(plan["units"]):
        for p in range(15):
            rng = random.Random(f"{u}-{p}")
            level, chance = rng.gauss(27, 8), random.Random(f"{u}-{p}-{wave}")
            helped = 10 if wave == "post" and unit["arm"] == "intervention" else 0
            value = min(max(round(level + chance.gauss(0, 4) - helped), 0), 54)
            if plan["measures"][0]["measure"] == "mbi_burnout":
                value = int(value > 27)
            if chance.random() < 0.85:
                row = {"value": value, "unit_id": unit["unit_id"]}
                rows.append(row | ({"participant": f"p-{u}-{p}"} if linked else {}))
    return {"measure": plan["measures"][0]["measure"], "wave": wave, "rows": rows}


CASES = [
    Case("parallel", "mbi_ee", TWO, True, "pairs", "A"),
    Case("cluster", "mbi_ee", TWO, True, "pairs", "B"),
    Case("cluster", "mbi_burnout", TWO, False, "counts", "B"),
    Case("paired", "mbi_ee", TWO, True, "rows", "D"),
    Case("paired", "mbi_burnout", TWO, True, "rows", "D"),
    Case("cross_section", "mbi_ee", TWO, False, "cells", "D"),
    Case("cross_section", "mbi_burnout", TWO, False, "counts", "D"),
    Case("did", "mbi_ee", THREE, True, "rows", "B"),
    Case("did", "mbi_ee", TWO, False, "cells", "C"),
    Case("did", "mbi_burnout", THREE, False, "counts", "B"),
]


@on_sqlite
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.design}-{case.measure}-{case.shape}")
async def test_rows_of_each_design_become_a_result(app: FastAPI, house: House, finish: Finish, case: Case) -> None:
    units = await units_of(house, 4)
    body = {"title": "Clinics", "driver": "self_valuation", "unit_ids": units}
    path = f"/v1/pilots/{(await ok(house.lead.post('/v1/pilots', json=body), 201))['id']}"
    await ok(house.lead.patch(path, json={**NOTES, "intervention_id": await intervention(house)}))
    await move(house, path, "develop")
    plan = plan_of(case, units)
    written = await ok(house.lead.put(f"{path}/plan", json=plan))
    assert "not_offered" not in [w["code"] for w in written["warnings"]]
    for wave in case.waves[:-1]:
        await ok(house.lead.post(f"{path}/measurements", json=rows_of(plan, wave, linked=case.linked)), 201)
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    await ok(house.lead.post(f"{path}/measurements", json=rows_of(plan, "post", linked=case.linked)), 201)
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    assert asked["kind"] == "confirmatory"
    with reading(app.state.engine) as session:
        row = session.exec(select(Analysis).where(Analysis.id == asked["id"])).one()
        document = WORK.request(session, row)
    request = FitRequest.model_validate(document["fit"])
    assert request.data[case.measure].shape == case.shape
    assert request.data_hash() == asked["provenance"]["data_hash"]
    assert (request.attrition is not None) is case.linked
    request = request.model_copy(update={"engine": Engine.EXACT})
    fitted = fit_with_draws(request)
    drawn, warned = draw(request, fitted, document["unit_names"])
    finish(asked["id"], fitted.answer, drawn)
    done = await ok(house.lead.get(f"/v1/analyses/{asked['id']}"))
    effect = done["result"]["effects"][0]
    assert (done["status"], done["result"]["grade"], warned) == ("succeeded", case.grade, [])
    assert effect["sd"]["mean"] > 0.2  # ten points of 10.3 help; priors and chance take some away
    assert {unit["unit"] for unit in effect["units"]} <= set(units)
    plots = {address.rpartition("/")[2].partition(".")[0]: address for address in done["plots"]}
    assert {"posterior", "prior_posterior", "cell_means"} <= plots.keys()
    assert ("units" in plots) is bool(effect["units"])
    if effect["units"]:
        assert "Clinic 2" in (await house.lead.get(plots["units"])).text
    assert (await refused(house.lead.get(f"/v1/analyses/{asked['id']}/plots/trace.svg"), 404, "no_plot"))["plots"]
