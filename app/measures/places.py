"""Where named people are: what a row leaves out of arm and unit, their other rows tell; pure.

What tells it, the nearest first: rows of the same measure that stand; the first row beside this one, of the same file
or request, that names it; rows of other measures, where they agree. The same, as sets: `imports/placing.py`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from app.measures.models import UNASSIGNED
from app.measures.rules import Context


class Place(NamedTuple):
    """Arm and unit; UNASSIGNED and None where nobody told them."""

    arm: str = UNASSIGNED
    unit_id: str | None = None


NOWHERE = Place()


def agreed(rows: Iterable[tuple[str, str | None, str | None]]) -> dict[str, Place]:
    """Of rows (pseudonym, arm, unit), the place of each person as far as all that name one name the same."""
    named: dict[str, tuple[set[str], set[str]]] = {}
    for who, arm, unit in rows:
        arms, units = named.setdefault(who, (set(), set()))
        arms |= {arm} if arm else set()
        units |= {unit} if unit is not None else set()
    return {who: Place(_only(arms) or UNASSIGNED, _only(units)) for who, (arms, units) in named.items()}


def _only(of: set[str]) -> str | None:
    return next(iter(of)) if len(of) == 1 else None


class Places:
    """What is known of the people of one measure: from rows of it that stand (`here`), of other measures, and told."""

    def __init__(self, context: Context, here: Mapping[str, Place], elsewhere: Mapping[str, Place]) -> None:
        self._context, self._here, self._elsewhere = context, here, elsewhere
        self._told: dict[str, Place] = {}

    def tell(self, participant: str, arm: str | None, unit_id: str | None) -> None:
        """A row of the request says this; the first that names an arm or a unit is believed."""
        before = self._told.get(participant, NOWHERE)
        arm = arm or self._context.arm_of(unit_id, participant)
        self._told[participant] = Place(before.arm or arm or UNASSIGNED, before.unit_id or unit_id)

    def filled(self, participant: str | None, arm: str | None, unit_id: str | None) -> Place:
        """Arm and unit of a row: as it names them, as plan or chance have them, else as they are known."""
        arm = arm or self._context.arm_of(unit_id, participant)
        if participant is None:
            return Place(arm or UNASSIGNED, unit_id)
        here = self._here.get(participant)
        told, elsewhere = (known.get(participant, NOWHERE) for known in (self._told, self._elsewhere))
        if unit_id is None:
            # Whoever stands without a unit stays without one.
            unit_id = here.unit_id if here is not None else told.unit_id or elsewhere.unit_id
        arm = arm or (here or NOWHERE).arm or told.arm or elsewhere.arm
        return Place(arm or self._context.arm_of(unit_id) or UNASSIGNED, unit_id)
