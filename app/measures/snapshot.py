"""The data of a pilot as an analysis takes them: every measure in one of the library's shapes, and the attrition.

Which shape linked people take is a table here; the sums are made in `cells.py`. Summaries pass as they were entered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from sqlmodel import Session, col, select

from analysis.documents import Design, Family, Plan, PlannedMeasure
from app.measures.cells import Entry, Rows
from app.measures.collected import collected, days_of, outside
from app.measures.interruptions import definition_warnings, observed, start_of
from app.measures.models import Shape, Summary, Wave
from app.measures.response import lost_of_followed, lost_of_invited
from app.measures.revisions import summaries
from app.measures.starting import by_crossing, crossing, inside, several_starts, since_start
from app.measures.waves import answers, primary_answers, primary_of


class Linked(Enum):
    """What an analysis can use of the same person seen in several waves."""

    PAIRS = "who was seen in both waves; nobody else adds anything"
    PEOPLE = "everybody: pairs where nobody missed a wave, else single rows"
    ROWS = "everybody, as single rows"


# Designs and families that are not here take the people of two waves as different people.
LINKED: Mapping[tuple[Design, Family], Linked] = {
    (Design.PARALLEL, Family.NORMAL): Linked.PAIRS,
    (Design.CLUSTER, Family.NORMAL): Linked.PAIRS,
    (Design.PAIRED, Family.NORMAL): Linked.PEOPLE,
    (Design.DID, Family.NORMAL): Linked.PEOPLE,
    (Design.PAIRED, Family.BINARY): Linked.ROWS,
}
# Means and SDs tell too little of these: the library takes rows as they are, linked or not, and says what it makes
# of them.
AS_ROWS = frozenset({Family.COUNT, Family.DURATION})
# In `parallel` the comparison of shares is of the follow-up: there is no link to use.
UNTOLD = frozenset({(Design.PARALLEL, Family.BINARY)})


@dataclass
class Snapshot:
    """Data of every measure in the library's shapes, the observed attrition, and what was left out."""

    data: dict[str, dict[str, list[Entry]]] = field(default_factory=dict)
    attrition: dict[str, float] = field(default_factory=dict)
    warnings: list[dict[str, str]] = field(default_factory=list)

    def warn(self, code: str, message: str) -> None:
        """Add a warning."""
        self.warnings.append({"code": code, "message": message})


def snapshot(
    session: Session, pilot_id: str, iteration: int, plan: Plan, followup: str, at: int | None = None
) -> Snapshot:
    """What an analysis of the look at wave `followup` would take, as of this transaction or `at` a revision.

    The same data give the same snapshot, whatever the order of entry and the database: its hash names the data.
    """
    taken = as_entered(session, pilot_id, iteration, plan, followup, at)
    if plan.design is Design.STEPPED_WEDGE:
        _cross(session, pilot_id, iteration, plan, taken)
    if plan.design is Design.ITS:
        _count_from_start(session, pilot_id, iteration, plan, taken)
    return taken


def _cross(session: Session, pilot_id: str, iteration: int, plan: Plan, taken: Snapshot) -> None:
    """Put the entries of a stepped wedge into the arms that hold at their waves."""
    arms = crossing(plan, days_of(session, pilot_id, iteration, plan, [wave.key for wave in plan.waves]))
    for measure, shapes in taken.data.items():
        for shape, entries in shapes.items():
            for code, message in inside(measure, entries, arms):
                taken.warn(code, message)
            shapes[shape] = by_crossing(entries, arms)


def _count_from_start(session: Session, pilot_id: str, iteration: int, plan: Plan, taken: Snapshot) -> None:
    """Give the months of series their time since the start, and the definition they were measured by."""
    for code, message in several_starts(plan):
        taken.warn(code, message)
    first = start_of(session, pilot_id, iteration)
    for measure, shapes in taken.data.items():
        if (points := shapes.get(Shape.SERIES.value)) is not None:
            places = observed(session, pilot_id, iteration, measure, points)
            definitions = {(*place, point.t): point.definition for place, found in places.items() for point in found}
            shapes[Shape.SERIES.value] = since_start(points, plan, first, definitions)


def as_entered(
    session: Session, pilot_id: str, iteration: int, plan: Plan, followup: str, at: int | None = None
) -> Snapshot:
    """As `snapshot`, with arms and months as they were entered."""
    taken = Snapshot()
    entered = summaries(session, pilot_id, iteration, at)
    for measure in plan.measures:
        held = [s for s in entered if s.measure == measure.measure]
        if held:
            ordered = sorted((s for s in held if _is_of(s, plan, followup)), key=lambda s: s.cell)
            if not ordered:
                continue
            taken.data[measure.measure] = {held[0].shape.value: [s.content for s in ordered]}
            continue
        rows = Rows(session, pilot_id, iteration, measure.measure, baselines(plan, followup), followup, at)
        if waiting := rows.waiting():
            message = (
                f"{measure.measure}: {waiting} values are of people or units that were not assigned to an arm, and are "
                "left out"
            )
            taken.warn("not_allocated", message)
        if rows.exist():
            shape, entries = _reduced(rows, plan.design, measure, taken)
            taken.data[measure.measure] = {shape: entries}
    arms = {arm.key for arm in plan.arms}
    for shapes in taken.data.values():
        # Arms that the plan does not compare (a control that has the program by now) are no part of it.
        for shape, entries in shapes.items():
            shapes[shape] = [entry for entry in entries if entry.get("arm") is None or entry["arm"] in arms]
    for code, message in definition_warnings(
        session, pilot_id, iteration, plan, [*baselines(plan, followup), followup], taken.data
    ):
        taken.warn(code, message)
    for code, message in outside(
        collected(session, pilot_id, iteration, plan, [*baselines(plan, followup), followup], at)
    ):
        taken.warn(code, message)
    taken.attrition = observed_attrition(session, pilot_id, iteration, plan, followup, at)
    return taken


