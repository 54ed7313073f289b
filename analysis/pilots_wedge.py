"""When the units of a simulated stepped wedge cross over: by the plan's dates, else spread evenly over the waves."""

from collections.abc import Mapping, Sequence

from analysis.designs.crossing import periods_of
from analysis.documents import Design, Plan


def periods(plan: Plan) -> tuple[str, ...]:
    """The waves of a stepped wedge up to its last look."""
    keys = [w.key for w in plan.waves]
    return tuple(periods_of(plan, max((look.wave for look in plan.looks), key=keys.index)))


def dated(plan: Plan, units: Sequence[str | None]) -> bool:
    """Whether dates tell when the units cross over, so that entries need not name an arm."""
    starts = {u.unit_id: u.starts_on for u in plan.units}
    return all(starts.get(str(unit)) for unit in units) and all(w.starts_on for w in plan.waves)


def starts_of(plan: Plan, units: Sequence[str | None]) -> Mapping[str | None, int]:
    """The period each unit is first exposed in; beyond the last where it never is. Empty for other designs."""
    if plan.design is not Design.STEPPED_WEDGE:
        return {}
    waves = periods(plan)
    if dated(plan, units):
        begins = {w.key: str(w.starts_on) for w in plan.waves}
        starts = {u.unit_id: str(u.starts_on) for u in plan.units}
        return {
            unit: next((t for t, wave in enumerate(waves) if begins[wave] >= starts[str(unit)]), len(waves))
            for unit in units
        }
    steps = max(len(waves) - 1, 1)
    return {unit: 1 + g * steps // len(units) for g, unit in enumerate(units)}
