"""What an organization reports changes no study of another, and keeps nobody from pooling."""

from typing import Any

import pytest
from fastapi import FastAPI

from analysis.evidence import SynthesisRequest
from analysis.synthesis_studies import studies
from app.db import new_id, reading
from app.syntheses.joining import as_studies, each_study_once, within
from app.syntheses.models import Synthesis
from app.syntheses.schemas import EvidenceOut
from tests.app.programs.world import adopted
from tests.app.steps import Finish, codes, in_test, intervention, ok, refused
from tests.app.syntheses.test_evidence import REPORT, decided, entries
from tests.app.syntheses.test_syntheses import asked
from tests.conftest import House, on_sqlite

pytestmark = pytest.mark.anyio

HARM = {**REPORT, "effect_sd": -100, "se_sd": 1e-6}


def entry(reporter: str, source: str, **fields: Any) -> EvidenceOut:
    """An entry that `reporter` made of itself, younger than the one before."""
    return EvidenceOut.model_validate(
        {
            **REPORT,
            "id": new_id(),
            "kind": "reported",
            "organization": reporter.upper(),
            "organization_id": reporter,
            "reporter_id": reporter,
            "grade": "A",
            "source": source,
            "created_at": "2026-01-01T00:00:00Z",
            **fields,
        }
    )


def said_of(organization: str, reporter: str, source: str, **fields: Any) -> EvidenceOut:
    """An entry that `reporter` made of somebody else."""
    return entry(reporter, source, organization=organization, organization_id=None, **fields)


def left_out(entries: list[EvidenceOut]) -> list[str | None]:
    return [e.left_out and e.left_out.code for e in each_study_once(entries)]


