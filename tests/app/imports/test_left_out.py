"""What rows leave out of arm and unit is known from their people's other rows; what nobody knows, a fault says."""

from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import select

from app.db import transaction
from app.measures.models import Measurement
from tests.app.imports.test_import import ARMS, load, refuse, values
from tests.app.steps import PLAN, codes, ok, planned, refused
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
PEOPLE = 8
FOLLOWUP = "participant,mbi_ee_post\n" + "\n".join(f"p-{i},{18 + i}" for i in range(PEOPLE))
DECLARED = {"elsewhere": {"method": "sealed envelopes", "source": "trial office", "allocated_on": "2026-01-05"}}
BY_WARD = {"layout": "wide", "participant": "participant", "unit": "ward", "arm": "arm"}
BY_WARD |= {"values": [{"column": f"mbi_ee_{wave}", "measure": "mbi_ee", "wave": wave} for wave in ("pre", "post")]}


def baseline(house: House, *, arm: bool = True) -> str:
    lines = ["participant,unit_id,mbi_ee_pre" + ",arm" * arm]
    lines += [f"p-{i},{house.unit['id']},{20 + i}" + f",{ARMS[i % 2]}" * arm for i in range(PEOPLE)]
    return "\n".join(lines)


def places(app: FastAPI, path: str, wave: str) -> dict[str | None, tuple[str, str | None]]:
    """Arm and unit of each person's row as they are stored: groups this small are not shown."""
    m = Measurement
    of_wave = select(m.participant, m.arm, m.unit_id).where(m.pilot_id == path.rpartition("/")[2], m.wave == wave)
    with transaction(app.state.engine) as session:
        return {who: (arm, unit) for who, arm, unit in session.exec(of_wave)}


@pytest.mark.parametrize("kind", ["declared", "allocated", "observed", "by unit"])
async def test_a_follow_up_needs_nothing_but_pseudonyms_and_answers(app: FastAPI, house: House, kind: str) -> None:
    units = [{"unit_id": house.unit["id"], "arm": "control"}] if kind == "by unit" else []
    path = await planned(house, {**PLAN, "randomised": kind in {"declared", "allocated"}, "units": units})
    if kind == "declared":
        await ok(house.lead.post(f"{path}/plan/allocate", json=DECLARED), 201)
    elif kind == "allocated":
        people = [{"participant": f"p-{i}"} for i in range(PEOPLE)]
        await ok(house.lead.post(f"{path}/plan/allocate", json={"participants": people}), 201)
    await load(house, path, baseline(house, arm=kind in {"declared", "observed"}))
    report = await load(house, path, FOLLOWUP)
    assert (report["accepted"], report["rejected"]) == (PEOPLE, 0)
    held = places(app, path, "post")
    assert held == places(app, path, "pre")
    assert {unit for _, unit in held.values()} == {house.unit["id"]}
    again = await load(house, path, FOLLOWUP)
    assert (again["accepted"], again["unchanged"], again["revision"]) == (0, PEOPLE, None)
    rows = [{"participant": f"p-{i}", "value": 18 + i} for i in range(PEOPLE)]
    sent = await ok(
        house.lead.post(f"{path}/measurements", json={"measure": "mbi_ee", "wave": "post", "rows": rows}), 201
    )
    assert (sent["accepted"], sent["unchanged"]) == (0, PEOPLE)


async def test_another_measure_and_another_row_tell_it_too(app: FastAPI, house: House) -> None:
    measures = [*PLAN["measures"], {"measure": "mbi_dp", "role": "secondary", "reference_sd": 6.0}]
    path = await planned(house, {**PLAN, "randomised": False, "measures": measures})
    await load(house, path, baseline(house))
    await load(house, path, "participant,mbi_dp_post\np-0,5\np-1,6")
    unit = house.unit["id"]
    assert places(app, path, "post") == {"p-0": ("intervention", unit), "p-1": ("control", unit)}
    text = "participant,arm,unit_id,measure,wave,value\nq-1,,,mbi_ee,pre,20\nq-1,control,,mbi_ee,post,21\n"
    await load(house, path, f"{text}q-1,,{unit},mbi_dp,pre,3")
    assert {places(app, path, wave)["q-1"] for wave in ("pre", "post")} == {("control", unit)}


