"""What each design gets of the rows, and that nothing is lost on the way: the same posterior as from the rows."""

import math
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from analysis.documents import FitRequest, MeasureData, Plan
from analysis.fit import exact_posteriors
from app.catalog.models import Organization, Unit
from app.db import make_engine, transaction
from app.measures.models import Measurement
from app.measures.snapshot import Snapshot, snapshot
from app.pilots.models import Pilot

UNITS = [f"u{i}" for i in range(6)]
ROUNDING = 1e-5  # the quadrature of a posterior starts from sums that were rounded to twelve digits


SHOWN: Mapping[str, Callable[[float], float]] = {
    "normal": lambda value: round(value, 3),
    "binary": lambda value: float(value > 0),
    "count": lambda value: float(max(round(3 + 2 * value), 0)),
    "duration": lambda value: round(30 * math.exp(0.5 * value), 1),
}


def plan_of(design: str, family: str, *, pre: Sequence[str] = ("pre",), randomised: bool = False) -> Plan:
    controlled = design not in {"paired", "cross_section"}
    measure = {"measure": "score", "family": family, "direction": "higher_is_better"}
    return Plan.model_validate(
        {
            "design": design,
            "control": "control" if controlled else None,
            "baseline": pre[-1],
            "waves": [
                *({"key": key, "kind": "baseline"} for key in pre),
                {"key": "mid", "kind": "interim"},
                {"key": "post", "kind": "followup"},
            ],
            "measures": [measure | ({"reference_sd": 1.0} if family == "normal" else {})],
            "randomised": randomised,
        }
    ).expanded()


def people(plan: Plan, *, missing: float, linked: bool = True, seed: int = 1) -> list[dict[str, Any]]:
    """Rows of 20 people a unit over every wave of the plan, of whom some miss one."""
    rng = random.Random(seed)
    rows = []
    shown_as = SHOWN[plan.measures[0].family]
    for u, unit in enumerate(UNITS):
        arm = "intervention" if plan.control is None or u % 2 else "control"
        shift = rng.gauss(0, 0.2)
        for p in range(20):
            own = rng.gauss(shift, 0.7)
            for wave in plan.waves:
                value = own + rng.gauss(0, 0.7) + (0.5 if arm == "intervention" and wave.key == "post" else 0.0)
                if rng.random() >= missing:
                    name = f"p{u}-{p}" if linked else None
                    rows.append(
                        {"unit": unit, "arm": arm, "wave": wave.key, "participant": name, "value": shown_as(value)}
                    )
    return rows


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def organization(session: Session) -> None:
    session.add(Organization(id="org", name="Northfield"))
    session.flush()
    session.add_all(Unit(id=unit, organization_id="org", name=unit) for unit in UNITS)
    session.flush()


def taken(engine: sa.Engine, plan: Plan, rows: Sequence[dict[str, Any]], look: str = "post") -> Snapshot:
    with transaction(engine) as session:
        if session.get(Organization, "org") is None:
            organization(session)
        pilot = Pilot(organization_id="org", title="t", driver="d", lead="ana", created_by="ana")
        session.add(pilot)
        session.flush()
        common = {"organization_id": "org", "pilot_id": pilot.id, "iteration": 1, "created_by": "ana"}
        session.add_all(
            Measurement(**{k: v for k, v in row.items() if k != "unit"}, unit_id=row["unit"], measure="score", **common)
            for row in rows
        )
        session.flush()
        return snapshot(session, pilot.id, 1, plan, look)


def request(plan: Plan, data: dict[str, Any], attrition: dict[str, float]) -> FitRequest:
    return FitRequest(plan=plan, data={"score": MeasureData.model_validate(data)}, attrition=attrition or None)


class Case(NamedTuple):
    """Data of a design, and the shape its analysis gets them in."""

    design: str
    family: str
    pre: tuple[str, ...]
    missing: float
    linked: bool
    shape: str

    @property
    def plan(self) -> Plan:
        return plan_of(self.design, self.family, pre=self.pre, randomised=True)


