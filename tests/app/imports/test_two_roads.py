"""The same rows entered one measure and wave at a time as JSON, and as one CSV file: both end alike."""

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from json import dumps
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import Session, select

from app.analyses.deletion import delete_participant
from app.db import now
from app.imports.files import Upload
from app.imports.models import STAGED
from app.imports.service import Asked, import_now
from app.measures.correction_schemas import CorrectionsIn
from app.measures.corrections import correct
from app.measures.models import Measurement
from app.measures.rows import enter_rows
from app.measures.schemas import MeasurementsIn
from app.pilots.models import Pilot
from tests.app.steps import PLAN, ok, planned
from tests.conftest import House

pytestmark = pytest.mark.anyio

EXAMPLES = 20
TWO = {**PLAN, "measures": [*PLAN["measures"], {"measure": "mbi_dp", "role": "secondary", "reference_sd": 6.0}]}
LONG = {
    "layout": "long", "participant": "who", "arm": "arm", "unit": "unit", "date": "day", "value_column": "value",
    "measure_column": "measure", "wave_column": "wave",
}  # fmt: skip
ARMS = ("intervention", "control")
PEOPLE = ("p-1", "p-2", "p-3")


@dataclass(frozen=True)
class Row:
    """A row as its sender wrote it."""

    measure: str
    wave: str
    participant: str | None
    arm: str | None
    unit_id: str | None
    value: float
    collected_on: str | None

    @property
    def group(self) -> tuple[str, str]:
        return self.measure, self.wave

    def fields(self) -> dict[str, Any]:
        given = {"participant": self.participant, "arm": self.arm, "unit_id": self.unit_id, "value": self.value}
        return {**given, "collected_on": self.collected_on}

    def line(self) -> str:
        cells = (self.participant, self.arm, self.unit_id, self.collected_on, self.measure, self.wave, self.value)
        return ",".join("" if cell is None else str(cell) for cell in cells)


type Counts = tuple[int, int, int, int]


@dataclass
class End:
    """How many rows were accepted, stood already and stayed out, the faults by row, and what stands afterwards."""

    counts: Counts
    faults: dict[int, set[str]]
    standing: list[Any]


type Road = Callable[[Session, Pilot, Sequence[Row]], tuple[Counts, dict[int, set[str]]]]


def as_json(session: Session, pilot: Pilot, rows: Sequence[Row]) -> tuple[Counts, dict[int, set[str]]]:
    accepted = unchanged = withdrawn = deleted = before = 0
    faults: dict[int, set[str]] = {}
    for (measure, wave), of_group in groupby(rows, key=lambda row: row.group):
        entries = [row.fields() for row in of_group]
        body = MeasurementsIn.model_validate({"measure": measure, "wave": wave, "rows": entries})
        report = enter_rows(session, pilot, body, partial=True, person="lead", at=now())
        accepted, unchanged = accepted + report.accepted, unchanged + report.unchanged
        withdrawn, deleted = withdrawn + report.withdrawn, deleted + report.deleted
        for error in report.errors:
            faults.setdefault(before + int(error.loc[1]), set()).add(error.code)
        before += len(entries)
    return (accepted, unchanged, withdrawn, deleted), faults


def as_file(session: Session, pilot: Pilot, rows: Sequence[Row]) -> tuple[Counts, dict[int, set[str]]]:
    text = "\n".join(["who,arm,unit,day,measure,wave,value", *(row.line() for row in rows)]).encode()
    upload = Upload("rows.csv", io.BytesIO(text), len(text), sha256(text).hexdigest(), dumps(LONG))
    asked = Asked(dry_run=False, partial=True, person="lead", at=now())
    report = import_now(session, pilot, upload, asked)
    assert session.connection().scalar(sa.select(sa.func.count()).select_from(STAGED)) == 0
    faults: dict[int, set[str]] = {}
    for error in report.errors:
        assert error.row is not None
        faults.setdefault(error.row - 2, set()).add(error.code)
    assert report.rejected == len(faults)
    left_out = report.withdrawn + report.deleted
    assert report.accepted + report.unchanged + report.rejected + left_out == len(rows)
    return (report.accepted, report.unchanged, report.withdrawn, report.deleted), faults


def as_files(session: Session, pilot: Pilot, rows: Sequence[Row]) -> tuple[Counts, dict[int, set[str]]]:
    """A file for each measure and wave, as requests have it."""
    counts: Counts = (0, 0, 0, 0)
    before = 0
    faults: dict[int, set[str]] = {}
    for _, of_group in groupby(rows, key=lambda row: row.group):
        entries = list(of_group)
        more, wrong = as_file(session, pilot, entries)
        counts = (counts[0] + more[0], counts[1] + more[1], counts[2] + more[2], counts[3] + more[3])
        faults |= {before + row: codes for row, codes in wrong.items()}
        before += len(entries)
    return counts, faults


