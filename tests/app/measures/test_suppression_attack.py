"""Somebody who may read everything tries to recover the small cells of a pilot, and cannot.

The attack knows more than any reader: the exact totals of every arm and wave that is not hidden as a whole. With
PILOTLIGHT_SMALLEST_CELL=1 the same attack finds every cell, so that it is not the attack that is blunt.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from fastapi import FastAPI
from sqlmodel import select

from analysis.documents import Engine, FitRequest, confirmatory_seed
from analysis.fit import fit_with_draws
from app.analyses import plotting
from app.analyses.models import Analysis
from app.analyses.service import WORK
from app.config import Settings
from app.db import reading
from tests.app.steps import NOTES, Finish, intervention, move, ok
from tests.conftest import Client, House, on_postgresql, on_sqlite

pytestmark = pytest.mark.anyio
LEAST = 5
SUMS = ("n", "mean", "sd", "x", "value", "departure", "effect", "counts", "events")
Cell = tuple[str, str, str, str]
"""Measure, arm, wave, unit."""


class Case(NamedTuple):
    """How the people of a pilot were measured; a seed draws how many there are."""

    design: str
    form: str
    seed: int

    @property
    def waves(self) -> tuple[str, ...]:
        return ("pre", "post") if self.design in {"cluster", "parallel"} else ("early", "pre", "post")

    @property
    def wedge(self) -> bool:
        return self.design == "stepped_wedge"

    def end(self, u: int, p: int) -> str:
        """The arm of a person of a unit, in the end."""
        if self.wedge:
            return "intervention" if STARTS[u] else "control"
        return "control" if (p if self.design == "parallel" else u) % 2 else "intervention"


CASES = [
    Case("cluster", "linked", 1),
    Case("cluster", "summaries", 2),
    Case("parallel", "linked", 3),
    Case("did", "linked", 4),
    Case("did", "anonymous", 5),
    Case("stepped_wedge", "linked", 6),
    Case("stepped_wedge", "summaries", 7),
]
DRAWN = CASES[:1]
# Of a stepped wedge: the days of its waves, and when each unit starts. Both small ones cross together with others.
DAYS = {"early": "2026-01-05", "pre": "2026-03-02", "post": "2026-05-04"}
STARTS = ["2026-02-01", "2026-04-01", "2026-02-01", "2026-04-01", "2026-02-01", "2026-04-01", None, None]
PLOTS = ("units", "cell_means", "predictive")
ADMINISTRATORS = frozenset({"list_audit", "list_keys"})


class World(NamedTuple):
    """A pilot with an analysis, and what is true of it: every value by cell, and the names of its units.

    `held` is the cell by the arm that holds at its wave, which in a stepped wedge is not the one it was entered in.
    """

    pilot: str
    analysis: str
    waves: tuple[str, ...]
    values: dict[Cell, list[float]]
    held: dict[Cell, Cell]
    names: dict[str, str]

    @property
    def small(self) -> list[Cell]:
        return [cell for cell, values in self.values.items() if len(values) < LEAST]


@pytest.fixture
def settings(settings: Settings, least: int) -> Settings:
    return settings.model_copy(update={"smallest_cell": least})


@pytest.fixture(autouse=True)
def few_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only plots of the data and the units are drawn: the others show none, and drawing takes longest here."""
    every = plotting._plots
    monkeypatch.setattr(plotting, "_plots", lambda *given: ((n, make) for n, make in every(*given) if n in PLOTS))


def people(case: Case, units: list[str]) -> Iterator[tuple[Cell, str, float]]:
    """Cell, pseudonym and value of everybody, of odd unit sizes with small ones among them."""
    rng = random.Random(case.seed)
    sizes = [3, 2, *(rng.choice([4, 6, 7, 9, 12]) for _ in units[2:])]
    for u, (unit, size) in enumerate(zip(units, sizes, strict=True)):
        for p in range(size):
            arm = case.end(u, p)
            level = rng.uniform(15, 40)
            for wave in case.waves:
                value = round(min(max(rng.gauss(level, 6), 0), 54), 2)
                for measure, given in (("mbi_ee", value), ("mbi_burnout", float(value > 27))):
                    if wave == ("early" if case.wedge else "pre") or rng.random() < 0.9:
                        yield (measure, arm, wave, unit), f"p-{u}-{p}", given