CASES = [
    Case("parallel", "normal", ("pre",), 0.2, True, "pairs"),
    Case("parallel", "binary", ("pre",), 0.2, True, "counts"),
    Case("cluster", "normal", ("pre",), 0.2, True, "pairs"),
    Case("cluster", "normal", ("pre",), 0.2, False, "cells"),
    Case("cluster", "binary", ("pre",), 0.2, True, "counts"),
    Case("paired", "normal", ("pre",), 0.0, True, "pairs"),
    Case("paired", "normal", ("pre",), 0.2, True, "rows"),
    Case("paired", "binary", ("pre",), 0.2, True, "rows"),
    Case("cross_section", "normal", ("pre",), 0.2, False, "cells"),
    Case("cross_section", "normal", ("pre",), 0.2, True, "cells"),
    Case("cross_section", "binary", ("pre",), 0.2, False, "counts"),
    Case("did", "normal", ("pre",), 0.0, True, "pairs"),
    Case("did", "normal", ("pre",), 0.2, True, "rows"),
    Case("did", "normal", ("early", "pre"), 0.0, True, "rows"),
    Case("did", "normal", ("early", "pre"), 0.2, False, "cells"),
    Case("did", "binary", ("early", "pre"), 0.2, True, "counts"),
    Case("parallel", "count", ("pre",), 0.2, True, "rows"),
    Case("cluster", "count", ("pre",), 0.2, False, "rows"),
    Case("cross_section", "count", ("pre",), 0.2, True, "rows"),
    Case("did", "count", ("early", "pre"), 0.2, True, "rows"),
    Case("parallel", "duration", ("pre",), 0.2, True, "rows"),
    Case("parallel", "duration", ("pre",), 0.2, False, "rows"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_design_gets_all_that_it_can_use(engine: sa.Engine, case: Case) -> None:
    plan = case.plan
    rows = people(plan, missing=case.missing, linked=case.linked)
    found = taken(engine, plan, rows)
    assert list(found.data["score"]) == [case.shape]
    known = {"intervention": 0.1, "control": 0.1} if plan.control else {"intervention": 0.1}
    reduced = exact_posteriors(request(plan, found.data["score"], known))["score"]
    plain = exact_posteriors(request(plan, {"rows": rows}, known))["score"]
    assert reduced.keys() == plain.keys()
    for run, posterior in plain.items():
        assert reduced[run].mean == pytest.approx(posterior.mean, abs=ROUNDING), run
        assert reduced[run].sd == pytest.approx(posterior.sd, abs=ROUNDING), run
    apart = case.design == "cross_section" and case.family != "count"  # of counts the library itself says so
    waves_apart = apart or (case.family == "binary" and case.design in {"cluster", "did"})
    unused = case.linked and waves_apart
    assert ("participants_unused" in [w["code"] for w in found.warnings]) is unused


def test_durations_of_people_seen_once_are_left_out_without_saying_how_many(engine: sa.Engine) -> None:
    case = Case("parallel", "duration", ("pre",), 0.2, True, "rows")
    found = taken(engine, case.plan, people(case.plan, missing=0.2))
    waves: dict[str, set[str]] = {}
    for row in found.data["score"]["rows"]:
        waves.setdefault(row["participant"], set()).add(row["wave"])
    assert set(map(frozenset, waves.values())) == {frozenset({"pre", "post"})}
    (warning,) = [w for w in found.warnings if w["code"] == "incomplete_pairs"]
    assert not any(letter.isdigit() for letter in warning["message"])


@pytest.mark.parametrize("design", ["parallel", "paired", "did"])
def test_attrition_is_the_share_of_linked_people_not_seen_again(engine: sa.Engine, design: str) -> None:
    plan = plan_of(design, "normal", pre=("early", "pre"))
    rows = people(plan, missing=0.3)
    waves = {"early", "pre"} if design == "did" else {"pre"}
    expected = {}
    for arm in {row["arm"] for row in rows}:
        before = {r["participant"] for r in rows if r["arm"] == arm and r["wave"] in waves}
        after = {r["participant"] for r in rows if r["arm"] == arm and r["wave"] == "post"}
        expected[arm] = len(before - after) / len(before)
    assert taken(engine, plan, rows).attrition == pytest.approx(expected)
    assert taken(engine, plan, people(plan, missing=0.3, linked=False)).attrition == {}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_data_hash_alike_in_any_order_and_on_either_database(
    engine: sa.Engine, sqlite_template: Path, tmp_path: Path, case: Case
) -> None:
    plan = case.plan
    rows = people(plan, missing=case.missing, linked=case.linked)
    if not case.linked:
        rows += [{**row, "unit": None} for row in people(plan, missing=0.9, linked=False, seed=2)]
    shutil.copy(sqlite_template, tmp_path / "other.db")
    other = make_engine(f"sqlite:///{tmp_path / 'other.db'}")
    shuffled = random.Random(5).sample(rows, len(rows))
    hashes = {
        request(plan, taken(where, plan, given).data["score"], {}).data_hash()
        for where, given in ((engine, rows), (other, shuffled))
    }
    other.dispose()
    assert len(hashes) == 1


def test_waves_of_another_look_leave_a_snapshot_alone(engine: sa.Engine) -> None:
    plan = plan_of("did", "normal", pre=("early", "pre"))
    rows = people(plan, missing=0.0, linked=False)
    first = taken(engine, plan, [row for row in rows if row["wave"] != "post"], look="mid")
    again = taken(engine, plan, rows, look="mid")
    assert first.data == again.data
    assert {cell["wave"] for cell in again.data["score"]["cells"]} == {"early", "pre", "mid"}