def _is_of(summary: Summary, plan: Plan, followup: str) -> bool:
    """Whether a summary belongs to the comparison up to `followup`: what came after scaling is another one."""
    named = summary.content.get("wave") or summary.wave
    kinds = {wave.key: wave.kind for wave in plan.waves}
    if named is None:
        return kinds.get(followup) != "retention"
    if kinds.get(followup) == "retention":
        return named == followup or named in baselines(plan, followup)
    return kinds.get(named) != "retention"


def is_linked(session: Session, pilot_id: str, iteration: int, plan: Plan, measure: str, wave: str) -> bool:
    """Whether the same people are known at the baseline and at a wave: pseudonyms, pairs or changes."""
    held = session.exec(
        select(Summary.shape)
        .where(Summary.pilot_id == pilot_id, Summary.iteration == iteration, Summary.measure == measure)
        .limit(1)
    ).first()
    if held is not None:
        return held in {Shape.PAIRS, Shape.CHANGES}
    return Rows(session, pilot_id, iteration, measure, baselines(plan, wave), wave).linked()


def baselines(plan: Plan, wave: str) -> Sequence[str]:
    """The waves that the design compares with a look's `wave`: over time all before the start, else the last of them.

    In a stepped wedge units start one after another: every wave before the look's, but none after scaling.
    """
    if plan.design is Design.DID:
        return [planned.key for planned in plan.waves if planned.kind == "baseline"]
    if plan.design is Design.STEPPED_WEDGE:
        keys = [planned.key for planned in plan.waves if planned.kind != "retention" or planned.key == wave]
        return keys[: keys.index(wave)]
    return [plan.baseline] if plan.baseline is not None else []


def _reduced(rows: Rows, design: Design, measure: PlannedMeasure, taken: Snapshot) -> tuple[str, list[Entry]]:
    place = (design, measure.family)
    if measure.family is Family.ORDINAL:
        return "rows", rows.rows()  # the library knows the categories and says what it makes of links
    linked = rows.linked()
    if measure.family in AS_ROWS:
        return "rows", _as_rows(rows, measure, taken) if linked else rows.rows()
    use = LINKED.get(place) if linked else None
    if use is Linked.ROWS:
        return "rows", rows.rows()
    if use is not None and rows.before:
        pairs = rows.pairs()
        complete, seen = sum(pair["n"] for pair in pairs), rows.people()
        if use is Linked.PEOPLE and (complete < seen or len(rows.waves()) > 2):  # noqa: PLR2004 - a pair has two
            return "rows", rows.rows()
        if pairs:
            if seen > complete:
                _warn_of_incomplete(measure, taken)
            return "pairs", pairs
    if linked and place not in LINKED and place not in UNTOLD:
        message = (
            f"{measure.measure}: the design {design.value} takes the {measure.family.value} answers of two waves for "
            "those of different people; who answered twice makes the interval too wide rather than too narrow"
        )
        taken.warn("participants_unused", message)
    return ("counts", rows.counts()) if measure.family is Family.BINARY else ("cells", rows.cells())


def _as_rows(rows: Rows, measure: PlannedMeasure, taken: Snapshot) -> list[Entry]:
    """Linked people as single rows; of durations, which are compared as pairs, those seen both before and after."""
    entries = rows.rows()
    if measure.family is not Family.DURATION or not rows.before:
        return entries
    early, late = ({e["participant"] for e in entries if e["wave"] == w} for w in (rows.before[-1], rows.followup))
    both = early & late
    if not both or both == early | late:
        return entries
    _warn_of_incomplete(measure, taken)
    return [entry for entry in entries if entry["participant"] in both]


def _warn_of_incomplete(measure: PlannedMeasure, taken: Snapshot) -> None:
    """How many they are is not told: they may be fewer than are shown."""
    message = f"{measure.measure}: some people answered only once and are not compared before and after"
    taken.warn("incomplete_pairs", message)


def observed_attrition(
    session: Session, pilot_id: str, iteration: int, plan: Plan, followup: str, at: int | None = None
) -> dict[str, float]:
    """Share lost to the primary measure at the follow-up, by arm; empty unless every arm's is known.

    Of those invited, where the wave says how many were; else of the linked people with a value before the start.
    """
    arms = [arm.key for arm in plan.arms]
    wave = session.exec(
        select(Wave).where(Wave.pilot_id == pilot_id, Wave.iteration == iteration, col(Wave.key) == followup)
    ).one_or_none()
    answered = primary_answers(answers(session, pilot_id, iteration, plan, at), plan, followup)
    lost = lost_of_invited(arms, wave.invited if wave is not None else {}, answered)
    return lost or lost_of_followed(arms, followed(session, pilot_id, iteration, plan, followup, at))


def followed(
    session: Session, pilot_id: str, iteration: int, plan: Plan, wave: str, at: int | None = None
) -> dict[str, tuple[int, int]]:
    """How many linked people of each arm have the primary measure before the start, and of them at `wave`."""
    primary = primary_of(plan)
    if primary is None:
        return {}
    return Rows(session, pilot_id, iteration, primary, baselines(plan, wave), wave, at).followed()
