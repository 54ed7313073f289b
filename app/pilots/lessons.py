"""What pilots taught: one row an iteration, kept up with the pilot, searched by words."""

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any
from unicodedata import normalize

from sqlmodel import Session, col, select

from app.errors import Invalid, fault
from app.pilots.models import Iteration, Lesson, Pilot, Stage

# Each search of an address ends at the next @: reading on to the end of the text would take the square of their number.
ADDRESS, NUMBER = re.compile(r"\S@[^\s@]+\.\S"), re.compile(r"\d[\d ()./-]*\d")
TELEPHONE = 9
"""Digits in a row, separators left out; a date has fewer."""


def _tells_whom_to_ask(text: str) -> bool:
    plain = normalize("NFKC", text)
    long = (len(re.sub(r"\D", "", run)) >= TELEPHONE for run in NUMBER.findall(plain))
    return ADDRESS.search(plain) is not None or any(long)


def as_compared(text: str) -> str:
    """A text in the form in which words are looked for: compatibility forms and case make no difference."""
    return normalize("NFKC", normalize("NFKC", text).casefold())


def told_of(pilot: Pilot) -> int:
    """The iteration that lessons written now are about: in `refine` the one that entering it has closed."""
    return pilot.iteration - 1 if pilot.stage is Stage.REFINE else pilot.iteration


def _held(session: Session, pilot: Pilot) -> Lesson | None:
    return session.exec(
        select(Lesson).where(Lesson.pilot_id == pilot.id, Lesson.iteration == told_of(pilot))
    ).one_or_none()


def refuse_contacts(session: Session, pilot: Pilot) -> None:
    """Raise Invalid where lessons that others read name an address or a telephone number."""
    if not pilot.share_lessons:
        return
    session.flush()
    texts = session.exec(select(Lesson.text).where(Lesson.pilot_id == pilot.id))
    if any(_tells_whom_to_ask(text) for text in texts):
        msg = "shared lessons are read by other organizations: leave out e-mail addresses and telephone numbers"
        raise Invalid(msg, [fault(["lessons"], msg, "looks_identifying")])


def keep_lessons(session: Session, pilot: Pilot, lessons: str | None, person: str, at: datetime) -> None:
    """Write what the iteration taught; None takes it back. In `refine` it goes to the closed iteration's row too."""
    row = _held(session, pilot)
    iteration = session.exec(
        select(Iteration).where(Iteration.pilot_id == pilot.id, Iteration.number == told_of(pilot))
    ).one()
    if row is None and lessons is not None:
        row = Lesson(
            organization_id=pilot.organization_id,
            pilot_id=pilot.id,
            iteration=iteration.number,
            stage=pilot.stage,
            driver=pilot.driver,
            text="",
            words="",
            by=person,
            at=at,
        )
    if row is not None and lessons is None:
        session.delete(row)
    elif row is not None and lessons is not None:
        row.intervention_id = iteration.intervention_id or pilot.intervention_id
        row.shared = pilot.share_lessons
        if row.text != lessons:
            row.stage, row.text, row.words, row.by, row.at = pilot.stage, lessons, as_compared(lessons), person, at
        session.add(row)
    pilot.lessons = lessons
    if pilot.stage is Stage.REFINE:
        iteration.lessons = lessons
        session.add(iteration)


def follow_pilot(session: Session, pilot: Pilot, changed: Collection[str]) -> None:
    """Lessons are shared as the pilot says now; those of the current iteration are about what it names now."""
    session.flush()
    if "share_lessons" in changed:
        for row in session.exec(select(Lesson).where(Lesson.pilot_id == pilot.id)):
            row.shared = pilot.share_lessons
            session.add(row)
    if {"driver", "intervention_id"} & set(changed) and pilot.stage is not Stage.REFINE:
        current = _held(session, pilot)
        if current is not None:
            current.driver, current.intervention_id = pilot.driver, pilot.intervention_id
            session.add(current)


def with_words(q: str | None) -> Iterator[Any]:
    """The conditions of lessons in which every word of `q` occurs; `%` and `_` are characters like others."""
    for word in as_compared(q or "").split():
        yield col(Lesson.words).contains(word, autoescape=True)
