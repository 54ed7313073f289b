"""The database's reduction of rows against statistics computed here from the same rows: two roads to every number."""

import math
import statistics
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from analysis.documents import Plan
from app.catalog.models import Organization, Unit
from app.db import make_engine, new_id, transaction
from app.measures.models import Measurement, Shape, Summary, Wave, WaveKind
from app.measures.snapshot import Snapshot, snapshot
from app.pilots.models import Pilot

EXAMPLES = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
PLAN = Plan.model_validate(
    {
        "design": "parallel",
        "control": "control",
        "baseline": "pre",
        "measures": [
            {"measure": "score", "family": "normal", "direction": "lower_is_better", "reference_sd": 1},
            {"measure": "burnt_out", "role": "secondary", "family": "binary", "direction": "lower_is_better"},
        ],
    }
).expanded()
ARMS = ("control", "intervention")
WAVES = ("post", "pre")


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def units(engine: sa.Engine) -> list[str | None]:
    with transaction(engine) as session:
        session.add(Organization(id="org", name="Northfield"))
        session.flush()
        for unit in ("u1", "u2"):
            session.add(Unit(id=unit, organization_id="org", name=unit))
    return [None, "u1", "u2"]


def pilot(session: Session) -> str:
    row = Pilot(organization_id="org", title="t", driver="d", lead="ana", created_by="ana")
    session.add(row)
    session.flush()
    return row.id


def enter(session: Session, pilot_id: str, rows: Sequence[dict[str, Any]], iteration: int = 1) -> None:
    common = {"organization_id": "org", "pilot_id": pilot_id, "iteration": iteration, "created_by": "ana"}
    session.add_all(Measurement(**{"measure": "score", **row}, **common) for row in rows)
    session.flush()


def taken(session: Session, pilot_id: str, iteration: int = 1) -> Snapshot:
    return snapshot(session, pilot_id, iteration, PLAN, "post")


