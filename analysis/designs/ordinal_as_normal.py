"""Answers of few categories treated as normal: the ordinal model of the same rows, shown beside with a warning."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

from analysis.designs.prepared import Alternative, Note, Prepared, Question
from analysis.documents import Design, Family
from analysis.errors import Refused
from analysis.scores import planned_scale

MOST_CATEGORIES, AT_AN_END = 7, 0.25
"""Distinct whole values that are looked at, and the share of an arm on the lowest or the highest that is much."""
Offered = Mapping[tuple[Design, Family], Callable[[Question], Prepared]]


def with_ordinal(question: Question, prepared: Prepared, offered: Offered) -> Prepared:
    """The measure with its ordinal model beside and a warning, where its rows pile up at an end of few categories."""
    make = offered.get((question.plan.design, Family.ORDINAL))
    if question.measure.family is not Family.NORMAL or make is None or not _piled_up(question):
        return prepared
    measure = question.measure.model_copy(update={"family": Family.ORDINAL})
    try:
        other = make(replace(question, measure=measure))
    except Refused:
        return prepared
    name = question.measure.measure
    message = (
        f"{name} has few categories and a quarter or more of an arm on the lowest or the highest: a normal model takes "
        "them for a scale that goes on. Its ordinal model is shown beside; plan the measure as ordinal next time."
    )
    beside = Alternative("ordinal", "values pile up at an end of few categories", other.inputs)
    return replace(
        prepared,
        warnings=(*prepared.warnings, Note("ordinal_as_normal", message, name)),
        alternatives=(*prepared.alternatives, beside),
    )


def _piled_up(question: Question) -> bool:
    rows = [
        row
        for row in question.placed(question.data.rows or [])
        if row.wave in (question.plan.baseline, question.followup)
    ]
    values = {row.value for row in rows}
    if not 1 < len(values) <= MOST_CATEGORIES or any(value != round(value) for value in values):
        return False
    ends = planned_scale(question.measure) or (min(values), max(values))
    groups: dict[tuple[str | None, str], list[float]] = defaultdict(list)
    for row in rows:
        groups[row.arm, row.wave].append(row.value)
    return any(
        sum(value == end for value in group) >= AT_AN_END * len(group) for group in groups.values() for end in ends
    )
