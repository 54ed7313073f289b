"""Of the values in a file each is accepted, stands already, or is lost: the counts of a report add up."""

import io
import random
from collections.abc import Sequence
from hashlib import sha256
from json import dumps

import pytest
from fastapi import FastAPI
from sqlmodel import Session

from app.db import now
from app.imports.files import Upload
from app.imports.schemas import ImportReport
from app.imports.service import Asked, import_now
from app.pilots.models import Pilot
from tests.app.imports.test_two_roads import TWO
from tests.app.steps import planned
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio
EXAMPLES = 40
ANSWERS = [(f"{measure}_{wave}", measure, wave) for measure in ("mbi_ee", "mbi_dp") for wave in ("pre", "post")]
WIDE = {
    "layout": "wide", "participant": "who", "arm": "arm", "unit": "unit", "date": "day",
    "values": [{"column": column, "measure": measure, "wave": wave} for column, measure, wave in ANSWERS],
}  # fmt: skip


def drawn(chance: random.Random, unit: str) -> tuple[str, int]:
    """A small file, some of it wrong, and how many values are in it."""
    wrong = chance.choice((0.0, 0.1, 0.4))
    anonymous = chance.choice((0.0, 0.0, 0.3, 1.0))

    def cell(right: Sequence[str], *others: str) -> str:
        return chance.choice(others) if chance.random() < wrong else chance.choice(right)

    lines, total = ["who,arm,unit,day," + ",".join(column for column, *_ in ANSWERS)], 0
    for _ in range(chance.randint(1, 8)):
        who = "" if chance.random() < anonymous else cell(("p-1", "p-2", "p-3", "p-4", "p-5"), "Ana Ruiz", "x" * 101)
        place = [cell(("intervention", "control"), "", "elsewhere"), cell((unit, unit, ""), "Ward 9")]
        given = [cell(("20", "21", ""), "99", "many", "1e300") for _ in ANSWERS]
        lines.append(",".join([who, *place, cell(("2026-03-02", ""), "3 March", "2999-01-01"), *given]))
        total += sum(value != "" for value in given)
    return "\n".join(lines), total


def imported(session: Session, pilot: Pilot, text: str) -> ImportReport:
    content = text.encode()
    upload = Upload("rows.csv", io.BytesIO(content), len(content), sha256(content).hexdigest(), dumps(WIDE))
    return import_now(session, pilot, upload, Asked(dry_run=False, partial=True, person="lead", at=now()))


@on_sqlite
async def test_the_values_of_a_file_are_all_counted_once(app: FastAPI, house: House) -> None:
    path = await planned(house, TWO)
    for seed in range(EXAMPLES):
        chance = random.Random(seed)
        files = [drawn(chance, house.unit["id"]) for _ in range(2)]
        with Session(app.state.engine, expire_on_commit=False) as session:
            session.info["settings"] = app.state.settings
            pilot = session.get_one(Pilot, path.rpartition("/")[2])
            for text, total in (*files, files[0]):
                report = imported(session, pilot, text)
                assert report.accepted + report.unchanged + report.rejected == total, (seed, text, report)
                listed = [(fault.row, fault.column, fault.msg) for fault in report.errors]
                assert len(listed) == len(set(listed)), (seed, text, listed)
                assert sum(fault.rows for fault in report.faults) == len(listed), (seed, text, report)
                assert (report.errors_left_out, bool(listed)) == (0, report.rejected > 0), (seed, text, report)
            session.rollback()