def grouped(rows: Sequence[dict[str, Any]], *keys: str) -> list[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    def place(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row[key] or "" for key in keys)

    return [(place_, list(group)) for place_, group in groupby(sorted(rows, key=place), key=place)]


def close(found: float | None, expected: float | None, *, within: float) -> None:
    assert found == (None if expected is None else pytest.approx(expected, rel=0, abs=within))


def spread_within(offset: float) -> float:
    """How well an SD can be known when the values themselves are doubles this far from zero."""
    return 1e-7 * max(1.0, abs(offset) * 1e-6)


def sd(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


offsets = st.sampled_from([0.0, 25.0, -1e6, 1e9])
deviation = st.floats(-50, 50, allow_nan=False).map(lambda x: round(x, 3))
places = {"unit_id": st.sampled_from([None, "u1", "u2"]), "arm": st.sampled_from(ARMS)}
anonymous = st.lists(
    st.fixed_dictionaries({**places, "wave": st.sampled_from(WAVES), "value": deviation}), min_size=1, max_size=30
)
people = st.lists(
    st.fixed_dictionaries({**places, "pre": st.none() | deviation, "post": st.none() | deviation}).filter(
        lambda p: p["pre"] is not None or p["post"] is not None
    ),
    min_size=1,
    max_size=25,
)


@EXAMPLES
@given(rows=anonymous, offset=offsets)
def test_anonymous_rows_become_cells(
    engine: sa.Engine, units: list[str | None], rows: list[dict[str, Any]], offset: float
) -> None:
    rows = [{**row, "value": offset + row["value"]} for row in rows]
    with transaction(engine) as session:
        where = pilot(session)
        enter(session, where, rows)
        enter(session, where, rows * 2, iteration=2)  # another iteration's rows do not count
        enter(session, pilot(session), rows)  # nor another pilot's
        data = taken(session, where).data
    assert list(data) == ["score"]
    assert list(data["score"]) == ["cells"]
    found = {(c["unit"] or "", c["arm"], c["wave"]): c for c in data["score"]["cells"]}
    expected = grouped(rows, "unit_id", "arm", "wave")
    assert found.keys() == {place for place, _ in expected}
    for place, group in expected:
        values = [row["value"] for row in group]
        assert found[place]["n"] == len(values)
        close(found[place]["mean"], statistics.fmean(values), within=1e-6)
        close(found[place]["sd"], sd(values), within=spread_within(offset))


@EXAMPLES
@given(persons=people, offset=offsets)
def test_linked_rows_become_pairs(
    engine: sa.Engine, units: list[str | None], persons: list[dict[str, Any]], offset: float
) -> None:
    rows = [
        {"unit_id": p["unit_id"], "arm": p["arm"], "participant": f"p{i}", "wave": wave, "value": offset + p[wave]}
        for i, p in enumerate(persons)
        for wave in WAVES
        if p[wave] is not None
    ]
    with transaction(engine) as session:
        where = pilot(session)
        enter(session, where, rows)
        enter(session, where, rows, iteration=2)
        result = taken(session, where)
    complete = [p for p in persons if p["pre"] is not None and p["post"] is not None]
    if not complete:
        assert list(result.data["score"]) == ["cells"]
        return
    assert list(result.data["score"]) == ["pairs"]
    assert [w["code"] for w in result.warnings] == (["incomplete_pairs"] if len(complete) < len(persons) else [])
    found = {(c["unit"] or "", c["arm"]): c for c in result.data["score"]["pairs"]}
    expected = grouped(complete, "unit_id", "arm")
    assert found.keys() == {place for place, _ in expected}
    for place, group in expected:
        before, after = ([offset + p[wave] for p in group] for wave in ("pre", "post"))
        cell = found[place]
        assert cell["n"] == len(group)
        for i, values in enumerate((before, after)):
            close(cell["mean"][i], statistics.fmean(values), within=1e-6)
            close(cell["sd"][i], sd(values) or 0.0, within=spread_within(offset))
        spread = [statistics.pstdev(values) for values in (before, after)]
        if len(group) > 1 and min(spread) > 1e-3 * max(1.0, abs(offset) * 1e-6):
            assert cell["r"] == pytest.approx(statistics.correlation(before, after), abs=1e-4)
        assert cell["r"] is None or -1 <= cell["r"] <= 1


@EXAMPLES
@given(
    rows=st.lists(
        st.fixed_dictionaries({**places, "wave": st.sampled_from(WAVES), "value": st.sampled_from([0, 1])}),
        min_size=1,
        max_size=30,
    )
)
def test_yes_or_no_becomes_counts(engine: sa.Engine, units: list[str | None], rows: list[dict[str, Any]]) -> None:
    with transaction(engine) as session:
        where = pilot(session)
        enter(session, where, [{**row, "measure": "burnt_out"} for row in rows])
        data = taken(session, where).data
    assert list(data) == ["burnt_out"]
    found = {(c["unit"] or "", c["arm"], c["wave"]): (c["x"], c["n"]) for c in data["burnt_out"]["counts"]}
    assert found == {
        place: (sum(row["value"] for row in group), len(group))
        for place, group in grouped(rows, "unit_id", "arm", "wave")
    }


def test_equal_values_far_from_zero_have_no_spread(engine: sa.Engine, units: list[str | None]) -> None:
    rows = [{"unit_id": None, "arm": "control", "wave": "pre", "value": 1e12 - 1} for _ in range(1000)]
    with transaction(engine) as session:
        where = pilot(session)
        enter(session, where, rows)
        (cell,) = taken(session, where).data["score"]["cells"]
    assert (cell["n"], cell["mean"]) == (1000, 1e12 - 1)
    assert math.isclose(cell["sd"], 0, abs_tol=1e-3)


def test_summaries_pass_as_they_were_entered(engine: sa.Engine, units: list[str | None]) -> None:
    content = {"unit": "u1", "arm": "control", "n": 41, "mean": 1.5, "sd": 7.7}
    with transaction(engine) as session:
        where = pilot(session)
        session.add(
            Summary(
                organization_id="org",
                pilot_id=where,
                iteration=1,
                measure="score",
                shape=Shape.CHANGES,
                cell="u1|control",
                content=content,
                created_by="ana",
            )
        )
        session.flush()
        assert taken(session, where).data == {"score": {"changes": [content]}}


@pytest.mark.parametrize(
    ("invited", "expected"),
    [
        ({"control": 4, "intervention": 2}, {"control": 0.25, "intervention": 0.0}),
        ({"control": 4}, {}),
        ({"control": 4, "intervention": 0}, {}),
        (None, {}),
    ],
)
def test_attrition_is_observed_only_when_every_arm_is_known(
    engine: sa.Engine, units: list[str | None], invited: dict[str, int] | None, expected: dict[str, float]
) -> None:
    answered = {"control": 3, "intervention": 2}
    with transaction(engine) as session:
        where = pilot(session)
        enter(
            session,
            where,
            [
                {"unit_id": None, "arm": arm, "wave": "post", "value": 1}
                for arm, n in answered.items()
                for _ in range(n)
            ],
        )
        if invited is not None:
            session.add(
                Wave(
                    id=new_id(),
                    organization_id="org",
                    pilot_id=where,
                    iteration=1,
                    key="post",
                    kind=WaveKind.FOLLOWUP,
                    invited=invited,
                )
            )
            session.flush()
        assert taken(session, where).attrition == expected
