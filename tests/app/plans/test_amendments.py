"""After a look nothing may change that the rule uses, whatever a plan may come to hold."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from analysis.documents import Plan
from app.plans.amendments import FREE, used_changes

LONG: dict[str, Any] = {
    "design": "cluster",
    "arms": [{"key": "intervention", "role": "treated"}, {"key": "control", "role": "control"}],
    "units": [{"unit_id": "u1", "arm": "control"}, {"unit_id": "u2", "arm": "intervention"}],
    "waves": [
        {"key": "pre", "kind": "baseline", "starts_on": "2026-01-01", "ends_on": "2026-01-20"},
        {"key": "post", "kind": "followup"},
        {"key": "year", "kind": "retention"},
    ],
    "looks": [{"look": 1, "wave": "post", "months": 6}],
    "measures": [
        {"measure": "a", "family": "normal", "direction": "higher_is_better", "reference_sd": 1.0},
        {"measure": "b", "role": "balancing", "family": "binary", "direction": "lower_is_better"},
    ],
    "attrition": {"intervention": 0.1, "control": 0.1},
}
NAMES = ("key", "unit_id", "look", "measure")
OTHERS = st.one_of(st.none(), st.booleans(), st.floats(-9, 9), st.text("xyz", min_size=1), st.just({"new": 1}))


def document() -> dict[str, Any]:
    return Plan.model_validate(LONG).expanded().model_dump(mode="json")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a single value stands, with the positions of lists."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [place for name, held in inner for place in places(held, (*path, name))]
    return found or [path]


def is_free(path: tuple[Any, ...]) -> bool:
    return any(len(path) == len(free) and all(f in {"*", p} for f, p in zip(free, path, strict=True)) for free in FREE)


@given(data=st.data())
def test_any_change_outside_the_table_is_seen(data: st.DataObject) -> None:
    before, after = document(), document()
    path = data.draw(st.sampled_from(places(before)))
    value = data.draw(st.text("xyz", min_size=1) if path[-1] in NAMES else OTHERS)
    holder = after
    for name in path[:-1]:
        holder = holder[name]
    changed = holder[path[-1]] != value
    holder[path[-1]] = value
    # A table in the place of a text is no date and no reason any more.
    assert bool(used_changes(before, after)) is (changed and not (is_free(path) and not isinstance(value, dict)))


@given(
    name=st.text("pqr", min_size=1), at=st.sampled_from([(), ("rule",), ("measures", 0), ("waves", 0)]), value=OTHERS
)
def test_a_field_that_is_new_to_the_plan_is_protected(name: str, at: tuple[Any, ...], value: Any) -> None:
    before, after = document(), document()
    holder = after
    for step in at:
        holder = holder[step]
    holder[name] = value
    assert used_changes(before, after)
    assert used_changes(after, before)


def test_waves_may_be_added_for_retention_only() -> None:
    before = document()
    for kind, expected in (("retention", []), ("followup", ["waves"]), ("baseline", ["waves"])):
        after = copy.deepcopy(before)
        after["waves"].append({"key": "later", "kind": kind, "starts_on": None, "ends_on": None})
        assert sorted({path[0] for path in used_changes(before, after)}) == expected
    gone = copy.deepcopy(before)
    del gone["waves"][2]
    assert ("waves",) in used_changes(before, gone)
    turned = copy.deepcopy(before)
    turned["measures"].reverse()
    assert used_changes(before, turned) == [("measures",)]
