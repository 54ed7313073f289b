"""The evaluation interval: recorded days before planned ones, and what stands in where there are none; pure."""

from datetime import date
from typing import Any

import pytest

from analysis.documents import Plan
from app.context.rules import Interval
from app.measures.interval import interval_of

PRE, POST = date(2026, 1, 5), date(2026, 7, 17)
LOCKED, SEEN, CLOSED, TODAY = date(2026, 1, 20), date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1)
BARE = [{"key": "pre", "kind": "baseline"}, {"key": "post", "kind": "followup"}]
DATED = [
    {"key": "pre", "kind": "baseline", "starts_on": str(PRE)},
    {"key": "post", "kind": "followup", "ends_on": str(POST)},
]


def plan(waves: list[dict[str, Any]]) -> Plan:
    measure = {"measure": "mbi_ee", "family": "normal", "direction": "lower_is_better"}
    return Plan.model_validate({"design": "paired", "measures": [measure], "waves": waves})


@pytest.mark.parametrize(
    ("waves", "recorded", "days", "expected"),
    [
        (BARE, {}, {}, None),
        (BARE, {}, {"locked_on": LOCKED}, (LOCKED, TODAY)),
        (BARE, {}, {"locked_on": LOCKED, "closed_on": CLOSED}, (LOCKED, CLOSED)),
        (BARE, {}, {"locked_on": LOCKED, "closed_on": CLOSED, "seen_on": SEEN}, (LOCKED, SEEN)),
        (BARE, {"pre": (PRE, None)}, {}, (PRE, TODAY)),
        (BARE, {"pre": (PRE, None), "post": (None, POST)}, {"locked_on": LOCKED, "seen_on": SEEN}, (PRE, POST)),
        (DATED, {}, {"locked_on": LOCKED}, (PRE, POST)),
        (DATED, {"post": (None, date(2026, 7, 31))}, {}, (PRE, date(2026, 7, 31))),
        # The first of several baselines, the last of several follow-ups.
        (
            [{"key": "first", "kind": "baseline", "starts_on": "2025-10-01"}, *DATED],
            {},
            {},
            (date(2025, 10, 1), POST),
        ),
        ([*DATED, {"key": "late", "kind": "followup"}], {}, {"seen_on": SEEN}, (PRE, SEEN)),
        ([*DATED, {"key": "later", "kind": "retention", "ends_on": "2027-07-01"}], {}, {}, (PRE, POST)),
        # No day is before the first; text that is no day counts as none.
        ([{**BARE[0], "starts_on": "2027-01-01"}, BARE[1]], {}, {}, (date(2027, 1, 1),) * 2),
        ([{**BARE[0], "starts_on": "in spring"}, BARE[1]], {}, {"locked_on": LOCKED}, (LOCKED, TODAY)),
    ],
)  # fmt: skip
def test_interval(waves: Any, recorded: Any, days: dict[str, date], expected: tuple[date, date] | None) -> None:
    given = {"locked_on": None, "seen_on": None, "closed_on": None, **days}
    found = interval_of(plan(waves), recorded, **given, today=TODAY)
    assert found == (Interval(*expected) if expected is not None else None)
