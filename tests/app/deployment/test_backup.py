"""Saving the embedded database while it is in use, and putting it back."""

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import select
from typer.testing import CliRunner, Result

from app.cli import app as command_line
from app.config import Settings
from app.db import now, reading, transaction
from app.deployment.backup import NoBackup, put_back, save
from app.pilots.models import Pilot
from tests.app.steps import in_test, ok, planned
from tests.conftest import House, on_sqlite

pytestmark = [pytest.mark.anyio, on_sqlite]
type Run = Callable[..., Result]


@pytest.fixture
def run(settings: Settings) -> Run:
    """Runs `pilotlight` on this test's database."""

    def go(*words: str) -> Result:
        env = {"PILOTLIGHT_DATABASE_URL": settings.url, "PILOTLIGHT_VAR_DIR": str(settings.var_dir)}
        return CliRunner().invoke(command_line, list(words), env=env)

    return go


def pilots(app: FastAPI) -> int:
    with reading(app.state.engine) as session:
        return len(session.exec(select(Pilot.id)).all())


def kept_beside(folder: Path) -> list[Path]:
    return list(folder.glob("*.before-*"))


async def test_what_was_saved_comes_back_whole_and_the_other_is_kept(
    app: FastAPI, house: House, run: Run, tmp_path: Path
) -> None:
    path = await in_test(house)
    before = await ok(house.lead.get(path))
    file = tmp_path / "monday.db"
    saved = run("backup", str(file))  # the service goes on meanwhile
    assert saved.exit_code == 0, saved.output
    assert file.stat().st_mode & 0o077 == 0
    await planned(house)
    await ok(house.lead.patch(path, json={"title": "Changed since"}))
    app.state.engine.dispose()
    back = run("restore", str(file))
    assert back.exit_code == 0, back.output
    assert await ok(house.lead.get(path)) == before
    assert pilots(app) == 1
    (kept,) = kept_beside(tmp_path)
    old = sqlite3.connect(kept)
    assert old.execute("SELECT count(*) FROM pilots").fetchone() == (2,)
    old.close()


async def test_a_database_in_use_is_not_replaced(app: FastAPI, house: House, run: Run, tmp_path: Path) -> None:
    await planned(house)
    file = tmp_path / "monday.db"
    assert run("backup", str(file)).exit_code == 0
    with reading(app.state.engine) as session:
        session.exec(select(Pilot.id)).all()
        refused = run("restore", str(file))
    assert refused.exit_code == 1
    assert "stop the service" in refused.output
    assert pilots(app) == 1
    assert kept_beside(tmp_path) == []


async def test_what_is_no_backup_is_refused_and_nothing_changes(
    app: FastAPI, settings: Settings, house: House, tmp_path: Path
) -> None:
    await planned(house)
    app.state.engine.dispose()
    text = tmp_path / "notes.txt"
    text.write_text("no database\n" * 100)
    other = tmp_path / "other.db"
    made = sqlite3.connect(other)
    made.execute("CREATE TABLE t (a)")
    made.close()
    whole = tmp_path / "whole.db"
    save(settings, whole)
    damaged = tmp_path / "damaged.db"
    content = bytearray(whole.read_bytes())
    for page in range(20, len(content) // 4096, 3):
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    damaged.write_bytes(content)
    cases = ((tmp_path / "none.db", "there is no file"), (text, "not a database"), (other, "not one of this service"))
    for file, said in (*cases, (damaged, "damaged|not a database")):
        with pytest.raises(NoBackup, match=said):
            put_back(settings, file, now())
    with pytest.raises(NoBackup, match="never overwrites"):
        save(settings, whole)
    assert pilots(app) == 1


def test_a_backup_that_cannot_be_written_leaves_nothing_behind(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(NoBackup, match="could not be written"):
        save(settings, tmp_path / "no folder" / "monday.db")
    on_server = Settings(_env_file=None, database_url="postgresql+psycopg://localhost/x")  # type: ignore[call-arg]
    with pytest.raises(NoBackup, match="pg_dump"):
        save(on_server, tmp_path / "monday.db")
    assert list(tmp_path.glob("monday*")) == []


def test_a_backup_ends_while_others_write_all_the_time(app: FastAPI, settings: Settings, tmp_path: Path) -> None:
    with transaction(app.state.engine) as session:
        session.connection().execute(sa.text("CREATE TABLE ballast (of BLOB)"))
        for _ in range(20):
            session.connection().execute(sa.text("INSERT INTO ballast VALUES (randomblob(1000000))"))
    done = threading.Event()

    def write() -> None:
        while not done.wait(0.001):
            with transaction(app.state.engine) as session:
                session.connection().execute(sa.text("INSERT INTO ballast VALUES (randomblob(10))"))

    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(write)
        try:
            assert threads.submit(save, settings, tmp_path / "busy.db").result(20) > 20_000_000
        finally:
            done.set()
        writing.result()
