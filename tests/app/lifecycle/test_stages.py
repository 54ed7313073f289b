"""The rules of the stages, each pair and each condition on its own (Shanafelt et al. 2020)."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, SQLModel

import app.tables  # noqa: F401 - rows refer to tables of other modules
from app.catalog.models import Organization
from app.lifecycle import facts as gathering
from app.lifecycle.schemas import MoveIn
from app.lifecycle.stages import NEXT, REVIEW, PilotFacts, Retirement, missing_for
from app.pilots.models import Intervention, Pilot, Stage

# As `domain.md` draws them, written out once more.
MOVES = {
    ("discover", "develop"),
    ("develop", "test"),
    ("test", "refine"),
    ("test", "scale"),
    ("refine", "develop"),
    ("refine", "test"),
    ("scale", "refine"),
    ("scale", "foundational"),
    ("foundational", "refine"),
    *((stage.value, "retired") for stage in Stage if stage is not Stage.RETIRED),
}
PAIRS = [(a, b) for a in Stage for b in Stage]


def satisfied(stage: Stage, target: Stage) -> PilotFacts:
    """Facts under which everything that is asked for is there."""
    return PilotFacts(
        stage=stage,
        has_discovery_note=True,
        driver_is_covered=True,
        has_justification=True,
        has_intervention=True,
        has_feasibility_note=True,
        has_frontline=True,
        units=1,
        plan_is_locked=True,
        has_baseline=True,
        decision="refine" if target is Stage.REFINE else "scale",
        decision_gates_passed=True,
        decision_is_provisional=True,
        has_controlled_evaluation=True,
        is_origin=True,
        is_retained=True,
        synthesis="foundational",
        has_dimension=True,
        program_is_active=stage is Stage.FOUNDATIONAL,
        review_demotes=True,
        was_effective=True,
        reviewed=frozenset(REVIEW),
        scalable=True,
        has_reason=True,
        has_lessons=True,
        retirement=Retirement.REPLACED,
        successor="another",
        successor_fits=True,
    )


def codes(target: Stage, facts: PilotFacts) -> list[str]:
    return [unmet.code for unmet in missing_for(target, facts)]


@pytest.mark.parametrize(("stage", "target"), PAIRS)
def test_every_pair_of_stages(stage: Stage, target: Stage) -> None:
    found = codes(target, satisfied(stage, target))
    assert found == ([] if (stage.value, target.value) in MOVES else ["no_such_move"])


def test_the_table_for_readers_names_the_same_moves() -> None:
    assert {(a.value, b.value) for a, targets in NEXT.items() for b in targets} == MOVES


DEVELOP_TO_TEST: list[tuple[dict[str, Any], str]] = [
    ({"has_intervention": False}, "intervention"),
    ({"has_feasibility_note": False}, "feasibility_note"),
    ({"units": 0}, "units"),
    ({"has_frontline": False}, "frontline_involved"),
    ({"plan_is_locked": False}, "plan_locked"),
    ({"has_baseline": False}, "baseline"),
]
RETIRE: list[tuple[dict[str, Any], str]] = [
    ({"has_reason": False}, "reason"),
    ({"has_lessons": False}, "lessons"),
    ({"retirement": None}, "retirement"),
    ({"successor": None, "successor_fits": False}, "successor"),
    ({"successor_fits": False}, "successor"),
    ({"retirement": Retirement.STOPPED, "successor_fits": False}, "successor"),
    ({"retirement": Retirement.NOT_SCALABLE, "was_effective": False}, "effective"),
]
ONE_MISSING: list[tuple[Stage, Stage, dict[str, Any], str]] = [
    (Stage.DISCOVER, Stage.DEVELOP, {"has_driver": False}, "driver"),
    (Stage.DISCOVER, Stage.DEVELOP, {"has_discovery_note": False}, "discovery_note"),
    (Stage.DISCOVER, Stage.DEVELOP, {"has_justification": False}, "justification"),
    *((Stage.DEVELOP, Stage.TEST, change, code) for change, code in DEVELOP_TO_TEST),
    *((Stage.REFINE, Stage.TEST, change, code) for change, code in DEVELOP_TO_TEST),
    (Stage.REFINE, Stage.TEST, {"has_lessons": False}, "lessons"),
    (Stage.REFINE, Stage.DEVELOP, {"has_lessons": False}, "lessons"),
    (Stage.TEST, Stage.REFINE, {"decision": None, "has_reason": False}, "decision"),
    (Stage.TEST, Stage.REFINE, {"decision": "scale", "has_reason": False}, "decision"),
    (Stage.TEST, Stage.REFINE, {"decision": "replace"}, "decided_replace"),
    (Stage.TEST, Stage.SCALE, {"decision": None}, "decision"),
    (Stage.TEST, Stage.SCALE, {"decision": "refine"}, "decision"),
    (Stage.TEST, Stage.SCALE, {"decision": "replace"}, "decision"),
    (Stage.TEST, Stage.SCALE, {"decision_gates_passed": False}, "gates"),
    (Stage.TEST, Stage.SCALE, {"has_controlled_evaluation": False}, "controlled_evaluation"),
    *((Stage.TEST, Stage.SCALE, {"reviewed": frozenset(REVIEW) - {name}}, "sustainability_review") for name in REVIEW),
    (Stage.TEST, Stage.SCALE, {"scalable": None}, "scalability"),
    (Stage.TEST, Stage.SCALE, {"scalable": False}, "not_scalable"),
    (Stage.SCALE, Stage.REFINE, {"has_reason": False}, "reason"),
    (Stage.SCALE, Stage.FOUNDATIONAL, {"is_origin": False}, "origin"),
    (Stage.SCALE, Stage.FOUNDATIONAL, {"is_provisional": True}, "provisional"),
    (Stage.SCALE, Stage.FOUNDATIONAL, {"is_retained": None}, "retention"),
    (Stage.SCALE, Stage.FOUNDATIONAL, {"is_retained": False}, "retention"),
    (Stage.SCALE, Stage.FOUNDATIONAL, {"synthesis": None}, "synthesis"),
    *(
        (Stage.SCALE, Stage.FOUNDATIONAL, {"synthesis": outcome}, "synthesis")
        for outcome in ("other", "unfinished", "refused", "stale", "not_yet", "no", "indeterminate")
    ),
    (Stage.SCALE, Stage.FOUNDATIONAL, {"has_dimension": False}, "dimension"),
    (Stage.SCALE, Stage.FOUNDATIONAL, {"program_is_active": True}, "program"),
    (Stage.FOUNDATIONAL, Stage.REFINE, {"review_demotes": False}, "program"),
    (Stage.FOUNDATIONAL, Stage.REFINE, {"has_reason": False}, "reason"),
    *((stage, Stage.RETIRED, change, code) for stage in Stage if stage is not Stage.RETIRED for change, code in RETIRE),
]


@pytest.mark.parametrize(("stage", "target", "change", "code"), ONE_MISSING)
def test_one_condition_missing_names_just_that_one(
    stage: Stage, target: Stage, change: dict[str, Any], code: str
) -> None:
    assert codes(target, replace(satisfied(stage, target), **change)) == [code]


@pytest.mark.parametrize(
    ("stage", "target", "change"),
    [
        (Stage.DISCOVER, Stage.DEVELOP, {"driver_is_covered": False, "has_justification": False}),
        (Stage.DEVELOP, Stage.TEST, {"has_baseline": False, "baseline_missing_reason": True}),
        (Stage.TEST, Stage.REFINE, {"decision": "refine", "has_reason": False}),
        (Stage.TEST, Stage.REFINE, {"decision": None, "has_reason": True}),
        (Stage.TEST, Stage.SCALE, {"decision_is_provisional": False, "has_reason": False}),
        (Stage.TEST, Stage.RETIRED, {"retirement": Retirement.STOPPED, "successor": None, "was_effective": False}),
        (Stage.TEST, Stage.RETIRED, {"retirement": Retirement.NOT_SCALABLE, "successor": None}),
    ],
)
def test_what_is_not_needed_is_not_asked_for(stage: Stage, target: Stage, change: dict[str, Any]) -> None:
    assert codes(target, replace(satisfied(stage, target), **change)) == []


@pytest.mark.parametrize(
    ("stage", "target", "everything"),
    [
        (Stage.DISCOVER, Stage.DEVELOP, ["discovery_note"]),
        (Stage.DEVELOP, Stage.TEST, [code for _, code in DEVELOP_TO_TEST]),
        (Stage.REFINE, Stage.TEST, ["lessons", *(code for _, code in DEVELOP_TO_TEST)]),
        (Stage.TEST, Stage.SCALE, ["decision", "sustainability_review", "scalability"]),
        (Stage.TEST, Stage.RETIRED, ["reason", "lessons", "retirement"]),
    ],
)
def test_everything_missing_is_named_at_once(stage: Stage, target: Stage, everything: list[str]) -> None:
    assert sorted(codes(target, PilotFacts(stage=stage))) == sorted(everything)


ANY_FACTS = st.builds(
    PilotFacts,
    stage=st.sampled_from(Stage),
    **{name: st.booleans() for name, field in PilotFacts.__dataclass_fields__.items() if field.type is bool},
    units=st.integers(0, 3),
    decision=st.sampled_from([None, "scale", "refine", "replace"]),
    is_retained=st.sampled_from([None, True, False]),
    synthesis=st.sampled_from([None, "foundational", "stale"]),
    reviewed=st.frozensets(st.sampled_from(REVIEW)),
    scalable=st.sampled_from([None, True, False]),
    retirement=st.sampled_from([None, *Retirement]),
    successor=st.sampled_from([None, "another"]),
)


@given(facts=ANY_FACTS, target=st.sampled_from(Stage))
def test_nothing_scales_or_ends_without_its_grounds(facts: PilotFacts, target: Stage) -> None:
    missing = missing_for(target, facts)
    assert all(unmet.code and unmet.message for unmet in missing)
    if missing:
        return
    assert target in NEXT[facts.stage]
    if target is Stage.SCALE:
        assert (facts.stage, facts.decision, facts.decision_gates_passed) == (Stage.TEST, "scale", True)
        assert facts.reviewed == frozenset(REVIEW)
        assert facts.scalable
    if target is Stage.TEST:
        assert facts.plan_is_locked
        assert facts.units
        assert facts.has_baseline or facts.baseline_missing_reason
    if target is Stage.RETIRED:
        assert facts.has_reason
        assert facts.has_lessons
        assert facts.retirement is not None


@pytest.fixture(scope="module")
def gathered() -> dict[Stage, frozenset[str]]:
    """The names of the facts that are looked up for a pilot with an intervention, in each stage."""
    engine = sa.create_engine("sqlite://")
    SQLModel.metadata.create_all(engine)
    found = {}
    with Session(engine) as session, pytest.MonkeyPatch.context() as patched:
        patched.setattr(gathering, "PilotFacts", lambda **facts: frozenset(facts))
        organization = Organization(name="Northfield")
        session.add(organization)
        session.flush()
        program = Intervention(
            title="Coaching", description="D", driver="workload", ownership_role="own", organization_id=organization.id
        )
        session.add(program)
        session.flush()
        for stage in Stage:
            pilot = Pilot(
                title="P",
                driver="workload",
                lead="L",
                created_by="L",
                organization_id=organization.id,
                intervention_id=program.id,
                stage=stage,
            )
            found[stage] = gathering.facts_of(session, pilot, date(2026, 3, 2), MoveIn(to=Stage.DEVELOP))
    engine.dispose()
    return found


@given(facts=ANY_FACTS, target=st.sampled_from(Stage))
def test_what_a_rule_asks_is_looked_up(gathered: dict[Stage, frozenset[str]], facts: PilotFacts, target: Stage) -> None:
    known = {name: getattr(facts, name) for name in gathered[facts.stage]}
    assert missing_for(target, PilotFacts(**known)) == missing_for(target, facts)
