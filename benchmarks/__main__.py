"""Measures the spine: start of the API, first analysis after a start with caches, warm analyses.

    make bench

Prints medians of several runs. Figures depend on the machine; compare them within one run.
"""

import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

WARM_RUNS = 10
PILOTLIGHT = Path(sys.executable).with_name("pilotlight")


@contextmanager
def service(folder: Path, port: int, *arguments: str) -> Iterator[Path]:
    """A service of its own; its output is in the file this yields."""
    log = folder / "log"
    environment = os.environ | {
        "PILOTLIGHT_VAR_DIR": str(folder / "var"),
        "PILOTLIGHT_PORT": str(port),
        "PILOTLIGHT_CACHE_DIR": str(folder / "cache"),
    }
    with log.open("w") as output:
        command = [PILOTLIGHT, "serve", *arguments]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)  # noqa: S603 - our own
        try:
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def wait_until(condition: Any, seconds: float = 300) -> float:
    """Seconds until `condition()` holds."""
    started = time.perf_counter()
    while not condition():
        if time.perf_counter() - started > seconds:
            sys.exit(f"gave up after {seconds} s")
        time.sleep(0.02)
    return time.perf_counter() - started


def answers(url: str) -> bool:
    """Whether the service is ready."""
    try:
        return httpx.get(f"{url}/health/ready", timeout=1).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def analyse(client: httpx.Client, pilot: str) -> float:
    """Seconds from POST to `succeeded`."""
    started = time.perf_counter()
    analysis = client.post(f"/v1/pilots/{pilot}/analyses", json={}).raise_for_status().json()
    while analysis["status"] in {"queued", "running"}:
        time.sleep(0.01)
        analysis = client.get(f"/v1/analyses/{analysis['id']}").json()
    if analysis["status"] != "succeeded":
        sys.exit(f"the analysis {analysis['status']}: {analysis['failure']}")
    return time.perf_counter() - started


def main() -> None:
    """Run and print."""
    port = 8197
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="pilotlight-bench-") as name:
        folder = Path(name)
        with service(folder, port, "--demo") as log:
            first = wait_until(lambda: re.search(r"^key ", log.read_text(), re.MULTILINE), 600)
            key = re.findall(r"^key +(\S+)", log.read_text(), re.MULTILINE)[0]
            with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
                pilots = client.get("/v1/pilots").json()["items"]
                coaching = next(p["id"] for p in pilots if "coaching" in p["title"])
                warm = [analyse(client, coaching) for _ in range(WARM_RUNS)]
        starts = []
        for _ in range(3):
            with service(folder, port):
                starts.append(wait_until(lambda: answers(url)))
        with (
            service(folder, port),
            httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client,
        ):
            started = time.perf_counter()
            wait_until(lambda: answers(url))
            analyse(client, coaching)
            restarted = time.perf_counter() - started
    figures = {
        "start with an empty database and cold caches, to the demonstration's decisions": first,
        "start to /health/ready (median of 3)": statistics.median(starts),
        "start with caches to the first analysis `succeeded`": restarted,
        f"warm analysis, POST to `succeeded` (median of {WARM_RUNS})": statistics.median(warm),
    }
    for what, seconds in figures.items():
        print(f"{what:<82} {seconds:7.2f} s")


if __name__ == "__main__":
    main()
