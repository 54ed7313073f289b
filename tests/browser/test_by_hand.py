"""A pilot entered by hand in Swagger UI, from the key to the recommendation and its picture."""

import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.processes import Installation
from tests.browser.swagger import SwaggerUi

pytestmark = pytest.mark.browser

ARMS = ("intervention", "control")
WAY = [
    "PUT /v1/pilots/{pilot_id}/waves/{key}",
    "POST /v1/pilots/{pilot_id}/measurements",
    "POST /v1/pilots/{pilot_id}/summaries",
    "POST /v1/pilots/{pilot_id}/measurements/import",
]
"""How data are entered, in the order under "6 Measures"; corrections come later."""
ANALYSED_WITHIN = 300  # seconds; the worker warms up first
DRAWN_WITHIN = 120
PEOPLE = 60


def answers(people: int = PEOPLE) -> str:
    """A file as a spreadsheet saves it: exhaustion before and after; it falls by 7 with coaching."""
    lines = ["participant;arm;mbi_ee_pre;mbi_ee_post"]
    for i in range(people):
        before = 14 + (i * 7) % 29
        after = before + (i * 5) % 9 - 4 - (7 if i % 2 == 0 else 0)
        lines.append(f"c-{i:03};{ARMS[i % 2]};{before};{max(after, 0)}")
    return "\r\n".join(lines) + "\r\n"


@pytest.fixture
def ui(page: Page, installation: Installation, pictures: Path) -> SwaggerUi:
    made = SwaggerUi(page, installation.url, pictures)
    made.open()
    made.picture("opened")
    return made


def test_a_pilot_by_hand(ui: SwaggerUi, installation: Installation, tmp_path: Path) -> None:
    ui.authorize(installation.run("app.cli keys create --role administrator --label root").splitlines()[-1])
    pilot = a_pilot(ui)
    planned(ui, pilot)
    entered(ui, pilot, tmp_path)
    begun(ui, pilot)
    analysis = analysed(ui, pilot)
    looked_at(ui, analysis["id"])
    assert ui.strangers == []
    assert ui.complaints == []
    assert ui.refusals == ui.shown_refusals >= 2, "whatever failed to load was an answer that the page shows"


def a_pilot(ui: SwaggerUi) -> str:
    """Organization, unit, intervention and pilot; the pilot's id."""
    ui.unfold("1 Organization")
    organization = ui.operation("create_organization").execute().picture("organization").ok(201)["id"]
    unit = ui.operation("create_unit").type(organization_id=organization).execute().picture("unit").ok(201)["id"]
    ui.unfold("3 Interventions")
    coaching = ui.operation("add_intervention").edit(organization_id=organization)
    intervention = coaching.execute().picture("intervention").ok(201)["id"]
    ui.unfold("4 Pilots")
    pilot = ui.operation("add_pilot").edit(organization_id=organization, unit_ids=[unit])
    made = pilot.execute().picture("pilot").ok(201)
    assert made["stage"] == "discover"
    ui.unfold("8 Decisions and moves")
    refused = ui.operation("make_move").type(pilot_id=made["id"]).execute().picture("move-refused")
    assert (refused.status, "listening_session" in refused.text) == (409, True), refused.text
    notes = ui.operation("patch_pilot").type(pilot_id=made["id"]).edit(intervention_id=intervention)
    notes.execute().picture("notes").ok(200)
    return str(made["id"])


def planned(ui: SwaggerUi, pilot: str) -> None:
    """Move to develop and write the plan, both as the examples have it."""
    assert ui.operation("make_move").type(pilot_id=pilot).execute().picture("develop").ok(201)["to"] == "develop"
    ui.unfold("5 Plan")
    plan = ui.operation("put_plan").type(pilot_id=pilot).execute().picture("plan").ok(200)
    assert [remark["message"] for remark in plan["missing_for_lock"]] == []


def entered(ui: SwaggerUi, pilot: str, folder: Path) -> None:
    """A wave and two values as in the examples, then a file: one that is wrong, the right one tried, the right one."""
    offered = ui.unfold("6 Measures")
    assert [line for line in offered if not line.startswith("GET")][: len(WAY)] == WAY
    ui.picture("measures")
    wave = ui.operation("write_wave").type(pilot_id=pilot).execute().picture("wave").ok(200)
    assert wave["key"] == "pre"
    typed = ui.operation("add_measurements").type(pilot_id=pilot).execute().picture("measurements").ok(201)
    assert (typed["accepted"], typed["rejected"]) == (2, 0)
    right, wrong = folder / "answers.csv", folder / "wrong.csv"
    right.write_text(answers())
    wrong.write_text(answers().replace("c-003;control;35", "c-003;control;many"))
    form = ui.operation("import_measurements").type(pilot_id=pilot)
    form.picture("import-form")
    refused = form.attach(wrong).execute().picture("wrong-file")
    assert refused.status == 422
    assert "many" in refused.text
    tried = form.attach(right).choose(dry_run="true").execute().picture("dry-run").ok(200)
    assert (tried["accepted"], tried["entered"], tried["errors"]) == (2 * PEOPLE, False, [])
    done = form.choose(dry_run="false").execute().picture("import").ok(201)
    assert (done["accepted"], done["entered"]) == (2 * PEOPLE, True)
    cells = ui.operation("read_cells").type(pilot_id=pilot).execute().picture("cells").ok(200)
    assert "mbi_ee" in cells["data"]


def begun(ui: SwaggerUi, pilot: str) -> None:
    """Lock the plan and begin the test."""
    assert ui.operation("lock").type(pilot_id=pilot).execute().picture("lock").ok(200)["locked"]
    move = ui.operation("make_move").type(pilot_id=pilot).edit(to="test", reason="The plan is locked.")
    assert move.execute().picture("test").ok(201)["to"] == "test"


def analysed(ui: SwaggerUi, pilot: str) -> dict[str, Any]:
    """Ask for the analysis and press Execute until it is there."""
    ui.unfold("7 Analyses")
    asked = ui.operation("request_analysis").type(pilot_id=pilot).execute().picture("analysis-asked").ok(202)
    assert asked["kind"] == "confirmatory"
    reading = ui.operation("read_analysis").type(analysis_id=asked["id"])
    deadline = time.monotonic() + ANALYSED_WITHIN
    while (analysis := (shown := reading.execute()).ok(200))["status"] in {"queued", "running"}:
        assert time.monotonic() < deadline, analysis
        time.sleep(2)
    shown.picture("analysis")
    assert analysis["status"] == "succeeded", analysis
    assert next(iter(analysis["result"])) == "recommendation"
    recommendation = analysis["result"]["recommendation"]
    assert recommendation["outcome"] in {"scale", "refine", "replace"}
    assert recommendation["says"].endswith(".")
    return dict(analysis)


def looked_at(ui: SwaggerUi, analysis: str) -> None:
    """The posterior, its name in the field already: the text of the SVG, the PNG as a picture."""
    text = ui.operation("read_plot").type(analysis_id=analysis).execute().picture("svg")
    assert text.status == 200
    assert "<svg" in text.text
    drawing = ui.operation("read_picture").type(analysis_id=analysis)
    deadline = time.monotonic() + DRAWN_WITHIN
    while (shown := drawing.execute()).status == 409:
        assert "ask again in a few seconds" in shown.text
        assert time.monotonic() < deadline
        time.sleep(2)
    assert shown.status == 200
    expect(shown.image).to_be_visible()
    assert shown.image.evaluate("picture => picture.complete && picture.naturalWidth > 600")
    shown.picture("png")
