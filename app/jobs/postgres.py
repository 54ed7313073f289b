"""The job engine on PostgreSQL: pokes go through procrastinate, in the row's transaction; nothing else imports it."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable

import structlog
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.jobs import DeleteJobCondition, Status
from sqlalchemy import Engine
from sqlmodel import Session

from app.db import errors_named

TASK = "poke"
QUEUE = "pokes"
AGAIN_SECONDS = 1.0
STALLED_SECONDS = 60.0

# Never opened: it only writes on connections that are handed to it.
_writer = App(connector=SyncPsycopgConnector())

log = structlog.get_logger(__name__)
logging.getLogger("procrastinate").setLevel(logging.WARNING)  # a poke is no news


def defer(session: Session, work_name: str, row_id: str) -> None:
    """Insert the poke on the session's own connection: it is committed, or not, together with the row."""
    session.flush()
    connection = session.connection().connection.driver_connection
    with errors_named():
        _writer.configure_task(TASK, queue=QUEUE, connection=connection).defer(work=work_name, id=row_id)


class Listener(threading.Thread):
    """Hears the pokes of all processes on this database (LISTEN/NOTIFY) and wakes this one's slots.

    Rows are claimed from their table, so a poke may be handled by any process, and be lost or repeated, without harm.
    """

    def __init__(self, engine: Engine, wake: Callable[[], None]) -> None:
        super().__init__(name="pokes", daemon=True)
        _, options = engine.dialect.create_connect_args(engine.url)
        options.pop("context", None)  # SQLAlchemy's own adapters are no concern of the queue
        self._options = options
        self._wake = wake
        self._cancel: Callable[[], object] = lambda: None
        self._stopping = threading.Event()

    def run(self) -> None:
        """Listen until `stop`."""
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._listen_again())

    def stop(self) -> None:
        """End the thread; any other thread may call this."""
        self._stopping.set()
        with contextlib.suppress(RuntimeError):  # its loop was closed already
            self._cancel()
        self.join()

    async def _listen_again(self) -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)  # type: ignore[union-attr]
        while not self._stopping.is_set():
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it is, the slots sweep and this tries again
                log.warning("not_listening", error=str(error))
            await asyncio.sleep(AGAIN_SECONDS)

    async def _listen(self) -> None:
        app = App(connector=PsycopgConnector(kwargs=self._options, min_size=1, max_size=2))

        @app.task(name=TASK)
        async def poked(work: str, id: str) -> None:  # noqa: A002 - the names that `defer` sends
            log.debug("poked", work=work, id=id)
            self._wake()

        async with app.open_async():
            for job in await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS):
                await app.job_manager.finish_job(job=job, status=Status.FAILED, delete_job=True)
            await app.run_worker_async(
                queues=[QUEUE], delete_jobs=DeleteJobCondition.ALWAYS, install_signal_handlers=False
            )
