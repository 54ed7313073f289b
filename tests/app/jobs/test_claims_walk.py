"""Any order of claims, beats, endings, cancels and silences keeps the promises of a claim (a random walk)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlmodel import Session

from app.db import transaction
from app.jobs import claims
from app.jobs.models import JobStatus
from tests.app.jobs.toys import Apart, Toy

LEASE = timedelta(seconds=10)
ATTEMPTS = 3


class Walk(RuleBasedStateMachine):
    """One row; workers that took it at some time and may act on it whenever they like."""

    @initialize()
    def queue(self) -> None:
        self.engine = sa.create_engine("sqlite://")
        Apart.metadata.create_all(self.engine)
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        with transaction(self.engine) as session:
            session.add(Toy(id="it", request={}))
        self.seen = self.row()
        self.workers: list[Toy] = []
        self.ends = 0
        self.cancelled_at: datetime | None = None

    def row(self) -> Toy:
        with Session(self.engine) as session:
            return session.get_one(Toy, "it")

    def change(self, act: Any, *arguments: Any, **options: Any) -> Toy | None:
        """Act in a transaction; nothing may end twice."""
        with transaction(self.engine) as session:
            changed: Toy | None = act(session, *arguments, **options)
        if changed is not None and changed.status.final:
            self.ends += 1
        return changed

    @rule(seconds=st.integers(1, 15))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def claim(self) -> None:
        before = self.row()
        row = self.change(claims.claim, Toy, "it", self.now, LEASE, ATTEMPTS)
        silent = before.lease_expires_at is not None and before.lease_expires_at < self.now
        assert (row is not None) == (before.status is JobStatus.QUEUED or silent)
        if row is not None and row.status is JobStatus.RUNNING:
            assert row.claim not in [worker.claim for worker in self.workers]
            self.workers.append(row)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), progress=st.floats(0, 1))
    def beat(self, data: st.DataObject, progress: float) -> None:
        self.act(data, claims.heartbeat, progress, self.now, LEASE)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), status=st.sampled_from([JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED]))
    def finish(self, data: st.DataObject, status: JobStatus) -> None:
        self.act(data, claims.finish, status, self.now)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), counted=st.booleans())
    def release(self, data: st.DataObject, *, counted: bool) -> None:
        self.act(data, claims.release, self.now, counted=counted)

    def act(self, data: st.DataObject, act: Any, *arguments: Any, **options: Any) -> None:
        """Only the worker whose token is the current one gets through."""
        worker = data.draw(st.sampled_from(self.workers))
        holder = self.row().claim == worker.claim
        assert (self.change(act, worker, *arguments, **options) is not None) == holder

    @rule()
    def cancel(self) -> None:
        over = self.row().status.final
        row = self.change(claims.cancel, Toy, "it", self.now)
        assert (row is None) == over
        if row is not None:
            self.cancelled_at = self.cancelled_at or self.now

    @invariant()
    def promises_hold(self) -> None:
        before, row = self.seen, self.row()
        assert self.ends == int(row.status.final)
        assert row.progress >= before.progress
        assert 0 <= row.attempts <= ATTEMPTS
        assert (row.claim is not None) == (row.lease_expires_at is not None) == (row.status is JobStatus.RUNNING)
        assert (row.finished_at is not None) == row.status.final
        assert row.cancel_requested_at == self.cancelled_at
        if self.cancelled_at is not None:
            assert row.status in {JobStatus.RUNNING, JobStatus.CANCELLED}
        if before.status.final:
            assert row == before
        self.seen = row

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.dispose()


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
