"""Whether the answers to a measure carry pseudonyms: all do, or none, else people cannot be told apart."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from app.measures.entry import of_measure
from app.measures.models import Measurement
from app.pilots.models import Pilot

APART = "all of a measure carry one or none does, else people cannot be told apart"


def standing(connection: Connection, pilot: Pilot, measure: str) -> bool | None:
    """Whether what stands of a measure in the current iteration carries pseudonyms; None when nothing stands."""
    m: Any = Measurement
    found = sa.select(m.participant.is_not(None)).where(*of_measure(Measurement, pilot, measure)).limit(1)
    linked = connection.scalar(found)
    return None if linked is None else bool(linked)


def mixed(connection: Connection, pilot: Pilot, measure: str, *, linked: bool) -> str:
    """The sentence about an answer of the other kind than those (`linked`: with pseudonyms) that stand or came first.

    It counts what stands: for those who are refused, once a request and measure.
    """
    m: Any = Measurement
    counting = sa.select(sa.func.count(), sa.func.min(m.entered_in)).where(*of_measure(Measurement, pilot, measure))
    answers, since = connection.execute(counting).one()
    kind, other = ("with", "without") if linked else ("without", "with")
    if not answers:
        return f"the first answer to {measure} came {kind} a pseudonym, this one {other}; {APART}. Enter all in one way"
    stand = f"{answers:,} answers {kind} a pseudonym stand" if answers > 1 else f"an answer {kind} a pseudonym stands"
    alike = "give these their pseudonyms" if linked else "leave the pseudonyms out"
    return (
        f"{stand} in {measure} since revision {since}, and this one is {other}; {APART}. Enter these alike ({alike}), "
        "or withdraw those that stand (POST …/corrections) and enter all in one way"
    )