def take_back(session: Session, pilot: Pilot, chance: random.Random) -> None:
    """Of what stands some is withdrawn, corrected or both, and some people are deleted."""
    m: Any = Measurement
    told = (m.measure, m.wave, m.participant, m.arm, m.unit_id, m.value, m.collected_on)
    held = session.exec(select(Measurement).where(m.pilot_id == pilot.id).order_by(*told)).all()
    people = sorted({row.participant for row in held if row.participant is not None})
    for row in held:
        changes = [{"value": 21.5}] if chance.random() < 0.3 and row.value == 20 else []
        changes += [{"withdraw": True}] if chance.random() < 0.3 else []
        for change in changes:
            body = CorrectionsIn.model_validate({"reason": "R", "corrections": [{"measurement_id": row.id, **change}]})
            correct(session, pilot, body, person="lead", at=now())
    for who in people:
        if chance.random() < 0.1:
            delete_participant(session, pilot, who)


def taken(app: FastAPI, pilot_id: str, earlier: Sequence[Row], rows: Sequence[Row], road: Road, seed: str = "") -> End:
    """Where a road leads, of what was entered earlier; nothing of it stays."""
    m: Any = Measurement
    shown = (m.measure, m.wave, m.participant, m.arm, m.unit_id, m.value, m.collected_on)
    with Session(app.state.engine, expire_on_commit=False) as session:
        session.info["settings"] = app.state.settings
        pilot = session.get_one(Pilot, pilot_id)
        as_json(session, pilot, earlier)
        if seed:
            take_back(session, pilot, random.Random(seed))
        counts, faults = road(session, pilot, rows)
        standing = session.connection().execute(sa.select(*shown).where(m.pilot_id == pilot_id)).all()
        session.rollback()
    return End(counts, faults, sorted((tuple(row) for row in standing), key=repr))


def drawn(chance: random.Random, units: Sequence[str], measures: int, *, whole: bool) -> tuple[list[Row], list[Row]]:
    """Rows of an earlier entry and of the one that is tried, group by group; any of them may leave out arm or unit.

    Of two measures each person keeps an arm: which of two a person is in who has one in each, no rule says. `whole`:
    what a row of the try leaves out, no later one tells: a file knows it at once, a request does not yet.
    """
    anonymous = chance.choice((0.0, 0.0, 0.3, 1.0))
    home = {who: chance.choice(ARMS) for who in PEOPLE}
    groups = [(measure, wave) for measure in ("mbi_ee", "mbi_dp")[:measures] for wave in ("pre", "post")]
    chance.shuffle(groups)
    lone, away = chance.choice((None, units[0])), chance.choice((0.0, 0.25))
    silent = {(what, who) for what in ("arm", "unit") for who in (None, *PEOPLE) if chance.random() < 0.5}

    def row(*, told: bool) -> Row:
        who = None if chance.random() < anonymous else chance.choice(PEOPLE)
        arm = home[who] if who and measures > 1 else chance.choice(ARMS)
        left_out = ("arm", who) in silent if told else chance.random() < 0.25
        if left_out or chance.random() < 0.03:
            arm = None if left_out else "elsewhere"
        unit = chance.choice((*units, "ward-9")) if chance.random() < away else lone or units[0]
        if ("unit", who) in silent if told else chance.random() < 0.4 or lone is None:
            unit = None
        value = chance.choice((20.0, 20.0, 20.0, 21.5, 99.0))
        day = chance.choice((None, None, None, "2026-03-02"))
        return Row(*chance.choice(groups), who, arm, unit, value, day)

    def some(most: int, *, told: bool) -> list[Row]:
        rows = [row(told=told) for _ in range(chance.randint(0, most))]
        return sorted(rows, key=lambda row: groups.index(row.group))

    return some(4, told=False), some(9, told=whole) or [row(told=whole)]


@pytest.mark.parametrize("kind", ["waiting", "allocated", "by unit", "observed"])
async def test_both_roads_lead_to_the_same_rows(app: FastAPI, house: House, kind: str) -> None:
    more = await ok(house.administrator.post(f"/v1/organizations/{house.id}/units", json={"name": "Ward 2"}), 201)
    units = [house.unit["id"], more["id"]]
    plan = {**TWO, "randomised": kind in {"waiting", "allocated"}}
    plan |= {"units": [{"unit_id": units[0], "arm": "control"}]} if kind == "by unit" else {}
    path = await planned(house, plan, unit_ids=units)
    if kind == "allocated":
        people = [{"participant": who} for who in PEOPLE[:2]]
        await ok(house.lead.post(f"{path}/plan/allocate", json={"participants": people}), 201)
    for seed in range(EXAMPLES):
        chance = random.Random(f"{kind} {seed}")
        whole = chance.random() < 0.3
        earlier, rows = drawn(chance, units, chance.choice((1, 1, 2)), whole=whole)
        pilot_id = path.rpartition("/")[2]
        back = ""
        if seed % 2:
            back, order = f"back {seed}", list(dict.fromkeys(row.group for row in [*rows, *earlier]))
            rows = rows if whole else sorted([*rows, *earlier], key=lambda row: order.index(row.group))
        one = taken(app, pilot_id, earlier, rows, as_json, back)
        other = taken(app, pilot_id, earlier, rows, as_file if whole else as_files, back)
        said = f"{kind} {seed}:\n" + "\n".join(r.line() for r in earlier) + "\n--\n" + "\n".join(r.line() for r in rows)
        assert other.standing == one.standing, said
        assert other.counts == one.counts, said
        assert other.faults.keys() == one.faults.keys(), said
        # JSON tells every fault of a row. What a file's cell cannot be is told first, and the row goes no further.
        assert all(codes <= one.faults[row] for row, codes in other.faults.items()), (said, one.faults, other.faults)
