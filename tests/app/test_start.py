"""The API as a process of its own: it starts within three seconds and never loads the sampler."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from app.config import Settings
from app.db import make_engine
from app.hosts import join
from app.migrate import migrate
from tests.acceptance.processes import Installation, wait_until

HEAVY = (
    "pymc",
    "numpy",
    "nutpie",
    "pytensor",
    "arviz",
    "scipy",
    "numba",
    "matplotlib",
    "pandas",
    "pyarrow",
    "xarray",
    "h5netcdf",
)
PILOTLIGHT = Path(sys.executable).parent / "pilotlight"


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PILOTLIGHT_")}
    return {**kept, "PILOTLIGHT_VAR_DIR": str(folder), **more}


def test_the_service_does_not_import_the_sampler(tmp_path: Path) -> None:
    program = (
        "import sys, json\n"
        "from app.config import Settings\n"
        "from app.main import create_app\n"
        "create_app(Settings()).openapi()\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(tmp_path), cwd=tmp_path, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == []


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


def test_ready_within_three_seconds(tmp_path: Path, port: int) -> None:
    env = environment(tmp_path, PILOTLIGHT_PORT=str(port))
    for _ in range(2):  # the second time there is nothing to do
        subprocess.run([PILOTLIGHT, "migrate"], env=env, cwd=tmp_path, check=True, capture_output=True)
    # Three seconds, or what a slow processor makes of them: the same libraries alone take 0.5 to 0.7 s on an idle one.
    allowed = max(3.0, 4.5 * _seconds_to_import())
    quickest = _seconds_to_ready(env, tmp_path, port)
    for _ in range(5):  # files were read for the first time, or a shared machine was slow
        if quickest <= allowed:
            break
        quickest = min(quickest, _seconds_to_ready(env, tmp_path, port))
    assert quickest <= allowed, f"ready after {quickest:.1f} s, allowed {allowed:.1f} s"


def _seconds_to_import() -> float:
    """The quickest of three starts of a process that imports what every such service does."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import fastapi, sqlmodel, uvicorn, alembic.command"], check=True)
        took.append(time.perf_counter() - began)
    return min(took)


def _waited_for_a_processor(pid: int) -> float:
    """Seconds in which the process could have run but others did: not its own slowness."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def _seconds_to_ready(env: dict[str, str], folder: Path, port: int) -> float:
    began = time.perf_counter()
    api = subprocess.Popen([PILOTLIGHT, "api"], env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        while time.perf_counter() - began < 30:
            assert api.poll() is None, "the API ended by itself"
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5)
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            assert answer.status_code == 200, answer.text
            return time.perf_counter() - began - _waited_for_a_processor(api.pid)
        pytest.fail("not ready after 30 s")
    finally:
        api.terminate()
        api.communicate(timeout=20)


def test_not_ready_before_the_schema_is_there(tmp_path: Path, port: int) -> None:
    env = environment(tmp_path, PILOTLIGHT_PORT=str(port))
    api = subprocess.Popen([PILOTLIGHT, "api"], env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=5)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert "pilotlight migrate" in answer.json()["detail"]
            return
        pytest.fail("the API does not answer")
    finally:
        api.terminate()
        api.communicate(timeout=20)


def test_a_worker_waits_for_a_schema_and_then_says_that_its_key_is_another(tmp_path: Path) -> None:
    host = Installation(
        ["app.cli worker"], f"sqlite:///{tmp_path / 'shared.db'}", tmp_path, {"PILOTLIGHT_SECRET_KEY": "its own" * 8}
    )
    others = make_engine(f"sqlite:///{tmp_path / 'others.db'}")
    migrate(others)
    join(others, Settings(secret_key="of the others" * 4, var_dir=tmp_path / "others"))  # type: ignore[call-arg]
    others.dispose()
    host.start(0)
    try:
        wait_until(lambda: "waiting for a database" in host.log.read_text())
        (tmp_path / "others.db").replace(tmp_path / "shared.db")
        assert host.ended(0) == 1
    finally:
        host.stop()
    assert "secret key is not the one" in host.log.read_text()
    assert "Traceback" not in host.log.read_text()
