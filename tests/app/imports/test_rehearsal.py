"""A dry run tells what entering would be refused for, and leaves nothing behind."""

from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import SQLModel

from tests.app.imports.test_background import Work, asked
from tests.app.imports.test_background import work as work  # noqa: PLC0414 - a fixture
from tests.app.imports.test_import import ARMS, load, refuse, sent, wide
from tests.app.steps import ok, planned, refused
from tests.conftest import House

pytestmark = pytest.mark.anyio
NO_ARMS = "participant,mbi_ee_pre\n" + "\n".join(f"p-{i:03},{20 + i}" for i in range(1, 13))


def everything(app: FastAPI) -> dict[str, list[Any]]:
    """All rows of all tables, but for what a key's use changes."""
    with app.state.engine.connect() as connection:
        found = {
            table.name: sorted(map(repr, connection.execute(sa.select(table))))
            for table in SQLModel.metadata.sorted_tables
        }
    return {name: rows for name, rows in found.items() if name != "api_keys"}


async def test_a_dry_run_is_refused_as_the_import_is(app: FastAPI, house: House, work: Work) -> None:
    path = await planned(house)
    await load(house, path, NO_ARMS)  # rows that wait for the arms that the next file tells
    await ok(house.lead.put(f"{path}/waves/post", json={"invited": dict.fromkeys(ARMS, 5)}))
    before = everything(app)
    for query in ("?dry_run=true", "?dry_run=true&partial=true"):
        dry = await load(house, path, wide(), 200, query)
        told = dry["errors"][0]
        assert (told["row"], told["column"], told["code"]) == (None, None, "more_than_invited")
        assert (dry["accepted"], dry["unchanged"], dry["rejected"], dry["entered"]) == (12, 12, 0, False)
        assert told["msg"] in dry["says"]
    assert everything(app) == before
    problem = await refused(house.lead.post(f"{path}/measurements/import", **sent(wide())), 409, "more_than_invited")
    assert (problem["detail"], problem["errors"]) == (told["msg"], [told])
    assert everything(app) == before
    import_id = await asked(house, path, wide(), "?background=true&dry_run=true")
    work(import_id)
    shown = await ok(house.lead.get(f"/v1/imports/{import_id}"))
    assert (shown["status"], shown["result"], shown["revision"]) == ("succeeded", dry, None)
    after = everything(app)
    assert {name for name in after if after[name] != before[name]} == {"audit", "imports"}
    # With a fault of a row as well, both are told.
    dry = await load(house, path, wide() + "\r\np-099;control;99;20", 200, "?dry_run=true")
    assert [e["code"] for e in dry["errors"]] == ["more_than_invited", "off_scale"]
    await refuse(house, path, wide() + "\r\np-099;control;99;20", "rows_rejected")
    await ok(house.lead.put(f"{path}/waves/post", json={"invited": dict.fromkeys(ARMS, 6)}))
    dry = await load(house, path, wide(), 200, "?dry_run=true")
    assert (dry["accepted"], dry["errors"]) == (12, [])
    assert (await load(house, path, wide()))["accepted"] == 12
