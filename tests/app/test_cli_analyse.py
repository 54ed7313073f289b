"""`pilotlight analyse` and `pilotlight report`: what a person reads, and what a script gets."""

import json
import threading
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from app.cli import app as command_line
from tests.app.client.conftest import key_of
from tests.app.client.worker import ending_next
from tests.app.steps import REFUSAL, Finish, an_answer, analysed, in_test, ok, planned
from tests.conftest import House, on_sqlite

pytestmark = [pytest.mark.anyio, on_sqlite]
type Run = Callable[..., Result]


@pytest.fixture
def run(house: House, address: str) -> Run:
    """Runs a command with the analyst's key in the environment."""
    env = {"PILOTLIGHT_URL": address, "PILOTLIGHT_KEY": key_of(house.analyst)}
    return lambda *words: CliRunner().invoke(command_line, list(words), env=env)


@pytest.fixture
def ends(app: FastAPI, finish: Finish) -> Callable[[dict[str, object]], threading.Thread]:
    """Ends the next analysis that is asked for with this answer."""
    return lambda answer: ending_next(app, lambda waiting: finish(waiting, answer))


def said(text: str) -> str:
    """A text without the way its lines are broken."""
    return " ".join(text.split())


async def test_an_analysis_is_asked_for_waited_for_and_read(
    house: House, run: Run, ends: Callable[..., threading.Thread]
) -> None:
    pilot = (await in_test(house)).rsplit("/", 1)[1]
    worker = ends(an_answer())
    done = run("analyse", pilot)
    worker.join()
    assert done.exit_code == 0, done.output
    assert "Confirmatory analysis of iteration 1, look 1" in done.stdout
    assert "+0.60 [+0.28, +0.92]" in done.stdout
    assert "Recommendation: scale\nThe program helps." in done.stdout
    # What is on the way is for a person, not for what reads the answer: plain lines where no terminal is.
    assert done.stderr.splitlines()[-1] == "analysis: done, 100%"
    assert "\x1b" not in done.output


async def test_other_ways_to_ask(house: House, run: Run, ends: Callable[..., threading.Thread]) -> None:
    pilot = (await in_test(house)).rsplit("/", 1)[1]
    queued = run("analyse", pilot, "--no-wait", "--seed", "7")
    assert queued.exit_code == 0
    assert queued.stdout.startswith("exploratory analysis ")
    assert queued.stdout.endswith(" is queued\n")
    again = json.loads(run("analyse", pilot, "--no-wait", "--seed", "8", "--json").stdout)
    assert (again["status"], again["provenance"]["seed"]) == ("queued", 8)
    both = run("analyse", pilot, "--look", "1", "--wave", "y1")
    assert (both.exit_code, "a retention wave is no planned look" in said(both.stderr)) == (2, True)
    wave = run("analyse", pilot, "--wave", "y1")
    assert wave.exit_code == 1
    assert wave.stderr.startswith("pilotlight: ")
    assert wave.stdout == ""


async def test_no_estimate_is_a_refusal(house: House, run: Run, ends: Callable[..., threading.Thread]) -> None:
    path = await in_test(house)
    pilot = path.rsplit("/", 1)[1]
    worker = ends(REFUSAL)
    done = run("analyse", pilot)
    worker.join()
    assert done.exit_code == 1
    assert "no data of the follow-up. What would help: enter them" in done.stderr
    shown = run("report", pilot)
    assert shown.exit_code == 0
    assert "What would help: enter them" in shown.stdout


async def test_a_report_of_a_pilot_that_was_analysed(house: House, run: Run, finish: Finish) -> None:
    path = await in_test(house, title="Coaching [bold]\x1b[31m for nurses")
    await ok(house.lead.put(f"{path}/waves/post", json={"invited": {"intervention": 44, "control": 44}}))
    await analysed(house, path, finish)
    shown = run("report", path.rsplit("/", 1)[1])
    assert shown.exit_code == 0, shown.output
    # What people typed is text: nothing that a terminal obeys.
    assert shown.stdout.startswith("Coaching [bold]�[31m for nurses\ntest, iteration 1 · driver self_valuation")
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert ["post", "followup", "control", "44", "41", "93%", "7%"] in rows
    assert ["p_benefit", "mbi_ee", "0.999", "0.950", "met"] in rows
    assert "evidence grade A" in shown.stdout
    assert "Checks of the computation: all 1 passed" in shown.stdout
    assert "Recommendation: scale\nThe program helps." in shown.stdout
    assert "to scale:" in shown.stdout.partition("Next")[2]


async def test_a_report_of_a_pilot_at_its_beginning(house: House, run: Run) -> None:
    path = await planned(house)
    shown = run("report", path.rsplit("/", 1)[1])
    assert shown.exit_code == 0, shown.output
    assert "No confirmatory analysis yet" in shown.stdout
    assert "to test:" in shown.stdout
    whole = json.loads(run("report", path.rsplit("/", 1)[1], "--json").stdout)
    assert whole["pilot"] == await ok(house.lead.get(path))
    assert whole["next"] == (await ok(house.lead.get(f"{path}/next")))["items"]
    assert whole["analysis"] is None
