"""Answers kept for repeated requests (`Idempotency-Key`) are forgotten after a week: nobody repeats for longer."""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Engine
from sqlmodel import col

from app.config import Settings
from app.db import transaction
from app.jobs.chores import Chore
from app.requests import IdempotentAnswer

KEPT: Final = timedelta(days=7)
BATCH: Final = 1000
"""Rows a transaction: on SQLite nobody else writes meanwhile."""


def forget(engine: Engine, _settings: Settings, at: datetime) -> int:
    """Delete what is older than a week, batch after batch; how many there were."""
    key, old = (col(IdempotentAnswer.key_id), col(IdempotentAnswer.token)), col(IdempotentAnswer.created_at) < at - KEPT
    forgotten = 0
    while True:
        with transaction(engine) as session:
            found = session.execute(sa.select(*key).where(old).limit(BATCH)).all()
            if found:
                session.execute(sa.delete(IdempotentAnswer).where(sa.tuple_(*key).in_([tuple(f) for f in found]), old))
        forgotten += len(found)
        if len(found) < BATCH:
            return forgotten


ANSWERS: Final = Chore("forget_answers", timedelta(hours=1), forget)
