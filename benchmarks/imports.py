"""Measures what a large file takes: a million rows on PostgreSQL beside a plain COPY of the same, 100,000 on SQLite.

    python -m benchmarks.imports [rows on PostgreSQL] [rows on SQLite]

The file is long (a row an answer), as sent over HTTP to a service of its own processes; databases wait for the disk.
"""

import io
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from app.db import make_engine
from app.migrate import migrate
from tests.acceptance.processes import Installation, wait_until
from tests.postgresql import database_on, packaged_postgresql

REQUIRED_RATIO, REQUIRED_MEMORY, REQUIRED_SQLITE = 4.0, 400, 60.0
UNITS = 20
COMMANDS = {"SQLite": ["app.cli serve"], "PostgreSQL": ["app.cli api", "app.cli worker"]}
PLAN = {
    "design": "parallel",
    "baseline": "pre",
    "followup": "post",
    "treated": "intervention",
    "control": "control",
    "measures": [{"measure": "mbi_ee", "role": "primary", "reference_sd": 10.3}],
    "followup_months": 6,
}


def answers(rows: int, units: list[str]) -> bytes:
    """A file of this many rows: linked people at two waves."""
    chance = random.Random(1)
    text = io.StringIO()
    text.write("participant,unit_id,arm,measure,wave,value,collected_on\n")
    for i in range(rows):
        person, after = divmod(i, 2)
        arm = ("intervention", "control")[person % 2]
        day = f"2026-0{1 + 5 * after}-{1 + person % 28:02}"
        wave = ("pre", "post")[after]
        text.write(f"p-{person:06},{units[person % UNITS]},{arm},mbi_ee,{wave},{chance.randint(0, 540) / 10},{day}\n")
    return text.getvalue().encode()


def ready(client: httpx.Client) -> tuple[str, list[str]]:
    """The path of a pilot with a plan, and its units."""
    organization = client.post("/v1/organizations", json={"name": "Northfield"}).json()["id"]
    units = [
        client.post(f"/v1/organizations/{organization}/units", json={"name": f"Ward {i}"}).json()["id"]
        for i in range(UNITS)
    ]
    body = {"title": "T", "driver": "workload", "organization_id": organization, "unit_ids": units}
    path = f"/v1/pilots/{client.post('/v1/pilots', json=body).json()['id']}"
    intervention = {"title": "T", "description": "D", "driver": "workload", "ownership_role": "own"}
    intervention |= {"organization_id": organization}
    notes = {
        "discovery_note": {"kind": "survey", "text": "T"},
        "feasibility_note": "T",
        "frontline_involved": "T",
        "intervention_id": client.post("/v1/interventions", json=intervention).json()["id"],
    }
    for request in (
        client.patch(path, json=notes),
        client.post(f"{path}/moves", json={"to": "develop"}),
        client.put(f"{path}/plan", json=PLAN),
    ):
        request.raise_for_status()
    return path, units


def imported(client: httpx.Client, path: str, content: bytes) -> tuple[float, dict[str, Any], dict[str, int]]:
    """Seconds from the request to the end, the report, and how often each share of progress was seen."""
    began = time.perf_counter()
    response = client.post(f"{path}/measurements/import?background=true", files={"file": ("answers.csv", content)})
    response.raise_for_status()
    seen: dict[str, int] = {}
    while True:
        row = client.get(response.headers["location"]).json()
        if row["status"] not in {"queued", "running"}:
            break
        seen[f"{row['progress']:.1f}"] = seen.get(f"{row['progress']:.1f}", 0) + 1
        time.sleep(0.1)
    if row["status"] != "succeeded":
        raise RuntimeError(row)
    return time.perf_counter() - began, row["result"], seen


def peaks(folder: Path) -> dict[str, int]:
    """The most memory (MiB) that each process of the service in this folder held, by its module."""
    found = {}
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
            status = (process / "status").read_text()
            environment = (process / "environ").read_text()
        except OSError:
            continue
        names = [word for word in words if word in {"api", "worker", "serve", "app.imports.run"}]
        if str(folder) in environment and names:
            peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            found[names[0]] = int(peak.split()[1]) // 1024
    return found


def copied(url: str) -> float:
    """Seconds that a plain COPY of the rows in the table takes, into the same table, emptied."""
    rows = io.BytesIO()
    engine = make_engine(url)
    raw = engine.raw_connection()
    connection: Any = raw.driver_connection
    with connection.cursor() as cursor:
        with cursor.copy("COPY measurements TO STDOUT") as copy:
            for part in copy:
                rows.write(part)
        cursor.execute("TRUNCATE measurements")
        connection.commit()
        rows.seek(0)
        began = time.perf_counter()
        with cursor.copy("COPY measurements FROM STDIN") as copy:
            while part := rows.read(2**20):
                copy.write(part)
        connection.commit()
        seconds = time.perf_counter() - began
    raw.close()
    engine.dispose()
    return seconds


def measured(kind: str, url: str, folder: Path, rows: int) -> bool:
    """Print what one import took; whether that is within what is required."""
    migrate(make_engine(url))
    installation = Installation(COMMANDS[kind], url, folder, {})
    installation.start_all()
    try:
        wait_until(installation.ready)
        key = installation.run("app.cli keys create --role administrator --label bench").splitlines()[-1]
        with httpx.Client(base_url=installation.url, headers={"Authorization": f"Bearer {key}"}, timeout=600) as client:
            path, units = ready(client)
            wait_until(lambda: installation.log.read_text().count('"event": "warm"') >= 3, 300)  # noqa: PLR2004
            content = answers(rows, units)
            seconds, report, seen = imported(client, path, content)
            memory = peaks(folder)
            again, repeated, _ = imported(client, path, content)
    finally:
        installation.stop()
    print(f"{kind}: {rows:,} rows ({len(content) / 2**20:.0f} MiB) in {seconds:.1f} s, {report['says']}")
    print(f"  progress as seen: {seen}; peak memory, MiB: {memory}")
    print(f"  the same file again: {again:.1f} s, {repeated['says']}")
    if kind == "SQLite":
        return seconds <= REQUIRED_SQLITE
    plain = copied(url)
    print(f"  a plain COPY of the same rows: {plain:.1f} s; ratio {seconds / plain:.2f} (at most {REQUIRED_RATIO:g})")
    return seconds <= REQUIRED_RATIO * plain and max(memory.values()) <= REQUIRED_MEMORY


def main() -> int:
    """Both databases; 1 when one of them misses what is required."""
    million, less = (int(text) for text in (*sys.argv[1:], "1000000", "100000")[:2])
    with tempfile.TemporaryDirectory(prefix="pl-bench-") as folder:
        here = Path(folder)
        for name in ("sqlite", "postgresql"):
            (here / name).mkdir()
        fine = measured("SQLite", f"sqlite:///{here / 'sqlite' / 'bench.db'}", here / "sqlite", less)
        with packaged_postgresql(durable=True) as server:
            fine &= measured("PostgreSQL", database_on(server, "bench"), here / "postgresql", million)
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
