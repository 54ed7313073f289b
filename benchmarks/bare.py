"""What the service is compared with: the least that FastAPI and SQLAlchemy do for one row of the same table.

`python -m benchmarks.bare URL PORT`: reads a pilot by its id, as JSON, without keys, rules or an event; writes its
title; and moves it to a stage, with a row for the move.
"""

import sys
from typing import Annotated

import sqlalchemy as sa
import uvicorn
from fastapi import Depends, FastAPI
from sqlmodel import Session

import app.tables  # noqa: F401 - a move refers to tables of other modules
from app.db import make_engine
from app.lifecycle.models import Move
from app.pilots.models import Pilot, Stage


def bare(url: str) -> FastAPI:
    """The two routes."""
    app, engine = FastAPI(), make_engine(url)

    def session() -> Session:  # type: ignore[misc]
        with Session(engine) as opened:
            yield opened

    @app.get("/pilots/{pilot_id}")
    def read(pilot_id: str, session: Annotated[Session, Depends(session)]) -> Pilot | None:
        return session.get(Pilot, pilot_id)

    @app.post("/pilots/{pilot_id}")
    def write(pilot_id: str, title: str, session: Annotated[Session, Depends(session)]) -> None:
        session.execute(sa.update(Pilot).where(Pilot.id == pilot_id).values(title=title))  # type: ignore[arg-type]
        session.commit()

    @app.post("/pilots/{pilot_id}/moves")
    def move(pilot_id: str, to: Stage, session: Annotated[Session, Depends(session)]) -> None:
        pilot = session.get_one(Pilot, pilot_id)
        session.add(
            Move(
                organization_id=pilot.organization_id,
                pilot_id=pilot.id,
                iteration=pilot.iteration,
                from_stage=pilot.stage,
                to_stage=to,
                sequence=1,
                by="bench",
            )
        )
        pilot.stage = to
        session.commit()

    return app


if __name__ == "__main__":
    uvicorn.run(bare(sys.argv[1]), port=int(sys.argv[2]), log_level="error", access_log=False)
