"""`pilotlight import` as a person at a terminal, or in a script, uses it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app as command_line
from app.client import Retries
from app.commands import session
from tests.app.client.conftest import key_of
from tests.app.steps import in_test, ok, planned
from tests.conftest import House, on_sqlite

pytestmark = [pytest.mark.anyio, on_sqlite]
type Run = Callable[..., Result]
ROWS = "participant;arm;mbi_ee_pre;mbi_ee_post\n" + "\n".join(
    f"p-{i:03};{('intervention', 'control')[i % 2]};{20 + i};{17 + i}" for i in range(12)
)
WRONG = ROWS.replace("20;17", "120;17")


@pytest.fixture
def run(house: House, address: str, tmp_path: Path) -> Run:
    """Runs `pilotlight import` of this text, with the lead's key in the environment."""

    def go(text: str, pilot: str, *options: str, **environment: str) -> Result:
        file = tmp_path / "answers.csv"
        file.write_text(text)
        env = {"PILOTLIGHT_URL": address, "PILOTLIGHT_KEY": key_of(house.lead), **environment}
        return CliRunner().invoke(command_line, ["import", str(file), "--pilot", pilot, *options], env=env)

    return go


async def held(house: House, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await ok(house.lead.get(f"{path}/measurements?limit=200")))["items"]
    return rows


async def test_a_file_goes_in_and_twice_changes_nothing(house: House, run: Run) -> None:
    path = await planned(house)
    pilot = path.rsplit("/", 1)[1]
    tried = run(ROWS, pilot, "--dry-run")
    assert tried.exit_code == 0, tried.output
    assert "semicolon" in tried.stdout
    assert "24" in tried.stdout
    assert await held(house, path) == []
    entered = run(ROWS, pilot)
    assert entered.exit_code == 0, entered.output
    assert len(await held(house, path)) == 24
    again = json.loads(run(ROWS, pilot, "--json").stdout)
    assert (again["accepted"], again["unchanged"]) == (0, 24)


async def test_wrong_rows_are_listed_with_their_places(house: House, run: Run) -> None:
    path = await planned(house)
    pilot = path.rsplit("/", 1)[1]
    for options in (["--dry-run"], []):
        done = run(WRONG, pilot, *options)
        assert done.exit_code == 1
        (line,) = [line for line in done.stdout.splitlines() if "mbi_ee_pre" in line]
        assert line.split()[:2] == ["2", "mbi_ee_pre"]
        assert "120" in line
    assert "nothing was entered" in done.stderr
    assert "or ask for --partial" in " ".join(done.stderr.split())
    assert "?partial" not in done.stderr
    assert "nothing was entered" not in done.stdout
    assert await held(house, path) == []
    some = run(WRONG, pilot, "--partial")
    assert some.exit_code == 0
    assert len(await held(house, path)) == 23


async def test_of_many_faults_twenty_are_listed_and_all_counted(house: House, run: Run) -> None:
    pilot = (await planned(house)).rsplit("/", 1)[1]
    text = "participant,arm,mbi_ee_pre\n" + "\n".join(f"p-{i},control,{100 + i}" for i in range(45))
    done = run(text, pilot, "--dry-run")
    assert done.exit_code == 1
    listed, more, kinds = done.stdout.partition("… and 25 more; all of them by kind:")
    assert more
    assert [int(line.split()[0]) for line in listed.splitlines() if "mbi_ee_pre" in line] == list(range(2, 22))
    assert [line.split()[:3] for line in kinds.splitlines() if "mbi_ee_pre" in line] == [["45", "2", "mbi_ee_pre"]]
    assert len(json.loads(run(text, pilot, "--dry-run", "--json").stdout)["errors"]) == 45


async def test_what_the_columns_are_may_be_said(house: House, run: Run, tmp_path: Path) -> None:
    pilot = (await planned(house)).rsplit("/", 1)[1]
    text = "who,group,before\np-1,control,20"
    unclear = run(text, pilot)
    assert unclear.exit_code == 1
    assert "who, group, before" in unclear.stderr
    assert unclear.stderr.count("do not tell") == 1
    assert "give it with --mapping" in unclear.stderr
    assert json.loads(unclear.stdout)["layout"] in {"wide", "long", "redcap"}
    mapping = tmp_path / "mapping.json"
    values = [{"column": "before", "measure": "mbi_ee", "wave": "pre"}]
    mapping.write_text(json.dumps({"layout": "wide", "participant": "who", "arm": "group", "values": values}))
    other = run(text.replace("before", "after"), pilot, "--mapping", str(mapping), "--dry-run")
    assert other.exit_code == 1
    assert "no_such_column" not in other.output
    assert "the mapping does not fit the file (1 fault)" in " ".join(other.output.split())
    told = run(text, pilot, "--mapping", str(mapping))
    assert told.exit_code == 0, told.output
    for broken, words in (("{", "is not JSON"), ("[]", "has to be a JSON object")):
        mapping.write_text(broken)
        wrong = run(text, pilot, "--mapping", str(mapping))
        assert wrong.exit_code == 2
        assert words in " ".join(wrong.stderr.replace("│", "").split())


async def test_refusals_and_wrong_use_have_codes_of_their_own(
    house: House, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "RETRIES", Retries(tries=1))
    published = (await in_test(house)).rsplit("/", 1)[1]
    mixed = run(ROWS, published)
    assert mixed.exit_code == 1
    assert mixed.stderr.startswith("pilotlight: ")
    nobody = run(ROWS, "no-such-pilot")
    assert (nobody.exit_code, "Check the id" in nobody.stderr) == (1, True)
    no_key = run(ROWS, published, PILOTLIGHT_KEY="pl_nobody")
    assert (no_key.exit_code, "Give a valid key" in no_key.stderr) == (1, True)
    assert "pl_nobody" not in no_key.output
    for wrong in (run(ROWS, published, PILOTLIGHT_KEY=""), run(ROWS, published, PILOTLIGHT_URL="service")):
        assert wrong.exit_code == 2
    away = run(ROWS, published, "--url", "http://127.0.0.1:1")
    assert (away.exit_code, "Is the service running there?" in away.stderr) == (2, True)