async def enter(house: House, case: Case, path: str, given: list[tuple[Cell, str, float]], waves: set[str]) -> None:
    by_table: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for (measure, arm, wave, unit), person, value in given:
        if wave in waves:
            by_table[measure, wave].append((arm, unit, person, value))
    for (measure, wave), rows in by_table.items():
        if case.form == "summaries":
            body = {"measure": measure, **summaries(measure, wave, rows)}
            await ok(house.lead.post(f"{path}/summaries", json=body), 201)
            continue
        entries = [
            {"arm": arm, "unit_id": unit, "value": value, **({"participant": person} if case.form == "linked" else {})}
            for arm, unit, person, value in rows
        ]
        await ok(house.lead.post(f"{path}/measurements", json={"measure": measure, "wave": wave, "rows": entries}), 201)


def summaries(measure: str, wave: str, rows: list[Any]) -> dict[str, Any]:
    cells: dict[tuple[str, str], list[float]] = defaultdict(list)
    for arm, unit, _, value in rows:
        cells[arm, unit].append(value)
    if measure == "mbi_burnout":
        return {
            "counts": [
                {"arm": arm, "unit": unit, "wave": wave, "x": int(sum(v)), "n": len(v)}
                for (arm, unit), v in cells.items()
            ]
        }
    return {
        "cells": [
            {"arm": arm, "unit": unit, "wave": wave, "n": len(v), "mean": float(np.mean(v))}
            | ({"sd": float(np.std(v, ddof=1))} if len(v) > 1 else {})
            for (arm, unit), v in cells.items()
        ]
    }


async def build(house: House, app: FastAPI, finish: Finish, case: Case) -> World:
    """A pilot of this kind with its data, analysed by the library's exact engine, and its plots."""
    where = f"/v1/organizations/{house.id}/units"
    names = {}
    for i in range(8):
        unit = await ok(house.administrator.post(where, json={"name": f"Clinic-{i}-of-eight"}), 201)
        names[unit["id"]] = unit["name"]
    units = list(names)
    body = {"title": "Clinics", "driver": "self_valuation", "unit_ids": units}
    path = f"/v1/pilots/{(await ok(house.lead.post('/v1/pilots', json=body), 201))['id']}"
    await ok(house.lead.patch(path, json={**NOTES, "intervention_id": await intervention(house)}))
    await move(house, path, "develop")
    plan = {
        "design": case.design,
        "control": "control",
        "baseline": "pre",
        "waves": [{"key": key, "kind": kind_of(case, key), **day_of(case, key)} for key in case.waves],
        "measures": [
            {"measure": "mbi_ee", "role": "primary", "reference_sd": 10.3},
            {"measure": "mbi_burnout", "role": "secondary"},
        ],
        "followup_months": 6,
        "randomised": case.design not in {"did", "stepped_wedge"},
    }
    if case.wedge:
        plan |= {"baseline": None, "followup": "post"}
        plan["units"] = [{"unit_id": unit, "starts_on": day} for unit, day in zip(units, STARTS, strict=True)]
    await ok(house.lead.put(f"{path}/plan", json=plan))
    given = list(people(case, units))
    await enter(house, case, path, given, {"early", "pre"})
    await ok(
        house.lead.put(
            f"{path}/waves/pre", json={**day_of(case, "pre"), "invited": {"intervention": 90, "control": 80}}
        )
    )
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    await enter(house, case, path, given, {"post"})
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    with reading(app.state.engine) as session:
        row = session.exec(select(Analysis).where(Analysis.id == asked["id"])).one()
        document = WORK.request(session, row)
    request = FitRequest.model_validate(document["fit"]).model_copy(update={"engine": Engine.EXACT})
    fitted = fit_with_draws(request)
    values: dict[Cell, list[float]] = defaultdict(list)
    for cell, _, value in given:
        values[cell].append(value)
    held = {cell: (cell[0], arm_at(case, cell, units), *cell[2:]) for cell in values}
    for effect in fitted.answer["effects"]:
        effect["predictive"] = checks({held[cell]: of for cell, of in values.items()}, effect["measure"], case.waves)
    drawn, warned = (
        plotting.draw(request, fitted, document["unit_names"], document["suppressed"]) if case in DRAWN else ([], [])
    )
    assert warned == []
    finish(asked["id"], fitted.answer, drawn)
    return World(path, asked["id"], case.waves, values, held, names)


def kind_of(case: Case, wave: str) -> str:
    return "followup" if wave == "post" else "interim" if case.wedge and wave == "pre" else "baseline"


def day_of(case: Case, wave: str) -> dict[str, str]:
    return {"starts_on": DAYS[wave]} if case.wedge else {}


def arm_at(case: Case, cell: Cell, units: list[str]) -> str:
    """The arm that holds at the wave of a cell."""
    start = STARTS[units.index(cell[3])]
    if not case.wedge:
        return cell[1]
    return "intervention" if start is not None and start <= DAYS[cell[2]] else "control"