async def test_an_arm_that_nobody_knows_is_asked_for(house: House) -> None:
    path = await planned(house, {**PLAN, "randomised": False})
    await load(house, path, baseline(house))
    text = f"{FOLLOWUP}\np-99,20\np-99,20"
    problem = await refuse(house, path, text, "rows_rejected")
    assert [(e["row"], e["column"], e["code"]) for e in problem["errors"]] == [
        (PEOPLE + 2, "arm", "missing"),
        (PEOPLE + 3, "arm", "missing"),
    ]
    assert "in a column or field of the row; no other value of this person tells it" in problem["errors"][0]["msg"]
    rows = [{"participant": "p-99", "value": 20}]
    body = {"measure": "mbi_ee", "wave": "post", "rows": rows}
    told = await refused(house.lead.post(f"{path}/measurements", json=body), 422, "invalid")
    assert codes(told) == [(("rows", 0, "arm"), "missing")]
    assert told["errors"][0]["msg"] == problem["errors"][0]["msg"]
    part = await load(house, path, text, query="?partial=true")
    assert (part["accepted"], part["rejected"]) == (PEOPLE, 2)


async def test_two_units_that_are_named_contradict_each_other(app: FastAPI, house: House) -> None:
    more = await ok(house.administrator.post(f"/v1/organizations/{house.id}/units", json={"name": "Ward 2"}), 201)
    path = await planned(house, unit_ids=[house.unit["id"], more["id"]])
    await load(house, path, baseline(house))
    text = f"participant,unit_id,mbi_ee_post\np-0,{more['id']},20\np-1,,20"
    problem = await refuse(house, path, text, "rows_rejected")
    assert [(e["row"], e["column"], e["code"]) for e in problem["errors"]] == [(2, "unit_id", "unit_changed")]
    # Who stands without a unit stays without; the sentence does not speak of another one.
    await load(house, path, "participant,arm,mbi_ee_pre\nq-1,control,20")
    problem = await refuse(house, path, f"participant,unit_id,mbi_ee_post\nq-1,{more['id']},20", "rows_rejected")
    assert "stand without a unit; leave the unit out" in problem["errors"][0]["msg"]
    await load(house, path, "participant,mbi_ee_post\nq-1,20")
    assert places(app, path, "post")["q-1"] == ("control", None)


@on_sqlite
async def test_a_wrong_place_loses_each_value_of_its_row_and_is_listed_once(house: House) -> None:
    path = await planned(house)
    lines = [f"p-{i},{ARMS[i % 2]},Ward 1,{20 + i},{18 + i}" for i in range(6)]
    lines[2] = "p-2,intervention,Ward 9,22,20"
    lines[3] = "p-3,control,Ward 1,99,21"
    text = "\n".join(["participant,arm,ward,mbi_ee_pre,mbi_ee_post", *lines])
    report = await load(house, path, text.replace("Ward 1", house.unit["id"]), 201, "?partial=true", mapping=BY_WARD)
    assert (report["accepted"], report["rejected"], len(report["errors"])) == (9, 3, 2)
    assert sorted(c["rows"] for c in report["faults"]) == [1, 1]


async def test_answers_of_two_kinds_are_told_what_they_meet(house: House) -> None:
    path, other = await planned(house), await planned(house)
    anonymous = "arm,mbi_ee_pre\n" + "\n".join(f"{ARMS[i % 2]},{20 + i}" for i in range(6))
    named = "participant,arm,mbi_ee_pre,mbi_ee_post\n" + "\n".join(f"p-{i},{ARMS[i % 2]},20,21" for i in range(3))
    await load(house, path, anonymous)
    problem = await refuse(house, path, named, "rows_rejected")
    assert [(e["row"], e["column"], e["code"]) for e in problem["errors"]] == [
        (row, "participant", "mixed_linkage") for row in (2, 3, 4)
    ]
    assert problem["rejected"] == 6
    says = problem["errors"][0]["msg"]
    assert "6 answers without a pseudonym stand in mbi_ee since revision 1, and this one is with" in says
    assert "leave the pseudonyms out" in says
    rows: list[dict[str, Any]] = [{"participant": "p-0", "value": 20, "arm": "control"}]
    body = {"measure": "mbi_ee", "wave": "pre", "rows": rows}
    told = await refused(house.lead.post(f"{path}/measurements", json=body), 422, "invalid")
    assert told["errors"][0]["msg"] == says
    await load(house, other, named)
    problem = await refuse(house, other, anonymous, "rows_rejected")
    assert "6 answers with a pseudonym stand in mbi_ee" in problem["errors"][0]["msg"]
    fresh = await planned(house)
    problem = await refuse(house, fresh, f"{named}\n,control,20,21", "rows_rejected")
    assert "the first answer to mbi_ee came with a pseudonym, this one without" in problem["errors"][0]["msg"]
    assert len(problem["errors"]) == 1
    assert await values(house, fresh) == {}
