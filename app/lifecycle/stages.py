"""The moves of a pilot and what must be true before each; a table and pure functions.

Stages and conditions follow Shanafelt et al. 2020, *A Blueprint for Organizational Strategies To Promote the
Well-being of Health Care Professionals*, NEJM Catalyst; involvement of the front line: National Academy of Medicine
2020. A rule judges frozen facts and names *everything* that is missing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.pilots.models import Stage


class Retirement(StrEnum):
    """Why a pilot ends."""

    REPLACED = "replaced"
    NOT_SCALABLE = "not_scalable"
    STOPPED = "stopped"


NEXT: Mapping[Stage, tuple[Stage, ...]] = {
    Stage.DISCOVER: (Stage.DEVELOP, Stage.RETIRED),
    Stage.DEVELOP: (Stage.TEST, Stage.RETIRED),
    Stage.TEST: (Stage.REFINE, Stage.SCALE, Stage.RETIRED),
    Stage.REFINE: (Stage.DEVELOP, Stage.TEST, Stage.RETIRED),
    Stage.SCALE: (Stage.REFINE, Stage.FOUNDATIONAL, Stage.RETIRED),
    Stage.FOUNDATIONAL: (Stage.REFINE, Stage.RETIRED),
    Stage.RETIRED: (),
}


@dataclass(frozen=True)
class Unmet:
    """A condition that does not hold: a stable code, and a sentence that says what would help."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class PilotFacts:
    """Everything the rules ask about a pilot and the move that is asked for."""

    stage: Stage
    has_driver: bool = True
    has_discovery_note: bool = False
    driver_is_covered: bool = False
    has_justification: bool = False
    has_intervention: bool = False
    has_feasibility_note: bool = False
    has_frontline: bool = False
    units: int = 0
    plan_is_locked: bool = False
    has_baseline: bool = False
    baseline_missing_reason: bool = False
    decision_named_fits: bool = True
    decision: str | None = None
    decision_gates_passed: bool = False
    decision_is_provisional: bool = False
    has_controlled_evaluation: bool = False
    is_provisional: bool = False
    is_origin: bool = False
    is_retained: bool | None = None
    synthesis: str | None = None
    synthesis_says: str | None = None
    has_dimension: bool = False
    program_is_active: bool = False
    review_demotes: bool = False
    was_effective: bool = False
    reviewed: frozenset[str] = frozenset()
    scalable: bool | None = None
    has_reason: bool = False
    has_lessons: bool = False
    retirement: Retirement | None = None
    successor: str | None = None
    successor_fits: bool = False
    starts_successor: bool = False


REVIEW = ("cost", "staffing", "complexity", "later_owner")
# What keeps a synthesis from being one that the foundational rule passed.
SYNTHESES: Mapping[str, str] = {
    "missing": "a confirmatory synthesis of the evidence is missing: POST /v1/interventions/{id}/syntheses",
    "other": "synthesis_id names no confirmatory synthesis of this intervention",
    "unfinished": "the synthesis has no result yet, or it failed; wait for it, or ask for another",
    "refused": "the synthesis was refused: there is nothing to decide on; its result says what would help",
    "stale": "the evidence has changed since the synthesis; ask for a new one",
}


def _discover_to_develop(f: PilotFacts) -> Iterator[Unmet]:
    if not f.has_driver:
        yield Unmet("driver", "name the driver dimension the pilot is about")
    if not f.has_discovery_note:
        yield Unmet(
            "discovery_note",
            "record what shows that this driver matters here: PATCH discovery_note with kind "
            "(survey, listening_session, literature, other) and text",
        )
    if f.driver_is_covered and not f.has_justification:
        yield Unmet(
            "justification",
            "a foundational program covers this driver already: PATCH justification, why experiment all the same",
        )


def _to_test(f: PilotFacts) -> Iterator[Unmet]:
    if not f.has_intervention:
        yield Unmet("intervention", "describe the intervention (POST /v1/interventions) and PATCH intervention_id")
    if not f.has_feasibility_note:
        yield Unmet("feasibility_note", "PATCH feasibility_note: what makes it feasible in these units")
    if f.units < 1:
        yield Unmet("units", "PATCH unit_ids: at least one unit takes part")
    if not f.has_frontline:
        yield Unmet("frontline_involved", "PATCH frontline_involved: who of the front line took part in planning")
    if not f.plan_is_locked:
        yield Unmet("plan_locked", "write the iteration's plan (PUT …/plan) and lock it (POST …/plan/lock)")
    if not (f.has_baseline or f.baseline_missing_reason):
        yield Unmet(
            "baseline",
            "enter baseline data of the primary measure, or say in the plan's baseline_missing_reason why there are "
            "none (once it is locked, an approver amends it)",
        )


def _test_to_refine(f: PilotFacts) -> Iterator[Unmet]:
    if f.decision == "replace":
        yield Unmet(
            "decided_replace", "the signed decision is `replace`: retire the pilot as replaced, with a successor"
        )
    elif f.decision != "refine" and not f.has_reason:
        yield Unmet(
            "decision", "a signed decision `refine` is missing; without one give a reason why the test is broken off"
        )