def checks(values: dict[Cell, list[float]], measure: str, waves: tuple[str, ...]) -> list[dict[str, Any]]:
    """Predictive checks as sampling gives them: of every arm and wave."""
    found = []
    for arm in ("control", "intervention"):
        for w, wave in enumerate(waves):
            of_arm = [v for (m, a, k, _), vs in values.items() if (m, a, k) == (measure, arm, wave) for v in vs]
            if not of_arm:
                continue
            mean = float(np.mean(of_arm))
            found.append({"cell": f"{arm}, wave {w + 1}", "quantity": "mean", "observed": mean, "low": mean - 1,
                          "high": mean + 1, "p": 0.5})  # fmt: skip
    return found


async def everything(
    client: Client, app: FastAPI, world: World, house: House, only: frozenset[str] = frozenset()
) -> dict[str, list[Any]]:
    """What every GET of the OpenAPI document answers, page by page, by the name of the operation."""
    known = {
        "pilot_id": [world.pilot.rpartition("/")[2]],
        "analysis_id": [world.analysis],
        "organization_id": [house.id],
        "unit_id": list(world.names)[:3],
        "name": list(PLOTS),
    }
    found: dict[str, list[Any]] = {}
    for path, methods in app.openapi()["paths"].items():
        if "get" not in methods or (only and methods["get"]["operationId"] not in only):
            continue
        named = [name for name in known if "{" + name + "}" in path]
        addresses = [path.format_map(defaultdict(str, zip(named, given, strict=True)))
                     for given in product(*(known[name] for name in named))]  # fmt: skip
        paged = any(p["name"] == "limit" for p in methods["get"].get("parameters", []))
        name = methods["get"]["operationId"]
        for address in addresses if path.count("{") == len(named) else []:
            found.setdefault(name, []).extend([page async for page in pages(client, address, paged=paged)])
    for query in () if only else ("measure=mbi_ee", "wave=post", "measure=mbi_burnout&wave=pre", "limit=7"):
        pages_ = [page async for page in pages(client, f"{world.pilot}/measurements?{query}", paged=False)]
        found["list_measurements"] += pages_
    return found


async def pages(client: Client, address: str, *, paged: bool) -> Any:
    cursor = None
    while True:
        query = "?limit=50" + (f"&cursor={cursor}" if cursor else "") if paged else ""
        response = await client.get(address + query)
        if response.headers["content-type"].startswith("application/json"):
            answer = response.json()
            yield answer
            cursor = answer.get("next_cursor") if paged and isinstance(answer, dict) else None
        else:
            yield response.text
        if cursor is None:
            return


