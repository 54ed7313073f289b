"""The two commands of PostgreSQL that docs/operations.md names: what was saved comes back whole, and work goes on."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from app.config import Settings
from app.deployment.doctor import State, examine
from app.tables import metadata
from tests.app.steps import in_test, ok, planned
from tests.conftest import House

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)]
SCENARIO: dict[str, Any] = {"people": {"intervention": 60, "control": 60}, "effects": [0.3], "pilots": 50}


def programs(engine: sa.Engine) -> Path:
    """Where the programs of the server that runs lie: those of another version may not understand it."""
    with engine.connect() as connection:
        return Path(str(connection.scalar(sa.text("SELECT setting FROM pg_config() WHERE name = 'BINDIR'"))))


def command(*words: str | Path) -> None:
    """Run it to its end."""
    subprocess.run(words, check=True)


def rows(engine: sa.Engine) -> dict[str, list[str]]:
    """Everything that is kept, in an order of its own."""
    with engine.connect() as connection:
        return {
            name: sorted(map(str, connection.execute(sa.select(table)).all()))
            for name, table in metadata.tables.items()
        }


async def test_what_was_dumped_is_restored_whole_and_takes_work(
    app: FastAPI, house: House, settings: Settings, tmp_path: Path
) -> None:
    path = await in_test(house)
    await ok(house.analyst.post(f"{path}/plan/simulate", json=SCENARIO), 202)
    engine: sa.Engine = app.state.engine
    before, shown = rows(engine), await ok(house.lead.get(path))
    where, dump = programs(engine), str(tmp_path / "monday.dump")
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command(where / "pg_dump", "--format=custom", f"--file={dump}", url)

    other = await planned(house)
    await ok(house.lead.patch(path, json={"title": "Changed since"}))
    engine.dispose()
    command(where / "pg_restore", "--clean", "--if-exists", f"--dbname={url}", dump)

    assert rows(engine) == before
    assert await ok(house.lead.get(path)) == shown
    assert (await house.lead.get(other)).status_code == 404
    await ok(house.analyst.post(f"{path}/plan/simulate", json=SCENARIO), 202)
    broken = {finding.about for finding in examine(engine, settings) if finding.state is State.BROKEN}
    assert broken == {"workers"}  # none runs here