async def reported(house: House, of: str, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await ok(
        house.approver.post(f"/v1/interventions/{of}/evidence", json={**REPORT, **fields}), 201
    )
    return made


async def pooled(app: FastAPI, house: House, of: str) -> tuple[list[tuple[str, str, float]], list[str]]:
    """The studies that a synthesis asked for now is made of, and what it warns of."""
    synthesis = await asked(house, of)
    with reading(app.state.engine) as session:
        request = SynthesisRequest.model_validate(session.get_one(Synthesis, synthesis["id"]).request)
    found, _ = studies(request.evidence, bias=False)
    told = [w["code"] for w in synthesis["warnings"]]
    return [(s.organization, s.role.value, pytest.approx(s.effect)) for s in found], told


@on_sqlite
async def test_who_repeats_the_sources_of_others_changes_none_of_their_studies(
    app: FastAPI, house: House, neighbour: House
) -> None:
    of = await intervention(house)
    await reported(house, of, organization="Northfield", role="origin", effect_sd=0.5, source="Origin's trial")
    for name in ("Lakeside", "Hillside", "Bayside"):
        await adopted(house, of, name)
    before, _ = await pooled(app, house, of)
    assert [s[0] for s in before] == ["Northfield", "Lakeside", "Hillside", "Bayside"]
    for listed in await entries(house, of):
        await reported(neighbour, of, **{**HARM, "organization_id": neighbour.id, "source": listed["source"].upper()})
    after, told = await pooled(app, house, of)
    assert after == before
    assert told.count("source_elsewhere") == 4
    told_first = (await asked(house, of))["warnings"][0]["message"]
    assert "left out, Southfield" in told_first
    assert "of Northfield names the source" in told_first
    # What it found itself, under a source of its own, is a study of its own.
    await reported(neighbour, of, organization_id=neighbour.id, source="Southfield report")
    with_theirs, _ = await pooled(app, house, of)
    assert with_theirs == [*before, ("Southfield", "adopter", REPORT["effect_sd"])]


@on_sqlite
async def test_a_synthesis_stands_while_others_repeat_its_sources(house: House, neighbour: House) -> None:
    of = await intervention(house)
    await adopted(house, of, "Lakeside")
    synthesis = await asked(house, of)
    (listed,) = await entries(house, of)
    await reported(neighbour, of, **{**HARM, "organization_id": neighbour.id, "source": listed["source"]})
    shown = await ok(house.lead.get(f"/v1/syntheses/{synthesis['id']}"))
    assert "evidence_changed" not in [w["code"] for w in shown["warnings"]]


@on_sqlite
async def test_a_publication_that_two_organizations_report_counts_once(
    app: FastAPI, house: House, neighbour: House
) -> None:
    of = await intervention(house)
    await reported(neighbour, of, organization_id=neighbour.id, source="Trial of 2024", effect_sd=0.3)
    await reported(house, of, organization="Southfield (as published)", source="trial of 2024.", effect_sd=0.4)
    found, told = await pooled(app, house, of)
    assert found == [("Southfield", "adopter", 0.3)]
    assert "source_elsewhere" in told


@on_sqlite
async def test_what_an_organization_says_of_itself_stands_over_what_is_said_of_it(
    app: FastAPI, house: House, neighbour: House
) -> None:
    of = await intervention(house)
    await adopted(house, of, "southfield", effect_sd=4.0)
    await reported(neighbour, of, organization_id=neighbour.id, effect_sd=-0.3)
    found, told = await pooled(app, house, of)
    assert found == [("Southfield", "adopter", -0.3)]
    assert "organization_elsewhere" in told


@on_sqlite
async def test_taking_the_name_of_another_joins_nothing(app: FastAPI, house: House, neighbour: House) -> None:
    of = await intervention(house)
    await reported(neighbour, of, **{**HARM, "organization_id": neighbour.id})
    await ok(neighbour.administrator.patch(f"/v1/organizations/{neighbour.id}", json={"name": "Northfield"}))
    await reported(house, of, organization="Northfield", role="origin", effect_sd=0.5, source="Origin's trial")
    found, _ = await pooled(app, house, of)
    assert found == [("Northfield", "adopter", -100), ("Northfield (2)", "origin", 0.5)]


@on_sqlite
async def test_a_pilot_is_a_source_for_its_own_organization_alone(
    house: House, neighbour: House, finish: Finish
) -> None:
    of = await intervention(house)
    path = f"/v1/interventions/{of}/evidence"
    decision = (await decided(house, of, finish)).rpartition("/")[2]
    secret = (await in_test(house, of=of)).rpartition("/")[2]
    answers = []
    for pilot in (decision, secret, new_id()):
        body = {**HARM, "organization_id": neighbour.id, "source": f" Pilot  {pilot.upper()}."}
        problem = await refused(neighbour.approver.post(path, json=body), 422, "invalid")
        assert codes(problem) == [(("source",), "unknown_pilot")]
        answers.append(problem["detail"].replace(pilot, "…"))
    assert len(set(answers)) == 1  # whether there is such a pilot is not told
    await reported(house, of, organization="Northfield (journal)", source=f"pilot {decision}")
    await reported(neighbour, of, organization_id=neighbour.id, source="Pilot on ward 3")


@on_sqlite
async def test_the_entries_of_one_organization_are_bounded(
    house: House, neighbour: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.syntheses.service.MOST_REPORTS", 2)
    of = await intervention(house)
    path, theirs = f"/v1/interventions/{of}/evidence", {"organization_id": neighbour.id}
    first = await reported(neighbour, of, **theirs)
    await ok(neighbour.approver.post(f"/v1/evidence/{first['id']}/withdrawal", json={"reason": "A slip."}), 201)
    await reported(neighbour, of, **theirs)
    await refused(neighbour.approver.post(path, json={**REPORT, **theirs}), 409, "too_many_reports")
    await reported(house, of)
    await reported(neighbour, await intervention(house), **theirs)


@on_sqlite
async def test_many_entries_of_others_do_not_keep_the_owner_from_pooling(
    app: FastAPI, house: House, neighbour: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.syntheses.service.MOST_ENTRIES", 3)
    of = await intervention(house)
    for n in range(4):
        await reported(neighbour, of, organization_id=neighbour.id, source=f"Report {n}")
    for name in ("Lakeside", "Hillside"):
        await adopted(house, of, name)
    found, told = await pooled(app, house, of)
    assert [s[0] for s in found] == ["Southfield", "Lakeside", "Hillside"]
    assert told.count("too_many") == 3
    await adopted(house, of, "Bayside")  # nor does the owner crowd out what the neighbour found
    await refused(house.analyst.post(f"/v1/interventions/{of}/syntheses"), 409, "too_much_evidence")


@on_sqlite
async def test_a_source_that_grows_when_case_is_folded_is_pooled(house: House) -> None:
    of = await intervention(house)
    await reported(house, of, source="ß" * 100)
    await ok(house.analyst.post(f"/v1/interventions/{of}/syntheses"), 202)


def test_the_first_report_of_a_source_stands_and_a_decision_before_it() -> None:
    assert left_out([entry("a", "x"), entry("b", "X."), entry("b", "y"), entry("a", "z")]) == [
        None,
        "source_elsewhere",
        None,
        None,
    ]
    # The entry of a pilot is its newest look, which may be younger than who repeats an earlier one.
    assert left_out([entry("b", "pilot 1"), entry("a", "pilot 1", kind="decision")]) == ["source_elsewhere", None]


def test_who_repeats_a_source_holds_nothing_by_it() -> None:
    assert left_out([entry("a", "x"), said_of("B", "a", "y"), entry("b", "x")]) == [None, None, "source_elsewhere"]


def test_entries_of_one_reporter_stay_together() -> None:
    assert left_out([said_of("C", "a", "x"), said_of("c", "a", "x"), said_of("D", "a", "x")]) == [None] * 3


def test_what_is_left_out_anyway_holds_no_source() -> None:
    withdrawn = entry("a", "x", left_out={"code": "withdrawn", "message": "A slip."})
    assert left_out([withdrawn, entry("b", "x")]) == ["withdrawn", None]


def test_places_are_given_in_turns() -> None:
    many = [entry("b", f"b{n}") for n in range(4)]
    few = [entry("c", "c0"), entry("c", "pilot", kind="decision")]
    own = [entry("a", "a0")]

    def kept(most: int, owner: str | None = "a") -> list[str]:
        return [e.source for e in within([*many, *few, *own], owner, most) if e.left_out is None]

    assert kept(7) == ["b0", "b1", "b2", "b3", "c0", "pilot", "a0"]
    assert kept(5) == ["b0", "b1", "c0", "pilot", "a0"]
    assert kept(3) == ["b0", "pilot", "a0"]
    assert kept(1) == ["b0", "pilot", "a0"]  # nobody is crowded out
    assert kept(5, "b") == ["b0", "b1", "b2", "b3", "pilot", "a0"]
    assert kept(3, None) == ["b0", "pilot", "a0"]


def test_names_that_are_not_one_organization_differ_for_the_library() -> None:
    long = "N" * 120
    found = as_studies(
        [
            entry("a", "x", organization=long),
            entry("b", "y", organization=long + "!"),
            said_of(long.lower(), "a", "z"),
            said_of("Elsewhere", "a", "w"),
            said_of("elsewhere ", "a", "v"),
        ]
    )
    first, second = "N" * 100, "N" * 90 + " (2)"
    assert [e.organization for e in found] == [first, second, first, "Elsewhere", "Elsewhere"]
