"""What the doctor finds, and what it says to do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlmodel import select
from typer.testing import CliRunner

from app.cli import app as command_line
from app.config import Settings
from app.db import make_engine, reading, transaction
from app.deployment import doctor
from app.deployment.doctor import Finding, State, examine
from app.hosts import Mark, Stranger, adopt, belongs, join
from tests.app.steps import ok, planned, refused
from tests.conftest import Client, House, on_sqlite

pytestmark = pytest.mark.anyio
ASKED: dict[str, Any] = {"people": {"intervention": 60, "control": 60}, "effects": [0.3], "pilots": 50}


def found(app: FastAPI, settings: Settings, **changes: Any) -> dict[str, Finding]:
    settings = settings.model_copy(update=changes)
    return {finding.about: finding for finding in examine(app.state.engine, settings)}


def test_a_healthy_deployment_is_well(app: FastAPI, settings: Settings) -> None:
    of = found(app, settings)
    well = {about for about, finding in of.items() if finding.state is State.WELL}
    assert {"var folder", "compile caches", "database", "migrations", "secret key", "deliveries"} <= well
    assert all(finding.help for finding in of.values() if finding.state is not State.WELL)
    if not settings.embedded:
        assert of["clock"].state is State.WELL
        assert of["workers"].state is State.BROKEN
        assert "pilotlight worker" in of["workers"].help


async def test_work_that_nobody_takes_is_seen(
    app: FastAPI, settings: Settings, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await planned(house)
    asked = await ok(house.analyst.post(f"{path}/plan/simulate", json=ASKED), 202)
    # By its id, since ids never go back: a test before this one may have put the clock forward.
    made = datetime.fromtimestamp((UUID(asked["id"]).int >> 80) / 1000, UTC)
    monkeypatch.setattr(doctor, "SILENT", timedelta(days=1000))
    if not settings.embedded:
        with transaction(app.state.engine) as session:
            session.execute(sa.text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())"))
    monkeypatch.setattr(doctor, "now", lambda: made)
    assert found(app, settings)["queue"].state is State.WELL
    monkeypatch.setattr(doctor, "now", lambda: made + timedelta(minutes=30))
    late = found(app, settings)["queue"]
    assert (late.state, "30 minutes" in late.says) == (State.WARNING, True)


def test_a_host_with_another_secret_key_is_turned_away(app: FastAPI, settings: Settings, tmp_path: Path) -> None:
    join(app.state.engine, settings)
    join(app.state.engine, settings)
    other = settings.model_copy(update={"var_dir": tmp_path / "other"})
    other.prepare()
    assert not belongs(app.state.engine, other)
    with pytest.raises(Stranger, match="PILOTLIGHT_SECRET_KEY"):
        join(app.state.engine, other)
    assert found(app, settings, var_dir=tmp_path / "other")["secret key"].state is State.BROKEN
    adopt(app.state.engine, other)
    join(app.state.engine, other)
    with reading(app.state.engine) as session:
        (mark,) = session.exec(select(Mark)).all()
        assert other.secret() not in mark.value


async def test_who_started_before_the_schema_was_there_is_asked_when_it_is(
    app: FastAPI, anonymous: Client, settings: Settings, tmp_path: Path
) -> None:
    app.state.joined = False
    assert (await anonymous.get("/health/ready")).status_code == 200
    with reading(app.state.engine) as session:
        assert session.exec(select(Mark)).one()
    app.state.joined, app.state.settings = False, settings.model_copy(update={"var_dir": tmp_path / "other"})
    app.state.settings.prepare()
    problem = await refused(anonymous.get("/health/ready"), 503, "not_ready")
    assert "PILOTLIGHT_SECRET_KEY" in problem["detail"]
    assert (await anonymous.get("/health/live")).status_code == 200


@on_sqlite
def test_what_is_broken_on_a_host_is_named(app: FastAPI, settings: Settings, tmp_path: Path) -> None:
    (settings.var_dir / "secret_key").chmod(0o644)
    spoken = [finding.help for finding in examine(app.state.engine, settings)]
    assert any("chmod 600" in text for text in spoken)
    shown = found(app, settings, environment="production", smallest_cell=1)
    assert shown["settings"].state is State.WARNING
    away = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    engine = make_engine(away)
    *_, last = examine(engine, Settings(_env_file=None, database_url=away, var_dir=settings.var_dir))  # type: ignore[call-arg]
    assert (last.about, last.state) == ("database", State.BROKEN)
    assert "PILOTLIGHT_DATABASE_URL" in last.help
    engine.dispose()
    empty = make_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    *_, none = examine(empty, settings)
    assert "there is none yet" in none.says
    empty.connect().close()
    *_, bare = examine(empty, settings)
    assert (bare.about, bare.help) == ("migrations", "run `pilotlight migrate`, on one host, once")
    empty.dispose()


@on_sqlite
def test_the_command_ends_with_1_when_something_is_broken(settings: Settings) -> None:
    env = {"PILOTLIGHT_DATABASE_URL": settings.url, "PILOTLIGHT_VAR_DIR": str(settings.var_dir)}
    well = CliRunner().invoke(command_line, ["doctor"], env=env)
    assert well.exit_code == 0, well.output
    assert "migrations: at revision" in well.output
    none = CliRunner().invoke(command_line, ["doctor"], env={**env, "PILOTLIGHT_DATABASE_URL": "sqlite:////nowhere/x"})
    assert none.exit_code == 1
    assert "BROKEN" in none.output


def test_what_people_answered_is_for_the_owner_of_the_service_alone(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, var_dir=tmp_path / "var")  # type: ignore[call-arg]
    settings.prepare()
    engine = make_engine(settings.url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE answers (of TEXT)"))
        modes = {file.name: file.stat().st_mode & 0o777 for file in settings.var_dir.glob("pilotlight.db*")}
    assert modes
    assert set(modes.values()) == {0o600}
    assert settings.var_dir.stat().st_mode & 0o077 == 0
    assert not any(finding.about == "data" for finding in examine(engine, settings))
    (settings.var_dir / "pilotlight.db").chmod(0o644)
    [finding] = [finding for finding in examine(engine, settings) if finding.about == "data"]
    assert (finding.state, "chmod 600" in finding.help) == (State.WARNING, True)
    engine.dispose()
