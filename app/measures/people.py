"""Rows of named people one after the other: each against what stands of the person and measure by then; pure."""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from app.measures.models import UNASSIGNED
from app.measures.rules import ARM_CHANGED, UNIT_ADDED, UNIT_CHANGED, Fault, duplicate


class Told(NamedTuple):
    """What a row says; `arm` is UNASSIGNED while chance has yet to assign one."""

    value: float
    arm: str
    unit_id: str | None
    collected_on: date | None


class People:
    """What stands of the people of one measure: one value at a wave, all in one arm and one unit."""

    def __init__(self, measure: str, held: Iterable[tuple[str, str, Told]] = ()) -> None:
        self._measure = measure
        self._values: dict[tuple[str, str], Told] = {}
        self._places: dict[str, tuple[str, str | None]] = {}
        for participant, wave, told in held:
            self._stand(participant, wave, told)

    def arm_of(self, participant: str | None) -> str:
        """The arm that a person has by now; UNASSIGNED for nobody, and while it is awaited."""
        return self._places.get(participant or "", (UNASSIGNED,))[0]

    def fault(self, participant: str, wave: str, told: Told) -> Fault | None:
        """Why a row cannot stand beside those that do; None when it can, or stands already."""
        held = self._values.get((participant, wave))
        if held is not None and told != held._replace(arm=held.arm or told.arm):
            field = "value" if held.value != told.value else "participant"
            return field, duplicate(self._measure, wave), "duplicate"
        arm, unit = self._places.get(participant, (told.arm, told.unit_id))
        if arm not in {UNASSIGNED, told.arm}:
            return "arm", ARM_CHANGED, "arm_changed"
        if unit != told.unit_id:
            return "unit_id", UNIT_ADDED if unit is None else UNIT_CHANGED, "unit_changed"
        return None

    def take(self, participant: str, wave: str, told: Told) -> bool:
        """Let a row without faults stand; False when it did already. An arm that was awaited is then known."""
        new = (participant, wave) not in self._values
        self._stand(participant, wave, told)
        return new

    def _stand(self, participant: str, wave: str, told: Told) -> None:
        self._values[participant, wave] = told
        arm = told.arm or self._places.get(participant, (UNASSIGNED,))[0]
        self._places[participant] = arm, told.unit_id
