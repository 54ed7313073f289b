"""What is hidden of a stepped wedge: neither the arm as entered nor the one at a wave, nor both, tell a small cell."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from app.analyses.models import Analysis
from app.db import reading, transaction
from app.measures.crossed import Crossing, suppress_crossed
from app.measures.starting import INSIDE
from app.measures.suppression import Suppressed, Table, Unit
from tests.app.measures.test_starting import WEDGE, wedge
from tests.app.steps import Finish, an_answer, ok
from tests.conftest import House, on_sqlite

anyio = pytest.mark.anyio

# --- the rule -----------------------------------------------------------------------------------------------------

UNITS, WAVES, ARMS = ("u1", "u2", "u3", "u4", "u5", "u6"), ("w0", "w1"), ("control", "intervention")
PLACES = list(product(UNITS, WAVES))
sizes = st.fixed_dictionaries({place: st.integers(0, 12) for place in PLACES})
ends = st.fixed_dictionaries({unit: st.sampled_from(ARMS) for unit in UNITS})
holds = st.fixed_dictionaries({place: st.sampled_from([*ARMS, INSIDE]) for place in PLACES})
left_out = st.frozensets(st.sampled_from(PLACES), max_size=2)
leasts = st.integers(2, 8)

type Counts = dict[Table, dict[Unit, int]]


def entered(size: dict[tuple[str, str], int], end: dict[str, str]) -> Counts:
    found: Counts = {}
    for (unit, wave), n in size.items():
        found.setdefault(Table("ee", end[unit], wave), {})[unit] = n
    return found


def hides(found: Suppressed, end: dict[str, str], hold: dict[tuple[str, str], str]) -> dict[Any, tuple[bool, bool]]:
    """Of each cell, whether it is hidden as entered, and as analysed."""
    return {
        (unit, wave): (
            found.hides(Table("ee", end[unit], wave), unit),
            hold[unit, wave] == INSIDE or found.as_analysed.hides(Table("ee", hold[unit, wave], wave), unit),
        )
        for unit, wave in PLACES
    }


@given(size=sizes, end=ends, hold=holds, without=left_out, least=leasts, already=st.frozensets(st.just("u1")))
def test_no_small_cell_follows_from_both_arms_together(
    size: dict[tuple[str, str], int],
    end: dict[str, str],
    hold: dict[tuple[str, str], str],
    without: frozenset[tuple[str, str]],
    least: int,
    already: frozenset[Unit],
) -> None:
    found = suppress_crossed(entered(size, end), Crossing(hold, without), least, already)
    here = [place for place in PLACES if size[place]]
    hidden = hides(found, end, hold)
    known = [[float(p == place) for p in here] for place in here if not all(hidden[place])]
    for arm, wave in product(ARMS, WAVES):
        if Table("ee", arm, wave) not in found.tables:
            known.append([float((end[u], w) == (arm, wave)) for u, w in here])
        if Table("ee", arm, wave) not in found.as_analysed.tables:
            known += [
                [float((hold[p], p[1]) == (arm, wave) and p not in out) for p in here] for out in (frozenset(), without)
            ]
    rank = np.linalg.matrix_rank(np.array(known)) if known else 0
    for i, place in enumerate(here):
        if size[place] < least:
            assert all(hidden[place])
            target = [float(j == i) for j in range(len(here))]
            assert np.linalg.matrix_rank(np.array([*known, target])) > rank, place


@given(size=sizes, end=ends, hold=holds, least=leasts)
def test_a_cell_is_hidden_in_both_arms_or_in_none(
    size: dict[tuple[str, str], int], end: dict[str, str], hold: dict[tuple[str, str], str], least: int
) -> None:
    found = suppress_crossed(entered(size, end), Crossing(hold), least)
    whole = {table.wave for table in found.as_analysed.tables}
    for (unit, wave), (as_entered, as_analysed) in hides(found, end, hold).items():
        if size[unit, wave] and wave not in whole and hold[unit, wave] != INSIDE:
            assert as_entered is as_analysed


def test_one_switches_it_off() -> None:
    assert suppress_crossed({Table("ee", "control", "w0"): {"u1": 1}}, Crossing({}), 1) == Suppressed()


def test_a_unit_in_no_arm_and_linked_people_of_too_few_are_hidden_by_either_arm() -> None:
    linked = Table("ee", "intervention", "w1", linked=True)
    counts: Counts = {Table("ee", "intervention", "w1"): {"u1": 9, "u2": 8}, linked: {"u1": 2}}
    found = suppress_crossed(counts, Crossing({("u2", "w1"): "control"}), 5)
    assert found.as_analysed.hides(Table("ee", "", "w1", linked=True), "u1")
    assert found.as_analysed.unlinks("ee", "control")
    assert not found.unlinks("ee", "control")


# --- over HTTP ----------------------------------------------------------------------------------------------------

W1, W2, W3 = "2026-03-01", "2026-05-01", "2026-07-01"


async def filled(
    house: House, people: list[int], days: list[str | None], shape: str = "cells"
) -> tuple[str, list[str]]:
    """A stepped wedge of units of so many people at every wave, as cells or as rows."""
    path, units = await wedge(house, *days)
    for w in range(4):
        if shape == "rows":
            rows = [{"unit_id": u, "value": 20 + i + p} for i, u in enumerate(units) for p in range(people[i])]
            body = {"measure": "mbi_ee", "wave": f"w{w}", "rows": rows}
            await ok(house.lead.post(f"{path}/measurements", json=body), 201)
        else:
            cells = [
                {"unit": u, "wave": f"w{w}", "n": n, "mean": 20.0 + i, "sd": 8.0}
                for i, (u, n) in enumerate(zip(units, people, strict=True))
            ]
            await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "cells": cells}), 201)
    return path, units


def shown(answer: Any, units: list[str]) -> dict[int, set[str]]:
    """The waves at which each unit's numbers are shown, by its place."""
    found: dict[int, set[str]] = {}
    for entry in answer["data"]["mbi_ee"]["cells"]:
        if "n" in entry:
            found.setdefault(units.index(entry["unit"]), set()).add(entry["wave"])
    return found