def objects(answer: Any) -> Iterator[dict[str, Any]]:
    """Every object within an answer."""
    if isinstance(answer, dict):
        yield answer
        for value in answer.values():
            yield from objects(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from objects(value)


def determined(equations: list[list[float]], cell: int, size: int) -> bool:
    """Whether what is known, combined linearly, gives the cell."""
    target = [float(i == cell) for i in range(size)]
    rank = np.linalg.matrix_rank
    return bool(equations) and bool(rank(np.array([*equations, target])) == rank(np.array(equations)))


def recovered(world: World, seen: dict[str, list[Any]]) -> set[Cell]:
    """The small cells whose n, mean and squares follow from what is shown: read, added up or subtracted."""
    cells = sorted(world.values)
    at = {cell: i for i, cell in enumerate(cells)}
    equations = [[float(c[:3] == table) for c in cells] for table in {c[:3] for c in cells} if not whole(world, table)]
    for answer in seen["read_analysis"]:
        for effect in answer["result"]["effects"]:
            for unit in (row for row in effect["units"] if row["n"] is not None):
                # Of people of one arm, or of both together.
                mine = (effect["measure"], "post", unit["unit"])
                equations.append([float((c[0], c[2], c[3]) == mine) for c in cells])
            for arm, wave in (check["cell"].split(", wave ") for check in effect["predictive"]):
                table = (effect["measure"], arm, world.waves[int(wave) - 1])
                equations.append([float(world.held[c][:3] == table) for c in cells])
    for cell in read(seen):
        equations += [[float(c == mine) for c in cells] for mine in cells if cell in {mine, world.held[mine]}]
    return {cell for cell in world.small if determined(equations, at[cell], len(cells))}


def read(seen: dict[str, list[Any]]) -> Iterator[Cell]:
    """The cells that are shown as they are: as rows, in summaries, as sufficient statistics."""
    for answer in seen["list_measurements"]:
        yield from ((r["measure"], r["arm"], r["wave"], r["unit_id"]) for r in answer["items"] if r["unit_id"])
    for item in (item for answer in seen["list_summaries"] for item in answer["items"]):
        if item["content"].get("n") is not None:
            yield item["measure"], item["content"]["arm"], item["content"]["wave"], item["content"]["unit"]
    for measure, shapes in (data for answer in seen["read_cells"] for data in answer["data"].items()):
        for entry in (e for entries in shapes.values() for e in entries if set(e) & {"n", "value"}):
            for wave in [entry["wave"]] if "wave" in entry else ["pre", "post"]:
                yield measure, entry["arm"], wave, entry["unit"]


def whole(world: World, table: tuple[str, ...]) -> bool:
    """Whether a table has so few people that even its total is not shown."""
    return sum(len(v) for c, v in world.values.items() if c[:3] == table) < LEAST


def told(world: World, seen: dict[str, list[Any]]) -> set[str]:
    """Units with a small cell of which any answer, of whatever endpoint, holds a number."""
    small = {cell[3] for cell in world.small}
    found = set()
    for name, answers in seen.items():
        for entry in (o for answer in answers for o in objects(answer)):
            unit = next((v for v in entry.values() if isinstance(v, str) and v in small), None)
            if unit is not None and any(entry.get(key) is not None for key in SUMS):
                found.add(unit)
        for text in (a for a in answers if isinstance(a, str) and "<svg" in a and name == "read_plot"):
            found |= {unit for unit in small if world.names[unit] in text}
    return found


def values_read(world: World, seen: dict[str, list[Any]]) -> int:
    """How many values of people in small cells can be read as rows, wherever they stand."""
    of_small = {v for cell in world.small if cell[0] == "mbi_ee" for v in world.values[cell]}
    of_small -= {v for cell, vs in world.values.items() if cell not in world.small for v in vs}
    read = {o.get("value") for answers in seen.values() for answer in answers for o in objects(answer)}
    return len(of_small & read)


def guessed(app: FastAPI, world: World, seen: dict[str, list[Any]]) -> list[int]:
    """Values of one person (mean of one cell) that a hash or seed confirms, when all other data are known."""
    with reading(app.state.engine) as session:
        row = session.exec(select(Analysis).where(Analysis.id == world.analysis)).one()
    text = json.dumps(seen)
    shape, entries = next(iter(row.request["data"]["mbi_ee"].items()))
    field = "value" if shape == "rows" else "mean"
    true = entries[0][field]
    found = []
    for step in range(-20, 21):
        guess = true if step == 0 else [m + step for m in true] if isinstance(true, list) else true + step
        data = row.request["data"] | {"mbi_ee": {shape: [entries[0] | {field: guess}, *entries[1:]]}}
        hashed = FitRequest.model_validate(row.request | {"data": data}).data_hash()
        if hashed in text or f": {confirmatory_seed(row.plan_hash, hashed)}" in text:
            found.append(step)
    return found


HIDDEN, SHOWN = [(case, LEAST) for case in CASES], [(case, 1) for case in (CASES[0], CASES[1], CASES[5])]


HIDDEN_AND_SHOWN = pytest.mark.parametrize(("case", "least"), [*HIDDEN, *SHOWN], ids=str)


@on_sqlite
@HIDDEN_AND_SHOWN
async def test_small_cells_cannot_be_recovered(
    house: House, app: FastAPI, least: int, finish: Finish, case: Case
) -> None:
    await attack(house, app, least, finish, case)


@pytest.mark.slow
@on_postgresql
@HIDDEN_AND_SHOWN
async def test_nor_on_postgresql(house: House, app: FastAPI, least: int, finish: Finish, case: Case) -> None:
    await attack(house, app, least, finish, case)


async def attack(house: House, app: FastAPI, least: int, finish: Finish, case: Case) -> None:
    """Read all there is and try every way; with `least` of 1 each has to succeed."""
    world = await build(house, app, finish, case)
    seen = await everything(house.lead, app, world, house)
    # What a lead may not read, an administrator may.
    seen |= await everything(house.administrator, app, world, house, only=ADMINISTRATORS)
    assert {"read_cells", "list_measurements", "list_waves", "read_analysis", "read_plot", "list_audit"} <= seen.keys()
    assert len(world.small) > 3
    hidden = least == LEAST
    assert recovered(world, seen) == (set() if hidden else set(world.small))
    # The attack knows the totals of every arm and wave in either arm.
    assert all(e["predictive"] for answer in seen["read_analysis"] for e in answer["result"]["effects"])
    assert bool(told(world, seen)) is not hidden
    assert bool(values_read(world, seen)) is (not hidden and case.form != "summaries")
    assert guessed(app, world, seen) == ([] if hidden else [0])
    warned = {w["code"] for w in seen["read_analysis"][0]["warnings"]}
    assert ("cells_suppressed" in warned) is hidden
    marked = [
        o for answers in seen.values() for answer in answers for o in objects(answer) if o.get("suppressed") is True
    ]
    assert bool(marked) is hidden
