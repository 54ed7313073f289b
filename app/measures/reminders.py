"""Reminders of waves that are due: each state of a wave is told once, whatever the number of workers."""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy import Engine
from sqlmodel import Field, Session, SQLModel, UniqueConstraint, col, select

from app.config import Settings
from app.db import id_field, instant_field, reading, text_enum, transaction
from app.jobs.chores import Chore
from app.jobs.ledger import AWAY
from app.measures.due import DueState
from app.measures.due_waves import DueWave, due_waves
from app.measures.events import wave_due
from app.pilots.models import Pilot

log = structlog.get_logger(__name__)


class WaveReminder(SQLModel, table=True):
    """A state of a wave that was told, in the transaction of the event."""

    __tablename__ = "wave_reminders"
    __table_args__ = (UniqueConstraint("pilot_id", "iteration", "wave", "state"),)

    id: str = id_field()
    organization_id: str = Field(foreign_key="organizations.id", max_length=36)
    pilot_id: str = Field(foreign_key="pilots.id", max_length=36)
    iteration: int
    wave: str = Field(max_length=100)
    state: DueState = Field(sa_type=text_enum(DueState))
    told_at: datetime = instant_field()


def remind(engine: Engine, settings: Settings, at: datetime) -> int:
    """Record `wave.due` for what is due at this instant and was not told yet; how many. What is long gone stays untold.

    Each in a transaction of its own: one that fails is logged and keeps back no other.
    """
    with reading(engine) as session:
        session.info["settings"] = settings
        due = list(due_waves(session, select(Pilot), at.date()))
        told = _told(session, due)
    count = 0
    for wave in due:
        if _place(wave) in told:
            continue
        try:
            count += _tell(engine, settings, wave, at)
        except AWAY:
            raise
        except Exception:
            log.exception("not_reminded", pilot=wave.pilot.id, wave=wave.key)
    return count


def _place(wave: DueWave) -> tuple[str, int, str, DueState]:
    return wave.pilot.id, wave.pilot.iteration, wave.key, wave.state


def _told(session: Session, due: list[DueWave]) -> set[tuple[str, int, str, DueState]]:
    """What was told of these pilots before."""
    rows = session.exec(select(WaveReminder).where(col(WaveReminder.pilot_id).in_({wave.pilot.id for wave in due})))
    return {(row.pilot_id, row.iteration, row.wave, row.state) for row in rows}


def _tell(engine: Engine, settings: Settings, seen: DueWave, at: datetime) -> bool:
    """Tell it unless it changed, or another worker told it, since it was seen; whether it was told."""
    with transaction(engine) as session:
        session.info["settings"] = settings
        pilots = select(Pilot).where(Pilot.id == seen.pilot.id)
        wave = next((w for w in due_waves(session, pilots, at.date()) if _place(w) == _place(seen)), None)
        if wave is None:
            return False
        pilot_id, iteration, key, state = _place(wave)
        organization_id = wave.pilot.organization_id
        row = WaveReminder(
            organization_id=organization_id, pilot_id=pilot_id, iteration=iteration, wave=key, state=state, told_at=at
        )
        try:
            with session.begin_nested():
                session.add(row)
        except sa.exc.IntegrityError:
            return False  # the insert waited until the other worker had told it
        wave_due(session, wave, at)
    return True


REMINDERS: Final = Chore("wave_reminders", timedelta(hours=1), remind)