async def analysis_of(house: House, path: str, finish: Finish, app: FastAPI) -> tuple[str, dict[str, Any]]:
    """An analysis that ended with checks by arm and wave, and what is kept as hidden of it."""
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    answer = an_answer()
    check = {"cell": "control, wave 1", "quantity": "mean", "observed": 21.0, "low": 0, "high": 40, "p": 0.5}
    answer["effects"][0] |= {"n": {"control": 50, "intervention": 50}, "predictive": [check]}
    finish(asked["id"], answer, [{"measure": "mbi_ee", "name": "cell_means", "svg": "<svg/>"}])
    with reading(app.state.engine) as session:
        row = session.exec(select(Analysis).where(Analysis.id == asked["id"])).one()
        return f"/v1/analyses/{asked['id']}", dict(row.suppressed or {})


@anyio
@pytest.mark.parametrize("shape", ["cells", "rows"])
async def test_a_small_unit_is_hidden_where_its_table_as_entered_is_of_another_alone(house: House, shape: str) -> None:
    path, units = await filled(house, [3, 8, 9, 12], [W2, W1, W2, None], shape)
    now = await ok(house.lead.get(f"{path}/cells"))
    # Who crosses with it goes with it.
    assert sorted(shown(now, units)) == [1, 3]
    then = await ok(house.lead.get(f"{path}/cells?revision=4"))
    assert shown(then, units) == shown(now, units)
    items = (await ok(house.lead.get(f"{path}/{'measurements?limit=200' if shape == 'rows' else 'summaries'}")))[
        "items"
    ]
    entered = (i if shape == "rows" else {"unit_id": i["content"]["unit"], **i} for i in items if not i["suppressed"])
    assert {units.index(i["unit_id"]) for i in entered} == set(shown(now, units))


