"""Anonymous answers that come twice cannot be told apart from those of other people; what looks like it is asked about.

Pure but for `standing_answers`.
"""

from collections import Counter
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from app.measures.models import Measurement
from app.pilots.models import Pilot

LEAST = 5
"""Answers of which it is no coincidence that they are all the same."""
type Answers = Counter[tuple[str, str | None, float]]
"""How many there are of each arm, unit and value."""


def is_repeated(standing: int, new: int, same: int) -> bool:
    """Whether all that stand are among the new ones, or all new ones among those that stand (`same`: in both)."""
    return same >= LEAST and same in {standing, new}


def same_answers(measure: str, wave: str, standing: int, same: int) -> str:
    """The sentence that refuses them."""
    what = f"{standing:,} anonymous answers of {measure} at {wave} stand already"
    these = "the same" if same == standing else f"the same as {same:,} of them"
    return (
        f"{what} and {these} come again; they would count twice. "
        "Send only the new ones, or ask for ?again=true if they are of other people"
    )


def standing_answers(connection: Connection, pilot: Pilot, measure: str, wave: str) -> Answers:
    """The anonymous answers of a measure and wave that stand."""
    m: Any = Measurement
    of = (m.pilot_id == pilot.id, m.iteration == pilot.iteration, m.measure == measure, m.wave == wave)
    what = (m.arm, m.unit_id, m.value)
    counted = sa.select(*what, sa.func.count()).where(*of, m.participant.is_(None)).group_by(*what)
    return Counter({(arm, unit, value): n for arm, unit, value, n in connection.execute(counted)})