def _test_to_scale(f: PilotFacts) -> Iterator[Unmet]:
    if f.decision is None:
        yield Unmet("decision", "a signed decision `scale` on this iteration's confirmatory analysis is missing")
    elif f.decision != "scale":
        yield Unmet("decision", f"the signed decision is `{f.decision}`, not `scale`")
    elif not f.decision_gates_passed:
        yield Unmet("gates", "a gate of the analysis failed; its estimate cannot be trusted")
    if f.decision == "scale" and f.decision_is_provisional and not f.has_controlled_evaluation:
        yield Unmet(
            "controlled_evaluation",
            "evidence of grade C scales provisionally: PATCH controlled_evaluation, the comparison inside the roll-out "
            "(design, description) and the date by which it is decided (due_on, within two years)",
        )
    missing = [name for name in REVIEW if name not in f.reviewed]
    if missing:
        yield Unmet("sustainability_review", f"PATCH sustainability_review: {', '.join(missing)}")
    if f.scalable is None:
        yield Unmet("scalability", "PATCH sustainability_review.scalable: true or false")
    elif not f.scalable:
        yield Unmet(
            "not_scalable",
            "the review says it is not scalable: retire it as not_scalable, it stays recorded as effective",
        )


def _out_of_refine(f: PilotFacts) -> Iterator[Unmet]:
    if not f.has_lessons:
        yield Unmet("lessons", "record what the closed iteration taught: PATCH lessons, or give them with the move")


def _refine_to_test(f: PilotFacts) -> Iterator[Unmet]:
    yield from _out_of_refine(f)
    yield from _to_test(f)


def _scale_to_refine(f: PilotFacts) -> Iterator[Unmet]:
    if not f.has_reason:
        yield Unmet("reason", "give a reason: the effect was not retained, or the controlled evaluation failed")


def _scale_to_foundational(f: PilotFacts) -> Iterator[Unmet]:
    if not f.is_origin:
        yield Unmet(
            "origin",
            "only a pilot of the organization that the intervention began at establishes the program; pilots of "
            "adopters stay in scale and count as evidence",
        )
    if f.is_provisional:
        yield Unmet("provisional", "the scale is provisional: complete the review of its controlled evaluation first")
    if f.is_retained is None:
        yield Unmet(
            "retention",
            "that the effect lasts is not shown: measure a retention wave and analyse it (POST …/analyses with wave)",
        )
    elif not f.is_retained:
        yield Unmet("retention", "at the retention wave P(δ > 0) is below what the foundational rule asks")
    if f.synthesis is None:
        yield Unmet("synthesis", SYNTHESES["missing"])
    elif f.synthesis != "foundational":
        said = f"the rule says `{f.synthesis}`: {f.synthesis_says}"
        yield Unmet("synthesis", SYNTHESES.get(f.synthesis, said))
    if not f.has_dimension:
        yield Unmet("dimension", "choose the dimension of the program, a key of GET /v1/program-dimensions")
    if f.program_is_active:
        yield Unmet("program", "this intervention is an active foundational program already")


def _foundational_to_refine(f: PilotFacts) -> Iterator[Unmet]:
    if f.program_is_active and not f.review_demotes:
        yield Unmet(
            "program",
            "the program is active and no current synthesis demotes it; the yearly review asks for a new one "
            "(POST /v1/interventions/{id}/syntheses, then POST /v1/reviews/{id}/completion)",
        )
    if not f.has_reason:
        yield Unmet("reason", "give a reason: what the review found")


def _to_retired(f: PilotFacts) -> Iterator[Unmet]:
    if not f.has_reason:
        yield Unmet("reason", "give a reason")
    if not f.has_lessons:
        yield Unmet("lessons", "record the lessons learned: PATCH lessons, or give them with the move")
    if f.retirement is None:
        yield Unmet("retirement", "say how it ends: replaced, not_scalable or stopped")
    if f.retirement is Retirement.REPLACED and f.successor is None and not f.starts_successor:
        yield Unmet(
            "successor",
            "a failed remedy does not retire the driver: name the successor_id, a pilot for the same "
            "driver, or start one with successor {title, intervention_id}",
        )
    elif f.successor is not None and not f.successor_fits:
        yield Unmet("successor", f"{f.successor!r} is not another open pilot of this organization for the same driver")
    if f.retirement is Retirement.NOT_SCALABLE and not f.was_effective:
        yield Unmet(
            "effective",
            "not_scalable means effective all the same: no confirmatory analysis recommended "
            "`scale`; retire it as stopped or replaced",
        )


RULES: Mapping[tuple[Stage, Stage], Callable[[PilotFacts], Iterator[Unmet]]] = {
    (Stage.DISCOVER, Stage.DEVELOP): _discover_to_develop,
    (Stage.DEVELOP, Stage.TEST): _to_test,
    (Stage.TEST, Stage.REFINE): _test_to_refine,
    (Stage.TEST, Stage.SCALE): _test_to_scale,
    (Stage.REFINE, Stage.DEVELOP): _out_of_refine,
    (Stage.REFINE, Stage.TEST): _refine_to_test,
    (Stage.SCALE, Stage.REFINE): _scale_to_refine,
    (Stage.SCALE, Stage.FOUNDATIONAL): _scale_to_foundational,
    (Stage.FOUNDATIONAL, Stage.REFINE): _foundational_to_refine,
    **{(stage, Stage.RETIRED): _to_retired for stage in Stage if stage is not Stage.RETIRED},
}


def missing_for(target: Stage, facts: PilotFacts) -> list[Unmet]:
    """Every condition that keeps the pilot from moving to `target`; empty when it may."""
    rule = RULES.get((facts.stage, target))
    if rule is None:
        onward = " or ".join(stage.value for stage in NEXT[facts.stage]) or "nowhere"
        return [Unmet("no_such_move", f"the pilot is in {facts.stage.value}; from there it moves to {onward}")]
    unmet = list(rule(facts))
    if not facts.decision_named_fits:
        unmet.append(
            Unmet("decision_id", "decision_id names no decision of this iteration, or not its newest; leave it out")
        )
    return unmet
