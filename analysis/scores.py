"""Which ordered categories a measure has and what they are worth, from its plan and its data; no statistics here."""

from collections import defaultdict
from collections.abc import Sequence

from analysis.documents import Categories, PlannedMeasure, Row
from analysis.errors import Refused

MOST = 11
"""Categories of an ordinal measure; each but the last has a cut-point to be learned."""


def scores_of_rows(measure: PlannedMeasure, rows: Sequence[Row]) -> tuple[float, ...]:
    """The categories: the whole numbers from the measure's minimum to its maximum, else from the least to the largest.

    None where there are no rows and no scale. `Refused` for values that are not whole or off the scale, for too many
    categories, and for a single one.
    """
    name, values = measure.measure, [row.value for row in rows]
    if broken := [value for value in values if value != round(value)]:
        raise Refused(
            "not_ordinal",
            f"{name}: an ordinal measure has a value of {broken[0]:g}; its categories are whole numbers.",
            "Enter the number of the category, or plan the measure as normal.",
        )
    planned = planned_scale(measure)
    if planned is None and not values:
        return ()
    low, high = planned or (min(values), max(values))
    if off := [value for value in values if not low <= value <= high]:
        raise Refused(
            "off_the_scale",
            f"{name}: a value of {off[0]:g} lies outside the scale ({low:g} to {high:g}).",
            "Check the value and the variant of the instrument.",
        )
    _refuse_too_many(measure, high - low + 1)
    if low == high:
        raise Refused(
            "one_category",
            f"{name}: everyone answered {low:g}, and which other categories there are is not known.",
            "Give the measure's minimum and maximum in the plan.",
        )
    return tuple(float(value) for value in range(int(low), int(high) + 1))


def scores_of_categories(measure: PlannedMeasure, entries: Sequence[Categories]) -> tuple[tuple[float, ...], bool]:
    """The categories' values, and whether the measure's scale gives them: else they are 1, 2, and so on.

    `Refused` for entries of different lengths and for too many categories.
    """
    lengths = sorted({len(entry.counts) for entry in entries})
    if len(lengths) > 1:
        raise Refused(
            "categories_differ",
            f"{measure.measure}: some entries have {lengths[0]} categories and some {lengths[-1]}.",
            "Give the counts of all categories in every entry, 0 where nobody is in one.",
        )
    count = lengths[0] if lengths else 0
    _refuse_too_many(measure, count)
    planned = planned_scale(measure)
    if planned is not None and planned[1] - planned[0] + 1 == count:
        return tuple(planned[0] + i for i in range(count)), True
    return tuple(float(i + 1) for i in range(count)), not count


def planned_scale(measure: PlannedMeasure) -> tuple[float, float] | None:
    """The measure's minimum and maximum where both are whole numbers."""
    low, high = measure.minimum, measure.maximum
    if low is None or high is None or low != round(low) or high != round(high) or low > high:
        return None
    return low, high


def categories_of(rows: Sequence[Row], scores: Sequence[float]) -> list[Categories]:
    """People in each category of each unit, arm and wave."""
    groups: dict[tuple[str | None, str | None, str], list[int]] = defaultdict(lambda: [0] * len(scores))
    for row in rows:
        groups[row.unit, row.arm, row.wave][int(row.value - scores[0])] += 1
    return [Categories(unit=unit, arm=arm, wave=wave, counts=counts) for (unit, arm, wave), counts in groups.items()]


def _refuse_too_many(measure: PlannedMeasure, count: float) -> None:
    if count > MOST:
        raise Refused(
            "too_many_categories",
            f"{measure.measure}: {count:g} categories; an ordinal measure has at most {MOST}.",
            "Plan the measure as normal, or join neighbouring categories before the data are seen.",
        )
