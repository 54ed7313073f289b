"""Which decisions may be signed, over every combination of what they are judged by."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from app.decisions.models import Outcome
from app.decisions.rules import DecisionFacts, refusals

GOOD = DecisionFacts(
    signer="carla",
    is_insider=False,
    in_test=True,
    succeeded=True,
    refused=False,
    confirmatory=True,
    same_iteration=True,
    already_signed=False,
    superseded=False,
    outcome=Outcome.SCALE,
    recommended="scale",
    grade="A",
    gates_passed=True,
    has_override_reason=False,
)
# Rows: recommended. Columns: signed. What it takes: nothing, a reason, or it is bolder and cannot be.
FREE, REASON, BOLDER = None, "reason_missing", "bolder"
TABLE = {
    "scale": {"scale": FREE, "refine": REASON, "replace": REASON},
    "refine": {"scale": BOLDER, "refine": FREE, "replace": REASON},
    "replace": {"scale": BOLDER, "refine": BOLDER, "replace": FREE},
    "indeterminate": {"scale": BOLDER, "refine": REASON, "replace": REASON},
}


def codes(facts: DecisionFacts) -> list[str]:
    return [code for code, _ in refusals(facts)]


@pytest.mark.parametrize(
    ("recommended", "outcome", "grade", "gates_passed", "reason"),
    list(product(TABLE, Outcome, "ABCD", [True, False], [True, False])),
)
def test_every_combination(recommended: str, outcome: Outcome, grade: str, gates_passed: bool, reason: bool) -> None:  # noqa: FBT001
    facts = replace(
        GOOD,
        recommended=recommended,
        outcome=outcome,
        grade=grade,
        gates_passed=gates_passed,
        has_override_reason=reason,
    )
    expected = TABLE[recommended][outcome]
    if expected == REASON and reason:
        expected = FREE
    if outcome is Outcome.SCALE and grade == "D":
        expected = "grade_cap"
    if outcome is Outcome.SCALE and not gates_passed:
        expected = "gate_failed"
    assert codes(facts) == ([] if expected is FREE else [expected])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_insider": True}, "same_person"),
        ({"same_iteration": False}, "other_iteration"),
        ({"confirmatory": False}, "not_confirmatory"),
        ({"succeeded": False}, "not_succeeded"),
        ({"refused": True}, "refused"),
        ({"in_test": False}, "not_in_test"),
        ({"already_signed": True}, "already_decided"),
        ({"superseded": True}, "superseded"),
    ],
)
def test_each_other_ground_alone(change: dict[str, Any], code: str) -> None:
    assert codes(replace(GOOD, **change)) == [code]


def test_all_grounds_are_named_the_gravest_first() -> None:
    facts = replace(GOOD, is_insider=True, same_iteration=False, confirmatory=False, in_test=False, gates_passed=False)
    assert codes(facts) == ["same_person", "other_iteration", "not_confirmatory", "not_in_test", "gate_failed"]
