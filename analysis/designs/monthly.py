"""From the entries of a measure to one monthly series a group: units added up, months in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.designs.prepared import Note, Question
from analysis.documents import Family, Point
from analysis.errors import Refused

Array = NDArray[np.float64]
NAMED = 10


@dataclass(frozen=True, slots=True, eq=False)
class Monthly:
    """One group: months `t` (M,), `value` (geometric means, or events) and `exposure`, the definition of each month."""

    t: NDArray[np.int64]
    value: Array
    exposure: Array
    definition: tuple[object, ...]
    notes: tuple[Note, ...] = ()

    def at(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the months `t` stand; each must be there."""
        return np.searchsorted(self.t, t)

    def last(self, months: int) -> "Monthly":
        """The same from the last `months` months only."""
        return Monthly(
            self.t[-months:],
            self.value[-months:],
            self.exposure[-months:],
            self.definition[-months:],
            self.notes,
        )


def points_by_arm(question: Question) -> dict[str, dict[str, dict[int, Point]]]:
    """Points by arm, unit and month; `Refused` for other shapes, broken months, the same month twice, bad values."""
    name, points = question.measure.measure, question.data.series
    if points is None:
        raise Refused(
            "wrong_shape",
            f"{name}: the design its follows months, which cannot be given as {question.data.shape}.",
            "Give a series: one point a month with its t (months since the start), value and exposure.",
        )
    found: dict[str, dict[str, dict[int, Point]]] = {}
    for point in points:
        arm = question.arm_of(point)
        if point.t != round(point.t):
            raise Refused(
                "not_monthly",
                f"{name}: t = {point.t:g} is no whole month.",
                "Give one point a month; t counts months from the start: −1 the last before it, 0 the first with it.",
            )
        months = found.setdefault(arm, {}).setdefault(point.unit or "", {})
        if round(point.t) in months:
            where = f" of unit {point.unit}" if point.unit else ""
            raise Refused(
                "duplicate_cell",
                f"{name}: the month {point.t:g}{where} appears twice in arm {arm!r}.",
                "Give one point a unit and month; name the unit where the parts are of different units.",
            )
        _check(question, point)
        months[round(point.t)] = point
    return found


def _check(question: Question, point: Point) -> None:
    """Refuse a value that its family cannot have."""
    name = question.measure.measure
    if question.measure.family is Family.DURATION and point.value <= 0:
        raise Refused(
            "zero_duration",
            f"{name}: the value of month {point.t:g} is {point.value:g}; a duration has a logarithm only above zero.",
            "Correct the month, or leave it out: a gap is allowed. Where true zeros occur, count them as a measure of "
            "their own.",
        )
    if question.measure.family is Family.COUNT and (point.value < 0 or point.value != round(point.value)):
        raise Refused(
            "not_counts",
            f"{name}: the value of month {point.t:g} is {point.value:g}; a count is a whole number, 0 or more.",
            "Give the number of events as the value and what they were counted over as the exposure, not the rate.",
        )


def together(
    question: Question, units: Mapping[str, Mapping[int, Point]], span: Sequence[int], of: str
) -> Monthly | None:
    """One series of the units that have every month of `span`; None where no unit has.

    Other months are added where every such unit has them. Counts: events and exposure are summed; durations: mean of
    the logarithms, weighted by exposure (1 where there is none).
    """
    complete = sorted(unit for unit, months in units.items() if all(t in months for t in span))
    if not complete:
        return None
    t = sorted(set.intersection(*(set(units[unit]) for unit in complete)))
    months = [[units[unit][month] for unit in complete] for month in t]
    exposure = np.array([[p.exposure or 1.0 for p in points] for points in months])
    value = np.array([[p.value for p in points] for points in months])
    if question.measure.family is Family.COUNT:
        values = value.sum(axis=1)
    else:
        values = np.exp((exposure * np.log(value)).sum(axis=1) / exposure.sum(axis=1))
    definitions = tuple(tuple(p.definition for p in points) for points in months)
    return Monthly(
        np.array(t),
        values,
        exposure.sum(axis=1),
        definitions,
        tuple(_left_out(question, sorted(units.keys() - set(complete)), of)),
    )


def _left_out(question: Question, units: Sequence[str], of: str) -> list[Note]:
    if not units:
        return []
    named = ", ".join(unit or "(no unit named)" for unit in units[:NAMED])
    more = f" and {len(units) - NAMED} more" if len(units) > NAMED else ""
    message = (
        f"Units of {of} that do not have every month are left out: {named}{more}. What comes and goes would look like "
        "a change; enter their missing months."
    )
    return [Note("units_incomplete", message, question.measure.measure)]