@anyio
async def test_who_crosses_with_a_small_unit_is_hidden_too(house: House, finish: Finish, app: FastAPI) -> None:
    path, units = await filled(house, [3, 12, 9, 10, 11, 14], [W2, W2, W1, W1, W3, W3])
    now = shown(await ok(house.lead.get(f"{path}/cells")), units)
    assert sorted(now) == [2, 3, 4, 5]
    address, kept = await analysis_of(house, path, finish, app)
    assert shown(await ok(house.lead.get(f"{address}/cells")), units) == now
    # Every part is of five and more: totals by arm and wave stay.
    assert kept["tables"] == []
    assert (await ok(house.lead.get(address)))["result"]["effects"][0]["predictive"]
    assert (await house.lead.get(f"{address}/plots/cell_means.svg")).status_code == 200


@anyio
async def test_both_doors_hide_a_unit_that_crosses_alone(house: House, finish: Finish, app: FastAPI) -> None:
    path, units = await filled(house, [8, 3, 9, 20, 21], [W1, W2, W3, None, None])
    now = shown(await ok(house.lead.get(f"{path}/cells")), units)
    address, _ = await analysis_of(house, path, finish, app)
    assert shown(await ok(house.lead.get(f"{address}/cells")), units) == now
    assert sorted(now) == [3, 4]


@anyio
async def test_totals_that_would_tell_a_small_unit_are_not_shown(house: House, finish: Finish, app: FastAPI) -> None:
    # The small unit is the last to start: everybody in control at w2, less who never starts.
    path, units = await filled(house, [3, 12, 9, 10], [W3, None, W1, W2])
    now = await ok(house.lead.get(f"{path}/cells"))
    assert all("w2" not in waves for waves in shown(now, units).values())
    address, kept = await analysis_of(house, path, finish, app)
    assert ["mbi_ee", "control", "w2", False] in kept["tables"]
    effect = (await ok(house.lead.get(address)))["result"]["effects"][0]
    assert (effect["predictive"], effect["n"]) == ([], {})
    assert shown(await ok(house.lead.get(f"{address}/cells")), units) == shown(now, units)
    # One from before this was known drew its means with all of them.
    assert (await house.lead.get(f"{address}/plots/cell_means.svg")).status_code == 200
    with transaction(app.state.engine) as session:
        row = session.exec(select(Analysis).where(Analysis.pilot_id == path.rpartition("/")[2])).one()
        row.suppressed = {**kept, "tables": []}
        session.add(row)
    assert (await house.lead.get(f"{address}/plots/cell_means.svg")).status_code == 404
    assert (await ok(house.lead.get(address)))["result"]["effects"][0]["predictive"] == []


@anyio
@on_sqlite
async def test_waves_of_which_not_all_have_days_are_shown(house: House) -> None:
    path, units = await wedge(house, W1, W2, None)
    named = [{"unit_id": u, "starts_on": day} for u, day in zip(units, (W1, W2, None), strict=True)]
    waves = [*WEDGE["waves"][:3], {"key": "w3", "kind": "followup"}]
    await ok(house.lead.put(f"{path}/plan", json={**WEDGE, "waves": waves, "units": named}))
    cells = [{"unit": u, "wave": f"w{w}", "n": 20, "mean": 30, "sd": 9} for u in units for w in (0, 3)]
    await ok(house.lead.post(f"{path}/summaries", json={"measure": "mbi_ee", "cells": cells}), 201)
    taken = (await ok(house.lead.get(f"{path}/cells")))["data"]["mbi_ee"]["cells"]
    assert {(c["wave"], c["arm"]) for c in taken} == {("w0", "control"), ("w3", None)}
    assert (await house.analyst.post(f"{path}/analyses")).status_code == 202
