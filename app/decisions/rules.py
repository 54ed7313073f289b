"""Which decisions may be signed on which analysis; pure.

A decision may be more cautious than the recommendation, with a reason; never bolder, never past a failed gate or the
cap of the evidence grade (domain, vocabulary: decision). Spending on a program is the bold side:
scale > refine > replace.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.decisions.models import Outcome

BOLDNESS = {Outcome.REPLACE: 0, Outcome.REFINE: 1, Outcome.SCALE: 2}
MAY_SCALE = frozenset({"A", "B", "C"})


@dataclass(frozen=True)
class DecisionFacts:
    """What a decision is judged by."""

    signer: str
    is_insider: bool
    in_test: bool
    succeeded: bool
    refused: bool
    confirmatory: bool
    same_iteration: bool
    already_signed: bool
    superseded: bool
    outcome: Outcome
    recommended: str
    grade: str
    gates_passed: bool
    has_override_reason: bool


def refusals(facts: DecisionFacts) -> Iterator[tuple[str, str]]:
    """Every reason why the decision cannot be signed, the gravest first: (code, message)."""
    if facts.is_insider:
        yield "same_person", f"{facts.signer} leads this pilot, or made it or its plan; somebody else signs (four eyes)"
    if not facts.same_iteration:
        yield "other_iteration", "the analysis belongs to another iteration; only the current one can be decided"
    if not facts.confirmatory:
        yield (
            "not_confirmatory",
            "the analysis is exploratory; a decision rests on the one confirmatory analysis of a planned look",
        )
    if not facts.succeeded:
        yield "not_succeeded", "the analysis has no result; wait until it has succeeded, or ask for it again"
        return
    if facts.refused:
        yield (
            "refused",
            "the analysis was refused: there is no estimate to decide on; see what would help in its result",
        )
        return
    if not facts.in_test:
        yield "not_in_test", "decisions are signed while the pilot is in test"
    if facts.already_signed:
        yield "already_decided", "this analysis has its decision; decisions are never changed"
    if facts.superseded:
        yield "superseded", "a later look of this iteration was analysed; the decision rests on the latest one"
    yield from _boldness(facts)


def _boldness(facts: DecisionFacts) -> Iterator[tuple[str, str]]:
    if facts.outcome is Outcome.SCALE and not facts.gates_passed:
        yield "gate_failed", "a gate failed, so the estimate cannot be trusted; `scale` cannot be signed on it"
    elif facts.outcome is Outcome.SCALE and facts.grade not in MAY_SCALE:
        yield (
            "grade_cap",
            f"evidence of grade {facts.grade} supports `refine` at most; see would_raise_grade in the result",
        )
    elif facts.recommended == "indeterminate":
        if facts.outcome is Outcome.SCALE:
            yield "bolder", "the analysis cannot tell; sign `refine` or `replace`, with an override_reason"
        elif not facts.has_override_reason:
            yield "reason_missing", "the analysis cannot tell; say in override_reason why you decide all the same"
    elif BOLDNESS[facts.outcome] > BOLDNESS[Outcome(facts.recommended)]:
        yield (
            "bolder",
            f"the rule recommends `{facts.recommended}`; `{facts.outcome.value}` is bolder and cannot be signed",
        )
    elif facts.outcome.value != facts.recommended and not facts.has_override_reason:
        yield (
            "reason_missing",
            f"the rule recommends `{facts.recommended}`; say in override_reason why you are more cautious",
        )
