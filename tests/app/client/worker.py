"""What a worker beside the service would do, in a thread: ends the next analysis that somebody asks for."""

import threading
import time
from collections.abc import Callable

from fastapi import FastAPI
from sqlmodel import select

from app.analyses.models import Analysis
from app.db import reading
from app.jobs.models import JobStatus


def ending_next(app: FastAPI, end: Callable[[str], object]) -> threading.Thread:
    """A thread that waits (ten seconds at most) for an analysis to be queued, and ends it."""

    def work() -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with reading(app.state.engine) as session:
                waiting = session.exec(select(Analysis.id).where(Analysis.status == JobStatus.QUEUED)).first()
            if waiting is not None:
                end(waiting)
                return
            time.sleep(0.02)

    thread = threading.Thread(target=work)
    thread.start()
    return thread
