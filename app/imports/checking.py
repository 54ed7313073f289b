"""Values of a file against the rules of a row by itself: scale, arm, unit, pseudonym; each place is judged once."""

import re
from datetime import date

from app.imports.faults import Faults
from app.imports.reading import Value
from app.measures.collected import day_faults
from app.measures.models import UNASSIGNED
from app.measures.rules import Context, Fault, participant_faults, value_faults, where_faults
from app.measures.schemas import LARGEST, SMALLEST

LONGEST = 100  # characters of a pseudonym
KEPT = 200_000  # pseudonyms known to be right; then they are looked at anew
PLAIN = re.compile(r"[a-z]{1,20}[-_]?[0-9]{1,6}")
"""What most pseudonyms are like, and no rule is against."""

type Placed = tuple[str, tuple[Fault, ...]]


class Checks:
    """The rules of a pilot's plan, for a million rows: what many rows share is looked up."""

    def __init__(self, context: Context, faults: Faults, today: date) -> None:
        self._context, self._faults, self._today = context, faults, today
        self._measures = {m.measure: m for m in context.plan.measures}
        self._places: dict[tuple[str, str | None, str | None, str | bool | None], Placed] = {}
        self._right: set[str] = set()

    def arm_of(self, value: Value) -> str | None:
        """The arm of a value that is right ("" while chance has yet to assign one); None for one that is not."""
        found = [*value_faults(self._measures[value.measure], value.value)]
        if value.value and not SMALLEST <= abs(value.value) <= LARGEST:
            found.append(("value", f"{value.value:g} is no value that could be measured", "value_error"))
        if value.collected_on is not None:
            found += day_faults(value.collected_on, self._today)
        arm, wrong = self._placed(value)
        if wrong:
            found += wrong
        person = value.participant
        if person is not None and not PLAIN.fullmatch(person) and person not in self._right:
            found += self._pseudonym(person)
        if not found:
            return arm
        self._faults.rejected += 1
        for field, message, code in found:
            column = value.column if field == "value" else field
            self._faults.add(value.row, column, code, message)
        return None

    def _placed(self, value: Value) -> Placed:
        allocated = bool(self._context.allocated.people)
        who = value.participant if allocated else value.participant is None
        key = (value.wave, value.arm, value.unit_id, who)
        held = None if allocated else self._places.get(key)
        if held is not None:
            return held
        wrong = where_faults(
            self._context, value.wave, arm=value.arm, unit_id=value.unit_id, participant=value.participant
        )
        arm = value.arm or self._context.arm_of(value.unit_id, value.participant) or UNASSIGNED
        placed = arm, tuple(wrong)
        if not allocated:
            self._places[key] = placed
        return placed

    def _pseudonym(self, person: str) -> list[Fault]:
        if not person or len(person) > LONGEST:
            return [("participant", f"a pseudonym has 1 to {LONGEST} characters", "string_too_long")]
        found = list(participant_faults(person))
        if not found:
            if len(self._right) >= KEPT:
                self._right.clear()
            self._right.add(person)
        return found
